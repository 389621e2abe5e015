#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies beside the daemon tep-s, manuals, example and unit: they describe what is there, and work."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["TEPKIT_SOURCE"], "tests", "support")))
import certificate
from process import program_for_anybody
from tap import run, test
from tep_s_place import NOBODY, Place, TEP_S, get, metric, ready, status_of

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])


def known_keys():
    """Every group with its keys, as the daemon's own messages list them."""
    keys = {}
    with Place() as place:
        place.values = {"nonsense": {}}
        groups = re.search(r"write one of: (.*)", place.run("--check").stderr)[1].split(", ")
        for group in groups:
            place.values = {group: {"nonsense": "x"}}
            keys[group] = re.search(r"write one of: (.*)", place.run("--check").stderr)[1].split(", ")
    return keys


@test("tep-s.conf.5: describes every key, and no other")
def manual_is_complete():
    manual = (SOURCE / "tools/man/tep-s.conf.5").read_text(encoding="utf-8").replace("\\-", "-")
    sections = dict(re.findall(r'^\.SH "\[(\w+)\]"\n(.*?)(?=^\.SH)', manual, re.MULTILINE | re.DOTALL))
    described = {group: re.findall(r'^\.BR (\S+) "=', text, re.MULTILINE) for group, text in sections.items()}
    assert described == known_keys(), (described, known_keys())


@test("tep-s.8: describes every option")
def manual_names_options():
    manual = (SOURCE / "tools/man/tep-s.8").read_text(encoding="utf-8").replace("\\-", "-")
    shown = subprocess.run([TEP_S, "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"(--[a-z-]+)", shown):
        assert re.search(rf"^\.BR? .*{option}\b", manual, re.MULTILINE), option


@test("tep-s.8: describes every metric with its labels, and no other")
def manual_names_metrics():
    manual = (SOURCE / "tools/man/tep-s.8").read_text(encoding="utf-8").replace("\\-", "-")
    section = re.search(r"^\.SH METRICS\n(.*?)(?=^\.SH)", manual, re.MULTILINE | re.DOTALL)[1]
    described = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"^\.TP\n\.BR? (.*)", section, re.MULTILINE))))
    with Place() as place, place.start() as daemon:
        ready(daemon)
        text = get(place)[1]
    names = set(re.findall(r"^tep_server_(\w+)", text, re.MULTILINE)) | {"certificate_expiry_timestamp_seconds"}
    assert not names - described, names - described
    words = set(re.findall(r'="([a-z-]+)"', text))
    assert not words - set(re.findall(r"[a-z-]+", section.lower())), words - set(re.findall(r"[a-z-]+", section.lower()))
    told = [name for name in described if "_" in name]
    assert not set(told) - names, set(told) - names


@test("tep-s.conf.example: can be used as it is, and lists nothing unknown where it is commented out")
def example_is_valid():
    text = (SOURCE / "tools/data/tep-s.conf.example").read_text(encoding="utf-8")
    with Place() as place:
        config = place.path / "example.conf"
        config.write_text(text, encoding="utf-8")
        subprocess.run([TEP_S, "--check", "--config", config], check=True, capture_output=True)
        chain, key = certificate.make(place.path)
        key.chmod(0o600)
        assert chain.name == "certificate.pem" and key.name == "key.pem"
        config.write_text(re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE), encoding="utf-8")
        subprocess.run([TEP_S, "--check", "--config", config], check=True, capture_output=True)


def analyze(place, command, *arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments, command, place.path / "tep-s.service"],
                          capture_output=True, text=True, check=False)


@test("tep-s.service: is correct, and exposes at most 2.6 with any backend")
def unit_is_tight():
    unit = pathlib.Path(os.environ["TEPKIT_BUILD"], "tools/tep-s.service").read_text(encoding="utf-8")
    with Place() as place:
        installed = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)[1]
        assert installed.endswith("sbin/tep-s")
        (place.path / "tep-s.service").write_text(unit.replace(installed, str(TEP_S)), encoding="utf-8")
        for drop_in in (None, "tep-s-media.conf"):
            if drop_in:
                (place.path / "tep-s.service.d").mkdir()
                shutil.copy(SOURCE / "tools/data" / drop_in, place.path / "tep-s.service.d")
            verified = analyze(place, "verify", "--man=no")
            assert verified.returncode == 0 and verified.stderr == "", verified
            judged = analyze(place, "security", "--offline=true", "--threshold=26")
            assert judged.returncode == 0, judged.stdout
            exposure = float(re.search(r"exposure level .*: ([0-9.]+)", judged.stdout)[1])
            assert exposure <= 2.6, exposure


@test("tep-s: runs as the unit file starts it, with one capability and no root")
def runs_like_the_unit():
    with Place() as place:
        del place.values["server"]["user"]
        place.values["server"]["listen"] = "127.84.69.81:443"
        os.chown(place.path, NOBODY, NOBODY)
        capability = "-all,+net_bind_service"
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
                   f"--inh-caps={capability}", f"--ambient-caps={capability}", f"--bounding-set={capability}"]
        with place.start(before=command, binary=program_for_anybody("tep-s", place.path)) as daemon:
            ready(daemon)
            lines = status_of(daemon)
            assert all(int(lines[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")), lines


if __name__ == "__main__":
    run()

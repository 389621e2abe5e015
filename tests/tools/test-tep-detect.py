#!/usr/bin/python3
"""tep-detect as people and scripts use it, as far as that sends nothing: options, files, exit statuses."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from process import SANITIZER, program  # noqa: E402
from tap import run, test  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
CASES = sorted((SOURCE / "tests/turn-connect/detect-cases").glob("*.json"))
USAGE, CONFIG = 64, 78


def detect(*arguments):
    done = subprocess.run([program("tep-detect"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return done


def keeps(said, recorded):
    """What was recorded is there, beside what later versions say more."""
    if isinstance(recorded, dict):
        for key, value in recorded.items():
            keeps(said[key], value)
    elif isinstance(recorded, list):
        assert len(said) == len(recorded)
        for pair in zip(said, recorded):
            keeps(*pair)
    else:
        assert said == recorded, (said, recorded)


@test("/tools/tep-detect/what-was-recorded-is-judged-again")
def _():
    assert CASES
    for case in CASES:
        recorded = json.loads(case.read_text(encoding="utf-8"))
        done = detect("--replay", case, "--json")
        said = json.loads(done.stdout)
        assert done.returncode == said["exit"] == recorded["exit"], (case, done.returncode)
        assert (said["type"], said["types"], said["schema"]) == (recorded["type"], recorded["types"], 1), case
        keeps(said["probes"], recorded["probes"])


def is_evidence(probe):
    return probe["kind"] != "method" and probe["outcome"] not in ("skipped", "cancelled")


def numbers(text):
    """Those of the probes that the report names, which it does once."""
    named = []
    for ranges in re.findall(r"\s\[([0-9 \n-]+)\]\n", text[text.index("\nevidence"):] + "\n"):
        for part in ranges.split():
            first, _, last = part.partition("-")
            named += range(int(first), int(last or first) + 1)
    return sorted(named)


@test("/tools/tep-detect/the-verdict-stands-first-and-each-probe-is-named-once")
def _():
    for case in CASES:
        recorded = json.loads(case.read_text(encoding="utf-8"))
        done = detect("--replay", case)
        first = done.stdout.splitlines()[0]
        begin = {None: "not determined", 0: "nothing in the way"}.get(recorded["type"], f"type {recorded['type']}: ")
        assert first.startswith(begin) and done.returncode == recorded["exit"], (case, first)
        assert numbers(done.stdout) == [i for i, probe in enumerate(recorded["probes"]) if is_evidence(probe)], case


@test("/tools/tep-detect/wrong-use-is-said-with-a-hint")
def _():
    for arguments in ((), ("one", "two"), ("-4", "-6", "far.example"), ("--odd",), ("far.example:port",), ("bad host",),
                      ("--replay", CASES[0], "far.example"), ("--interface", "nowhere0", "127.0.0.1"),
                      ("--proxy", "ftp://192.0.2.1", "127.0.0.1")):
        done = detect(*arguments)
        assert done.returncode == USAGE and "tep-detect --help" in done.stderr and not done.stdout, (arguments, done)


@test("/tools/tep-detect/a-file-that-is-no-record-is-refused")
def _():
    with tempfile.TemporaryDirectory(prefix="tepkit-detect-") as keep:
        path = pathlib.Path(keep, "record.json")
        for text in ("", "{}", "[" * 100000, '{"schema":1,"probes":[{"kind":"odd"}]}', CASES[0].read_text(encoding="utf-8")[:-20]):
            path.write_text(text, encoding="utf-8")
            done = detect("--replay", path)
            assert done.returncode == CONFIG and str(path) in done.stderr and not done.stdout, (text[:40], done)
        assert detect("--replay", path.with_name("missing")).returncode == CONFIG
        assert detect("--credentials", path.with_name("missing"), "127.0.0.1").returncode == CONFIG


@test("/tools/tep-detect/the-manual-has-every-option-and-status")
def _():
    page = (SOURCE / "tools/man/tep-detect.1").read_text(encoding="utf-8").replace("\\-", "-")
    text = detect("--help").stdout
    own = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", text, re.M)
    shared = {"--help", "--version", "--proxy-credentials", "--header", "--ca", "--proxy-ca", "--pin", "--pin-only",
              "--null-encryption", "--cert", "--key", "--alpn", "--timeout", "--ipv4", "--ipv6"}
    assert len(own) > 15, own
    for option in set(own) - shared:
        assert option in page, option
    for status in re.findall(r"\b(\d+) (?=nothing in|a call|nothing gets|not det|wrong use|the far end|internal)", text):
        assert f".B {status}\n" in page, status


run()

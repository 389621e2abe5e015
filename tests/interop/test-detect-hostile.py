#!/usr/bin/python3
"""tep-detect against far ends that mean harm: it ends in its time, with little memory, and claims nothing that was not proven."""
import fcntl
import json
import os
import pathlib
import re
import sys
import tempfile
import time

from detect_networks import far_end
from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import IS_SANITIZED, Process, SANITIZER, program
from tap import Late, run, test

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 14           # a run's 12 s, and what it takes to begin and to print; less what the machine made it wait
MORE_MB = 20           # resident at its height, than an ordinary run of the same build: a dozen answers of at most 1 MiB, as they grow
# What a sanitizer keeps of what was freed is not the program's: no more of it than an ordinary run fills.
SETTINGS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"}
NOT_HIS = "the answer is not the far end's"
# By what a run that asked for the record shows that it met him.
MANNERS = {"forged": NOT_HIS, "replayed": NOT_HIS, "other-id": NOT_HIS, "flood": "the answer does not end", "endless": "X-More: yyy", "drip": "connected",
           "deep": NOT_HIS, "chain": "excessive message size", "mute": "connected", "ending": "closed"}
TOLD_AT_LENGTH = "has more than 4096 octets"
# Says last how long the program was ready to go on and the machine did not let it, in nanoseconds, and kilobytes.
MEASURE = "import os, resource, subprocess, sys; d = subprocess.Popen(sys.argv[1:]);" \
          " os.waitid(os.P_PID, d.pid, os.WEXITED | os.WNOWAIT); waited = open(f'/proc/{d.pid}/schedstat').read().split()[1]; d.wait();" \
          " print(waited, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(d.returncode)"


def make_chain(scratch):
    """The server's certificate and hundreds of others behind it."""
    own = scratch.certificate().read_text(encoding="utf-8")
    path = scratch.path / "chain.pem"
    path.write_text(own * 400, encoding="utf-8")
    return path


def detect(lab, scratch, *arguments):
    """What it says, the seconds that it took while the machine let it, and its size at its height in MB."""
    login = secret(scratch.path, "hostile.secret", f"{USER}:{PASSWORD}")
    words = [program("tep-detect"), "core.lab", "--json", "--quiet", "--ca", scratch.certificate(), "--credentials", login, *arguments]
    began = time.monotonic()
    done = lab.run("device", [sys.executable, "-c", MEASURE, *map(str, words)], timeout=60,
                   env={**os.environ, **lab.environment, **SETTINGS})
    took_s = time.monotonic() - began
    *said, figures = done.stderr.strip().splitlines()
    waited, kilobytes = map(int, figures.split())
    took_s -= waited / 1e9
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, said
    return json.loads(done.stdout), took_s, kilobytes / 1024


FIGURES = tempfile.TemporaryDirectory(prefix="tepkit-hostile-")


def is_of_ordinary_size(megabytes, *arguments):
    """Beside a run against a far end that means well, which the first who asks has run."""
    with open(pathlib.Path(FIGURES.name, "".join(arguments) or "both"), "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        figure = file.read()
        if not figure:
            with Scratch() as scratch, Lab.up("open") as lab, far_end(lab, scratch):
                said, _, ordinary = detect(lab, scratch, *arguments)
            assert said["far_end"], said
            figure = str(ordinary)
            file.write(figure)
    print(f"{megabytes:.0f} MB beside {float(figure):.0f} MB")
    assert megabytes < float(figure) + MORE_MB, (megabytes, figure)


def was_met(said, words):
    """Else what follows proves nothing; who came too late is waited for again. It is asked of the plain build, which is quick enough
    beside any other work."""
    asked = [(probe["outcome"], probe.get("detail")) for probe in said["probes"] if probe["kind"] == "record"]
    if not IS_SANITIZED and not any(words in f"{outcome}: {detail}" for outcome, detail in asked):
        raise Late(f"not met: {words}, but {asked}")


def is_bounded_and_honest(manner):
    with Scratch() as scratch, Lab.up("open") as lab:
        certificate = make_chain(scratch) if manner == "chain" else scratch.certificate()
        command = [sys.executable, HERE / "hostile_far_end.py", lab["CORE_ADDR"], manner, certificate, scratch.path / "key.pem"]
        with Process(command, lab, "core", name="hostile far end") as end:
            end.wait_for("is ready", 20)
            said, took_s, megabytes = detect(lab, scratch, "-4")
    print(f"{manner}: {took_s:.1f} s, {megabytes:.0f} MB, type {said['type']} {said['confidence']}")
    assert not said["far_end"], said
    proven = [probe for probe in said["probes"] if probe["outcome"] == "proof" or probe.get("proof", "none") != "none"]
    assert not proven, proven
    assert said["confidence"] != "confirmed", said
    carried = [method["name"] for method in said["methods"] if method["works"] and method["name"] != "direct-udp"]
    assert not carried, carried
    assert not said["listeners"], said["listeners"]
    was_met(said, MANNERS[manner])
    is_of_ordinary_size(megabytes, "-4")
    assert took_s < LIMIT_S, took_s


VICTIM_MAX = 12        # packets: one question, repeated, and what is asked of another port
LED_UDP, LED_TCP = (53, 3478, 5060, 40000), (80, 3478)


def is_not_believed(mark):
    """Who knows the protocol and not the password: nothing that he says is sure, and whom he names is left alone."""
    with Scratch() as scratch, Lab.up("open") as lab:
        command = [sys.executable, HERE / "lying_far_end.py", lab[f"CORE_ADDR{mark}"], lab[f"CORE_2_ADDR{mark}"]]
        with Process(command, lab, "core", name="liar") as liar:
            liar.wait_for("is ready", 20)
            proxy = f"[{lab['CORE_ADDR6']}]:80" if mark else f"{lab['CORE_ADDR']}:80"
            said, took_s, megabytes = detect(lab, scratch, "-6" if mark else "-4", "--proxy", f"http://{proxy}")
            liar.stop()
            told = re.search(r"victim: (\d+) arrived, (\d+) signed; (\d+) lies", liar.output)
    print(f"liar{mark}: {took_s:.1f} s, {megabytes:.0f} MB, type {said['type']} {said['confidence']}, {told and told[0]}")
    assert said["confidence"] in ("probable", "suspected", "not-determined"), said
    assert said["inspection"]["confidence"] != "confirmed" and not any(probe.get("proof") == "keyed" for probe in said["probes"]), said
    assert any("user and password" in reason for reason in said["reasons"]), said["reasons"]
    assert int(told[3]) > 20 and int(told[1]) <= VICTIM_MAX and told[2] == "0", told[0]
    was_met(said, TOLD_AT_LENGTH)
    is_of_ordinary_size(megabytes, "-4")
    assert took_s < LIMIT_S, took_s


@test("/interop/detect-hostile/liar/over-ipv4-nothing-is-sure-and-whom-he-names-is-left-alone")
def _():
    is_not_believed("")


@test("/interop/detect-hostile/liar/over-ipv6-nothing-is-sure-and-whom-he-names-is-left-alone")
def _():
    is_not_believed("6")


@test("/interop/detect-hostile/liar-on-the-way/who-knows-the-password-is-believed-and-he-is-not")
def _():
    def ports(numbers):
        return "{" + ", ".join(map(str, numbers)) + "}"
    def liar(here, victim):
        return Process([sys.executable, HERE / "lying_far_end.py", here, victim, "--path"], lab, "firewall", name=f"liar on {here}")
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch), \
            liar("0.0.0.0", lab["CORE_2_ADDR"]) as four, liar("::", lab["CORE_2_ADDR6"]) as six:
        four.wait_for("is ready", 20)
        six.wait_for("is ready", 20)
        lab.run("firewall", ["nft", "add table inet liar; add chain inet liar lead { type nat hook prerouting priority -101; };"
                             f"add rule inet liar lead udp dport {ports(LED_UDP)} redirect;"
                             f"add rule inet liar lead tcp dport {ports(LED_TCP)} redirect"], timeout=10)
        said, took_s, megabytes = detect(lab, scratch)
    print(f"on the way: {took_s:.1f} s, {megabytes:.0f} MB, type {said['type']} of {said['types']} {said['confidence']}; {said['reasons']}")
    led = [probe for probe in said["probes"] if probe["kind"] in ("stun", "port", "record") and "via" not in probe and probe["answers"]
           and int(probe["target"].rsplit(":", 1)[1]) in (LED_UDP if probe["carry"] == "udp" else LED_TCP)]
    lies = [probe for probe in led if probe["outcome"] == "proof"]
    assert len(led) > 5 and not lies, lies
    assert said["far_end"] and any(probe.get("proof") == "keyed" for probe in said["probes"]), said
    assert said["type"] in (None, 3, 9) and (said["type"] == 9 or said["confidence"] != "confirmed"), said
    assert said["nat"]["mapping"] in (None, lab.network.verdict.mapping), said["nat"]
    assert any("in its place" in reason for reason in said["reasons"]), said["reasons"]
    was_met(said, TOLD_AT_LENGTH)
    is_of_ordinary_size(megabytes)
    assert took_s < LIMIT_S, took_s


for each in MANNERS:
    test(f"/interop/detect-hostile/{each}/is-bounded-and-proves-nothing")(lambda manner=each: is_bounded_and_honest(manner))
run(at_once=7)

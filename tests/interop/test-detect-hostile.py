#!/usr/bin/python3
"""tep-detect against far ends that mean harm: it ends in its time, with little memory, and claims nothing that was not proven."""
import json
import pathlib
import re
import sys
import time

from detect_networks import far_end
from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import Process, SANITIZER, program
from tap import Late, run, test

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 14           # a run's 12 s, and what a busy machine takes to begin and to print
MEMORY_MB = 100        # resident at its height, also with a sanitizer
MANNERS = ("forged", "replayed", "other-id", "flood", "endless", "drip", "deep", "chain", "mute", "ending")
MEASURE = "import os, resource, subprocess, sys; d = subprocess.run(sys.argv[1:]);" \
          " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(d.returncode)"


def make_chain(scratch):
    """The server's certificate and hundreds of others behind it."""
    own = scratch.certificate().read_text(encoding="utf-8")
    path = scratch.path / "chain.pem"
    path.write_text(own * 400, encoding="utf-8")
    return path


def detect(lab, scratch, *arguments):
    login = secret(scratch.path, "hostile.secret", f"{USER}:{PASSWORD}")
    words = [program("tep-detect"), "core.lab", "--json", "--quiet", "--ca", scratch.certificate(), "--credentials", login, *arguments]
    began = time.monotonic()
    done = lab.run("device", [sys.executable, "-c", MEASURE, *map(str, words)], timeout=60)
    took_s = time.monotonic() - began
    *said, kilobytes = done.stderr.strip().splitlines()
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, said
    return json.loads(done.stdout), took_s, int(kilobytes) / 1024


def in_time(took_s):
    if took_s >= LIMIT_S:
        raise Late(f"{took_s:.1f} s")


def is_bounded_and_honest(manner):
    with Scratch() as scratch, Lab.up("open") as lab:
        certificate = make_chain(scratch) if manner == "chain" else scratch.certificate()
        command = [sys.executable, HERE / "hostile_far_end.py", lab["CORE_ADDR"], manner, certificate, scratch.path / "key.pem"]
        with Process(command, lab, "core", name="hostile far end") as end:
            end.wait_for("is ready", 20)
            said, took_s, megabytes = detect(lab, scratch, "-4")
    print(f"{manner}: {took_s:.1f} s, {megabytes:.0f} MB, type {said['type']} {said['confidence']}")
    assert megabytes < MEMORY_MB, megabytes
    assert not said["far_end"], said
    proven = [probe for probe in said["probes"] if probe["outcome"] == "proof" or probe.get("proof", "none") != "none"]
    assert not proven, proven
    assert said["confidence"] != "confirmed", said
    carried = [method["name"] for method in said["methods"] if method["works"] and method["name"] != "direct-udp"]
    assert not carried, carried
    assert not said["listeners"], said["listeners"]
    in_time(took_s)


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
    assert megabytes < MEMORY_MB, megabytes
    assert said["confidence"] in ("probable", "suspected", "not-determined"), said
    assert said["inspection"]["confidence"] != "confirmed" and not any(probe.get("proof") == "keyed" for probe in said["probes"]), said
    assert any("user and password" in reason for reason in said["reasons"]), said["reasons"]
    assert int(told[3]) > 20 and int(told[1]) <= VICTIM_MAX and told[2] == "0", told[0]
    in_time(took_s)


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
    in_time(took_s)


for each in MANNERS:
    test(f"/interop/detect-hostile/{each}/is-bounded-and-proves-nothing")(lambda manner=each: is_bounded_and_honest(manner))
run(at_once=7)

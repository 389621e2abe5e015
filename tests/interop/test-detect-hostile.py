#!/usr/bin/python3
"""tep-detect against far ends that mean harm: it ends in its time, with little memory, and claims nothing that was not proven."""
import json
import pathlib
import sys
import time

from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import Process, SANITIZER, program
from tap import run, test

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


def detect(lab, scratch):
    login = secret(scratch.path, "hostile.secret", f"{USER}:{PASSWORD}")
    words = [program("tep-detect"), "core.lab", "-4", "--json", "--quiet", "--ca", scratch.certificate(), "--credentials", login]
    began = time.monotonic()
    done = lab.run("device", [sys.executable, "-c", MEASURE, *map(str, words)], timeout=60)
    took_s = time.monotonic() - began
    *said, kilobytes = done.stderr.strip().splitlines()
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, said
    return json.loads(done.stdout), took_s, int(kilobytes) / 1024


def is_bounded_and_honest(manner):
    with Scratch() as scratch, Lab.up("open") as lab:
        certificate = make_chain(scratch) if manner == "chain" else scratch.certificate()
        command = [sys.executable, HERE / "hostile_far_end.py", lab["CORE_ADDR"], manner, certificate, scratch.path / "key.pem"]
        with Process(command, lab, "core", name="hostile far end") as end:
            end.wait_for("is ready", 20)
            said, took_s, megabytes = detect(lab, scratch)
    print(f"{manner}: {took_s:.1f} s, {megabytes:.0f} MB, type {said['type']} {said['confidence']}")
    assert took_s < LIMIT_S, took_s
    assert megabytes < MEMORY_MB, megabytes
    assert not said["far_end"], said
    proven = [probe for probe in said["probes"] if probe["outcome"] == "proof" or probe.get("proof", "none") != "none"]
    assert not proven, proven
    assert said["confidence"] != "confirmed", said
    carried = [method["name"] for method in said["methods"] if method["works"] and method["name"] != "direct-udp"]
    assert not carried, carried
    assert not said["listeners"], said["listeners"]


for each in MANNERS:
    test(f"/interop/detect-hostile/{each}/is-bounded-and-proves-nothing")(lambda manner=each: is_bounded_and_honest(manner))
run(at_once=5)

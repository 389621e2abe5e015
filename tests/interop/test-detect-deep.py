#!/usr/bin/python3
"""tep-detect --deep in networks whose firewall forgets after seconds, so that minutes are not needed."""
import json
import sys

from detect_networks import far_end
from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import SANITIZER, program
from tap import run, test

LADDER = (1, 2, 4, 6, 10)
FORGETS = {"udp_timeout": 3, "udp_timeout_stream": 8}  # seconds, of the firewall's connection tracking


def deep(lab, scratch, *arguments, ladder=LADDER, as_json=True):
    words = [program("tep-detect"), "core.lab", "-4", "--deep", "--ladder", ",".join(map(str, ladder)), "--ca", scratch.certificate(),
             "--credentials", secret(scratch.path, "deep.secret", f"{USER}:{PASSWORD}"), *arguments]
    done = lab.run("device", words + ["--json"] * as_json, timeout=90)
    print(done.stdout[-20000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return (json.loads(done.stdout) if as_json else done.stdout), done.stderr


def forget(lab, **seconds):
    for key, value in seconds.items():
        done = lab.run("firewall", ["sysctl", "-qw", f"net.netfilter.nf_conntrack_{key}={value}"], timeout=10)
        assert done.returncode == 0, done


def between(ladder, seconds):
    """The steps of a ladder around a lifetime: (kept, forgotten)."""
    return max((s for s in ladder if s < seconds), default=None), min((s for s in ladder if s > seconds), default=None)


def lifetimes(said):
    return {(each["carry"], each["after"]): (each["kept_s"], each["forgotten_s"]) for each in said["lifetimes"]}


@test("/interop/detect-deep/how-long-a-nat-remembers-silent-udp-is-found-between-two-steps")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        forget(lab, **FORGETS)
        said, progress = deep(lab, scratch)
        found = lifetimes(said)
        assert found["udp", "exchange"] == between(LADDER, FORGETS["udp_timeout"]), found
        assert found["udp", "call"] == between(LADDER, FORGETS["udp_timeout_stream"]), found
        assert not any(each["unsteady"] for each in said["lifetimes"]), said["lifetimes"]
        probes = [probe for probe in said["probes"] if probe["kind"] == "lifetime"]
        assert all(probe["facts"]["control"] == "answered" for probe in probes if probe["outcome"] == "silence"), probes
        assert "silent sockets are remembered: " in progress, progress


@test("/interop/detect-deep/where-nothing-is-forgotten-no-end-is-claimed")
def _():
    with Scratch() as scratch, Lab.up("open") as lab, far_end(lab, scratch):
        found = lifetimes(deep(lab, scratch, ladder=(1, 2))[0])
        assert found["udp", "exchange"] == found["udp", "call"] == (2, None), found


run(at_once=3)

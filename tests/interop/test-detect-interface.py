#!/usr/bin/python3
"""tep-detect on a device with two ways out: it goes by the interface that is named, with everything and without any right."""
import json
import os
import sys

from detect_networks import far_ends, TURN
from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import SANITIZER, program_for_anybody
from tap import run, test

NOBODY = 65534
CARRYING = ("direct-udp", "turn-udp", "turn-tcp", "turn-tls", "tep-80", "tep-443", "tep-tls")


def lead_astray(lab):
    """What names no interface goes to one that leads nowhere. Gives the router of the other."""
    gateway = lab.run("device", ["ip", "-4", "route", "show", "default"], timeout=10).stdout.split()[2]
    for words in (["link", "add", "wrong0", "type", "veth", "peer", "name", "wrong1"], ["link", "set", "wrong1", "up"], ["addr", "add", "10.99.0.1/24", "dev", "wrong0"], ["link", "set", "wrong0", "up"],
                  ["route", "del", "default"], ["route", "add", "default", "dev", "wrong0", "metric", "5"],
                  ["route", "add", "default", "via", gateway, "dev", "eth0", "metric", "500"]):
        done = lab.run("device", ["ip", "-4", *words], timeout=10)
        assert done.returncode == 0, (words, done)
    return gateway


def detect(lab, scratch, *arguments):
    login = secret(scratch.path, "interface.secret", f"{USER}:{PASSWORD}")
    os.chown(login, NOBODY, NOBODY)
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "env", "GSETTINGS_BACKEND=memory",
             program_for_anybody("tep-detect", scratch.path), "core.lab", "-4", "--json", "--quiet", "--ca", scratch.certificate(), "--credentials", login,
             *(word for uri in TURN for word in ("--turn", uri)), *arguments]
    done = lab.run("device", words, timeout=60)
    print(done.stdout[-20000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def which_work(said):
    return {method["name"] for method in said["methods"] if method["works"]}


@test("/interop/detect-interface/everything-goes-by-the-one-that-is-named-without-rights")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_ends(lab, scratch):
        gateway = lead_astray(lab)
        said = detect(lab, scratch, "--interface", "eth0")
        assert set(CARRYING) <= which_work(said), said["methods"]
        assert said["interface"] == "eth0" and said["type"] == lab.network.verdict.type, said
        asked = {probe["target"].rpartition(":")[0] for probe in said["probes"] if probe["kind"] == "gateway"}
        assert asked == {gateway}, asked
        assert said["nat"]["mapping"] == lab.network.verdict.mapping, said["nat"]
        for arguments in (("--interface", "wrong0"), ()):
            nowhere = detect(lab, scratch, *arguments)
            # TURN servers that are named are reached by IPv6 too, which goes astray only by name.
            assert not which_work(nowhere) & ({"direct-udp", "tep-443"} if not arguments else set(CARRYING)), nowhere["methods"]
            assert nowhere["type"] is None, nowhere
            assert not [probe for probe in nowhere["probes"] if probe["kind"] == "gateway"], nowhere["probes"]
            assert not any(probe["outcome"] in ("proof", "answer") for probe in nowhere["probes"] if probe["kind"] in ("stun", "port"))


@test("/interop/detect-interface/a-proxy-is-reached-by-it-too")
def _():
    with Scratch() as scratch, Lab.up("proxy") as lab, far_ends(lab, scratch):
        lead_astray(lab)
        said = detect(lab, scratch, "--interface", "eth0", "--proxy", lab["PROXY_URL"])
        assert {"turn-tls-proxy", "tep-tls-proxy"} <= which_work(said), said["methods"]


run(at_once=2)

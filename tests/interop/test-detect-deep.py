#!/usr/bin/python3
"""tep-detect --deep in networks whose firewall forgets after seconds, so that minutes are not needed."""
import json
import re
import subprocess
import sys
import threading

from detect_networks import far_end
from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import SANITIZER, program
from tap import Late, run, test

LADDER = (1, 2, 4, 6, 10)
FORGETS = {"udp_timeout": 3, "udp_timeout_stream": 8, "tcp_timeout_established": 8}  # seconds, of the firewall's connection tracking


def deep(lab, scratch, ladder=LADDER):
    words = [program("tep-detect"), "core.lab", "-4", "--json", "--deep", "--ladder", ",".join(map(str, ladder)), "--ca", scratch.certificate(),
             "--credentials", secret(scratch.path, "deep.secret", f"{USER}:{PASSWORD}")]
    done = lab.run("device", words, timeout=90)
    print(done.stdout[-20000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return json.loads(done.stdout), done.stderr


def forget(lab, **seconds):
    for key, value in seconds.items():
        done = lab.run("firewall", ["sysctl", "-qw", f"net.netfilter.nf_conntrack_{key}={value}"], timeout=10)
        assert done.returncode == 0, done


def between(ladder, seconds):
    """The steps of a ladder around a lifetime: (kept, forgotten)."""
    return max((s for s in ladder if s < seconds), default=None), min((s for s in ladder if s > seconds), default=None)


def lifetimes(said):
    return {(each["carry"], each["after"]): (each["kept_s"], each["forgotten_s"]) for each in said["lifetimes"]}


@test("/interop/detect-deep/how-long-a-nat-remembers-what-is-silent-is-found-between-two-steps")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        forget(lab, **FORGETS)
        said, progress = deep(lab, scratch)
        found = lifetimes(said)
        assert found["udp", "exchange"] == between(LADDER, FORGETS["udp_timeout"]), found
        assert found["udp", "call"] == between(LADDER, FORGETS["udp_timeout_stream"]), found
        assert found["tcp", "exchange"] == between(LADDER, FORGETS["tcp_timeout_established"]), found
        assert not any(each["unsteady"] for each in said["lifetimes"]), said["lifetimes"]
        probes = [probe for probe in said["probes"] if probe["kind"] == "lifetime"]
        assert all(probe["facts"]["control"] == "answered" for probe in probes if probe["outcome"] == "silence"), probes
        assert "silent sockets are remembered: " in progress, progress


def device_mtu(lab, octets, is_told):
    """The firewall's way out takes no more, and says so or not; both ways, as PPPoE."""
    for host, name in (("firewall", "wan"), ("internet", "site")):
        lab.run(host, ["ip", "link", "set", name, "mtu", str(octets)], timeout=10)
    if not is_told:
        for host in ("firewall", "internet"):
            lab.run(host, ["nft", "add table inet silent; add chain inet silent out { type filter hook output priority 0; };"
                                  " add rule inet silent out icmp type destination-unreachable drop"], timeout=10)


def methods(said):
    return {each["name"]: each for each in said["methods"]}


def finds_sizes(is_told):
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        device_mtu(lab, 1412, is_told)
        lab.run("firewall", ["nft", "insert rule inet lab forward tcp flags syn tcp option maxseg size set 1372"], timeout=10)
        said, _ = deep(lab, scratch, ladder=(1,))
        sizes, = said["sizes"]
        assert (sizes["there"], sizes["back"]) == (1412, 1412), sizes
        assert (sizes["icmp"], sizes["black_hole"]) == ((1412, False) if is_told else (None, True)), sizes
        assert (sizes["mss_said"], sizes["mss_arrived"]) == (1460, 1372), sizes
        assert is_told == (not any("vanish" in reason for reason in said["reasons"])), said["reasons"]


for each in (True, False):
    test(f"/interop/detect-deep/which-packets-pass-is-found-to-four-octets{'' if each else '-though-nobody-says-so'}")(
        lambda told=each: finds_sizes(told))


@test("/interop/detect-deep/the-best-methods-are-listened-to-for-fifteen-seconds")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        said, progress = deep(lab, scratch, ladder=(1,))
        found = methods(said)
        for name in ("direct-udp", "tep-tls"):
            method = found[name]
            assert method["works"] and method["packets"] == 750, method
            # A machine that stands still does lose calls their quality, and the program says so: that is right, and told from a fault by trying again.
            if method["loss"] >= 0.02 or method["mos"] <= 4:
                raise Late(method)
        assert sum(method["packets"] == 750 for method in found.values()) == 3, found
        assert "methods for 15 s" in progress, progress
        kept = scratch.path / "deep.json"
        kept.write_text(json.dumps(said), encoding="utf-8")
        text = subprocess.run([program("tep-detect"), "--replay", kept], capture_output=True, text=True, check=False, timeout=20).stdout
        for words in ("idle UDP after one exchange: remembered for 1 s", "idle TCP after one exchange: remembered for 1 s; set keepalives to 1 s or less", "MTU 1500 octets there, 1500 back"):
            assert words in " ".join(text.split()), (words, text)


@test("/interop/detect-deep/where-nothing-is-forgotten-no-end-is-claimed")
def _():
    with Scratch() as scratch, Lab.up("open") as lab, far_end(lab, scratch):
        found = lifetimes(deep(lab, scratch, ladder=(1, 2))[0])
        assert found["udp", "exchange"] == found["udp", "call"] == found["tcp", "exchange"] == (2, None), found


def end_silent(lab, done):
    """The far end resets what it has heard nothing of for 4 s, as one that dies does."""
    while not done.wait(0.3):
        listed = lab.run("core", ["ss", "-tniHO", "state", "established"], timeout=10).stdout
        for peer, silent_ms in re.findall(r"\S+:\d+\s+(\S+:\d+).* lastrcv:(\d+)", listed):
            if int(silent_ms) > 4000:
                lab.run("core", ["ss", "-tnK", "dst", peer], timeout=10)


@test("/interop/detect-deep/connections-that-the-far-end-ends-are-no-lifetime")
def _():
    with Scratch() as scratch, Lab.up("open") as lab, far_end(lab, scratch):
        done = threading.Event()
        ender = threading.Thread(target=end_silent, args=(lab, done))
        ender.start()
        try:
            said, _ = deep(lab, scratch, ladder=(1, 10))
        finally:
            done.set()
            ender.join()
        ended, = [probe for probe in said["probes"] if probe["kind"] == "lifetime" and "ended" in probe["facts"]]
        assert (ended["carry"], ended["outcome"], ended["facts"]["idle_s"]) == ("tcp", "reset", "10"), ended
        assert lifetimes(said)["tcp", "exchange"] == (1, None), said["lifetimes"]
        assert any("silent connections were reset after" in reason for reason in said["reasons"]), said["reasons"]


run(at_once=6)

#!/usr/bin/python3
"""tep-detect in every network of the lab, over IPv4 and IPv6, against the verdict that the catalogue expects.

Without arguments the networks of COVERED are asserted, and the rest is named as not yet covered. By hand, any:
test-detect-networks.py symmetric, or test-detect-networks.py /interop for all."""
import concurrent.futures
import functools
import sys

from detect_networks import FAMILIES, RIGHT, detect, far_ends
from ends import Scratch
from lab import NETWORKS, Lab
from tap import Late, run, test

AT_ONCE = 8

# Networks in which the program comes to the right verdict every time, both families. Add what it learns; take nothing out.
COVERED = (
    "open", "nat", "web-only", "tcp-443", "full-cone", "address-restricted", "port-restricted", "ports-tcp", "tcp-only", "one-port",
    "stateful", "pool", "ports-dns", "quic-blocked", "udp-blocked-icmp", "port-80", "full-cone-carrier", "address-restricted-carrier",
    "port-restricted-carrier", "ports-tcp-carrier", "tcp-only-carrier", "one-port-carrier", "cone-carrier-port", "proxy-beside", "dead",
    "symmetric", "symmetric-carrier", "cone-carrier-symmetric", "pool-by-flow", "carrier-pool", "ports", "ports-carrier", "portal", "stun-forged",
    "proxy", "proxy-basic", "proxy-only", "proxy-only-carrier", "proxy-tinyproxy-basic", "proxy-digest", "proxy-ntlm", "proxy-negotiate",
    "proxy-squid", "proxy-any-port", "proxy-bump", "proxy-mitm", "proxy-inspected", "proxy-bump-carrier", "proxy-mitm-carrier",
    "proxy-inspected-carrier", "transparent-80-carrier", "sip-reset-carrier", "sip-late-drop-carrier", "sip-forged-carrier",
    "sip-rewritten-carrier", "web-inspected-carrier", "symmetric-inspected-carrier",
    "sip-drop", "sip-drop-carrier", "sip-reset", "sip-late-drop", "sip-forged", "sip-rewritten", "sip-invite", "stun-drop", "web-inspected",
    "sip-udp-drop", "sip-udp-rewritten",
    "random-drop", "alpn-reset", "name-reset", "symmetric-inspected", "tcp-only-inspected", "tls-only", "transparent-80", "tls-opened-443",
    "udp-only", "udp-and-web", "dns-only",
)


def check(name):
    with Scratch() as scratch, Lab.up(name) as lab, far_ends(lab, scratch):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            outcomes = dict(zip(FAMILIES, pool.map(functools.partial(detect, lab, scratch), FAMILIES)))
    for family, outcome in outcomes.items():
        print(f"{name}, IPv{family}: {outcome}")
    wrong = {family: outcome for family, outcome in outcomes.items() if outcome.judgement != RIGHT}
    if wrong and all(outcome.is_late for outcome in wrong.values()):
        raise Late("; ".join(map(str, wrong.values())))
    assert not wrong, "; ".join(f"IPv{family}: {outcome}" for family, outcome in wrong.items())


@test("/interop/detect-networks/coverage-is-said")
def _():
    open_ones = [name for name in NETWORKS if name not in COVERED]
    assert set(COVERED) <= set(NETWORKS), COVERED
    print(f"asserted: {len(COVERED)} of {len(NETWORKS)} networks; not yet covered: {', '.join(open_ones) or 'none'}")


for _name in NETWORKS if sys.argv[1:] else COVERED:
    test(f"/interop/detect-networks/{_name}/is-told-as-it-is-over-both-families")(functools.partial(check, _name))
run(AT_ONCE)

#!/usr/bin/python3
"""tep-detect in every network of the lab, over IPv4 and IPv6, against the verdict that the catalogue expects.

Without arguments all networks are asserted but those of NOT_COVERED; with sanitizers, which look at the program and not at
networks, over one family in turns, and of those behind a second NAT and of those that inspect one for each kind. By hand, any:
test-detect-networks.py symmetric, or test-detect-networks.py /interop for all."""
import functools
import json
import pathlib
import sys

from detect_networks import RIGHT, detect, detect_each, far_ends, judge
from ends import Scratch
from lab import NETWORKS, Lab, Options
from process import IS_SANITIZED
from tap import Late, run, test

AT_ONCE = 5 if IS_SANITIZED else 8  # with sanitizers a run takes 0.45 s of a processor and not 0.18, and the far end 0.35 s and not 0.1

# Networks in which the program does not come to the right verdict every time, and why. Take out what it learns; put nothing in.
NOT_COVERED = {}
COVERED = [name for name in NETWORKS if name not in NOT_COVERED]
# Of what inspects, every way in which a probe can be answered; a run there takes twice the time, and most of the processor.
INSPECTING = ("proxy-bump", "proxy-mitm", "proxy-inspected", "transparent-80", "tls-opened-443", "stun-forged", "sip-drop", "sip-reset", "sip-forged",
              "sip-rewritten", "sip-late-drop", "sip-udp-rewritten", "unspoken-closed", "alpn-reset")
# A second NAT shows in few of what the program reads.
WITH_SANITIZERS = [name for name in COVERED if name in INSPECTING or name == "symmetric-carrier" or
                   (NETWORKS[name].verdict.type != 9 and not NETWORKS[name].outer)]
CHOSEN = WITH_SANITIZERS if IS_SANITIZED else COVERED


def turn_of(name):
    """With sanitizers one family is asked, in turns."""
    return COVERED.index(name) if IS_SANITIZED and name in COVERED else None


def check(name):
    with Scratch() as scratch, Lab.up(name) as lab, far_ends(lab, scratch):
        outcomes = {f"IPv{family} to {far_end}": outcome for (family, far_end), outcome in detect_each(lab, scratch, turn_of(name)).items()}
    for way, outcome in outcomes.items():
        print(f"{name}, {way}: {outcome}")
    wrong = {way: outcome for way, outcome in outcomes.items() if outcome.judgement != RIGHT}
    if wrong and all(outcome.is_late for outcome in wrong.values()):
        raise Late("; ".join(map(str, wrong.values())))
    assert not wrong, "; ".join(f"{way}: {outcome}" for way, outcome in wrong.items())


@test("/interop/detect-networks/coverage-is-said")
def _():
    assert set(NOT_COVERED) <= set(NETWORKS) and all(NOT_COVERED.values()), NOT_COVERED
    assert set(INSPECTING) <= set(WITH_SANITIZERS), INSPECTING
    print(f"asserted: {len(CHOSEN)} of {len(NETWORKS)} networks; not covered: {NOT_COVERED or 'none'}")


@test("/interop/detect-networks/sip-reset/over-a-long-line-the-box-is-known-to-be-near")
def _():
    with Scratch() as scratch, Lab.up("sip-reset", options=Options(delay=40)) as lab, far_ends(lab, scratch):
        outcome = detect(lab, scratch, "4")
        print(f"sip-reset with 80 ms there and back: {outcome}")
        if outcome.judgement != RIGHT and outcome.is_late:
            raise Late(str(outcome))
        assert outcome.judgement == RIGHT and outcome.result["inspection"]["near"] is True, outcome
        # The first router does it, which counts hops before it looks. A busy one may leave the step unclear, never say another.
        for _ in range(2):
            outcome = outcome if outcome.result["inspection"]["hop"] else detect(lab, scratch, "4")
        assert outcome.result["inspection"]["hop"] == 2, outcome


def _changed(result, path, value):
    """The same with another value in one place."""
    result = json.loads(json.dumps(result))
    *way, last = path
    place = functools.reduce(lambda found, key: found[key], way, result)
    place[last] = value
    return result


SAID = pathlib.Path(__file__).resolve().parent.parent / "turn-connect/detect-cases/sip-dropped.json"
# Of a network that drops SIP behind a NAT: each alone is wrong, or leaves open what can be known.
LIES = (
    (("type",), 3), (("type",), None), (("types",), [9]), (("types",), [3, 5, 9]), (("confidence",), "probable"), (("exit",), 0), (("exit",), 2),
    (("nat", "mapping"), "address-dependent"), (("nat", "filtering"), "endpoint-independent"), (("nat", "filtering"), None), (("nat", "pool"), True),
    (("udp", "works"), False), (("udp", "ports", 0, "reach"), "blocked"), (("tcp_ports", 1, "reach"), "blocked"), (("tcp_ports", 1, "reach"), "connected"),
    (("portal",), True), (("nat64",), True), (("nat64_prefix",), "64:ff9b::/96"), (("carrier_nat",), True), (("proxy", "transparent"), True),
    (("inspection", "tls_opened"), True), (("inspection", "mechanism"), "reset"), (("inspection", "mechanism"), None),
    (("inspection", "blocked"), ["sip-register"]), (("inspection", "blocked"), ["sip-register", "sip-invite", "stun"]), (("inspection", "blocked"), []),
    (("inspection", "passing"), ["printable", "sip-invite"]), (("inspection", "passing"), ["printable"]), (("inspection", "confidence"), "suspected"),
    (("inspection", "probe"), 0), (("inspection", "near"), True), (("methods", 0, "works"), False), (("methods", 0, "works"), None), (("methods",), []),
    (("advice", 0, "probe"), 0), (("advice", 0, "probe"), None), (("advice", 0, "protocol"), "UDP"),
)


@test("/interop/detect-networks/each-sentence-that-is-not-so-is-seen")
def _():
    network, said = NETWORKS["sip-drop"], json.loads(SAID.read_text(encoding="utf-8"))
    # What was recorded is older than the method.
    said["methods"].append({**next(method for method in said["methods"] if method["name"] == "tep-tls"), "name": "sip-tls"})
    outcome = judge(network, said)
    assert outcome.judgement == RIGHT, outcome
    for probe, arrived in (("printable", "nothing"), ("printable", "other"), ("sip-invite", "all"), ("sip-register", "other")):
        place = next(n for n, each in enumerate(said["probes"]) if each["kind"] == "payload" and each["variant"] == probe)
        assert judge(network, _changed(said, ("probes", place, "far_saw"), arrived)).judgement != RIGHT, (probe, arrived)
    for path, value in LIES:
        assert judge(network, _changed(said, path, value)).judgement != RIGHT, (path, value)


for _name in NETWORKS if sys.argv[1:] else CHOSEN:
    test(f"/interop/detect-networks/{_name}/is-told-as-it-is-over-both-families")(functools.partial(check, _name))
run(AT_ONCE)

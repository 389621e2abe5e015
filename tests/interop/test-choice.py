#!/usr/bin/python3
"""tep-c chooses: UDP where it passes, else the first tunnel that works, remembered for the network; and says what and why.

Asserted is the order of events, for the machine has other work: how long it takes, beside the chosen method alone, is in
tests/bench/choice.
"""
import sys

from ends import LOCAL_PORT, PASSWORD, PEER_PORT, PHONE_PORT, PLAIN, USER, Agent, Scratch, Server, secret
from lab import Lab
from phone import Phone
from process import SANITIZER, wait_until
from tap import run, test
from talk import Talker

BOUND_S = 10           # "nothing works" is said within 8 s


def far_end(lab, scratch):
    """tep-s that answers STUN on a port that no firewall knows."""
    return Server(lab, scratch, {"detect": {"addresses": f"{lab['CORE_ADDR']};{lab['CORE_ADDR6']}", "ports": "40000"}})


def agent(lab, scratch, carrier=PLAIN, *arguments, name="tep-c"):
    return Agent(lab, scratch, carrier, name=name, arguments=("--auto", "--ca", scratch.certificate(), "--memory", scratch.path / "networks", *arguments))


def path_of(each, number=0):
    """The number-th thing that it chose."""
    return wait_until(lambda: each.events("path")[number:], BOUND_S + 5, "a path")[0]


def settled_on(each, path):
    """What it chose in the end. A tunnel may be quicker than UDP by a packet that was lost, or by a busy machine, and then gives way."""
    wait_until(lambda: path in [event["path"] for event in each.events("path")], BOUND_S, f"path {path}")
    told = each.events("path")
    assert [event["path"] for event in told] in ([path], ["tunnel", "direct"]), told
    assert len(told) == 1 or "not answered yet" in told[0]["cause"], told
    return told[-1]


def is_clean(each):
    assert not SANITIZER.search(each.output) and "CRITICAL" not in each.output, each.output[-4000:]


def talks(lab, each):
    """A packet goes there and back."""
    each.wait_for_event(lambda event: event["event"] == "flow", "a flow")
    left = Talker(lab, "device", ("127.0.0.1", PHONE_PORT), ("127.0.0.1", LOCAL_PORT))
    right = Phone(lab, "peer", (lab["PEER_ADDR"], PEER_PORT), ("127.0.0.1", 1))
    left.talk_on()
    try:
        wait_until(lambda: right.heard_from, BOUND_S, "a packet at the peer")
        return {host for host, _ in right.heard_from}
    finally:
        left.hang_up()
        right.hang_up()


def order_of(each):
    """The names of events and states in their order."""
    return [event["state"] if event["event"] == "state" else event["event"] for event in each.events() if event["event"] != "progress"]


def is_way(told, method):
    """On port 443 and where nothing is known, in clear and with TLS race each other, and either may be first on a busy machine."""
    return told["method"] in {method, method.replace("-443", "-tls")} and told["remembered"] is False


def used_first(lab, scratch, server, carrier, method, path):
    """What is chosen where nothing is known, and from where media comes then."""
    with agent(lab, scratch, carrier) as first:
        chosen = settled_on(first, path)
        assert is_way(chosen, method), chosen
        method = chosen["method"]
        heard_from = talks(lab, first)
        names = order_of(first)
        is_clean(first)
    if path == "tunnel":
        assert heard_from == {lab["CORE_ADDR"]}, heard_from
        # Nobody is waited for: it is told when the first tunnel stands, or before.
        assert names.index("path") <= names.index("open"), names
    else:
        assert lab["CORE_ADDR"] not in heard_from, heard_from
    print(f"{lab.network.name}: {method} chosen after {chosen['took_ms']:.1f} ms; {names}", file=sys.stderr)
    return method, heard_from


def used_again(lab, scratch, server, carrier, method, path, heard_from):
    """It is used before anything is asked; the server sees that tunnel and no other."""
    before = server.metrics()
    with agent(lab, scratch, carrier, name="tep-c-again") as second:
        again = path_of(second)
        assert (again["path"], again["method"], again["remembered"]) == (path, method, True), again
        assert talks(lab, second) == heard_from
        assert second.events("path") == [again], second.events("path")
        names = order_of(second)
        is_clean(second)
    assert names[0] == ("path" if path == "direct" else "connecting") and names.index("path") <= 1, names
    opened = {key: value - before.get(key, 0) for key, value in server.metrics().items() if "tunnels_opened" in key}
    print(opened, file=sys.stderr)
    assert sum(opened.values()) == (path == "tunnel"), opened


def chooses(network, method, path, carrier=PLAIN):
    with Scratch() as scratch, Lab.up(network) as lab, far_end(lab, scratch) as server:
        method, heard_from = used_first(lab, scratch, server, carrier, method, path)
        assert (scratch.path / "networks").stat().st_mode & 0o777 == 0o600
        used_again(lab, scratch, server, carrier, method, path, heard_from)


for each_network, wanted in {
    "open": ("direct-udp", "direct"),
    "nat": ("direct-udp", "direct"),
    "ports": ("tep-443", "tunnel"),     # UDP 443 passes, and media would not
    "tcp-443": ("tep-443", "tunnel"),
    "tls-only": ("tep-tls", "tunnel"),  # another way than the configured one
    "proxy": ("tep-443-proxy", "tunnel"),
    "proxy-basic": ("tep-443-proxy", "tunnel"),
}.items():
    test(f"/interop/choice/{each_network}/{wanted[0]}-is-chosen-used-and-remembered")(lambda n=each_network, w=wanted: chooses(n, *w))


@test("/interop/choice/that-nothing-gets-through-is-said-in-bounded-time")
def _():
    with Scratch() as scratch, Lab.up("proxy") as lab, far_end(lab, scratch):
        with agent(lab, scratch, PLAIN, "--proxy", "none") as alone:
            told = path_of(alone)
            assert told["path"] == "none" and told["took_ms"] < 1000 * BOUND_S and "nothing gets through" in told["cause"], told
            assert alone.status is None
            is_clean(alone)


@test("/interop/choice/a-password-that-the-proxy-refuses-is-final")
def _():
    with Scratch() as scratch, Lab.up("proxy-basic") as lab, far_end(lab, scratch):
        wrong = secret(scratch.path, "wrong.secret", f"{lab['PROXY_USER']}:wrong")
        with agent(lab, scratch, PLAIN, "--proxy-credentials", wrong) as refused:
            told = path_of(refused)
            assert told["path"] == "none" and "is not asked again" in told["cause"], told
            assert wait_until(lambda: refused.status, BOUND_S, "its end") == 77
            # A way each would be three, and what takes its time would be asked three times by each.
            assert order_of(refused).count("connecting") == 1, order_of(refused)
            is_clean(refused)


@test("/interop/choice/what-is-remembered-and-fails-is-forgotten")
def _():
    with Scratch() as scratch, Lab.up("tcp-443") as lab, far_end(lab, scratch):
        with agent(lab, scratch) as first:
            chosen = path_of(first)
            assert is_way(chosen, "tep-443"), chosen
        memory = scratch.path / "networks"
        memory.write_text(memory.read_text().replace(f"\t{chosen['method']}\t", "\ttep-80\t"))
        with agent(lab, scratch, name="tep-c-again") as second:
            told = path_of(second)
            assert (told["method"], told["remembered"]) == ("tep-80", True), told
            told = path_of(second, 1)
            assert is_way(told, "tep-443"), told
            talks(lab, second)
            is_clean(second)
        assert f"\t{told['method']}\t" in memory.read_text(), memory.read_text()


def drop_udp(lab, *what):
    """The firewall is changed; an empty rule is none."""
    commands = ["add table inet change", "delete table inet change"]
    if what:
        commands += ["add table inet change", "add chain inet change out { type filter hook forward priority -5; }",
                     f"add rule inet change out {' '.join(what)} drop"]
    done = lab.run("firewall", ["nft", "; ".join(commands)])
    assert done.returncode == 0, done.stderr


def moves(lab, verb):
    """To the device it looks like another network: another prefix on the link that its default route takes."""
    words = lab.run("device", ["ip", "-o", "-4", "route", "show", "default"]).stdout.split()
    lab.run("device", ["ip", "address", verb, "198.51.100.77/24", "dev", words[words.index("dev") + 1]])


@test("/interop/choice/another-network-is-chosen-for-anew-and-the-first-one-is-known-again")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        with agent(lab, scratch) as each:
            settled_on(each, "direct")
            at = len(each.events("path"))
            drop_udp(lab, "meta l4proto udp")
            moves(lab, "add")
            told = path_of(each, at)
            assert told["path"] == "tunnel" and (is_way(told, "tep-443") or is_way(told, "tep-80")), told
            wait_until(lambda: [event for event in each.events("flow") if "leased" in event], BOUND_S, "a lease")
            assert talks(lab, each) == {lab["CORE_ADDR"]}
            moves(lab, "del")
            told = path_of(each, at + 1)
            assert (told["path"], told["remembered"]) == ("direct", True), told
            drop_udp(lab)
            assert lab["CORE_ADDR"] not in talks(lab, each)
            is_clean(each)


@test("/interop/choice/udp-that-reaches-the-server-and-not-the-far-side-is-given-up")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch):
        drop_udp(lab, "ip daddr", lab["PEER_ADDR"], "meta l4proto udp")
        with agent(lab, scratch) as each:
            settled_on(each, "direct")
            assert talks(lab, each) == {lab["CORE_ADDR"]}
            told = each.events("path")[-1]
            assert told["path"] == "tunnel" and "did not carry media" in told["cause"], told
            is_clean(each)


run(at_once=4)

#!/usr/bin/python3
"""Clients that log in at the bridge alone, and the bridge at coturn: by verified TLS through proxies, by credentials that end,
and by streams that break."""
import contextlib
import json
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import coturn  # noqa: E402
from digest_squid import digest_squid  # noqa: E402
from lab import Lab  # noqa: E402
from nice_talk import arguments, ends, exchanges  # noqa: E402
from process import Process, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

OPTION = "--back-to-back"
SECRET = "shared with the server"
# Of two ports the one that was given back is the one that is free.
ONE_PORT = ("--min-port=50000", "--max-port=50000")
REST = ("--use-auth-secret", f"--static-auth-secret={SECRET}")


def received(peers):
    """How many messages arrived at either agent so far; none was wrong."""
    told = [e for e in map(json.loads, peers.output.splitlines()) if e["event"] == "received"]
    assert all(e["wrong"] == 0 for e in told), told
    return (told[-1]["agent_0"], told[-1]["agent_1"]) if told else (0, 0)


def goes_on(peers, what):
    before = received(peers)
    wait_until(lambda: all(now > then + 20 for now, then in zip(received(peers), before)), 5, what)


def repaired(peers, agent):
    """The way was lost, and is there again."""
    peers.wait_for(f'"failed", "agent": {agent}, (?s:.)*"connected", "agent": {agent},', 10)
    goes_on(peers, "messages after the repair")
    assert "component-failed" not in peers.output, peers.output


@contextlib.contextmanager
def calling(lab, trusted, *options):
    """Two agents, each with a server of its own, that talk."""
    with Process(arguments(trusted, OPTION, *options, "--stay", server=f"{lab['CORE_ADDR']}:443"), lab, "device") as peers:
        peers.wait_for('"ready"', 10)
        goes_on(peers, "messages")
        yield peers


@test("/interop/back-to-back/messages-arrive/squid-digest/both-ways")
def _():
    with Lab.up("nat") as lab, coturn(lab) as (_, trusted), digest_squid(lab) as url:
        for way in ((), ("--listener",)):
            for count in exchanges(lab, trusted, OPTION, "--proxy", url, *way):
                assert count["dialled"] == 1 and count["accepted"] == 1, count
        ends(lab, trusted, "the proxy", "did not accept the configured user and password",
             options=(OPTION, "--proxy", url.replace("correct", "wrong")))
        ends(lab, trusted, "core.lab:443 did not accept user and password", options=(OPTION, "--proxy", url), password="wrong")


@test("/interop/back-to-back/redirection/is-followed")
def _():
    with Lab.up("open") as lab, contextlib.ExitStack() as stack:
        first, second = lab["CORE_ADDR"], lab["CORE_2_ADDR"]
        _, trusted = stack.enter_context(coturn(lab, f"--tls-alternate-server={second}:443", addresses=[first]))
        stack.enter_context(coturn(lab, addresses=[second], certificates=trusted))
        for count in exchanges(lab, trusted, OPTION, server=f"{first}:443"):
            assert count["dialled"] == 2 and count["accepted"] == 1, count


@test("/interop/back-to-back/stream-is-lost-in-a-call/the-agents-notice-nothing-where-the-address-stays")
def _():
    with Lab.up("open") as lab, contextlib.ExitStack() as stack:
        place = [lab["CORE_ADDR"]]
        first, trusted = stack.enter_context(coturn(lab, *ONE_PORT, addresses=place))
        stack.enter_context(coturn(lab, *ONE_PORT, addresses=[lab["CORE_2_ADDR"]], certificates=trusted))
        with calling(lab, trusted, "--other-server", f"{lab['CORE_2_ADDR']}:443") as peers:
            lab.run("core", ["ss", "-tK", "sport = :443", "src", lab["CORE_2_ADDR"]])
            repaired(peers, 1)
            first.kill()
            with coturn(lab, *ONE_PORT, addresses=place, certificates=trusted):
                repaired(peers, 0)


@test("/interop/back-to-back/stream-is-lost-in-a-call/the-cause-is-told-where-it-does-not")
def _():
    with Lab.up("open") as lab, coturn(lab, addresses=[lab["CORE_ADDR"]]) as (_, trusted):
        with calling(lab, trusted) as peers:
            lab.run("core", ["ss", "-tK", "sport = :443"])
            peers.wait_for("the relayed address was lost, the server gave another one .*the TURN server", 5)


def renewed(*options):
    """A server whose credentials last 4 s is restarted after 6 s."""
    with Lab.up("open") as lab, contextlib.ExitStack() as stack:
        place = [lab["CORE_ADDR"]]
        first, trusted = stack.enter_context(coturn(lab, *ONE_PORT, *REST, addresses=place))
        stack.enter_context(coturn(lab, *ONE_PORT, *REST, addresses=[lab["CORE_2_ADDR"]], certificates=trusted))
        began = time.monotonic()
        with calling(lab, trusted, "--other-server", f"{lab['CORE_2_ADDR']}:443", "--rest-secret", SECRET, "--rest-lifetime", "4",
                     *options) as peers:
            wait_until(lambda: time.monotonic() > began + 6, 10, "the first credentials to end")
            first.signal(signal.SIGKILL)
            first.wait(5)
            with coturn(lab, *ONE_PORT, *REST, addresses=place, certificates=trusted):
                yield peers


@test("/interop/back-to-back/time-limited-credentials/are-renewed-in-a-call")
def _():
    for peers in renewed():
        repaired(peers, 0)


@test("/interop/back-to-back/time-limited-credentials/that-ended-are-told")
def _():
    for peers in renewed("--never-renew"):
        peers.wait_for('"failed", "agent": 0, .*(?i:unauthorized|user and password|401)', 10)


run()

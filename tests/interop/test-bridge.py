#!/usr/bin/python3
"""libnice behind a bridge: two agents that may use relayed candidates alone, through proxies and verified TLS to coturn."""
import contextlib
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import coturn  # noqa: E402
from digest_squid import digest_squid  # noqa: E402
from helper import proxy_of  # noqa: E402
from lab import Lab  # noqa: E402
from nice_talk import arguments, ends, exchanges  # noqa: E402
from process import Process  # noqa: E402
from tap import run, test  # noqa: E402


def exchange(network, *options):
    with Lab.up(network) as lab, coturn(lab) as (_, trusted):
        for count in exchanges(lab, trusted, *proxy_of(lab, network), *options):
            assert count["dialled"] == 1 and count["accepted"] == 1, count


for name in ("tcp-443", "proxy", "proxy-basic"):
    test(f"/interop/bridge/messages-arrive/{name}/as-the-agents-proxy")(lambda name=name: exchange(name))
    test(f"/interop/bridge/messages-arrive/{name}/as-its-turn-server")(lambda name=name: exchange(name, "--listener"))


@test("/interop/bridge/messages-arrive/squid-digest/both-ways")
def _():
    with Lab.up("nat") as lab, coturn(lab) as (_, trusted), digest_squid(lab) as url:
        exchanges(lab, trusted, "--proxy", url)
        exchanges(lab, trusted, "--proxy", url, "--listener")
        ends(lab, trusted, "the proxy", "did not accept the configured user and password",
             options=("--proxy", url.replace("correct", "wrong")))
        ends(lab, trusted, "the proxy", "wants a user and password", options=("--proxy", url.replace("alice:correct%20horse@", "")))


@test("/interop/bridge/ipv6/device-server-and-proxy")
def _():
    with Lab.up("proxy-basic") as lab, coturn(lab) as (_, trusted):
        exchanges(lab, trusted, *proxy_of(lab, "proxy-basic"), server=f"[{lab['CORE_ADDR6']}]:443")
        # From here on the device has no address of the old kind but loopback's.
        lab.run("device", ["ip", "-4", "address", "flush", "dev", "eth0"])
        proxy = proxy_of(lab, "proxy-basic")[1].replace(lab["PROXY_ADDR"], f"[{lab['PROXY_ADDR6']}]")
        exchanges(lab, trusted, "--proxy", proxy)
        exchanges(lab, trusted, "--proxy", proxy, "--listener")


@test("/interop/bridge/name-with-two-addresses/the-one-that-answers-is-taken")
def _():
    with Lab.up("open") as lab:
        for address in ("CORE_ADDR", "CORE_ADDR6"):
            # It relays for both families, but listens on the one.
            with coturn(lab, f"--relay-ip={lab['CORE_ADDR']}", addresses=[lab[address]]) as (_, trusted):
                exchanges(lab, trusted)


@test("/interop/bridge/redirection/is-followed-inside-with-the-same-demands")
def _():
    with Lab.up("proxy-basic") as lab, contextlib.ExitStack() as stack:
        first, second = lab["CORE_ADDR"], lab["CORE_2_ADDR"]
        proxy = proxy_of(lab, "proxy-basic")
        _, trusted = stack.enter_context(coturn(lab, f"--tls-alternate-server={second}:443", addresses=[first]))
        with coturn(lab, addresses=[second], certificates=trusted):
            for way in ((), ("--listener",)):
                for count in exchanges(lab, trusted, *proxy, *way, server=f"{first}:443"):
                    assert count["redirected"] == 1, count
        with coturn(lab, addresses=[second], names="DNS:other.lab"):
            ends(lab, trusted, "certificate", options=proxy, server=f"{first}:443")
        with coturn(lab, f"--tls-alternate-server={first}:443", addresses=[second], certificates=trusted):
            ends(lab, trusted, "in a circle", options=proxy, server=f"{first}:443")


@test("/interop/bridge/server-is-lost-in-a-call/the-application-is-told-at-once")
def _():
    with Lab.up("proxy-basic") as lab, coturn(lab) as (server, trusted):
        with Process(arguments(trusted, *proxy_of(lab, "proxy-basic"), "--stay"), lab, "device") as peers:
            peers.wait_for('"ready"', 10)
            began = time.monotonic()
            server.signal(signal.SIGKILL)
            peers.wait_for('"failed".*core.lab:443.* the connection', 3)
            assert time.monotonic() - began < 3


run(at_once=3)

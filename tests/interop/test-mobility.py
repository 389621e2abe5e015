#!/usr/bin/python3
"""A device changes its address while a TURN client runs: what RFC 8016 carries over, and what coturn 4.6 makes impossible."""
import contextlib
import json
import os
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import PASSWORD, REALM, USER, coturn  # noqa: E402
from helper import proxy_of  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

MOBILE = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "mobile")
PEER_PORT, TURN_PORT = 40000, 3478


@contextlib.contextmanager
def plain_coturn(lab):
    """coturn over UDP, with mobility."""
    with Process(["turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--mobility", f"--listening-port={TURN_PORT}",
                  f"--listening-ip={lab['CORE_ADDR']}", f"--relay-ip={lab['CORE_ADDR']}", "--lt-cred-mech", f"--user={USER}:{PASSWORD}",
                  f"--realm={REALM}", "--log-file=stdout", "--verbose", f"--pidfile={lab.directory}/turn.pid",
                  f"--userdb={lab.directory}/turn.db"], lab, "core", name="turnserver") as process:
        process.wait_for("listener opened on|Total General servers", 10)
        yield process


@contextlib.contextmanager
def echo(lab):
    """A peer that sends everything back; yields the list of those who sent."""
    line = lab.socket("peer", kind=socket.SOCK_DGRAM)
    line.bind((lab["PEER_ADDR"], PEER_PORT))
    line.settimeout(0.1)
    senders, is_over = [], threading.Event()

    def answer():
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                octets, sender = line.recvfrom(2048)
                if sender not in senders:
                    senders.append(sender)
                line.sendto(octets, sender)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield senders
    finally:
        is_over.set()
        thread.join()
        line.close()


def told(process, event):
    return [e for e in map(json.loads, process.output.splitlines()) if e["event"] == event]


@contextlib.contextmanager
def mobile(lab, *arguments):
    with Process([MOBILE, "--user", USER, "--password", PASSWORD, "--to", f"{lab['PEER_ADDR']}:{PEER_PORT}", *arguments],
                 lab, "device", name="mobile") as process:
        wait_until(lambda: len(told(process, "received")) > 2, 10, "packets there and back")
        yield process


def move(lab):
    """The device is given another address in the place of its own, and its default route by it."""
    old = lab["DEVICE_ADDR"]
    new = f"{old.rpartition('.')[0]}.77"
    router = f"{old.rpartition('.')[0]}.1"
    for words in (f"address del {old}/24 dev eth0", f"address add {new}/24 dev eth0", f"route replace default via {router} dev eth0"):
        done = lab.run("device", ["ip", *words.split()])
        assert done.returncode == 0, (words, done.stderr)
    return new


def flows_again(process):
    before = told(process, "received")[-1]["received"]
    wait_until(lambda: told(process, "received")[-1]["received"] > before + 30, 15, "packets after the move")


@test("/interop/mobility/udp/the-relayed-address-comes-along")
def _():
    with Lab.up("open") as lab, plain_coturn(lab), echo(lab) as senders, \
            mobile(lab, "--udp", "--host", lab["CORE_ADDR"], "--port", str(TURN_PORT)) as process:
        first = told(process, "ready")[0]
        assert first["ticket"] and first["mapped"].startswith(lab["DEVICE_ADDR"] + ":"), first
        new = move(lab)
        wait_until(lambda: told(process, "network-changed"), 5, "the change being noticed")
        wait_until(lambda: len(told(process, "ready")) > 1, 10, "the client being ready again")
        flows_again(process)
        last = told(process, "received")[-1]
        print(first, last, senders, new)
        assert last["relayed"] == first["relayed"] and last["reallocations"] == 0, (first, last)
        assert len(senders) == 1 and len(told(process, "relayed-changed")) == 1, senders


# coturn 4.6 answers a ticket over a stream with octets that are no message: another relayed address is all there is to have.
@test("/interop/mobility/tls-through-a-proxy/the-application-is-told-of-another-relayed-address")
def _():
    with Lab.up("proxy") as lab, coturn(lab, "--mobility") as (_, trusted), echo(lab) as senders, \
            mobile(lab, "--ca", trusted, *proxy_of(lab, "proxy")) as process:
        first = told(process, "ready")[0]
        move(lab)
        wait_until(lambda: len(told(process, "relayed-changed")) > 1, 15, "the application being told")
        flows_again(process)
        last = told(process, "received")[-1]
        print(first, last, senders)
        assert last["relayed"] != first["relayed"] and last["reallocations"] >= 1, (first, last)
        assert [f"{address}:{port}" for address, port in senders][-1] == last["relayed"], senders


run()

#!/usr/bin/python3
"""The same call through tep-c and tep-s with each media backend that needs no gateway's help: out of a network that lets only
web traffic through, to a gateway on the core's host and to one behind it, over both families, also with a sender that uses
UDP GSO; and nothing stays behind when the daemon ends, also by kill -9."""
import contextlib
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from gateways import (BUILD, GATEWAY_PORT, GSO_SEND, NEXT, PATIENCE_S, SOCKET_FAMILY, Network, bundle, echo,  # noqa: E402
                      joined, processes_in, voice)
from tap import run, test  # noqa: E402

TEP_S, TEP_C = BUILD / "tools/tep-s", BUILD / "tools/tep-c"
LOCAL_PORT = 6000
OTHER_PORT = 5060
PASSWORD = "a password of some length"
# What only relays have: an address of the server's own.
EXTRA = {"relay": "relay-addresses={core};{core6}\nrelay-ports=30000-30999\n", "tun": "", "pcap": ""}


class Programs:
    """tep-s in the core host and tep-c in the device, until the end of the context."""

    def __init__(self, network, backend, gateway, family):
        self.network, self.gateway = network, gateway
        self.directory = tempfile.TemporaryDirectory(prefix="tepkit-test-call-")
        self.folder = pathlib.Path(self.directory.name)
        self.folder.chmod(0o755)
        lab = network.lab
        core = lab["CORE_ADDR6" if family == 6 else "CORE_ADDR"]
        self.secret("users", f"alice:{PASSWORD}\n")
        self.secret("credentials", f"alice:{PASSWORD}\n")
        extra = EXTRA[backend].format(core=lab["CORE_ADDR"], core6=lab["CORE_ADDR6"])
        (self.folder / "tep-s.conf").write_text(
            f"[server]\nlisten=[::]:80;0.0.0.0:80\nnames=core.lab;{lab['CORE_ADDR']};{lab['CORE_ADDR6']}\nworkers=2\n"
            f"[credentials]\nusers=users\n[media]\nbackend={backend}\n{extra}"
            f"[policy]\nallow={lab['CORE_ADDR']}/32;{lab['CORE_ADDR6']}/128;{NEXT[4][1]}/32;{NEXT[6][1]}/128\n"
            "[timers]\ndrain=1\n",
            encoding="ascii")
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.tep_s = subprocess.Popen(lab.command_in("core", [TEP_S, "--config", self.folder / "tep-s.conf"]),
                                      stdout=self.log, stderr=self.log)
        self.events = queue.Queue()
        self.tep_c = subprocess.Popen(
            lab.command_in("device", [TEP_C, "--server", joined(core, 80), "--credentials", self.folder / "credentials",
                                      "--flow", f"{LOCAL_PORT}={gateway}", "--json"]),
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def secret(self, name, text):
        (self.folder / name).write_text(text, encoding="ascii")
        (self.folder / name).chmod(0o600)

    def _read(self):
        for line in self.tep_c.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "gone"})

    def await_flow(self):
        """The leased address."""
        seen = []
        while not seen or seen[-1]["event"] not in ("flow", "gone"):
            seen.append(self.events.get(timeout=PATIENCE_S))
        assert seen[-1]["event"] == "flow", seen
        return seen[-1]["leased"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in (self.tep_c, self.tep_s):
            if process.poll() is None:
                process.kill()
            process.wait()
        self.tep_c.stdout.close()
        if kind is not None:
            self.log.seek(0)
            print(self.log.read())
        self.log.close()
        self.directory.cleanup()


@contextlib.contextmanager
def call(backend, family, place):
    """A gateway that echoes, the programs, and the device's socket towards its local port."""
    with Network("web-only") as network, echo(network, family, place) as gateway, \
            Programs(network, backend, gateway, family) as programs, \
            network.lab.socket("device", socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.settimeout(PATIENCE_S)
        device.bind(("127.0.0.1", 0))
        yield network, programs, device, programs.await_flow()


def exchange(device, payloads):
    for sent in payloads:
        device.sendto(sent, ("127.0.0.1", LOCAL_PORT))
        received = device.recv(2048)
        assert received == sent, (received, sent)


def each(name, backends=("relay", "tun", "pcap"), families=(4, 6), places=("here", "next-door")):
    def register(function):
        for backend in backends:
            for family in families:
                for place in places:
                    test(f"{backend}-ipv{family}-{place}: {name}")(
                        lambda words=(backend, family, place): function(*words))
        return function
    return register


@each("a call goes both ways, exact to the octet")
def _(backend, family, place):
    with call(backend, family, place) as (network, _, device, leased):
        if backend != "relay":
            public = network.public(family)
            assert leased.startswith(f"[{public}]:" if family == 6 else f"{public}:"), leased
        exchange(device, voice(100))


@each("bundles of a sender with UDP_SEGMENT arrive as packets", places=("here",))
def _(backend, family, place):
    with call(backend, family, place) as (network, _, device, leased):
        exchange(device, voice(5))
        gateway = network.gateway(family, place)
        # The echo server makes room for a sender with its address and port.
        network.echo.terminate()
        network.echo.wait()
        network.run(place, GSO_SEND, joined(gateway, GATEWAY_PORT), leased, 172, 20, 5, 10)
        for sent in bundle(172, 20) * 5:
            assert device.recv(2048) == sent


@each("UDP that needs no tunnel is left alone", backends=("tun", "pcap"), places=("here",))
def _(backend, family, place):
    """STUN on the listener's UDP port, asked from the firewall itself, which has the public address."""
    with call(backend, family, place) as (network, _, device, _leased), \
            network.lab.socket("firewall", SOCKET_FAMILY[family], socket.SOCK_DGRAM) as plain:
        exchange(device, voice(5))
        plain.settimeout(PATIENCE_S)
        request = bytes.fromhex("000100002112a442") + os.urandom(12)
        plain.sendto(request, (network.gateway(family, place), 80))
        assert plain.recv(1000)[:20] == bytes.fromhex("0101") + plain_length(family) + request[4:20]
        exchange(device, voice(5))


def plain_length(family):
    return bytes.fromhex("000c" if family == 4 else "0018")


def rights(process):
    """Of a process: effective, permitted and bounding capabilities, and whether it is root."""
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines())
    return [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")], status["Uid"].split()[0] == "0"


@each("the daemon keeps no right and its helper one", backends=("tun", "pcap"), families=(4,), places=("here",))
def _(backend, family, place):
    net_admin = 1 << 12
    with call(backend, family, place) as (network, programs, device, _):
        exchange(device, voice(5))
        assert rights(programs.tep_s.pid) == ([0, 0, 0, 0], False)
        helpers = [p for p in processes_in([network.namespace("core")])
                   if pathlib.Path(f"/proc/{p}/comm").read_text(encoding="ascii") == "tep-s-helper\n"]
        assert len(helpers) == 1
        assert rights(helpers[0]) == ([net_admin, net_admin, 0, 0], False)


def traces(network):
    found = network.in_core("nft", "list", "ruleset")
    for command in ("link", "rule", "-6 rule", "route show table all", "-6 route show table all"):
        found += network.in_core("ip", *command.split())
    return [line for line in found.splitlines() if "tep-" in line or "8600" in line]


@each("nothing stays behind", backends=("tun", "pcap"), families=(4,), places=("here",))
def _(backend, family, place):
    for number in (signal.SIGTERM, signal.SIGKILL):
        with call(backend, family, place) as (network, programs, device, _):
            exchange(device, voice(5))
            assert len(traces(network)) > 8
            programs.tep_s.send_signal(number)
            programs.tep_s.wait(3 * PATIENCE_S)
            deadline = time.monotonic() + PATIENCE_S
            while traces(network):
                assert time.monotonic() < deadline, traces(network)


if __name__ == "__main__":
    run()

#!/usr/bin/python3
"""The media backends tun and pcap in a network of the lab: what devices send reaches a gateway that knows nothing, what it
answers comes back, nothing else is touched, and nothing stays behind. The device's end is played by media-harness."""
import contextlib
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

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from gateways import (BUILD, GATEWAY_PORT, GSO_SEND, SOCKET_FAMILY, Network, bundle, echo, joined,  # noqa: E402
                      start_time, voice)
from responder import Responder  # noqa: E402
from tap import run, test  # noqa: E402

HARNESS = BUILD / "tests/tep-s/media-harness"

PATIENCE_S = 5
QUIET_S = 0.3
LEASED_PORT = 5000
OTHER_PORT = 5060
WEB_PORT = 443
DEVICES = {"tun": "tep-s0", "pcap": "tep-cap0"}

BACKENDS = ("tun", "pcap")
FAMILIES = (4, 6)
PLACES = ("here", "next-door")


class Harness:
    """The backend in the core host. What the gateway sends to devices collects in .packets."""

    def __init__(self, lab, backend, workers=1):
        self.directory = tempfile.TemporaryDirectory(prefix="tepkit-test-media-")
        folder = pathlib.Path(self.directory.name)
        (folder / "users").write_text("alice:a password of length\n", encoding="ascii")
        (folder / "users").chmod(0o600)
        (folder / "conf").write_text("[server]\nlisten=127.0.0.1:443\n[credentials]\nusers=users\n"
                                     f"[media]\nbackend={backend}\n", encoding="ascii")
        self.packets, self._answers = queue.Queue(), queue.Queue()
        self.process = subprocess.Popen(lab.command_in("core", [HARNESS, folder / "conf", workers]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        answer = self._answer()
        assert answer.startswith("ready "), answer
        self.helper = int(answer.split()[1])

    def _read(self):
        for line in self.process.stdout:
            words = line.rstrip("\n").split(" ")
            if words[0] == "packet":
                self.packets.put((int(words[1]), words[2], words[3], bytes.fromhex(words[4])))
            else:
                self._answers.put(line.strip())
        self._answers.put("gone")

    def _answer(self):
        return self._answers.get(timeout=PATIENCE_S)

    def command(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def lease(self, address, worker=0, is_pair=False):
        """Comes back when the helper has diverted it."""
        return self.command("lease", worker, address, *(["pair"] if is_pair else []))

    def release(self, address, worker=0):
        """The helper works its requests off in order: what follows a release is behind it."""
        assert self.command("release", worker, address) == "ok"
        fence = joined("203.0.113.77", 7)
        assert self.lease(fence) == "ok" and self.command("release", worker, fence) == "ok"

    def send(self, source, destination, payloads, worker=0, dscp=0):
        return self.command("send", worker, source, destination, dscp, *(p.hex() or "-" for p in payloads))

    def receive(self, n):
        return [self.packets.get(timeout=PATIENCE_S) for _ in range(n)]

    def is_quiet(self):
        with contextlib.suppress(queue.Empty):
            print("came unexpectedly:", self.packets.get(timeout=QUIET_S))
            return False
        return True

    def counters(self):
        found, answer = {}, self.command("counters")
        while answer != "ok":
            _, name, value = answer.split()
            found[name] = int(value)
            answer = self._answer()
        return found

    def quit(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0

    def kill(self, number):
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.directory.cleanup()
        deadline = time.monotonic() + PATIENCE_S
        while start_time(self.helper) is not None:
            assert time.monotonic() < deadline, "the helper stays"
            time.sleep(0.005)


def exchange(harness, leased, gateway, payloads, worker=0):
    """Sends and expects everything back, exact and in order. The first goes alone: what is answered before the kernel has
    noted which queue of a TUN device wrote it may come by another, and late. Returns by which workers the others came."""
    workers = set()
    for batch in (payloads[:1], *(payloads[start:start + 20] for start in range(1, len(payloads), 20))):
        assert harness.send(leased, gateway, batch, worker) == "failed 0"
        for sent, (by, source, destination, payload) in zip(batch, harness.receive(len(batch))):
            assert (source, destination) == (gateway, leased), (source, destination)
            assert payload == sent, (payload, sent)
            if batch != payloads[:1]:
                workers.add(by)
    return workers


def each(name, backends=BACKENDS, families=(None,), places=(None,)):
    """A test for every combination."""
    def register(function):
        for backend in backends:
            for family in families:
                for place in places:
                    words = {"backend": backend, "family": family, "place": place}
                    chosen = {key: value for key, value in words.items() if value is not None}
                    label = "-".join([backend] + ([f"ipv{family}"] if family else []) + ([place] if place else []))
                    test(f"{label}: {name}")(lambda chosen=chosen: function(**chosen))
        return function
    return register


@each("a call goes both ways through a gateway that knows nothing", families=FAMILIES, places=PLACES)
def _(backend, family, place):
    with Network() as network, network.wire() as on_wire, Harness(network.lab, backend) as harness, \
            echo(network, family, place) as gateway:
        leased = joined(network.public(family), LEASED_PORT)
        assert harness.lease(leased) == "ok"
        largest = bytes(i & 255 for i in range(1500 - (28 if family == 4 else 48)))
        exchange(harness, leased, gateway, voice(200) + [b"x", largest])
        assert harness.counters() == {}
        assert LEASED_PORT not in on_wire()
        harness.quit()


@each("an empty payload is a packet too")
def _(backend):
    with Network() as network, Harness(network.lab, backend) as harness, network.socket("here", 4) as gateway:
        gateway.bind((network.gateway(4, "here"), GATEWAY_PORT))
        gateway.settimeout(PATIENCE_S)
        leased = joined(network.public(4), LEASED_PORT)
        harness.lease(leased)
        assert harness.send(leased, joined(network.gateway(4, "here"), GATEWAY_PORT), [b""]) == "failed 0"
        payload, source = gateway.recvfrom(100)
        assert (payload, source) == (b"", (network.public(4), LEASED_PORT))
        gateway.sendto(b"", source)
        assert harness.receive(1)[0][3] == b""


@each("a packet costs no allocation, no lock and no log record", families=FAMILIES)
def _(backend, family):
    with Network() as network, Harness(network.lab, backend) as harness:
        leased = joined(network.public(family), LEASED_PORT)
        harness.command("costs-begin")
        harness.lease(leased)
        assert harness.command("costs-end") != "costs 0 0 0", "nothing is counted where something is to be"
        with echo(network, family, "here") as gateway:
            exchange(harness, leased, gateway, voice(60))
            harness.command("costs-begin")
            exchange(harness, leased, gateway, voice(200))
        network.run("here", GSO_SEND, gateway, leased, 172, 20, 5, 1)
        harness.receive(100)
        costs = harness.command("costs-end")
        assert costs in ("costs 0 0 0", "costs - - 0"), f"allocations, locks, log records: {costs}"


@each("bundles of a sender with UDP_SEGMENT come apart", families=FAMILIES, places=PLACES)
def _(backend, family, place):
    with Network() as network, network.wire() as on_wire, Harness(network.lab, backend) as harness:
        leased = joined(network.public(family), LEASED_PORT)
        gateway = joined(network.gateway(family, place), GATEWAY_PORT)
        harness.lease(leased)
        for segment, packets, rounds in ((172, 20, 5), (1400, 40, 2), (1, 60, 1), (33, 2, 1)):
            network.run(place, GSO_SEND, gateway, leased, segment, packets, rounds, 1)
            for (_, source, destination, payload), sent in zip(harness.receive(packets * rounds),
                                                               bundle(segment, packets) * rounds):
                assert (source, destination) == (gateway, leased)
                assert payload == sent, (segment, payload, sent)
        assert harness.is_quiet() and harness.counters() == {}
        assert LEASED_PORT not in on_wire()


@each("checksums left to a network card are completed", backends=("pcap",), families=FAMILIES, places=PLACES)
def _(backend, family, place):
    with Network() as network, Harness(network.lab, backend) as harness, echo(network, family, place) as gateway:
        leased = joined(network.public(family), LEASED_PORT)
        harness.lease(leased)
        network.in_core("ethtool", "-K", DEVICES[backend], "tx", "on")
        exchange(harness, leased, gateway, voice(40) + [b"x", b""])
        assert harness.counters() == {}


@each("bundles that come whole are counted, and the rest goes on", backends=("pcap",), families=FAMILIES)
def _(backend, family):
    with Network() as network, Harness(network.lab, backend) as harness, echo(network, family, "here") as gateway:
        leased = joined(network.public(family), LEASED_PORT)
        harness.lease(leased)
        network.in_core("ethtool", "-K", DEVICES[backend], "tx", "on", "sg", "on", "gso", "on", "tx-udp-segmentation", "on")
        sender = joined(network.gateway(family, "here"), GATEWAY_PORT + 10)
        network.run("here", GSO_SEND, sender, leased, 172, 20, 3)
        exchange(harness, leased, gateway, voice(20))
        assert harness.counters() == {'packets_total{direction="down",side="in"}': 3,
                                      'drops_total{direction="down",reason="unsplit-bundle"}': 3}


@each("TCP and other UDP of the same public address are left alone", families=FAMILIES)
def _(backend, family):
    with Network() as network, Harness(network.lab, backend) as harness, \
            Responder(network.lab, "core", tcp=[WEB_PORT], udp=[OTHER_PORT]), \
            echo(network, family, "here") as gateway:
        leased = joined(network.public(family), LEASED_PORT)
        target = network.gateway(family, "here")
        harness.lease(leased)
        with network.lab.socket("device", SOCKET_FAMILY[family], socket.SOCK_STREAM) as stream, \
                network.lab.socket("device", SOCKET_FAMILY[family], socket.SOCK_DGRAM) as plain:
            stream.settimeout(PATIENCE_S)
            plain.settimeout(PATIENCE_S)
            stream.connect((target, WEB_PORT))
            for i in range(5):
                exchange(harness, leased, gateway, voice(20, i * 20))
                plain.sendto(b"who?", (target, OTHER_PORT))
                answer = plain.recv(100).split()
                assert answer[2] == network.public(family).encode(), answer
                assert int(answer[3]) != LEASED_PORT
            stream.sendall(b"who?")
            answer = stream.recv(100).split()
            assert answer[2] == network.public(family).encode(), answer
        assert harness.counters() == {}


@each("another port of the leased address goes out as ever", families=FAMILIES, places=PLACES)
def _(backend, family, place):
    with Network() as network, network.wire() as on_wire, Harness(network.lab, backend) as harness, \
            network.socket(place, family) as gateway:
        public = network.public(family)
        harness.lease(joined(public, LEASED_PORT), is_pair=True)
        gateway.sendto(b"even", (public, LEASED_PORT))
        gateway.sendto(b"odd", (public, LEASED_PORT + 1))
        gateway.sendto(b"next", (public, LEASED_PORT + 2))
        assert [p[3] for p in harness.receive(2)] == [b"even", b"odd"]
        harness.release(joined(public, LEASED_PORT))
        gateway.sendto(b"after", (public, LEASED_PORT))
        assert harness.is_quiet()
        assert [p for p in on_wire() if p >= LEASED_PORT] == [LEASED_PORT + 2, LEASED_PORT]


@each("hop limit and DSCP are as they should be", families=FAMILIES)
def _(backend, family):
    with Network() as network, Harness(network.lab, backend) as harness, network.socket("here", family) as gateway:
        leased = joined(network.public(family), LEASED_PORT)
        gateway.bind((network.gateway(family, "here"), GATEWAY_PORT))
        gateway.settimeout(PATIENCE_S)
        if family == 4:
            gateway.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            gateway.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        else:
            gateway.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            gateway.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        assert harness.send(leased, joined(network.gateway(family, "here"), GATEWAY_PORT), [b"x"], dscp=46) == "failed 0"
        said = sorted(int.from_bytes(data[:4], sys.byteorder) for _, _, data in gateway.recvmsg(100, 1000)[1])
        assert said == [63, 46 << 2], said


@each("what is larger than a packet may be is refused or counted", places=PLACES)
def _(backend, place):
    with Network() as network, Harness(network.lab, backend) as harness, network.socket(place, 4) as gateway:
        leased = (network.public(4), LEASED_PORT)
        harness.lease(joined(*leased))
        gateway.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: may be fragmented
        gateway.sendto(bytes(1473), leased)
        gateway.sendto(b"after", leased)
        assert harness.receive(1)[0][3] == b"after"
        counted = harness.counters()
        assert counted["drops_total{direction=\"down\",reason=\"malformed\"}"] in (1, 2), counted


@each("a socket bound to an interface is told, and its packets stay off the wire")
def _(backend):
    with Network() as network, network.wire() as on_wire, Harness(network.lab, backend) as harness, \
            network.socket("here", 4) as gateway:
        interface = network.in_core("ip", "-o", "route", "get", network.public(4)).split(" dev ")[1].split()[0]
        gateway.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        gateway.sendto(b"before", (network.public(4), LEASED_PORT))
        harness.lease(joined(network.public(4), LEASED_PORT))
        try:
            gateway.sendto(b"after", (network.public(4), LEASED_PORT))
        except PermissionError:
            pass
        else:
            raise AssertionError("the sender was not told")
        assert harness.is_quiet()
        assert on_wire().count(LEASED_PORT) == 1


@each("strict reverse path filtering for all interfaces does not matter", families=FAMILIES)
def _(backend, family):
    for setting in (1, 2):
        with Network() as network, Harness(network.lab, backend) as harness, echo(network, family, "here") as gateway:
            network.in_core("sysctl", "-qw", f"net.ipv4.conf.all.rp_filter={setting}")
            leased = joined(network.public(family), LEASED_PORT)
            harness.lease(leased)
            exchange(harness, leased, gateway, voice(20))
            assert network.in_core("sysctl", "-n", "net.ipv4.conf.all.rp_filter").strip() == str(setting)


@each("with several workers every packet comes once", families=FAMILIES)
def _(backend, family):
    with Network() as network, Harness(network.lab, backend, workers=4) as harness, \
            echo(network, family, "here") as gateway:
        for i in range(16):
            leased = joined(network.public(family), LEASED_PORT + i)
            harness.lease(leased, worker=i % 4)
            came_by = exchange(harness, leased, gateway, voice(20, i * 20), worker=i % 4)
            # A queue of the TUN device keeps the flows that were written to it.
            assert len(came_by) == 1 and (backend == "pcap" or came_by == {i % 4}), came_by
        assert harness.is_quiet() and harness.counters() == {}


@each("without its helper a call goes on and a lease is refused")
def _(backend):
    with Network() as network, network.wire() as on_wire, Harness(network.lab, backend) as harness, \
            echo(network, 4, "here") as gateway:
        leased = joined(network.public(4), LEASED_PORT)
        harness.lease(leased)
        exchange(harness, leased, gateway, voice(20))
        os.kill(harness.helper, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while harness.counters() != {"helpers_lost_total{(null)}": 1}:
            assert time.monotonic() < deadline
        exchange(harness, leased, gateway, voice(20))
        answer = harness.lease(joined(network.public(4), LEASED_PORT + 2))
        assert answer == "error the media helper has ended: restart the server", answer
        assert LEASED_PORT not in on_wire()


def traces(network, backend):
    """What of ours is in the core's network."""
    found = network.in_core("nft", "list", "ruleset")
    for command in ("link", "rule", "-6 rule", "route show table all", "-6 route show table all"):
        found += network.in_core("ip", *command.split())
    return [line for line in found.splitlines()
            if DEVICES[backend] in line or "8600" in line or "tep-s" in line]


@each("nothing stays behind, however it ends")
def _(backend):
    for end in ("quit", signal.SIGTERM, signal.SIGKILL):
        with Network() as network:
            with Harness(network.lab, backend, workers=2) as harness, echo(network, 4, "here") as gateway:
                leased = joined(network.public(4), LEASED_PORT)
                harness.lease(leased)
                harness.lease(joined(network.public(6), LEASED_PORT), worker=1)
                exchange(harness, leased, gateway, voice(20))
                assert len(traces(network, backend)) > 8
                if end == "quit":
                    harness.quit()
                else:
                    harness.kill(end)
            left = traces(network, backend)
            assert not left, left


if __name__ == "__main__":
    run()

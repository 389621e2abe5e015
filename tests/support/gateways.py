"""Media gateways that know nothing of tunnels, on the core host of a lab and behind it, and what they send and see."""
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import time

from lab import Lab
import hosts
from hosts import processes_in, start_time  # noqa: F401  for the tests

BUILD = pathlib.Path(os.environ.get("TEPKIT_BUILD", pathlib.Path(__file__).resolve().parent.parent.parent / "build"))
GSO_SEND = BUILD / "tests/tep-s/udp-gso-send"

PATIENCE_S = 5
GATEWAY_PORT = 20000
NEXT = {4: ("10.88.0.1", "10.88.0.2", 24), 6: ("fd88::1", "fd88::2", 64)}
NODAD = {24: "", 64: "nodad"}
SOCKET_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def joined(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def bundle(segment, packets):
    """What udp-gso-send sends in a round."""
    return [bytes(((i + 1) * 7 + j) & 255 for j in range(segment if i < packets - 1 else segment - segment // 2))
            for i in range(packets)]


class Network:
    """A lab with a second gateway behind the core."""

    def __init__(self, network="nat"):
        self._name = network

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.lab = stack.enter_context(Lab.up(self._name))
            self.next = hosts.name(self.lab.id, "next")
            hosts.make([self.next])
            stack.callback(hosts.remove, [self.next])
            stack.callback(hosts.end_processes, [self.next])
            core = self.lab.namespace("core")
            hosts.command(["ip", "-n", core, "link", "add", "toward-next", "type", "veth",
                           "peer", "name", "eth0", "netns", self.next])
            scripts = {core: "ip link set toward-next up\n"
                             "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n",
                       self.next: "ip link set lo up\nip link set eth0 up\n"}
            for near, far, bits in NEXT.values():
                scripts[core] += f"ip addr add {near}/{bits} dev toward-next {NODAD[bits]}\n"
                scripts[self.next] += f"ip addr add {far}/{bits} dev eth0 {NODAD[bits]}\nip route add default via {near}\n"
            hosts.set_up(scripts)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def in_core(self, *arguments):
        result = self.lab.run("core", arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def public(self, family):
        return self.lab["PUBLIC_ADDR" + ("6" if family == 6 else "")]

    def gateway(self, family, place):
        return NEXT[family][1] if place == "next-door" else self.lab["CORE_ADDR" + ("6" if family == 6 else "")]

    def namespace(self, place):
        return self.next if place == "next-door" else self.lab.namespace("core")

    def socket(self, place, family, kind=socket.SOCK_DGRAM):
        with hosts.inside(self.namespace(place)):
            return socket.socket(SOCKET_FAMILY[family], kind)

    def start(self, place, *arguments):
        return subprocess.Popen(["ip", "netns", "exec", self.namespace(place), *map(str, arguments)],
                                stdout=subprocess.DEVNULL)

    def run(self, place, *arguments):
        assert subprocess.run(["ip", "netns", "exec", self.namespace(place), *map(str, arguments)],
                              check=False).returncode == 0

    @contextlib.contextmanager
    def wire(self):
        """What goes from the core towards the device's public address on the wire: a function that gives
        the UDP destination ports seen so far, and for later fragments the port 0."""
        with self.lab.socket("firewall", socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(3)) as tap:
            tap.bind(("wan", 3))
            tap.setblocking(False)
            yield lambda: [port for port in map(udp_port, received(tap)) if port is not None]


def received(tap):
    with contextlib.suppress(BlockingIOError):
        while True:
            octets, address = tap.recvfrom(70000)
            if address[2] != socket.PACKET_OUTGOING:
                yield octets


def udp_port(octets):
    if octets[0] >> 4 == 4 and octets[9] == socket.IPPROTO_UDP:
        is_first = struct.unpack_from("!H", octets, 6)[0] & 0x1fff == 0
        return struct.unpack_from("!H", octets, (octets[0] & 15) * 4 + 2)[0] if is_first else 0
    if octets[0] >> 4 == 6 and octets[6] == socket.IPPROTO_UDP:
        return struct.unpack_from("!H", octets, 42)[0]
    return None


def voice(n, first=0):
    """RTP packets of 20 ms that differ."""
    return [struct.pack("!BBHII", 0x80, 0, (first + i) & 0xffff, (first + i) * 160, 0x5eed)
            + bytes((first + i + j) & 255 for j in range(160)) for i in range(n)]


@contextlib.contextmanager
def echo(network, family, place):
    """coturn's UDP echo server as gateway, network.echo its process. It announces nothing, so it is asked
    until it answers."""
    address = network.gateway(family, place)
    network.echo = process = network.start(place, "turnutils_peer", "-L", address, "-p", GATEWAY_PORT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        with network.socket(place, family) as probe:
            probe.settimeout(0.05)
            while True:
                with contextlib.suppress(OSError):
                    probe.sendto(b"?", (address, GATEWAY_PORT))
                    probe.recv(16)
                    break
                assert time.monotonic() < deadline, "turnutils_peer does not answer"
        yield joined(address, GATEWAY_PORT)
    finally:
        process.terminate()
        process.wait()

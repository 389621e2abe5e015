#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How tep-c takes in the media of programs that know nothing of it: by ports on loopback and by a TUN device, in a network
that lets only web traffic out. The far side sends back whatever it gets."""
import contextlib
import errno
import os
import pathlib
import re
import select
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from ends import LOCAL_PORT, PEER_PORT, Agent, Scratch, Server, joined, parted  # noqa: E402
from lab import Lab  # noqa: E402
from process import program, program_for_anybody, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

LARGEST = {"": 1472, "6": 1452}  # UDP payload in an inner packet of 1500 octets
FAMILY = {"": socket.AF_INET, "6": socket.AF_INET6}
PREFIXES = ("192.0.2.0/24", "2001:db8:c::/48", "2001:db8:d::/48")
STUN_REQUEST = struct.pack(">HHI12s", 1, 0, 0x2112A442, b"tepkit-tests")
AHEAD = 16  # packets on the way at most, where each is to arrive


class FarSide:
    """Answers every packet with itself, and remembers whence they came and what they held."""

    def __init__(self, lab, mark="", port=PEER_PORT):
        self.address = (lab[f"PEER_ADDR{mark}"], port)
        self.socket = lab.socket("peer", FAMILY[mark], socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.settimeout(0.1)
        self.seen = []
        self._is_ending = False
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self):
        while not self._is_ending:
            with contextlib.suppress(OSError):
                payload, source = self.socket.recvfrom(65536)
                self.seen.append((payload, source[:2]))
                self.socket.sendto(payload, source)

    def sources(self):
        return {source for _, source in self.seen}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_ending = True
        self._thread.join()
        self.socket.close()


class Program:
    """A UDP program on the device."""

    def __init__(self, lab, remote, mark="", port=0):
        self.socket = lab.socket("device", FAMILY[mark], socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        if port != 0:
            self.socket.bind(("", port))
        self.socket.connect(remote)

    def exchange(self, payload, timeout_s=10):
        """Sends until the answer comes; for the first packet of a conversation, which may be early."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError, ConnectionError):
                self.socket.send(payload)
                while True:
                    answer = self.socket.recv(65536)
                    if answer == payload:
                        return answer
        raise AssertionError(f"no answer to {payload[:20]!r} in {timeout_s} s")

    def receive(self, timeout_s):
        self.socket.settimeout(timeout_s)
        return self.socket.recv(65536)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@contextlib.contextmanager
def network(name="web-only", settings=None):
    with Scratch() as scratch, Lab.up(name) as lab:
        allow = [joined(lab["PEER_ADDR"], f"{PEER_PORT}-{PEER_PORT + 40}"), joined(lab["PEER_ADDR6"], f"{PEER_PORT}-{PEER_PORT + 40}")]
        with Server(lab, scratch, {"policy": {"allow": ";".join(allow)}, **(settings or {})}) as server:
            yield lab, scratch, server


def tun_agent(lab, scratch, *arguments, **others):
    prefixes = [word for prefix in PREFIXES for word in ("--tun", prefix)]
    return Agent(lab, scratch, flows=[], arguments=[*prefixes, *arguments], **others)


def ip(lab, *arguments):
    return lab.run("device", ["ip", *arguments]).stdout


def traces(lab):
    """What tep-c leaves in the system: rules, devices, routes."""
    rules = [line for mark in ("-4", "-6") for line in ip(lab, mark, "rule").splitlines() if "ipproto udp" in line]
    return rules + re.findall(r"tepc\d+", ip(lab, "link"))


@test("/tep-c/capture/ports-carry-every-size-in-order-and-count-what-is-too-large")
def sizes():
    with network() as (lab, scratch, _):
        for mark in ("", "6"):
            with FarSide(lab, mark) as far, Agent(lab, scratch, mark=mark) as agent:
                leased = agent.leased()
                with Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
                    for size in (0, 1, 2, 160, 1000, LARGEST[mark] - 1, LARGEST[mark]):
                        payload = bytes(i & 255 for i in range(size))
                        phone.socket.settimeout(5)
                        phone.socket.send(payload)
                        assert phone.socket.recv(65536) == payload, size
                    for size in (LARGEST[mark] + 1, 9000, 65507):
                        phone.socket.send(bytes(size))
                    numbers = [struct.pack(">I", number) for number in range(200)]
                    heard = []
                    for n, number in enumerate(numbers):
                        phone.socket.send(number)
                        time.sleep(0.001)
                        if n >= AHEAD:  # more would be dropped, as it should, where the machine is held up
                            heard.append(phone.receive(5))
                    heard += [phone.receive(5) for _ in range(AHEAD)]
                    assert heard == numbers
                assert far.sources() == {leased}, (far.sources(), leased)
                agent.signal(signal.SIGUSR1)
                status = agent.wait_for_event(lambda e: e["event"] == "status", "a status")
                assert status["dropped_too_large"] == 3, status


@test("/tep-c/capture/several-ports-have-leases-of-their-own-and-do-not-mix")
def several():
    with network() as (lab, scratch, _), contextlib.ExitStack() as stack:
        fars = [stack.enter_context(FarSide(lab, mark, PEER_PORT + n)) for n, mark in enumerate(("", "6", "", ""))]
        flows = [(LOCAL_PORT + n, *far.address) for n, far in enumerate(fars)]
        agent = stack.enter_context(Agent(lab, scratch, flows=flows))
        agent.leased(3)
        leases = {parted(event["local"])[1]: parted(event["leased"]) for event in agent.events("flow")}
        assert len(set(leases.values())) == 4, leases
        for n, far in enumerate(fars):
            phone = stack.enter_context(Program(lab, ("127.0.0.1", LOCAL_PORT + n)))
            assert phone.exchange(b"flow %d" % n)
            assert far.sources() == {leases[LOCAL_PORT + n]}
            assert {payload for payload, _ in far.seen} == {b"flow %d" % n}


@test("/tep-c/capture/the-local-program-that-sends-first-has-the-port-until-it-ends")
def first_peer():
    with network() as (lab, scratch, _), FarSide(lab) as far, Agent(lab, scratch) as agent:
        agent.leased()
        with Program(lab, ("127.0.0.1", LOCAL_PORT)) as first, Program(lab, ("127.0.0.1", LOCAL_PORT)) as second:
            assert first.exchange(b"first")
            for _ in range(20):
                with contextlib.suppress(ConnectionError):
                    second.socket.send(b"second")
                assert first.exchange(b"first again")
            with contextlib.suppress(TimeoutError, ConnectionError):
                raise AssertionError(second.socket.recv(100))
            assert b"second" not in {payload for payload, _ in far.seen}
            first.socket.send(b"the last word")
            first.socket.close()
            assert second.exchange(b"second")


@test("/tep-c/capture/what-comes-before-the-program-has-sent-is-dropped")
def nobody_yet():
    with network() as (lab, scratch, _), FarSide(lab) as far, Agent(lab, scratch) as agent:
        leased = agent.leased()
        for _ in range(10):
            far.socket.sendto(b"early", leased)
        def arrived():
            agent.signal(signal.SIGUSR1)
            return any(event["received"] == 10 for event in agent.events("quality"))
        wait_until(arrived, 10, "all packets at the device")
        with Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
            phone.socket.send(b"hello")
            assert phone.receive(5) == b"hello"
            far.socket.sendto(b"later", leased)
            assert phone.receive(5) == b"later"


@test("/tep-c/capture/packets-wait-until-the-flow-stands")
def packets_wait():
    with Scratch() as scratch, Lab.up("web-only") as lab, FarSide(lab), Agent(lab, scratch) as agent:
        agent.wait_for('"state":"waiting"', 20)
        with Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
            for number in range(8):
                phone.socket.send(b"early %d" % number)
            with Server(lab, scratch):
                assert [phone.receive(20) for _ in range(8)] == [b"early %d" % number for number in range(8)]


@test("/tep-c/capture/a-local-port-that-is-taken-ends-with-71-and-says-so")
def port_taken():
    with network() as (lab, scratch, _), lab.socket("device", socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", LOCAL_PORT))
        with Agent(lab, scratch) as agent:
            assert agent.wait(10) == 71
            assert re.search(rf"local port {LOCAL_PORT} .*choose another.*in use", agent.errors), agent.errors


@test("/tep-c/capture/what-policy-forbids-is-said-and-the-rest-goes-on")
def forbidden():
    with network() as (lab, scratch, _), FarSide(lab):
        flows = [(LOCAL_PORT, lab["PEER_ADDR"], PEER_PORT), (LOCAL_PORT + 1, lab["PEER_ADDR"], 9)]
        with Agent(lab, scratch, flows=flows) as agent, Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
            failed = agent.wait_for_event(lambda e: e["event"] == "flow-failed", "a refusal")
            assert failed["local"] == f"127.0.0.1:{LOCAL_PORT + 1}" and failed["cause"], failed
            assert phone.exchange(b"allowed")


@test("/tep-c/capture/addresses-are-translated-the-port-too-where-the-lease-differs")
def translation():
    with network() as (lab, scratch, _), FarSide(lab) as far:
        pcap = scratch.path / "inner.pcap"
        with tun_agent(lab, scratch, "--pcap", pcap) as agent:
            agent.wait_for('"state":"open"', 20)
            with Program(lab, far.address, port=5060) as phone:  # the server lends no such port
                phone.exchange(b"hello")
                own = phone.socket.getsockname()
            lease = agent.wait_for_event(lambda e: e["event"] == "lease", "a lease")
            assert parted(lease["local"]) == own and own[0] == "192.0.0.4", (lease, own)
            leased = parted(lease["leased"])
            assert leased[1] != own[1] and far.sources() == {leased}
        octets = pcap.read_bytes()[24:]
        packets = []
        while octets:
            length = struct.unpack_from(">I", octets, 8)[0]
            packet, octets = octets[16:16 + length], octets[16 + length:]
            source, destination = (socket.inet_ntoa(packet[at:at + 4]) for at in (12, 16))
            ports = struct.unpack_from(">HH", packet, 20)
            packets.append(((source, ports[0]), (destination, ports[1]), packet[28:]))
        assert (leased, far.address, b"hello") in packets and (far.address, leased, b"hello") in packets, packets


@test("/tep-c/capture/tun-carries-unmodified-programs-of-both-families-from-several-ports")
def tun_programs():
    with network() as (lab, scratch, _), contextlib.ExitStack() as stack:
        fars = {mark: stack.enter_context(FarSide(lab, mark)) for mark in ("", "6")}
        agent = stack.enter_context(tun_agent(lab, scratch))
        agent.wait_for('"state":"open"', 20)
        phones = [(mark, number, stack.enter_context(Program(lab, fars[mark].address, mark)))
                  for mark in ("", "6") for number in range(6)]
        for mark, number, phone in phones:
            phone.exchange(b"%d" % number)
        for mark, number, phone in phones:
            payload = bytes([number]) * LARGEST[mark]
            assert phone.exchange(payload, 2) == payload
        leases = {parted(e["local"]): parted(e["leased"]) for e in agent.events("lease")}
        assert len(leases) == len(set(leases.values())) == 12, leases
        for mark in ("", "6"):
            assert len(fars[mark].sources()) == 6, fars[mark].sources()


@test("/tep-c/capture/tun-takes-a-program-that-was-there-before-with-the-address-it-has")
def tun_earlier_program():
    with network() as (lab, scratch, _), FarSide(lab) as far, Program(lab, far.address) as phone:
        with tun_agent(lab, scratch) as agent:
            phone.exchange(b"hello")
            lease = agent.events("lease")[0]
            assert parted(lease["local"]) == phone.socket.getsockname() == (lab["DEVICE_ADDR"], parted(lease["local"])[1])


@test("/tep-c/capture/tun-one-port-reaches-several-remotes-with-one-lease")
def tun_remotes():
    with network() as (lab, scratch, _), FarSide(lab) as one, FarSide(lab, "", PEER_PORT + 1) as two, \
            tun_agent(lab, scratch) as agent:
        agent.wait_for('"state":"open"', 20)
        with Program(lab, one.address) as phone:
            phone.exchange(b"to one")
            phone.socket.connect(two.address)
            phone.exchange(b"to two")
        assert one.sources() == two.sources() and len(one.sources()) == 1
        assert len(agent.events("lease")) == 1


def mapped_address(answer):
    """XOR-MAPPED-ADDRESS of a STUN success."""
    assert struct.unpack_from(">H", answer)[0] == 0x0101, answer
    at = 20
    while at < len(answer):
        kind, length = struct.unpack_from(">HH", answer, at)
        if kind == 0x0020:
            port = struct.unpack_from(">H", answer, at + 6)[0] ^ 0x2112
            mask = answer[4:20]
            raw = bytes(a ^ b for a, b in zip(answer[at + 8:at + 4 + length], mask))
            return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), port
        at += 4 + (length + 3) // 4 * 4
    raise AssertionError(answer)


@test("/tep-c/capture/tun-a-stun-client-inside-learns-its-lease")
def tun_stun():
    with network() as (lab, scratch, _), contextlib.ExitStack() as stack:
        agent = stack.enter_context(tun_agent(lab, scratch))
        agent.wait_for('"state":"open"', 20)
        for mark in ("", "6"):
            client = stack.enter_context(Program(lab, (lab[f"CORE_ADDR{mark}"], 443), mark))

            def answer():
                with contextlib.suppress(TimeoutError):
                    client.socket.send(STUN_REQUEST)
                    return client.socket.recv(2000)
                return None
            found = mapped_address(wait_until(answer, 10, "an answer to STUN"))
            own = client.socket.getsockname()[:2]
            leases = {parted(e["local"]): parted(e["leased"]) for e in agent.events("lease")}
            assert leases[own] == found, (leases, own, found)
            far = stack.enter_context(FarSide(lab, mark))
            client.socket.connect(far.address)
            client.exchange(b"media from the port that asked")
            assert far.sources() == {found}


@test("/tep-c/capture/tun-takes-no-tcp-so-the-tunnel-does-not-loop")
def tun_tcp():
    with network() as (lab, scratch, _), tun_agent(lab, scratch) as agent:
        agent.wait_for('"state":"open"', 20)  # to an address inside the prefix
        for mark in ("", "6"):
            with lab.socket("device", FAMILY[mark]) as web:
                web.settimeout(10)
                web.connect((lab[f"CORE_ADDR{mark}"], 80))
                assert web.getsockname()[0] == lab[f"DEVICE_ADDR{mark}"]
                web.sendall(b"GET / HTTP/1.1\r\nHost: core.lab\r\n\r\n")
                assert web.recv(100).startswith(b"HTTP/1.")
        time.sleep(0.2)
        assert not agent.events("lease"), agent.events("lease")


@test("/tep-c/capture/tun-tells-a-program-at-once-what-is-too-large")
def tun_too_large():
    for strict in ("0", "1"):
        with network() as (lab, scratch, _), tun_agent(lab, scratch) as agent:
            lab.run("device", ["sysctl", "-q", "-w", f"net.ipv4.conf.all.rp_filter={strict}"])
            agent.wait_for('"state":"open"', 20)
            for mark in ("", "6"):
                with FarSide(lab, mark) as far, Program(lab, far.address, mark) as phone:
                    phone.exchange(b"fits")
                    phone.socket.settimeout(5)
                    try:
                        phone.socket.send(bytes(LARGEST[mark] + 1))
                        select.select([phone.socket], [], [], 5)
                        phone.socket.recv(100)
                        raise AssertionError("nobody was told")
                    except OSError as error:
                        assert error.errno == errno.EMSGSIZE, (mark, error)
                    phone.exchange(bytes(LARGEST[mark]))


@test("/tep-c/capture/tun-mtu-follows-the-largest-packet")
def tun_mtu():
    with network(settings={"media": {"largest-packet": "1380"}}) as (lab, scratch, _), \
            tun_agent(lab, scratch) as agent, FarSide(lab) as far:
        agent.wait_for('"state":"open"', 20)
        wait_until(lambda: "mtu 1380" in ip(lab, "link", "show", "tepc0"), 5, "the MTU")
        with Program(lab, far.address) as phone:
            phone.exchange(bytes(1380 - 28))


@test("/tep-c/capture/tun-more-ports-than-a-tunnel-carries-are-told-and-disturb-nobody")
def tun_full():
    with network() as (lab, scratch, _), FarSide(lab) as far, tun_agent(lab, scratch) as agent, \
            contextlib.ExitStack() as stack:
        agent.wait_for('"state":"open"', 20)
        phones = [stack.enter_context(Program(lab, far.address)) for _ in range(16)]
        for phone in phones:
            phone.exchange(b"in use")
        with Program(lab, far.address) as late:
            late.socket.settimeout(5)
            try:
                late.socket.send(b"one too many")
                late.socket.recv(100)
                raise AssertionError("nobody was told")
            except OSError as error:
                assert error.errno == errno.EHOSTUNREACH, error
        failed = agent.wait_for_event(lambda e: e["event"] == "lease-failed", "a refusal")
        assert "16 local ports" in failed["cause"], failed
        for phone in phones:
            phone.exchange(b"still in use", 2)


@test("/tep-c/capture/tun-leaves-nothing-behind-also-after-a-kill-and-a-new-start")
def tun_cleans():
    with network() as (lab, scratch, _), FarSide(lab) as far:
        for number in (signal.SIGTERM, signal.SIGINT):
            with tun_agent(lab, scratch) as agent:
                agent.wait_for('"state":"open"', 20)
                assert len(traces(lab)) == len(PREFIXES) + 1, traces(lab)
                agent.signal(number)
                assert agent.wait(10) == 0
            assert traces(lab) == []
        for _ in range(3):
            with tun_agent(lab, scratch) as agent:
                agent.wait_for('"state":"open"', 20)
                assert len(traces(lab)) == len(PREFIXES) + 1, traces(lab)
                agent.kill()
        with tun_agent(lab, scratch) as agent, Program(lab, far.address) as phone:
            phone.exchange(b"after three kills")
            assert len(traces(lab)) == len(PREFIXES) + 1, traces(lab)
        assert traces(lab) == []


@test("/tep-c/capture/tun-two-agents-need-two-names-and-then-do-not-disturb-each-other")
def tun_twice():
    with network() as (lab, scratch, _), FarSide(lab) as far, tun_agent(lab, scratch) as agent:
        agent.wait_for('"state":"open"', 20)
        with tun_agent(lab, scratch, name="tep-c-second") as second:
            assert second.wait(10) == 71
            assert "tepc0 is in use" in second.errors and "another name" in second.errors, second.errors
        other = ["--tun", "198.18.0.0/24", "--tun-name", "tepc1"]
        with Agent(lab, scratch, flows=[], arguments=other, name="tep-c-third") as third:
            third.wait_for('"state":"open"', 20)
            with Program(lab, far.address) as phone:
                phone.exchange(b"through the first")
        with Program(lab, far.address) as phone:
            phone.exchange(b"through the first still")


@test("/tep-c/capture/tun-without-the-right-ends-with-77-and-says-what-it-takes")
def tun_without_root():
    with network() as (lab, scratch, _):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
        login = scratch.path / "tep-c.secret"
        with tun_agent(lab, scratch) as agent:
            agent.wait_for('"state":"open"', 20)
        login.chmod(0o600)
        os.chown(login, 65534, 65534)
        ended = lab.run("device", [*nobody, program_for_anybody("tep-c", scratch.path), "--server", joined(lab["CORE_ADDR"], 443),
                                   "--credentials", login, "--tun", PREFIXES[0]], check=False)
        assert ended.returncode == 77 and "takes root" in ended.stderr, ended
        assert traces(lab) == []


@test("/tep-c/capture/root-is-given-up-but-for-what-the-device-needs")
def rights():
    with network() as (lab, scratch, _), FarSide(lab) as far:
        for arguments, kept in ((["--tun", PREFIXES[0]], 1 << 12), (["--flow", f"{LOCAL_PORT + 1}={joined(*far.address)}"], 0)):
            with Agent(lab, scratch, flows=[], arguments=arguments) as agent:
                agent.wait_for('"state":"open"', 20)
                for thread in pathlib.Path("/proc", str(agent.pid), "task").iterdir():
                    lines = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line)
                    assert set(lines["Uid"].split()) == set(lines["Gid"].split()) == {"65534"} and not lines["Groups"].split(), lines
                    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                        assert int(lines[name], 16) | kept == kept, (name, lines[name])
            assert traces(lab) == []


@test("/tep-c/capture/an-address-change-resumes-at-once-with-flows-intact")
def address_change():
    with network() as (lab, scratch, server), FarSide(lab) as far, \
            Agent(lab, scratch, arguments=["--tun", PREFIXES[1]]) as agent:
        leased = agent.leased()
        old, new = lab["DEVICE_ADDR"], lab["DEVICE_ADDR"].rpartition(".")[0] + ".77"
        device = re.search(r"^\d+: ([a-z0-9]+)(?:@\S+)? +inet " + re.escape(old) + r"/24", ip(lab, "-o", "-4", "address"), re.M)[1]
        gateway = re.search(r"default via (\S+)", ip(lab, "route"))[1]
        with Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
            phone.exchange(b"before")
            begin = time.monotonic()
            ip(lab, "address", "del", f"{old}/24", "dev", device)
            ip(lab, "address", "add", f"{new}/24", "dev", device)
            ip(lab, "route", "add", "default", "via", gateway)
            phone.exchange(b"after", 5)
            took = time.monotonic() - begin
        assert took < 3, took
        assert far.sources() == {leased}, (far.sources(), leased)
        assert len(agent.events("flow")) == 1 and not agent.events("moved"), agent.output
        assert agent.events("network-changed") and "resuming" in [e.get("state") for e in agent.events("state")]
        assert server.metrics()["tep_server_tunnels_opened_total"] == 1


@test("/tep-c/capture/a-network-that-comes-back-is-used-at-once")
def network_returns():
    with network() as (lab, scratch, _), FarSide(lab), Agent(lab, scratch) as agent:
        agent.leased()
        device = re.search(r"dev (\S+)", ip(lab, "route", "show", "default"))[1]
        gateway = re.search(r"default via (\S+)", ip(lab, "route"))[1]
        ip(lab, "link", "set", device, "down")
        agent.wait_for('"state":"waiting"', 30)
        with Program(lab, ("127.0.0.1", LOCAL_PORT)) as phone:
            ip(lab, "link", "set", device, "up")
            ip(lab, "route", "replace", "default", "via", gateway)
            phone.exchange(b"back again", 4)


run(at_once=3)

#!/usr/bin/python3
"""Peers that mean no good, while a call goes on: garbage, silence, dribble, wrong passwords, stolen ids, spoofed packets, forbidden targets."""
import contextlib
import ipaddress
import os
import selectors
import socket
import ssl
import struct
import time

from ends import Agent, PASSWORD, PEER_PORT, Scratch, Server, USER
from capture import Capture, said, tshark
from talk import Call
from tep_client import Client, frame, message, tep_decoder
from lab import Lab
import hosts
from process import wait_until
from tap import run, test

PATIENCE_S = 15
HURRY = {"first-message": "5", "tls-handshake": "3", "authentication": "6"}
SOURCE_DROPS = 'tep_server_drops_total{direction="up",reason="source"}'
POLICY_DROPS = 'tep_server_drops_total{direction="up",reason="policy"}'
MALFORMED_DROPS = 'tep_server_drops_total{direction="up",reason="malformed"}'
MISMATCHES = "tep_server_mismatches_total"
FORWARDED = 'tep_server_packets_total{direction="up",side="out"}'

# By the hundred


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="core.lab")
    with contextlib.suppress(ssl.SSLWantReadError):
        stream.do_handshake()
    return outgoing.read()


def opening(name):
    """A first contact that is in order."""
    return frame(message("Binding", [("TEP-VERSION", b"\1\0\0\0"), ("SERVER-NAME", name.encode()),
                                     ("CLIENT-RANDOM", os.urandom(32)),
                                     ("TIMESTAMP", struct.pack(">Q", int(time.time() * 1000)))]))


class Peer:
    """One connection: what it says, whether a piece at a time, and what became of it."""

    def __init__(self, lab, kind, says, is_dribbling):
        self.kind, self.says, self.is_dribbling = kind, says, is_dribbling
        self.heard, self.has_ended = b"", False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((lab["CORE_ADDR"], 443))
        self.socket.setblocking(False)

    def speak(self):
        if self.says and not self.has_ended:
            piece = self.says[:1] if self.is_dribbling else self.says
            with contextlib.suppress(OSError):  # it was hung up on
                self.says = self.says[self.socket.send(piece):]

    def hear(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            piece = b""
        self.heard += piece
        self.has_ended |= not piece


def crowd(lab, of_each):
    name = lab["CORE_ADDR"]
    kinds = {
        "silent": (lambda: b"", False),
        "garbage": (lambda: b"\xff" + os.urandom(63), False),
        "tls garbage": (lambda: b"\x16\x03\x01\x02\x00" + os.urandom(512), False),
        "frame garbage": (lambda: frame(message("Lease", [])[:20] + os.urandom(44)), False),
        "tunnel by octets": (lambda: opening(name), True),
        "tls by octets": (client_hello, True),
        "web by octets": (lambda: b"GET /" + b"x" * 4000, True),
    }
    peers = []
    for host in ("device", "peer"):
        with hosts.inside(lab.namespace(host)):
            peers += [Peer(lab, kind, say(), is_dribbling) for _ in range(of_each) for kind, (say, is_dribbling) in kinds.items()]
    return peers


def let_them(peers):
    """A piece from each every 10 ms until the server has ended with them all, or they are served."""
    deadline = time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.socket, selectors.EVENT_READ, peer)
        while selector.get_map():
            assert time.monotonic() < deadline, [(p.kind, len(p.heard)) for p in peers if not p.has_ended]
            round_end = time.monotonic() + 0.01
            for peer in peers:
                peer.speak()
            while True:
                for key, _ in selector.select(max(0, round_end - time.monotonic())):
                    key.data.hear()
                    if key.data.has_ended:
                        selector.unregister(key.fileobj)
                if time.monotonic() >= round_end:
                    break


@test("/interop/hostile/garbage-silent-and-slow-peers-by-the-hundred-disturb-no-call")
def _():
    with Scratch() as scratch, Lab.up("web-only") as lab, Server(lab, scratch, {"timers": HURRY}) as server, \
            Call(lab, scratch) as call, contextlib.ExitStack() as sockets:
        peers = crowd(lab, 30)
        for peer in peers:
            sockets.enter_context(peer.socket)
        let_them(peers)
        for peer in peers:
            if peer.kind in ("silent", "garbage", "frame garbage"):
                assert peer.heard == b"", (peer.kind, peer.heard)
        served = [peer for peer in peers if peer.kind == "tunnel by octets" and peer.heard]
        for peer in served:
            assert tep_decoder.Message(peer.heard[2:]).attributes["ERROR-CODE"][0] == 401
        assert served, "no slow opening was answered"
        wait_until(lambda: server.metrics()["tep_server_connections_unauthenticated"] == 0, 5, "all of them gone")
        counted = server.metrics()
        assert counted['tep_server_connections_closed_total{reason="deadline"}'] > 0
        assert counted['tep_server_connections_closed_total{reason="foreign"}'] > 0
        assert counted["tep_server_tunnels"] == 1, counted["tep_server_tunnels"]
        call.wait_until_both_hear()
        call.assert_undisturbed()


# Passwords


def masked(answer):
    """An answer without what is new each time."""
    octets = bytearray(answer)
    octets[8:20] = bytes(12)
    at = 20
    while at < len(octets):
        kind, length = struct.unpack_from(">HH", octets, at)
        if kind in (0x0015, 0xC7E4):  # NONCE, TIMESTAMP
            octets[at + 4:at + 4 + length] = b"x" * length if kind == 0x0015 else bytes(length)
        at += 4 + (length + 3) // 4 * 4
    return bytes(octets)


OTHER = ("bob", "another horse in the stable")


def attempt(client, user, password, challenge):
    attributes, key = client.opening(user, password, challenge)
    return client.ask_raw(message("Binding", attributes, key))


@test("/interop/hostile/a-wrong-password-tells-nothing-and-locks-nobody-out")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, Server(lab, scratch, users=(OTHER,)) as server, Call(lab, scratch) as call:
        with Client(lab, "peer", lab["CORE_ADDR"]) as client:
            assert client.open(*OTHER).message_class == "success"
        answers = {}
        for host in ("peer", "device"):
            for user in (USER, "nobody-of-this-name"):
                with Client(lab, host, lab["CORE_ADDR"]) as client:
                    answers[host, user] = masked(attempt(client, user, "wrong password of length", client.challenge()))
        assert len(set(answers.values())) == 1, answers
        assert tep_decoder.Message(answers["peer", USER]).attributes["ERROR-CODE"][0] == 401

        with Agent(lab, scratch, flows=[(40500, lab["PEER_ADDR"], PEER_PORT)], login=(USER, "wrong " + PASSWORD),
                   name="tep-c-wrong") as agent:
            assert agent.wait(PATIENCE_S) == 77, agent.output
            assert "wrong " + PASSWORD not in agent.output + agent.errors

        # A dictionary for one user, from a stranger and from the site where she is in a call.
        for host in ("peer", "device"):
            for number in range(30):
                with Client(lab, host, lab["CORE_ADDR"]) as client:
                    answer = attempt(client, USER, f"wrong password number {number}", client.challenge())
                    assert tep_decoder.Message(answer).attributes["ERROR-CODE"][0] in (401, 508)
        assert server.metrics()['tep_server_authentication_total{result="throttled"}'] > 0
        # There, whether a guess is right is not even looked at for a while.
        told = set()
        for password in (PASSWORD, "wrong password of length"):
            with Client(lab, "peer", lab["CORE_ADDR"]) as client:
                told.add(masked(attempt(client, USER, password, client.challenge())))
        assert len(told) == 1 and tep_decoder.Message(told.pop()).attributes["ERROR-CODE"][0] == 508
        # Others there are not concerned, nor is she anywhere else.
        for user, password, host, mark in ((*OTHER, "peer", ""), (*OTHER, "device", ""), (USER, PASSWORD, "device", "6"),
                                           (USER, PASSWORD, "internet", "")):
            with Client(lab, host, lab[f"CORE_ADDR{mark}"]) as client:
                answer = client.open(user, password)
                assert answer.message_class == "success", (user, host, answer.attributes)
        call.wait_until_both_hear()
        call.assert_undisturbed()


# What was overheard


@test("/interop/hostile/a-stolen-tunnel-id-and-a-replayed-connection-gain-nothing")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, Server(lab, scratch) as server, \
            Capture(lab, "core", scratch.path / "tunnel.pcap", "tcp port 443") as capture, Call(lab, scratch) as call:
        capture.stop()
        octets = said(capture.path, f"ip.dst == {lab['CORE_ADDR']}")
        answers = said(capture.path, f"ip.src == {lab['CORE_ADDR']}")
        stolen = next(m.values["TUNNEL-ID"] for m in messages(answers) if "TUNNEL-ID" in m.values)
        assert len([m for m in messages(octets) if m.what() == "open"]) == 2
        before = server.metrics()[MISMATCHES]

        refusals = set()
        for host in ("peer", "device"):
            for method in ("Join", "Resume"):
                for tunnel_id in (stolen, os.urandom(len(stolen))):
                    for key in (os.urandom(32), None):
                        with Client(lab, host, lab["CORE_ADDR"]) as client:
                            attributes = [("ORDINAL", struct.pack(">I", 50)), ("TEP-VERSION", b"\1\0\0\0"), ("TUNNEL-ID", tunnel_id)]
                            answer = client.ask_raw(message(method, attributes, key))
                            refusals.add((method, masked(answer)))
        assert len(refusals) == 2, refusals
        for _, answer in refusals:
            refusal = tep_decoder.Message(answer)
            assert refusal.attributes["ERROR-CODE"][0] == 437 and refusal.integrity is None
        assert server.metrics()[MISMATCHES] == before + 16

        # The whole of what the device said, octet by octet, from its own address: no tunnel, no lease, no media.
        heard, counted = len(call.right.heard), server.metrics()
        with Client(lab, "device", lab["CORE_ADDR"]) as client:
            answers = []
            for body in messages(octets):
                client.send(body.body)
                answers.append(client.receive())
            client.socket.sendall(octets)
            assert client.receive() is None
        errors = [tep_decoder.Message(body) for body in answers if body is not None]
        codes = [error.attributes["ERROR-CODE"][0] for error in errors]
        assert codes[:2] == [401, 438] and set(codes[2:]) <= {401, None}, codes
        after = server.metrics()
        for series in ("tep_server_tunnels_opened_total", "tep_server_tunnels", "tep_server_bindings", "tep_server_flows",
                       "tep_server_tunnels_joined_total", "tep_server_tunnels_resumed_total"):
            assert after[series] == counted[series], series
        assert len(call.right.heard) >= heard
        call.wait_until_both_hear()
        call.assert_undisturbed()


def messages(stream):
    """The STUN messages in what one end said; the last frame may be cut."""
    at = 0
    while at + 2 <= len(stream) and at + 2 + struct.unpack_from(">H", stream, at)[0] <= len(stream):
        length = struct.unpack_from(">H", stream, at)[0]
        body = stream[at + 2:at + 2 + length]
        if body and body[0] <= 3:
            yield tep_decoder.Message(body)
        at += 2 + length


# Inner packets


def deaf(lab, host, address, port=0):
    """A UDP socket on which nothing may arrive."""
    end = lab.socket(host, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in address:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    end.bind((address, port))
    end.setblocking(False)
    return end


def is_silent(end):
    with contextlib.suppress(BlockingIOError):
        print("heard", end.recvfrom(2048))
        return False
    return True


@test("/interop/hostile/packets-with-a-spoofed-source-are-dropped-and-counted")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, Server(lab, scratch, {"media": {"implicit-flows": "own"}}) as server, \
            Client(lab, "device", lab["CORE_ADDR"]) as victim, Client(lab, "device", lab["CORE_ADDR"]) as client, \
            deaf(lab, "peer", lab["PEER_ADDR"], PEER_PORT) as listener:
        for each in (victim, client):
            assert each.open(USER, PASSWORD).message_class == "success"
        _, (_, stolen) = victim.lease()
        binding, (host, port) = client.lease()
        assert client.open_flow(binding, 0, lab["PEER_ADDR"], PEER_PORT) == 0
        destination = f"{lab['PEER_ADDR']}:{PEER_PORT}"
        before = server.metrics()
        spoofed = [f"{host}:{stolen}", f"{host}:{port + 1}", f"{host}:443", f"{host}:0", f"{lab['PEER_ADDR']}:{port}",
                   f"{lab['CORE_2_ADDR']}:{port}", f"{lab['PUBLIC_ADDR']}:{port}", f"127.0.0.1:{port}", f"0.0.0.0:{port}",
                   f"255.255.255.255:{port}", f"224.0.0.1:{port}", f"{lab['DEVICE_ADDR']}:{port}"]
        for source in spoofed:
            client.send(tep_decoder.rebuild(source, destination, 0, b"spoofed"))
        six = f"[{lab['PEER_ADDR6']}]:{PEER_PORT}"
        spoofed6 = [f"[::ffff:{host}]:{port}", f"[{lab['CORE_ADDR6']}]:{port}", f"[::1]:{port}", f"[::]:{port}"]
        for source in spoofed6:
            client.send(tep_decoder.rebuild(source, six, 0, b"spoofed"))

        good = tep_decoder.rebuild(f"{host}:{port}", destination, 0, b"a good one")
        broken = {
            "fragment": good[:6] + b"\x20\x00" + good[8:],
            "options": b"\x46" + good[1:20] + b"\x01\x01\x01\x01" + good[20:],
            "TCP": good[:9] + b"\x06" + good[10:],
            "header checksum": good[:10] + bytes([good[10] ^ 1]) + good[11:],
            "UDP checksum": good[:26] + bytes([good[26] ^ 1]) + good[27:],
            "total length": good[:2] + struct.pack(">H", len(good) + 1) + good[4:],
            "UDP length": good[:24] + struct.pack(">H", len(good)) + good[26:],
            "hop limit": good[:8] + b"\x01" + good[9:],
            "short": good[:27],
        }
        for octets in broken.values():
            client.send(octets)
        # In order on one connection: when this is there, all the others were judged.
        client.send(good)
        assert wait_until(lambda: receive(listener), 5, "the good packet") == (b"a good one", (host, port))
        after = server.metrics()
        assert after[SOURCE_DROPS] - before[SOURCE_DROPS] == len(spoofed) + len(spoofed6), (before[SOURCE_DROPS], after[SOURCE_DROPS])
        assert after[MALFORMED_DROPS] - before[MALFORMED_DROPS] == len(broken), (before[MALFORMED_DROPS], after[MALFORMED_DROPS])
        assert after[FORWARDED] - before[FORWARDED] == 1
        assert is_silent(listener)
        assert client.request("Binding").message_class == "success"


def receive(end):
    with contextlib.suppress(BlockingIOError):
        octets, source = end.recvfrom(2048)
        return octets, source[:2]
    return None


def embedded(address):
    """An IPv4 address inside IPv6 ones, in every way there is."""
    four = ipaddress.ip_address(address).packed
    high, low = four[:2].hex(), four[2:].hex()
    inverted = bytes(octet ^ 0xFF for octet in four)
    return [f"::ffff:{address}", f"::{address}", f"64:ff9b::{high}:{low}", f"64:ff9b:1::{high}:{low}", f"2002:{high}:{low}::1",
            f"2001:0:{high}:{low}:0:ffff:{inverted[:2].hex()}:{inverted[2:].hex()}", f"2001:db8:c::5efe:{high}:{low}"]


@test("/interop/hostile/forbidden-targets-are-refused-in-every-encoding-and-nothing-leaves")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(lab, scratch, {
            "media": {"implicit-flows": "leased"},
            "policy": {"allow": f"{lab['PEER_ADDR']};{lab['CORE_ADDR']};[{lab['PEER_ADDR6']}]:{PEER_PORT};203.0.113.0/24"}}))
        client = stack.enter_context(Client(lab, "device", lab["CORE_ADDR"]))
        assert client.open(USER, PASSWORD).message_class == "success"
        bindings = {4: client.lease(4), 6: client.lease(6)}

        port = 7777
        private = ["127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.10", "169.254.169.254",
                   "100.64.0.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", lab["CORE_2_ADDR"]]
        targets = [(address, port) for address in private]
        targets += [(encoded, port) for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", lab["CORE_2_ADDR"])
                    for encoded in embedded(address)]
        targets += [(address, port) for address in ("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd07:1::10", "ff02::1", "ff0e::1",
                                                    "100::1", "2001:db8:c::11", lab["CORE_ADDR6"])]
        # The server itself, what it lends out, and ports that are open to nobody who did not name them.
        targets += [(lab["CORE_ADDR"], 443), (lab["CORE_ADDR"], 80), (lab["CORE_ADDR6"], 443), (lab["CORE_ADDR"], 50000),
                    (lab["CORE_ADDR"], bindings[4][1][1]), (lab["PEER_ADDR"], 53), (lab["PEER_ADDR"], 1023), (lab["PEER_ADDR"], 5060),
                    (lab["PEER_ADDR"], 5061), (lab["PEER_ADDR"], 1900), (lab["PEER_ADDR"], 11211), (lab["PEER_ADDR"], 0),
                    (lab["PEER_ADDR6"], PEER_PORT + 1)]
        listeners = [stack.enter_context(deaf(lab, host, address, p)) for host in ("core", "peer") for p in (port, 5060, 53, 1023, 1900)
                     for address in ("0.0.0.0", "::")]
        before = server.metrics()
        wire = stack.enter_context(Capture(lab, "core", scratch.path / "core.pcap", "udp"))
        whole = 0
        for address, target in targets:
            family = ipaddress.ip_address(address).version
            binding, lease = bindings[family]
            code = client.open_flow(binding, 1, address, target)
            assert code == 403 or (target == 0 or address in ("0.0.0.0", "::")) and code in (400, 403), (address, target, code)
            source = f"[{lease[0]}]:{lease[1]}" if family == 6 else f"{lease[0]}:{lease[1]}"
            there = f"[{address}]:{target}" if family == 6 else f"{address}:{target}"
            if (address, target) not in ((lab["CORE_ADDR"], 443), (lab["CORE_ADDR"], 80), (lab["CORE_ADDR6"], 443)):
                client.send(tep_decoder.rebuild(source, there, 0, b"to nowhere"))
                whole += 1
        good = stack.enter_context(deaf(lab, "peer", lab["PEER_ADDR"], PEER_PORT))
        binding, (host, lease_port) = bindings[4]
        assert client.open_flow(binding, 2, lab["PEER_ADDR"], PEER_PORT) == 0
        client.send(tep_decoder.rebuild(f"{host}:{lease_port}", f"{lab['PEER_ADDR']}:{PEER_PORT}", 0, b"a good one"))
        assert wait_until(lambda: receive(good), 5, "the good packet") == (b"a good one", (host, lease_port))
        after = server.metrics()
        dropped = sum(after[series] - before[series] for series in (POLICY_DROPS, MALFORMED_DROPS))
        assert dropped == whole, (whole, {k: v - before[k] for k, v in after.items() if v != before[k]})
        assert after[FORWARDED] - before[FORWARDED] == 1
        assert all(is_silent(listener) for listener in listeners)
        wire.stop()
        rows = tshark(wire.path, "udp", "ip.dst", "ipv6.dst", "udp.dstport")
        assert rows and {tuple(row) for row in rows} == {(lab["PEER_ADDR"], "", str(PEER_PORT))}, rows


run()

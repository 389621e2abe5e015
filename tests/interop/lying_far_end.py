#!/usr/bin/python3
"""One who knows the far end's protocol and no password, and lies in it: lying_far_end.py ADDRESS VICTIM [--path].

What he can prove, he proves: runs are no secrets. Addresses are invented, OTHER-ADDRESS is VICTIM, on which he listens to say
at the end what arrived there; some requests are refused for their signature (420) or said to be signed with another password; by
HTTP he tells of listeners and records that there are not, a megabyte at a time; as a proxy he is everybody himself. ADDRESS may be 0.0.0.0 or ::, with --path, on the
way: then only what was led to him is answered, and VICTIM is not listened on.
"""
import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import struct
import sys
import zlib

COOKIE, DETECT = 0x2112A442, 0xC7F8
UDP_PORTS, TCP_PORTS = (53, 443, 3478, 5060, 40000), (53, 80, 3478, 5060, 40000)
REFUSED = 0x20
PADDING = 1000000      # octets of a body: what is kept of many of them is seen


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address(kind, host, port, identity=None):
    octets = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    if identity is not None:
        port ^= COOKIE >> 16
        octets = bytes(a ^ b for a, b in zip(octets, struct.pack(">I", COOKIE) + identity))
    return attribute(kind, struct.pack(">BBH", 0, 2 if ":" in host else 1, port) + octets)


def attributes_of(message):
    found, at = {}, 20
    while at + 4 <= len(message):
        kind, size = struct.unpack_from(">HH", message, at)
        found[kind] = message[at + 4:at + 4 + size]
        at += 4 + size + -size % 4
    return found


def key_of(run):
    return hmac.new(b"", b"tep-detect/1 key\0" + run, hashlib.sha256).digest()


def sealed(kind, identity, body, key):
    head = struct.pack(">HHI", kind, len(body) + 36, COOKIE) + identity
    body += attribute(0x001C, hmac.new(key, head + body, hashlib.sha256).digest())
    head = struct.pack(">HHI", kind, len(body) + 8, COOKIE) + identity
    return head + body + attribute(0x8028, struct.pack(">I", zlib.crc32(head + body) ^ 0x5354554E))


def lie(request, here, victim, n):
    """An answer to a Binding request, proven as well as anybody can."""
    found = attributes_of(request)
    mark, identity = found.get(DETECT, b""), request[8:20]
    if len(request) < 20 or len(mark) != 24:
        return b""
    if 0x001C in found and n % 3 == 0:  # whoever said so told nothing of himself
        body = attribute(0x0009, struct.pack(">HBB", 0, 4, 20)) + attribute(0x000A, struct.pack(">H", 0x001C))
        return struct.pack(">HHI", 0x0111, len(body), COOKIE) + identity + body
    seen = f"2001:db8:bad::{n % 9999}" if ":" in victim else f"203.0.113.{n % 250}"
    body = address(0x0020, seen, 1024 + n % 60000, identity) + address(0x802B, *here) + address(0x802C, victim, 3479)
    body += attribute(DETECT, bytes([1, REFUSED if n % 3 == 1 else 0]) + mark[2:])
    return sealed(0x0101, identity, body, key_of(mark[8:]))


def tell(head):
    """The answer to a request by HTTP."""
    asked = re.match(rb"GET \S*?/tep-detect/1/(\w+)\?run=([0-9a-f]{32})&nonce=([0-9a-f]{32})", head)
    if asked is None:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
    lines = [{"line": "self", "version": "0", "time": 1, "started": 1, "addresses": 2, "addresses6": 2}]
    lines += [{"line": "listener", "transport": transport, "address": f"192.0.2.10:{port}", "heard": 9, "n": 1}
              for transport in ("udp", "tcp") for port in (*UDP_PORTS, *TCP_PORTS, 1, 2, 3)]
    lines += [{"line": "record", "time": 1, "transport": "udp", "local": "192.0.2.10:3478", "source": "203.0.113.9:4", "payload": 6,
               "probe": probe, "run": True, "in": 2 ** 32 - 1, "out": 0, "end": "reset", "digest": "0" * 64} for probe in range(200)]
    lines += [{"line": "echo", "source": "203.0.113.9:4", "octets": 3, "digest": "0" * 64, "head": ""},
              {"line": "exporter", "tls": True, "exporter": "0" * 64},
              {"line": "end", "records": 2 ** 62, "lost": 0, "time": 1}]
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    body += (json.dumps({"line": "more", "x": "x" * 60000}, separators=(",", ":")) + "\n") * (PADDING // 60000)
    octets, nonce = body.encode(), bytes.fromhex(asked[3].decode())
    parts = b"".join(struct.pack(">I", len(part)) + part for part in (nonce, octets))
    proof = hmac.new(key_of(bytes.fromhex(asked[2].decode())), b"tep-detect/1 body\0" + parts, hashlib.sha256).hexdigest()
    octets += f'{{"line":"proof","keyed":false,"proof":"{proof}"}}\n'.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(octets) + octets


class Liar(asyncio.DatagramProtocol):
    count = 0

    def __init__(self, here, victim):
        self.here, self.victim = here, victim

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        Liar.count += 1
        self.transport.sendto(lie(data, self.here, self.victim, Liar.count), source)


class Victim(asyncio.DatagramProtocol):
    arrived, signed = 0, 0

    def datagram_received(self, data, source):
        Victim.arrived += 1
        Victim.signed += 0x0006 in attributes_of(data) or 0x001C in attributes_of(data)


async def serve(reader, writer, here, victim):
    try:
        while request := await reader.read(8192):
            if request[:8] == b"CONNECT ":  # he is everybody
                writer.write(b"HTTP/1.1 200 \x1b[2JConnected to whom you like\r\n\r\n")
                await writer.drain()
                continue
            if request[:4] == b"GET ":
                writer.write(tell(request))
                await writer.drain()
                return
            Liar.count += 1
            answer = lie(request, here, victim, Liar.count)
            if not answer:  # what he cannot answer he ends
                return
            writer.write(answer)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def bound(host, port):
    """A datagram socket of its family alone."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in host:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    found.setblocking(False)
    found.bind((host, port))
    return found


async def main(here, victim, is_on_path):
    loop = asyncio.get_running_loop()
    named = victim if is_on_path else here
    for port in UDP_PORTS:
        await loop.create_datagram_endpoint(lambda p=port: Liar((named, p), victim), sock=bound(here, port))
    for port in (*UDP_PORTS, 3479) if not is_on_path else ():
        await loop.create_datagram_endpoint(Victim, sock=bound(victim, port))
    for port in TCP_PORTS:
        await asyncio.start_server(lambda r, w, p=port: serve(r, w, (named, p), victim), here, port)
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    print("is ready", flush=True)
    await over.wait()
    print(f"victim: {Victim.arrived} arrived, {Victim.signed} signed; {Liar.count} lies", flush=True)
    os._exit(0)


asyncio.run(main(sys.argv[1], sys.argv[2], "--path" in sys.argv))

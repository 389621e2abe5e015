#!/usr/bin/python3
"""A far end, or whoever plays one on the way, that means harm: hostile_far_end.py ADDRESS MANNER CERTIFICATE KEY.

Manners: forged (answers of the right shape with proofs made up), replayed (of another run), other-id, flood, endless (heads and
bodies that do not end), drip (an octet at a time), deep (bodies and JSON nested without end), chain (a certificate chain without
measure), mute (takes everything, says nothing), ending (takes connections and ends them).
"""
import asyncio
import hashlib
import hmac
import os
import ssl
import struct
import sys

COOKIE = 0x2112A442
DETECT = 0xC7F8
PORTS = (53, 80, 443, 3478, 5060, 5061, 5349, 40000)
TLS_PORTS = (443, 5349)


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def xored(address, port):
    octets = bytes(int(part) for part in address.split("."))
    return struct.pack(">BBH", 0, 1, port ^ (COOKIE >> 16)) + bytes(a ^ b for a, b in zip(octets, struct.pack(">I", COOKIE)))


def plain(address, port):
    return struct.pack(">BBH", 0, 1, port) + bytes(int(part) for part in address.split("."))


def find_detect(request):
    at = 20
    while at + 4 <= len(request):
        kind, size = struct.unpack_from(">HH", request, at)
        if kind == DETECT:
            return request[at + 4:at + 4 + size]
        at += 4 + size + -size % 4
    return b""


def forge(request, source, manner, here):
    """An answer of the right shape to a Binding request."""
    if len(request) < 20:
        return b""
    mark = find_detect(request)
    identity = request[8:20]
    if manner == "other-id":
        identity = os.urandom(12)
    if manner == "replayed" and mark:
        mark = mark[:8] + bytes(16)
    body = attribute(0x0020, xored(*source)) + attribute(0x802B, plain(*here)) + attribute(0x802C, plain("192.0.2.99", 3479))
    if mark:
        body += attribute(DETECT, bytes([1, 0x40]) + mark[2:])
    key = hmac.new(b"", b"tep-detect/1 key\0" + bytes(16), hashlib.sha256).digest() if manner == "replayed" else os.urandom(32)
    head = struct.pack(">HHI", 0x0101, len(body) + 36, COOKIE) + identity
    body += attribute(0x001C, hmac.new(key, head + body, hashlib.sha256).digest())
    return struct.pack(">HHI", 0x0101, len(body), COOKIE) + identity + body


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, manner, here):
        self.manner, self.here = manner, here

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        if self.manner in ("mute", "drip", "ending"):
            return
        answer = forge(data, source, self.manner, self.here)
        if self.manner == "endless":
            answer = answer[:20] + os.urandom(1200)
        for _ in range(200 if self.manner == "flood" else 1):
            self.transport.sendto(answer, source)


HEAD = b"HTTP/1.1 200 OK\r\n"
PROOF = b'{"line":"proof","keyed":true,"proof":"' + b"00" * 32 + b'"}\n'
SELF = b'{"line":"self","version":"0","time":1,"started":1,"addresses":2,"addresses6":0,"tls":true}\n'


async def answer_stream(reader, writer, manner, here):
    request = await reader.read(4096)
    source = writer.get_extra_info("peername")[:2]
    is_http = request[:4] == b"GET "
    if manner == "ending":
        return
    if manner == "mute":
        await asyncio.sleep(60)
    elif manner == "drip":
        text = (HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 100000) if is_http else forge(request, source, "forged", here)
        for octet in text:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.3)
    elif manner in ("endless", "flood"):
        writer.write(HEAD if is_http and manner == "endless" else HEAD + b"\r\n" if is_http else struct.pack(">HHI", 0x0101, 0xfffc, COOKIE))
        while True:
            writer.write((b"X-More: " + b"y" * 8000 + b"\r\n") * 8 if is_http else os.urandom(8192))
            await writer.drain()
            await asyncio.sleep(0)  # the others' turn
    elif is_http:
        body = SELF + PROOF
        if manner == "deep":
            body = b'{"line":' * 100000 + PROOF
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
    else:
        writer.write(forge(request, source, manner, here))
        await writer.drain()
        await asyncio.sleep(10)


async def main(address, manner, certificate, key):
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(reader, writer, port):
        try:
            await answer_stream(reader, writer, manner, (address, port))
        except OSError:
            pass
        finally:
            writer.close()
    for port in PORTS:
        await loop.create_datagram_endpoint(lambda p=port: Datagrams(manner, (address, p)), local_addr=(address, port))
        await asyncio.start_server(lambda r, w, p=port: serve(r, w, p), address, port,
                                   ssl=context if port in TLS_PORTS and manner != "drip" else None)
    print("is ready", flush=True)
    await asyncio.sleep(300)


asyncio.run(main(*sys.argv[1:]))

#!/usr/bin/python3
"""Writes the corpora of the fuzz targets: a few inputs for each that reach its parts. Run it after a change here; what it
writes is checked in."""
import hashlib
import hmac
import json
import pathlib
import socket
import struct
import zlib

CORPUS = pathlib.Path(__file__).parent / "corpus"
COOKIE = 0x2112A442


def put(target, name, octets):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(octets.encode() if isinstance(octets, str) else octets)


def frame(body):
    return struct.pack(">H", len(body)) + body


# STUN

def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(kind, *attributes, key=None, fingerprint=False):
    body = b"".join(attributes)
    identity = bytes(range(12))

    def header(extra):
        return struct.pack(">HHI", kind, len(body) + extra, COOKIE) + identity
    if key is not None:
        body += attribute(0x001C, hmac.new(key, header(36) + body, hashlib.sha256).digest())
    if fingerprint:
        body += attribute(0x8028, struct.pack(">I", zlib.crc32(header(8) + body) ^ 0x5354554E))
    return header(0) + body


def xor_address(kind, address, port):
    if ":" in address:
        mask = struct.pack(">I", COOKIE) + bytes(range(12))
        octets = bytes(a ^ b for a, b in zip(socket.inet_pton(socket.AF_INET6, address), mask))
        return attribute(kind, struct.pack(">BBH", 0, 2, port ^ 0x2112) + octets)
    octets = bytes(a ^ b for a, b in zip(socket.inet_aton(address), struct.pack(">I", COOKIE)))
    return attribute(kind, struct.pack(">BBH", 0, 1, port ^ 0x2112) + octets)


STUN = {
    "binding": message(0x0001),
    "binding-success": message(0x0101, xor_address(0x0020, "192.0.2.1", 32853), fingerprint=True),
    "binding-success-6": message(0x0101, xor_address(0x0020, "2001:db8::1", 32853)),
    "mapped-address": message(0x0101, attribute(0x0001, bytes([0, 1, 0x80, 0x55, 192, 0, 2, 1]))),
    "challenge": message(0x0111, attribute(0x0009, b"\0\0\x04\x01Unauthenticated"),
                         attribute(0x0014, b"example.org"), attribute(0x0015, b"obMatJos2AAAAnonce"),
                         attribute(0x8002, bytes([0, 1, 0, 0, 0, 2, 0, 0]))),
    "login": message(0x0001, attribute(0x0006, b"user"), attribute(0x0014, b"example.org"),
                     attribute(0x0015, b"obMatJos2AAAAnonce"), attribute(0x001D, bytes([0, 2, 0, 0])),
                     key=b"key", fingerprint=True),
    "userhash": message(0x0001, attribute(0x001E, bytes(range(32))), key=b"key"),
    "unknown": message(0x0111, attribute(0x0009, b"\0\0\x04\x14"), attribute(0x000A, b"\x7f\x01\x7f\x02")),
    "open": message(0x0001, attribute(0xC7E0, bytes([1, 0x80, 0, 0])), attribute(0xC7E3, b"tep.example"),
                    attribute(0xC7E1, bytes(32)), attribute(0xC7E4, bytes(8)), attribute(0x0006, b"user"),
                    key=b"key"),
    "opened": message(0x0101, xor_address(0x0020, "192.0.2.1", 5000), attribute(0xC7E0, bytes([1, 0, 0, 0])),
                      attribute(0xC7E2, bytes(32)), attribute(0xC7E5, bytes(16)), attribute(0xC7E7, bytes(4)),
                      attribute(0xC7ED, b"\x05\xdc\0\0"), attribute(0xC7F0, b"\0\x0f\0\x2d"), key=b"key"),
    "lease": message(0x0200, attribute(0xC7E6, b"\0\0\0\1"), attribute(0xC7EB, b"\1\0\0\0"),
                     attribute(0xC7EC, b"\x0f\xa0\0\0"), attribute(0x0018, b"\x80"), key=b"key"),
    "open-flow": message(0x0201, attribute(0xC7E6, b"\0\0\0\2"), attribute(0xC7E8, b"\0\0\0\1"),
                         attribute(0xC7EA, bytes(4)), xor_address(0x0012, "198.51.100.1", 6000),
                         attribute(0xC7EE, b"\0\0\0\x40"), attribute(0xC7EF, b"\x2e\0\0\0"), key=b"key"),
    "join": message(0x0203, attribute(0xC7E0, bytes([1, 0, 0, 0])), attribute(0xC7E5, bytes(16)),
                    attribute(0xC7E6, b"\0\0\0\3"), key=b"key"),
    "close-indication": message(0x0215, attribute(0x0009, b"\0\0\x03\0"), key=b"key"),
    "many-attributes": message(0x0001, *[attribute(0x8022, bytes(i % 5)) for i in range(64)]),
    "attribute-too-long": message(0x0001, b"\x80\x22\x00\x10abcd"),
}
for name, octets in STUN.items():
    put("stun-message", name, octets)
for name in ("challenge", "login", "userhash", "binding", "binding-success", "open"):
    put("challenge", name, STUN[name])
LIST = bytes([0, 2, 0, 0, 0, 1, 0, 0])
put("challenge", "challenge-anonymous",
    message(0x0111, attribute(0x0009, b"\0\0\x04\x26"), attribute(0x0014, b"example.org"),
            attribute(0x0015, b"obMatJos2wAAAnonce"), attribute(0x8002, LIST)))
put("challenge", "login-complete",
    message(0x0001, attribute(0x0006, b"user"), attribute(0x0014, b"example.org"),
            attribute(0x0015, b"obMatJos2gAAAnonce"), attribute(0x8002, LIST), attribute(0x001D, LIST[:4]), key=b"key"))

# Messages of a tunnel, from the test vectors

VECTORS = json.loads((CORPUS.parent.parent / "vectors" / "tep-1.json").read_text(encoding="utf-8"))
for n, conversation in enumerate(VECTORS["conversations"]):
    for m, vector in enumerate(conversation["frames"]):
        if vector["expect"]["frame"] == "message":
            name = "".join(c if c.isalnum() else "-" for c in vector["name"])
            put("tep", f"{n}-{m:02}-{name}", bytes.fromhex(vector["octets"])[2:])

# Frames

COMPACT = {
    "voice": bytes([0x85, 0x7F, 0x12, 0x34]) + bytes(160),
    "empty": bytes([0x80, 0, 0, 0]),
    "extended": bytes([0xBF, 1, 0, 2, 0x03, 0xE8]) + b"payload",
    "repeated": bytes([0xC3, 9, 0, 7, 1, 1, 0, 3]) + b"oldnew",
    "repeated-thrice": bytes([0xFF, 9, 0, 7, 3, 0xE8, 3, 3, 0, 3, 0xFF, 0, 0, 1, 0, 1]) + b"xyzq",
    "control-marked-redundant": bytes([0xFE, 1, 0, 0, 1]),
    "sizes-too-long": bytes([0xC0, 0, 0, 0, 2, 1, 0xFF, 0xFF, 2, 0, 1]),
}
FEEDBACK = {
    "empty": struct.pack(">BBHI", 0xBE, 1, 0, 1000),
    "one": struct.pack(">BBHIBBHI", 0xBE, 1, 1, 1000, 0, 0, 10, 5),
    "all": struct.pack(">BBHI", 0xBE, 1, 16, 250)
           + b"".join(struct.pack(">BBHI", i, 0, 100 * i, i * 90) for i in range(16)),
    "old-news": struct.pack(">BBHIBBHIBBHI", 0xBE, 1, 2, 0x101, 3, 9, 300, 200, 4, 0, 65535, 150),
    "lie": struct.pack(">BBHIBBHI", 0xBE, 1, 1, 7, 0, 0, 50, 0xFFFFFFFF),
}
for name, octets in COMPACT.items():
    put("frame", name, octets)
for name, octets in FEEDBACK.items():
    put("feedback", name, octets)
    put("frame", "feedback-" + name, octets)

# Streams: framing, limit / 8, step, frame at which the connection is handed over

put("stream", "frames", bytes([0, 250, 7, 2]) + frame(STUN["open"]) + frame(STUN["lease"]) + frame(b"")
    + frame(COMPACT["voice"]) + frame(FEEDBACK["one"]) + b"\0\x20half")
put("stream", "one-octet-pieces", bytes([0, 250, 1, 0]) + frame(b"a") + frame(b"") + frame(b"bc"))
put("stream", "too-long", bytes([0, 1, 3, 1]) + frame(bytes(40)))
put("stream", "bare", bytes([1, 250, 5, 3]) + STUN["binding"] + STUN["binding-success"] + STUN["open"])
put("stream", "bare-foreign", bytes([1, 250, 2, 0]) + STUN["binding"] + b"GET / HTTP/1.1\r\n\r\n")
put("stream", "turn", bytes([2, 250, 6, 2]) + STUN["binding"] + b"\x40\x01\0\5hello\0\0\0" + STUN["binding"]
    + b"\x4f\xff\0\0")
put("stream", "turn-half", bytes([2, 20, 4, 1]) + b"\x40\x01\0\5hello\0")

# Flows: what to do, how much later, then TIME, CLOCK or a number

def clock(milliseconds):
    return bytes([0x80, 0]) + struct.pack(">I", milliseconds)


def packet(sequence, time, later=20):
    return bytes([0xA1, later, time]) + struct.pack(">H", sequence)


put("flow", "voice", clock(1000) + b"".join(packet(65500 + i & 0xFFFF, (1000 + 20 * i) // 8 & 0xFF) for i in range(60)))
put("flow", "reordered", clock(1000) + b"".join(packet(i ^ 3, 125 + i) for i in range(40)))
put("flow", "repeated", clock(1000) + b"".join(bytes([0xA7, 20, 125 + i]) + struct.pack(">HB", i, 0)
                                               + packet(i, 125 + i) for i in range(30)))
put("flow", "begun-anew", clock(1000) + packet(40000, 125) + packet(40001, 127) + packet(20000, 140)
    + packet(20001, 142) + packet(20002, 144))
put("flow", "without-clock", packet(1, 0) + packet(2, 2) + packet(50000, 4) + packet(2, 6))
put("flow", "long-jump", clock(1000) + packet(1, 125) + packet(30000, 127) + packet(1, 128) + packet(29000, 129))


# Inner packets

def ones_complement(octets):
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def udp(pseudo, payload):
    length = 8 + len(payload)
    header = struct.pack(">HHHH", 40000, 53, length, 0)
    checksum = ~ones_complement(pseudo + struct.pack(">IHH", length, 0, 17) + header + payload) & 0xFFFF
    return header[:6] + struct.pack(">H", checksum or 0xFFFF) + payload


def ipv4(payload, source="192.0.2.1", destination="198.51.100.2", content=None, protocol=17, flags=0x4000):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    content = content if content is not None else udp(ends, payload)
    header = struct.pack(">BBHHHBBH", 0x45, 0xB8, 20 + len(content), 7, flags, 64, protocol, 0) + ends
    checksum = ~ones_complement(header) & 0xFFFF
    return header[:10] + struct.pack(">H", checksum) + header[12:] + content


def ipv6(payload, content=None, protocol=17):
    ends = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    content = content if content is not None else udp(ends, payload)
    return struct.pack(">IHBB", 0x6B800000, len(content), protocol, 64) + ends + content


v4, v6 = ipv4(b"voice" * 32), ipv6(b"voice" * 32)
put("inner-packet", "ipv4", v4)
put("inner-packet", "ipv6", v6)
put("inner-packet", "ipv4-empty", ipv4(b""))
put("inner-packet", "ipv6-odd", ipv6(b"odd"))
put("inner-packet", "ipv4-no-checksum", v4[:26] + bytes(2) + v4[28:])
put("inner-packet", "ipv6-no-checksum", v6[:46] + bytes(2) + v6[48:])
put("inner-packet", "ipv4-partial-checksum", v4[:10] + bytes(2) + v4[12:26]
    + struct.pack(">H", ones_complement(v4[12:20] + struct.pack(">HH", 17, len(v4) - 20))) + v4[28:])
put("inner-packet", "ipv4-fragment", ipv4(b"voice", flags=0x2000))
put("inner-packet", "ipv4-icmp-error", ipv4(b"", content=bytes([3, 4, 0, 0, 0, 0, 0, 0]) + v4[:28], protocol=1))
put("inner-packet", "ipv4-options", b"\x46" + v4[1:])
put("inner-packet", "ipv6-extensions", ipv6(b"", content=bytes([60, 0] + [0] * 6 + [44, 0] + [0] * 6 + [58, 0, 0, 8]
                                                             + [0] * 4 + [1, 0]), protocol=0))
put("inner-packet", "ipv6-fragment", ipv6(b"", content=bytes([17, 0, 0, 1, 0, 0, 0, 0]) + b"voice", protocol=44))

# Addresses and ranges

for name, text in {
    "ipv4": "192.0.2.1:443", "ipv6": "[2001:db8::1]:443", "bare": "2001:db8::1", "mapped": "::ffff:10.0.0.1",
    "nat64": "64:ff9b::10.0.0.1", "nat64-local": "64:ff9b:1:a00::1", "teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "sixtofour": "2002:a00:1::1", "isatap": "fe80::5efe:a00:1", "range": "10.0.0.0/8", "range6": "2001:db8::/32",
    "range-host-bits": "10.0.0.1/8", "leading-zero": "010.0.0.1", "zone": "fe80::1%eth0",
}.items():
    put("address", name, text)
put("address", "octets-4", bytes([10, 0, 0, 1] + [0] * 14))
put("address", "octets-6", bytes.fromhex("20020a000001") + bytes(13))

# The front door

for name, octets in {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tunnel": frame(STUN["open"]), "bare": STUN["binding"],
    "connect": b"CONNECT tep.example:443 HTTP/1.1\r\nHost: tep.example:443\r\nALPN: tep%2F1\r\n\r\n\x16\x03",
    "connect-literal": b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",
    "get": b"GET / HTTP/1.1\r\nHost: tep.example\r\nContent-Length: 3\r\n\r\nabc", "head": b"HEAD / HTTP/1.0\r\n\r\n",
    "two-hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "folded": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "length-twice": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "other": b"SSH-2.0-x\r\n",
}.items():
    put("front-door", name, octets)

# SDP

OFFER = """v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
a=ice-options:trickle tep
a=tep-s:1 tls 203.0.113.5 443 tep.example
m=audio 4000 RTP/AVP 0 8
a=rtcp:4001 IN IP4 192.0.2.1
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host
a=sendrecv
m=video 0 RTP/AVP 96
c=IN IP6 2001:db8::1
a=tep-s:1 tcp tep.example 80 tep.example
a=rtcp-mux
a=inactive
""".replace("\n", "\r\n")
put("sdp", "offer", OFFER)
put("sdp", "line-feeds", OFFER.replace("\r", ""))
put("sdp", "ice-lite", "v=0\r\ns=-\r\na=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 host.example\r\n")
put("sdp", "tep-line", "a=tep-s:1 tls [2001:db8::5] 443 tep.example")
put("sdp", "tep-line-bare", "a=tep-s:1 tcp 2001:db8::5 80 tep.example")
put("sdp", "no-media", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")

# Replies of proxies: an octet of flags (1 has credentials, 2 may not use them, 4 sends them first), one for the cut
ASK = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
UP = "HTTP/1.1 200 OK\r\n\r\n"
REPLIES = {
    "up": UP + "tunnel",
    "up-after-interim": "HTTP/1.1 100 Go\r\n\r\nHTTP/1.0 200\r\nA: b\r\n c\r\n\r\n",
    "asked-with-length": ASK + "Content-Length: 3\r\n\r\nwho" + UP,
    "asked-in-chunks": ASK + "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nwho\r\n0\r\nT: u\r\n\r\n" + UP,
    "asked-to-close": ASK + "Proxy-Connection: close, x\r\n\r\nwho",
    "asked-by-many": "HTTP/1.1 407 A\r\nProxy-Authenticate: Negotiate YWJj==, Digest qop=\"a,b\\\"\", basic\r\n"
                     "Content-Length: 0\r\n\r\n" + UP,
    "asked-twice": (ASK + "Content-Length: 0\r\n\r\n") * 2,
    "forbidden": "HTTP/1.1 403 No\x1b[31m\r\n\r\n",
    "upstream": "HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "bare-line-feed": "HTTP/1.1 200 OK\n\n",
}
for name, reply in REPLIES.items():
    put("http-connect", name, b"\x01\x05" + reply.encode())
put("http-connect", "no-credentials", b"\x00\x01" + ASK.encode() + b"\r\n")
put("http-connect", "sends-first", b"\x05\x01" + UP.encode())
put("http-connect", "may-not", b"\x03\x01" + ASK.encode() + b"\r\n")

for name, text in {
        "plain": "http://proxy.test:3128",
        "bare": "proxy.test:3128",
        "credentials": "https://do%40main:p%3Aa%2Fs%20s@proxy.test/",
        "ipv6": "http://u:p@[2001:db8::1]:8080",
        "broken-out": "http://a%0d%0ab:c@proxy.test:1",
        "host": "b\u00fccher.example",
        "address": "[2001:db8::1]",
        "header": "User-Agent: 3GPP-IMS-FS_FIRE",
        "alpn": "tep/1"}.items():
    put("proxy-url", name, text)
put("proxy-url", "cut-character", b"cut\xdb")

_REGISTER = (b"REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nv: SIP/2.0/TCP 192.0.2.2\r\n"
             b"f: <sip:a@example.org>;tag=1\r\nTo:\r\n <sip:a@example.org>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n")
for name, text in {
    "register": _REGISTER,
    "after-keepalive": b"\r\n\r\n" + _REGISTER,
    "cut": _REGISTER[:90],
    "in-a-dialogue": _REGISTER.replace(b"org>\r\nCall", b"org>;tag=2\r\nCall"),
    "ack": _REGISTER.replace(b"REGISTER", b"ACK"),
    "http": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}.items():
    put("sip-refusal", name, text)

for name, text in {
        "pac": "PROXY a.test:3128; HTTPS [2001:db8::1]:443; SOCKS c:1; DIRECT",
        "libproxy": "http://user:password@a.test:3128/ direct://",
        "exempt": "*.b.test, .host.test:443 192.0.2.0/24,[2001:db8::]:1 2001:db8::/32",
        "digest": 'Digest realm="a \\"b\\"", nonce="n", opaque=o, qop="auth,auth-int", algorithm=SHA-256-sess, userhash=true',
        "two": "Negotiate YWJj==, Digest realm=x, nonce=n, stale=true, Basic realm=x",
        "next": 'nextnonce="m", rspauth="", qop=auth, nc=00000001'}.items():
    put("pac-result", name, text)

for name, text in {
        "plain": "turn:turn.example.net",
        "tls": "turns:turn.example.net:443?transport=tcp",
        "unknown": "turn:192.0.2.1?transport=quic",
        "ipv6": "turns:[2001:db8::1]:5349?transport=udp",
        "encoded": "stuns:b%C3%BCcher.example:443",
        "slashes": "turn://turn.example.net",
        "user": "turn:user@turn.example.net"}.items():
    put("turn-uri", name, text)

put("choice", "two-networks", "tep-c choice 1\n1699999990\ttep-443\ttep.example:443\t-\teth0 via 10.0.0.1\n"
    "1699999991\tdirect-udp\ttep.example:443\t02:00:00:00:00:01\twlan0 via 192.168.1.1 192.168.1.0/ffffff00\n")
put("choice", "lines-that-lie", "tep-c choice 1\n1700000999\ttep-443\ttep.example:443\t-\tfuture\n99999999999999999999\tx\ty\t-\tz\n"
    "\t\t\t\t\n-1\ta\tb\tc\td\te\n")
# What happens, about which way, and how long it was until then.
put("choice", "events", bytes([0, 0, 0, 5, 0, 1, 1, 0, 1, 6, 0, 1, 8, 0, 255, 3, 2, 1, 7, 0, 32, 9, 0, 1]))

# The URI's number, then per question the number of records: priority, weight, port, numbers of name, flags and service.
put("turn-plan", "relay", bytes([0, 2, 1, 1, 0, 2, 1, 0, 2, 1, 0, 1, 2, 1]) + bytes([1, 1, 1, 9, 0, 0, 0]))
put("turn-plan", "services", bytes([2, 3, 0, 1, 80, 0, 0, 0, 0, 2, 80, 1, 0, 0, 1, 0, 80, 4, 0, 0, 5, 6]))
put("turn-plan", "loop", bytes([1]) + bytes([2, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1]) * 8)
put("turn-plan", "names", bytes([0, 1, 0, 0, 1, 9]) + b"127.0.0.1" + bytes([1, 0, 1, 0, 0, 1, 5]) + b"[::1]" + bytes([1, 0]))

# The daemon's configuration, policy and log

LEAST = "[credentials]\nusers=100\n[server]\nlisten=127.0.0.1:443;[::1]:8443\n"
ALL = LEAST + """names=tep.example.net
[media]
backend=relay
relay-addresses=192.0.2.1
relay-ports=40000-40999
dscp=0;46
[policy]
allow=10.0.0.0/8;10.0.0.5:5060;[2001:db8::/32]:5060-5070
deny=10.1.0.0/16
core=10.2.0.0/16
own=192.0.2.9
public=deny
[limits]
tunnels=7
[timers]
silence=30
[metrics]
listen=unix:/run/metrics
"""
put("config", "all", ALL)
put("config", "least", LEAST)
put("config", "empty", "")
put("config", "backslash-at-the-end", "[server]\nlisten=\\x\\\n")
put("config", "key-twice", LEAST + "listen=127.0.0.1:1\n")
put("config", "group-twice", LEAST + "[server]\n")
put("config", "unknown", LEAST + "[nonsense]\nkey=value\n")
put("config", "escapes", LEAST + "names=a\\;b\\sc\n# comment\n\n[log]\nlevel = debug \n")


def address(octets, port):
    return bytes([1 if len(octets) == 16 else 0]) + struct.pack(">H", port) + octets


def policy(rules, *addresses):
    return bytes([len(addresses)]) + b"".join(addresses) + rules.encode()


FOUR = [address(socket.inet_aton(a), p) for a, p in (("10.0.0.5", 5060), ("127.0.0.1", 20000), ("8.8.8.8", 20000))]
SIX = [address(socket.inet_pton(socket.AF_INET6, a), 20000)
       for a in ("::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::", "2a00::5efe:a00:5", "::1", "2a00::1")]
put("policy", "four", policy("10.0.0.0/8\n10.0.0.5:5060\n127.0.0.1:16384-32767", *FOUR))
put("policy", "six", policy("10.0.0.0/8\n64:ff9b::/96\n2002::/16\n::1\n[2a00::/16]:20000", *SIX))
put("policy", "listed-only", policy("8.8.8.0/24", *FOUR))
put("policy", "overlap", policy("10.0.0.0/8\n10.1.0.0/16", *FOUR[:2]))

put("log", "plain", b"\xffa name")
put("log", "forged", b"\xff\r\n2026-11-21T00:00:00.000Z error: forged")
put("log", "terminal", b"\x40\x1b[2J\x7f\xc2\x9b31m\xe2\x80\xa8\xe2\x80\xae")
put("log", "broken", b"\x20\xff\xfe\xc3\xed\xa0\x80\x00\\\"")
put("log", "short", b"\x02abcdef")


def client(octets):
    return b"\0" + bytes([len(octets) // 4]) + octets


def server(octets):
    return b"\2" + bytes([len(octets) // 4]) + octets


ALLOCATE, UP, DOWN, LATER, DRAIN = message(0x0003), b"\4", b"\5", b"\xfe", b"\7\xff\xff"
ELSEWHERE = message(0x0113, attribute(0x0009, b"\0\0\3\0"), attribute(0x8023, bytes([0, 1, 1, 187, 192, 0, 2, 9])),
                    attribute(0x8003, b"other.example"))
DATA = bytes([0x40, 1, 0, 8]) + b"abcdefgh"
put("bridge", "call", b"\0" + client(ALLOCATE) + client(ALLOCATE) + UP + server(message(0x0103)) + client(DATA) + server(DATA)
    + b"\7\x41\x41" + LATER + DRAIN)
put("bridge", "redirection", b"\0" + client(ALLOCATE) + UP + server(ELSEWHERE) + UP + server(ELSEWHERE) + DRAIN)
put("bridge", "refusal", b"\0" + client(ALLOCATE) + DOWN + client(ALLOCATE) + LATER * 9 + client(ALLOCATE) + DRAIN)
put("bridge", "late", b"\0" + client(ALLOCATE) + LATER + client(message(0x0004)) + UP + client(message(0x0004)) + LATER * 9 + DRAIN)
put("bridge", "foreign", b"\0" + client(ALLOCATE) + UP + server(b"\x16\3\1\2") + client(b"\x16\3\1\2"))
put("bridge", "connect", b"\7CONNECT 192.0.2.1:3478 HTTP/1.0\r\nHost: 192.0.2.1\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n\0")
# Of the local TURN server: what happens, by how orders are carried out, then the octets.
ask, wait, said, shed = (lambda n, how=0: bytes([n, how])), bytes([4, 9]), bytes([5, 0]), bytes([7, 0])


def request(kind, *attributes):
    return bytes([kind, len(attributes)]) + b"".join(bytes([t, len(v) // 4]) + v for t, v in attributes)


UDP, PEER_OF = (0x19, b"\x11\0\0\0"), (0x12, b"\0\1\x21\x12\xe1\x12\xa6\x42")
LOGIN = ask(1) + request(0) + shed
put("turn-server", "call", LOGIN + ask(1) + request(4, UDP) + ask(1) + request(2, PEER_OF) + ask(1)
    + request(7, (0x0c, b"\x40\0\0\0"), PEER_OF) + said + b"\2\1\2hello..." + ask(0) + b"\2\x40\0\0\4hi!." + wait * 9
    + ask(1) + request(1, (0x0d, bytes(4))))
put("turn-server", "families", LOGIN + ask(1) + request(4, UDP, (0xff, b"\2\0\0\0")) + ask(1)
    + request(9, (0x17, b"\2\0\0\0"), (0x0d, bytes(4))) + shed)
put("turn-server", "lost", LOGIN + ask(1, 1) + request(4, UDP) + ask(1) + request(4, UDP) + bytes([6, 7]) + wait + ask(1)
    + request(8, UDP) + bytes([6, 0]) + ask(1) + request(2, PEER_OF))
put("turn-server", "late", LOGIN + ask(1, 2) + request(4, UDP) + wait + ask(1) + request(8, UDP) + bytes([4, 0xff]) * 4 + shed)
put("bridge", "connect-bare-six", b"\1CONNECT 2001:db8::1:3478 HTTP/1.0\r\n\r\n")

# Detection: what a run's probes and answers look like.
RUN = bytes([7]) + bytes(15)


def detect_prove(label, *parts, user=b""):
    key = hmac.new(user, b"tep-detect/1 key\0" + RUN, hashlib.sha256).digest()
    return hmac.new(key, label.encode() + b"\0" + b"".join(struct.pack(">I", len(p)) + p for p in parts), hashlib.sha256).digest()


def detect_token(probe, length, payload):
    fields = struct.pack(">IHB", probe, length, payload)
    masked = bytes(a ^ b for a, b in zip(fields, detect_prove("tep-detect/1 mask")))
    return RUN + masked + detect_prove("tep-detect/1 token", fields)[:9]


def inverted(octets):
    return bytes(255 - octet for octet in octets)


MARK = attribute(0xC7F8, bytes([1, 0, 0, 0, 0, 0, 0, 9]) + RUN)
SIP = (b"INVITE sip:u@far SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1:5060;rport;branch=z9hG4bK" + detect_token(9, 400, 7).hex().encode()
       + b"\r\nFrom: <sip:u@far>;tag=a\r\nTo: <sip:u@far>\r\nCall-ID: b\r\nCSeq: 1 INVITE\r\nContact: <sip:u@10.0.0.1>\r\n"
       b"Content-Length: 19\r\n\r\nc=IN IP4 10.0.0.1\r\n")
TARGET = b"/tep-detect/1/echo?run=" + RUN.hex().encode() + b"&nonce=" + bytes(16).hex().encode() + b"&probe=9&payload=12"
HELLO = (b"\x03\x03" + bytes(32) + b"\x20" + detect_token(9, 100, 2) + b"\0\2\x13\1" + b"\1\0"
         + struct.pack(">H", 23) + b"\0\0\0\1\0" + b"\0\x10\0\x0c\0\x0a\x09stun.turn")[:-1] + b"n\0"
HELLO = b"\1" + struct.pack(">I", len(HELLO))[1:] + HELLO
FLIGHTS = {
    "binding": message(0x0001, MARK, fingerprint=True),
    "allocate": message(0x0003, attribute(0x0019, b"\x11\0\0\0"), MARK),
    "sip": SIP,
    "sip-misspelt": SIP.replace(b"INVITE", b"INVIET"),
    "http": b"GET " + TARGET + b" HTTP/1.1\r\nHost: far\r\n\r\n",
    "random": detect_token(9, 64, 13) + bytes(range(32)),
    "rtp": b"\x80" + bytes(11) + detect_token(9, 64, 15) + bytes(20),
    "quic": b"\xc3\0\0\0\1\x10" + detect_token(9, 1200, 17)[:16] + b"\x10" + detect_token(9, 1200, 17)[16:] + bytes(1161),
    "hello": b"\x16\3\1" + struct.pack(">H", len(HELLO)) + HELLO,
}
for name, octets in FLIGHTS.items():
    put("detect-payload", name, octets)
    put("detect-payload", name + "-inverted", inverted(octets))
SIGNED = (attribute(0x802B, bytes([0, 1, 13, 150, 192, 0, 2, 1])), attribute(0x802C, bytes([0, 1, 13, 151, 192, 0, 2, 2])), MARK)
put("detect", "stun", message(0x0101, xor_address(0x0020, "192.0.2.1", 32853), *SIGNED,
                              key=hmac.new(b"", b"tep-detect/1 key\0" + RUN, hashlib.sha256).digest(), fingerprint=True))
put("detect", "target", TARGET)
put("detect", "target-user", TARGET + b"&user=al%20ice&proof=" + bytes(32).hex().encode())
ECHO = b"TEPD" + bytes([1, 13, 1, 0x80]) + struct.pack(">II", 9, 960) + bytes(32) + bytes(20)
put("detect", "echo", ECHO + detect_prove("tep-detect/1 echo", ECHO))
LINE = ('{"line":"record","time":1795000000123,"duration":4,"transport":"tcp","local":"192.0.2.1:443","source":"[2001:db8::9]:5",'
        '"payload":"sip-invite","twin":"none","tls":true,"connect":false,"run":true,"probe":9,"in":960,"out":100,"unacked":0,'
        '"first":960,"digest":"' + "ab" * 32 + '","end":"reset","ttl":57,"mss":1460,"window":64240,"syn":"mss,sackOK,ts,nop,ws7"}\n')
put("detect", "body", LINE + '{"line":"proof","keyed":false,"proof":"'
    + detect_prove("tep-detect/1 body", b"\1" + bytes(15), LINE.encode()).hex() + '"}\n')
END = '{"line":"end","records":2,"lost":0,"time":1795000000999}\n'
STRAY = LINE.replace('"run":true,"probe":9,"in":960', '"run":false,"in":0').replace("[2001:db8::9]:5", "192.0.2.9:5060")
LISTENER = '{"line":"listener","transport":"udp","address":"192.0.2.1:3478","door":false,"heard":1795000000000,"n":7}\n'
EXPORTER = '{"line":"exporter","tls":true,"connect":false,"exporter":"' + "cd" * 32 + '"}\n'
ECHOED = ('{"line":"echo","source":"198.51.100.2:4000","local":"192.0.2.1:80","octets":41,"digest":"' + "ef" * 32
          + '","tls":false,"connect":false,"time":1795000000123,"head":"R0VUIC8gSFRUUC8xLjENClZpYTogeA0KDQo="}\n')
put("far-lines", "self", '{"line":"self","version":"1","time":1795000009000,"started":1,"addresses":1,"addresses6":0,"tls":true}\n' + LISTENER)
put("far-lines", "exporter", EXPORTER)
put("far-lines", "echo", ECHOED)
put("far-lines", "record", LINE + END)
put("far-lines", "all", LISTENER + EXPORTER + ECHOED + LINE + END)
put("far-lines", "cut", LISTENER + EXPORTER[:-1])
put("far-lines", "no-text", LISTENER.replace("udp", "u\0p"))
put("far-lines", "overlong", LISTENER + "{" + " " * 4096 + "}\n")
put("far-lines", "too-many", "\n" * 2049)
put("far-record", "named", LINE + END)
put("far-record", "stray", LINE + STRAY + END)
put("far-record", "lost", LINE + END.replace('"lost":0', '"lost":7'))
put("far-record", "datagram", LINE.replace('"tcp"', '"udp"').replace('"probe":9', '"probe":2') + STRAY)
VALUE = ("keyed=0;octets=960;digest=" + "00" * 32 + ";source=" + b"192.0.2.1:5".hex() + ";via=" + b"10.0.0.1".hex() + ";contact=;sdp=")
put("detect", "sip", "SIP/2.0 200 OK\r\nVia: x\r\nTep-Detect: 1;" + VALUE + ";proof="
    + detect_prove("tep-detect/1 sip", RUN + detect_token(0, 0, 0)[16:], VALUE.encode()).hex() + "\r\n\r\n")

BODY = LINE + '{"line":"proof","keyed":false,"proof":"' + "00" * 32 + '"}\n'
put("detect-answer", "whole", f"\x04HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")
put("detect-answer", "to-the-end", f"\x7fHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{BODY}")
put("detect-answer", "refused", "\x01HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n")
put("detect-answer", "chunked", "\x20HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
put("detect-answer", "no-http", b"\x02\x15\3\1\0\2\2\x28")
put("detect-answer", "endless-head", b"\xffHTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1400)
put("detect-gateway", "pcp", bytes([2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]) + bytes(12))
put("detect-gateway", "pcp-refused", bytes([2, 0x80, 0, 2]) + bytes(20))
put("detect-gateway", "nat-pmp", bytes([0, 0x80, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7]))
put("detect-gateway", "nat-pmp-other-version", bytes([0, 0x80, 0, 1, 0, 0, 0, 9]))
put("detect-gateway", "ssdp", "HTTP/1.1 200 OK\r\nLOCATION:\thttp://192.168.1.1:5000/root.xml\r\nServer: x UPnP/1.1\r\nST: y\r\n\r\n")
put("detect-gateway", "route", "eth0 via 192.168.1.1 192.168.1.0/ffffff00; eth0 via fe80::1")
TCP_SYN = struct.pack(">HHIIBBHHH", 4000, 443, 1, 0, 10 << 4, 2, 64240, 0, 0) + bytes([2, 4, 5, 0xb4, 4, 2, 8, 10]) + bytes(8) + bytes([1, 3, 3, 7])
put("detect-syn", "ipv4", bytes([0x45, 0, 0, 60]) + bytes(4) + bytes([63, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1]) + TCP_SYN)
put("detect-syn", "ipv6", bytes([0x60, 0, 0, 0, 0, 40, 6, 61]) + bytes(32) + TCP_SYN)
put("detect-syn", "options", bytes([0x46, 0, 0, 64]) + bytes(4) + bytes([63, 6, 0, 0]) + bytes(12) + TCP_SYN[:20] + bytes([254, 4, 1, 2] * 5))
put("detect-stream", "stun", bytes([0, 2, 9, 0, 6, 255, 255, 2, 9, 0]))
put("detect-stream", "delayed", bytes([0, 3, 0, 2, 60, 4, 1, 0, 5, 6, 255, 255, 3, 0, 200, 60, 3, 0, 1, 60, 5, 5]))
put("detect-stream", "sip-and-noise", bytes([1, 2, 6, 0, 6, 255, 255, 0, 255]) + bytes(255) + bytes([0, 255]) + bytes(255) + bytes([0, 8]) + bytes(8))
put("detect-stream", "twins", bytes([0, 2, 0x26, 0, 5, 5, 2, 0x47, 0, 5]))
put("detect-stream", "http", bytes([2, 2, 11, 0, 6, 255, 255, 2, 11, 3, 0xff]))
put("detect-stream", "silence", bytes([0, 5, 5, 5]))
put("detect-stream", "get", b"\0\0\xf0" + b"GET /tep-detect/1/self HTTP/1.1\r\nHost: x\r\n\r\n" * 5)

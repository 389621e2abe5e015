"""The client's half of detection, written from PROTOCOL.md section 15 alone: what tep-s says is read by somebody else too."""
import hashlib
import hmac
import json
import os
import socket
import struct

COOKIE = 0x2112A442
DETECT, FILL = 0xC7F8, 0xC7F9
BLOCK = 512


class Run:
    """A run, and what it proves with; password: of a user whose requests are signed."""

    def __init__(self, password=b""):
        self.id = os.urandom(16)
        self.keys = {keyed: hmac.new(user, b"tep-detect/1 key\0" + self.id, hashlib.sha256).digest()
                     for keyed, user in ((False, b""), (True, password))}

    def prove(self, label, *parts, keyed=False):
        octets = label.encode() + b"\0" + b"".join(struct.pack(">I", len(part)) + part for part in parts)
        return hmac.new(self.keys[keyed], octets, hashlib.sha256).digest()

    def token(self, probe, length, payload):
        fields = struct.pack(">IHB", probe, length, payload)
        masked = bytes(a ^ b for a, b in zip(fields, self.prove("tep-detect/1 mask")))
        return self.id + masked + self.prove("tep-detect/1 token", fields)[:9]

    def noise(self, probe, length):
        return self.token(probe, length, 13) + os.urandom(length - 32)

    # STUN

    def binding(self, probe, change=None, length=240, delay=0, cookie=b"", flags=0):
        def attribute(kind, value):
            return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)
        body = attribute(DETECT, struct.pack(">BBHI", 1, flags, delay, probe) + self.id)
        if change is not None:
            body += attribute(3, struct.pack(">I", change))
        if cookie:
            body += attribute(0xC7FA, cookie)
        body += attribute(FILL, bytes(length - 24 - len(body)))
        return struct.pack(">HHI", 1, len(body), COOKIE) + os.urandom(12) + body

    def answer(self, octets):
        """{type: value} of a signed answer, its code, and whether it is proven."""
        kind, length, cookie = struct.unpack_from(">HHI", octets)
        assert cookie == COOKIE and length + 20 == len(octets), octets
        found, at, proven = {}, 20, False
        while at < len(octets):
            name, size = struct.unpack_from(">HH", octets, at)
            value = octets[at + 4:at + 4 + size]
            if name == 0x1C:
                head = octets[:2] + struct.pack(">H", at + 36 - 20) + octets[4:at]
                keyed = bool(found[DETECT][1] & 0x40)
                proven = hmac.compare_digest(hmac.new(self.keys[keyed], head, hashlib.sha256).digest(), value)
            found[name] = value
            at += 4 + size + -size % 4
        assert not proven or found[DETECT][8:] == self.id
        return found, 0 if kind & 0x110 == 0x100 else found[9][2] * 100 + found[9][3], proven

    # HTTP

    def target(self, what, probe=0, user=None):
        nonce = os.urandom(16)
        text = f"/tep-detect/1/{what}?run={self.id.hex()}&nonce={nonce.hex()}&probe={probe}"
        if user is not None:
            proof = self.prove("tep-detect/1 get", what.encode(), self.id, struct.pack(">IB", probe, 0), nonce,
                               user.encode(), b"", keyed=True)
            text += f"&user={user}&proof={proof.hex()}"
        return text, nonce

    def get(self, stream, what, probe=0, user=None):
        """The lines of an answer, and with which key it is proven (None: it is not)."""
        target, nonce = self.target(what, probe, user)
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: far\r\n\r\n".encode())
        return self.body(read_body(stream)[1], nonce)

    def body(self, body, nonce):
        *lines, last = body.decode().splitlines(keepends=True)
        lines, last = [line.encode() for line in lines], json.loads(last)
        keyed = last.get("keyed")
        good = last.get("line") == "proof" and hmac.compare_digest(
            self.prove("tep-detect/1 body", nonce, b"".join(lines), keyed=keyed).hex(), last["proof"])
        return [json.loads(line) for line in lines], keyed if good else None

    def digest_answer(self, octets, first):
        """What a digest answer says of a first flight, and whether it is proven."""
        magic, version, payload, twin, flags, probe, length = struct.unpack_from(">4sBBBBII", octets)
        assert magic == b"TEPD" and version == 1 and len(octets) == 100, octets
        digest = octets[16:48]
        assert digest == hashlib.sha256(first).digest() and length == len(first)
        source = bytes(a ^ b ^ 0xA5 for a, b in zip(octets[48:68], digest))
        family, port = source[0], struct.unpack_from(">H", source, 2)[0]
        address = socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, source[4:8] if family == 4 else source[4:])
        proven = bool(flags & 0x80) and self.prove("tep-detect/1 echo", octets[:68], keyed=bool(flags & 0x40)) == octets[68:]
        return {"payload": payload, "twin": twin, "probe": probe, "source": (address, port)}, proven


def read_exactly(stream, length):
    octets = b""
    while len(octets) < length:
        piece = stream.recv(length - len(octets))
        assert piece, f"closed after {len(octets)} of {length} octets"
        octets += piece
    return octets


def read_body(stream):
    """Status and body of an HTTP answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(stream, 1)
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return int(head.split()[1]), read_exactly(stream, length)


def inverted(octets):
    return bytes(255 - octet for octet in octets)


def survive(stream, first, n):
    """The survival test: n blocks, each answered as section 15.5 has it."""
    digest = hashlib.sha256(first).digest()
    for i in range(1, n + 1):
        block = os.urandom(BLOCK)
        stream.sendall(block)
        digest = hashlib.sha256(digest + block).digest()
        assert read_exactly(stream, BLOCK) == b"TEPS" + struct.pack(">Q", BLOCK * i) + digest + inverted(block)[44:]


def plain_address(value):
    family, port = value[1], struct.unpack_from(">H", value, 2)[0]
    return socket.inet_ntop(socket.AF_INET if family == 1 else socket.AF_INET6, value[4:]), port

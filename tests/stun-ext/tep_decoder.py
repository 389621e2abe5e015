# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second decoder of the TEP tunnel, written from stun-ext/PROTOCOL.md and the RFCs it names, not from the C code.

It exists to find out whether the document is enough. Standard library only; slow and plain on purpose.
"""

import hashlib
import hmac
import ipaddress
import struct
import zlib

MAGIC = 0x2112A442
METHODS = {
    0x001: "Binding", 0x004: "Refresh", 0x080: "Lease", 0x081: "Open-Flow", 0x082: "Close-Flow",
    0x083: "Join", 0x084: "Resume", 0x085: "Close",
}
CLASSES = ["request", "indication", "success", "error"]

# Section 5, and the RFCs for what is used from elsewhere.
ATTRIBUTES = {
    0x0006: ("USERNAME", "text"), 0x0009: ("ERROR-CODE", "error"),
    0x000A: ("UNKNOWN-ATTRIBUTES", "types"), 0x000D: ("LIFETIME", "u32"),
    0x0012: ("XOR-PEER-ADDRESS", "xor"), 0x0014: ("REALM", "text"), 0x0015: ("NONCE", "text"),
    0x0017: ("REQUESTED-ADDRESS-FAMILY", "family"), 0x0018: ("EVEN-PORT", "even"),
    0x001D: ("PASSWORD-ALGORITHM", "algorithm"), 0x001E: ("USERHASH", "octets32"),
    0x0020: ("XOR-MAPPED-ADDRESS", "xor"), 0x8002: ("PASSWORD-ALGORITHMS", "octets"),
    0x8003: ("ALTERNATE-DOMAIN", "text"), 0x8023: ("ALTERNATE-SERVER", "address"),
    0xC7E0: ("TEP-VERSION", "version"), 0xC7E1: ("CLIENT-RANDOM", "octets32"),
    0xC7E2: ("SERVER-RANDOM", "octets32"), 0xC7E3: ("SERVER-NAME", "text"),
    0xC7E4: ("TIMESTAMP", "u64"), 0xC7E5: ("TUNNEL-ID", "tunnel"), 0xC7E6: ("ORDINAL", "u32"),
    0xC7E7: ("CONNECTION-NUMBER", "u8"), 0xC7E8: ("BINDING-ID", "u32"),
    0xC7E9: ("LEASED-ADDRESS", "xor"), 0xC7EA: ("FLOW-ID", "flow"), 0xC7EB: ("FLOW-KIND", "u8"),
    0xC7EC: ("WANTED-PORT", "u16"), 0xC7ED: ("LARGEST-PACKET", "u16"),
    0xC7EE: ("BANDWIDTH", "u32"), 0xC7EF: ("DSCP", "u8"), 0xC7F0: ("KEEPALIVE", "two"),
    0xC7F1: ("CHANNEL-BINDING", "octets32"),
}
INTEGRITY_SHA1, INTEGRITY_SHA256, FINGERPRINT = 0x0008, 0x001C, 0x8028

# Section 5.1: what must be there, by method, class, and what the request was.
REQUIRED = {
    ("Binding", "request", "open"): "TEP-VERSION SERVER-NAME CLIENT-RANDOM TIMESTAMP",
    ("Binding", "success", "open"): "XOR-MAPPED-ADDRESS TEP-VERSION SERVER-RANDOM TUNNEL-ID "
                                    "CONNECTION-NUMBER LARGEST-PACKET KEEPALIVE",
    ("Binding", "request", "keepalive"): "ORDINAL",
    ("Binding", "success", "keepalive"): "XOR-MAPPED-ADDRESS",
    ("Lease", "request", None): "ORDINAL",
    ("Lease", "success", None): "BINDING-ID LEASED-ADDRESS FLOW-KIND LIFETIME",
    ("Refresh", "request", None): "ORDINAL LIFETIME",
    ("Refresh", "success", None): "LIFETIME",
    ("Open-Flow", "request", None): "ORDINAL BINDING-ID FLOW-ID XOR-PEER-ADDRESS",
    ("Open-Flow", "success", None): "FLOW-ID BANDWIDTH DSCP",
    ("Close-Flow", "request", None): "ORDINAL FLOW-ID",
    ("Join", "request", None): "ORDINAL TEP-VERSION TUNNEL-ID",
    ("Join", "success", None): "CONNECTION-NUMBER XOR-MAPPED-ADDRESS",
    ("Resume", "request", None): "ORDINAL TEP-VERSION TUNNEL-ID",
    ("Resume", "success", None): "CONNECTION-NUMBER XOR-MAPPED-ADDRESS",
    ("Close", "request", None): "ORDINAL",
    ("Close", "indication", None): "ERROR-CODE",
}


class Invalid(Exception):
    """A body that breaks a rule of its section: dropped and counted."""


def need(condition, why):
    if not condition:
        raise Invalid(why)


# --- sections 5 and 6 -------------------------------------------------------------------------------------------------


def hkdf(salt, ikm, info, length):
    """RFC 5869 with SHA-256."""
    key = hmac.new(salt, ikm, hashlib.sha256).digest()
    block, out, counter = b"", b"", 0
    while len(out) < length:
        counter += 1
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
    return out[:length]


def lv(octets):
    return struct.pack(">H", len(octets)) + octets


def credential_key(username, realm, password):
    """Long-term with SHA-256 (RFC 8489 section 18.5.1.2) if there is a realm, otherwise short-term."""
    if realm is None:
        return password.encode()
    return hashlib.sha256(f"{username}:{realm}:{password}".encode()).digest()


def flight_key(key, client_random, server_name, timestamp, nonce):
    info = b"TEP-1 flight\0" + lv(server_name) + struct.pack(">Q", timestamp) + lv(nonce)
    return hkdf(client_random, key, info, 32)


def tunnel_key(key, client_random, server_random, server_name, tunnel_id, channel_binding):
    info = b"TEP-1 tunnel\0" + lv(server_name) + lv(tunnel_id) + lv(channel_binding)
    return hkdf(client_random + server_random, key, info, 32)


def show(host, port):
    address = ipaddress.ip_address(host)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def decode_address(value, transaction_id, xored):
    need(len(value) in (8, 20), "size of an address")
    family, port = value[1], struct.unpack(">H", value[2:4])[0]
    need((family, len(value)) in ((1, 8), (2, 20)), "family of an address")
    host = value[4:]
    if xored:
        mask = struct.pack(">I", MAGIC) + transaction_id
        port ^= MAGIC >> 16
        host = bytes(a ^ b for a, b in zip(host, mask))
    return show(host, port)


def decode_value(kind, value, transaction_id):
    if kind == "text":
        text = value.decode("utf-8")
        need(text and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in text), "text")
        return text
    if kind == "octets":
        return value.hex()
    if kind in ("xor", "address"):
        return decode_address(value, transaction_id, kind == "xor")
    if kind == "octets32":
        need(len(value) == 32, "size")
        return value.hex()
    if kind == "tunnel":
        need(16 <= len(value) <= 32, "size of a tunnel id")
        return value.hex()
    if kind == "u64":
        need(len(value) == 8, "size")
        return struct.unpack(">Q", value)[0]
    if kind == "even":
        need(len(value) == 1, "size")
        return "pair" if value[0] & 0x80 else "even"
    if kind == "error":
        need(len(value) >= 4 and 3 <= value[2] & 7 <= 6 and value[3] <= 99, "error code")
        return [(value[2] & 7) * 100 + value[3], value[4:].decode("utf-8")]
    if kind == "types":
        need(len(value) % 2 == 0, "size")
        return list(struct.unpack(f">{len(value) // 2}H", value))
    need(len(value) == 4, "size")
    u8, second, _ = struct.unpack(">BBH", value)
    high, low = struct.unpack(">HH", value)
    if kind == "version":
        return [u8, bool(second & 0x80)]
    if kind == "flow":
        need(value[2] <= 1, "port offset")
        return [high, value[2]]
    if kind == "two":
        need(0 < high < low, "keepalive")
        return [high, low]
    if kind == "algorithm":
        need(low == 0, "parameters")
        return high
    if kind == "family":
        return {1: 4, 2: 6}[u8]
    if kind == "u16":
        return high
    if kind == "u32":
        return struct.unpack(">I", value)[0]
    return u8


class Message:
    """One STUN message."""

    def __init__(self, body):
        need(20 <= len(body) <= 2048, "size of a message")
        kind, length, magic = struct.unpack(">HHI", body[:8])
        need(magic == MAGIC and length + 20 == len(body) and length % 4 == 0, "header")
        method = kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2
        self.method = METHODS[method]
        self.message_class = CLASSES[(kind & 0x0010) >> 4 | (kind & 0x0100) >> 7]
        self.transaction_id = body[8:20]
        self.body = body
        self.attributes = {}
        self.values = {}
        self.integrity_at = None
        self.integrity = None
        self.walk()

    def walk(self):
        at = 20
        while at < len(self.body):
            need(at + 4 <= len(self.body), "attribute header")
            kind, length = struct.unpack(">HH", self.body[at:at + 4])
            value = self.body[at + 4:at + 4 + length]
            padding = self.body[at + 4 + length:at + 4 + (length + 3) // 4 * 4]
            need(len(value) == length and not any(padding), "attribute")
            if kind == FINGERPRINT:
                need(at + 8 == len(self.body), "FINGERPRINT is not last")
                crc = zlib.crc32(self.body[:at]) ^ 0x5354554E
                need(value == struct.pack(">I", crc), "FINGERPRINT")
            elif self.integrity_at is None:
                self.take(kind, value, at)
            at += 4 + (length + 3) // 4 * 4

    def take(self, kind, value, at):
        if kind == INTEGRITY_SHA256:
            need(len(value) == 32, "MESSAGE-INTEGRITY-SHA256 is not in full length")
            self.integrity_at, self.integrity = at, value
            return
        need(kind in ATTRIBUTES or kind >= 0x8000, "unknown attribute")
        if kind in ATTRIBUTES:
            name, form = ATTRIBUTES[kind]
            if name not in self.attributes:
                self.attributes[name] = decode_value(form, value, self.transaction_id)
                self.values[name] = value

    def is_signed_with(self, key):
        """MESSAGE-INTEGRITY-SHA256, with the length field set as if the message ended there."""
        if self.integrity is None:
            return False
        length = self.integrity_at + 36 - 20
        text = self.body[:2] + struct.pack(">H", length) + self.body[4:self.integrity_at]
        return hmac.compare_digest(hmac.new(key, text, hashlib.sha256).digest(), self.integrity)

    def what(self):
        if self.method != "Binding":
            return None
        if self.message_class == "request":
            return "open" if "TEP-VERSION" in self.attributes else "keepalive"
        return "open" if "TUNNEL-ID" in self.attributes else "keepalive"

    def check(self):
        names = "ERROR-CODE" if self.message_class == "error" else REQUIRED.get(
            (self.method, self.message_class, self.what()), "")
        for name in names.split():
            need(name in self.attributes, f"{name} is missing")
        for name, least in (("ORDINAL", 1), ("BINDING-ID", 1), ("LARGEST-PACKET", 576)):
            need(self.attributes.get(name, least) >= least, name)
        need(self.attributes.get("DSCP", 0) <= 63, "DSCP")
        need(self.attributes.get("CONNECTION-NUMBER", 0) <= 15, "CONNECTION-NUMBER")
        need(self.attributes.get("FLOW-KIND", 1) in (1, 2), "FLOW-KIND")
        need(len(self.values.get("SERVER-NAME", b"")) <= 255, "SERVER-NAME")


# --- sections 3, 4 and 9 ----------------------------------------------------------------------------------------------


def decode_compact(body):
    need(len(body) >= 4, "fixed part")
    flow, time, sequence = body[0] & 0x3F, body[1], struct.unpack(">H", body[2:4])[0]
    rest = body[4:]
    if flow == 63:
        need(len(rest) >= 2, "extended flow")
        flow, rest = struct.unpack(">H", rest[:2])[0], rest[2:]
        need(flow >= 62, "extended flow id that is short")
    repeated = []
    if body[0] & 0x40:
        need(len(rest) >= 1 and 1 <= rest[0] <= 3, "count")
        count, rest = rest[0], rest[1:]
        need(len(rest) >= 3 * count, "entries")
        entries, rest = [struct.unpack(">BH", rest[3 * i:3 * i + 3]) for i in range(count)], rest[3 * count:]
        for distance, size in entries:
            need(distance > 0 and size <= len(rest), "repeated one")
            repeated.append([(sequence - distance) % 65536, rest[:size].hex()])
            rest = rest[size:]
    return {"frame": "compact", "flow": flow, "time": time, "sequence": sequence,
            "repeated": repeated, "payload": rest.hex()}


def decode_control(body):
    need(len(body) >= 2 and body[1] == 1, "type of control frame")
    need(len(body) >= 8, "FEEDBACK")
    count, clock = struct.unpack(">HI", body[2:8])
    need(count <= 16 and len(body) == 8 + 8 * count, "size of FEEDBACK")
    entries = []
    for i in range(count):
        number, _, hold, received = struct.unpack(">BBHI", body[8 + 8 * i:16 + 8 * i])
        need(number <= 15 and number not in [e[0] for e in entries], "connection number")
        entries.append([number, hold, received])
    return {"frame": "feedback", "clock": clock, "entries": entries}


def ones_complement(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def decode_packet(body):
    if body[0] >> 4 == 4:
        need(len(body) >= 28 and body[0] == 0x45, "IPv4 header")
        need(struct.unpack(">H", body[2:4])[0] == len(body), "total length")
        need(struct.unpack(">H", body[6:8])[0] in (0, 0x4000), "fragment")
        need(body[9] == 17 and ones_complement(body[:20]) == 0xFFFF, "protocol or header checksum")
        traffic, hop_limit = body[1], body[8]
        source, destination, udp = body[12:16], body[16:20], body[20:]
    else:
        need(len(body) >= 48 and body[6] == 17, "IPv6 header")
        need(struct.unpack(">H", body[4:6])[0] + 40 == len(body), "payload length")
        traffic, hop_limit = (struct.unpack(">H", body[:2])[0] >> 4) & 0xFF, body[7]
        source, destination, udp = body[8:24], body[24:40], body[40:]
    from_port, to_port, length, checksum = struct.unpack(">HHHH", udp[:8])
    need(length == len(udp), "UDP length")
    need(checksum != 0 or len(source) == 4, "no UDP checksum")
    if checksum != 0:
        pseudo = source + destination + struct.pack(">II", len(udp), 17)
        need(ones_complement(pseudo + udp) == 0xFFFF, "UDP checksum")
    return {"frame": "packet", "source": show(source, from_port),
            "destination": show(destination, to_port), "hop-limit": hop_limit,
            "dscp": traffic >> 2, "payload": udp[8:].hex()}


def split(text):
    host, _, port = text.rpartition(":")
    return ipaddress.ip_address(host.strip("[]")).packed, int(port)


def rebuild(source, destination, dscp, payload):
    """The packet of a compact frame, section 3."""
    (source, from_port), (destination, to_port) = split(source), split(destination)
    length = 8 + len(payload)
    udp = struct.pack(">HHHH", from_port, to_port, length, 0) + payload
    pseudo = source + destination + struct.pack(">II", length, 17)
    checksum = 0xFFFF - ones_complement(pseudo + udp) or 0xFFFF
    udp = udp[:6] + struct.pack(">H", checksum) + payload
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28 | dscp << 22, length, 17, 63) + source + destination + udp
    header = struct.pack(">BBHHHBBH", 0x45, dscp << 2, 20 + length, 0, 0x4000, 63, 17, 0)
    header += source + destination
    checksum = 0xFFFF - ones_complement(header)
    return header[:10] + struct.pack(">H", checksum) + header[12:] + udp


# --- section 2 and the tunnel as a whole ------------------------------------------------------------------------------


def cut(stream):
    """RFC 4571 frames out of a stream, without their lengths."""
    at = 0
    while at < len(stream):
        length = struct.unpack(">H", stream[at:at + 2])[0]
        assert at + 2 + length <= len(stream), "the stream ends inside a frame"
        yield stream[at + 2:at + 2 + length]
        at += 2 + length


class Tunnel:
    """Listens to both directions of a tunnel and, knowing the password, follows its keys and flows."""

    def __init__(self, username, realm, password):
        self.keys = {"K": credential_key(username, realm, password)}
        self.opening = None
        self.requests = {}
        self.leases = {}
        self.flows = {}

    def signer(self, message):
        """Name of the key that signed a message; "none" if none of the known ones did."""
        for name, key in self.keys.items():
            if message.is_signed_with(key):
                return name
        return "none"

    def follow(self, message):
        if message.message_class == "request":
            self.requests[message.transaction_id] = message
            if message.what() == "open":
                self.opening = message
                v = message.values
                self.keys["flight"] = flight_key(
                    self.keys["K"], v["CLIENT-RANDOM"], v["SERVER-NAME"],
                    message.attributes["TIMESTAMP"], v.get("NONCE", b""))
        elif message.message_class == "success":
            self.follow_success(message, self.requests[message.transaction_id])

    def follow_success(self, message, request):
        assert request.method == message.method
        a = message.attributes
        if message.what() == "open":
            v = self.opening.values
            self.keys["tunnel"] = tunnel_key(
                self.keys["K"], v["CLIENT-RANDOM"], message.values["SERVER-RANDOM"],
                v["SERVER-NAME"], message.values["TUNNEL-ID"], v.get("CHANNEL-BINDING", b""))
        elif message.method == "Lease":
            self.leases[a["BINDING-ID"]] = a["LEASED-ADDRESS"]
        elif message.method == "Open-Flow":
            flow, offset = a["FLOW-ID"]
            lease, port = split(self.leases[request.attributes["BINDING-ID"]])
            self.flows[flow] = (request.attributes["XOR-PEER-ADDRESS"], show(lease, port + offset),
                                a["DSCP"])

    def packet_to_device(self, compact):
        """The packet that TEP-C makes of a compact frame of TEP-S."""
        remote, lease, dscp = self.flows[compact["flow"]]
        return rebuild(remote, lease, dscp, bytes.fromhex(compact["payload"]))

    def decode(self, body):
        """What is in a frame, and the name of the key that signs it."""
        try:
            return self.decode_body(body)
        except (Invalid, UnicodeDecodeError, KeyError):
            return {"frame": "dropped"}, None

    def decode_body(self, body):
        if not body:
            return {"frame": "null"}, None
        first = body[0]
        if first <= 0x03:
            message = Message(body)
            message.check()
            signer = self.signer(message)
            self.follow(message)
            return {"frame": "message", "method": message.method, "class": message.message_class,
                    "attributes": message.attributes}, signer
        if first >> 4 in (4, 6):
            return decode_packet(body), None
        if first == 0xBE:
            return decode_control(body), None
        need(first >= 0x80 and first != 0xFE, "first octet")
        return decode_compact(body), None

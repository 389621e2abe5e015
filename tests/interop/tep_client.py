"""A client of the tunnel for peers that mean no good: it writes whatever it is told to, after the key schedule of PROTOCOL.md.

What it reads is left to the decoder of tests/stun-ext.
"""
import hashlib
import hmac
import ipaddress
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "stun-ext"))
import tep_decoder  # noqa: E402
from ends import parted  # noqa: E402

ANSWER_S = 10
METHOD = {name: number for number, name in tep_decoder.METHODS.items()}
ATTRIBUTE = {name: number for number, (name, _) in tep_decoder.ATTRIBUTES.items()}
SHA256_ALGORITHM = struct.pack(">HH", 2, 0)


def address(host, port, transaction_id):
    """The value of an XOR-…-ADDRESS."""
    packed = ipaddress.ip_address(host).packed
    mask = struct.pack(">I", tep_decoder.MAGIC) + transaction_id
    return struct.pack(">BBH", 0, 1 if len(packed) == 4 else 2, port ^ tep_decoder.MAGIC >> 16) + \
        bytes(a ^ b for a, b in zip(packed, mask))


def message(method, attributes, key=None, transaction_id=None):
    """A STUN request: attributes are (name or number, octets); signed if there is a key."""
    transaction_id = transaction_id or os.urandom(12)
    number = METHOD[method]
    kind = number & 0x0F | (number & 0x70) << 1 | (number & 0xF80) << 2
    body = b""
    for name, value in attributes:
        if callable(value):
            value = value(transaction_id)
        body += struct.pack(">HH", ATTRIBUTE.get(name, name), len(value)) + value + bytes(-len(value) % 4)
    head = struct.pack(">HHI", kind, len(body) + (36 if key else 0), tep_decoder.MAGIC) + transaction_id
    if key:
        signature = hmac.new(key, head + body, hashlib.sha256).digest()
        body += struct.pack(">HH", tep_decoder.INTEGRITY_SHA256, 32) + signature
    return head + body


def frame(body):
    return struct.pack(">H", len(body)) + body


class Client:
    """One connection, and, once open () succeeded, its tunnel. A context that ends without a goodbye."""

    def __init__(self, lab, host, server, port=443, name=None):
        self.name = name or server
        self.socket = lab.socket(host, socket.AF_INET6 if ":" in server else socket.AF_INET)
        self.socket.settimeout(ANSWER_S)
        self.socket.connect((server, port))
        self.tunnel_key = self.tunnel_id = None
        self.ordinal = 0
        self._unread = b""
        self.others = []  # frames that were no answers

    def send(self, body):
        self.socket.sendall(frame(body))

    def receive(self):
        """The next frame's body, or None at the end of the stream."""
        while len(self._unread) < 2 or len(self._unread) < 2 + struct.unpack_from(">H", self._unread)[0]:
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            self._unread += piece
        end = 2 + struct.unpack_from(">H", self._unread)[0]
        body, self._unread = self._unread[2:end], self._unread[end:]
        return body

    def ask_raw(self, body):
        """Sends a request and returns the answer's octets, or None if the server hung up."""
        self.send(body)
        while (answer := self.receive()) is not None:
            if answer[0] <= 3 and answer[8:20] == body[8:20]:
                return answer
            self.others.append(answer)
        return None

    def ask(self, method, attributes, key=None):
        answer = self.ask_raw(message(method, attributes, key))
        assert answer is not None, f"the server hung up on {method}"
        return tep_decoder.Message(answer)

    # Opening

    def opening(self, user=None, password=None, challenge=None):
        """The attributes of an opening request, and the key that signs it."""
        self.client_random = os.urandom(32)
        attributes = [("TEP-VERSION", b"\1\x80\0\0"), ("SERVER-NAME", self.name.encode()),
                      ("CLIENT-RANDOM", self.client_random),
                      ("TIMESTAMP", struct.pack(">Q", int(time.time() * 1000)))]
        if challenge is None:
            return attributes, None
        values = challenge.values
        attributes += [("USERNAME", user.encode()), ("REALM", values["REALM"]), ("NONCE", values["NONCE"]),
                       ("PASSWORD-ALGORITHMS", values["PASSWORD-ALGORITHMS"]), ("PASSWORD-ALGORITHM", SHA256_ALGORITHM)]
        return attributes, tep_decoder.credential_key(user, values["REALM"].decode(), password)

    def challenge(self):
        """The first contact: what the server demands."""
        answer = self.ask("Binding", self.opening()[0])
        assert answer.attributes["ERROR-CODE"][0] == 401, answer.attributes
        return answer

    def open(self, user, password, challenge=None):
        """Opens a tunnel and confirms it; returns the answer, which may be an error."""
        attributes, key = self.opening(user, password, challenge or self.challenge())
        answer = self.ask("Binding", attributes, key)
        if answer.message_class == "success":
            assert answer.is_signed_with(key)
            self.tunnel_id = answer.values["TUNNEL-ID"]
            self.tunnel_key = tep_decoder.tunnel_key(key, self.client_random, answer.values["SERVER-RANDOM"],
                                                     self.name.encode(), self.tunnel_id, b"")
            assert self.request("Binding").message_class == "success"
        return answer

    # In the tunnel

    def next_ordinal(self):
        self.ordinal += 1
        return "ORDINAL", struct.pack(">I", self.ordinal)

    def request(self, method, *attributes):
        answer = self.ask(method, [self.next_ordinal(), *attributes], self.tunnel_key)
        assert answer.is_signed_with(self.tunnel_key), answer.attributes
        return answer

    def lease(self, family=4):
        """(binding id, (address, port))"""
        answer = self.request("Lease", ("REQUESTED-ADDRESS-FAMILY", bytes([1 if family == 4 else 2, 0, 0, 0])))
        assert answer.message_class == "success", answer.attributes
        return answer.attributes["BINDING-ID"], parted(answer.attributes["LEASED-ADDRESS"])

    def open_flow(self, binding, flow, host, port):
        """0, or the code of the error."""
        answer = self.request("Open-Flow", ("BINDING-ID", struct.pack(">I", binding)),
                              ("FLOW-ID", struct.pack(">HH", flow, 0)),
                              ("XOR-PEER-ADDRESS", lambda transaction_id: address(host, port, transaction_id)))
        return answer.attributes.get("ERROR-CODE", [0])[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

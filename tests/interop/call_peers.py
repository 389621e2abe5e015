"""The ends of a call for tests: the C program call-peer in its two parts, and far sides of a few lines that
need no library: one without ICE, one that does ICE-lite (RFC 8445 section 2.5), both sending back what they hear."""
import binascii
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from process import SANITIZER, Process, program, wait_for_tcp, wait_until  # noqa: E402

CALL_PEER = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "call-peer")
USER, PASSWORD, SERVER_PORT = "alice", "correct horse battery staple", 443
COOKIE = bytes.fromhex("2112a442")
FINGERPRINT_XOR = 0x5354554E


class CallPeer:
    """The program call-peer: commands in, events out."""

    def __init__(self, lab, host, role, *arguments):
        self.scratch = tempfile.TemporaryDirectory(prefix="tepkit-call-")
        self.errors = open(pathlib.Path(self.scratch.name, "errors"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(lab.command_in(host, [CALL_PEER, role, *arguments]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True, start_new_session=True)
        self.events, self.role, self.taken = [], role, 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.wait("ready")

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"killed: did not end within 8 s, {self.process.wait()}"
        self.reader.join(2)
        self.errors.seek(0)
        said = self.errors.read()
        if kind is not None or status != 0 or SANITIZER.search(said):
            print(f"{self.role}: status {status}")
            for event in self.events[-25:]:
                print(f"  {event}")
            print(said[-6000:])
        self.errors.close()
        self.process.stdout.close()
        self.scratch.cleanup()
        assert kind is not None or (status == 0 and not SANITIZER.search(said)), f"{self.role} ended with {status}"

    def do(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def find(self, name, since=0, **fields):
        for event in self.events[since:]:
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items()):
                return event
        return None

    def wait(self, name, timeout_s=12, since=0, **fields):
        """The first event of that kind, among those from number since on."""
        return wait_until(lambda: self.find(name, since, **fields), timeout_s, f"{self.role}: {name} {fields}")

    def ask(self, answer, *words):
        """A command and the event that answers it."""
        since = len(self.events)
        self.do(*words)
        return self.wait(answer, since=since)

    def describe(self):
        return self.ask("sdp", "describe")["sdp"]

    def _file(self, sdp):
        path = pathlib.Path(self.scratch.name, secrets.token_hex(4))
        path.write_text(sdp, encoding="ascii", newline="")
        return str(path)

    def remote(self, sdp, branch="one", answer="remote"):
        return self.ask(answer, "remote", branch, self._file(sdp))

    def report(self, branch=None):
        return self.ask("report", "report", *([branch] if branch else []))

    def wait_until_heard(self, key, more=5, timeout_s=12):
        """Until that many more packets came that way: "branch/carrier/component"."""
        before = self.report()["received"].get(key, 0)

        def is_heard():
            time.sleep(0.02)  # asking more often would disturb what is measured
            return self.report()["received"].get(key, 0) >= before + more
        wait_until(is_heard, timeout_s, f"{more} packets by {key} after {self.report()}")


class Echo:
    """A far side without ICE: one UDP port, or two for RTP and RTCP."""

    def __init__(self, lab, address, port=0, n=1):
        self.sockets, self.heard, self.is_mute = [], 0, False
        self.address, self.kind = address, "IP6" if ":" in address else "IP4"
        for i in range(n):
            s = lab.socket("peer", socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, port + i if port else 0))
            self.sockets.append(s)
        self.ports = [s.getsockname()[1] for s in self.sockets]
        self.stop, self.source = False, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join(2)
        for s in self.sockets:
            s.close()

    def _run(self):
        while not self.stop:
            for s in select.select(self.sockets, [], [], 0.05)[0]:
                data, source = s.recvfrom(2048)
                self.take(s, data, source)

    def take(self, s, data, source):
        self.heard += 1
        self.source = source
        if not self.is_mute:
            s.sendto(data, source)

    def speak(self, to, n=20):
        """Packets of its own, to a leased address."""
        for number in range(n):
            self.sockets[0].sendto(b"\x80\0" + number.to_bytes(2, "big") + bytes(168), to)
            time.sleep(0.005)

    def sdp(self, *lines, direction="sendrecv", address=None):
        rtcp = [f"a=rtcp:{self.ports[1]} IN {self.kind} {self.address}"] if len(self.ports) > 1 else []
        return "\r\n".join(["v=0", f"o=- 3 3 IN {self.kind} {self.address}", "s=-", "t=0 0", *self.session_lines(),
                            f"m=audio {self.ports[0]} RTP/AVP 0", f"c=IN {self.kind} {address or self.address}",
                            f"a={direction}", *rtcp, *self.media_lines(), *lines, ""])

    def session_lines(self):
        return []

    def media_lines(self):
        return []


class Lite(Echo):
    """A far side with ICE-lite: answers checks, never sends one."""

    def __init__(self, *arguments, **options):
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self.checks, self.nominations, self.controlled = set(), set(), 0
        super().__init__(*arguments, **options)

    def session_lines(self):
        return ["a=ice-lite"]

    def media_lines(self):
        return [f"a=ice-ufrag:{self.ufrag}", f"a=ice-pwd:{self.password}",
                *(f"a=candidate:1 {i} UDP {2130706431 - i} {self.address} {port} typ host"
                  for i, port in enumerate(self.ports, 1))]

    def take(self, s, data, source):
        if len(data) >= 20 and data[0] < 4 and data[4:8] == COOKIE:
            self.answer(s, data, source)
        else:
            super().take(s, data, source)

    def answer(self, s, data, source):
        attributes, at = {}, 20
        while at + 4 <= len(data):
            kind, length = struct.unpack_from("!HH", data, at)
            attributes.setdefault(kind, (at, data[at + 4:at + 4 + length]))
            at += 4 + (length + 3) // 4 * 4
        if data[:2] != b"\0\1" or 8 not in attributes:
            return
        signed, mac = attributes[8]
        head = data[:2] + struct.pack("!H", signed + 24 - 20) + data[4:signed]
        key = self.password.encode()
        if not hmac.compare_digest(hmac.new(key, head, hashlib.sha1).digest(), mac):
            return
        self.checks.add(source)
        if 0x0025 in attributes:
            self.nominations.add(source)
        if 0x8029 in attributes:
            self.controlled += 1  # the other side takes itself for controlled too
        host = bytes(a ^ b for a, b in zip(socket.inet_aton(source[0]), COOKIE))
        body = struct.pack("!HHBBH", 0x0020, 8, 0, 1, source[1] ^ 0x2112) + host
        begin = b"\x01\x01" + struct.pack("!H", len(body) + 24) + data[4:20] + body
        begin += struct.pack("!HH", 8, 20) + hmac.new(key, begin, hashlib.sha1).digest()
        whole = begin[:2] + struct.pack("!H", len(begin) - 20 + 8) + begin[4:]
        whole += struct.pack("!HHI", 0x8028, 4, binascii.crc32(whole) ^ FINGERPRINT_XOR)
        s.sendto(whole, source)


def write_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
    return path


def server(lab, keep, relay_ports="40000-65535"):
    """TEP-S at the core, relaying to the far host, which may speak to a lease before it is named."""
    keep = pathlib.Path(keep)
    configuration = keep / "tep-s.conf"
    configuration.write_text(f"""[server]
listen = {lab['CORE_ADDR']}:{SERVER_PORT}
[credentials]
users = {write_secret(keep / 'users', f'{USER}:{PASSWORD}')}
[media]
backend = relay
relay-addresses = {lab['CORE_ADDR']};{lab['CORE_ADDR6']}
relay-ports = {relay_ports}
[policy]
allow = {lab['PEER_ADDR']}:1024-65535;[{lab['PEER_ADDR6']}]:1024-65535
core = {lab['PEER_ADDR']}/32;{lab['PEER_ADDR6']}/128
""", encoding="ascii")
    process = Process([program("tep-s"), "--config", configuration], lab, "core", name="tep-s")
    wait_for_tcp(lab, "core", lab["CORE_ADDR"], SERVER_PORT)
    return process


def device(lab, *arguments, proxy=None):
    return CallPeer(lab, "device", "device", "--server", f"{lab['CORE_ADDR']}:{SERVER_PORT}", "--user", USER,
                    "--password", PASSWORD, *(["--proxy", proxy] if proxy else []), *arguments)

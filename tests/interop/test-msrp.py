#!/usr/bin/python3
"""MSRP between a device that only a proxy lets out and a peer in the open: TCP relayed by coturn (RFC 6062), reached by TLS
on 443 through squid with a password. Clause 8.3 of TR 33.830 counts three TLS connections for it: signalling, TURN's control
connection, and one for the peer's octets."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import secrets
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import PASSWORD, USER, coturn  # noqa: E402
from ends import Scratch, secret  # noqa: E402
from lab import Lab  # noqa: E402
from process import SANITIZER, Process, program, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

MSRP = pathlib.Path(os.environ["TEPKIT_BUILD"], "tools", "examples", "msrp")
OCTETS = 10 * 1024 * 1024
CHUNK = 12000
# coturn 4.6.1 was seen to stop reading a data connection for good while more than this was under way in both directions.
IN_FLIGHT = 5
PORT = 2855       # RFC 4975 section 15.4
FORWARD = 5070
PATIENCE_S = 20
END = b"\r\n-------"


class Peer:
    """An MSRP end of the tests' own, which finds the end of content by its end-line (RFC 4975 section 7.1)."""

    def __init__(self, connection, path, other):
        self.connection, self.path, self.other = connection, path.encode(), other.encode()
        self.connection.settimeout(PATIENCE_S)
        self.content = random.Random(5).randbytes(OCTETS)
        self.lock = threading.Lock()
        self.heard, self.n_heard, self.is_whole = hashlib.sha256(), 0, False
        self.waiting = set()   # transactions without an answer
        self.may_send = threading.Semaphore(IN_FLIGHT)
        self.failure = None
        self.threads = [threading.Thread(target=self._guard, args=(f,), daemon=True) for f in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _guard(self, function):
        try:
            function()
        except (OSError, AssertionError, ValueError) as error:
            self.failure = self.failure or f"{function.__name__}: {error!r}"

    def _write(self, octets):
        with self.lock:
            self.connection.sendall(octets)

    def _send(self):
        for at in range(0, OCTETS, CHUNK):
            piece = self.content[at:at + CHUNK]
            name = secrets.token_hex(8).encode()
            assert self.may_send.acquire(timeout=PATIENCE_S), "no answer"
            self.waiting.add(name)
            flag = b"$" if at + CHUNK >= OCTETS else b"+"
            self._write(b"MSRP %b SEND\r\nTo-Path: %b\r\nFrom-Path: %b\r\nMessage-ID: two\r\nByte-Range: %d-%d/%d\r\n"
                        b"Content-Type: application/octet-stream\r\n\r\n%b%b%b%b\r\n"
                        % (name, self.other, self.path, at + 1, at + len(piece), OCTETS, piece, END, name, flag))

    def _receive(self):
        buffer = b""
        while not (self.is_whole and not self.waiting and not self.threads[0].is_alive()):
            octets = self.connection.recv(1 << 18)
            assert octets, "the other side closed"
            buffer += octets
            while (rest := self._take(buffer)) is not None:
                buffer = rest

    def _take(self, buffer):
        """Takes one request or answer off the front and returns the rest; None if it is not whole."""
        line = re.match(rb"MSRP (\w+) (SEND|200 OK)\r\n", buffer)
        if not line:
            assert b"\r\n" not in buffer, buffer[:100]
            return None
        name, kind = line.groups()
        end = buffer.find(END + name)
        if end < 0 or len(buffer) < end + len(END + name) + 3:
            return None
        rest = buffer[end + len(END + name) + 3:]
        if kind != b"SEND":
            self.waiting.remove(name)
            self.may_send.release()
            return rest
        head, _, content = buffer[:end].partition(b"\r\n\r\n")
        first, last, whole = map(int, re.search(rb"Byte-Range: (\d+)-(\d+)/(\d+)", head).groups())
        assert first == self.n_heard + 1 and last - first + 1 == len(content), (first, last, self.n_heard, len(content))
        self.heard.update(content)
        self.n_heard = last
        self.is_whole = last == whole and buffer[end + len(END + name):][:1] == b"$"
        self._write(b"MSRP %b 200 OK\r\nTo-Path: %b\r\nFrom-Path: %b%b%b$\r\n" % (name, self.other, self.path, END, name))
        return rest

    def finish(self):
        for thread in self.threads:
            thread.join(PATIENCE_S)
        assert not self.failure and not any(t.is_alive() for t in self.threads), (self.failure, self.n_heard, len(self.waiting))


class Device:
    """The example program behind the proxy; its terminal is ours."""

    def __init__(self, lab, trusted, scratch, setup):
        arguments = [MSRP, "--server", "turns:core.lab:443?transport=tcp", "--ca", trusted, "--setup", setup,
                     "--proxy", f"http://{lab['PROXY_USER']}:{lab['PROXY_PASSWORD'].replace(' ', '%20')}@"
                                f"{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}",
                     "--credentials", secret(scratch, "turn.secret", f"{USER}:{PASSWORD}"), "--octets", OCTETS]
        self.process = subprocess.Popen(lab.command_in("device", arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, **lab.environment})
        self.watch = threading.Timer(PATIENCE_S, self.process.kill)
        self.watch.start()

    def say(self, line):
        print(line, file=self.process.stdin, flush=True)

    def expect(self, start):
        line = self.process.stdout.readline().strip()
        assert line.startswith(start), (line, self.process.stderr.read() if not line else "")
        return line

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        _, errors = self.process.communicate()
        self.watch.cancel()
        print(errors)
        if kind is None:
            assert self.process.returncode == 0 and not SANITIZER.search(errors), (self.process.returncode, errors)


@contextlib.contextmanager
def signalling(lab, scratch):
    """The Gm interface: TLS from the device to port 443 of the peer's host, through the proxy; yields both ends of it."""
    certificate = scratch.certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, scratch.path / "key.pem")
    arguments = [program("turn-connect"), "forward", "--json", "--listen", f"127.0.0.1:{FORWARD}", "--to", "peer.lab:443",
                 "--ca", certificate, "--proxy", lab["PROXY_URL"], "--proxy-credentials",
                 secret(scratch.path, "proxy.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}")]
    with lab.socket("peer", socket.AF_INET6) as listener, lab.socket("device") as device, Process(arguments, lab, "device") as forward:
        listener.bind(("::", 443))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        forward.wait_for('"event":"listening"')
        device.settimeout(PATIENCE_S)
        device.connect(("127.0.0.1", FORWARD))
        with context.wrap_socket(listener.accept()[0], server_side=True) as registrar:
            yield device.makefile("rw"), registrar.makefile("rw")


def say(end, line):
    print(line, file=end, flush=True)


def n_tls(lab):
    """TLS connections that are up between the site and the world: ports 443 of the core and of the peer's host."""
    return {host: len(lab.run(host, ["ss", "-Htn", "state", "established", "sport = :443"]).stdout.splitlines())
            for host in ("core", "peer")}


def tunnels(lab):
    """What squid let through, as its log says once it is over."""
    log = (lab.directory / "squid" / "access.log").read_text(encoding="utf-8")
    return re.findall(r"TCP_TUNNEL/200 \d+ CONNECT (\S+)", log)


def open_connection(lab, setup, device_path):
    """The peer's end: it connects to the relayed address, or is connected to."""
    connection = lab.socket("peer")
    if setup == "passive":
        address, port = re.match(r"msrp://([\d.]+):(\d+)/", device_path).groups()
        connection.connect((address, int(port)))
        return connection
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind((lab["PEER_ADDR"], PORT))
    connection.listen()
    connection.settimeout(PATIENCE_S)
    return connection


def exchange(setup):
    with Scratch() as scratch, Lab.up("proxy-basic") as lab, coturn(lab, relays_tcp=True) as (_, trusted):
        with signalling(lab, scratch) as (near, far), Device(lab, trusted, scratch.path, setup) as device:
            say(near, device.expect("msrp://"))
            device_path = far.readline().strip()
            peer_path = f"msrp://{lab['PEER_ADDR']}:{PORT}/{secrets.token_hex(4)};tcp"
            waiting = open_connection(lab, setup, device_path) if setup == "active" else None
            say(far, peer_path)
            device.say(near.readline().strip())
            device.expect("ready")
            connection = waiting.accept()[0] if waiting else open_connection(lab, setup, device_path)
            with connection, contextlib.ExitStack() as also:
                if waiting:
                    also.enter_context(waiting)
                peer = Peer(connection, peer_path, device_path)
                wait_until(lambda: n_tls(lab) == {"core": 2, "peer": 1}, PATIENCE_S, "three TLS connections")
                said = device.expect("done").split()
                peer.finish()
                assert n_tls(lab) == {"core": 2, "peer": 1}, n_tls(lab)
                assert [int(said[2]), int(said[5])] == [OCTETS, OCTETS], said
                assert said[3] == peer.heard.hexdigest() and said[6] == hashlib.sha256(peer.content).hexdigest(), said
                device.say("bye")
        wait_until(lambda: len(tunnels(lab)) == 3, PATIENCE_S, "squid's log")
        print(json.dumps(tunnels(lab)))
        assert sorted(tunnels(lab)) == ["core.lab:443", "core.lab:443", "peer.lab:443"], tunnels(lab)


test("/interop/msrp/10-megabytes-both-ways-over-three-tls-connections/the-peer-connects")(lambda: exchange("passive"))
test("/interop/msrp/10-megabytes-both-ways-over-three-tls-connections/the-device-connects")(lambda: exchange("active"))

run()

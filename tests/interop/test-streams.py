#!/usr/bin/python3
"""Streams to servers that are not ours: TLS sessions resumed with OpenSSL's s_server and coturn, a suite without
encryption, and a system whose name service fails in every way."""
import ast
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
import coturn  # noqa: E402
from process import SANITIZER, Process, wait_until  # noqa: E402
from proxy_peers import ADDRESS, accepts, free_port  # noqa: E402
from tap import run, test  # noqa: E402

DIAL = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "dial")
NAMES = f"DNS:core.lab,IP:{ADDRESS}"
NAME_NOT_FOUND, NAME_FAILED = 3, 4  # of TurnConnectError


def dial(*arguments):
    """What the program said, its TLS lines, its last line, and how long it took."""
    begin = time.monotonic()
    done = subprocess.run([str(a) for a in (DIAL, *arguments)], capture_output=True, text=True, check=False, timeout=30)
    print(done.stdout, done.stderr)
    assert not SANITIZER.search(done.stderr), done.stderr
    lines = done.stdout.splitlines()
    return [line.split(None, 4) for line in lines if line.startswith("tls ")], lines[-1], time.monotonic() - begin


@contextlib.contextmanager
def s_server(*options):
    """Yields its port and the certificate to trust; it answers lines with their reversal."""
    with tempfile.TemporaryDirectory(prefix="tepkit-streams-") as keep:
        trusted, key = pathlib.Path(keep, "certificate.pem"), pathlib.Path(keep, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", trusted,
                        "-days", "1", "-subj", "/CN=core.lab", "-addext", f"subjectAltName={NAMES}"],
                       check=True, capture_output=True)
        port = free_port()
        with Process(["openssl", "s_server", "-accept", f"{ADDRESS}:{port}", "-cert", trusted, "-key", key, "-rev",
                      *options], name="s_server"):
            wait_until(lambda: accepts(ADDRESS, port), 10, "s_server")
            yield port, trusted


def dial_s_server(port, trusted, *arguments):
    return dial("--tls", "--ca", trusted, "--say", "abc\n", "--expect", "cba\n", *arguments, ADDRESS, port)


for name, options, version, manner in (
        ("tickets-of-tls-1.3", ["-tls1_3"], "TLSv1.3", "resumed"),
        ("tickets-of-tls-1.2", ["-tls1_2"], "TLSv1.2", "resumed"),
        ("session-ids-of-tls-1.2", ["-tls1_2", "-no_ticket"], "TLSv1.2", "resumed"),
        ("states-kept-by-a-server-of-tls-1.3", ["-tls1_3", "-no_ticket"], "TLSv1.3", "resumed"),
        ("nothing-where-nothing-is-offered", ["-tls1_3", "-num_tickets", "0"], "TLSv1.3", "full")):
    @test(f"/interop/streams/s_server-resumes-{name}")
    def _(options=options, version=version, manner=manner):
        with s_server(*options) as (port, trusted):
            said, last, _ = dial_s_server(port, trusted, "--repeat", 4)
        assert last == "up direct", last
        assert [line[1] for line in said] == [version] * 4, said
        assert [line[3] for line in said] == ["full"] + [manner] * 3, said


@test("/interop/streams/coturn-is-resumed")
def _():
    class Here:
        """What coturn.py wants of a lab, on this host."""
        environment = {}

        def command_in(self, _host, arguments):
            return arguments

        def socket(self, _host, family):
            return socket.socket(family)

    port = free_port()
    with coturn.coturn(Here(), addresses=[ADDRESS], port=port, names=NAMES) as (_, trusted):
        said, last, _ = dial("--tls", "--ca", trusted, "--stun", "--repeat", 3, ADDRESS, port)
    assert last == "up direct", last
    assert [line[3] for line in said] == ["full", "resumed", "resumed"], said


@test("/interop/streams/without-encryption-only-by-name-and-loudly")
def _():
    suite = "NULL-SHA256"
    with s_server("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0") as (port, trusted):
        _, last, _ = dial_s_server(port, trusted)
        assert last.startswith("failed tls") and "nothing it offers is accepted" in last, last
        said, last, _ = dial_s_server(port, trusted, "--null-encryption", suite, "--repeat", 2)
        assert last == "up direct", last
        assert all(line[2] == suite and line[4].startswith("NOT ENCRYPTED") for line in said), said


# A name service that fails, in namespaces of its own where it is the only one there is.

class NameServer(threading.Thread):
    """Answers A and AAAA with what it is told: an address, a response code, or None for nothing at all."""

    def __init__(self, ipv4, ipv6):
        super().__init__(daemon=True)
        self._answers = {1: ipv4, 28: ipv6}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            query, client = self._socket.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            kind = struct.unpack_from("!H", query, end - 4)[0]
            answer = self._answers.get(kind)
            if answer is None:
                continue
            code = answer if isinstance(answer, int) else 0
            record = b"" if isinstance(answer, int) else struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(answer)) + answer
            header = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if record else 0, 0, 0)
            self._socket.sendto(header + query[12:end] + record, client)


def dial_with_name_service(ipv4, ipv6, *arguments):
    """Runs in a network and a mount namespace of its own; an echo server is on port 4433 of 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="tepkit-names-") as keep:
        for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"),
                           ("nsswitch.conf", "hosts: files dns\n")):
            pathlib.Path(keep, name).write_text(text, encoding="utf-8")
        inner = ["unshare", "--net", "--mount", "sh", "-c",
                 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf && '
                 # Without an address of a family but loopback's, the C library asks for none of it.
                 'ip link set lo up && ip link add near type veth peer name far && ip link set far up && '
                 'ip link set near up && ip address add 192.0.2.1/24 dev near && '
                 'ip address add 2001:db8::1/64 dev near nodad && shift && exec "$@"', "sh",
                 keep, sys.executable, __file__, "--inside", repr((ipv4, ipv6)), DIAL, *arguments]
        begin = time.monotonic()
        done = subprocess.run([str(a) for a in inner], capture_output=True, text=True, check=False, timeout=30)
    print(done.stdout, done.stderr)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done.stdout.splitlines()[-1], time.monotonic() - begin


def inside(answers, command):
    """In the namespaces."""
    NameServer(*answers).start()
    listener = socket.create_server(("127.0.0.1", 4433))

    def echo():
        while True:
            client, _ = listener.accept()
            client.sendall(client.recv(100))

    threading.Thread(target=echo, daemon=True).start()
    return subprocess.run(command, check=False).returncode


LOOPBACK = bytes([127, 0, 0, 1])
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5

for name, ipv4, ipv6, code in (
        ("is-silent", None, None, NAME_FAILED),
        ("fails", SERVFAIL, SERVFAIL, NAME_FAILED),
        ("refuses", REFUSED, REFUSED, NAME_FAILED),
        ("knows-no-such-name", NXDOMAIN, NXDOMAIN, NAME_NOT_FOUND),
        ("knows-no-address", 0, 0, NAME_NOT_FOUND)):
    @test(f"/interop/streams/name-service-that-{name}-ends-the-dial-with-the-cause")
    def _(ipv4=ipv4, ipv6=ipv6, code=code):
        last, took_s = dial_with_name_service(ipv4, ipv6, "--timeout-ms", 1000, "server.example", 4433)
        assert last.split()[:3] == ["failed", "resolve", str(code)] and "server.example" in last, last
        assert took_s < 8, took_s

for name, ipv6 in (("never-come", None), ("fail", SERVFAIL), ("are-none", 0)):
    @test(f"/interop/streams/ipv6-answers-that-{name}-hold-nothing-up")
    def _(ipv6=ipv6):
        last, _ = dial_with_name_service(LOOPBACK, ipv6, "--timeout-ms", 1500, "server.example", 4433)
        assert last == "up direct", last


if sys.argv[1:2] == ["--inside"]:
    sys.exit(inside(ast.literal_eval(sys.argv[2]), sys.argv[3:]))
run()

#!/usr/bin/python3
"""Dials through proxies that are not ours, by every way of saying who is asking, and through one of our own that does what
those do not."""
import atexit
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
from process import SANITIZER  # noqa: E402
from proxy_peers import (ADDRESS, PASSWORD, USER, Proxy, Realm, Server, Squid, free_port, tinyproxy, tls_server)  # noqa: E402
from tap import run, test  # noqa: E402

DIAL = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "dial")
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="tepkit-proxies-"))
SCRATCH.chmod(0o755)
atexit.register(shutil.rmtree, SCRATCH, True)
_peers = {}

# Of TurnConnectError.
REFUSED, LATE, NEEDED, WRONG, SCHEME, FORBIDDEN = 5, 7, 9, 10, 11, 12
TLS_NAME, TLS_UNTRUSTED = 16, 18


def peer(kind, *arguments):
    """Started when first asked for, ended with the program."""
    if kind not in _peers:
        _peers[kind] = kind(SCRATCH, *arguments)
        atexit.register(_peers[kind].stop)
    return _peers[kind]


def realm():
    return peer(Realm, "localhost")


def squid():
    return peer(Squid, realm())


def login(user=USER, password=PASSWORD):
    path = SCRATCH / "login"
    path.write_text(f"{user}:{password}", encoding="utf-8")
    return path


class Dial:
    """What one run of the program said."""

    def __init__(self, *arguments, environment=None, timeout_s=30):
        done = subprocess.run([str(a) for a in (DIAL, *arguments)], capture_output=True, text=True, check=False,
                              env={**os.environ, **(environment or {})}, timeout=timeout_s)
        print(done.stdout, done.stderr)
        assert not SANITIZER.search(done.stderr), done.stderr
        lines = done.stdout.splitlines()
        self.steps = [line.split(None, 2)[1:] for line in lines if line.startswith("step ")]
        self.last = lines[-1]
        self.ups = [line.split()[1] for line in lines if line.startswith("up ")]
        self.status = done.returncode
        assert PASSWORD not in done.stdout + done.stderr

    def is_up(self, through):
        assert self.status == 0 and self.ups and all(up == through for up in self.ups), self.last

    def failed(self, step, code, *words, status=None):
        said, its_step, its_code, its_status, message = self.last.split(None, 4)
        assert (said, its_step, int(its_code)) == ("failed", step, code), self.last
        assert status is None or int(its_status) == status, self.last
        assert all(word in message for word in words), self.last


def through_squid(*arguments, environment=None, host="target.test", n=2):
    """(Dial, the n requests that squid saw of it, the server behind)"""
    squid().forget()
    with Server() as server:
        dial = Dial("--proxy", f"http://localhost:{squid().port}", *arguments, host, server.port, environment=environment)
        return dial, squid().lines(n), server


# squid

for scheme, n_requests in (("basic", 2), ("digest", 2), ("ntlm", 3)):
    @test(f"/interop/proxies/squid/{scheme}-with-a-password")
    def _(scheme=scheme, n_requests=n_requests):
        dial, seen, server = through_squid("--schemes", scheme, "--login", login(), environment=realm().none, n=n_requests)
        dial.is_up(f"http://localhost:{squid().port}")
        assert server.n_connections == 1
        assert [line[2] for line in seen] == ["407"] * (n_requests - 1) + ["200"], seen
        assert seen[-1][1] == f"target.test:{server.port}" and seen[-1][3].lower().endswith(USER), seen
        assert seen[-1][4].lower().startswith(scheme), seen

    if scheme != "ntlm":  # squid's helper takes every password
        @test(f"/interop/proxies/squid/{scheme}-with-the-wrong-password")
        def _(scheme=scheme):
            dial, seen, server = through_squid("--schemes", scheme, "--login", login(password="wrong"),
                                               environment=realm().none)
            dial.failed("proxy", WRONG, "did not accept", status=407)
            assert server.n_connections == 0 and len(seen) == 2, seen


@test("/interop/proxies/squid/negotiate-with-a-ticket-and-no-password")
def _():
    dial, seen, server = through_squid(environment=realm().ticket)
    dial.is_up(f"http://localhost:{squid().port}")
    assert [line[2] for line in seen] == ["407", "200"] and seen[1][3].startswith(USER), seen
    assert seen[1][4].startswith("Negotiate YI") and server.n_connections == 1, seen


@test("/interop/proxies/squid/negotiate-fetches-a-ticket-for-a-user-with-password")
def _():
    dial, seen, _ = through_squid("--schemes", "negotiate", "--login", login(), environment=realm().none)
    dial.is_up(f"http://localhost:{squid().port}")
    assert seen[-1][4].startswith("Negotiate "), seen


@test("/interop/proxies/squid/negotiate-is-preferred-then-digest-where-there-is-no-ticket")
def _():
    _, seen, _ = through_squid("--login", login(), environment=realm().ticket)
    assert seen[-1][4].startswith("Negotiate "), seen
    dial, seen, _ = through_squid("--login", login(), environment={**realm().none, "KRB5_CONFIG": "/dev/null"})
    dial.is_up(f"http://localhost:{squid().port}")
    assert seen[-1][4].startswith("Digest "), seen


@test("/interop/proxies/squid/without-a-ticket-the-error-says-so")
def _():
    dial, _, server = through_squid(environment=realm().none, n=1)
    dial.failed("proxy", NEEDED, "offers: negotiate, digest, ntlm, basic", "Negotiate: there is no Kerberos ticket (kinit",
                status=407)
    assert server.n_connections == 0


@test("/interop/proxies/squid/a-kerberos-service-that-is-silent-holds-nothing-up")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((ADDRESS, 0))
        path = SCRATCH / "silent.conf"
        path.write_text(f"[libdefaults]\n default_realm = S.TEST\n[realms]\n S.TEST = {{\n  kdc = "
                        f"{ADDRESS}:{silent.getsockname()[1]}\n }}\n", encoding="ascii")
        begun = time.monotonic()
        dial, _, _ = through_squid("--schemes", "negotiate", "--login", login(), "--timeout-ms", 1000,
                                   environment={**realm().none, "KRB5_CONFIG": str(path)}, n=1)
        dial.failed("proxy", LATE, "the Kerberos service (KDC) did not answer", f"http://localhost:{squid().port}", status=407)
        assert time.monotonic() - begun < 4


@test("/interop/proxies/squid/forbidden-target-is-said-so")
def _():
    dial = Dial("--proxy", f"http://localhost:{squid().port}", "--login", login(), "--schemes", "basic", "target.test", 1)
    dial.failed("proxy", FORBIDDEN, "does not allow target.test:1", status=403)


# tinyproxy

@test("/interop/proxies/tinyproxy/basic")
def _():
    with tinyproxy(SCRATCH) as port, Server() as server:
        Dial("--proxy", f"http://{ADDRESS}:{port}", "--login", login(), ADDRESS, server.port).is_up(f"http://{ADDRESS}:{port}")
        Dial("--proxy", f"http://{ADDRESS}:{port}", "--login", login(password="x"), ADDRESS,
             server.port).failed("proxy", WRONG, status=401)


# Our own

def through_own(proxy, *arguments, host="target.test", scheme="http"):
    with Server() as server:
        proxy.names["target.test"] = ADDRESS
        dial = Dial("--proxy", f"{scheme}://{ADDRESS}:{proxy.port}", *arguments, host, server.port)
        return dial, server


for algorithm in ("SHA-256", "SHA-256-sess", "MD5", "MD5-sess"):
    @test(f"/interop/proxies/own/digest-{algorithm}")
    def _(algorithm=algorithm):
        with Proxy(algorithm) as proxy:
            dial, server = through_own(proxy, "--login", login())
            dial.is_up(f"http://{ADDRESS}:{proxy.port}")
            assert len(proxy.requests) == 2 and proxy.n_connections == 1 and server.n_connections == 1
            assert f"algorithm={algorithm}, " in proxy.requests[1]


@test("/interop/proxies/own/digest-split-at-every-octet")
def _():
    with Proxy("SHA-256", piece=1) as proxy:
        dial, _ = through_own(proxy, "--login", login())
        dial.is_up(f"http://{ADDRESS}:{proxy.port}")


@test("/interop/proxies/own/digest-nonce-always-stale-ends")
def _():
    with Proxy("SHA-256", uses_per_nonce=0) as proxy:
        dial, server = through_own(proxy, "--login", login())
        dial.failed("proxy", WRONG, status=407)
        assert len(proxy.requests) == 3 and server.n_connections == 0


@test("/interop/proxies/own/names-are-looked-up-by-the-proxy-and-addresses-bracketed")
def _():
    with Proxy() as proxy:
        dial, server = through_own(proxy)
        dial.is_up(f"http://{ADDRESS}:{proxy.port}")
        assert [step[0] for step in dial.steps] == ["resolve", "connect", "proxy", "ready"]
        assert dial.steps[0][1] == ADDRESS
        assert proxy.requests == [f"CONNECT target.test:{server.port} HTTP/1.1\r\nHost: target.test:{server.port}\r\n\r\n"]
    with Proxy() as proxy, Server(address="::1") as server:
        Dial("--proxy", f"http://{ADDRESS}:{proxy.port}", "[::1]", server.port).is_up(f"http://{ADDRESS}:{proxy.port}")
        assert proxy.requests[0].startswith(f"CONNECT [::1]:{server.port} HTTP/1.1\r\nHost: [::1]:{server.port}\r\n")


@test("/interop/proxies/own/markers-come-with-every-request")
def _():
    with Proxy("SHA-256") as proxy:
        dial, _ = through_own(proxy, "--login", login(), "--header", "User-Agent: 3GPP-IMS-FS_FIRE", "--header", "X-Own: 1",
                              "--alpn", "stun.turn")
        dial.is_up(f"http://{ADDRESS}:{proxy.port}")
        assert all("\r\nUser-Agent: 3GPP-IMS-FS_FIRE\r\nX-Own: 1\r\nALPN: stun.turn\r\n" in r for r in proxy.requests)


# TLS, with the proxy and inside

def make_certificate(name, names):
    directory = SCRATCH / name
    directory.mkdir(exist_ok=True)
    return certificate.make(directory, names)


@test("/interop/proxies/tls/proxy-by-tls-and-tls-inside-with-a-trust-of-their-own")
def _():
    outer = make_certificate("outer", f"IP:{ADDRESS}")
    inner = make_certificate("inner", "DNS:target.test")
    with Proxy("SHA-256", outer, {"target.test": ADDRESS}) as proxy, tls_server(*inner) as server:
        way = ("--proxy", f"https://{ADDRESS}:{proxy.port}", "--login", login(), "--tls")
        Dial(*way, "--proxy-ca", outer[0], "--ca", inner[0], "target.test", server.port).is_up(
            f"https://{ADDRESS}:{proxy.port}")
        before = len(proxy.requests)
        # Each is trusted by its own issuer alone, and nothing is kept from the success before.
        Dial(*way, "--proxy-ca", inner[0], "--ca", inner[0], "target.test", server.port).failed("proxy-tls", TLS_UNTRUSTED)
        assert len(proxy.requests) == before
        Dial(*way, "--proxy-ca", outer[0], "--ca", outer[0], "target.test", server.port).failed("tls", TLS_UNTRUSTED)


@test("/interop/proxies/tls/proxy-with-a-certificate-for-another-name-sees-no-request")
def _():
    outer = make_certificate("other", "DNS:elsewhere.test")
    with Proxy("basic", outer) as proxy:
        dial, server = through_own(proxy, "--login", login(), "--proxy-ca", outer[0], scheme="https")
        dial.failed("proxy-tls", TLS_NAME)
        assert proxy.requests == [] and server.n_connections == 0


# No way around

@test("/interop/proxies/never-direct-when-the-proxy-is-not-there")
def _():
    port = free_port()
    with Server() as server:
        Dial("--proxy", f"http://{ADDRESS}:{port}", ADDRESS, server.port).failed("connect", REFUSED, "the proxy")
        assert server.n_connections == 0


@test("/interop/proxies/each-dial-has-a-tunnel-of-its-own")
def _():
    with Proxy("SHA-256") as proxy, Server() as server:
        Dial("--proxy", f"http://{ADDRESS}:{proxy.port}", "--login", login(), "--repeat", 3, ADDRESS, server.port).is_up(
            f"http://{ADDRESS}:{proxy.port}")
        assert proxy.n_connections == 3 and server.n_connections == 3


run()

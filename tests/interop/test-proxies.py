#!/usr/bin/python3
"""Dials through proxies that are not ours, by every way of saying who is asking, and through one of our own that does what
those do not."""
import atexit
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
from process import GSSAPI_OPTIONS, SANITIZER  # noqa: E402
from proxy_peers import (ADDRESS, PASSWORD, USER, Proxy, Realm, Server, Squid, free_port, tinyproxy, tls_server)  # noqa: E402
from tap import run, test  # noqa: E402

DIAL = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "dial")
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="tepkit-proxies-"))
SCRATCH.chmod(0o755)
atexit.register(shutil.rmtree, SCRATCH, True)
_peers = {}

# gss-ntlmssp keeps a context and a hash of OpenSSL for the life of the process. Where it is unloaded before leaks are looked
# for, OpenSSL's functions tell them; where no symbolizer is installed, only its own name does.
(SCRATCH / "leaks").write_text("leak:OSSL_LIB_CTX_new\nleak:EVP_MD_fetch\nleak:gssntlmssp.so\n", encoding="ascii")
GSSAPI = {"ASAN_OPTIONS": GSSAPI_OPTIONS["ASAN_OPTIONS"] + ":fast_unwind_on_malloc=0",
          "LSAN_OPTIONS": f"suppressions={SCRATCH}/leaks:print_suppressions=0"}

# Of TurnConnectError.
INVALID, UNSUPPORTED, NAME_NOT_FOUND, REFUSED, LATE, NEEDED, WRONG, SCHEME, FORBIDDEN = 0, 1, 3, 5, 7, 9, 10, 11, 12
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
        dial = Dial("--proxy", f"http://localhost:{squid().port}", *arguments, host, server.port,
                    environment={**GSSAPI, **(environment or {})})
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


@test("/interop/proxies/squid/digest-goes-on-with-a-nonce")
def _():
    dial, seen, _ = through_squid("--schemes", "digest", "--login", login(), "--repeat", 3, environment=realm().none, n=4)
    dial.is_up(f"http://localhost:{squid().port}")
    assert [line[2] for line in seen] == ["407", "200", "200", "200"], seen


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


# Who says which proxy it is

CLEAN = {name: "" for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "no_proxy", "NO_PROXY",
                               "XDG_CURRENT_DESKTOP")} | {"HOME": str(SCRATCH), "XDG_CONFIG_HOME": str(SCRATCH),
                                                          "GSETTINGS_BACKEND": "memory"}


def by_words(words, host, server, *arguments, environment=None, **others):
    return Dial("--proxy", words, "--timeout-ms", 4000, *arguments, host, server.port,
                environment={**CLEAN, **(environment or {})}, **others)


for words, source in (("env", "environment"), ("auto", "environment"), ("system", "libproxy")):
    @test(f"/interop/proxies/found/{words}-by-the-{source}")
    def _(words=words):
        with Proxy(names={"target.test": ADDRESS}) as proxy, Server() as server:
            url = f"http://{ADDRESS}:{proxy.port}"
            dial = by_words(words, "target.test", server, environment={"https_proxy": url})
            dial.is_up(url)
            assert dial.steps[0] == ["find-proxy", f"target.test:{server.port}"]
            by_words(words, ADDRESS, server, environment={"https_proxy": url, "no_proxy": ADDRESS}).is_up("direct")
            assert len(proxy.requests) == 1


@test("/interop/proxies/found/none-is-direct-and-nothing-set-too")
def _():
    with Server() as server:
        by_words("none", ADDRESS, server, environment={"https_proxy": f"http://{ADDRESS}:1"}).is_up("direct")
        for words in ("env", "auto", "system"):
            by_words(words, ADDRESS, server).is_up("direct")


@test("/interop/proxies/found/what-the-environment-says-wrongly-is-never-direct")
def _():
    with Server() as server:
        for words in ("env", "auto"):
            by_words(words, ADDRESS, server, environment={"https_proxy": "socks5://a:1"}).failed(
                "find-proxy", UNSUPPORTED, "https_proxy", "http://")
            by_words(words, ADDRESS, server, environment={"https_proxy": "http://no where:1"}).failed(
                "find-proxy", INVALID, "https_proxy")
        assert server.n_connections == 0


def pac_file(text, name="test.pac"):
    path = SCRATCH / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return f"file://{path}"


def pac(*ways):
    return f'function FindProxyForURL (url, host) {{ return "{"; ".join(ways)}"; }}'


class PacServer(Server):
    """Gives one file to everybody."""

    def __init__(self, reply):
        self.reply, self.asked = reply, []
        super().__init__()

    def handle(self, connection):
        self.asked.append(Proxy.read_head(connection))
        connection.sendall(self.reply)


def http(text, head="HTTP/1.0 200 OK\r\nContent-Type: application/x-ns-proxy-autoconfig"):
    return f"{head}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@test("/interop/proxies/pac/ways-are-tried-in-order")
def _():
    with Proxy(names={"target.test": ADDRESS}) as proxy, Server() as server:
        url, dead = f"http://{ADDRESS}:{proxy.port}", f"PROXY {ADDRESS}:{free_port()}"
        good = f"PROXY {ADDRESS}:{proxy.port}"
        words = "pac+" + pac_file(pac(dead, good, "DIRECT"))
        by_words(words, "target.test", server).is_up(url)
        by_words("pac+" + pac_file(pac(dead, "DIRECT")), ADDRESS, server).is_up("direct")
        n = server.n_connections
        by_words("pac+" + pac_file(pac("SOCKS5 x:1", "DIRECT")), ADDRESS, server).failed(
            "find-proxy", UNSUPPORTED, "SOCKS is not spoken here", "SOCKS5 x:1; DIRECT")
        by_words("pac+" + pac_file(pac(dead, "SOCKS x:1", "DIRECT")), ADDRESS, server).failed("connect", REFUSED)
        by_words("pac+" + pac_file(pac(dead, "PROXY nowhere.invalid:1")), ADDRESS, server).failed(
            "resolve", NAME_NOT_FOUND, "refused", "; then the proxy: ")
        assert server.n_connections == n


@test("/interop/proxies/pac/a-proxy-that-refuses-has-the-last-word")
def _():
    with Proxy("SHA-256") as proxy, Server() as server:
        words = "pac+" + pac_file(pac(f"PROXY {ADDRESS}:{proxy.port}", "DIRECT"))
        by_words(words, ADDRESS, server).failed("proxy", NEEDED, status=407)
        assert server.n_connections == 0
        by_words(words, ADDRESS, server, "--login", login()).is_up(f"http://{ADDRESS}:{proxy.port}")


@test("/interop/proxies/pac/a-proxy-it-names-gets-no-password-in-the-clear-unless-allowed-by-name")
def _():
    with Proxy("basic") as proxy, Server() as server:
        words = "pac+" + pac_file(pac(f"PROXY {ADDRESS}:{proxy.port}"))
        by_words(words, ADDRESS, server, "--login", login()).failed("proxy", SCHEME, "offers only", "basic")
        assert not any("Authorization" in request for request in proxy.requests)
        by_words(words, ADDRESS, server, "--login", login(), "--schemes", "basic").is_up(f"http://{ADDRESS}:{proxy.port}")


@test("/interop/proxies/pac/is-asked-about-the-place")
def _():
    text = """function FindProxyForURL (url, host) {
      if (url == "https://[::1]:%d/" && host == "::1") return "DIRECT";
      return "PROXY nowhere.invalid:1"; }"""
    with Server(address="::1") as server:
        by_words("pac+" + pac_file(text % server.port), "::1", server).is_up("direct")


@test("/interop/proxies/pac/by-http-and-by-https-with-the-proxy's-trust")
def _():
    outer = make_certificate("pac", f"IP:{ADDRESS}")
    with Server() as server, PacServer(http(pac("DIRECT"))) as plain:
        place = f"http://{ADDRESS}:{plain.port}/proxy.pac?x=1"
        by_words(f"pac+{place}", ADDRESS, server).is_up("direct")
        asked = [f"GET /proxy.pac?x=1 HTTP/1.0\r\nHost: {ADDRESS}:{plain.port}\r\nAccept: */*\r\n\r\n"]
        assert plain.asked == asked
        by_words(f"pac+{place}", ADDRESS, server, "--repeat", 3).is_up("direct")
        assert plain.asked == asked * 2, "it is fetched once for the dials of a process"

        def handle(connection, context=None):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*outer)
            with context.wrap_socket(connection, server_side=True) as inside:
                Proxy.read_head(inside)
                inside.sendall(http(pac("DIRECT")))
        with Server(handle) as safe:
            by_words(f"pac+https://{ADDRESS}:{safe.port}/", ADDRESS, server, "--proxy-ca", outer[0]).is_up("direct")
            by_words(f"pac+https://{ADDRESS}:{safe.port}/", ADDRESS, server).failed(
                "find-proxy", TLS_UNTRUSTED, f"https://{ADDRESS}:{safe.port}/")


for name, reply, code, word in (
        ("404", http("no", "HTTP/1.0 404 No"), "INVALID", "status is not 200"),
        ("moved", http("no", "HTTP/1.0 302 Go\r\nLocation: /x"), "INVALID", "elsewhere"),
        ("cut", http(pac("DIRECT"))[:-3], "INVALID", "not as long"),
        ("in-chunks", http(pac("DIRECT"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"), "INVALID", ""),
        ("no-http", b"function FindProxyForURL (u, h) { return 'DIRECT'; }", "INVALID", "HTTP"),
        ("nothing", b"", "INVALID", ""),
        ("endless", b"HTTP/1.0 200 OK\r\n\r\n" + b" " * 1000000, "INVALID", "900 kB"),
        ("empty", http(""), "INVALID", "empty"),
        ("broken", http("function FindProxyForURL (u, h) {"), "INVALID", "pactester fails: JSERROR"),
        ("throwing", http("function FindProxyForURL (u, h) { throw 'x'; }"), "INVALID", "pactester fails"),
        ("without-the-function", http("var x = 1;"), "INVALID", "pactester fails"),
        ("saying-nothing", http("function FindProxyForURL (u, h) { }"), "INVALID", "undefined"),
        ("saying-nonsense", http(pac("PROXY no where:1", "DIRECT")), "INVALID", "not understood"),
        ("spinning", http("function FindProxyForURL (u, h) { while (true); }"), "LATE", "came to no end"),
        ("greedy", http("var a = 'x'; while (true) a += a;"), "INVALID", ""),
        ("talkative", http("function FindProxyForURL (u, h) { var a = 'DIRECT;'; while (a.length < 1e6) a += a; return a; }"),
         "LATE", "came to no end")):
    @test(f"/interop/proxies/pac/that-is-{name}-is-an-error-that-names-it")
    def _(reply=reply, code=code, word=word):
        with Server() as server, PacServer(reply) as source:
            place = f"http://{ADDRESS}:{source.port}/p.pac"
            by_words(f"pac+{place}", ADDRESS, server, "--timeout-ms", 9000).failed(
                "find-proxy", globals()[code], f"the proxy configuration file {place}", word)
            assert server.n_connections == 0


@test("/interop/proxies/pac/that-does-not-come-is-an-error-that-names-it")
def _():
    def stay(connection):
        connection.recv(65536)
        connection.recv(1)
    with Server() as server, Server(stay) as silent:
        place = f"http://{ADDRESS}:{silent.port}/"
        by_words(f"pac+{place}", ADDRESS, server, "--timeout-ms", 500).failed("find-proxy", LATE, place, "did not come in time")
        place = f"http://{ADDRESS}:{free_port()}/"
        by_words(f"pac+{place}", ADDRESS, server).failed("find-proxy", REFUSED, place)
        by_words("pac+file:///nowhere.pac", ADDRESS, server).failed("find-proxy", INVALID, "file:///nowhere.pac", "No such file")
        os.mkfifo(SCRATCH / "pipe.pac")
        for path in (SCRATCH / "pipe.pac", SCRATCH, "/dev/zero", "/dev/tty"):
            by_words(f"pac+file://{path}", ADDRESS, server).failed("find-proxy", INVALID, str(path))
        by_words("pac+ftp://a/", ADDRESS, server).failed("none", INVALID, "not of the form")
        assert server.n_connections == 0


@test("/interop/proxies/pac/runs-without-our-environment-and-identity")
def _():
    folder = SCRATCH / "bin"
    folder.mkdir()
    (folder / "pactester").write_text("#!/bin/sh\necho \"PROXY $(id -u).$(env | grep -c SECRET).invalid:1\"\n", encoding="ascii")
    (folder / "pactester").chmod(0o755)
    with Server() as server:
        dial = by_words("pac+" + pac_file("x"), ADDRESS, server,
                        environment={"PATH": f"{folder}:{os.environ['PATH']}", "SECRET": "1"})
        dial.failed("resolve", NAME_NOT_FOUND, f"{65534 if os.geteuid() == 0 else os.geteuid()}.0.invalid")


@test("/interop/proxies/pac/without-the-program-the-error-names-the-package")
def _():
    with Server() as server:
        place = pac_file(pac("DIRECT"))
        by_words("pac+" + place, ADDRESS, server, environment={"PATH": str(SCRATCH)}).failed(
            "find-proxy", UNSUPPORTED, place, "libpacparser1")
        by_words("system", ADDRESS, server, environment={"PATH": str(SCRATCH)}).failed("find-proxy", UNSUPPORTED, "libproxy-tools")
        assert server.n_connections == 0


@test("/interop/proxies/found/a-file-that-the-desktop-names-is-treated-as-one-named-here")
def _():
    place = pac_file("not JavaScript", "desktop.pac")
    schemas = SCRATCH / "schemas"
    schemas.mkdir()
    (schemas / "p.gschema.xml").write_text(
        f"<schemalist><schema id='org.gnome.system.proxy' path='/system/proxy/'><key name='mode' type='s'><default>'auto'</default>"
        f"</key><key name='autoconfig-url' type='s'><default>'{place}'</default></key></schema></schemalist>", encoding="ascii")
    subprocess.run(["glib-compile-schemas", schemas], check=True)
    (SCRATCH / "kioslaverc").write_text(f"[Proxy Settings]\nProxyType=2\nProxy Config Script={place}\n", encoding="ascii")
    with Server() as server:
        for environment in ({"GSETTINGS_SCHEMA_DIR": str(schemas)}, {"XDG_CURRENT_DESKTOP": "KDE"}, {"https_proxy": f"pac+{place}"}):
            by_words("system", ADDRESS, server, environment=environment).failed("find-proxy", INVALID, place, "pactester fails")
        (SCRATCH / "kioslaverc").write_text("[Proxy Settings]\nProxyType[$i]=3\n", encoding="ascii")
        for environment in ({"XDG_CURRENT_DESKTOP": "KDE"}, {"KDE_FULL_SESSION": "true"}, {"https_proxy": "wpad://"}):
            by_words("system", ADDRESS, server, environment=environment).failed("find-proxy", UNSUPPORTED, "WPAD")
        (SCRATCH / "kioslaverc").write_text("[Proxy Settings]\nProxyType=2\nProxy Config Script=\n", encoding="ascii")
        by_words("system", ADDRESS, server, environment={"XDG_CURRENT_DESKTOP": "KDE"}).failed("find-proxy", INVALID, "name none")
        (SCRATCH / "kioslaverc").unlink()
        (SCRATCH / "kioslaverc").mkdir()
        by_words("system", ADDRESS, server, environment={"XDG_CURRENT_DESKTOP": "KDE"}).failed("find-proxy", INVALID, "KDE's settings")
        assert server.n_connections == 0


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


@test("/interop/proxies/own/digest-goes-on-with-a-nonce-until-it-is-used-up")
def _():
    with Proxy("SHA-256-sess", uses_per_nonce=2) as proxy, Server() as server:
        Dial("--proxy", f"http://{ADDRESS}:{proxy.port}", "--login", login(), "--repeat", 4, ADDRESS, server.port).is_up(
            f"http://{ADDRESS}:{proxy.port}")
        counts = [re.search(r" nc=(\w+)", request) for request in proxy.requests]
        assert [c and int(c[1], 16) for c in counts] == [None, 1, 2, 3, 1, 2], counts
    with Proxy("MD5", uses_per_nonce=2, forgets=True) as proxy, Server() as server:
        Dial("--proxy", f"http://{ADDRESS}:{proxy.port}", "--login", login(), "--repeat", 2, ADDRESS, server.port).is_up(
            f"http://{ADDRESS}:{proxy.port}")
        assert len(proxy.requests) == 4  # that a nonce is forgotten is no wrong password


run()

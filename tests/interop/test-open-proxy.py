#!/usr/bin/python3
"""TEP-S is nobody's proxy, in the judgement of nmap: plain and inside TLS, on each port. The same judge finds tinyproxy open."""
import contextlib
import re
import selectors
import socket
import ssl
import threading

from ends import Scratch, Server
from lab import Lab
from process import Process, wait_for_tcp
from tap import run, test

PATIENCE_S = 20
PROXY_PORT, RELAY_PORT, TLS_PORT = 8888, 7000, 7443
EVERY_METHOD = {"GET", "HEAD", "CONNECTION"}
CONNECT_REFUSED, CONNECT_ACCEPTED = (f'tep_server_connect_requests_total{{result="{result}"}}'
                                     for result in ("refused", "accepted"))
WEB_ANSWERS = "tep_server_web_answers_total"
WEB_PAGE = "http://peer.lab/"


class Relay:
    """A TCP port of a host that is carried elsewhere; a context. server, client: TLS contexts of either side, or None.

    nmap's script speaks to a proxy in plain TCP alone; this is how it gets into TLS.
    """

    def __init__(self, lab, host, port, target, server=None, client=None):
        self._lab, self._host, self._target, self._server, self._client = lab, host, target, server, client
        self._listener = lab.socket(host)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._carry, args=self._listener.accept()[:1], daemon=True).start()

    def _carry(self, near):
        with contextlib.suppress(OSError), near, self._lab.socket(self._host) as far:
            near.settimeout(PATIENCE_S)
            far.settimeout(PATIENCE_S)
            far.connect(self._target)
            near = self._server.wrap_socket(near, server_side=True) if self._server else near
            far = self._client.wrap_socket(far, server_hostname="core.lab") if self._client else far
            with near, far, selectors.DefaultSelector() as selector:
                selector.register(near, selectors.EVENT_READ, far)
                selector.register(far, selectors.EVENT_READ, near)
                while all(self._pass_on(key) for key, _ in selector.select(PATIENCE_S) or [None]):
                    pass

    @staticmethod
    def _pass_on(key):
        octets = key.fileobj.recv(65536) if key else b""
        if octets:
            key.data.sendall(octets)
        return octets

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def judged_open(lab, host, address, port, page=WEB_PAGE):
    """Which methods nmap finds that a proxy takes from anybody: GET, HEAD, CONNECTION. page: what it asks for, or None for
    nmap's own choice, sites that are not there."""
    arguments = ["nmap", "-6" if ":" in address else "-4", "-n", "-Pn", "-sT", "-p", port, "--script", "+http-open-proxy"]
    if page:
        arguments += ["--script-args", f"proxy.url={page}"]
    said = lab.run(host, [*arguments, address], timeout=60)
    assert said.returncode == 0 and re.search(rf"^{port}/tcp +open ", said.stdout, re.MULTILINE), said
    if "Potentially OPEN proxy" not in said.stdout:
        assert "http-open-proxy" not in said.stdout, said.stdout
        return set()
    return set(re.search(r"Methods supported: *(.*)", said.stdout)[1].split())


def trusting(scratch, protocol):
    context = ssl.create_default_context(cafile=scratch.certificate())
    if protocol:
        context.set_alpn_protocols([protocol])
    return context


@contextlib.contextmanager
def open_proxy(lab, scratch):
    """A tinyproxy that takes CONNECT to every port, and a web page behind it; its port."""
    pages = scratch.path / "pages"
    pages.mkdir()
    configuration = scratch.path / "tinyproxy.conf"
    configuration.write_text(f"Port {PROXY_PORT}\nListen 127.0.0.1\nAllow 127.0.0.1\n", encoding="ascii")
    with Process(["/usr/bin/python3", "-m", "http.server", "--directory", pages, "80"], lab, "peer"), \
            Process(["tinyproxy", "-d", "-c", configuration], lab, "peer"):
        for port in (80, PROXY_PORT):
            wait_for_tcp(lab, "peer", "127.0.0.1", port, PATIENCE_S)
        yield PROXY_PORT


@test("/interop/open-proxy/nmap-finds-tinyproxy-open-and-tep-s-not-in-plain-and-inside-tls")
def _():
    with Scratch() as scratch, Lab.up("open") as lab, Server(lab, scratch) as server, contextlib.ExitStack() as stack:
        # The judge is able to find one, in both ways that it is asked below.
        proxy = stack.enter_context(open_proxy(lab, scratch))
        assert judged_open(lab, "peer", "127.0.0.1", proxy) == EVERY_METHOD
        at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        at_server.load_cert_chain(scratch.certificate(), scratch.path / "key.pem")
        stack.enter_context(Relay(lab, "peer", TLS_PORT, ("127.0.0.1", proxy), server=at_server))
        stack.enter_context(Relay(lab, "peer", RELAY_PORT, ("127.0.0.1", TLS_PORT), client=trusting(scratch, None)))
        assert judged_open(lab, "peer", "127.0.0.1", RELAY_PORT) == EVERY_METHOD

        # Pages that the core could reach, and, as nmap would have it by itself, some that it could not.
        for mark in ("", "6"):
            for port in (80, 443):
                for page in (WEB_PAGE, "http://127.0.0.1/", None):
                    assert not judged_open(lab, "peer", lab[f"CORE_ADDR{mark}"], port, page), (mark, port, page)
        plain = server.metrics()
        assert plain[CONNECT_REFUSED] >= 12 and plain[WEB_ANSWERS] >= 24, plain
        for number, protocol in enumerate((None, "http/1.1", "stun.turn"), 1):
            stack.enter_context(Relay(lab, "peer", RELAY_PORT + number, (lab["CORE_ADDR"], 443),
                                      client=trusting(scratch, protocol)))
            assert not judged_open(lab, "peer", "127.0.0.1", RELAY_PORT + number), protocol
        in_tls = server.metrics()
        assert in_tls["tep_server_tls_handshakes_total"] >= 9, in_tls
        assert in_tls[CONNECT_REFUSED] >= plain[CONNECT_REFUSED] + 3, in_tls
        assert in_tls[CONNECT_ACCEPTED] == 0, in_tls


run(at_once=3)

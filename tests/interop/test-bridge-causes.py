#!/usr/bin/python3
"""libnice behind a bridge where there is no way: the gathering ends within 3 s, and the cause can be read."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
from coturn import coturn  # noqa: E402
from helper import proxy_of  # noqa: E402
from lab import Lab  # noqa: E402
from nice_talk import ends, exchanges, talk  # noqa: E402
from odd_servers import hangs_up, resets, serving, silent, slow_proxy, tls  # noqa: E402
from tap import run, test  # noqa: E402


@test("/interop/bridge-causes/proxy-says-no/the-cause-is-told")
def _():
    with Lab.up("proxy-basic") as lab, coturn(lab) as (_, trusted):
        proxy = proxy_of(lab, "proxy-basic")
        ends(lab, trusted, "the proxy", "did not accept the configured user and password",
             options=proxy_of(lab, "proxy-basic", ("alice", "wrong")))
        ends(lab, trusted, "the proxy", "does not allow", options=proxy, server="core.lab:5349")
        ends(lab, trusted, "waiting for the proxy's answer to CONNECT", options=proxy, server="nobody.lab:443")
        ends(lab, trusted, f"connecting to {lab['PROXY_ADDR']}:1", options=("--proxy", f"http://{lab['PROXY_ADDR']}:1"))


@test("/interop/bridge-causes/server-says-no/the-cause-is-told")
def _():
    with Lab.up("open") as lab:
        with coturn(lab, "--user-quota=1") as (_, trusted):
            ends(lab, trusted, "refused the allocation: 401", password="wrong")
            status, events = talk(lab, trusted)
            assert status == 3 and any("486" in e.get("cause", "") for e in events), status
            ends(lab, trusted, "for another name", "not for nobody.lab", options=("--name", "nobody.lab"))
            with tempfile.TemporaryDirectory(prefix="tepkit-bridge-") as keep:
                ends(lab, certificate.make(keep)[0], "not trusted")
            ends(lab, trusted, "refused", server="core.lab:5349")
            ends(lab, trusted, "the proxy", "refused", options=("--proxy", f"http://{lab['PEER_ADDR']}:1"))


@test("/interop/bridge-causes/server-is-odd/the-cause-is-told")
def _():
    with Lab.up("open") as lab, tempfile.TemporaryDirectory(prefix="tepkit-bridge-") as keep:
        trusted, _ = certificate.make(keep)
        address = lab["CORE_ADDR"]
        for behave, words in ((silent, ("did not finish the TLS handshake",)), (tls(trusted, silent), ("does not answer",)),
                              (tls(trusted, hangs_up), ("cut the connection",)), (tls(trusted, resets), ("reset",)),
                              (hangs_up, ("TLS",)), (resets, ("TLS",))):
            with serving(lab, "core", address, 443, behave):
                if behave is silent:
                    words = ("gave no answer within", "beginning TLS with")
                ends(lab, trusted, *words, server=f"{address}:443")


@test("/interop/bridge-causes/plain-text-is-never-sent-to-a-server-that-would-take-it")
def _():
    with Lab.up("open") as lab, tempfile.TemporaryDirectory(prefix="tepkit-bridge-") as keep:
        trusted, _ = certificate.make(keep)
        heard = []

        def listen(connection):
            heard.append(connection.recv(4096))
            connection.sendall(b"\x01\x13\x00\x00\x21\x12\xa4\x42" + bytes(12))
            connection.recv(4096)
        with serving(lab, "core", lab["CORE_ADDR"], 443, listen):
            ends(lab, trusted, "TLS", server=f"{lab['CORE_ADDR']}:443")
        assert heard and all(octets[:2] == b"\x16\x03" for octets in heard), heard


@test("/interop/bridge-causes/slow-proxy/is-waited-for-or-named")
def _():
    with Lab.up("open") as lab, coturn(lab) as (_, trusted):
        proxy = ("--proxy", f"http://{lab['PEER_ADDR']}:8080")
        with serving(lab, "peer", lab["PEER_ADDR"], 8080, slow_proxy(lab, "peer", 2.3)):
            exchanges(lab, trusted, *proxy, "--late")
        with serving(lab, "peer", lab["PEER_ADDR"], 8080, slow_proxy(lab, "peer", 3.5)):
            ends(lab, trusted, "gave no answer within 2.7 s", "waiting for the proxy's answer to CONNECT", options=proxy)
            exchanges(lab, trusted, *proxy, "--wait")


run(at_once=3)

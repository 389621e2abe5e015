#!/usr/bin/python3
"""SIP clients that know only plain TCP register and call through "turn-connect forward": TLS on 443, through a proxy."""
import contextlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import audio  # noqa: E402
from baresip import Baresip, speech  # noqa: E402
from ends import Scratch, secret  # noqa: E402
from kamailio import Kamailio  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, program, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

PORT = 5070
HERE = f"127.0.0.1:{PORT}"
PATIENCE_S = 20


class Forward(Process):
    """turn-connect forward in the host "device", through the network's proxy where there is one."""

    def __init__(self, lab, scratch, *more, to="core.lab:443", listen=HERE):
        arguments = [program("turn-connect"), "forward", "--json", "--listen", listen, "--to", to,
                     "--ca", scratch.certificate(), *more]
        if lab.network.proxy:
            arguments += ["--proxy", lab["PROXY_URL"]]
        if lab.network.login:
            arguments += ["--proxy-credentials",
                          secret(scratch.path, "proxy.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}")]
        super().__init__(arguments, lab, "device", name="turn-connect")
        self.wait_for('"event":"listening"')

    def events(self, name=None):
        found = [json.loads(line) for line in self.output.splitlines() if line.endswith("}")]
        return [event for event in found if name in (None, event["event"])]

    def wait_for_event(self, name, timeout_s=PATIENCE_S):
        return wait_until(lambda: self.events(name), timeout_s, name)[0]


@contextlib.contextmanager
def place(network="proxy-basic"):
    """A network with a registrar in its core."""
    with Scratch() as scratch, Lab.up(network) as lab:
        certificate = scratch.certificate()
        with Kamailio(lab, scratch.path, certificate, scratch.path / "key.pem") as registrar:
            yield scratch, lab, registrar


def connect(lab):
    """A socket of the device, connected to the forward."""
    client = lab.socket("device")
    client.settimeout(PATIENCE_S)
    client.connect(("127.0.0.1", PORT))
    return client


def came_by_tls(lab, seen, user):
    """The device's user reached the registrar by TLS and from the site's public address."""
    found = {(address, kind) for address, kind, name in seen if name == user}
    assert found and found <= {(lab["PUBLIC_ADDR"], "tls"), (lab["PUBLIC_ADDR6"], "tls")}, seen


@test("/interop/signalling/baresip-registers-and-is-called-through-squid-with-a-password")
def _():
    with place() as (scratch, lab, registrar), Forward(lab, scratch) as forward:
        said = speech(audio.mu_law(scratch.path, "demo-congrats", length_s=2), scratch.path / "said.wav")
        with Baresip(lab, "device", lab["DEVICE_ADDR"], scratch.path / "alice", said,
                     registrar=("alice", "core.lab", f"sip:{HERE};transport=tcp")) as alice:
            alice.wait_for("200 OK", PATIENCE_S)
            came_by_tls(lab, registrar.seen("REGISTER"), "alice")
            with Baresip(lab, "peer", lab["PEER_ADDR"], scratch.path / "bob", said, dial="sip:alice@core.lab",
                         registrar=("bob", "core.lab", f"sip:{lab['CORE_ADDR']}:5060;transport=tcp")) as bob:
                for each in (alice, bob):
                    each.wait_for_end(PATIENCE_S)
            came_by_tls(lab, registrar.seen("BYE") + registrar.seen("REGISTER"), "alice")
        connected = forward.events("connected")
        assert connected and {e["name"] for e in connected} == {"core.lab"}, connected
        assert all(e["proxy"] == lab["PROXY_URL"] and e["tls"].startswith("TLSv1.") for e in connected), connected


SIPP = {
    "register": """<?xml version="1.0"?><scenario name="register">
<send retrans="500"><![CDATA[
REGISTER sip:core.lab SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:carol@core.lab>;tag=[call_number]
To: <sip:carol@core.lab>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:carol@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Expires: 600
Content-Length: 0

]]></send><recv response="200"/></scenario>""",
    "call": """<?xml version="1.0"?><scenario name="call">
<send retrans="500"><![CDATA[
INVITE sip:bob@core.lab SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:carol@core.lab>;tag=[call_number]
To: <sip:bob@core.lab>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:carol@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=carol 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="183" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:carol@core.lab>;tag=[call_number]
To: <sip:bob@core.lab>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<pause milliseconds="200"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:carol@core.lab>;tag=[call_number]
To: <sip:bob@core.lab>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send><recv response="200"/></scenario>""",
}


def sipp(lab, directory, scenario):
    """Runs a scenario of sipp over TCP to the forward; it has to succeed."""
    path = pathlib.Path(directory, f"{scenario}.xml")
    path.write_text(SIPP[scenario], encoding="ascii")
    ended = lab.run("device", ["sipp", "-sf", path, "-t", "t1", "-m", "1", "-timeout", str(PATIENCE_S), "-timeout_error",
                               "-i", "127.0.0.1", HERE], cwd=directory, timeout=2 * PATIENCE_S)
    assert ended.returncode == 0, (ended.stdout[-2000:], ended.stderr[-500:])


@test("/interop/signalling/sipp-registers-and-calls-through-squid-with-a-password")
def _():
    with place() as (scratch, lab, registrar), Forward(lab, scratch) as forward:
        sipp(lab, scratch.path, "register")
        said = speech(audio.mu_law(scratch.path, "demo-congrats", length_s=8), scratch.path / "said.wav")
        with Baresip(lab, "peer", lab["PEER_ADDR"], scratch.path / "bob", said,
                     registrar=("bob", "core.lab", f"sip:{lab['CORE_ADDR']}:5060;transport=tcp")) as bob:
            bob.wait_for("200 OK", PATIENCE_S)
            sipp(lab, scratch.path, "call")
            bob.wait_for_end(PATIENCE_S)
        for method in ("REGISTER", "INVITE", "BYE"):
            came_by_tls(lab, [s for s in registrar.seen(method) if s[2] == "carol"], "carol")
        wait_until(lambda: len(forward.events("ended")) == 2, PATIENCE_S, "the ends of both connections")
        assert all("cause" not in event for event in forward.events("ended")), forward.events("ended")


@test("/interop/signalling/keepalives-of-rfc-5626-pass-at-once-and-are-answered")
def _():
    with place() as (scratch, lab, _), Forward(lab, scratch), connect(lab) as client:
        for _ in range(5):
            begin = time.monotonic()
            client.sendall(b"\r\n\r\n")
            assert client.recv(16) == b"\r\n"
        assert time.monotonic() - begin < 0.2, "a keepalive was held back"


@test("/interop/signalling/a-registrar-under-another-name-is-refused")
def _():
    with place() as (scratch, lab, registrar), Forward(lab, scratch, "--tls-name", "sip.lab") as forward:
        with connect(lab) as client:
            client.sendall(b"REGISTER sip:core.lab SIP/2.0\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(16) == b""
        ended = forward.wait_for_event("ended")
        assert ended["kind"] == "tls-name" and "core.lab" in ended["cause"] and "sip.lab" in ended["cause"], ended
        assert not registrar.seen("REGISTER") and not forward.events("connected")


@test("/interop/signalling/nothing-passes-but-through-the-proxy")
def _():
    with place() as (scratch, lab, registrar):
        bare = Process([program("turn-connect"), "forward", "--json", "--listen", HERE, "--to", f"{lab['CORE_ADDR']}:443",
                        "--ca", scratch.certificate(), "--timeout", "2"], lab, "device", name="turn-connect")
        with bare:
            bare.wait_for('"event":"listening"')
            with connect(lab) as client, contextlib.suppress(ConnectionResetError):
                assert client.recv(16) == b""
            bare.wait_for('"kind":"timed-out"')
        assert lab.refused()["tcp"] > 0 and not registrar.seen("REGISTER")


run()

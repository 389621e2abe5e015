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
from lab import Lab, Options  # noqa: E402
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
def place(network="proxy-basic", ports=("tls:443", "tcp:5060"), refuse=""):
    """A network with a registrar in its core."""
    with Scratch() as scratch, Lab.up(network, options=Options(refuse=refuse)) as lab:
        certificate = scratch.certificate()
        with Kamailio(lab, scratch.path, certificate, scratch.path / "key.pem", ports) as registrar:
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


REGISTER = (b"REGISTER sip:core.lab SIP/2.0\r\nVia: SIP/2.0/TCP 192.168.1.10:5060;branch=z9hG4bK1;rport\r\n"
            b"From: <sip:dave@core.lab>;tag=1\r\nTo: <sip:dave@core.lab>\r\nCall-ID: %d\r\nCSeq: 1 REGISTER\r\n"
            b"Contact: <sip:dave@192.168.1.10>\r\nMax-Forwards: 70\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n")
WAYS = ("--way", "ordinary=tcp:core.lab:5060", "--way", "nat=tls:core.lab:5061")
KAMAILIO_PORTS = ("tcp:5060", "tls:5061", "tls:443")


def register(lab, number=1):
    """Registers over a connection of its own; the status line."""
    with connect(lab) as client:
        client.sendall(REGISTER % number)
        return client.recv(4096).split(b"\r\n")[0].decode()


@test("/interop/signalling/a-registrar-that-cannot-be-reached-is-a-503-that-says-why")
def _():
    with place() as (scratch, lab, _), Forward(lab, scratch, to="core.lab:444"):
        assert register(lab).startswith("SIP/2.0 503 the proxy http://192.168.2.10:3128 does not allow"), register(lab)


# What each network leaves of the three ways, in clause 8.3's order, and how it refuses the others.
LEFT = {"nat": ("ordinary", ""), "web-only": ("last", "drop"), "proxy-basic": ("last", "reset")}


def ways_in(network):
    with place(network, KAMAILIO_PORTS, LEFT[network][1]) as (scratch, lab, registrar), Forward(lab, scratch, *WAYS) as forward:
        for number in (1, 2):
            assert register(lab, number) == "SIP/2.0 200 OK"
        chosen = [event["way"] for event in forward.events("connected")]
        failed = [event["way"] for event in forward.events("way-failed")]
        assert chosen == [LEFT[network][0]] * 2, forward.events()
        # Each in order, and only once: the second connection begins with what worked.
        assert failed == ([] if network == "nat" else ["ordinary", "nat"]), forward.events()
        assert {kind for _, kind, _ in registrar.seen("REGISTER")} == {"tcp" if network == "nat" else "tls"}


for name in LEFT:
    test(f"/interop/signalling/the-ways-are-tried-in-order-and-remembered/{name}")(lambda name=name: ways_in(name))


def firewall(lab, rule):
    """A further rule of the firewall, for what the device sends."""
    lab.run("firewall", ["nft", "add table inet more; add chain inet more forward { type filter hook forward priority -10; }; "
                         f"flush chain inet more forward; {rule}"], check=True)


def move(lab, router):
    """The device's default route leads elsewhere, as in another network."""
    lab.run("firewall", ["ip", "addr", "replace", f"{router}/24", "dev", "lan"], check=True)
    lab.run("device", ["ip", "-6", "route", "flush", "default"])
    lab.run("device", ["ip", "route", "replace", "default", "via", router], check=True)


@test("/interop/signalling/ways-are-looked-at-again-when-the-network-changes")
def _():
    with place("nat", KAMAILIO_PORTS) as (scratch, lab, _), Forward(lab, scratch, *WAYS) as forward:
        def used():
            before = len(forward.events("connected"))
            assert register(lab, before) == "SIP/2.0 200 OK"
            return [event["way"] for event in forward.events("connected")[before:]]
        assert used() == ["ordinary"]
        # Another network, whose firewall knows SIP: it takes connections to 5060 and swallows what they say.
        firewall(lab, "add rule inet more forward tcp dport 5060 @ih,0,32 0x52454749 drop")
        move(lab, "192.168.1.2")
        forward.wait_for_event("network-changed")
        assert used() == ["ordinary", "nat"]
        silence = forward.events("way-failed")[-1]
        assert silence["way"] == "ordinary" and silence["kind"] == "timed-out" and "did not answer within 4 s" in silence["cause"]
        assert used() == ["nat"]
        # A third lets nothing but 443 pass; and back to the second, which is remembered.
        firewall(lab, "add rule inet more forward tcp dport { 5060, 5061 } reject with tcp reset")
        move(lab, "192.168.1.3")
        wait_until(lambda: len(forward.events("network-changed")) == 2, PATIENCE_S, "the third network")
        assert used() == ["last"] and used() == ["last"]
        firewall(lab, "add rule inet more forward tcp dport 5060 drop")
        move(lab, "192.168.1.2")
        wait_until(lambda: len(forward.events("network-changed")) == 3, PATIENCE_S, "the second network")
        assert used() == ["nat"]


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


run(at_once=3)

#!/usr/bin/python3
"""What passes the networks that filter by port and protocol, that inspect, and that open TLS: octets of many kinds against echo
servers of socat, pages of openssl fetched by curl, STUN inside TLS of openssl, resets as tshark sees them."""
import concurrent.futures
import contextlib
import functools
import pathlib
import random
import socket
import ssl
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, wait_for_tcp, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

AT_ONCE = 6
PATIENCE_S = 2.0       # nothing that passes takes longer
PORTS = {"tcp": (80, 443, 3478, 5060, 50000), "udp": (53, 443, 3478, 5060, 50000)}
LATER = 8              # messages after the first one that a connection has to survive
KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
FAMILY = {"": socket.AF_INET, "6": socket.AF_INET6}
PASSES, SILENT, RESET, FORGED, ALTERED, LATE = "passes", "silent", "reset", "forged", "altered", "late"

scratch = tempfile.TemporaryDirectory(prefix="tepkit-test-content-")
CERTIFICATE, KEY = certificate.make(scratch.name)
STUN = bytes.fromhex("000100002112a442") + bytes(range(12))


def hello(name, *labels):
    """The octets with which OpenSSL begins."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if labels:
        context.set_alpn_protocols(labels)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def sip(method, address):
    shown = f"[{address}]" if ":" in address else address
    return (f"{method} sip:alice@core.lab SIP/2.0\r\nVia: SIP/2.0/TCP {shown}:5060;branch=z9hG4bK7;rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:alice@core.lab>;tag=1\r\nTo: <sip:alice@core.lab>\r\nCall-ID: 1@{shown}\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:alice@{shown}>\r\nContent-Length: 0\r\n\r\n").encode()


def classes(address):
    """First flights by name, for a device with the address."""
    register = sip("REGISTER", address)
    return {
        "register": register,
        "invite": sip("INVITE", address),
        "misspelt": sip("REGISTRE", address),
        "inverted": bytes(octet ^ 0xff for octet in register),
        "stun": STUN,
        "hello": hello("core.lab"),
        "hello to another": hello("other.example"),
        "hello with alpn": hello("other.example", "stun.turn"),
        "http": b"GET / HTTP/1.1\r\nHost: core.lab\r\n\r\n",
        "noise": random.Random(1).randbytes(256),
        "letters": b"The quick brown fox jumps over the lazy dog. " * 4,
    }


@contextlib.contextmanager
def echoes(lab):
    """The core gives back what comes, on every port, over both families: socat for TCP, coturn's turnutils_peer for UDP."""
    with contextlib.ExitStack() as stack:
        for port in PORTS["tcp"]:
            stack.enter_context(Process(["socat", "-T", "20", f"TCP6-LISTEN:{port},ipv6only=0,fork,reuseaddr", "EXEC:cat"],
                                        lab, "core", name=f"socat-{port}"))
        for port in PORTS["udp"]:
            for mark in FAMILY:
                stack.enter_context(Process(["turnutils_peer", "-L", lab[f"CORE_ADDR{mark}"], "-p", port], lab, "core", name=f"peer{mark}-{port}"))
        for port in PORTS["tcp"]:
            wait_for_tcp(lab, "core", lab["CORE_ADDR"], port)
        for table in ("udp", "udp6"):
            wait_until(lambda t=table: len(lab.run("core", ["cat", f"/proc/net/{t}"]).stdout.splitlines()) > len(PORTS["udp"]),
                       20, f"echo servers ({table})")
        yield


def receive(stream, protocol, length):
    """As much as was sent, or what came until nothing more does."""
    if protocol == "udp":
        return stream.recv(4096)
    octets = b""
    try:
        while len(octets) < length and (more := stream.recv(4096)):
            octets += more
    except TimeoutError:
        if not octets:
            raise
    return octets


def becomes_of(lab, mark, protocol, port, octets):
    """What becomes of octets that are sent to a port of the core, and of what follows them."""
    with lab.socket("device", FAMILY[mark], KIND[protocol]) as stream:
        stream.settimeout(PATIENCE_S)
        try:
            stream.connect((lab[f"CORE_ADDR{mark}"], port))
            stream.sendall(octets)
            came = receive(stream, protocol, len(octets))
        except TimeoutError:
            return SILENT
        except OSError:
            return RESET
        if came != octets:
            return RESET if not came else ALTERED if len(came) == len(octets) else FORGED
        try:
            for number in range(LATER):
                line = f"still there {number}\n".encode()
                stream.sendall(line)
                if receive(stream, protocol, len(line)) != line:
                    return LATE
        except OSError:
            return LATE
        return PASSES


def at_once(calls):
    """{name: what its call returned}"""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(lambda call: call(), calls.values())))


# What passes, by content

_SIP = {"register": SILENT, "invite": SILENT}


def _like(outcome, *names):
    return dict.fromkeys(names, outcome)


_NOT_WEB = ("register", "invite", "misspelt", "inverted", "stun", "noise", "letters")
_EVERYTHING = tuple(classes(""))

# Network: (port, what becomes of which class over TCP, over UDP); what is not named passes.
INSPECTED = {
    "sip-drop": (5060, _SIP, _SIP),
    "sip-drop-carrier": (443, _SIP, _SIP),
    "sip-reset": (50000, _like(RESET, *_SIP), _SIP),
    "sip-reset-carrier": (5060, _like(RESET, *_SIP), _SIP),
    "sip-late-drop": (5060, _like(LATE, *_SIP), _like(LATE, *_SIP)),
    "sip-forged": (5060, _like(FORGED, *_SIP), _like(FORGED, *_SIP)),
    # The two wrong methods are SIP to nobody; the inverted one hides what would be put in place of.
    "sip-rewritten": (5060, _like(ALTERED, *_SIP), _like(ALTERED, *_SIP)),
    "sip-rewritten-carrier": (443, _like(ALTERED, *_SIP), _like(ALTERED, *_SIP)),
    "sip-udp-drop": (443, {}, _SIP),
    "sip-udp-rewritten": (5060, {}, _like(ALTERED, *_SIP)),
    "sip-forged-carrier": (3478, _like(FORGED, *_SIP), _like(FORGED, *_SIP)),
    "sip-late-drop-carrier": (443, _like(LATE, *_SIP), _like(LATE, *_SIP)),
    "sip-invite": (5060, _like(SILENT, "invite"), _like(SILENT, "invite")),
    "stun-drop": (3478, _like(SILENT, "stun"), {}),
    "stun-forged": (3478, {}, _like(FORGED, "stun")),
    "web-inspected-carrier": (80, _like(RESET, *_NOT_WEB), _like(SILENT, *_EVERYTHING)),
    "web-inspected": (443, _like(RESET, *_NOT_WEB), _like(SILENT, *_EVERYTHING)),
    "tls-only": (443, _like(RESET, *_NOT_WEB, "http"), _like(SILENT, *_EVERYTHING)),
    "random-drop": (443, _like(SILENT, "noise", "inverted"), {}),
    "alpn-reset": (443, _like(RESET, "hello with alpn"), _like(SILENT, "hello with alpn")),
    "name-reset": (443, _like(RESET, "hello"), _like(SILENT, "hello")),
    "symmetric-inspected": (5060, _like(RESET, *_SIP), _SIP),
    "symmetric-inspected-carrier": (443, _like(RESET, *_SIP), _SIP),
    "tcp-only-inspected": (5060, _SIP, _like(SILENT, *_EVERYTHING)),
    "port-restricted": (5060, {}, {}),
}


def check_content(name):
    port, *expected = INSPECTED[name]
    with Lab.up(name) as lab, echoes(lab):
        calls = {(mark, protocol, what): functools.partial(becomes_of, lab, mark, protocol, port, octets)
                 for mark in FAMILY for protocol in KIND for what, octets in classes(lab[f"DEVICE_ADDR{mark}"]).items()}
        found = at_once(calls)
    wrong = {key: outcome for key, outcome in found.items()
             if outcome != expected[list(KIND).index(key[1])].get(key[2], PASSES)}
    assert not wrong, (name, wrong)


# What passes, by port

def _ports(tcp=(), udp=()):
    return {("tcp", p) for p in tcp} | {("udp", p) for p in udp}


_ALL = _ports(**PORTS)
REACHED = {
    "full-cone": _ALL,
    "symmetric": _ALL,
    "pool": _ALL,
    "stateful": _ALL,
    "ports": _ports((80, 443), (53, 443, 3478)),
    "ports-dns": _ports((80, 443), (53, 443)),
    "ports-carrier": _ports((80, 443), (53, 443, 3478)),
    "ports-tcp": _ports((80, 443)),
    "ports-tcp-carrier": _ports((80, 443)),
    "tcp-only": _ports(PORTS["tcp"]),
    "tcp-only-carrier": _ports(PORTS["tcp"]),
    "udp-blocked-icmp": _ports(PORTS["tcp"]),
    "one-port": _ports((443,)),
    "one-port-carrier": _ports((443,)),
    "port-80": _ports((80,)),
    "quic-blocked": _ALL - _ports((), (443,)),
    "proxy-only": set(),
    "proxy-only-carrier": set(),
    "proxy-beside": _ALL,
    "dead": set(),
}


def check_reach(name):
    with Lab.up(name) as lab, echoes(lab):
        found = at_once({(mark, protocol, port): functools.partial(becomes_of, lab, mark, protocol, port, b"hello there\n")
                         for mark in FAMILY for protocol, ports in PORTS.items() for port in ports})
    for mark in FAMILY:
        passed = {(protocol, port) for (of, protocol, port), outcome in found.items() if of == mark and outcome == PASSES}
        assert passed == REACHED[name], (name, mark, passed ^ REACHED[name])
    if name == "udp-blocked-icmp":
        assert {outcome for (_, protocol, _), outcome in found.items() if protocol == "udp"} == {RESET}, found


def check_reset_at_both_ends():
    """tshark at the core: it is reset in the device's name, though the device sent none."""
    with Lab.up("sip-reset") as lab, echoes(lab):
        capture = Process(["tcpdump", "--immediate-mode", "-U", "-n", "-i", "eth0", "-w", f"{lab['STATE']}/core.pcap", "port 5060"], lab, "core")
        with capture:
            capture.wait_for("listening on")
            assert becomes_of(lab, "", "tcp", 5060, sip("REGISTER", lab["DEVICE_ADDR"])) == RESET
            time.sleep(0.3)
        said = lab.run("core", ["tshark", "-n", "-r", f"{lab['STATE']}/core.pcap", "-Y", "tcp.flags.reset==1", "-T", "fields", "-e", "ip.src"])
        assert said.stdout.split() == [lab["PUBLIC_ADDR"]], said


# Proxies and whoever opens TLS

@contextlib.contextmanager
def pages(lab):
    """On the core's first addresses pages over TLS and on port 80, on the second ones an echo in TLS: openssl and socat."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(Process(["openssl", "s_server", "-quiet", "-www", "-accept", "*:443", "-cert", CERTIFICATE, "-key", KEY], lab, "core"))
        stack.enter_context(Process(["python3", "-m", "http.server", "--bind", "::", "80"], lab, "core", name="pages"))
        stack.enter_context(Process(["socat", f"OPENSSL-LISTEN:8443,pf=ip6,ipv6only=0,fork,reuseaddr,cert={CERTIFICATE},key={KEY},verify=0", "EXEC:cat"],
                                    lab, "core"))
        for port in (80, 443, 8443):
            wait_for_tcp(lab, "core", lab["CORE_ADDR"], port, 20)
        yield


def curl(lab, *arguments):
    """(exit status, status of the last answer, what was said)"""
    done = lab.run("device", ["curl", "-s", "-S", "-m", 10, "-o", "/dev/null", "-w", "%{http_code}|%{http_connect}|%{redirect_url}", *arguments])
    return done.returncode, *done.stdout.split("|"), done.stderr


def inside_tls(lab, mark, trusted, proxy=None, octets=STUN):
    """What comes back inside a TLS connection of OpenSSL's to the echo, through CONNECT or straight."""
    address = lab[f"CORE_ADDR{mark}"]
    with lab.socket("device", FAMILY[mark]) as stream:
        stream.settimeout(5)
        if proxy:
            stream.connect((lab[f"PROXY_ADDR{mark}"], int(lab["PROXY_PORT"])))
            stream.sendall(b"CONNECT core.lab:443 HTTP/1.1\r\nHost: core.lab:443\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.recv(1) or b"\r\n\r\n"
            assert head.split()[1] == b"200", head
        else:
            stream.connect((address, 443))
        context = ssl.create_default_context(cafile=trusted)
        try:
            with context.wrap_socket(stream, server_hostname="core.lab") as secure:
                secure.sendall(octets)
                return secure.recv(4096)
        except OSError as error:
            return error


SCHEMES = {
    "proxy-tinyproxy-basic": "--proxy-basic",
    "proxy-basic": "--proxy-basic",
    "proxy-digest": "--proxy-digest",
    "proxy-ntlm": "--proxy-ntlm",
    "proxy-negotiate": "--proxy-negotiate",
}


def check_scheme(name):
    with Lab.up(name) as lab, pages(lab):
        login = ":" if name == "proxy-negotiate" else f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}"
        target = ["--cacert", CERTIFICATE, "https://core.lab/"]
        for mark in FAMILY:
            # A ticket is for the proxy's name.
            proxy = ["-x", f"http://proxy.lab:{lab['PROXY_PORT']}" if name == "proxy-negotiate" else lab[f"PROXY_URL{mark}"]]
            assert curl(lab, *proxy, *target)[2] == "407", name
            said = curl(lab, *proxy, SCHEMES[name], "-U", login, *target)
            assert said[:3] == (0, "200", "200"), (name, said)


def check_any_port():
    for name, expected in (("proxy-only", "403"), ("proxy-any-port", "200")):
        with Lab.up(name) as lab, pages(lab):
            for mark in FAMILY:
                said = curl(lab, "-x", lab[f"PROXY_URL{mark}"], "--cacert", CERTIFICATE, "https://core.lab:8443/")
                assert said[2] == expected, (name, said)


def check_opened(name):
    """TLS ends at the box: who trusts its authority gets through, nobody else does."""
    with Lab.up(name) as lab, pages(lab):
        for mark in FAMILY:
            proxy = ["-x", lab[f"PROXY_URL{mark}"]] if lab.network.proxy else [f"-{mark or 4}"]
            refused = curl(lab, *proxy, "--cacert", CERTIFICATE, "https://core.lab/")
            assert refused[0] == 60, (name, refused)
            if "mitm" not in name:  # which is told to take pages for octets, as everything else
                assert curl(lab, *proxy, "--cacert", lab["AUTHORITY"], "https://core.lab/")[:2] == (0, "200"), name


def check_stun_inside(name, passes):
    with Lab.up(name) as lab, contextlib.ExitStack() as stack:
        stack.enter_context(Process(["socat", f"OPENSSL-LISTEN:443,pf=ip6,ipv6only=0,fork,reuseaddr,cert={CERTIFICATE},key={KEY},verify=0", "EXEC:cat"],
                                    lab, "core"))
        wait_for_tcp(lab, "core", lab["CORE_ADDR"], 443, 20)
        for mark in FAMILY:
            came = inside_tls(lab, mark, lab["AUTHORITY"], lab.network.proxy)
            assert (came == STUN) == passes, (name, mark, came)
            assert isinstance(inside_tls(lab, mark, CERTIFICATE, lab.network.proxy), ssl.SSLCertVerificationError), name


def check_tunnel_inspected():
    with Lab.up("proxy-inspected") as lab, pages(lab):
        for mark in FAMILY:
            said = curl(lab, "-x", lab[f"PROXY_URL{mark}"], "--cacert", CERTIFICATE, "https://core.lab/")
            assert said[:3] == (0, "200", "200"), said
            # The same tunnel, and in it no TLS.
            said = curl(lab, "-p", "-x", lab[f"PROXY_URL{mark}"], "http://core.lab:443/")
            assert said[0] == 56 and said[2] == "200", said


def check_transparent():
    with Lab.up("transparent-80") as lab, pages(lab):
        for mark in FAMILY:
            said = lab.run("device", ["curl", "-s", f"-{mark or 4}", "-m", 10, "-D", "-", "-o", "/dev/null", "http://core.lab/"]).stdout
            assert " 200 " in said and "via:" in said.lower(), said
            with lab.socket("device", FAMILY[mark]) as stream:
                stream.settimeout(5)
                stream.connect((lab[f"CORE_ADDR{mark}"], 80))
                stream.sendall(STUN + b"\r\n\r\n")
                assert stream.recv(4096)[:12] == b"HTTP/1.1 400", mark


def check_splitter():
    """What is said comes back whatever it is, and who says nothing is left, to whom the far end would speak later."""
    with Lab.up("unspoken-closed") as lab, contextlib.ExitStack() as stack:
        for port, command in ((5060, "EXEC:cat"), (5061, "SYSTEM:sleep 3; echo hello")):
            stack.enter_context(Process(["socat", f"TCP6-LISTEN:{port},ipv6only=0,fork,reuseaddr", command], lab, "core"))
            wait_for_tcp(lab, "core", lab["CORE_ADDR"], port, 20)
        for mark in FAMILY:
            assert becomes_of(lab, mark, "tcp", 5060, STUN) == PASSES, mark
            with lab.socket("device", FAMILY[mark]) as stream:
                stream.settimeout(PATIENCE_S)
                stream.connect((lab[f"CORE_ADDR{mark}"], 5061))
                assert stream.recv(16) == b"", mark


def check_portal():
    with Lab.up("portal") as lab, pages(lab):
        for mark in FAMILY:
            said = curl(lab, f"-{mark or 4}", "http://core.lab/")
            assert said[:4] == (0, "302", "000", "http://firewall.lab/login"), said
            assert curl(lab, f"-{mark or 4}", "--cacert", CERTIFICATE, "https://core.lab/")[0] == 7
            assert becomes_of(lab, mark, "udp", 3478, STUN) == RESET


CASES = {f"/lab/content/{name}/is-judged-as-it-says-over-both-families": functools.partial(check_content, name) for name in INSPECTED}
CASES |= {f"/lab/reach/{name}/lets-out-just-its-ports-over-both-families": functools.partial(check_reach, name) for name in REACHED}
CASES |= {f"/lab/{name}/wants-to-know-who-is-asking": functools.partial(check_scheme, name) for name in SCHEMES}
CASES |= {f"/lab/{name}/has-certificates-of-its-own-authority": functools.partial(check_opened, name)
          for name in ("proxy-bump", "proxy-mitm", "tls-opened-443", "proxy-bump-carrier", "proxy-mitm-carrier", "tls-opened-443-carrier")}
CASES |= {f"/lab/{name}/{'lets-stun-pass' if passes else 'ends-stun'}-inside-tls": functools.partial(check_stun_inside, name, passes)
          for name, passes in (("proxy-bump", False), ("tls-opened-443", False), ("proxy-mitm", True))}
CASES |= {
    "/lab/sip-reset/both-ends-are-reset-and-neither-sent-one": check_reset_at_both_ends,
    "/lab/proxy-any-port/takes-connect-to-any-port-and-others-do-not": check_any_port,
    "/lab/proxy-inspected/a-tunnel-without-tls-is-reset": check_tunnel_inspected,
    "/lab/transparent-80/takes-pages-and-nothing-else": check_transparent,
    "/lab/unspoken-closed/closes-connections-on-which-the-client-says-nothing": check_splitter,
    "/lab/portal/answers-pages-and-refuses-the-rest": check_portal,
}
for _name, _case in CASES.items():
    test(_name)(_case)
run(AT_ONCE)

#!/usr/bin/python3
"""What passes each network of the lab and what does not, that many run side by side, and that nothing stays behind."""
import base64
import concurrent.futures
import contextlib
import functools
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import certificate  # noqa: E402
from lab import BASIC, FAMILIES, NETWORKS, Lab, LabError, Options, sweep  # noqa: E402
from responder import Responder  # noqa: E402
from tap import run, test  # noqa: E402

PATIENCE_S = 1.5   # nothing in a network without delay takes longer
TCP_PORTS = (80, 443, 5060)
UDP_PORTS = (53, 443, 5060)
PLAIN_ANSWER = "tls 443 answered in plain text"

OUTBOUND = {f"tcp {port}" for port in TCP_PORTS} | {f"udp {port}" for port in UDP_PORTS}
TLS_OUTBOUND = {f"tls {port}" for port in TCP_PORTS} | {PLAIN_ANSWER}
INBOUND = {"tcp in", "udp in"}
PASSES = {
    "open": OUTBOUND | TLS_OUTBOUND | INBOUND | {"ping"},
    "nat": OUTBOUND | TLS_OUTBOUND | {"ping"},
    "web-only": {"tcp 80", "tcp 443", "tls 80", "tls 443", PLAIN_ANSWER},
    "tls-only": {"tls 443"},
    "tcp-443": {"tcp 443", "tls 443", PLAIN_ANSWER},
    "proxy": set(),
    "proxy-basic": set(),
}
SOCKET_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
MARK = {4: "", 6: "6"}

scratch = tempfile.TemporaryDirectory(prefix="tepkit-test-lab-")
CERTIFICATE = certificate.make(scratch.name)


def tls_context():
    context = ssl.create_default_context(cafile=CERTIFICATE[0])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def client_hello():
    """The octets with which a TLS client begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_context().wrap_bio(incoming, outgoing, server_hostname="core.lab")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")


def ask(stream):
    """Says something and returns the answer without its end of line, or "" at the end of the stream."""
    stream.sendall(b"who am I?\n")
    return stream.recv(2048).decode().strip()


def as_probe(attempt):
    """An attempt as a probe: the answer, or None if nothing came of it."""
    @functools.wraps(attempt)
    def probe(*arguments):
        try:
            return attempt(*arguments) or None
        except OSError:
            return None
    return probe


@as_probe
def tcp(lab, host, family, target):
    with lab.socket(host, SOCKET_FAMILY[family]) as stream:
        stream.settimeout(PATIENCE_S)
        stream.connect(target)
        return ask(stream)


@as_probe
def udp(lab, host, family, target):
    with lab.socket(host, SOCKET_FAMILY[family], socket.SOCK_DGRAM) as end:
        end.settimeout(PATIENCE_S)
        end.connect(target)
        return ask(end)


@as_probe
def tls(lab, host, family, target):
    with lab.socket(host, SOCKET_FAMILY[family]) as stream:
        stream.settimeout(PATIENCE_S)
        stream.connect(target)
        with tls_context().wrap_socket(stream, server_hostname="core.lab") as secure:
            return ask(secure)


@as_probe
def tls_answered_in_plain(lab, host, family, target):
    with lab.socket(host, SOCKET_FAMILY[family]) as stream:
        stream.settimeout(PATIENCE_S)
        stream.connect(target)
        stream.sendall(client_hello())
        return stream.recv(2048).decode().strip()


@as_probe
def ping(lab, host, family, target):
    protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
    request = bytes([8 if family == 4 else 128, 0, 0, 0, 0, 7, 0, 1])
    if family == 4:  # the kernel computes ICMPv6's checksum
        request = request[:2] + (0xffff - 0x0800 - 7 - 1).to_bytes(2, "big") + request[4:]
    with lab.socket(host, SOCKET_FAMILY[family], socket.SOCK_RAW, protocol) as end:
        end.settimeout(PATIENCE_S)
        end.sendto(request, target)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = end.recv(2048)[20 if family == 4 else 0:]
            if answer[0] == (0 if family == 4 else 129):
                return "echo"
    return None


def probes(lab, family):
    """Name and call of every probe of a network."""
    core, peer, device = (lab[f"{host}_ADDR{MARK[family]}"] for host in ("CORE", "PEER", "DEVICE"))
    outward = functools.partial
    found = {f"tcp {port}": outward(tcp, lab, "device", family, (core, port)) for port in TCP_PORTS}
    found |= {f"tls {port}": outward(tls, lab, "device", family, (core, port)) for port in TCP_PORTS}
    found |= {f"udp {port}": outward(udp, lab, "device", family, (core, port)) for port in UDP_PORTS}
    found["ping"] = outward(ping, lab, "device", family, (core, 0))
    found["tcp in"] = outward(tcp, lab, "core", family, (device, 5060))
    found["udp in"] = outward(udp, lab, "core", family, (device, 5060))
    found[PLAIN_ANSWER] = outward(tls_answered_in_plain, lab, "device", family, (peer, 443))
    return found


def answers(lab, expected):
    """What each probe was told, by family and name; all run at once, and most wait for nothing. What is expected and did
    not come is asked for again, alone: a machine that is held up is slow with so many at once."""
    calls = {(family, name): call for family in FAMILIES for name, call in probes(lab, family).items()}
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        told = dict(zip(calls, pool.map(lambda call: call(), calls.values())))
    return {(family, name): calls[family, name]() if answer is None and name in expected else answer
            for (family, name), answer in told.items()}


def responders(lab):
    """Everything that the probes talk to."""
    stack = contextlib.ExitStack()
    stack.enter_context(Responder(lab, "core", TCP_PORTS, UDP_PORTS, CERTIFICATE))
    stack.enter_context(Responder(lab, "peer", TCP_PORTS, UDP_PORTS, CERTIFICATE, answers_tls=False))
    stack.enter_context(Responder(lab, "device", [5060], [5060]))
    return stack


def check_passes(network, options):
    with Lab.up(network, options=options) as lab, responders(lab):
        told = answers(lab, PASSES[network])
        for family in FAMILIES:
            passed = {name for (of, name), answer in told.items() if answer and of == family}
            wrong = passed ^ PASSES[network]
            assert not wrong, f"IPv{family}: {sorted(wrong)} of {told}"
            expected = f"you are {lab[f'PUBLIC_ADDR{MARK[family]}']} "
            for name in passed - INBOUND - {"ping"}:
                answer = told[family, name]
                assert answer.startswith(expected), f"IPv{family} {name}: {answer!r}, not {expected!r}"
        refused = sum(lab.refused().values())
        assert (refused > 0) == (network not in ("open", "nat")), f"{refused} packets refused"


for _network in BASIC:
    test(f"/lab/{_network}/passes-just-what-it-says-over-ipv4-and-ipv6")(
        functools.partial(check_passes, _network, Options()))
test("/lab/tls-only/can-also-refuse-by-silence")(
    functools.partial(check_passes, "tls-only", Options(refuse="drop")))
test("/lab/web-only/can-also-refuse-by-a-reset")(
    functools.partial(check_passes, "web-only", Options(refuse="reset")))


# The translation of a home router

def nat_hears(family, sender, port_offset):
    """Whether the device hears a datagram from a sender that it did not, or did, send to."""
    with Lab.up("nat") as lab:
        core = lab[f"CORE_ADDR{MARK[family]}"]
        receiver = {"core": core, "core-2": lab[f"CORE_2_ADDR{MARK[family]}"]}[sender]
        with lab.socket("device", SOCKET_FAMILY[family], socket.SOCK_DGRAM) as device, \
                lab.socket("core", SOCKET_FAMILY[family], socket.SOCK_DGRAM) as asked, \
                lab.socket("core", SOCKET_FAMILY[family], socket.SOCK_DGRAM) as other:
            for end in (device, asked, other):
                end.settimeout(PATIENCE_S)
            asked.bind((core, 3478))
            device.sendto(b"request", (core, 3478))
            _, seen = asked.recvfrom(100)
            assert seen[0] == lab[f"PUBLIC_ADDR{MARK[family]}"], seen
            answering = asked
            if sender != "core" or port_offset:
                other.bind((receiver, 3478 + port_offset))
                answering = other
            answering.sendto(b"answer", seen[:2])
            try:
                return device.recv(100) == b"answer"
            except TimeoutError:
                return False


@test("/lab/nat/lets-in-only-the-address-and-port-that-was-asked")
def _():
    for family in FAMILIES:
        assert nat_hears(family, "core", 0), family
        assert not nat_hears(family, "core", 1), family
        assert not nat_hears(family, "core-2", 0), family


# Proxies

def connect_through(lab, url, target, login=None):
    """The status of a CONNECT through the proxy and what the target said inside, from the device."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    host = host.strip("[]")
    with lab.socket("device", socket.AF_INET6 if ":" in host else socket.AF_INET) as stream:
        stream.settimeout(3)
        stream.connect((host, int(port)))
        request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if login:
            request += f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
        stream.sendall(f"{request}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            received = stream.recv(4096)
            assert received, head
            head += received
        status = int(head.split()[1])
        if status != 200:
            return status, head.decode("latin-1")
        with tls_context().wrap_socket(stream, server_hostname="core.lab") as secure:
            return status, ask(secure)


def check_proxy(network, login, refused_status):
    with Lab.up(network) as lab, responders(lab):
        targets = ("core.lab:443", f"{lab['CORE_ADDR']}:443", f"[{lab['CORE_ADDR6']}]:443")
        for url in (lab["PROXY_URL"], lab["PROXY_URL6"]):
            for target in targets:
                status, said = connect_through(lab, url, target, login)
                assert status == 200 and said.split()[2] in (lab["PUBLIC_ADDR"], lab["PUBLIC_ADDR6"]), (url, target, said)
            status, said = connect_through(lab, url, "core.lab:5060", login)
            assert status == 403, (url, said)
            if login:
                for wrong in (None, "alice:wrong", "mallory:correct horse"):
                    status, said = connect_through(lab, url, "core.lab:443", wrong)
                    assert status == refused_status, (url, wrong, said)
                    assert "basic realm=" in said.lower(), said


@test("/lab/proxy/carries-tls-to-port-443-for-anybody")
def _():
    check_proxy("proxy", None, None)


@test("/lab/proxy-basic/carries-tls-to-port-443-for-those-with-the-password")
def _():
    with Lab.up("proxy-basic") as lab:
        login = f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}"
    check_proxy("proxy-basic", login, 407)


@test("/lab/proxy/the-proxy-itself-gets-out-by-tcp-alone")
def _():
    with Lab.up("proxy") as lab, responders(lab):
        for family in FAMILIES:
            core = lab[f"CORE_ADDR{MARK[family]}"]
            assert tcp(lab, "proxy", family, (core, 443))
            assert not udp(lab, "proxy", family, (core, 443))


# IPv6 alone

@test("/lab/nat64/leads-who-has-ipv6-alone-to-ipv4-by-names-and-by-the-prefix")
def _():
    for name, passes in (("nat64", True), ("nat64-web-only", False)):
        with Lab.up(name) as lab, responders(lab):
            found = lab.run("device", ["getent", "ahosts", "core.lab"]).stdout.split()[0]
            known = lab.run("device", ["getent", "ahosts", "ipv4only.arpa"]).stdout.split()[0]
            expected = {"nat64": ("2001:db8:64::c000:20a", "2001:db8:64::c000:aa"),
                        "nat64-web-only": ("2001:db8:6464:64:c0:2:a00:0", "2001:db8:6464:64:c0:0:aa00:0")}[name]
            assert (found, known) == expected, (name, found, known)
            assert lab.run("device", ["getent", "ahosts", "nobody.lab"]).returncode != 0
            assert not tcp(lab, "device", 4, (lab["CORE_ADDR"], 443)), "the device has no IPv4"
            for probe, port, expected in ((tcp, 443, True), (tcp, 5060, passes), (udp, 5060, passes)):
                answer = probe(lab, "device", 6, (found, port))
                assert (answer or "").startswith(f"you are {lab['PUBLIC_ADDR']} ") if expected else answer is None, (name, port, answer)
            straight = tcp(lab, "device", 6, (lab["CORE_ADDR6"], 443))
            assert straight.startswith(f"you are {lab['DEVICE_ADDR6']} "), straight


# Names, cuts and refusals

@test("/lab/hosts/know-each-other-by-name-and-no-name-server")
def _():
    with Lab.up("open") as lab:
        found = lab.run("device", ["getent", "ahosts", "core.lab"]).stdout
        assert lab["CORE_ADDR"] in found and lab["CORE_ADDR6"] in found, found
        began = time.monotonic()
        assert lab.run("device", ["getent", "ahosts", "example.org"]).returncode != 0
        assert time.monotonic() - began < 1


@test("/lab/cut/stops-everything-until-mended")
def _():
    with Lab.up("open") as lab, responders(lab):
        target = (lab["CORE_ADDR"], 443)
        assert tcp(lab, "device", 4, target)
        lab.cut()
        assert not tcp(lab, "device", 4, target)
        lab.mend()
        assert tcp(lab, "device", 4, target)


@test("/lab/refused/counts-by-protocol")
def _():
    with Lab.up("tcp-443") as lab:
        with lab.socket("device", socket.AF_INET, socket.SOCK_DGRAM) as end:
            for _ in range(3):
                end.sendto(b"x", (lab["CORE_ADDR"], 5060))
        assert lab.refused() == {"udp": 3, "tcp": 0, "other": 0}, lab.refused()


@test("/lab/congestion/is-chosen-for-all-hosts")
def _():
    with Lab.up("open", options=Options(congestion="reno")) as lab, responders(lab):
        with lab.socket("device") as stream:
            stream.connect((lab["CORE_ADDR"], 80))
            used = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")
            assert used == b"reno", used


# The command

PROGRAM = pathlib.Path(__file__).resolve().parent / "lab"


def lab_command(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **options)


def traces(lab_id):
    """What there is of a network on the machine."""
    found = [p for p in pathlib.Path("/run/netns").glob(f"tepkit-{lab_id}-*")]
    found += [p for p in pathlib.Path("/run/tepkit-lab").glob(lab_id)]
    return [str(p) for p in found]


def own_id(number):
    return f"t{os.getpid()}-{number}"


@test("/lab/command/up-exec-env-status-down")
def _():
    lab_id = own_id("cli")
    try:
        assert lab_command("up", "nat", "--id", lab_id).stdout.strip() == lab_id
        again = lab_command("up", "nat", "--id", lab_id)
        assert again.returncode == 1 and "already" in again.stderr, again
        said = lab_command("exec", lab_id, "device", "--", "sh", "-c", 'echo "$LAB_ID $LAB_CORE_ADDR6"; exit 7')
        assert (said.stdout, said.returncode) == (f"{lab_id} 2001:db8:c::10\n", 7), said
        assert "LAB_CORE_ADDR='192.0.2.10'" in lab_command("env", lab_id).stdout
        assert f"{lab_id}  nat  kept until down" in lab_command("status").stdout
        assert lab_command("sweep").returncode == 0 and traces(lab_id)
        wrong = lab_command("exec", lab_id, "toaster", "--", "true")
        assert wrong.returncode == 1 and "device" in wrong.stderr, wrong
    finally:
        lab_command("down", lab_id)
    assert not traces(lab_id)
    assert lab_command("exec", lab_id, "device", "--", "true").returncode == 1


@test("/lab/command/says-what-there-is-and-refuses-what-is-not")
def _():
    said = lab_command("list").stdout
    assert all(f"{name} " in said for name in NETWORKS), said
    assert lab_command("up", "moon").returncode == 64
    assert lab_command("frobnicate").returncode == 64
    assert lab_command("run", "open").returncode == 1


@test("/lab/readme/shows-the-table-of-the-catalogue")
def _():
    readme = (PROGRAM.parent / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- verdicts -->\n")[2].partition("<!-- end")[0]
    said = lab_command("list", "--verdicts").stdout
    whole = (PROGRAM.parent.parent.parent / "README.md").read_text(encoding="utf-8")
    assert f"and {len(NETWORKS) - len(BASIC)} more of all nine types" in whole, len(NETWORKS)
    assert shown == said and len(said.splitlines()) == len(NETWORKS) + 2, "write it anew: tests/lab/lab list --verdicts"
    shown = readme.partition("<!-- content -->\n")[2].partition("<!-- end")[0]
    assert shown == lab_command("list", "--content").stdout, "write it anew: tests/lab/lab list --content"


@test("/lab/command/run-passes-on-the-exit-status-and-cleans-up")
def _():
    for network in BASIC:
        lab_id = own_id(network)
        result = lab_command("run", network, "--id", lab_id, "--", "sh", "-c", "exit 5")
        assert result.returncode == 5, result
        assert not traces(lab_id), traces(lab_id)


@test("/lab/command/an-unprivileged-user-is-told-what-is-missing")
def _():
    os.seteuid(65534)
    try:
        Lab.up("open", own_id("nobody"))
    except LabError as error:
        assert "root" in str(error), error
    else:
        raise AssertionError("it came up")
    finally:
        os.seteuid(0)


def start_run(lab_id, network="proxy-basic"):
    """A running "lab run" whose script has begun, with processes in the network."""
    script = "".join(f'"$LAB" exec "$LAB_ID" {host} -- sh -c "echo begun; exec sleep 600" & ' for host in ("device", "core"))
    process = subprocess.Popen([PROGRAM, "run", network, "--id", lab_id, "--", "sh", "-c", script + "wait"],
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    for _ in range(2):
        assert process.stdout.readline() == "begun\n"
    return process


@test("/lab/command/an-interrupted-run-cleans-up")
def _():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        lab_id = own_id(number)
        process = start_run(lab_id)
        os.kill(process.pid, number)
        process.stdout.close()
        assert process.wait(timeout=5) == 128 + number
        assert not traces(lab_id), traces(lab_id)


@test("/lab/sweep/removes-what-a-killed-run-left-and-nothing-else")
def _():
    lab_id = own_id("killed")
    with Lab.up("open") as other:
        process = start_run(lab_id)
        process.kill()
        process.wait()
        process.stdout.close()
        assert traces(lab_id)
        # Another test program's sweep may come first; what counts is that it is gone.
        sweep()
        assert not traces(lab_id), traces(lab_id)
        assert traces(other.id)
    assert not traces(other.id)


@test("/lab/parallel/twenty-networks-side-by-side")
def _():
    names = (BASIC * 3)[:20]
    processes = [subprocess.Popen([PROGRAM, "run", name, "--", "sh", "-c",
                                   '"$LAB" exec "$LAB_ID" core -- cat /etc/hosts'],
                                  stdout=subprocess.PIPE, text=True) for name in names]
    for process in processes:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and "core.lab" in said, (process.args, said)


run(at_once=3)

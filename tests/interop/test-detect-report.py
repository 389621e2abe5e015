#!/usr/bin/python3
"""What tep-detect tells to use, used; and the packets that it writes, in the eyes of tshark."""
import json
import os
import pathlib
import shlex
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from capture import stun_frames, tshark  # noqa: E402
from coturn import PASSWORD, USER, coturn  # noqa: E402
from detect_networks import far_end  # noqa: E402
from ends import PASSWORD as TEP_PASSWORD, USER as TEP_USER, PEER_PORT, Scratch, Server, secret  # noqa: E402
from kamailio import Kamailio  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, SANITIZER, program, wait_for_tcp, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

SIP_PORT = 5060   # where tep-detect's lines listen
REGISTER = (b"REGISTER sip:core.lab SIP/2.0\r\nVia: SIP/2.0/TCP 192.168.1.10:5060;branch=z9hG4bK-report;rport\r\nMax-Forwards: 70\r\n"
            b"From: <sip:alice@core.lab>;tag=1\r\nTo: <sip:alice@core.lab>\r\nCall-ID: report\r\nCSeq: 7 REGISTER\r\n"
            b"Contact: <sip:alice@192.168.1.10:5060;transport=tcp>\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n")
ELSEWHERE = 7777  # a port at the peer to which somebody else sends meanwhile
SENDER = f"""
import socket, sys, time
while True:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"nobody's business", (sys.argv[1], {ELSEWHERE}))
    time.sleep(0.02)
"""


class Case:
    """A network, and who logs in there how."""

    def __init__(self, lab, scratch, trusted, login):
        self.lab, self.trusted = lab, trusted
        self.files = {"--ca": trusted, "--credentials": secret(scratch.path, "login.secret", login)}
        self.files["--turn-credentials"] = self.files["--credentials"]
        if lab.network.login:
            self.files["--proxy-credentials"] = secret(scratch.path, "proxy.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}")

    def detect(self, host):
        """{method that works: its configuration line}"""
        words = [program("tep-detect"), "--json", "-q", "-4", host, "--credentials", self.files["--credentials"], "--ca", self.trusted]
        words += ["--proxy", self.lab["PROXY_URL"]] if self.lab.network.proxy else []
        words += ["--proxy-credentials", self.files["--proxy-credentials"]] if self.lab.network.login else []
        done = self.lab.run("device", words, timeout=60)
        assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
        return {each["name"]: each["config"] for each in json.loads(done.stdout)["methods"] if each["works"]}

    def fill_in(self, line):
        """The line as one would type it: what is in capitals filled in."""
        words = shlex.split(line)
        for n, word in enumerate(words):
            if word == "FILE":
                words[n] = str(self.files[words[n - 1]])
        words = [word.replace("ADDRESS:PORT", f"{self.lab['PEER_ADDR']}:{PEER_PORT}") for word in words]
        assert not [word for word in words if word.isupper()], words
        return [program(words[0]), *words[1:]]

    def reaches(self, line):
        """Whether the program that the line starts reaches the server."""
        if line.startswith("turn:"):
            words = [program("turn-connect"), "check", line, "--credentials", self.files["--credentials"]]
            return self.lab.run("device", words, timeout=60).returncode == 0
        words = self.fill_in(line)
        if words[0].name == "turn-connect":
            done = self.lab.run("device", [*words, "--try"], timeout=60)
            print(done.stdout, done.stderr, file=sys.stderr)
            return done.returncode == 0
        with Process([*words, "--json"], self.lab, "device", name="tep-c") as agent:
            wait_until(lambda: '"event":"flow"' in agent.output.replace(" ", "") or agent.status is not None, 20, "a flow")
            return agent.status is None

    def registers(self, line):
        """Whether a SIP client that sends to where the program listens is registered."""
        with Process(self.fill_in(line), self.lab, "device", name="forward"):
            wait_for_tcp(self.lab, "device", "127.0.0.1", SIP_PORT)
            with self.lab.socket("device", socket.AF_INET, socket.SOCK_STREAM) as client:
                client.settimeout(20)
                client.connect(("127.0.0.1", SIP_PORT))
                client.sendall(REGISTER)
                said = b""
                while b"\r\n\r\n" not in said:
                    more = client.recv(2048)
                    assert more, said
                    said += more
        print(said, file=sys.stderr)
        return said.startswith(b"SIP/2.0 200 ") and b"CSeq: 7 REGISTER" in said


def turn_lines_reach(network, expected):
    with Scratch() as scratch, Lab.up(network) as lab, coturn(lab, plain=True) as (_, trusted):
        case = Case(lab, scratch, trusted, f"{USER}:{PASSWORD}")
        lines = {name: line for name, line in case.detect("core.lab").items() if name.startswith("turn")}
        assert set(lines) == expected, lines
        for name, line in lines.items():
            assert case.reaches(line), (name, line)


def tep_and_sip_lines_reach(network, expected):
    """tep-s gives way to a registrar, at the same name and port and with the same certificate."""
    with Scratch() as scratch, Lab.up(network) as lab:
        case, lines = tep_lines_reach(lab, scratch, expected)
        with Kamailio(lab, scratch.path, scratch.certificate(), scratch.path / "key.pem", ports=("tls:443",)) as registrar:
            for line in lines:
                assert case.registers(line), line
            assert {kind for _, kind, _ in registrar.seen("REGISTER")} == {"tls"} and len(registrar.seen("REGISTER")) == len(lines) > 0


def tep_lines_reach(lab, scratch, expected):
    with Server(lab, scratch, {"detect": {}}):
        case = Case(lab, scratch, scratch.certificate(), f"{TEP_USER}:{TEP_PASSWORD}")
        lines = {name: line for name, line in case.detect("core.lab:443").items() if name.startswith(("tep", "sip"))}
        assert set(lines) == expected, lines
        sip = [lines.pop(name) for name in sorted(expected) if name.startswith("sip")]
        for name, line in lines.items():
            assert case.reaches(line), (name, line)
    return case, sip


for each, turn, tep in (("open", {"turn-udp", "turn-tcp", "turn-tls"}, {"tep-80", "tep-443", "tep-tls", "sip-tls"}),
                        ("proxy-basic", {"turn-tls-proxy"}, {"tep-443-proxy", "tep-tls-proxy", "sip-tls-proxy"})):
    test(f"/interop/detect-report/{each}/what-it-tells-to-use-for-turn-reaches-the-server")(lambda n=each, e=turn: turn_lines_reach(n, e))
    test(f"/interop/detect-report/{each}/what-it-tells-to-use-for-tunnels-and-sip-reaches-the-server")(lambda n=each, e=tep: tep_and_sip_lines_reach(n, e))


def capture(lab, scratch, path, before=(), arguments=()):
    words = [*before, program("tep-detect"), "--json", "-4", "core.lab", "--ca", scratch.certificate(), "--pcap", path, *arguments]
    done = lab.run("device", words, timeout=60)
    print(done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return done


@test("/interop/detect-report/a-capture-holds-the-run-and-nothing-else")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, far_end(lab, scratch), \
            Process([sys.executable, "-c", SENDER, lab["PEER_ADDR"]], lab, "device", name="sender"):
        path = pathlib.Path(scratch.path, "run.pcap")
        done = capture(lab, scratch, path)
        said = json.loads(done.stdout)
        assert said["type"] == 3 and f"packets of this run in {path}" in done.stderr and "not complete" not in done.stderr, done
        asked = {each["target"].rpartition(":")[0] for each in said["probes"] if "target" in each}
        rows = tshark(path, "ip", "ip.src", "ip.dst", "udp.dstport", "icmp.type")
        assert len(rows) > 100, len(rows)
        for source, target, port, icmp in rows:
            assert icmp or {source, target} & asked, (source, target)
            assert port != str(ELSEWHERE), (source, target)
        sent = sum(each["attempts"] for each in said["probes"] if each["kind"] == "stun")
        assert stun_frames(path) >= sent, sent
        for address in (lab["CORE_ADDR"], lab["CORE_2_ADDR"]):
            assert tshark(path, f"stun && ip.src == {address}", "frame.number"), address
        assert path.stat().st_mode & 0o777 == 0o600
        assert not [each for each in os.listdir(scratch.path) if each.startswith("run.pcap.")]


@test("/interop/detect-report/a-capture-holds-what-goes-to-the-proxy")
def _():
    with Scratch() as scratch, Lab.up("proxy") as lab, far_end(lab, scratch):
        path = pathlib.Path(scratch.path, "run.pcap")
        capture(lab, scratch, path, arguments=("--proxy", lab["PROXY_URL"]))
        assert tshark(path, 'http.request.method == "CONNECT"', "frame.number", options=("-d", f"tcp.port=={lab.network.proxy.port},http")), path


@test("/interop/detect-report/without-the-right-to-capture-all-else-goes-on-and-that-is-said")
def _():
    with Scratch() as scratch, Lab.up("open") as lab, far_end(lab, scratch):
        path = pathlib.Path(scratch.path, "run.pcap")
        done = capture(lab, scratch, path, before=("setpriv", "--bounding-set=-all"))
        assert "CAP_NET_RAW" in done.stderr and "going on without --pcap" in done.stderr, done.stderr
        assert done.returncode == 0 and json.loads(done.stdout)["type"] == 0
        assert not [each for each in os.listdir(scratch.path) if "pcap" in each]
        done = capture(lab, scratch, pathlib.Path(scratch.path, "nowhere", "run.pcap"))
        assert done.returncode == 78 and "nowhere" in done.stderr and not done.stdout, done


run(at_once=3)

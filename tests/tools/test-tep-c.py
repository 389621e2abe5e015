#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent tep-c as its user and their scripts meet it: options, what it says, signals, how it ends. What it does with media
is in tests/tep-c."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "support"))
import certificate  # noqa: E402
from process import Process, program, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

TEP_C = program("tep-c")
PASSWORD = "correct horse battery staple"
CANARY = "canary password of some length"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Place(tempfile.TemporaryDirectory):
    """A folder with a server's configuration, a far side that sends everything back, and what tep-c needs."""

    def __init__(self):
        super().__init__(prefix="tepkit-tep-c-")
        self.path = pathlib.Path(self.name)
        self.path.chmod(0o755)
        self.port = free_port()
        self.remote = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.remote.bind(("127.0.0.1", 0))
        self.local_port = free_port(socket.SOCK_DGRAM)
        # One for all, as the port belongs to the program that sends first.
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.settimeout(0.3)
        self.phone.connect(("127.0.0.1", self.local_port))
        self.login = self.secret("login", f"alice:{PASSWORD}\n")
        self._echo = threading.Thread(target=self._answer, daemon=True)
        self._echo.start()

    def _answer(self):
        with contextlib.suppress(OSError):
            while True:
                packet, source = self.remote.recvfrom(65536)
                if packet == b"end":
                    return
                self.remote.sendto(packet, source)

    def secret(self, name, text):
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def server(self, extra="", policy="allow=127.0.0.0/8"):
        (self.path / "tep-s.conf").write_text(
            f"[server]\nlisten=127.0.0.1:{self.port}\nnames=127.0.0.1\nworkers=1\n"
            f"[credentials]\nusers={self.secret('users', f'alice:{PASSWORD}' + chr(10))}\n"
            f"[media]\nbackend=relay\nrelay-addresses=127.0.0.1\nrelay-ports=61000-65535\n[policy]\n{policy}\n"
            f"[metrics]\nlisten=unix:{self.path}/metrics\n" + extra, encoding="utf-8")
        daemon = Process([program("tep-s"), "--config", self.path / "tep-s.conf"], name="tep-s")
        daemon.wait_for("is ready", 20)
        return daemon

    def tunnels(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.path / "metrics"))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return int(float(re.search(r"^tep_server_tunnels (\S+)$", said, re.M)[1]))

    def arguments(self, *others, flow=True):
        chosen = ["--server", f"127.0.0.1:{self.port}", "--credentials", self.login, *others]
        if flow:
            chosen += ["--flow", f"{self.local_port}=127.0.0.1:{self.remote.getsockname()[1]}"]
        return [TEP_C, *chosen]

    def agent(self, *others, json_too=True):
        return Process(self.arguments(*others, *(["--json"] if json_too else [])), name="tep-c")

    def passes(self, text=b"hello"):
        with contextlib.suppress(OSError):
            self.phone.send(text)
            while (heard := self.phone.recv(65536)) != text:
                print(f"heard late: {len(heard)} octets")
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.phone.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", self.remote.getsockname())
        self._echo.join(5)
        self.remote.close()
        super().__exit__(*exception)


def run_it(*arguments, **options):
    return subprocess.run([TEP_C, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


def events(agent, name=None):
    found = [json.loads(line) for line in agent.output.splitlines() if line.endswith("}")]
    return [event for event in found if name in (None, event["event"])]


@test("tep-c: --help, --version and --check end with 0 and say what they should")
def help_version_check():
    with Place() as place:
        shown = run_it("--help")
        assert shown.returncode == 0 and "--flow" in shown.stdout and "77 a credential" in shown.stdout, shown
        assert re.fullmatch(r"tep-c \(tepkit\) \d+\.\d+\.\d+\n", run_it("--version").stdout)
        checked = run_it(*place.arguments("--check")[1:])
        assert checked.returncode == 0 and "is valid" in checked.stdout and checked.stderr == "", checked


@test("tep-c: every option and every key is in the manual, and nothing else")
def manual():
    told = set(re.findall(r"--([a-z-]+)", run_it("--help").stdout)) - {"help-all"}
    page = (SOURCE / "tools/man/tep-c.1").read_text(encoding="utf-8").replace("\\-", "-")
    options = page[page.index(".SH OPTIONS"):page.index(".SH SIGNALS")]
    described = set(re.findall(r"^\.BR? .*?--([a-z-]+)", options, re.M))
    assert told == described, (told - described, described - told)
    page = (SOURCE / "tools/man/tep-c.conf.5").read_text(encoding="utf-8").replace("\\-", "-")
    described, group = set(), None
    for line in page[page.index('.SH "[server]"'):].splitlines():
        if found := re.match(r'\.SH "\[(\w+)', line):
            group = found[1]
        elif found := re.match(r'\.BR (\S+) "=', line):
            described.add((group, found[1]))
    source = (SOURCE / "tep-c/agent-file.c").read_text(encoding="utf-8")
    keys = set(re.findall(r'^ +{ "(\w+)", "([a-z0-9-]+)"', source, re.M)) | {("flow", "local-port"), ("flow", "remote")}
    assert described == keys, (described ^ keys)


@test("tep-c: the example configuration is in order but for what has to be changed")
def example():
    with Place() as place:
        place.secret("tep.secret", f"alice:{PASSWORD}")
        text = (SOURCE / "tools/data/tep-c.conf.example").read_text(encoding="utf-8")
        place.secret("tep-c.conf", text)
        checked = run_it("--config", place.path / "tep-c.conf", "--check")
        assert checked.returncode == 0, checked
        place.secret("proxy.secret", "bob:secret")
        whole = re.sub(r"^#(\[|[a-z-]+=)", r"\1", text, flags=re.M)
        for one, other in (("tun", "path"), ("path", "tun")):  # it is one or the other
            rest, n = re.subn(rf"^\[{other}\]\n[a-z-]+=.*\n", "", whole, flags=re.M)
            assert n == 1 and f"\n[{one}]\n" in rest, rest
            place.secret("tep-c.conf", rest)
            checked = run_it("--config", place.path / "tep-c.conf", "--check")
            assert checked.returncode == 0, checked


@test("tep-c: a wrong command line ends with 64 and a hint")
def wrong_command_line():
    with Place() as place:
        good = place.arguments()[1:]
        for wrong in (["--nonsense"], ["now"], ["--server", "a b"], ["--mechanism", "basic"], ["--flow", "40000"],
                      ["--flow", "1=a.example:2", "--proxy", "http://p.example:3128"], ["--proxy", "socks5://p.example"],
                      ["--tun", "192.0.2.1/24"]):
            ended = run_it(*good, *wrong)
            assert ended.returncode == 64, (wrong, ended)
            assert "Try: tep-c --help" in ended.stderr and ended.stdout == "", ended
        for missing in ([], ["--server", "a"], place.arguments(flow=False)[1:]):
            assert run_it(*missing).returncode == 64, missing


@test("tep-c: a wrong configuration or file of secrets ends with 78 and names it")
def wrong_configuration():
    with Place() as place:
        for text, says in (("[sever]\n", r"tep-c\.conf: \[sever\]: unknown group"),
                           ("[server]\nhots=a\n", r"tep-c\.conf: \[server\] hots: unknown key"),
                           ("[server]\nhost=a\n", r"tep-c\.conf: nothing to carry")):
            path = place.secret("tep-c.conf", text)
            for arguments in (["--check"], []):
                ended = run_it("--config", path, *arguments)
                assert ended.returncode == 78 and re.search(says, ended.stderr) and ended.stdout == "", ended
        place.login.chmod(0o644)
        ended = run_it(*place.arguments()[1:])
        assert ended.returncode == 78 and f"chmod 600 {place.login}" in ended.stderr, ended
        assert run_it("--config", "/nonexistent").returncode == 78


@test("tep-c: a wrong password ends with 77, no server with 69 when it may give up")
def no_tunnel():
    with Place() as place:
        ended = subprocess.run(place.arguments("--give-up-after", "1"), capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 69 and "refused" in ended.stderr, ended
        with place.server():
            place.secret("login", f"alice:{PASSWORD} of somebody else")
            ended = subprocess.run(place.arguments("--json"), capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode == 77, ended
            last = json.loads(ended.stdout.splitlines()[-1])
            assert last["state"] == "closed" and last["cause"], last


@test("tep-c: a certificate that nobody trusts ends with 69 and says so")
def untrusted():
    with Place() as place:
        chain, key = certificate.make(place.path)
        key.chmod(0o600)
        with place.server(f"[tls]\ncertificate={chain}\nkey={key}\n"):
            ended = subprocess.run(place.arguments("--tls"), capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode == 69 and "certificate" in ended.stderr, ended
            with place.agent("--tls", "--ca-file", chain) as agent:
                agent.wait_for('"event":"flow"', 20)


class Proxy(threading.Thread):
    """Answers one request after another with a status."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.requests = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self.requests.append(connection.recv(4096).decode())
                    connection.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@test("tep-c: a proxy that wants or refuses a password, or forbids, ends with 77; its headers are sent")
def proxy_refuses():
    with Place() as place:
        bob = place.secret("proxy.secret", f"bob:{CANARY}")
        for status, more in (("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"", []),
                             ("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"",
                              ["--proxy-credentials", bob]),
                             ("403 Forbidden", [])):
            with Proxy(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()) as proxy:
                ended = subprocess.run(place.arguments("--proxy", proxy.url, "--header", "X-IMS: marker", *more),
                                       capture_output=True, text=True, timeout=30, check=False)
                assert ended.returncode == 77, ended
                assert CANARY not in ended.stderr + ended.stdout
                assert "X-IMS: marker\r\n" in proxy.requests[0] and "ALPN: " in proxy.requests[0], proxy.requests


@test("tep-c: events are JSON, one a line, with the members that the manual names")
def json_events():
    members = {"progress": {"step"}, "state": {"state"}, "flow": {"local", "leased", "remote"},
               "status": {"state", "packets_sent", "packets_received", "octets_sent", "octets_received", "dropped_blocked",
                          "dropped_too_large", "dropped_invalid", "duplicates", "connections", "round_trip_ms"},
               "quality": {"local", "leased", "remote", "sent", "received", "lost", "late", "duplicates", "jitter_ms"}}
    page = (SOURCE / "tools/man/tep-c.1").read_text(encoding="utf-8").replace("\\-", "-")
    page = page[page.index(".SH JSON EVENTS"):page.index(".SH EXIT STATUS")]
    with Place() as place, place.server(), place.agent() as agent:
        agent.wait_for('"event":"flow"', 20)
        wait_until(place.passes, 5, "a packet that comes back")
        agent.signal(signal.SIGUSR1)
        agent.wait_for('"event":"quality"', 5)
        assert agent.stop() == 0
        assert agent.errors == "", agent.errors
        for event in events(agent):
            missing = members[event["event"]] - set(event)
            assert not missing and abs(event["time"] - time.time()) < 60, (event, missing)
            assert set(event) - {"event", "time"} <= members[event["event"]] | {"cause", "detail"}, event
            assert event["event"] in page
            for member in event:
                assert re.search(rf"\b{member}\b", page), member
        assert {event["event"] for event in events(agent)} == set(members)
        flow = events(agent, "flow")[0]
        assert flow["local"] == f"127.0.0.1:{place.local_port}"
        assert events(agent, "quality")[-1]["received"] >= 1 and events(agent, "status")[-1]["packets_sent"] >= 1
        assert events(agent, "state")[-1]["state"] == "closed"


@test("tep-c: a person reads what is going on, in sentences, on stderr")
def sentences():
    with Place() as place, place.server(), place.agent(json_too=False) as agent:
        ready = agent.wait_for(rf"^tep-c: ready: send to 127\.0\.0\.1:{place.local_port} for \S+, which sees (\S+)$", 20)
        wait_until(place.passes, 5, "a packet that comes back")
        agent.signal(signal.SIGUSR1)
        agent.wait_for(rf"^tep-c:   127\.0\.0\.1:{place.local_port} as {re.escape(ready[1])} with .*: 1 packets sent, 1 received, 0 lost", 5)
        assert agent.output == ""


@test("tep-c: SIGINT, SIGTERM and SIGHUP say good-bye, and the server frees everything at once")
def good_bye():
    with Place() as place, place.server():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with place.agent() as agent:
                agent.wait_for('"event":"flow"', 20)
                assert place.tunnels() == 1
                agent.signal(number)
                assert agent.wait(10) == 0
                wait_until(lambda: place.tunnels() == 0, 5, "the end of the tunnel")


@test("tep-c: ends at once on a signal while it waits for a server")
def ends_while_waiting():
    with Place() as place, place.agent() as agent:
        agent.wait_for('"state":"waiting"', 20)
        agent.signal(signal.SIGTERM)
        assert agent.wait(5) == 0


@test("tep-c: a second signal does not wait for a server that has gone silent")
def second_signal():
    with Place() as place, place.server() as daemon, place.agent() as agent:
        agent.wait_for('"event":"flow"', 20)
        daemon.signal(signal.SIGSTOP)
        try:
            agent.signal(signal.SIGTERM)
            agent.wait_for('"event":"quality"', 5)
            agent.signal(signal.SIGTERM)
            assert agent.wait(3) == 0
        finally:
            daemon.signal(signal.SIGCONT)


@test("tep-c: attempts spread out, and a server that comes back is found")
def back_off():
    with Place() as place, place.agent() as agent:
        def waits():
            return [event["time"] for event in events(agent, "state") if event["state"] == "waiting"]
        wait_until(lambda: len(waits()) >= 6, 30, "six attempts")
        gaps = [after - before for before, after in zip(waits(), waits()[1:])]
        for gap, (least, most) in zip(gaps, ((0.125, 0.25), (0.25, 0.5), (0.5, 1), (0.5, 1), (1, 2))):
            assert least - 0.01 <= gap <= most + 0.5, gaps
        with place.server():
            wait_until(place.passes, 10, "a packet that comes back")


@test("tep-c: kill -9 of the server: a call goes on within five seconds, and a lease that moved is told")
def server_killed():
    with Place() as place, contextlib.ExitStack() as stack:
        daemon = stack.enter_context(place.server())
        agent = stack.enter_context(place.agent())
        agent.wait_for('"event":"flow"', 20)
        wait_until(place.passes, 5, "a packet that comes back")
        daemon.kill()
        begin = time.monotonic()
        stack.enter_context(place.server())
        wait_until(place.passes, 5, "a packet that comes back")
        assert time.monotonic() - begin < 5
        for moved in events(agent, "moved"):
            assert moved["local"] == f"127.0.0.1:{place.local_port}" and moved["leased"], moved


@test("tep-c: a flow that the server refuses after its restart is told")
def refused_later():
    with Place() as place, contextlib.ExitStack() as stack:
        daemon = stack.enter_context(place.server())
        agent = stack.enter_context(place.agent())
        agent.wait_for('"event":"flow"', 20)
        daemon.kill()
        stack.enter_context(place.server(policy="allow=127.0.0.2"))
        agent.wait_for('"event":"flow-failed"', 20)
        assert events(agent, "flow-failed")[0]["cause"], agent.output


@test("tep-c: --pcap holds the packets; a full disk ends it, is said, and stops no media")
def pcap():
    with Place() as place, place.server():
        path = place.path / "inner.pcap"
        path.touch(mode=0o644)
        with place.agent("--pcap", path) as agent:
            agent.wait_for('"event":"flow"', 20)
            wait_until(place.passes, 5, "a packet that comes back")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes()[:4] == bytes.fromhex("a1b2c3d4") and b"hello" in path.read_bytes()
        with place.agent("--pcap", "/dev/full") as agent:
            agent.wait_for('"event":"flow"', 20)
            assert "No space left" in events(agent, "capture-ended")[0]["cause"], agent.output
            wait_until(place.passes, 5, "a packet that comes back")
        # A disk that gets full later, as a limit on the size of files; what was written stays readable.
        limit = ["prlimit", "--fsize=2000", "--"]
        with Process([*limit, *place.arguments("--json", "--pcap", path)], name="tep-c") as agent:
            agent.wait_for('"event":"flow"', 20)
            wait_until(place.passes, 5, "a packet that comes back")
            for _ in range(5):
                assert place.passes(bytes(500))
            agent.wait_for('"event":"capture-ended"', 5)
            assert place.passes()
        octets = path.read_bytes()[24:]
        while octets:
            length = int.from_bytes(octets[8:12], "big")
            assert len(octets) >= 16 + length, "half a packet"
            octets = octets[16 + length:]
        ended = subprocess.run(place.arguments("--pcap", place.path), capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 71 and str(place.path) in ended.stderr, ended


@test("tep-c: no password appears in what it says, in its arguments or its environment")
def no_secrets():
    with Place() as place:
        place.secret("login", f"alice:{CANARY}")
        with place.server(), place.agent() as agent:
            process = pathlib.Path("/proc", str(agent.pid))
            said = (process / "cmdline").read_text() + (process / "environ").read_text()
            agent.wait(20)
            assert CANARY not in said + agent.output + agent.errors


@test("tep-c: a reader that goes away ends nothing; the end says that the result was lost")
def reader_gone():
    with Place() as place, place.server():
        with subprocess.Popen(place.arguments("--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as agent:
            while '"flow"' not in agent.stdout.readline():
                pass
            agent.stdout.close()
            wait_until(place.passes, 5, "a packet that comes back")
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(10) == 1
            assert "could not be written" in agent.stderr.read()


@test("tep-c.service: is correct, for one user and for the system")
def unit_is_correct():
    unit = pathlib.Path(os.environ["TEPKIT_BUILD"], "tools/tep-c.service").read_text(encoding="utf-8")
    with Place() as place:
        installed = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)[1]
        assert installed.endswith("bin/tep-c")
        for text, is_correct in ((unit.replace(installed, str(TEP_C)), True), (unit.replace("RestartSec", "RestartSecs"), False)):
            path = place.path / "tep-c.service"
            path.write_text(text, encoding="utf-8")
            for whose in ("--user", "--system"):
                verified = subprocess.run(["systemd-analyze", "--no-pager", whose, "--man=no", "verify", path],
                                          capture_output=True, text=True, check=False,
                                          env={**os.environ, "XDG_RUNTIME_DIR": place.name})
                assert (verified.returncode == 0 and verified.stderr == "") == is_correct, verified


run()

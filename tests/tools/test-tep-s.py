#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon tep-s as its operator meets it: start, rights, readiness, reload, end, what it says and serves."""
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["TEPKIT_SOURCE"], "tests", "support")))
import certificate
from process import Process, program, program_for_anybody, wait_until
from tap import run, test

TEP_S = program("tep-s")
NOBODY = 65534
PASSWORD = "canary-password-77"
SECRET = "canary-shared-secret-78"
TOKEN = "canary-metrics-token-79"
IS_SANITIZED = "sanitize" in os.environ["TEPKIT_BUILD"]


class Place:
    """A folder with a configuration and the files it names, as the daemon's user may read them."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tepkit-tep-s-"))
        self.path.chmod(0o755)
        self.values = {
            "server": {"listen": "127.0.0.1:0;[::1]:0", "user": "nobody", "workers": "2"},
            "credentials": {"users": "users", "secrets": "secret"},
            "media": {"backend": "relay", "relay-addresses": "127.0.0.1", "relay-ports": "61000-65535"},
            "policy": {"allow": "127.0.0.0/8"},
            "timers": {"drain": "5"},
            "metrics": {"listen": f"unix:{self.path}/metrics"},
            "log": {"level": "debug", "lines-per-second": "100"},
        }
        self.secret("users", f"alice:{PASSWORD}\n")
        self.secret("secret", SECRET + "\n")
        self.secret("token", TOKEN + "\n")

    def secret(self, name, text):
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        os.chown(path, NOBODY, NOBODY)

    def write(self, extra=""):
        text = "".join(f"[{group}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
                       for group, keys in self.values.items())
        path = self.path / "tep-s.conf"
        path.write_text(text + extra, encoding="utf-8")
        return path

    def run(self, *arguments):
        return subprocess.run([TEP_S, "--config", self.write(), *arguments], capture_output=True, text=True,
                              timeout=30, check=False)

    def start(self, *arguments, environment=None, before=(), binary=TEP_S):
        return Process([*before, binary, "--config", self.write(), *arguments], environment=environment,
                       name="tep-s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)


class Notifications:
    """The socket on which a service manager listens."""

    def __init__(self, place):
        self.path = place.path / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o777)
        self.environment = {"NOTIFY_SOCKET": str(self.path)}
        self.seen = []

    def wait_for(self, line, timeout_s=10):
        self._socket.settimeout(timeout_s)
        while line not in self.seen:
            self.seen += self._socket.recv(4096).decode().splitlines()
        del self.seen[:self.seen.index(line) + 1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def ready(daemon):
    """Returns the ports of the listeners once it is ready."""
    daemon.wait_for(r"is ready")
    return [int(port) for port in re.findall(r"listening on \S+:(\d+),", daemon.errors)]


def http(place, request, address=None):
    """Sends a request to the metrics and returns status and body."""
    family = socket.AF_UNIX if address is None else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(address or str(place.path / "metrics"))
        connection.sendall(request.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def get(place, path="/metrics", headers="", address=None):
    return http(place, f"GET {path} HTTP/1.0\r\n{headers}\r\n", address)


def serves(place):
    """Whether the metrics answer; their socket is there a moment before somebody listens on it."""
    with contextlib.suppress(ConnectionError, FileNotFoundError):
        return get(place, "/ready")[0] > 0
    return False


def metric(place, series):
    found = re.search(rf"^{re.escape(series)} (\S+)$", get(place)[1], re.MULTILINE)
    assert found, f"{series} is not served"
    return float(found[1])


def status_of(daemon):
    text = pathlib.Path("/proc", str(daemon.pid), "status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@test("tep-s: --help, --version and --check end with 0 and say what they should")
def help_version_check():
    with Place() as place:
        place.values["server"]["listen"] = "127.0.0.1:443"
        assert "--config" in subprocess.run([TEP_S, "--help"], capture_output=True, text=True, check=True).stdout
        version = subprocess.run([TEP_S, "--version"], capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(r"tep-s \(tepkit\) \d+\.\d+\.\d+\n", version), version
        checked = place.run("--check")
        assert checked.returncode == 0 and "valid; 1 listener, 1 user" in checked.stdout, checked
        assert "detection" not in checked.stdout + checked.stderr, checked
        for addresses, said, left_open in (("", "detection answers at the front door", "has no addresses"),
                                           ("192.0.2.1", "192.0.2.1 on UDP and TCP ports 3478, 3479, 53, and at the front door", "one IPv4 address"),
                                           ("192.0.2.1;192.0.2.2;2001:db8::1", "192.0.2.1, 192.0.2.2, 2001:db8::1 on", "one IPv6 address"),
                                           ("192.0.2.1;192.0.2.2", "192.0.2.1, 192.0.2.2 on", "")):
            place.values["detect"] = {"addresses": addresses, "ports": "53"} if addresses else {}
            checked = place.run("--check")
            assert checked.returncode == 0 and said in checked.stdout and left_open in checked.stderr, checked
            assert bool(left_open) == ("[detect]" in checked.stderr), checked
        del place.values["detect"]
        assert checked.stderr == "", checked.stderr
        place.secret("users", "bob:short\n")
        checked = place.run("--check")
        assert checked.returncode == 0 and "1 of the users can log in under TLS only" in checked.stderr, checked


@test("tep-s: a wrong command line ends with 64 and a hint")
def wrong_command_line():
    for arguments in (["--nonsense"], ["now"], ["--json"], ["--config"]):
        ended = subprocess.run([TEP_S, *arguments], capture_output=True, text=True, check=False)
        assert ended.returncode == 64, (arguments, ended)
        assert "Try: tep-s --help" in ended.stderr and ended.stdout == "", ended


@test("tep-s: a wrong configuration ends with 78 and names file, group and key")
def wrong_configuration():
    for group, key, value, says in (
            ("server", "lissten", "x", r"tep-s\.conf: \[server\] lissten: unknown key"),
            ("server", "user", "no-such-user", r'\[server\] user: there is no user "no-such-user"'),
            ("server", "user", "root", r"\[server\] user: .* rights of root"),
            ("media", "backend", "embedded", r"\[media\] backend: .*write relay, tun or pcap"),
            ("policy", "allow", "10.0.0.0/8;10.0.0.0/9", r"\[policy\]: allow: .*overlaps"),
            ("tls", "certificate", "missing", r"\[tls\] key: is missing"),
            ("credentials", "users", "nowhere", r"\[credentials\]: .*nowhere: No such file")):
        with Place() as place:
            place.values.setdefault(group, {})[key] = value
            for arguments in (["--check"], []):
                ended = place.run(*arguments)
                assert ended.returncode == 78 and re.search(says, ended.stderr), (key, ended)
                assert ended.stdout == "", ended
    ended = subprocess.run([TEP_S, "--config", "/nonexistent"], capture_output=True, text=True, check=False)
    assert ended.returncode == 78 and "/nonexistent" in ended.stderr, ended


@test("tep-s: an address that is taken ends the start with 71 and is named")
def address_in_use():
    with Place() as place, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place.values["server"]["listen"] = "127.0.0.1:%d" % other.getsockname()[1]
        ended = place.run()
        assert ended.returncode == 71, ended
        assert place.values["server"]["listen"] in ended.stderr, ended


@test("tep-s: no right is left after the start, in no thread, on a privileged port too")
def rights_are_dropped():
    with Place() as place:
        place.values["server"]["listen"] = "127.84.69.80:80"
        with place.start() as daemon:
            ready(daemon)
            for thread in pathlib.Path("/proc", str(daemon.pid), "task").iterdir():
                lines = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines()
                             if ":\t" in line)
                for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    assert int(lines[name], 16) == 0, (name, lines[name])
                assert lines["NoNewPrivs"] == "1", lines
                assert lines["Seccomp"] == "2", lines
                assert set(lines["Uid"].split()) == {str(NOBODY)}, lines
                assert set(lines["Gid"].split()) == {str(NOBODY)}, lines
            limits = pathlib.Path("/proc", str(daemon.pid), "limits").read_text(encoding="ascii")
            assert re.search(r"Max core file size +0 +0 ", limits), limits
            if not IS_SANITIZED:  # files of a process that is not dumpable belong to root
                assert pathlib.Path("/proc", str(daemon.pid), "environ").stat().st_uid == 0


@test("tep-s: starts without root where no port needs it")
def starts_without_root():
    with Place() as place:
        del place.values["server"]["user"]
        os.chown(place.path, NOBODY, NOBODY)
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        with place.start(before=command, binary=program_for_anybody("tep-s", place.path)) as daemon:
            ready(daemon)
            assert status_of(daemon)["NoNewPrivs"] == "1"


@test("tep-s: tells a service manager that it is ready, reloads, stops, and lives")
def notifies():
    with Place() as place, Notifications(place) as manager:
        environment = {**manager.environment, "WATCHDOG_USEC": "400000"}
        with place.start(environment=environment) as daemon:
            manager.wait_for("READY=1")
            manager.wait_for("STATUS=0 tunnels, 0 flows")
            for _ in range(3):
                manager.wait_for("WATCHDOG=1")
            daemon.signal(signal.SIGHUP)
            manager.wait_for("RELOADING=1")
            manager.wait_for("READY=1")
            daemon.signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            assert daemon.wait(10) == 0


@test("tep-s: a good configuration is reloaded, a bad one refused whole, a hundred times")
def reloads():
    with Place() as place:
        with place.start() as daemon:
            ready(daemon)
            place.values["server"]["workers"] = "3"
            place.write()
            daemon.signal(signal.SIGHUP)
            daemon.wait_for(r"in force only after a restart: \[server\] workers")
            for turn in range(100):
                is_good = turn % 2 == 0
                place.write("" if is_good else "[nonsense]\n")
                daemon.signal(signal.SIGHUP)
                series = "tep_server_reloads_total" if is_good else "tep_server_reloads_refused_total"
                wait_until(lambda s=series, n=turn // 2 + 1 + is_good: metric(place, s) == n, 10, f"{series} in turn {turn}")
            assert "refused, the old one stays in force" in daemon.errors
            assert "[nonsense]: unknown group" in daemon.errors


@test("tep-s: ends with 0 when told to, at once when told twice")
def ends():
    with Place() as place:
        for signals in ([signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]):
            with place.start() as daemon:
                ready(daemon)
                for number in signals:
                    daemon.signal(number)
                assert daemon.wait(10) == 0
                assert "tep-s ends" in daemon.errors
            assert not (place.path / "metrics").exists() or os.geteuid() == 0


@test("tep-s: starts again after kill -9, over the socket file that was left")
def starts_after_kill():
    with Place() as place:
        for _ in range(3):
            with place.start() as daemon:
                ready(daemon)
                assert get(place, "/ready") == (200, "ready\n")
                daemon.kill()


@test("tep-s: metrics answer on a Unix socket that others may not use")
def metrics_on_unix():
    with Place() as place:
        with place.start() as daemon:
            ready(daemon)
            mode = (place.path / "metrics").stat()
            assert mode.st_mode & 0o777 == 0o660 and mode.st_uid == NOBODY, oct(mode.st_mode)
            status, text = get(place)
            assert status == 200 and 'tep_server_build_info{version="' in text
            assert all(float(x) == 0 for x in re.findall(r'^tep_server_balance{.*} (\S+)$', text, re.MULTILINE))
            assert get(place, "/other")[0] == 404
            assert http(place, "POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")[0] == 405
            with contextlib.suppress(OSError, IndexError):
                http(place, "\0garbage\r\n\r\n")
            assert get(place, "/ready") == (200, "ready\n")


@test("tep-s: metrics on loopback want the token")
def metrics_on_loopback():
    with Place() as place, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        place.values["metrics"] = {"listen": f"127.0.0.1:{port}", "token": "token"}
        address = ("127.0.0.1", port)
        with place.start() as daemon:
            ready(daemon)
            assert get(place, address=address)[0] == 401
            for wrong in ("Bearer x", "Bearer " + TOKEN + "x", "Bearer", "Basic " + TOKEN, TOKEN):
                assert get(place, headers=f"Authorization: {wrong}\r\n", address=address)[0] == 401, wrong
            assert get(place, headers=f"Authorization: Bearer {TOKEN}\r\n", address=address)[0] == 200
            shown = place.run("--status", "--json")
            assert shown.returncode == 0 and json.loads(shown.stdout)["running"] is True, shown


@test("tep-s: --status tells a person and a script how the daemon is, and 69 if it is not")
def status():
    with Place() as place:
        ended = place.run("--status")
        assert ended.returncode == 69 and "does not answer" in ended.stderr, ended
        assert json.loads(place.run("--status", "--json").stdout) == {"running": False}
        with place.start() as daemon:
            ready(daemon)
            shown = place.run("--status")
            assert shown.returncode == 0 and shown.stdout.startswith("running\n"), shown
            assert re.search(r"^ +0 tunnels$", shown.stdout, re.MULTILINE), shown
            assert json.loads(place.run("--status", "--json").stdout)["tunnels"] == 0


@test("tep-s: a full disk for the log stops nothing and is counted")
def full_disk():
    with Place() as place:
        place.values["log"]["file"] = "/dev/full"
        with place.start() as daemon:
            wait_until(lambda: serves(place) and metric(place, 'tep_server_log_records_total{result="dropped"}') > 0, 10,
                       "dropped records")
            assert get(place, "/ready")[0] == 200
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(10) == 0


@test("tep-s: log records are JSON, one a line, in a file that is opened anew after it was moved")
def log_file():
    with Place() as place:
        os.chown(place.path, NOBODY, NOBODY)
        log = place.path / "log"
        place.values["log"] |= {"file": str(log), "format": "json"}
        with place.start() as daemon:
            wait_until(lambda: log.exists() and "is ready" in log.read_text(), 10, "the start in the log")
            os.chown(log, NOBODY, NOBODY)
            log.rename(place.path / "log.1")
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: log.exists() and "reloaded" in log.read_text(), 10, "a new log")
        for name in ("log", "log.1"):
            for line in (place.path / name).read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                assert {"time", "level", "domain", "message"} <= record.keys(), line


@test("tep-s: a certificate about to expire is warned about, an expired one stops nothing")
def certificate_expiry():
    for days, says in ((20, "expires in 479 hours"), (5, "expires in 119 hours"), (1, "expires in 23 hours"),
                       (0, "has expired")):
        with Place() as place:
            chain, key = certificate.make(place.path, days=max(days, 1))
            if days == 0:
                subprocess.run(["openssl", "x509", "-in", chain, "-signkey", key, "-days", "0", "-out", chain],
                               check=True, capture_output=True)
            key.chmod(0o600)
            os.chown(key, NOBODY, NOBODY)
            place.values["tls"] = {"certificate": chain, "key": key}
            with place.start() as daemon:
                ready(daemon)
                daemon.wait_for(says)


@test("tep-s: no secret appears in logs, metrics, arguments or environment, at the level debug")
def no_secrets():
    with Place() as place:
        place.values["metrics"]["token"] = "token"
        with place.start() as daemon:
            ports = ready(daemon)
            with Call(place, ports[0]) as call:
                call.wait_until_passes(b"logged in")
            with socket.create_connection(("127.0.0.1", ports[0])) as stranger:
                stranger.sendall(b"GET /" + PASSWORD.encode() + b" HTTP/1.1\r\n\r\n")
                stranger.recv(4096)
            for change in ("opening -> tunnel (authenticated)", "provisional -> live (confirm)",
                           "http-request -> closing (finish)"):
                daemon.wait_for(re.escape(change))
            place.secret("users", f"alice {PASSWORD}\n")
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("line 1: has no colon")
            metrics = get(place, headers=f"Authorization: Bearer {TOKEN}\r\n")[1]
            process = pathlib.Path("/proc", str(daemon.pid))
            said = [metrics, daemon.output, daemon.errors, (process / "cmdline").read_text(),
                    (process / "environ").read_text()]
            for text in said:
                for canary in (PASSWORD, SECRET, TOKEN):
                    assert canary not in text, canary


class Call:
    """A device's end of a tunnel to the daemon, with a remote on loopback that sends everything back."""

    def __init__(self, place, port, *arguments, password=PASSWORD, opens=True):
        self.opens = opens
        self.remote = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            local = probe.getsockname()[1]
        self.remote.bind(("127.0.0.1", 0))
        self.device.connect(("127.0.0.1", local))
        for end in (self.remote, self.device):
            end.settimeout(0.2)
        credentials = place.path / "credentials"
        credentials.write_text(f"alice:{password}\n", encoding="utf-8")
        credentials.chmod(0o600)
        self.client = Process([program("tep-c"), "--server", f"127.0.0.1:{port}", "--credentials", credentials,
                               "--flow", "%d=127.0.0.1:%d" % (local, self.remote.getsockname()[1]), "--json",
                               *arguments])

    def passes(self, text):
        """Whether a packet made the way there and back."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            self.device.send(text)
            while True:
                packet, source = self.remote.recvfrom(2048)
                self.remote.sendto(packet, source)
                while (answer := self.device.recv(2048)) != text:
                    assert answer
                return True
        return False

    def wait_until_passes(self, text, timeout_s=5):
        wait_until(lambda: self.passes(text), timeout_s, "a packet that comes back")

    def __enter__(self):
        try:
            if self.opens:
                self.client.wait_for(r'"event":"flow"', 10)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exception):
        self.remote.close()
        self.device.close()
        self.client.__exit__(*exception)


def start_on_port(place, *arguments):
    """Starts on a port that stays the same when it is started again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place.values["server"]["listen"] = f"127.0.0.1:{port}"
    return place.start(*arguments), port


@test("tep-s: a call goes on while certificates, users and limits are reloaded")
def call_survives_reload():
    with Place() as place:
        def new_certificate():
            chain, key = certificate.make(place.path)
            key.chmod(0o600)
            os.chown(key, NOBODY, NOBODY)
            place.values["tls"] = {"certificate": chain, "key": key}
            return chain
        shutil.copy(new_certificate(), place.path / "ca.pem")
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port, "--tls", "--ca-file", place.path / "ca.pem") as call:
                call.wait_until_passes(b"before")
                first = call.client.output.count('"event":"flow"')
                for turn in range(5):
                    shutil.copy(new_certificate(), place.path / "new-ca.pem")
                    place.secret("users", f"alice:{PASSWORD}\nuser{turn}:another password {turn}\n")
                    place.values["limits"] = {"tunnels": str(10 + turn)}
                    place.write()
                    daemon.signal(signal.SIGHUP)
                    wait_until(lambda n=turn + 1: metric(place, "tep_server_reloads_total") == n, 10, "a reload")
                    assert call.passes(b"turn %d" % turn)
                assert call.client.output.count('"event":"flow"') == first
                assert metric(place, "tep_server_tunnels_opened_total") == 1
                with Call(place, port, "--tls", "--ca-file", place.path / "new-ca.pem") as second:
                    second.wait_until_passes(b"with the new certificate")


@test("tep-s: a remote that a reload denies gets nothing more, in a call that goes on")
def reload_revokes():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"allowed")
                place.values["policy"]["allow"] = "127.0.0.0/9"
                place.values["policy"]["deny"] = "127.0.0.1"
                place.write()
                daemon.signal(signal.SIGHUP)
                daemon.wait_for("configuration reloaded")
                denied = 'tep_server_drops_total{direction="up",reason="policy"}'
                before = metric(place, denied)
                assert not call.passes(b"denied")
                assert metric(place, denied) > before
                assert metric(place, "tep_server_tunnels") == 1
                place.values["policy"]["deny"] = "127.0.0.9"
                place.write()
                daemon.signal(signal.SIGHUP)
                call.wait_until_passes(b"allowed again")


@test("tep-s: waits for a call when told to end, but not for ever, and takes no new one")
def drains():
    with Place() as place:
        place.values["timers"]["drain"] = "2"
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"before")
                daemon.signal(signal.SIGTERM)
                wait_until(lambda: get(place, "/ready")[0] == 503, 5, "that it is not ready any more")
                assert daemon.status is None
                assert daemon.wait(10) == 0
                assert "tunnel closed" in daemon.errors, daemon.errors


@test("tep-s: a call goes on at the other server when this one ends, and comes back when that one does")
def goes_to_the_alternate():
    with Place() as place, Place() as other:
        for each in (place, other):
            each.values["timers"]["drain"] = "1"
        there, other_port = start_on_port(other)
        place.values["server"]["alternate"] = f"127.0.0.1:{other_port}"
        here, port = start_on_port(place)
        with there, here:
            ready(there)
            ready(here)
            with Call(place, port) as call:
                call.wait_until_passes(b"here")
                here.signal(signal.SIGTERM)
                assert here.wait(10) == 0
                call.wait_until_passes(b"there", 5)
                assert "tunnel opened" in there.errors, there.errors
                call.client.wait_for(f"going on at 127.0.0.1:{other_port}")
                with place.start() as again:
                    ready(again)
                    there.signal(signal.SIGTERM)
                    assert there.wait(10) == 0
                    call.wait_until_passes(b"here again", 10)


@test("tep-s: a call is back within 5 s after kill -9 and a new start")
def call_survives_kill():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"before")
                daemon.kill()
                with place.start() as again:
                    ready(again)
                    call.wait_until_passes(b"after", 5)


@test("tep-s: --pcap records inner packets of both directions")
def records():
    with Place() as place:
        record = place.path / "inner.pcap"
        daemon, port = start_on_port(place, "--pcap", record)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                for i in range(20):
                    assert call.passes(b"packet %d" % i)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(10) == 0
        octets = record.read_bytes()
        assert octets.count(b"packet 7") == 2, octets
        shown = subprocess.run(["tshark", "-r", record, "-T", "fields", "-e", "udp.length", "-e", "_ws.malformed",
                                "-o", "udp.check_checksum:TRUE", "-e", "udp.checksum.status"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(shown) == 40, shown
        assert all(line.split("\t")[1:] == ["", "1"] for line in shown), shown
        assert record.stat().st_mode & 0o777 == 0o600


@test("tep-s: a wrong password is counted, told once, and never shown")
def wrong_password():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port, password="canary-wrong-password", opens=False) as call:
                failed = 'tep_server_authentication_total{result="failed"}'
                wait_until(lambda: metric(place, failed) > 0, 10, "a failed login")
                assert call.client.wait(20) == 77
                assert "canary" not in daemon.errors and "canary" not in call.client.errors
            with Call(place, port) as call:
                call.wait_until_passes(b"right")


def others_in_namespace(pid):
    """Processes in the network namespace of a process, besides itself."""
    own = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != pid and os.readlink(entry / "ns/net") == own:
                found.append(int(entry.name))
    return found


@test("tep-s: with the backend tun, rights are the helper's alone, and its end is not the daemon's")
def helper_has_the_rights():
    in_namespace = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    net_admin = 1 << 12
    for is_killed in (False, True):
        with Place() as place:
            place.values["server"]["listen"] = "127.0.0.1:443"
            place.values["media"] = {"backend": "tun"}
            with place.start(before=in_namespace) as daemon:
                ready(daemon)
                helpers = others_in_namespace(daemon.pid)
                assert len(helpers) == 1, helpers
                capabilities = {pid: int(re.search(r"^CapEff:\t(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(),
                                                   re.MULTILINE)[1], 16) for pid in (daemon.pid, helpers[0])}
                assert capabilities == {daemon.pid: 0, helpers[0]: net_admin}, capabilities
                if is_killed:
                    os.kill(helpers[0], signal.SIGKILL)
                    wait_until(lambda: metric(place, "tep_server_helpers_lost_total") > 0, 10, "the loss of the helper")
                    assert get(place, "/ready")[0] == 200
                daemon.signal(signal.SIGTERM)
                assert daemon.wait(10) == 0
                gone = f"/proc/{helpers[0]}"
                wait_until(lambda path=gone: not os.path.exists(path), 5, "the end of the helper")


@test("tep-s: a flood of garbage fills no log, at the level debug, while a call goes on")
def flood_and_log():
    with Place() as place:
        place.values["policy"]["allow"] = "127.0.0.0/8"
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
                call.wait_until_passes(b"before")
                flood.connect(("127.0.0.1", port))
                passed = 0
                for turn in range(40):
                    for _ in range(1000):
                        with contextlib.suppress(ConnectionError):
                            flood.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + os.urandom(12))
                    for garbage in (b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", os.urandom(64)):
                        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
                            one.sendall(garbage)
                    passed += call.passes(b"turn %d" % turn)
                assert passed >= 39, passed
                assert metric(place, "tep_server_stun_limited_total") > 1000
            seconds = collections.Counter(line[:19] for line in daemon.errors.splitlines())
            assert max(seconds.values()) <= 100, seconds


SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])


def known_keys():
    """Every group with its keys, as the daemon's own messages list them."""
    keys = {}
    with Place() as place:
        place.values = {"nonsense": {}}
        groups = re.search(r"write one of: (.*)", place.run("--check").stderr)[1].split(", ")
        for group in groups:
            place.values = {group: {"nonsense": "x"}}
            keys[group] = re.search(r"write one of: (.*)", place.run("--check").stderr)[1].split(", ")
    return keys


@test("tep-s.conf.5: describes every key, and no other")
def manual_is_complete():
    manual = (SOURCE / "tools/man/tep-s.conf.5").read_text(encoding="utf-8").replace("\\-", "-")
    sections = dict(re.findall(r'^\.SH "\[(\w+)\]"\n(.*?)(?=^\.SH)', manual, re.MULTILINE | re.DOTALL))
    described = {group: re.findall(r'^\.BR (\S+) "=', text, re.MULTILINE) for group, text in sections.items()}
    assert described == known_keys(), (described, known_keys())


@test("tep-s.8: describes every option")
def manual_names_options():
    manual = (SOURCE / "tools/man/tep-s.8").read_text(encoding="utf-8").replace("\\-", "-")
    shown = subprocess.run([TEP_S, "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"(--[a-z-]+)", shown):
        assert re.search(rf"^\.BR? .*{option}\b", manual, re.MULTILINE), option


@test("tep-s.8: describes every metric with its labels, and no other")
def manual_names_metrics():
    manual = (SOURCE / "tools/man/tep-s.8").read_text(encoding="utf-8").replace("\\-", "-")
    section = re.search(r"^\.SH METRICS\n(.*?)(?=^\.SH)", manual, re.MULTILINE | re.DOTALL)[1]
    described = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"^\.TP\n\.BR? (.*)", section, re.MULTILINE))))
    with Place() as place, place.start() as daemon:
        ready(daemon)
        text = get(place)[1]
    names = set(re.findall(r"^tep_server_(\w+)", text, re.MULTILINE)) | {"certificate_expiry_timestamp_seconds"}
    assert not names - described, names - described
    words = set(re.findall(r'="([a-z-]+)"', text))
    assert not words - set(re.findall(r"[a-z-]+", section.lower())), words - set(re.findall(r"[a-z-]+", section.lower()))
    told = [name for name in described if "_" in name]
    assert not set(told) - names, set(told) - names


@test("tep-s.conf.example: can be used as it is, and lists nothing unknown where it is commented out")
def example_is_valid():
    text = (SOURCE / "tools/data/tep-s.conf.example").read_text(encoding="utf-8")
    with Place() as place:
        config = place.path / "example.conf"
        config.write_text(text, encoding="utf-8")
        subprocess.run([TEP_S, "--check", "--config", config], check=True, capture_output=True)
        chain, key = certificate.make(place.path)
        key.chmod(0o600)
        assert chain.name == "certificate.pem" and key.name == "key.pem"
        config.write_text(re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE), encoding="utf-8")
        subprocess.run([TEP_S, "--check", "--config", config], check=True, capture_output=True)


def analyze(place, command, *arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments, command, place.path / "tep-s.service"],
                          capture_output=True, text=True, check=False)


@test("tep-s.service: is correct, and exposes at most 2.6 with any backend")
def unit_is_tight():
    unit = pathlib.Path(os.environ["TEPKIT_BUILD"], "tools/tep-s.service").read_text(encoding="utf-8")
    with Place() as place:
        installed = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)[1]
        assert installed.endswith("sbin/tep-s")
        (place.path / "tep-s.service").write_text(unit.replace(installed, str(TEP_S)), encoding="utf-8")
        for drop_in in (None, "tep-s-media.conf"):
            if drop_in:
                (place.path / "tep-s.service.d").mkdir()
                shutil.copy(SOURCE / "tools/data" / drop_in, place.path / "tep-s.service.d")
            verified = analyze(place, "verify", "--man=no")
            assert verified.returncode == 0 and verified.stderr == "", verified
            judged = analyze(place, "security", "--offline=true", "--threshold=26")
            assert judged.returncode == 0, judged.stdout
            exposure = float(re.search(r"exposure level .*: ([0-9.]+)", judged.stdout)[1])
            assert exposure <= 2.6, exposure


@test("tep-s: runs as the unit file starts it, with one capability and no root")
def runs_like_the_unit():
    with Place() as place:
        del place.values["server"]["user"]
        place.values["server"]["listen"] = "127.84.69.81:443"
        os.chown(place.path, NOBODY, NOBODY)
        capability = "-all,+net_bind_service"
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
                   f"--inh-caps={capability}", f"--ambient-caps={capability}", f"--bounding-set={capability}"]
        with place.start(before=command, binary=program_for_anybody("tep-s", place.path)) as daemon:
            ready(daemon)
            lines = status_of(daemon)
            assert all(int(lines[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")), lines


if __name__ == "__main__":
    run()

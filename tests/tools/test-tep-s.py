#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon tep-s as its operator meets it: start, rights, readiness, reload, end, what it says and serves."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["TEPKIT_SOURCE"], "tests", "support")))
import certificate
from process import program_for_anybody, wait_until
from tap import run, test
from tep_s_place import Call, IS_SANITIZED, NOBODY, Notifications, PASSWORD, Place, SECRET, TEP_S, TOKEN, get, http, metric, ready, serves, status_of


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


if __name__ == "__main__":
    run()

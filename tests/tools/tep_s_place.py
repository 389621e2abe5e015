# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon tep-s in a folder of its own, calls through it, and what it says to those who look after it."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["TEPKIT_SOURCE"], "tests", "support")))
from process import IS_SANITIZED, Process, program, wait_until

TEP_S = program("tep-s")
NOBODY = 65534
PASSWORD = "canary-password-77"
SECRET = "canary-shared-secret-78"
TOKEN = "canary-metrics-token-79"


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

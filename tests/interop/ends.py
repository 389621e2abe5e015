"""Both ends of a tunnel as programs in a network of the lab, set up in a line each."""
import json
import pathlib
import re
import socket
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import certificate  # noqa: E402
from process import Process, program, wait_until  # noqa: E402

USER, PASSWORD = "alice", "correct horse battery staple"
LOCAL_PORT = 40000     # where tep-c takes the device's media
PHONE_PORT = 41000     # where the device's phone is
PEER_PORT = 4000       # where the far side is
PLAIN, WEB, TLS = "plain on port 443", "plain on port 80", "TLS on port 443"
PATIENCE_S = 20


def joined(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parted(text):
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def secret(directory, name, text):
    """A file that only its owner may read, as both programs demand."""
    path = pathlib.Path(directory, name)
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
    return path


class Scratch(tempfile.TemporaryDirectory):
    """A directory that the daemon's user may enter, and a certificate if it is wanted."""

    def __init__(self):
        super().__init__(prefix="tepkit-interop-")
        self.path = pathlib.Path(self.name)
        self.path.chmod(0o755)

    def certificate(self):
        if not (self.path / "key.pem").exists():
            certificate.make(self.path)
            (self.path / "key.pem").chmod(0o600)
        return self.path / "certificate.pem"

    def __enter__(self):
        return self


class Server(Process):
    """tep-s in the host "core" on ports 80 and 443, both families.

    settings: {group: {key: value}} over the usual ones; None takes a key away. users: (name, password) of others.
    """

    def __init__(self, lab, scratch, settings=None, before=(), arguments=(), users=(), name="tep-s"):
        self.lab, self.scratch = lab, scratch
        scratch.certificate()
        addresses = [lab["CORE_ADDR"], lab["CORE_ADDR6"]]
        peers = [f"{lab['PEER_ADDR']}:{PEER_PORT}", f"[{lab['PEER_ADDR6']}]:{PEER_PORT}"]
        values = {
            "server": {"listen": ";".join(joined(a, p) for a in addresses for p in (80, 443)),
                       "names": ";".join(["core.lab", *addresses]), "workers": "2"},
            "tls": {"certificate": "certificate.pem", "key": "key.pem"},
            "credentials": {"users": secret(scratch.path, "users", "\n".join(map(":".join, [(USER, PASSWORD), *users])))},
            "media": {"backend": "relay", "relay-addresses": ";".join(addresses)},
            "policy": {"allow": ";".join(peers)},
            "metrics": {"listen": f"unix:{scratch.path}/metrics-{name}"},
            "timers": {"drain": "0"},
            "log": {"level": "info"},
        }
        for group, keys in (settings or {}).items():
            values.setdefault(group, {}).update(keys)
        text = "".join(f"[{group}]\n" + "".join(f"{k}={v}\n" for k, v in keys.items() if v is not None)
                       for group, keys in values.items())
        self.configuration = scratch.path / f"{name}.conf"
        self.configuration.write_text(text, encoding="utf-8")
        self.metrics_path = scratch.path / f"metrics-{name}"
        super().__init__([*before, program("tep-s"), "--config", self.configuration, *arguments], lab, "core",
                         name=name)
        if "file" in values["log"]:
            wait_until(self._serves_metrics, PATIENCE_S, "the daemon's metrics")
        else:
            self.wait_for("is ready", PATIENCE_S)

    def _serves_metrics(self):
        try:
            return self.metrics()
        except OSError:
            return None

    def metrics(self):
        """{series: value} of what the daemon counts."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.metrics_path))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return {series: float(value) for series, value in re.findall(r"^([a-z][^#\n]*) (\S+)$", said, re.M)}


class Agent(Process):
    """tep-c in the host "device"; the network's proxy is used where there is one.

    carrier: PLAIN, WEB or TLS; mark: "" for IPv4, "6" for IPv6; flows: [(local port, remote address, port)].
    """

    def __init__(self, lab, scratch, carrier=PLAIN, mark="", flows=None, arguments=(), login=(USER, PASSWORD),
                 before=(), name="tep-c"):
        self.lab = lab
        if flows is None:
            flows = [(LOCAL_PORT, lab[f"PEER_ADDR{mark}"], PEER_PORT)]
        wanted = [*before, program("tep-c"), "--json",
                  "--server", joined(lab[f"CORE_ADDR{mark}"], 80 if carrier == WEB else 443),
                  "--credentials", secret(scratch.path, f"{name}.secret", ":".join(login))]
        for local, address, port in flows:
            wanted += ["--flow", f"{local}={joined(address, port)}"]
        if carrier == TLS:
            wanted += ["--tls", "--ca-file", scratch.certificate()]
        if lab.network.proxy:
            wanted += ["--proxy", lab[f"PROXY_URL{mark}"]]
        if lab.network.login:
            login = f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}"
            wanted += ["--proxy-credentials", secret(scratch.path, f"{name}.proxy-secret", login)]
        super().__init__([*wanted, *arguments], lab, "device", name=name)

    def events(self, name=None):
        found = [json.loads(line) for line in self.output.splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in found if name in (None, event["event"])]

    def wait_for_event(self, condition, what, timeout_s=PATIENCE_S):
        """The first event that fulfils the condition; its end before that fails the test."""
        def seen():
            has_ended = self.status is not None
            found = [event for event in self.events() if condition(event)]
            assert found or not has_ended, f"{self.name} ended with {self.status} before {what}"
            return found
        return wait_until(seen, timeout_s, what)[0]

    def leased(self, index=0):
        """The (address, port) at which the far side sees the index-th flow."""
        def all_ready():
            failed = self.events("flow-failed")
            assert not failed, failed
            has_ended = self.status is not None
            flows = self.events("flow")
            assert len(flows) > index or not has_ended, f"{self.name} ended with {self.status}"
            return flows[index:]
        return parted(wait_until(all_ready, PATIENCE_S, "a flow")[0]["leased"])

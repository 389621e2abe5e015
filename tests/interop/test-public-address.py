#!/usr/bin/python3
"""The device finds its public address at coturn and at TEP-S, by UDP and by TCP, or says why it does not."""
import contextlib
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from call_peers import CALL_PEER, server  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, wait_for_tcp  # noqa: E402
from tap import run, test  # noqa: E402

FOUND = {
    # network: addresses that UDP and TCP find, by the names of the lab's variables
    "open": ("DEVICE_ADDR", "DEVICE_ADDR"),
    "nat": ("PUBLIC_ADDR", "PUBLIC_ADDR"),
    "web-only": (None, "PUBLIC_ADDR"),
    "proxy-basic": (None, "PUBLIC_ADDR"),
}


@contextlib.contextmanager
def coturn(lab, keep):
    with Process(["turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-port=443",
                  f"--listening-ip={lab['CORE_ADDR']}", f"--relay-ip={lab['CORE_ADDR']}", "--log-file=stdout",
                  f"--pidfile={keep}/pid", f"--userdb={keep}/db"], lab, "core") as process:
        wait_for_tcp(lab, "core", lab["CORE_ADDR"], 443)
        yield process


SERVERS = {"coturn": coturn, "tep-s": server}


def find(network, ask):
    with tempfile.TemporaryDirectory(prefix="tepkit-stun-") as keep, Lab.up(network) as lab, SERVERS[ask](lab, keep):
        arguments = [CALL_PEER, "stun", "--server", f"{lab['CORE_ADDR']}:443"]
        if network == "proxy-basic":
            arguments += ["--proxy", f"http://{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}@{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}"]
        done = lab.run("device", arguments)
        print(done.stdout, done.stderr)
        assert done.returncode == 0, done.returncode
        events = [json.loads(line) for line in done.stdout.splitlines()]
        for transport, expected in zip(("udp", "tcp"), FOUND[network]):
            found = next(e for e in events if e["event"] == transport)
            if expected:
                assert found["address"].rpartition(":")[0] == lab[expected] and not found["cause"], found
                assert (found["address"] == found["local"]) == (expected == "DEVICE_ADDR"), found
            else:
                assert found["address"] == "none" and "no answer by UDP within 2500 ms, asked 3 times" in found["cause"], found


for name in FOUND:
    for answerer in SERVERS:
        test(f"/interop/public-address/{answerer}/{name}")(lambda name=name, answerer=answerer: find(name, answerer))

run(at_once=3)

#!/usr/bin/python3
"""libnice behind a bridge: two agents that may use relayed candidates alone, through proxies and verified TLS to coturn."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import PASSWORD, USER, coturn  # noqa: E402
from helper import proxy_of  # noqa: E402
from lab import Lab  # noqa: E402
from tap import run, test  # noqa: E402

NICE_PEERS = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "nice-peers")


def talk(lab, trusted, *options, user=USER, password=PASSWORD, server="core.lab:443"):
    """Runs the two agents; returns (exit status, events)."""
    done = lab.run("device", [NICE_PEERS, "--server", server, "--ca", trusted, "--user", user, "--password", password, *options])
    print(done.stdout, done.stderr)
    assert "CRITICAL" not in done.stderr and "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def exchange(network, *options):
    with Lab.up(network) as lab, coturn(lab) as (_, trusted):
        status, events = talk(lab, trusted, *proxy_of(lab, network), *options)
        assert status == 0, status
        assert [e for e in events if e["event"] == "exchanged"][0]["wrong"] == 0


for name in ("tcp-443", "proxy", "proxy-basic"):
    test(f"/interop/bridge/messages-arrive/{name}/as-the-agents-proxy")(lambda name=name: exchange(name))
    test(f"/interop/bridge/messages-arrive/{name}/as-its-turn-server")(lambda name=name: exchange(name, "--listener"))

run()

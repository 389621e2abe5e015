"""A bridge as a program in the lab, for clients that are programs themselves."""
import contextlib
import json
import os
import pathlib
import urllib.parse

from coturn import coturn
from process import Process

BRIDGE_HELPER = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "bridge-helper")


def proxy_of(lab, network, login=None):
    """--proxy and the URL, as the network has one."""
    if not network.startswith("proxy"):
        return []
    before = ""
    if network == "proxy-basic":
        before = ":".join(urllib.parse.quote(word) for word in login or (lab["PROXY_USER"], lab["PROXY_PASSWORD"])) + "@"
    return ["--proxy", f"http://{before}{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}"]


def events_of(process):
    return [json.loads(line) for line in process.output.splitlines()]


@contextlib.contextmanager
def bridged(lab, network, login=None):
    """coturn on the core, and a bridge to it on the device; yields (the bridge's process, where it listens)."""
    with coturn(lab) as (_, trusted), Process(
            [BRIDGE_HELPER, "--server", "core.lab:443", "--ca", trusted, *proxy_of(lab, network, login)], lab, "device") as helper:
        helper.wait_for("listening")
        yield helper, events_of(helper)[0]

"""The program's helper in the lab, for clients that are programs themselves."""
import contextlib
import json
import pathlib
import tempfile
import urllib.parse

from coturn import PASSWORD, USER, coturn
from process import Process, program

CLIENT = ("local", "only here")  # what clients of the proxy kind have to say


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


def _secret(directory, name, pair):
    """A file that only its owner may read."""
    path = pathlib.Path(directory, name)
    path.touch(mode=0o600)
    path.write_text(":".join(pair) + "\n", encoding="utf-8")
    return path


@contextlib.contextmanager
def bridged(lab, login=None, back_to_back=False):
    """coturn on the core, and the helper to it through the network's proxy on the device; yields (its process, its port, what
    it says of where it listens). back_to_back: it logs in at coturn, and its clients, whatever their kind, at the helper."""
    login = login or (lab["PROXY_USER"], lab["PROXY_PASSWORD"])
    with coturn(lab) as (_, trusted), tempfile.TemporaryDirectory(prefix="tepkit-helper-") as keep, Process(
            [program("turn-connect"), "helper", "--json", "--listen", "127.0.0.1:0", "--server", "turns:core.lab:443", "--ca", trusted,
             "--proxy", f"http://{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}", "--proxy-credentials", _secret(keep, "proxy", login),
             "--credentials", _secret(keep, "clients", CLIENT),
             *(["--turn-credentials", _secret(keep, "turn", (USER, PASSWORD))] if back_to_back else [])], lab, "device", name="helper") as helper:
        helper.wait_for("listening")
        place = events_of(helper)[0]
        yield helper, int(place["address"].rpartition(":")[2]), place

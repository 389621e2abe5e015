#!/usr/bin/python3
"""Chromium without a change: two peers in a page whose only way is a TURN server on loopback, which is a bridge."""
import http.server
import json
import pathlib
import sys
import tempfile
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from coturn import PASSWORD, USER  # noqa: E402
from helper import CLIENT, bridged, events_of  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, wait_until  # noqa: E402
from tap import run, test  # noqa: E402

PATIENCE_S = 60


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the page and takes what it found."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = (HERE / "bridge-page.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # pylint: disable=invalid-name
        self.server.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Site(http.server.HTTPServer):
    """A web server whose socket is the device's."""

    def __init__(self, lab):
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = lab.socket("device")
        self.socket.bind(("127.0.0.1", 0))
        self.server_address = self.socket.getsockname()
        self.socket.listen()
        self.result = None
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def __exit__(self, *arguments):
        self.shutdown()
        self._thread.join()
        super().__exit__(*arguments)


def browse(lab, settings):
    """What the page reports."""
    with tempfile.TemporaryDirectory(prefix="tepkit-chromium-", ignore_cleanup_errors=True) as keep, Site(lab) as site:
        url = f"http://127.0.0.1:{site.server_address[1]}/#{urllib.parse.quote(json.dumps(settings))}"
        with Process(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                      "--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--remote-debugging-port=0",
                      "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={keep}", url],
                     lab, "device", environment={"HOME": keep}):
            wait_until(lambda: site.result, PATIENCE_S, "the page's report")
        print(site.result)
        return site.result


def talks(login, **options):
    with Lab.up("proxy-basic") as lab, bridged(lab, **options) as (helper, port, _):
        found = browse(lab, {"url": f"turn:127.0.0.1:{port}?transport=tcp", "user": login[0], "password": login[1]})
        assert found["end"] == "done" and found["echoed"] == 40 and found["wrong"] == 0, found
        assert found["audio"] >= 50 and set(found["kinds"]) == {"relay"} and set(found["protocols"]) <= {"tcp"}, found
        assert not [e for e in events_of(helper) if e["event"] == "failed"], helper.output


@test("/interop/bridge-chromium/data-and-audio-pass-through-squid-and-tls-443")
def _():
    talks((USER, PASSWORD))


@test("/interop/bridge-chromium/back-to-back/data-and-audio-pass-and-the-page-knows-no-password-of-the-servers")
def _():
    talks(CLIENT, back_to_back=True)


@test("/interop/bridge-chromium/without-a-way-the-gathering-ends-and-the-bridge-says-why")
def _():
    # Chromium shows pages no reason that is not signed with the password of TURN, which the bridge does not know.
    with Lab.up("proxy-basic") as lab, bridged(lab, login=("alice", "wrong")) as (helper, port, _):
        found = browse(lab, {"url": f"turn:127.0.0.1:{port}?transport=tcp", "user": USER, "password": PASSWORD,
                             "gatherOnly": True})
        assert found["end"] == "gathered" and found["gathered_ms"] < 3000 and found["causes"], found
        said = [e for e in events_of(helper) if e["event"] == "failed"]
        assert said and all("did not accept the configured user and password" in json.dumps(e) for e in said), helper.output


run()

#!/usr/bin/python3
"""GStreamer's webrtcbin without a change: its http-proxy property is all it is told of a bridge."""
import json
import pathlib
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from coturn import PASSWORD, USER  # noqa: E402
from helper import CLIENT, bridged, events_of  # noqa: E402
from lab import Lab  # noqa: E402
from tap import run, test  # noqa: E402


def play(lab, port, place, login):
    proxy = f"http://{CLIENT[0]}:{urllib.parse.quote(CLIENT[1])}@127.0.0.1:{port}"
    turn = f"turn://{login[0]}:{urllib.parse.quote(login[1])}@{place['literal']}:{place['literal_port']}?transport=tcp"
    done = lab.run("device", ["/usr/bin/python3", HERE / "gst-peers.py", proxy, turn])
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.returncode
    return json.loads(done.stdout.splitlines()[-1])


def passes(back_to_back):
    with Lab.up("proxy-basic") as lab, bridged(lab, back_to_back=back_to_back) as (helper, port, place):
        found = play(lab, port, place, CLIENT if back_to_back else (USER, PASSWORD))
        assert found["end"] == "done" and found["buffers"] >= 50 and set(found["kinds"]) == {"relay"}, found
        assert not [e for e in events_of(helper) if e["event"] == "failed"], helper.output


test("/interop/bridge-gstreamer/audio-passes-through-squid-and-tls-443")(lambda: passes(False))
test("/interop/bridge-gstreamer/back-to-back/audio-passes-and-webrtcbin-knows-no-password-of-the-servers")(lambda: passes(True))
run()

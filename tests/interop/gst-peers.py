#!/usr/bin/python3
"""Two webrtcbin of GStreamer in one process, with nothing but their own properties: usage: gst-peers.py PROXY-URL TURN-URL

Prints one JSON object: how many packets of audio the second got, kinds of candidates, and how long it took."""
import json
import sys
import time

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

WANTED_BUFFERS = 50
PATIENCE_S = 20
CAPS = "application/x-rtp,media=audio,encoding-name=PCMU,payload=0,clock-rate=8000"

Gst.init(None)
loop = GLib.MainLoop()
report = {"buffers": 0, "kinds": [], "ms": 0, "end": "limit"}
began = time.monotonic()


def finish(end):
    report["end"] = end
    report["ms"] = round((time.monotonic() - began) * 1000)
    loop.quit()
    return False


def count(_pad, _info):
    report["buffers"] += 1
    if report["buffers"] == WANTED_BUFFERS:
        GLib.idle_add(finish, "done")
    return Gst.PadProbeReturn.OK


def make(description):
    pipeline = Gst.parse_launch(f"pipeline.( {description} )")
    peer = pipeline.get_by_name("peer")
    peer.set_property("http-proxy", sys.argv[1])
    peer.set_property("turn-server", sys.argv[2])
    return pipeline, peer


def candidate_of(other):
    def added(_peer, line, text):
        report["kinds"].append(text.split(" typ ")[1].split()[0])
        other.emit("add-ice-candidate", line, text)
    return added


def pad_added(_peer, pad):
    if pad.get_direction() != Gst.PadDirection.SRC:
        return
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("async", False)
    receiver.add(sink)
    sink.sync_state_with_parent()
    pad.add_probe(Gst.PadProbeType.BUFFER, count)
    pad.link(sink.get_static_pad("sink"))


def description_of(promise, name):
    """A description of its own: what a reply holds is gone with it."""
    reply = promise.get_reply()
    found = reply.get_value(name)
    text = found.sdp.as_text()
    parsed = GstSdp.SDPMessage.new()[1]
    GstSdp.sdp_message_parse_buffer(text.encode(), parsed)
    kind = GstWebRTC.WebRTCSDPType.OFFER if name == "offer" else GstWebRTC.WebRTCSDPType.ANSWER
    return GstWebRTC.WebRTCSessionDescription.new(kind, parsed)


def answered(promise):
    answer = description_of(promise, "answer")
    callee.emit("set-local-description", answer, Gst.Promise.new())
    caller.emit("set-remote-description", answer, Gst.Promise.new())


def offered(promise):
    offer = description_of(promise, "offer")
    caller.emit("set-local-description", offer, Gst.Promise.new())
    callee.emit("set-remote-description", offer, Gst.Promise.new())
    callee.emit("create-answer", None, Gst.Promise.new_with_change_func(answered))


sender, caller = make(f"audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ! {CAPS} "
                      "! webrtcbin name=peer bundle-policy=max-bundle ice-transport-policy=relay")
receiver, callee = make("webrtcbin name=peer bundle-policy=max-bundle ice-transport-policy=relay")
caller.connect("on-ice-candidate", candidate_of(callee))
callee.connect("on-ice-candidate", candidate_of(caller))
caller.connect("on-negotiation-needed",
               lambda peer: peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered)))
callee.connect("pad-added", pad_added)
for pipeline in (receiver, sender):
    pipeline.set_state(Gst.State.PLAYING)
GLib.timeout_add_seconds(PATIENCE_S, finish, "limit")
loop.run()
for pipeline in (sender, receiver):
    pipeline.set_state(Gst.State.NULL)
print(json.dumps(report))

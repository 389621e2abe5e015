#!/usr/bin/python3
"""Software that is not ours: STUN clients at TEP-S, tshark reading along. SIP user agents: test-baresip.py."""
import os
import pathlib
import re
import struct
import sys

from ends import Agent, HERE, LOCAL_PORT, PASSWORD, PEER_PORT, PHONE_PORT, Scratch, Server, USER
from capture import Capture, MALFORMED, stun_frames, tshark
import audio
from lab import Lab
from phone import Phone, converse
from process import Process, wait_for_tcp
from tap import run, test

sys.path.insert(0, str(HERE.parent / "stun-ext"))
import tep_decoder  # noqa: E402

BUILD = pathlib.Path(os.environ["TEPKIT_BUILD"])
AS_STUN = ("-d", "udp.port==443,stun"), ("-d", "tcp.port==443,stun")


def stun_client(lab, command, mark=""):
    """Runs a STUN client behind the router and returns what it said."""
    ended = lab.run("device", [*command[:1], *(w.format(lab[f"CORE_ADDR{mark}"]) for w in command[1:])], timeout=30)
    assert ended.returncode == 0, ended
    return ended.stdout


@test("/interop/peers/stun-clients-that-are-not-ours-learn-their-public-address")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, \
            Server(lab, scratch, {"limits": {"udp-replies": "1000"}}) as server, \
            Capture(lab, "core", scratch.path / "stun.pcap", "udp port 443") as capture:
        answered = 0
        for mark in ("", "6"):
            for command in (["turnutils_stunclient", "-p", "443", "{}"], ["turnutils_natdiscovery", "-m", "-p", "443", "{}"]):
                said = stun_client(lab, command, mark)
                found = set(re.findall(r"UDP reflexive addr: (\S+):\d+$", said, re.MULTILINE))
                assert found == {lab[f"PUBLIC_ADDR{mark}"]}, said
                answered += 1
        for command in ([HERE / "aioice_gather.py", "{}", "443"], [BUILD / "tests/interop/nice-gather", "{}", "443"]):
            said = stun_client(lab, command)
            assert re.fullmatch(rf"srflx {lab['PUBLIC_ADDR']} \d+\n", said), said
            answered += 1
        capture.stop()
        # aioice and coturn speak RFC 8489, libnice asks servers as RFC 3489 has it.
        both = "stun || classicstun"
        assert stun_frames(capture.path, both, AS_STUN[0]) >= 2 * answered
        assert tshark(capture.path, "classicstun", "frame.number", options=AS_STUN[0])
        assert not tshark(capture.path, f"!({both}) && udp", "frame.number", options=AS_STUN[0])
        assert server.metrics()['tep_server_stun_answers_total{carrier="udp"}'] >= answered


@test("/interop/peers/our-stun-client-learns-its-address-from-a-server-that-is-not-ours-and-from-tep-s")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, Server(lab, scratch), \
            Process(["turnserver", "-n", "--stun-only", "--no-cli", "--listening-port=3478", "--no-tls", "--no-dtls",
                     f"--listening-ip={lab['CORE_ADDR']}", f"--listening-ip={lab['CORE_ADDR6']}", "--log-file=stdout",
                     f"--pidfile={scratch.path}/turnserver.pid", f"--userdb={scratch.path}/turndb"], lab, "core"):
        for mark in ("", "6"):
            wait_for_tcp(lab, "device", lab[f"CORE_ADDR{mark}"], 3478, 10)
            for port in ("3478", "443"):
                said = stun_client(lab, [BUILD / "tests/interop/public-address", "{}", port], mark)
                public = re.escape(f"[{lab['PUBLIC_ADDR6']}]" if mark else lab["PUBLIC_ADDR"])
                assert re.fullmatch(rf"udp {public}:\d+\ntcp {public}:\d+\n", said), (port, said)


def listen_to(path):
    """What the decoder that was made from PROTOCOL.md alone reads in a capture of one tunnel: [(frame, key)] in order."""
    streams, found = {}, []
    tunnel = tep_decoder.Tunnel(USER, "tep-s", PASSWORD)
    for source, payload in tshark(path, "tcp.len > 0 && !tcp.analysis.retransmission", "tcp.srcport", "tcp.payload"):
        stream = streams.setdefault(source, bytearray())
        stream += bytes.fromhex(payload.replace(":", ""))
        while len(stream) >= 2 and len(stream) >= 2 + (length := struct.unpack_from(">H", stream)[0]):
            body = bytes(stream[2:2 + length])
            del stream[:2 + length]
            found.append((body, *tunnel.decode(body)))
    assert len(streams) == 2, streams.keys()
    return found


def write_as_udp(path, messages):
    """A capture of STUN messages, each a datagram, so that tshark judges every one wherever it stood in a stream."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for message in messages:
            packet = tep_decoder.rebuild("192.0.2.1:3478", "192.0.2.2:3478", 0, message)
            file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


@test("/interop/peers/tshark-and-a-second-decoder-read-the-tunnel-and-both-recordings")
def _():
    with Scratch() as scratch, Lab.up("web-only") as lab:
        sources = [audio.mu_law(scratch.path, name, length_s=2) for name in ("demo-congrats", "demo-instruct")]
        recordings = [scratch.path / "device.pcap", scratch.path / "core.pcap"]
        os.chown(scratch.path, 65534, 65534)
        with Server(lab, scratch, arguments=["--pcap", recordings[1]]), \
                Capture(lab, "core", scratch.path / "tunnel.pcap", "tcp port 443") as capture, \
                Agent(lab, scratch, arguments=["--pcap", recordings[0]]) as agent:
            leased = agent.leased()
            with Phone(lab, "device", ("127.0.0.1", PHONE_PORT), ("127.0.0.1", LOCAL_PORT)) as left, \
                    Phone(lab, "peer", (lab["PEER_ADDR"], PEER_PORT), leased) as right:
                left.announce(right)
                converse(left, right, *sources)
            agent.stop()
            capture.stop()
        frames = listen_to(capture.path)
        dropped = [body.hex() for body, frame, _ in frames if frame["frame"] == "dropped"]
        assert not dropped, dropped[:3]
        carried = [frame for _, frame, _ in frames if frame["frame"] == "compact"]
        assert len(carried) >= 200, (len(carried), len(frames))
        messages = [(body, frame, key) for body, frame, key in frames if frame["frame"] == "message"]
        unsigned = [f for _, f, key in messages if key == "none"]
        assert [(f["method"], f["class"]) for f in unsigned] == [("Binding", "request"), ("Binding", "error")], unsigned
        write_as_udp(scratch.path / "messages.pcap", [body for body, _, _ in messages])
        assert stun_frames(scratch.path / "messages.pcap") == len(messages)
        # tshark would have said so: of one whose first attribute is too long for it, it does.
        whole = messages[0][0]
        write_as_udp(scratch.path / "broken.pcap", [whole[:22] + b"\xff\x00" + whole[24:]])
        assert tshark(scratch.path / "broken.pcap", MALFORMED, "frame.number")
        assert stun_frames(capture.path, "stun", AS_STUN[1]) >= 4

        peer = (lab["PEER_ADDR"], str(PEER_PORT))
        for recording in recordings:
            rows = tshark(recording, "rtp", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "rtp.p_type",
                          options=("-d", f"udp.port=={PEER_PORT},rtp"))
            up = [row for row in rows if tuple(row[2:4]) == peer and row[4] == "0"]
            down = [row for row in rows if tuple(row[:2]) == peer and row[4] == "0"]
            assert (len(up), len(down)) == (100, 100), (recording.name, len(up), len(down))
            assert {tuple(row[:2]) for row in up} == {(leased[0], str(leased[1]))}, (recording.name, up[0])
            assert not tshark(recording, "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0",
                              "frame.number", options=("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"))


run()

"""Two who talk: phones with one RTP port each, their speech sent and recorded by ffmpeg, and measured on the way.

A phone stands between ffmpeg and the network in a host of the lab, because ffmpeg cannot send from the port it
listens on, and calls through translators and tunnels need just that. It passes RTP on unchanged, both ways, and
notes when each packet went out and came in.
"""
import contextlib
import dataclasses
import itertools
import os
import pathlib
import selectors
import socket
import statistics
import struct
import tempfile
import threading
import time

from process import Process, wait_until, wait_for_udp

SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>; the socket module does not name it
RTP = struct.Struct("!BBHII")
PACKET_S = 0.02
LATE_S = 0.06        # a jitter buffer of 60 ms


@dataclasses.dataclass
class Quality:
    """How the speech of one direction arrived. Times are in milliseconds."""
    sent: int
    received: int      # different packets
    lost: int
    duplicated: int
    reordered: int
    late: int          # more than 60 ms behind the quickest
    delay_ms: float    # median, one way
    worst_delay_ms: float
    jitter_ms: float   # RFC 3550 section 6.4.1, at the end
    mos: float         # estimated: ITU-T G.107 for G.711 with concealment, 60 ms buffer


def estimated_mos(delay_s, missing):
    """delay_s: from mouth to ear; missing: share of the packets that were not there in time."""
    delay_ms = delay_s * 1000
    delay_impairment = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0)
    loss_impairment = 95 * missing * 100 / (missing * 100 + 25.1)
    r = max(0.0, min(93.2 - delay_impairment - loss_impairment, 100.0))
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


class Phone:
    """A phone in a host; a context that hangs up.

    local: the (address, port) it sends from and listens on; remote: where it sends to, or None to answer whoever
    is heard first.
    """

    _pairs = itertools.count(20000, 2)  # below the ephemeral range; every pair goes to one phone of the process

    def __init__(self, lab, host, local, remote=None, name=None):
        self.lab, self.host, self.remote = lab, host, remote
        self.name = name or f"phone-{host}"
        self.said = {}      # RTP sequence number: time of sending, s
        self.heard = []     # (time of arrival, s; sequence number; RTP timestamp; octets of payload)
        self.heard_from = set()
        self.recording = None
        self._scratch = tempfile.TemporaryDirectory(prefix="tepkit-phone-")
        self._line = self._bound(local)
        self._line.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._inner = self._bound(("127.0.0.1", 0))
        self._earpiece = None
        self._speaker = self._recorder = None
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _bound(self, address):
        end = self.lab.socket(self.host, socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(address)
        return end

    @property
    def port(self):
        return self._line.getsockname()[1]

    def _carry(self):
        with selectors.DefaultSelector() as selector:
            for end in (self._line, self._inner, self._wake):
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._wake:
                        return
                    (self._hear if key.fileobj is self._line else self._say)()

    def _hear(self):
        octets, control, _, source = self._line.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("qq", control[0][2])
        if self.remote is None:
            self.remote = source[:2]
        self.heard_from.add(source[:2])
        if len(octets) >= RTP.size and octets[0] >> 6 == 2:
            _, _, number, timestamp, _ = RTP.unpack_from(octets)
            self.heard.append((seconds + nanoseconds / 1e9, number, timestamp, len(octets) - RTP.size))
            if self._earpiece:
                self._inner.sendto(octets, self._earpiece)

    def _say(self):
        octets = self._inner.recv(2048)
        if len(octets) < RTP.size or self.remote is None:
            return
        number = RTP.unpack_from(octets)[2]
        self.said[number] = time.time()
        try:
            self._line.sendto(octets, self.remote)
        except OSError:
            pass  # A port unreachable of an earlier packet: on this network it is a loss like any other.

    def announce(self, listener, timeout_s=5):
        """Sends an empty datagram until the listener heard from this phone, so that translators and tunnels on the way know it."""
        def is_known():
            self._line.sendto(b"", self.remote)
            return listener.heard_from
        wait_until(is_known, timeout_s, f"{self.name} being heard")

    def _free_pair(self):
        """An even port with the odd one above it, for RTP and RTCP, both free.

        Ports of the ephemeral range, free when looked at, were taken by another phone before ffmpeg was there.
        """
        for port in Phone._pairs:
            with contextlib.suppress(OSError):
                self._bound(("127.0.0.1", port)).close()
                self._bound(("127.0.0.1", port + 1)).close()
                return port

    def record(self):
        """Starts recording what is heard, as mu-law, to the file "recording". Call before the other side talks."""
        port = self._free_pair()
        description = pathlib.Path(self._scratch.name, "heard.sdp")
        description.write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=heard\nc=IN IP4 127.0.0.1\nt=0 0\n"
                               f"m=audio {port} RTP/AVP 0\n", encoding="ascii")
        self.recording = pathlib.Path(self._scratch.name, "heard.ul")
        self._recorder = Process(
            ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "warning", "-protocol_whitelist", "file,udp,rtp",
             "-analyzeduration", "0", "-probesize", "32", "-i", description, "-c", "copy", "-flush_packets", "1",
             "-f", "mulaw", self.recording], self.lab, self.host, name=f"{self.name}-recorder")
        wait_for_udp(self.lab, self.host, port)
        self._earpiece = ("127.0.0.1", port)

    def talk(self, source):
        """Starts saying a mu-law file: RTP payload type 0, a packet every 20 ms, sent by ffmpeg."""
        port = self._inner.getsockname()[1]
        # asetnsamples cuts into packets, arealtime lets them go when they are due.
        self._speaker = Process(
            ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "warning", "-f", "mulaw", "-ar", "8000", "-ac", "1",
             "-i", source, "-af", "asetnsamples=160:p=0,arealtime", "-c:a", "pcm_mulaw", "-f", "rtp",
             f"rtp://127.0.0.1:{port}?rtcpport=9&pkt_size={RTP.size + 160}"],
            self.lab, self.host, name=f"{self.name}-speaker")

    def wait_until_said(self, timeout_s):
        """Returns when all of the file has been said."""
        status = self._speaker.wait(timeout_s)
        assert status == 0, (status, self._speaker.errors)

    def wait_until_heard(self, packets, timeout_s):
        """Returns True when so many packets were heard, False when the time has passed."""
        deadline = time.monotonic() + timeout_s
        while len(self.heard) < packets and time.monotonic() < deadline:
            time.sleep(0.005)
        return len(self.heard) >= packets

    def finish_recording(self):
        """Ends the recording, complete as far as it was heard, and returns its path."""
        wanted = sum({number: octets for _, number, _, octets in self.heard}.values())
        try:
            wait_until(lambda: self.recording.stat().st_size >= wanted, 2, "the recording")
        except (AssertionError, FileNotFoundError):
            pass  # The comparison says better what is wrong.
        self._recorder.kill()  # asked politely, it would wait ten seconds for more
        return self.recording

    def hang_up(self, failure=None):
        for process in (self._speaker, self._recorder):
            if process:
                process.__exit__(failure, None, None)
        self._speaker = self._recorder = None
        if self._thread.is_alive():
            self._waker.send(b"x")
            self._thread.join()
        for end in (self._line, self._inner, self._wake, self._waker):
            end.close()
        self._scratch.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.hang_up(kind)


def quality(speaker, listener):
    """How what one phone said arrived at the other, for calls of up to 20 minutes. Both have the same clock."""
    first = {}
    duplicated = reordered = 0
    highest = None
    jitter_s = 0.0
    before = None
    for arrived, number, _, _ in listener.heard:
        if number not in speaker.said:
            continue
        if number in first:
            duplicated += 1
            continue
        first[number] = transit = arrived - speaker.said[number]
        # Sequence numbers wrap; what is less than half their range behind is late, not new.
        if highest is not None and (number - highest) % 65536 > 32768:
            reordered += 1
        else:
            highest = number
        if before is not None:
            jitter_s += (abs(transit - before) - jitter_s) / 16
        before = transit
    sent = len(speaker.said)
    quickest = min(first.values(), default=0)
    late = sum(1 for transit in first.values() if transit - quickest > LATE_S)
    missing = (sent - len(first) + late) / sent if sent else 1
    return Quality(sent, len(first), sent - len(first), duplicated, reordered, late,
                   statistics.median(first.values()) * 1000 if first else float("nan"),
                   max(first.values(), default=float("nan")) * 1000, jitter_s * 1000,
                   estimated_mos(quickest + LATE_S + PACKET_S, missing) if first else 1.0)


def converse(left, right, left_source, right_source, patience_s=5):
    """Lets two phones talk at the same time. Returns what each heard: {"left": path, "right": path}."""
    pairs = ((left, left_source, right), (right, right_source, left))
    for speaker, _, _ in pairs:
        speaker.record()
    for speaker, source, _ in pairs:
        speaker.talk(source)
    for speaker, source, _ in pairs:
        speaker.wait_until_said(os.path.getsize(source) / 8000 + 15)
    for speaker, _, listener in pairs:
        listener.wait_until_heard(len(speaker.said), patience_s)
    return {"left": left.finish_recording(), "right": right.finish_recording()}

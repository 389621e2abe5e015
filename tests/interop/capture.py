"""What goes over a wire of the lab, and what tshark says of it."""
import os
import pathlib
import subprocess

from process import Process

PATIENCE_S = 10


class Capture(Process):
    """tcpdump in a host. In immediate mode, for what the kernel still gathers when it is asked to end would be lost."""

    def __init__(self, lab, host, path, expression):
        self.path = path
        super().__init__(["tcpdump", "-i", "any", "--immediate-mode", "-B", "8192", "-U", "-Z", "root", "-w", path, *expression.split()], lab, host,
                         name=f"tcpdump-{pathlib.Path(path).stem}")
        self.wait_for("listening on", PATIENCE_S)


def tshark(path, display_filter, *fields, options=()):
    """A row of fields for each packet that fits the filter."""
    arguments = ["tshark", "-n", "-r", path, "-Y", display_filter, *options, "-T", "fields", "-E", "separator=|"]
    for field in fields:
        arguments += ["-e", field]
    # tshark writes a cache and preferences below $HOME, and none of the tests' business is there.
    result = subprocess.run(arguments, capture_output=True, text=True, check=True,
                            env={**os.environ, "HOME": "/nonexistent"})
    return [line.split("|") for line in result.stdout.splitlines()]


MALFORMED = "_ws.malformed || _ws.expert.severity == 8388608"  # error, the highest


def stun_frames(path, display_filter="stun", options=()):
    """How many frames hold STUN; none of them may be malformed to tshark."""
    wrong = tshark(path, f"({display_filter}) && ({MALFORMED})", "frame.number", "stun.type", "_ws.expert.message",
                   options=options)
    assert not wrong, wrong[:5]
    return len(tshark(path, display_filter, "frame.number", options=options))


def said(path, display_filter):
    """What one end said in the first connection that fits the filter, put in order by its sequence numbers."""
    rows = [(stream, int(sequence), bytes.fromhex(payload.replace(":", ""))) for stream, sequence, payload in
            tshark(path, f"tcp.len > 0 && ({display_filter})", "tcp.stream", "tcp.seq", "tcp.payload")]
    text = bytearray()
    for _, sequence, payload in sorted(row for row in rows if row[0] == rows[0][0]):
        assert sequence - 1 <= len(text), f"the capture lacks octets {len(text)} to {sequence - 2}"
        text[sequence - 1:sequence - 1 + len(payload)] = payload
    return bytes(text)

#!/usr/bin/python3
"""The call of tools/demo: a phone behind the firewall, one on the internet, TEP-C and TEP-S between them."""
import os
import signal
import sys

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
for _each in SIGNALS:  # nothing is to be taken down yet
    signal.signal(_each, lambda number, _: os._exit(128 + number))

# pylint: disable=wrong-import-position
import argparse  # noqa: E402
import audioop  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import shutil  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import wave  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
import certificate  # noqa: E402
from lab import Lab, LabError, Options  # noqa: E402
from phone import PACKET_S, RTP, Phone, quality  # noqa: E402
from process import Process, program  # noqa: E402

RECORDINGS = pathlib.Path("/usr/share/asterisk/sounds/en_US_f_Allison")
RATE, FRAME = 8000, 160
PORT, LOCAL_PORT, PHONE_PORT = 4000, 40000, 41000
LINK_DELAY_MS = 20
USER, PASSWORD = "alice", "correct horse battery staple"
started = time.monotonic()


class Interrupted(KeyboardInterrupt):
    """By a signal; its number is the argument."""


def interrupted(number, _frame):
    for each in SIGNALS:  # once: what is taken down then is taken down whole
        signal.signal(each, signal.SIG_IGN)
    print("\ninterrupted: taking the network down", flush=True)
    raise Interrupted(number)


class PlainPhone(Phone):
    """A phone that speaks and records by itself, so that the demo needs no media program."""

    def record(self):
        self._frames = {}
        self._earpiece = self._inner.getsockname()

    def _hear(self):
        before = len(self.heard)
        super()._hear()
        if len(self.heard) > before:
            self.first_heard = getattr(self, "first_heard", None) or time.monotonic()

    def _say(self):
        # What the line passes to the earpiece comes back here: it is the recording.
        octets = self._inner.recv(2048)
        self._frames.setdefault(RTP.unpack_from(octets)[2], octets[RTP.size:])

    def talk(self, source):
        self._speech = threading.Thread(target=self._speak, args=(source,), daemon=True)
        self._speech.start()

    def _speak(self, speech):
        begin = time.monotonic()
        for number, at in enumerate(range(0, len(speech), FRAME)):
            time.sleep(max(0, begin + number * PACKET_S - time.monotonic()))
            self.said[number] = time.time()
            try:
                self._line.sendto(RTP.pack(0x80, 0, number, at, 0x54455043) + speech[at:at + FRAME], self.remote)
            except OSError:
                pass  # refused by the network: lost

    def wait_until_said(self, timeout_s):
        self._speech.join(timeout_s)

    def finish_recording(self):
        time.sleep(0.05)
        return b"".join(self._frames[number] for number in sorted(self._frames))


def say(text, since):
    print(f"{since + time.monotonic() - started:4.0f} s  {text}", flush=True)


def mu_law(recording, seconds):
    with wave.open(str(RECORDINGS / f"{recording}.wav")) as sound:
        return audioop.lin2ulaw(sound.readframes(RATE * seconds), 2)


def call(left, right, sources, seconds, patience_s, tell):
    """Both talk at once. Returns what each heard."""
    for phone in (left, right):
        phone.record()
    for phone, source in ((left, sources[0]), (right, sources[1])):
        phone.talk(source)
    for second in range(1, seconds + 1):
        time.sleep(1)
        tell(f"  second {second} of {seconds}: the device heard {len(left.heard)} packets, the far side {len(right.heard)}")
    for phone in (left, right):
        phone.wait_until_said(seconds + 5)
    right.wait_until_heard(len(left.said), patience_s)
    left.wait_until_heard(len(right.said), patience_s)
    return left.finish_recording(), right.finish_recording()


def direct_call(lab, sources, tell):
    """Without TEP: what the firewall makes of it."""
    device, peer = (lab["DEVICE_ADDR"], PHONE_PORT), (lab["PEER_ADDR"], PORT)
    with PlainPhone(lab, "device", device, peer) as left, PlainPhone(lab, "peer", peer, (lab["PUBLIC_ADDR"], PHONE_PORT)) as right:
        call(left, right, [source[:2 * RATE] for source in sources], 2, 0.1, lambda text: None)
        heard = len(left.heard) + len(right.heard)
        refused = sum(lab.refused().values())
    if heard:
        tell(f"the direct call got through: {heard} packets were heard; this network needs no tunnel")
    else:
        tell(f"refused: {len(left.said)} packets said at the device, none heard by anybody; the firewall dropped {refused}")


def write_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def server(lab, scratch, keep):
    certificate.make(scratch)
    (scratch / "key.pem").chmod(0o600)
    configuration = scratch / "tep-s.conf"
    configuration.write_text(f"""[server]
listen = {lab['CORE_ADDR']}:443
[tls]
certificate = certificate.pem
key = key.pem
[credentials]
users = {write_secret(scratch / 'users', f'{USER}:{PASSWORD}')}
[media]
backend = relay
relay-addresses = {lab['CORE_ADDR']}
[policy]
allow = {lab['PEER_ADDR']}:{PORT}
""")
    return Process([program("tep-s"), "--config", configuration], lab, "core", directory=keep, name="tep-s")


def agent(lab, scratch, keep):
    arguments = [program("tep-c"), "--json", "--server", f"{lab['CORE_ADDR']}:443",
                 "--credentials", write_secret(scratch / "tep-c.secret", f"{USER}:{PASSWORD}"),
                 "--flow", f"{LOCAL_PORT}={lab['PEER_ADDR']}:{PORT}"]
    if lab.network.name == "tls-only":
        arguments += ["--tls", "--ca-file", scratch / "certificate.pem"]
    if lab.network.proxy:
        arguments += ["--proxy", lab["PROXY_URL"], "--header", "X-IMS: tepkit-demo"]
    if lab.network.login:
        arguments += ["--proxy-credentials",
                      write_secret(scratch / "proxy.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}")]
    return Process(arguments, lab, "device", directory=keep, name="tep-c")


def wait_for_flow(process, tell):
    """Tells every step of TEP-C, and returns the leased address."""
    told = 0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.status is None:
        events = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
        for event in events[told:]:
            if event["event"] in ("progress", "state"):
                tell("  TEP-C: " + " ".join(str(event[key]) for key in ("step", "state", "detail", "cause") if key in event))
            if event["event"] == "flow":
                address, _, port = event["leased"].rpartition(":")
                return address.strip("[]"), int(port)
        told = len(events)
        time.sleep(0.02)
    raise SystemExit(f"demo: TEP-C got no flow\n{process.output}\n{process.errors}")


def table(rows):
    head = ("direction", "path", "first media", "sent", "lost", "late > 60 ms", "jitter", "estimated MOS")
    widths = [max(len(str(row[i])) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)))


def row(direction, speaker, listener, since_s):
    result = quality(speaker, listener)
    first = f"{(listener.first_heard - since_s) * 1000:.0f} ms" if hasattr(listener, "first_heard") else "never"
    return (direction, "tunnel", first, result.sent, result.lost, result.late, f"{result.jitter_ms:.1f} ms", f"{result.mos:.2f}")


def tunnel_call(lab, scratch, keep, sources, seconds, tell):
    """Through TEP-C and TEP-S. Returns what each heard, and the table's rows."""
    with server(lab, scratch, keep) as tep_s:
        tep_s.wait_for("is ready", 10)
        begun = time.monotonic()
        with agent(lab, scratch, keep) as tep_c:
            leased = wait_for_flow(tep_c, tell)
            tell(f"  the far side sees the device as {leased[0]}:{leased[1]}")
            with PlainPhone(lab, "device", ("127.0.0.1", PHONE_PORT), ("127.0.0.1", LOCAL_PORT)) as left, \
                    PlainPhone(lab, "peer", (lab["PEER_ADDR"], PORT), leased) as right:
                heard = call(left, right, sources, seconds, 2, tell)
                return heard, [row("device to far side", left, right, begun), row("far side to device", right, left, begun)]


def demonstrate(options, keep, scratch):
    """Returns whether both recordings arrived intact."""
    def tell(text):
        say(text, options.since)

    sources = mu_law("demo-congrats", options.seconds), mu_law("demo-instruct", options.seconds)
    tell(f"building the network “{options.network}”, {2 * LINK_DELAY_MS} ms round trip to the internet")
    with Lab.up(options.network, options=Options(delay=LINK_DELAY_MS)) as lab:
        tell("first the direct call, two seconds of it")
        direct_call(lab, sources, tell)
        tell("now the same call through TEP-C and TEP-S")
        heard, rows = tunnel_call(lab, scratch, keep, sources, options.seconds, tell)
    intact = (heard[1], heard[0]) == sources
    for name, speech in zip(("said-by-device", "said-by-far-side", "heard-by-device", "heard-by-far-side"), (*sources, *heard)):
        (keep / f"{name}.ul").write_bytes(speech)
    print()
    print("Both recordings arrived octet for octet." if intact else "NOT intact: what was heard differs from what was said.")
    table(rows)
    print(f"  heard by the far side: {keep}/heard-by-far-side.ul\n  heard by the device:   {keep}/heard-by-device.ul")
    print("  (raw mu-law, 8 kHz mono: play -t ul -r 8000 -c 1 FILE; what was said and the logs of both programs lie there too)")
    return intact


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--since", type=float, default=0)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--network", default="proxy-basic")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    keep = options.keep
    try:
        for each in SIGNALS:
            signal.signal(each, interrupted)
        with tempfile.TemporaryDirectory(prefix="tepkit-demo-secrets-") as scratch:
            keep = keep or pathlib.Path(tempfile.mkdtemp(prefix="tepkit-demo-"))
            keep.mkdir(parents=True, exist_ok=True)
            return 0 if demonstrate(options, keep, pathlib.Path(scratch)) else 1
    except (LabError, OSError) as error:
        print(f"tools/demo: {error}", file=sys.stderr)
        return 1
    except Interrupted as interruption:
        if keep and not options.keep:
            shutil.rmtree(keep, ignore_errors=True)
        return 128 + interruption.args[0]


if __name__ == "__main__":
    sys.exit(main())

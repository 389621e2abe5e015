#!/usr/bin/python3
"""The link's delay, losses, rate and outages, measured with numbered datagrams, and that a seed repeats them."""
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from lab import Lab, LabError, Options  # noqa: E402
from tap import Late, run, test  # noqa: E402

PORT = 7000
SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>; the socket module does not name it
SO_RCVBUFFORCE = 33
HEAD = struct.Struct("!Qd")  # number, time of sending


def receiver(lab, host, family):
    end = lab.socket(host, family, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    end.bind(("", PORT))
    return end


def arrivals(end, wait_s, count=None):
    """{number: (sent, arrived)} of what came until nothing comes for the time, which is short once all came that are
    expected; the kernel tells the arrival."""
    found = {}
    end.settimeout(wait_s)
    while True:
        try:
            octets, control, _, _ = end.recvmsg(2048, 64)
        except TimeoutError:
            return found
        number, sent = HEAD.unpack_from(octets)
        assert number not in found, f"{number} came twice"
        seconds, nanoseconds = struct.unpack("qq", control[0][2])
        found[number] = (sent, seconds + nanoseconds / 1e9)
        if len(found) == count:
            end.settimeout(0.1)


def send_numbered(lab, count, interval_s, length=100, back=False, family=socket.AF_INET, wait_s=0.4):
    """Sends numbered datagrams from the device to the core, or back, and returns what arrived."""
    mark = "6" if family == socket.AF_INET6 else ""
    source, target = ("core", "device") if back else ("device", "core")
    address = (lab[f"{target.upper()}_ADDR{mark}"], PORT)
    with receiver(lab, target, family) as end, lab.socket(source, family, socket.SOCK_DGRAM) as sender:
        began = time.monotonic()
        for number in range(count):
            while time.monotonic() < began + number * interval_s:
                pass
            sender.sendto(HEAD.pack(number, time.time()).ljust(length, b"."), address)
        return arrivals(end, wait_s, count)


def lost(count, found):
    return [number for number in range(count) if number not in found]


def within(value, low, high):
    assert low <= value <= high, f"{value} is not in {low}..{high}"


def in_time(value, low, high):
    """Of what a machine that stands still between two packets changes: measured again."""
    if not low <= value <= high:
        raise Late(f"{value} is not in {low}..{high}")


@test("/lab/link/delays-each-way-by-what-was-asked")
def _():
    with Lab.up("open", options=Options(delay=25)) as lab:
        for back in (False, True):
            for family in (socket.AF_INET, socket.AF_INET6):
                medians_ms, shortest_ms = [], []
                # A busy machine only ever adds to a delay, so the best of five tells what the link does.
                while len(medians_ms) < 5 and not (medians_ms and medians_ms[-1] <= 26):
                    found = send_numbered(lab, 200, 0.003, back=back, family=family, wait_s=3)
                    assert len(found) == 200
                    delays_ms = sorted((arrived - sent) * 1000 for sent, arrived in found.values())
                    medians_ms.append(statistics.median(delays_ms))
                    print(f"delay median {medians_ms[-1]:.3f} ms, 95th percentile {delays_ms[190]:.3f} ms")
                    shortest_ms.append(delays_ms[0])
                assert min(shortest_ms) >= 24.99 and min(medians_ms) >= 25, (shortest_ms, medians_ms)
                in_time(min(shortest_ms), 24.99, 26)
                in_time(min(medians_ms), 25, 26)


@test("/lab/link/keeps-the-order")
def _():
    with Lab.up("open", options=Options(delay=5)) as lab:
        found = send_numbered(lab, 2000, 0.0001)
        assert list(found) == list(range(2000))


@test("/lab/link/loses-the-asked-share-and-the-same-packets-with-the-same-seed")
def _():
    count, runs = 4000, {}
    for attempt, seed in enumerate((7, 7, 8)):
        with Lab.up("open", options=Options(loss=5, seed=seed)) as lab:
            runs[attempt] = [lost(count, send_numbered(lab, count, 0.0001, back=back)) for back in (False, True)]
            counts = lab.down()
        for direction, missing in zip(("left-to-right", "right-to-left"), runs[attempt]):
            # Five standard deviations of a binomial distribution.
            within(len(missing), 200 - 5 * 13.8, 200 + 5 * 13.8)
            assert counts[direction]["lost"] == len(missing), (counts, len(missing))
            assert counts[direction]["delivered"] == count - len(missing), counts
            assert counts[direction]["packets"] == count, counts
    assert runs[0] == runs[1], "the same seed lost other packets"
    assert runs[0] != runs[2], "another seed lost the same packets"
    assert runs[0][0] != runs[0][1], "both directions lost the same packets"


@test("/lab/link/loses-in-bursts-of-the-asked-length")
def _():
    count = 8000
    with Lab.up("open", options=Options(loss=10, burst=5, seed=3)) as lab:
        missing = set(lost(count, send_numbered(lab, count, 0.0001)))
    bursts = sum(1 for number in missing if number - 1 not in missing)
    print(f"{len(missing)} lost in {bursts} bursts")
    within(len(missing), 560, 1040)
    within(len(missing) / bursts, 4, 6)


@test("/lab/link/total-loss-lets-nothing-through")
def _():
    for burst in (0, 4):
        with Lab.up("open", options=Options(loss=100, burst=burst)) as lab:
            assert not send_numbered(lab, 100, 0.0001)


@test("/lab/link/rate-spreads-packets-and-the-queue-has-an-end")
def _():
    with Lab.up("open", options=Options(rate=1000, queue=40)) as lab:
        found = send_numbered(lab, 60, 0, length=972)  # 1000 octets with the headers: 8 ms each
        counts = lab.down()["left-to-right"]
    arrived = [at for _, at in found.values()]
    assert counts["overflow"] == 60 - len(found), counts
    in_time(len(found), 40, 44)
    gaps_ms = [(after - before) * 1000 for before, after in zip(arrived, arrived[1:])]
    in_time(statistics.median(gaps_ms), 7.8, 8.2)
    in_time((arrived[-1] - arrived[0]) * 1000, 8 * (len(found) - 1) - 4, 8 * (len(found) - 1) + 4)


@test("/lab/link/outages-come-and-go")
def _():
    with Lab.up("open", options=Options(outage="300:100:400")) as lab:
        found = send_numbered(lab, 300, 0.005)
        counts = lab.down()["left-to-right"]
    missing = lost(300, found)
    # 1.5 s hold three or four outages of a hundred milliseconds, twenty packets each.
    starts = [number for number in missing if number - 1 not in missing]
    assert counts["outage"] == len(missing), counts
    in_time(len(missing), 55, 85)
    in_time(len(starts), 3, 4)


@test("/lab/link/sends-nothing-of-its-own")
def _():
    with Lab.up("open", options=Options(delay=1)) as lab:
        time.sleep(1.5)  # router solicitations and multicast reports would come within the first second
        counts = lab.down()
    assert [counts[d]["packets"] for d in counts] == [0, 0], counts


@test("/lab/link/carries-large-tcp-transfers-whole")
def _():
    with Lab.up("nat", options=Options(delay=2, loss=1)) as lab, lab.socket("core") as listener:
        listener.bind((lab["CORE_ADDR"], 443))
        listener.listen()
        with lab.socket("device") as client:
            client.connect((lab["CORE_ADDR"], 443))
            server, _ = listener.accept()
            with server:
                wanted = os.urandom(1 << 20)
                received = bytearray()
                process = os.fork()
                if process == 0:
                    client.sendall(wanted)
                    os._exit(0)
                client.close()
                server.settimeout(20)
                while chunk := server.recv(1 << 16):
                    received += chunk
                os.waitpid(process, 0)
                assert received == wanted, len(received)


@test("/lab/link/refuses-what-makes-no-sense")
def _():
    program = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "lab", "link")
    for wrong in ([], ["--left=a:b"], ["--left=a:b", "--right=c:d", "--loss=101"],
                  ["--left=a:b", "--right=c:d", "--outage=5"], ["--left=a:b", "--right=c:d", "--delay=-1"],
                  ["--left=a", "--right=c:d"], ["--left=a:b", "--right=c:d", "--queue=0"], ["--nonsense"]):
        result = subprocess.run([program, *wrong], capture_output=True, text=True, check=False)
        assert result.returncode == 64 and result.stderr.startswith("link: "), (wrong, result)
    result = subprocess.run([program, "--left=nowhere:a", "--right=nowhere:b"], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "nowhere" in result.stderr, result


@test("/lab/link/without-the-program-the-lab-says-how-to-build-it")
def _():
    build = os.environ.pop("TEPKIT_BUILD")
    try:
        import laboratory
        laboratory.HERE, here = pathlib.Path("/nonexistent/tests/lab"), laboratory.HERE
        try:
            Lab.up("open", options=Options(delay=1))
        except LabError as error:
            assert "ninja" in str(error), error
        else:
            raise AssertionError("it came up")
        finally:
            laboratory.HERE = here
    finally:
        os.environ["TEPKIT_BUILD"] = build


run()

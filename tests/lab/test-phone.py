#!/usr/bin/python3
"""The measuring instruments of the call tests, on networks whose behaviour is known: real speech over plain UDP."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import audio  # noqa: E402
from lab import Lab, Options  # noqa: E402
from phone import Phone, converse, estimated_mos, quality  # noqa: E402
from process import Process, wait_until  # noqa: E402
from tap import Late, run, test  # noqa: E402

PORT = 4000
scratch = tempfile.TemporaryDirectory(prefix="tepkit-test-phone-")


def phones(lab, mark=""):
    """A phone at the device and one at the core that know each other's address."""
    device, core = (lab[f"DEVICE_ADDR{mark}"], PORT), (lab[f"CORE_ADDR{mark}"], PORT)
    return Phone(lab, "device", device, core), Phone(lab, "core", core, device)


def sources(length_s):
    return (audio.mu_law(scratch.name, "demo-congrats", length_s=length_s),
            audio.mu_law(scratch.name, "demo-instruct", length_s=length_s))


@test("/lab/phone/real-speech-arrives-octet-by-octet-both-ways-over-ipv4-and-ipv6")
def _():
    said = sources(4)
    for mark in ("", "6"):
        with Lab.up("open") as lab:
            left, right = phones(lab, mark)
            with left, right:
                heard = converse(left, right, *said)
                assert heard["right"].read_bytes() == said[0].read_bytes()
                assert heard["left"].read_bytes() == said[1].read_bytes()
                assert said[0].read_bytes() != said[1].read_bytes()
                for result in (quality(left, right), quality(right, left)):
                    print(result)
                    assert (result.sent, result.received, result.lost, result.late) == (200, 200, 0, 0), result
                    assert result.delay_ms < 5 and result.mos > 4.3, result


@test("/lab/phone/behind-a-home-router-answers-reach-the-port-that-spoke")
def _():
    with Lab.up("nat") as lab:
        with Phone(lab, "device", (lab["DEVICE_ADDR"], PORT), (lab["CORE_ADDR"], PORT)) as left, \
                Phone(lab, "core", (lab["CORE_ADDR"], PORT)) as right:
            said = sources(2)
            heard = converse(left, right, *said)
            assert audio.compare(said[0], heard["right"]).is_identical
            # What the core said before it heard anything had nowhere to go.
            assert audio.compare(said[1], heard["left"]).strange == 0
            assert {address for address, _ in right.heard_from} == {lab["PUBLIC_ADDR"]}


@test("/lab/phone/what-the-link-does-is-what-is-measured")
def _():
    with Lab.up("open", options=Options(delay=40, loss=10, seed=5)) as lab:
        left, right = phones(lab)
        with left, right:
            said = sources(4)
            heard = converse(left, right, *said, patience_s=1)
            compared = audio.compare(said[0], heard["right"])
            result = quality(left, right)
            print(result, compared)
            assert 5 <= result.lost <= 40 and result.received + result.lost == 200, result
            assert result.lost == compared.lost and compared.strange == 0, (result, compared)
            assert result.delay_ms >= 40 and result.mos < 4, result
            # Both phones are threads of this program: when it waits for a processor, packets wait with it, and no clock tells the two apart.
            if result.delay_ms >= 42:
                raise Late(f"{result.delay_ms:.1f} ms")


@test("/lab/phone/a-firewall-leaves-nothing-to-hear")
def _():
    with Lab.up("web-only") as lab:
        with Phone(lab, "device", (lab["DEVICE_ADDR"], PORT), (lab["CORE_ADDR"], PORT)) as left, \
                Phone(lab, "core", (lab["CORE_ADDR"], PORT), (lab["PUBLIC_ADDR"], PORT)) as right:
            said = sources(1)
            for phone, source in ((left, said[0]), (right, said[1])):
                phone.talk(source)
            for phone in (left, right):
                phone.wait_until_said(15)
            for result in (quality(left, right), quality(right, left)):
                assert (result.sent, result.received) == (50, 0) and result.mos == 1, result
        assert lab.refused()["udp"] >= 50


@test("/lab/phone/comparison-tells-loss-from-damage")
def _():
    said = sources(1)[0]
    octets = said.read_bytes()
    heard = pathlib.Path(scratch.name, "heard.ul")
    cases = {
        "whole": (octets, (50, 50, 0, 0)),
        "start missing": (octets[160:], (50, 49, 1, 0)),
        "middle missing": (octets[:1600] + octets[1760:], (50, 49, 1, 0)),
        "one octet changed": (octets[:800] + bytes([octets[800] ^ 1]) + octets[801:], (50, 50, 1, 1)),
        "nothing": (b"", (50, 0, 50, 0)),
        "more at the end": (octets + octets[:160], (50, 51, 0, 1)),
    }
    for name, (content, expected) in cases.items():
        heard.write_bytes(content)
        found = audio.compare(said, heard)
        assert (found.said, found.heard, found.lost, found.strange) == expected, (name, found)
        assert found.is_identical == (name == "whole")


@test("/lab/phone/estimated-mos-is-that-of-the-standard")
def _():
    # ITU-T G.107: the default R of 93.2 is a MOS of 4.41; delay and loss only take away.
    assert abs(estimated_mos(0, 0) - 4.41) < 0.01
    assert estimated_mos(0.1, 0) > estimated_mos(0.3, 0) > estimated_mos(0.6, 0)
    assert estimated_mos(0.1, 0) > estimated_mos(0.1, 0.01) > estimated_mos(0.1, 0.1) > 1
    assert estimated_mos(1, 1) == 1


@test("/lab/process/output-is-kept-and-an-early-end-is-said")
def _():
    with Process(["sh", "-c", "echo hello; echo trouble >&2; exec sleep 60"]) as process:
        assert process.wait_for("^trouble$") and process.wait_for("h(el+)o").group(1) == "ell"
        assert process.status is None
        assert process.stop() == -15 and process.output == "hello\n"
    with Process(["sh", "-c", "echo done; exit 3"]) as process:
        assert process.wait(5) == 3
        try:
            process.wait_for("never")
        except AssertionError as error:
            assert "ended with 3" in str(error), error
        else:
            raise AssertionError("it was said")


@test("/lab/process/one-that-does-not-want-to-end-is-ended")
def _():
    with Process(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]) as process:
        process.wait_for("deaf")
        assert process.stop(grace_s=0.2) == -9


@test("/lab/process/a-sanitizer-report-fails-the-test")
def _():
    process = Process(["sh", "-c", "echo '==1==ERROR: AddressSanitizer: heap-use-after-free' >&2"])
    process.wait(5)
    try:
        process.stop()
    except AssertionError as error:
        assert "heap-use-after-free" in str(error)
    else:
        raise AssertionError("nobody noticed")


@test("/lab/process/a-condition-that-stays-false-fails")
def _():
    try:
        wait_until(lambda: False, 0.02, "the moon")
    except AssertionError as error:
        assert "the moon" in str(error)
    else:
        raise AssertionError("nobody noticed")


run()

#!/usr/bin/python3
"""An unmodified SIP user agent behind tep-c --tun calls one at the core, in every network of the lab and over each family:
signalling and media through the tunnel, and both hear the other to within two steps of each sample."""
import array
import re
import sys

from baresip import Baresip, LEAD_S, RATE, SIP_PORT, STARTING, STEP, placed, samples, speech, wrong_samples
from ends import Agent, Scratch, Server, joined
from every_network import at_once, run_in_every
import audio
from lab import Lab
from tap import test

LENGTH_S = 2
AT_A_TIME = 4
FRAME = 160
STUN_PORT = 3478
PREFIXES = {"": ("192.0.2.0/24",), "6": ("2001:db8:c::/64", "2001:db8:d::/64")}


def speeches(directory):
    """What the device and the peer say: {host: wave file}. The device is first to come to its end and hangs up, for
    the peer's good-bye would go to the device's own address, around the tunnel."""
    return {host: speech(audio.mu_law(directory, recording, length_s=LENGTH_S), directory / f"{host}.wav", tail_s)
            for host, recording, tail_s in (("device", "demo-congrats", 0.5), ("peer", "demo-instruct", 8))}


def call(lab, scratch, carrier, mark, said):
    """The device calls; what it offers, and where media comes from, is a lease that STUN inside the tunnel told it."""
    peer_address, device_address = lab[f"PEER_ADDR{mark}"], lab[f"DEVICE_ADDR{mark}"]
    arguments = ["--tun-name", f"tepc{mark or 4}", *(word for each in PREFIXES[mark] for word in ("--tun", each))]
    with Agent(lab, scratch, carrier, mark, flows=[], arguments=arguments, name=f"tep-c-{mark or 4}") as agent:
        agent.wait_for_event(lambda e: e.get("state") == "open", "an open tunnel")
        with Baresip(lab, "peer", peer_address, scratch.path / f"peer{mark}", said["peer"]) as peer, \
                Baresip(lab, "device", device_address, scratch.path / f"device{mark}", said["device"],
                        (lab[f"CORE_2_ADDR{mark}"], STUN_PORT), f"sip:peer@{placed(peer_address)}") as device:
            for end in (device, peer):
                end.wait_for_end(20)
            leases = [event["leased"] for event in agent.events("lease")]
            (_, _, invite), = device.messages("INVITE ")
            offered = joined(re.search(r"^c=IN IP[46] (\S+)\n", invite[invite.index("m=audio"):], re.MULTILINE)[1],
                             int(re.search(r"m=audio (\d+) ", invite)[1]))
            assert offered in leases, (offered, leases)
            (caller, callee, _), = peer.messages("INVITE ")
            assert caller in leases and callee == joined(peer_address, SIP_PORT), (caller, callee, leases)
            peer.wait_for(rf"established, receiving from {re.escape(offered)}$")
        for listener, speaker in ((device, "peer"), (peer, "device")):
            wrong = wrong_samples(samples(said[speaker]), listener.heard(), LENGTH_S)
            print(f"{lab.network.name}, IPv{mark or 4}, {carrier}: of {LENGTH_S * RATE} samples {listener.name} heard {wrong} wrongly",
                  file=sys.stderr)
            assert wrong == 0, (lab.network.name, listener.name, wrong)


def calls(network, carriers):
    """A call over each family, by different carriers where there are several."""
    with Scratch() as scratch, Lab.up(network) as lab:
        said = speeches(scratch.path)
        ways = (("", carriers[0]), ("6", carriers[-1]))
        allow = [each for mark, _ in ways for each in (placed(lab[f"PEER_ADDR{mark}"]),
                                                       joined(lab[f"PEER_ADDR{mark}"], SIP_PORT))]
        stun = [joined(lab[f"CORE_2_ADDR{mark}"], STUN_PORT) for mark, _ in ways]
        with Server(lab, scratch, {"policy": {"allow": ";".join(allow)}, "media": {"stun-addresses": ";".join(stun)}}) as server:
            at_once([lambda m=mark, c=carrier: call(lab, scratch, c, m, said) for mark, carrier in ways])
            counted = server.metrics()
            assert counted['tep_server_stun_answers_total{carrier="tunnel"}'] >= 2 * len(ways), counted
        # Nothing tried to go around the tunnel.
        assert lab.refused()["udp"] == 0, lab.refused()


def damaged(said):
    """Recordings of what was said with something wrong in each, by what is wrong."""
    begin, end = int(LEAD_S * RATE), int((LEAD_S + LENGTH_S) * RATE)
    at = begin + RATE

    def replaced(start, stop, samples_instead):
        return said[:start] + array.array("h", samples_instead) + said[stop:]

    yield "a sample three steps off", replaced(at, at + 1, [said[at] + STEP + 1])
    yield "the first sample of the speech", replaced(begin, begin + 1, [1000])
    yield "the last sample of the speech", replaced(end - 1, end, [1000])
    yield "noise in the silence before", replaced(STARTING, STARTING + 1, [1000])
    yield "noise in the silence after", replaced(end + 1000, end + 1001, [1000])
    yield "noise after the end", said + array.array("h", [1000])
    yield "a frame lost", replaced(at, at + FRAME, [])
    yield "a sample lost", replaced(at, at + 1, [])
    yield "a frame silenced", replaced(at, at + FRAME, [0] * FRAME)
    yield "a frame twice", replaced(at, at, said[at:at + FRAME])
    yield "two frames exchanged", replaced(at, at + 2 * FRAME, said[at + FRAME:at + 2 * FRAME] + said[at:at + FRAME])
    yield "ended early", said[:end - 1]
    yield "began late", said[begin + 1:]
    yield "too quiet", array.array("h", [sample // 2 for sample in said])
    yield "upside down", array.array("h", [max(-sample, -32768) for sample in said])
    yield "silence", array.array("h", [0] * len(said))
    yield "nothing", array.array("h")


@test("/interop/baresip/the-comparison-finds-every-damage")
def _():
    with Scratch() as scratch:
        said, other = (samples(path) for path in speeches(scratch.path).values())
        silence = array.array("h", [0] * 3 * FRAME)
        whole = {
            "itself": said,
            "two steps off": array.array("h", [sample + (STEP if i & 1 else -STEP) for i, sample in enumerate(said)]),
            "later, and longer": silence + said + silence,
            "lead and tail not heard": said[int(LEAD_S * RATE):int((LEAD_S + LENGTH_S) * RATE)],
            "anything in the first 100 ms": array.array("h", range(STARTING)) + said[STARTING:],
        }
        found = {name: wrong_samples(said, heard, LENGTH_S) for name, heard in whole.items()}
        assert not any(found.values()), found
        missed = [name for name, heard in [*damaged(said), ("somebody else", other)]
                  if wrong_samples(said, heard, LENGTH_S) == 0]
        assert not missed, missed


run_in_every("baresip", "a-call-is-heard-to-within-two-steps-of-each-sample-both-ways", calls, AT_A_TIME)

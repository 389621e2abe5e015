#!/usr/bin/python3
"""A tunnel carries a two-way call of real speech in every network of the lab, in each way that the network allows."""
import sys

from ends import Agent, PEER_PORT, PHONE_PORT, LOCAL_PORT, Scratch, Server
from every_network import at_once, run_in_every
import audio
from lab import Lab
from phone import Phone, converse, quality

LENGTH_S = 2
AT_A_TIME = 2
LATE_ALLOWED = 0.05  # of the packets: the machine has other work


def call(lab, scratch, carrier, mark, number, sources):
    """One call; each pair of its ports is its own, so that several go on at once."""
    local, phone = LOCAL_PORT + number, PHONE_PORT + 10 * number
    flows = [(local, lab[f"PEER_ADDR{mark}"], PEER_PORT + number)]
    with Agent(lab, scratch, carrier, mark, flows, name=f"tep-c-{number}") as agent:
        leased = agent.leased()
        with Phone(lab, "device", ("127.0.0.1", phone), ("127.0.0.1", local)) as left, \
                Phone(lab, "peer", (lab[f"PEER_ADDR{mark}"], PEER_PORT + number), leased) as right:
            left.announce(right)
            heard = converse(left, right, *sources)
            results = quality(left, right), quality(right, left)
            print(f"{lab.network.name}, IPv{mark or 4}, {carrier}:", *results, sep="\n  ", file=sys.stderr)
            for said, by, result in zip(sources, ("right", "left"), results):
                assert heard[by].read_bytes() == said.read_bytes(), (by, audio.compare(said, heard[by]), result)
                # A speaker that was held up puts two frames into one packet.
                assert 0.9 * LENGTH_S * 50 <= result.received == result.sent <= LENGTH_S * 50, result
                assert result.late <= LATE_ALLOWED * result.sent, result
            assert right.heard_from == {leased}, (right.heard_from, leased)


def calls(network, carriers):
    """A call by each carrier over each family, all at once."""
    with Scratch() as scratch, Lab.up(network) as lab:
        sources = (audio.mu_law(scratch.path, "demo-congrats", length_s=LENGTH_S),
                   audio.mu_law(scratch.path, "demo-instruct", length_s=LENGTH_S))
        every = [(carrier, mark) for carrier in carriers for mark in ("", "6")]
        peers = [f"{lab['PEER_ADDR']}:{PEER_PORT}-{PEER_PORT + len(every)}",
                 f"[{lab['PEER_ADDR6']}]:{PEER_PORT}-{PEER_PORT + len(every)}"]
        with Server(lab, scratch, {"policy": {"allow": ";".join(peers)}}):
            at_once([lambda c=carrier, m=mark, n=number: call(lab, scratch, c, m, n, sources)
                     for number, (carrier, mark) in enumerate(every)])


run_in_every("networks", "carries-speech-octet-by-octet-both-ways", calls, AT_A_TIME)

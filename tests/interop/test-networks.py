#!/usr/bin/python3
"""A tunnel carries a two-way call of real speech in every network of the lab, in each way that the network allows."""
import concurrent.futures
import sys

from ends import Agent, PLAIN, PEER_PORT, PHONE_PORT, LOCAL_PORT, Scratch, Server, TLS, WEB
import audio
from lab import Lab
from phone import Phone, converse, quality
from tap import run, test

LENGTH_S = 2
AT_A_TIME = 2
LATE_ALLOWED = 0.05  # of the packets: the machine has other work

# What each network lets out; the ordinary way, UDP, passes in the first two alone.
WAYS = {
    "open": (WEB, PLAIN, TLS),
    "nat": (WEB, PLAIN, TLS),
    "web-only": (WEB, PLAIN, TLS),
    "tls-only": (TLS,),
    "tcp-443": (PLAIN, TLS),
    "proxy": (PLAIN, TLS),
    "proxy-basic": (PLAIN, TLS),
}


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
            print(f"{lab.network.name}, IPv{mark or 4}, {carrier}:", *results, sep="\n  ")
            for said, by, result in zip(sources, ("right", "left"), results):
                assert heard[by].read_bytes() == said.read_bytes(), (by, audio.compare(said, heard[by]), result)
                assert (result.sent, result.received) == (LENGTH_S * 50, LENGTH_S * 50), result
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
        with Server(lab, scratch, {"policy": {"allow": ";".join(peers)}}), \
                concurrent.futures.ThreadPoolExecutor(len(every)) as pool:
            for talk in [pool.submit(call, lab, scratch, carrier, mark, number, sources)
                         for number, (carrier, mark) in enumerate(every)]:
                talk.result()


# Networks do not disturb each other: as many at once as there are cores for.
with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as networks:
    under_way = {}

    def outcome(name):
        for each, ways in WAYS.items():
            if each not in under_way and (each == name or not sys.argv[1:]):
                under_way[each] = networks.submit(calls, each, ways)
        under_way[name].result()

    for network in WAYS:
        test(f"/interop/networks/{network}/carries-speech-octet-by-octet-both-ways")(lambda n=network: outcome(n))
    try:
        run()
    finally:
        networks.shutdown(cancel_futures=True)

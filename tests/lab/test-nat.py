#!/usr/bin/python3
"""How the networks of the lab translate and filter UDP, found by programs that are not ours: coturn's turnutils_natdiscovery
against coturn on two addresses and two ports in both families, and the stun client of RFC 3489."""
import concurrent.futures
import functools
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from lab import NETWORKS, Lab  # noqa: E402
from catalogue import BY_ADDRESS, BY_PORT, INDEPENDENT  # noqa: E402  where lab is found, it is
from rfc5780 import classic_client, nat_discovery, two_addresses  # noqa: E402
from tap import run, test  # noqa: E402

AT_ONCE = 16           # they wait, mostly

# Where those programs are wrong as a rule, and why. They take another address for another port; by chance it may be the same.
MISTAKEN = {"pool-by-flow": (BY_PORT, BY_PORT)}
# What the client of RFC 3489 says; it knows IPv4 alone.
CLASSIC = {
    (INDEPENDENT, INDEPENDENT): r"Independent Mapping, Independent Filter",
    (INDEPENDENT, BY_ADDRESS): r"Independent Mapping, Address Dependent Filter",
    (INDEPENDENT, BY_PORT): r"Independent Mapping, Port Dependent Filter",
    (BY_PORT, BY_PORT): r"Dependent Mapping",
    (None, INDEPENDENT): r"Open",
    (None, BY_PORT): r"Firewall",
}


def is_of_interest(name):
    """UDP passes, and the kind of translation is not that of half the networks, which inspect besides. Behind NAT64 those programs
    take the IPv4 address of coturn's other half for one that they reach."""
    network = NETWORKS[name]
    return network.verdict.filtering is not None and not network.nat64 and (not network.inspects or network.nat != "port-restricted")


def check(name):
    verdict = NETWORKS[name].verdict
    expected = [(verdict.mapping, verdict.filtering), *filter(None, [MISTAKEN.get(name)])]
    with Lab.up(name) as lab, two_addresses(lab):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            classic = pool.submit(classic_client, lab)
            # No translation is the same as one that depends on nothing, to who does not compare addresses.
            found = list(pool.map(functools.partial(nat_discovery, lab), ("", "6")))
        said = classic.result()
    for each in found:
        assert each in [(mapping or INDEPENDENT, filtering) for mapping, filtering in expected], (name, found)
    assert any(re.fullmatch(CLASSIC[each] + r"(, .*)?", said) for each in expected), (name, said)


for _name in filter(is_of_interest, NETWORKS):
    test(f"/lab/nat/{_name}/translates-and-filters-as-the-catalogue-says-over-ipv4-and-ipv6")(functools.partial(check, _name))
run(AT_ONCE)

#!/usr/bin/python3
"""tep-detect with an ordinary server of RFC 5780 at the far end: what it can show of the NAT is shown, with and without credentials."""
import json
import sys

from ends import PASSWORD, Scratch, USER, secret
from lab import Lab
from process import SANITIZER, program
from rfc5780 import two_addresses
from tap import run, test


def detect(lab, scratch, *arguments, has_login=True):
    words = [program("tep-detect"), "core.lab", "-4", "--json", *arguments]
    words += ["--credentials", secret(scratch.path, "coturn.secret", f"{USER}:{PASSWORD}")] if has_login else []
    done = lab.run("device", words, timeout=90)
    print(done.stdout[-20000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def tells_the_nat(name, has_login):
    with Scratch() as scratch, Lab.up(name) as lab, two_addresses(lab):
        said, verdict = detect(lab, scratch, has_login=has_login), lab.network.verdict
        assert said["nat"]["mapping"] == verdict.mapping, said["nat"]
        # Behind a symmetric NAT the control for a silence takes a far end that answers elsewhere.
        assert said["nat"]["filtering"] == (None if name == "symmetric" else verdict.filtering), said["nat"]
        assert said["type"] == verdict.type and not said["far_end"] and said["confidence"] != "confirmed", said
        assert not any(probe["outcome"] == "proof" for probe in said["probes"])


for each in ("nat", "full-cone", "address-restricted", "symmetric"):
    for login in (True, False):
        test(f"/interop/detect-coturn/{each}/is-told-with{'' if login else 'out'}-credentials")(lambda n=each, h=login: tells_the_nat(n, h))


@test("/interop/detect-coturn/lifetimes-are-found-too")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, two_addresses(lab):
        lab.run("firewall", ["sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=3"], timeout=10)
        said = detect(lab, scratch, "--deep", "--ladder", "1,6")
        found = {each["after"]: (each["kept_s"], each["forgotten_s"]) for each in said["lifetimes"]}
        assert found["exchange"] == (1, 6), found


run(at_once=5)

"""Records for tep-detect --replay: those of the tree, and ones made of them that say more."""
import copy
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from process import SANITIZER, program  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
CASES = sorted((SOURCE / "tests/turn-connect/detect-cases").glob("*.json"))
QUALITY = {"set_up_us": 61234, "sent": 16, "received": 15, "reordered": 0, "longest_gap": 1, "rtt_us": 20345, "rtt_p95_us": 21000,
           "jitter_us": 512, "size": 172}
PROXY = "http://proxy.corp.example:3128"
OPTIONS = "--ca --proxy-credentials --header --pin --pin-only"
METHODS = {"direct-udp": "udp", "turn-udp": "udp", "turn-tcp": "tcp", "turn-tls": "tls", "turn-tls-proxy": "tls", "tep-80": "tcp",
           "tep-443": "tcp", "tep-tls": "tls", "tep-443-proxy": "tcp", "tep-tls-proxy": "tls", "sip-tls": "tls", "sip-tls-proxy": "tls"}
PORTS = {"turn-udp": 3478, "turn-tcp": 3478, "tep-80": 80}


def detect(*arguments, **more):
    done = subprocess.run([program("tep-detect"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **more)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return done


def load(name):
    return json.loads((SOURCE / f"tests/turn-connect/detect-cases/{name}.json").read_text(encoding="utf-8"))


def probe(kind, variant, outcome, **more):
    return {"kind": kind, "variant": variant, "carry": "tcp", "family": 4, "target": "192.0.2.10:443", "start_us": 1000,
            "deadline_us": 2000000, "end_us": 90000, "attempts": 1, "answers": 1, "outcome": outcome, **more}


def method(name, outcome="proof", host="far.example", **more):
    facts = {"server": f"{host}:{PORTS.get(name, 443)}"}
    via = {"via": PROXY} if name.endswith("-proxy") else {}
    quality = {"quality": QUALITY} if outcome == "proof" else {}
    return probe("method", name, outcome, carry=METHODS[name], facts=facts, **via, **quality, **more)


def talking(name):
    """One in which a call gets through."""
    record = load(name)
    record["probes"] = record["probes"] + [method("turn-udp")]
    return record


def with_everything():
    """A record in which every part of a verdict says something."""
    record = copy.deepcopy(load("symmetric"))
    record["host"] = "far.example"
    record["facts"]["options"] = OPTIONS
    record["interface"] = "wlan0"
    record["probes"] += [method(name) for name in METHODS if name != "turn-udp"] + [method("turn-udp", "silence", detail="no answer")]
    record["probes"] += [probe("proxy", "name-443", "denied", code=407, via=PROXY), probe("portal", "decoy", "wrong-answer", code=302)]
    for variant, outcome in (("sip-register", "reset"), ("tls-own", "proof")):
        record["probes"] += [probe("payload", variant, outcome, round=n, far_saw="connection" if outcome == "reset" else "all")
                             for n in range(5)]
    record["probes"] += [probe("tls", "exporter", "altered"),
                         probe("gateway", "pcp", "answer", carry="udp", target="192.168.1.1:5351", mapped="100.64.0.7:0")]
    return record


def write(folder, record, name="record.json"):
    path = pathlib.Path(folder, name)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path

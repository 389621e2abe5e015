"""tep-detect in a network of the lab against a far end in the core, and what it says beside what the catalogue expects."""
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import time

import detect_judge
import ends
from lab import Options
from process import GSSAPI_OPTIONS, Process, program, wait_for_tcp

# By hand it is the build beside the source.
os.environ.setdefault("TEPKIT_BUILD", str(pathlib.Path(__file__).resolve().parent.parent.parent / "build"))

PORTS = (53, 5060, 5061, 5349, 40000)  # 80 and 443 are the front door's
LIMIT_S = 40           # none is to take longer, by far
FAMILIES = {"4": "", "6": "6"}
NOT_IN_TIME = "silence: it was not set up in time"
RIGHT, UNDETERMINED, WRONG = "right", "not determined", "wrong"


def far_end(lab, scratch):
    """tep-s in the core with detection on both addresses of both families, on the ports that firewalls know and a high one."""
    addresses = [lab[f"CORE_{which}ADDR{mark}"] for mark in FAMILIES.values() for which in ("", "2_")]
    # Both families are asked at once in the name of one user, several methods by a tunnel each, some of them tried again.
    return ends.Server(lab, scratch, {"detect": {"addresses": ";".join(addresses), "ports": ";".join(map(str, PORTS))},
                                      "limits": {"tunnels-per-user": "64"}})


@dataclasses.dataclass
class Outcome:
    """What a run said, and what is to be said of it."""
    judgement: str
    differences: list      # sentences: what is wrong, or missing
    result: dict           # the program's JSON, or {}
    took_s: float
    limit_s: float = 0     # how long it should take; that it took longer is told, and not judged

    @property
    def is_over(self):
        return 0 < self.limit_s < self.took_s

    @property
    def is_late(self):
        """Whether nothing is wrong but that a machine with much to do did not come to it."""
        return all(difference.endswith((NOT_IN_TIME, detect_judge.NOT_ENOUGH)) for difference in self.differences)

    def __str__(self):
        over = f", over {self.limit_s:g} s" if self.is_over else ""
        return f"{self.judgement} in {self.took_s:.1f} s{over}: type {self.result.get('type')} of {self.result.get('types')}" + \
            "".join(f"\n  {d}" for d in self.differences)


TURN = ("turn:peer.lab:3478?transport=udp", "turn:peer.lab:3478?transport=tcp", "turns:peer.lab:443?transport=tcp")


@contextlib.contextmanager
def turn_server(lab, scratch):
    """coturn at the peer, for the same user: by UDP and TCP on port 3478 and by TLS on 443."""
    arguments = ["turnserver", "-n", "--no-cli", "--no-dtls", "--listening-port=3478", "--tls-listening-port=443",
                 f"--cert={scratch.certificate()}", f"--pkey={scratch.path}/key.pem", "--lt-cred-mech", "--realm=core.lab",
                 f"--user={ends.USER}:{ends.PASSWORD}", "--allow-loopback-peers", "--log-file=stdout", "--simple-log",
                 f"--pidfile={scratch.path}/turn.pid", f"--userdb={scratch.path}/turn.db",
                 *(f"--{kind}-ip={lab[f'PEER_ADDR{mark}']}" for mark in FAMILIES.values() for kind in ("listening", "relay"))]
    with Process(arguments, lab, "peer", name="turnserver"):
        for port in (3478, 443):
            wait_for_tcp(lab, "peer", lab["PEER_ADDR6"], port, 20)
        yield


@functools.cache
def knows_turn():
    """Whether the program tries TURN servers."""
    return "--turn" in subprocess.run([program("tep-detect"), "--help"], capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def far_ends(lab, scratch):
    """All that it talks to."""
    with contextlib.ExitStack() as stack:
        if knows_turn():
            stack.enter_context(turn_server(lab, scratch))
        yield stack.enter_context(far_end(lab, scratch))


def asked(lab):
    """What it is to be run with in a network: (family, far end) each time. Who has IPv6 alone may be given an IPv4 address."""
    return [(family, "core.lab") for family in FAMILIES if int(family) in lab.network.families] + \
        ([("6", lab["CORE_ADDR"])] if lab.network.nat64 else [])


def detect_each(lab, scratch, only=None):
    """Outcomes, by what it was run with, at once; or of one of these alone, which numbers are counted through to."""
    ways = list(asked(lab))
    ways = ways if only is None else [ways[only % len(ways)]]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(ways, pool.map(lambda way: detect(lab, scratch, *way), ways)))


def detect(lab, scratch, family, far_end="core.lab", arguments=()):
    """Runs it once over a family, "4" or "6"."""
    vector = [program("tep-detect"), "--json", "--quiet", f"-{family}", "--ca", scratch.certificate(),
              "--credentials", ends.secret(scratch.path, f"detect-{family}.secret", f"{ends.USER}:{ends.PASSWORD}")]
    if knows_turn():
        vector += [word for uri in TURN for word in ("--turn", uri)]
    if lab.network.proxy:
        # A ticket is for a name.
        by_name = f"http://proxy.lab:{lab['PROXY_PORT']}" if lab.network.proxy.scheme == "negotiate" else None
        vector += ["--proxy", by_name or lab[f"PROXY_URL{FAMILIES[family]}"]]
    if lab.network.login and lab.network.proxy.scheme != "negotiate":
        vector += ["--proxy-credentials", ends.secret(scratch.path, f"proxy-{family}.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}")]
    environment = {**os.environ, **lab.environment}
    if lab.network.login and lab.network.proxy.scheme in ("ntlm", "negotiate"):
        environment |= GSSAPI_OPTIONS
    began = time.monotonic()
    try:
        done = lab.run("device", [*vector, *arguments, far_end], timeout=LIMIT_S, env=environment)
    except subprocess.TimeoutExpired:
        return Outcome(WRONG, [f"did not end within {LIMIT_S} s"], {}, LIMIT_S)
    took_s = time.monotonic() - began
    try:
        result = json.loads(done.stdout)
    except ValueError:
        return Outcome(WRONG, [f"no JSON, exit {done.returncode}: {done.stderr[-2000:]}"], {}, took_s)
    return judge(lab.network, result, took_s, lab.options)


def judge(network, result, took_s=0, options=Options()):
    """Wrong if it says anything that is not so; else not determined if it leaves out anything."""
    wrong, missing = detect_judge.judge(network, result, options)
    judgement = WRONG if wrong else UNDETERMINED if missing else RIGHT
    return Outcome(judgement, wrong + missing, result, took_s, detect_judge.limit_s(network))

#!/usr/bin/python3
"""tep-detect carries packets of a call by each method: what a network lets through works, the rest does not, and says why."""
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import PASSWORD, USER, coturn  # noqa: E402
from ends import PASSWORD as TEP_PASSWORD, USER as TEP_USER, Scratch, Server, secret  # noqa: E402
from lab import Lab  # noqa: E402
from process import Process, SANITIZER, program, wait_for_tcp  # noqa: E402
from tap import run, test  # noqa: E402

PACKETS = 16
TRIED = {"direct-udp", "turn-udp", "turn-tcp", "turn-tls", "turn-tls-proxy"}
TUNNELS = {"tep-80", "tep-443", "tep-tls", "tep-443-proxy", "tep-tls-proxy"}
SIP = {"sip-tls", "sip-tls-proxy"}
TOLD = {"silence", "refused", "reset", "closed", "unreachable", "denied", "wrong-answer"}


def run_in(lab, scratch, trusted, host, *arguments, as_json=True, login=None, proxy_password=None):
    """What tep-detect says on the lab's device."""
    words = [program("tep-detect"), host, "--ca", trusted, *arguments]
    words += ["--credentials", secret(scratch.path, "login.secret", login)] if login else []
    words += ["--json"] if as_json else []
    words += ["--proxy", lab["PROXY_URL"]] if lab.network.proxy else []
    if lab.network.login:
        words += ["--proxy-credentials", secret(scratch.path, "proxy.secret", f"{lab['PROXY_USER']}:{proxy_password or lab['PROXY_PASSWORD']}")]
    done = lab.run("device", words, timeout=60)
    print(done.stdout[-12000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    return json.loads(done.stdout) if as_json else done.stdout


def detect(network, *arguments, login=f"{USER}:{PASSWORD}", server=(), **options):
    """What it says in a network with coturn in its core, and what is expected of it."""
    with Scratch() as scratch, Lab.up(network) as lab, coturn(lab, *server, plain=True) as (_, trusted):
        return run_in(lab, scratch, trusted, "core.lab", *arguments, login=login, **options), lab.network.verdict


def detect_tunnels(network, login=f"{TEP_USER}:{TEP_PASSWORD}"):
    """The same with tep-s."""
    with Scratch() as scratch, Lab.up(network) as lab, Server(lab, scratch):
        return run_in(lab, scratch, scratch.certificate(), "core.lab:443", login=login), lab.network.verdict


def by_name(said):
    """{method: (what is said of it, its probe)}"""
    return {method["name"]: (method, said["probes"][method["probe"]]) for method in said["methods"]}


def is_measured(method, probe):
    quality = probe["quality"]
    assert method["works"] is True and (quality["sent"], quality["received"]) == (PACKETS, PACKETS), (method, probe)
    assert 0 < method["setup_ms"] < 5000 and 0 < method["rtt_ms"] < 5000 and method["loss"] == 0, method
    assert 1 < method["mos"] <= 4.5, method


def are_as_expected(tried, said, verdict):
    found = by_name(said)
    print(verdict, found, file=sys.stderr)
    assert tried <= set(found), found
    for name in tried & verdict.works:
        is_measured(*found[name])
    for name in tried & verdict.fails:
        method, probe = found[name]
        if name.endswith("-proxy") and not said["methods"][0]["name"].endswith("-proxy"):
            assert method["works"] is None and probe["outcome"] == "skipped" and "proxy" in probe["detail"], probe
        else:
            assert method["works"] is False and probe["outcome"] in TOLD and probe["detail"], (method, probe)
    ranks = [method["works"] is True for method in said["methods"]]
    assert ranks == sorted(ranks, reverse=True), ranks


for each in ("open", "nat", "web-only", "tls-only", "proxy-basic"):
    test(f"/interop/detect-methods/{each}/turn-works-as-the-network-allows")(lambda n=each: are_as_expected(TRIED, *detect(n)))
    test(f"/interop/detect-methods/{each}/tunnels-work-as-the-network-allows")(
        lambda n=each: are_as_expected(TUNNELS, *detect_tunnels(n)))


def detect_sip(network):
    """The same with tep-s, that answers detection, and as nobody."""
    with Scratch() as scratch, Lab.up(network) as lab, Server(lab, scratch, {"detect": {}}):
        return run_in(lab, scratch, scratch.certificate(), "core.lab:443"), lab.network.verdict


for each in ("open", "tls-only", "proxy-basic"):
    test(f"/interop/detect-methods/{each}/sip-over-tls-works-as-the-network-allows")(lambda n=each: are_as_expected(SIP, *detect_sip(n)))


@test("/interop/detect-methods/wrong-credentials-end-tunnels-and-that-is-said")
def _():
    found = by_name(detect_tunnels("open", login=f"{TEP_USER}:wrong password of some length")[0])
    for name in ("tep-443", "tep-tls"):
        method, probe = found[name]
        assert (method["works"], probe["outcome"]) == (False, "denied") and probe["detail"], (method, probe)


@test("/interop/detect-methods/a-password-that-the-proxy-refused-is-not-tried-again")
def _():
    said, _ = detect("proxy-basic", proxy_password="wrong")
    wrong = [probe for probe in said["probes"] if probe.get("facts", {}).get("connect") == "wrong-credentials"]
    assert len(wrong) == 1, wrong
    found = by_name(said)
    for name in ("turn-tls-proxy", "sip-tls-proxy"):
        method, probe = found[name]
        assert (method["works"], probe["outcome"]) == (None, "skipped") and "not tried again" in probe["detail"], (method, probe)


@test("/interop/detect-methods/a-proxy-that-only-dhcp-names-is-found-and-used")
def _():
    with Scratch() as scratch, Lab.up("proxy-only") as lab, Server(lab, scratch):
        web, leases = scratch.path / "web", scratch.path / "leases"
        web.mkdir()
        leases.mkdir()
        (web / "wpad.dat").write_text('function FindProxyForURL(url, host) { return "PROXY %s:%s"; }'
                                      % (lab["PROXY_ADDR"], lab["PROXY_PORT"]), encoding="ascii")
        url = "http://127.0.0.1:8000/wpad.dat"
        (leases / "2").write_text(f"ADDRESS=192.0.2.7\nOPTION_252={url.encode().hex()}\n", encoding="ascii")
        words = [program("tep-detect"), "core.lab:443", "-4", "--json", "--ca", scratch.certificate(),
                 "--credentials", secret(scratch.path, "login.secret", f"{TEP_USER}:{TEP_PASSWORD}")]
        where = 'mount -t tmpfs none /run && mkdir -p /run/systemd/netif && cp -r "$0" /run/systemd/netif/leases && exec "$@"'
        with Process([sys.executable, "-m", "http.server", "-d", web, "-b", "127.0.0.1", "8000"], lab, "device"):
            wait_for_tcp(lab, "device", "127.0.0.1", 8000)
            done = lab.run("device", ["unshare", "-m", "sh", "-c", where, leases, *words], timeout=60)
    print(done.stdout[-12000:], done.stderr, file=sys.stderr)
    assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
    said = json.loads(done.stdout)
    assert said["type"] == 8 and said["proxy"]["state"] == "works", said["proxy"]
    assert any("DHCP option 252" in reason and url in reason for reason in said["reasons"]), said["reasons"]
    for name in ("tep-443-proxy", "tep-tls-proxy"):
        is_measured(*by_name(said)[name])
        assert f"--proxy http://{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}" in by_name(said)[name][0]["config"], by_name(said)[name]


@test("/interop/detect-methods/a-front-door-elsewhere-that-waits-for-the-client-is-no-inspection")
def _():
    with Scratch() as scratch, Lab.up("full-cone") as lab:
        settings = {"server": {"listen": f"{lab['CORE_ADDR']}:8443"},
                    "detect": {"addresses": f"{lab['CORE_ADDR']};{lab['CORE_2_ADDR']}", "stun-ports": "3478;5060"}}
        with Server(lab, scratch, settings):
            said = run_in(lab, scratch, scratch.certificate(), "core.lab:8443", "-4", login=f"{TEP_USER}:{TEP_PASSWORD}")
    asked = {(probe["target"].rpartition(":")[2], probe["variant"]) for probe in said["probes"] if probe["kind"] == "payload"}
    assert ("8443", "printable") in asked and ("5060", "silence") in asked and ("8443", "silence") not in asked, asked
    assert said["type"] == 1 and said["inspection"]["seen"] is False, (said["types"], said["inspection"])


@test("/interop/detect-methods/people-are-told-how-to-use-what-works-and-why-the-rest-does-not")
def _():
    said, _ = detect("proxy-basic", as_json=False)
    lines = [line.strip() for line in re.sub(r" \\\n +", " ", said).splitlines()]
    at = next(n for n, line in enumerate(lines) if line.startswith("1. turn-tls-proxy"))
    assert "MOS 4" in lines[at] and "loss 0 %" in lines[at], lines[at]
    assert lines[at + 1].startswith("turn-connect helper ") and "turns:core.lab:443?transport=tcp" in lines[at + 1], lines[at + 1]
    assert "--proxy http://" in lines[at + 1], lines[at + 1]
    assert any("turn-udp" in line and "does not work: silence" in line for line in lines), lines


@test("/interop/detect-methods/without-credentials-turn-is-not-tried-and-that-is-said")
def _():
    found = by_name(detect("open", login=None)[0])
    is_measured(*found["direct-udp"])
    for name in TRIED - {"direct-udp", "turn-tls-proxy"}:
        method, probe = found[name]
        assert (method["works"], probe["outcome"], probe["detail"]) == (None, "skipped", "it takes credentials"), (method, probe)


@test("/interop/detect-methods/wrong-credentials-are-told-from-a-firewall")
def _():
    found = by_name(detect("open", login=f"{USER}:wrong")[0])
    method, probe = found["turn-tls"]
    assert (method["works"], probe["outcome"], probe["code"]) == (False, "denied", 401), (method, probe)


@test("/interop/detect-methods/a-server-that-relays-to-nobody-near-leaves-it-open")
def _():
    found = by_name(detect("open", server=("--denied-peer-ip=192.0.2.0-192.0.2.255",))[0])
    method, probe = found["turn-tls"]
    assert (method["works"], probe["outcome"], probe["code"]) == (None, "unsupported", 403) and "allocated" in probe["detail"], probe


@test("/interop/detect-methods/a-named-server-is-tried-by-its-transports-alone")
def _():
    found = by_name(detect("open", "--turn", "turn:core.lab:3478?transport=tcp")[0])
    is_measured(*found["turn-tcp"])
    for name in ("turn-udp", "turn-tls"):
        method, probe = found[name]
        assert (method["works"], probe["outcome"]) == (None, "skipped"), (method, probe)


run(at_once=3)

#!/usr/bin/python3
"""What tep-detect makes of a result: text, JSON, a page, a comparison, an answer to a script; also of what nobody can trust."""
import base64
import hashlib
import html.parser
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unicodedata
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from detect_record import CASES, METHODS, PROXY, detect, load, method, probe, talking, with_everything, write  # noqa: E402
from process import program  # noqa: E402
from tap import run, test  # noqa: E402

FREE, FALLBACK, NOTHING, UNDETERMINED, USAGE, UNAVAILABLE, INTERNAL, CONFIG = 0, 1, 2, 3, 64, 69, 70, 78
EVIL = "</style></title><script src='//evil.example/x'>alert(1)</script>\"'&]]><!-- \u202e\x07\x1b[31m\ufffe --> $(reboot)"


def scratch():
    return tempfile.TemporaryDirectory(prefix="tepkit-detect-")


def replay(record, *arguments):
    """Standard output and exit status for a record."""
    with scratch() as folder:
        done = detect("--replay", write(folder, record), *arguments)
    return done.stdout, done.returncode


def page_of(record, *arguments):
    with scratch() as folder:
        page = pathlib.Path(folder, "page.html")
        detect("--replay", write(folder, record), "--html", page, *arguments)
        return page.read_text(encoding="utf-8")


def poisoned(value):
    """The same with every text that is free replaced by a hostile one."""
    free = {"host", "software", "interface", "detail", "via", "began", "resolve_error", "variant"}
    if isinstance(value, list):
        return [poisoned(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: EVIL if key in free and isinstance(each, str) else {k: EVIL for k in each} if key == "facts" else poisoned(each)
            for key, each in value.items()}


class Reader(html.parser.HTMLParser):
    """A browser's eye: which elements and attributes there are, and whether each end has its beginning."""
    VOID = {"meta", "path", "rect"}

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.open = set(), [], []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID, tag
        self.elements.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def is_self_contained(page):
    assert page.startswith("<!DOCTYPE html>\n")
    xml.etree.ElementTree.fromstring(page)
    seen = Reader(page)
    assert not seen.elements & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "image", "use"}, seen.elements
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href", "xlink:href", "style")]
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    assert "url(" not in style and "@import" not in style
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    wanted = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{wanted}'; base-uri 'none'; form-action 'none'", policy


def is_fit_for_a_terminal(text):
    assert not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")], text
    for line in text.splitlines():
        assert len(line) <= 80 or len(line.split()) <= 3, line


@test("/tools/tep-detect-report/a-page-needs-nothing-but-itself")
def _():
    for record in [json.loads(case.read_text(encoding="utf-8")) for case in CASES] + [with_everything()]:
        is_self_contained(page_of(record))


@test("/tools/tep-detect-report/a-page-says-what-the-text-says")
def _():
    page = "".join(xml.etree.ElementTree.fromstring(page_of(with_everything())).itertext())
    for words in ("type 9: firewall that inspects what passes (probable), behind a captive portal", "also type 4: symmetric NAT",
                  "far.example port 3478", "wlan0", "by proxy", "a second NAT", "captive portal", "TLS opened: yes", "held back: sip-register",
                  "tep-c --server far.example:443 \\\n  --tls", "MOS 3", "Ask your firewall", PROXY, "All 7"):
        assert words in page, (words, page)


@test("/tools/tep-detect-report/nothing-that-a-network-says-becomes-markup-or-moves-a-terminal")
def _():
    record = poisoned(with_everything())
    page = page_of(record)
    is_self_contained(page)
    assert "&lt;script src=" in page and "evil.example" in page
    text, _ = replay(record)
    is_fit_for_a_terminal(text)
    json.loads(replay(record, "--json")[0])


@test("/tools/tep-detect-report/a-page-is-written-whole-or-not-at-all")
def _():
    with scratch() as folder:
        record, page = write(folder, load("open")), pathlib.Path(folder, "page.html")
        page.write_text("before", encoding="utf-8")
        assert detect("--replay", record, "--html", page).returncode == FREE
        is_self_contained(page.read_text(encoding="utf-8"))
        assert {each.name for each in pathlib.Path(folder).iterdir()} == {"record.json", "page.html"}
        done = detect("--replay", record, "--html", pathlib.Path(folder, "nowhere", "page.html"))
        assert done.returncode == INTERNAL and "nowhere" in done.stderr and done.stdout.startswith("nothing in the way"), done


@test("/tools/tep-detect-report/text-fits-a-terminal-and-is-in-order")
def _():
    for record in [json.loads(case.read_text(encoding="utf-8")) for case in CASES] + [with_everything()]:
        is_fit_for_a_terminal(replay(record)[0])
    text, status = replay(with_everything())
    marks = ["type 9: ", "what gets a call through, best first", "\nevidence: far.example port 3478 by interface wlan0", "  probes    ",
             "ask your firewall's owner for", "  TLS far.example port 443: "]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places) and places[0] == 0 and status == FALLBACK, (places, text)
    assert re.search(r"^  12\. turn-udp       does not work: silence \(no answer\)$", text, re.M), text
    assert re.search(r"^   \d\. turn-tls       set-up 61 ms, RTT 20\.3 ms, jitter 0\.5 ms, loss 6 %, MOS \d\.\d$", text, re.M), text


@test("/tools/tep-detect-report/every-status-is-that-of-the-verdict")
def _():
    silent = load("web-only")
    for each in silent["probes"]:
        if each["outcome"] == "proof":
            each["outcome"] = "silence"
    nowhere = {"schema": 1, "host": "far.example", "resolve_error": "no such name", "probes": []}
    for record, status in ((load("open"), FREE), (talking("symmetric"), FALLBACK), (load("symmetric"), UNDETERMINED), (silent, NOTHING), ({"schema": 1}, UNDETERMINED),
                           (nowhere, UNAVAILABLE)):
        text, got = replay(record, "--json")
        assert got == status == json.loads(text)["exit"], (got, status)
        assert replay(record)[1] == status
    assert detect().returncode == USAGE
    with scratch() as folder, open("/dev/full", "w", encoding="utf-8") as full:
        for way in (("--json",), ()):
            done = subprocess.run([program("tep-detect"), "--replay", write(folder, load("open")), *way], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
            assert done.returncode == INTERNAL, done


# What line 6 of the issue names, and what the manual does: key, and what may stand there.
NUMBER, TELL = (int, float), (bool, type(None))
TEXT = (str, type(None))
RESULT = {
    "schema": int, "type": (int, type(None)), "types": list, "confidence": str, "headline": str, "works": TELL, "exit": int, "family": int,
    "nat": {"translated": TELL, "mapping": TEXT, "filtering": TEXT, "pool": TELL, "confidence": str},
    "udp": {"works": TELL, "ports": [{"port": int, "reach": str, "rtt_ms": (*NUMBER, type(None)), "probe": int}]},
    "tcp": TELL, "tcp_ports": [{"port": int, "reach": str, "rtt_ms": (*NUMBER, type(None)), "probe": int}], "intercepted": TELL,
    "families": [{"family": int, "types": list, "confidence": str, "nat": dict, "udp": dict, "tcp": TELL, "tcp_ports": list}],
    "proxy": {"state": str, "url": TEXT, "source": TEXT, "authentication": TEXT, "opens_tls": TELL, "code": int, "probe": (int, type(None)),
              "ports": [{"port": int, "state": str, "code": int, "probe": int}], "transparent": TELL},
    "inspection": {"seen": TELL, "confidence": str, "tls_opened": TELL, "blocked": list, "passing": list, "mechanism": TEXT, "near": TELL,
                   "hop": (int, type(None)), "probe": (int, type(None))},
    "portal": TELL, "nat64": TELL, "carrier_nat": TELL,
    "methods": [{"name": str, "works": TELL, "setup_ms": (*NUMBER, type(None)), "rtt_ms": (*NUMBER, type(None)),
                 "jitter_ms": (*NUMBER, type(None)), "loss": (*NUMBER, type(None)), "mos": (*NUMBER, type(None)), "probe": int, "config": TEXT}],
    "lifetimes": list, "reasons": list, "advice": [{"protocol": str, "host": str, "port": int, "text": str, "probe": int}],
    "host": TEXT, "port": int, "run": str, "began": TEXT, "took_us": int, "interface": TEXT, "software": TEXT, "far_end": bool,
    "second_address": bool, "resolve_error": TEXT, "locals": list, "servers": list,
    "listeners": [{"carry": str, "port": int, "heard_ago_s": (int, type(None))}], "facts": dict,
    "probes": [{"kind": str, "carry": str, "family": int, "start_us": int, "deadline_us": int, "end_us": (int, type(None)),
                "attempts": int, "answers": int, "outcome": str}],
}
CONFIDENCES = {"confirmed", "probable", "suspected", "not-determined"}
BEHAVIOURS = {None, "none", "endpoint-independent", "address-dependent", "address-and-port-dependent"}
REACHES = {"open", "connected", "blocked", "not-determined"}
WAYS = {"not-determined", "none", "works", "credentials", "policy", "dead"}
OUTCOMES = {"pending", "proof", "answer", "altered", "wrong-answer", "wrong-source", "denied", "unsupported", "connected", "silence",
            "refused", "unreachable", "reset", "closed", "failed", "skipped", "cancelled"}


def has_form(value, form, where="result"):
    if isinstance(form, dict):
        assert isinstance(value, dict), where
        for key, inner in form.items():
            assert key in value, f"{where}.{key} is missing"
            has_form(value[key], inner, f"{where}.{key}")
    elif isinstance(form, list):
        assert isinstance(value, list), where
        for n, each in enumerate(value):
            has_form(each, form[0], f"{where}[{n}]")
    else:
        kinds = form if isinstance(form, tuple) else (form,)
        assert isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)), (where, value)


def is_a_result(said):
    has_form(said, RESULT)
    assert said["schema"] == 1 and said["type"] in (None, *range(10)) and set(said["types"]) <= set(range(1, 10)), said
    assert said["type"] in (None, 0) or said["type"] == max(said["types"]), said
    assert {said["confidence"], said["nat"]["confidence"], said["inspection"]["confidence"]} <= CONFIDENCES
    assert {said["nat"]["mapping"], said["nat"]["filtering"]} <= BEHAVIOURS and said["proxy"]["state"] in WAYS
    assert {port["reach"] for port in said["tcp_ports"] + said["udp"]["ports"]} <= REACHES
    assert {each["outcome"] for each in said["probes"]} <= OUTCOMES
    for each in said["methods"] + said["advice"]:
        assert each["probe"] is None or 0 <= each["probe"] < len(said["probes"]), each


@test("/tools/tep-detect-report/what-is-asked-for-is-backed-by-a-probe-that-failed-for-want-of-it")
def _():
    advice = json.loads(replay(load("symmetric"), "--json")[0])["advice"]
    assert [each["probe"] is None for each in advice] == [False], advice
    for case in CASES:
        said = json.loads(replay(json.loads(case.read_text(encoding="utf-8")), "--json")[0])
        for each in said["advice"]:
            assert each["probe"] is not None and each["host"] and each["port"] and each["protocol"], (case, each)


@test("/tools/tep-detect-report/every-address-that-was-sent-to-is-listed")
def _():
    line = re.search(r"^  asked     ((?:.|\n {12})*)$", replay(load("symmetric"))[0], re.M).group(1).replace("\n" + " " * 12, " ")
    assert line == "192.0.2.10, 203.0.113.201, 192.168.1.1, 192.0.2.11", line


@test("/tools/tep-detect-report/the-manual-has-every-key")
def _():
    page = (CASES[0].parents[3] / "tools/man/tep-detect.1").read_text(encoding="utf-8")
    said = json.loads(replay(with_everything(), "--json")[0])
    keys = {*said, *said["nat"], *said["proxy"], *said["inspection"], *said["methods"][0]} - {"confidence", "headline", "family", "intercepted"}
    for key in keys - {"pool", "name"}:
        assert re.search(rf"\b{key}\b", page), key
    found = [json.loads(replay(json.loads(case.read_text(encoding="utf-8")), "--json")[0])["inspection"] for case in CASES]
    words = {each["mechanism"] for each in found if each["mechanism"]}
    assert "late-drop" in words, words
    for word in {*words, "silence is"}:
        assert word in page.replace("\\-", "-"), word


@test("/tools/tep-detect-report/json-has-every-key-whatever-is-known")
def _():
    for record in [json.loads(case.read_text(encoding="utf-8")) for case in CASES] + [with_everything(), {"schema": 1}]:
        said = json.loads(replay(record, "--json")[0])
        is_a_result(said)
        assert json.loads(replay(said, "--json")[0]) == said


@test("/tools/tep-detect-report/numbers-have-no-more-digits-than-sense")
def _():
    for record in [json.loads(case.read_text(encoding="utf-8")) for case in CASES] + [with_everything()]:
        text = replay(record, "--json")[0]
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
        assert not re.search(r"\.\d{5}|[eE]", bare.replace("true", "").replace("false", "")), bare
    said = json.loads(text)["methods"][0]
    assert (said["setup_ms"], said["rtt_ms"], said["jitter_ms"], said["loss"]) == (61.234, 20.345, 0.512, 0.0625), said


@test("/tools/tep-detect-report/each-method-that-works-says-how-to-use-it")
def _():
    said = json.loads(replay(with_everything(), "--json")[0])
    lines = {each["name"]: each["config"] for each in said["methods"]}
    assert set(lines) == set(METHODS) and lines["direct-udp"] is None and lines["turn-udp"] is None, lines
    assert lines["turn-tcp"] == "turn:far.example:3478?transport=tcp", lines
    for name in set(METHODS) - {"direct-udp", "turn-udp", "turn-tcp"}:
        words = shlex.split(lines[name])
        assert words[0] == ("tep-c" if name.startswith("tep") else "turn-connect"), words
        assert ("--proxy" in words) == ("--proxy-credentials" in words) == ("--header" in words) == name.endswith("-proxy"), words
        assert "--ca" in words and ("--pin" in words) == (words[0] == "turn-connect"), words
        assert ("--tls" in words) == name.startswith("tep-tls"), words


@test("/tools/tep-detect-report/what-is-copied-into-a-shell-is-one-command")
def _():
    for server in ("x;reboot:443", "$(reboot):443", "`reboot`:443", "a b:443", "'", "x\" y", "[2001:db8::1]:443"):
        record = with_everything()
        for each in record["probes"]:
            if each["kind"] == "method":
                each["facts"]["server"] = server
        for each in json.loads(replay(record, "--json")[0])["methods"]:
            if each["config"] is not None and not each["config"].startswith("turn:"):
                words = shlex.split(each["config"])
                assert [word for word in words if server in word] and not set(words) & {"reboot", "y"}, words
    record["probes"] = [method("tep-tls", host="evil\n--tun")]
    assert json.loads(replay(record, "--json")[0])["methods"][0]["config"] is None


@test("/tools/tep-detect-report/a-comparison-says-the-verdict-first")
def _():
    with scratch() as folder:
        before, after = write(folder, load("web-only"), "before.json"), write(folder, load("symmetric"), "after.json")
        done = detect("--compare", before, after)
        lines = done.stdout.splitlines()
        assert done.returncode == 1 and lines[0].startswith("before: type 5: ") and lines[1].startswith("after:  type 4: "), done
        assert "  IPv4 TCP port 5060: blocked -> open" in lines and "  IPv4 UDP: no -> yes" in lines, lines
        is_fit_for_a_terminal(done.stdout)
        said = json.loads(detect("--compare", before, after, "--json").stdout)
        assert (said["schema"], said["same"], said["differences"][0]["what"]) == (1, False, "verdict"), said
        assert {"what": "IPv4 UDP", "before": "no", "after": "yes"} in said["differences"], said
        done = detect("--compare", after, after)
        assert done.returncode == 0 and done.stdout.startswith("the same verdict: type 4: "), done
        assert json.loads(detect("--compare", after, after, "--json").stdout) == {"schema": 1, "same": True, "differences": []}


@test("/tools/tep-detect-report/a-comparison-names-methods-that-one-side-did-not-try")
def _():
    record, other = talking("open"), talking("open")
    record["probes"] = record["probes"] + [method("turn-tls"), method("tep-tls")]
    other["probes"] = other["probes"] + [method("turn-tls", "reset")]
    with scratch() as folder:
        done = detect("--compare", write(folder, record, "a.json"), write(folder, other, "b.json"), "--json")
    differences = {each["what"]: (each["before"], each["after"]) for each in json.loads(done.stdout)["differences"]}
    assert differences == {"method turn-tls": ("works", "does not work"), "method tep-tls": ("works", None)}, differences


@test("/tools/tep-detect-report/what-cannot-be-compared-is-said")
def _():
    with scratch() as folder:
        good, bad = write(folder, load("open"), "good.json"), pathlib.Path(folder, "bad.json")
        bad.write_text("{", encoding="utf-8")
        for pair in ((good, bad), (bad, good), (good, pathlib.Path(folder, "missing"))):
            done = detect("--compare", *pair)
            assert done.returncode == CONFIG and not done.stdout and done.stderr, done
        for words in ((good,), (good, good, good), (good, good, "--html", "x"), (good, good, "--assert", "udp"), ("--replay", good)):
            assert detect("--compare", *words).returncode == USAGE, words


@test("/tools/tep-detect-report/conditions-hold-or-do-not")
def _():
    everything = with_everything()
    refused = load("open")
    refused["probes"] = refused["probes"] + [method("turn-tls", "reset"), probe("proxy", "name-443", "proof", via=PROXY)]
    for record, names, holds in (
            (talking("open"), "works", True), (load("open"), "works", False), (load("open"), "no-works", False),
            (load("open"), "type=0,udp,tcp,no-nat,determined,no-types=4,udp=443,tcp=443", True),
            (load("symmetric"), "type=4,types=4,nat", True), (load("symmetric"), "no-type=3", True), (load("symmetric"), "type=3", False),
            (load("web-only"), "no-udp,tcp=80,no-tcp=3478,no-udp=3478", True), (load("web-only"), "udp", False),
            (load("open"), "turn-tls", False), (load("open"), "no-turn-tls", False), (load("open"), "tcp=9", False),
            (load("open"), "proxy", False), (load("open"), "no-proxy", False), (refused, "no-turn-tls,proxy", True),
            (everything, "types=4,type=9,inspection,tls-opened,portal,tep-tls-proxy,no-turn-udp,no-proxy", True),
            (everything, "udp,turn-udp", False), ({"schema": 1}, "determined", False), ({"schema": 1}, "no-determined", True),
            ({"schema": 1}, "type=0", False), ({"schema": 1}, "no-type=0", False), ({"schema": 1}, "works", False)):
        with scratch() as folder:
            done = detect("--replay", write(folder, record), "--assert", names)
        assert done.returncode == (0 if holds else 1) and (not done.stderr) == holds and done.stdout, (names, done.stderr)


@test("/tools/tep-detect-report/an-unknown-condition-is-answered-with-those-that-are-known")
def _():
    with scratch() as folder:
        record = write(folder, load("open"))
        for names in ("", "udp,", "turn-tlss", "type=", "type=10", "type=x", "type=-1", "tcp=65536", "tcp=000000080", "no-", "no-no-udp", "udp,odd"):
            done = detect("--replay", record, "--assert", names)
            assert done.returncode == USAGE and "tep-tls-proxy" in done.stderr and "type=N" in done.stderr and not done.stdout, (names, done)
    assert detect("--assert", "odd", "far.example").returncode == USAGE
    page = pathlib.Path(CASES[0].parents[3], "tools/man/tep-detect.1").read_text(encoding="utf-8").replace("\\-", "-")
    for name in re.search(r"none of: (.*); each", done.stderr).group(1).split(", "):
        assert name.removesuffix("N") in page, name


run()

#!/usr/bin/python3
"""A redacted result means the same, and holds no address, name or user of the one it was made of."""
import ipaddress
import json
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from detect_record import CASES, detect, load, method, probe, with_everything, write  # noqa: E402
from tap import run, test  # noqa: E402

WELL_KNOWN = {"127.0.0.1", "ipv4only.arpa"}
JUDGED = ("type", "types", "confidence", "works", "exit", "family", "nat", "udp", "tcp", "tcp_ports", "families", "inspection", "portal",
          "nat64", "carrier_nat", "lifetimes")


def find_values(record):
    """Every address, name and run id in it, as it stands there."""
    text = json.dumps(record, ensure_ascii=False)
    found = set(re.findall(r"(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d.])", text)) | set(re.findall(r"[\w-]+(?:\.[\w-]+)*\.[a-z]{3,}(?![\w(])", text))
    for word in re.findall(r"[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:]+", text):
        try:
            ipaddress.IPv6Address(word)
        except ValueError:
            continue
        found.add(word)
    return (found | {record.get("run", "none")} | {word for word in re.findall(r"[0-9a-f]{12,}", text)}) - WELL_KNOWN


def tell(record, *arguments):
    """What it says in text, in JSON and as a page, and the exit status."""
    with tempfile.TemporaryDirectory(prefix="tepkit-detect-") as folder:
        page = pathlib.Path(folder, "page.html")
        path = write(folder, record)
        first = detect("--replay", path, *arguments, "--html", page)
        second = detect("--replay", path, *arguments, "--json")
        assert first.returncode == second.returncode
        return [first.stdout, second.stdout, page.read_text(encoding="utf-8")], first.returncode


def holds_none(texts, values):
    for text in texts:
        bare = re.sub(r"[0-9a-f.:]+/\d+: ", "", text)  # the ranges of the legend
        for value in values:
            found = re.search(rf"(?<![\w.:]){re.escape(value)}(?!\w|\.\d)", bare)
            assert not found, (value, bare[found.start() - 99:found.end() + 99])


def means_the_same(record):
    plain, status = tell(record)
    texts, again = tell(record, "--redact")
    before, after = json.loads(plain[1]), json.loads(texts[1])
    assert status == again
    for key in JUDGED:
        assert before[key] == after[key], (key, before[key], after[key])
    assert [(each["name"], each["works"]) for each in before["methods"]] == [(each["name"], each["works"]) for each in after["methods"]]
    assert before["proxy"]["state"] == after["proxy"]["state"] and len(before["advice"]) == len(after["advice"])
    assert [each["outcome"] for each in before["probes"]] == [each["outcome"] for each in after["probes"]]
    replayed, status = tell(after)
    assert status == again
    for key in JUDGED:
        assert json.loads(replayed[1])[key] == before[key], key
    return texts


def with_names():
    """Public and private addresses of both families, names in every place, a user, a network card."""
    record = with_everything()
    record["locals"] += ["10.1.2.3:0", "[fd12:3456::7]:0", "[2a02:810d::1:2]:0", "172.20.9.9:0", "[fe80::1c2d]:0", "169.254.7.7:0"]
    record["servers"] += ["8.8.4.4:0", "[2a00:1450::5]:0"]
    record["resolve_error"] = "Error resolving “tep.secret-site.example”: Name or service not known (by 10.1.2.53)"
    record["facts"] |= {"found": "pac+http://wpad.secret-site.example/wpad.dat", "realm": "Secretsite Proxy", "tls": "TLSv1.3",
                        "gateway6": "fe80::1c2d%wlan0", "card": "52:54:00:ab:cd:ef"}
    record["probes"] += [
        probe("port", None, "reset", mapped="8.8.4.4:4711", detail="reading from [2a00:1450::5]:443: Connection reset by peer, 8.8.4.4."),
        probe("port", None, "refused", detail="bob@secret-site.example at proxy.secret-site.example:8080 via 10.1.2.3/24 (fd12:3456::7)"),
        probe("portal", "decoy", "wrong-answer", code=200, detail="Welcome to Secretsite, Mr Miller"),
        method("tep-tls", "denied", host="secret-site.example", detail="user miller unknown"),
        method("tep-tls-proxy", "unreachable", code=503, detail="proxy.secret-site.example says: 503 Secretsite is closed, Mr Miller"),
        probe("proxy", "transparent-host", "altered", code=200, facts={"added": "Via, X-Secretsite-User, x-miller", "via-seen": "miller"},
              detail="another request arrived than was sent, with Via, X-Secretsite-User"),
        probe("payload", "sip-register", "altered", facts={"contact-seen": "secretsite", "sdp-seen": "miller"}),
        probe("gateway", "ssdp", "answer", facts={"server": "secretsite-box"}),
        probe("proxy", "name-80", "denied", code=407, via="http://miller@proxy.secret-site.example:8080",
              facts={"realm": "Secretsite Proxy", "schemes": "negotiate, NTLM, Secretsite-Sso, miller"})]
    return record


for case in CASES:
    @test(f"/tools/tep-detect-redact/{case.stem}/means-the-same-and-names-nobody")
    def _(record=json.loads(case.read_text(encoding="utf-8"))):
        holds_none(means_the_same(record), find_values(record))


@test("/tools/tep-detect-redact/whatever-stands-in-it-means-the-same-and-names-nobody")
def _():
    record = with_names()
    values = find_values(record)
    assert {"8.8.4.4", "2a00:1450::5", "fd12:3456::7", "tep.secret-site.example", "proxy.corp.example", "far.example", "fe80::1c2d"} <= values, values
    texts = means_the_same(record)
    holds_none(texts, values | {"wlan0", "miller", "bob", "52:54:00:ab:cd:ef"})
    for text in texts:
        assert not re.search("secret.?site|miller|welcome", text, re.I), text


@test("/tools/tep-detect-redact/of-lists-what-is-everybodys-stays")
def _():
    text = tell(with_names(), "--redact")[0][1]
    facts = [each["facts"] for each in json.loads(text)["probes"] if {"schemes", "added"} & set(each.get("facts", {}))]
    assert [each.get("schemes") or each["added"] for each in facts] == ["Via, other, other", "Negotiate, NTLM, other, other"], facts


@test("/tools/tep-detect-redact/the-same-value-is-the-same-everywhere-and-others-are-not")
def _():
    record = with_names()
    texts, _ = tell(record, "--redact")
    after = json.loads(texts[1])
    seen = {}
    for old, new in zip(record["probes"], after["probes"]):
        for key in {"target", "mapped", "local", "source", "origin", "other"} & set(old):
            (host, port), (placeholder, same_port) = old[key].rsplit(":", 1), new[key].rsplit(":", 1)
            assert port == same_port and seen.setdefault(host, placeholder) == placeholder, (old, new)
    assert len(set(seen.values())) == len(seen) > 5, seen
    assert after["host"] in texts[0] and after["host"] in texts[2] and after["methods"][1]["config"].count(after["host"]) == 1
    assert after["run"] == "0" * 32 and tell(record, "--redact")[0] == texts


@test("/tools/tep-detect-redact/an-address-stays-in-its-range-which-is-said")
def _():
    texts, _ = tell(with_names(), "--redact")
    after = json.loads(texts[1])
    ranges = ["192.168.0.0/16", "10.0.0.0/8", "fc00::/7", "3fff::/20", "172.16.0.0/12", "fe80::/10", "169.254.0.0/16"]
    for local, expected in zip(after["locals"], ranges):
        assert ipaddress.ip_address(local.rsplit(":", 1)[0].strip("[]")) in ipaddress.ip_network(expected), (local, expected)
    for words in ("10.0.0.0/8: private use", "3fff::/20: in place of public addresses", "203.0.113.0/24: "):
        assert words in after["facts"]["redacted"] and words in re.sub(r"\n +", " ", texts[0]), (words, after["facts"])


@test("/tools/tep-detect-redact/many-addresses-find-their-places")
def _():
    record = load("open")
    record["probes"] = record["probes"] + [probe("port", None, "refused", source=f"8.8.{n // 250}.{n % 250}:1") for n in range(1000)]
    after = json.loads(tell(record, "--redact")[0][1])
    assert len({each["source"] for each in after["probes"] if "source" in each}) >= 1000


@test("/tools/tep-detect-redact/what-cannot-be-redacted-is-not-told-with-it")
def _():
    for words in (("--verbose", "far.example"), ("--compare", CASES[0], CASES[0])):
        assert detect("--redact", *words).returncode == 64, words


run()

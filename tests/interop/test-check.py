#!/usr/bin/python3
"""turn-connect check against coturn: what works is measured, what does not is said with its step, its cause and an exit status."""
import contextlib
import json
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import PASSWORD, USER, coturn  # noqa: E402
from ends import Scratch, secret  # noqa: E402
from lab import Lab, Options  # noqa: E402
from process import SANITIZER, program  # noqa: E402
from tap import Late, run, test  # noqa: E402

SERVER = "turns:core.lab:443?transport=tcp"
OK, USAGE, UNAVAILABLE, DENIED, CONFIG = 0, 64, 69, 77, 78


@contextlib.contextmanager
def place(network="open", *options, delay=0):
    """A network with coturn in its core; yields a function that runs the program and what the options' files are called."""
    with Scratch() as scratch, Lab.up(network, options=Options(delay=delay)) as lab, coturn(lab, *options) as (_, trusted):
        login = secret(scratch.path, "turn.secret", f"{USER}:{PASSWORD}")
        proxy = secret(scratch.path, "proxy.secret", f"{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}") if lab.network.login else None

        def check(*arguments, trust=trusted, credentials=login, through=proxy, as_json=True):
            words = [program("turn-connect"), "check", *arguments, "--timeout", "3"]
            words += ["--ca", trust] if trust else []
            words += ["--credentials", credentials] if credentials else []
            words += ["--json"] if as_json else []
            words += ["--proxy", lab["PROXY_URL"]] if lab.network.proxy else []
            words += ["--proxy-credentials", through] if through else []
            done = lab.run("device", words, timeout=60)
            print(done.stdout, done.stderr)
            assert not SANITIZER.search(done.stderr) and "CRITICAL" not in done.stderr, done.stderr
            return done.returncode, json.loads(done.stdout) if as_json and done.stdout else done
        check.lab = lab
        yield check, scratch.path


def is_measured(tried, most_ms=5000):
    """All packets came back, and every figure is there and makes sense."""
    assert tried["works"] and "cause" not in tried, tried
    echo, took = tried["echo"], tried["set_up"]
    assert echo["sent"] == echo["arrived"] == echo["returned"] == 16, echo
    assert 0 < echo["rtt_min_ms"] <= echo["rtt_median_ms"] <= echo["rtt_max_ms"] < most_ms, echo
    assert 0 <= echo["jitter_ms"] < most_ms, echo
    assert 0 < took["allocate_ms"] < took["total_ms"] < most_ms, took
    assert tried["relayed"].rpartition(":")[0] and tried["lifetime_s"] > 0, tried


@test("/interop/check/measures-a-server-behind-a-proxy-with-a-password")
def _():
    with place("proxy-basic") as (check, _):
        status, said = check(SERVER)
        assert status == OK and said["works"] and len(said["tried"]) == 1, said
        tried = said["tried"][0]
        is_measured(tried)
        assert (tried["transport"], tried["host"], tried["port"]) == ("tls", "core.lab", 443), tried
        assert tried["set_up"]["proxy_ms"] > 0 and tried["set_up"]["tls_ms"] > 0, tried
        assert "TLS" in tried["tls"] and "Coturn" in tried["software"] and not tried["echo"]["to_itself"], tried


@test("/interop/check/tells-people-the-verdict-first")
def _():
    with place(delay=10) as (check, _):
        status, done = check(SERVER, as_json=False)
        lines = done.stdout.splitlines()
        assert status == OK and lines[0].startswith(f"{SERVER} works from here: core.lab:443 by tls, 16 of 16 packets"), lines
        for word in ("TLS", "server", "relayed", "set-up", "echo"):
            assert any(line.startswith(f"  {word}") for line in lines), word
        assert "round trips of 2" in done.stdout, done.stdout
        assert "asking for an allocation" in done.stderr, done.stderr


@test("/interop/check/counts-round-trips-where-there-is-a-way-to-go")
def _():
    with place(delay=20) as (check, _):
        status, said = check(SERVER)
        took = said["tried"][0]["set_up"]
        assert status == OK and 39 < took["server_rtt_ms"] < 80, took
        # TCP, one to three for TLS, the question who is asking, the allocation, the channel.
        assert 4.5 < took["round_trips"], took
        # They are counted in time, of which coturn's waiting for a processor is part, and what it answers in TLS cannot be counted from outside.
        if took["round_trips"] >= 9:
            raise Late(took)


@test("/interop/check/tries-what-the-uri-may-mean-in-order")
def _():
    with place() as (check, _):
        status, said = check("turn:core.lab:443")
        assert status == UNAVAILABLE and [t["transport"] for t in said["tried"]] == ["udp", "tcp"], said
        assert not any(t["works"] for t in said["tried"]) and all(t["cause"] for t in said["tried"]), said
        status, said = check("turns:core.lab:443", "--all")
        assert status == OK and [t["transport"] for t in said["tried"]] == ["tls", "dtls"], said
        is_measured(said["tried"][0])
        assert not said["tried"][1]["works"], said


@test("/interop/check/talks-to-itself-where-the-server-gives-one-allocation")
def _():
    with place("open", "--user-quota=1") as (check, _):
        status, said = check(SERVER)
        is_measured(said["tried"][0])
        assert status == OK and said["tried"][0]["echo"]["to_itself"], said


def fails(network, uri, status, kind, step, **options):
    with place(network) as (check, scratch):
        if "login" in options:
            options["credentials"] = secret(scratch, "other.secret", options.pop("login"))
        ended, said = check(uri, **options)
        found = (ended, said["works"], said["kind"], said["step"])
        assert found == (status, False, kind, step), (found, (status, kind, step), said)
        assert said["cause"] and said["advice"], said


for name, arguments, options in (
        ("wrong-password", ("open", SERVER, DENIED, "turn-unauthorized", "allocate"), {"login": f"{USER}:wrong"}),
        ("no-password", ("open", SERVER, DENIED, "turn-credentials-needed", "allocate"), {"credentials": None}),
        ("unknown-issuer", ("open", SERVER, UNAVAILABLE, "tls-untrusted", "tls"), {"trust": None}),
        ("other-name", ("open", "turns:far.lab:443?transport=tcp", UNAVAILABLE, "name-failed", "resolve"), {}),
        ("refused", ("open", "turns:core.lab:445?transport=tcp", UNAVAILABLE, "refused", "connect"), {}),
        ("no-tls-there", ("open", "turns:core.lab:80?transport=tcp", UNAVAILABLE, "refused", "connect"), {}),
        ("proxy-wants-a-password", ("proxy-basic", SERVER, DENIED, "proxy-credentials-needed", "proxy"), {"through": None}),
        ("proxy-forbids-the-port", ("proxy-basic", "turns:core.lab:445", DENIED, "proxy-forbidden", "proxy"), {}),
        ("udp-through-a-proxy", ("proxy-basic", "turn:core.lab?transport=udp", CONFIG, "unsupported", "resolve"), {}),
        ("firewall-drops", ("web-only", "turns:core.lab:5349?transport=tcp", UNAVAILABLE, "timed-out", "connect"), {})):
    test(f"/interop/check/says-why-it-fails/{name}")(lambda arguments=arguments, options=options: fails(*arguments, **options))


@contextlib.contextmanager
def name_service(lab, target, port):
    """On the device's loopback, as the lab has none: each SRV record is this one. Yields the names that were asked for."""
    line = lab.socket("device", kind=socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 53))
    line.settimeout(0.05)
    is_over, asked = threading.Event(), []
    labels = b"".join(bytes([len(part)]) + part for part in target.encode().split(b".")) + b"\0"

    def answer():
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                query, client = line.recvfrom(4096)
                end = query.index(b"\0", 12) + 5
                is_srv = query[end - 4:end - 2] == b"\0\x21"
                asked.append(query[12:end - 5])
                data = struct.pack("!HHH", 1, 1, port) + labels
                record = struct.pack("!HHHIH", 0xC00C, 33, 1, 1, len(data)) + data if is_srv else b""
                line.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_srv), 0, 0) + query[12:end] + record, client)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        is_over.set()
        thread.join()
        line.close()


@test("/interop/check/srv-records-are-asked-for-where-no-proxy-may-be")
def _():
    uri = "turns:core.lab?transport=tcp"
    with place() as (check, _), name_service(check.lab, "core.lab", 443) as asked:
        for more in ((), ("--proxy", "none")):
            status, said = check(uri, *more)
            assert status == OK and said["tried"][0]["port"] == 443, said
            assert asked == [b"\x06_turns\x04_tcp\x04core\x03lab"], asked
            asked.clear()
        status, said = check(uri, "--proxy", "env")
        assert status == UNAVAILABLE and said["tried"][0]["port"] == 5349 and not asked, (said, asked)


@test("/interop/check/what-cannot-be-understood-is-not-tried")
def _():
    with place() as (check, _):
        for arguments, status in (((), USAGE), ((SERVER, SERVER), USAGE), (("turns://core.lab",), CONFIG),
                                  (("stun:core.lab",), CONFIG), (("turn:core.lab?transport=quic",), CONFIG)):
            ended, said = check(*arguments)
            assert ended == status, (arguments, ended, said)


run(at_once=3)

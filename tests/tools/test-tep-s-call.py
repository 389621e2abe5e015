#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls through the daemon tep-s while it is reloaded, drained, killed and flooded."""
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["TEPKIT_SOURCE"], "tests", "support")))
import certificate
from process import wait_until
from tap import run, test
from tep_s_place import Call, NOBODY, PASSWORD, Place, get, metric, ready, start_on_port


@test("tep-s: a call goes on while certificates, users and limits are reloaded")
def call_survives_reload():
    with Place() as place:
        def new_certificate():
            chain, key = certificate.make(place.path)
            key.chmod(0o600)
            os.chown(key, NOBODY, NOBODY)
            place.values["tls"] = {"certificate": chain, "key": key}
            return chain
        shutil.copy(new_certificate(), place.path / "ca.pem")
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port, "--tls", "--ca-file", place.path / "ca.pem") as call:
                call.wait_until_passes(b"before")
                first = call.client.output.count('"event":"flow"')
                for turn in range(5):
                    shutil.copy(new_certificate(), place.path / "new-ca.pem")
                    place.secret("users", f"alice:{PASSWORD}\nuser{turn}:another password {turn}\n")
                    place.values["limits"] = {"tunnels": str(10 + turn)}
                    place.write()
                    daemon.signal(signal.SIGHUP)
                    wait_until(lambda n=turn + 1: metric(place, "tep_server_reloads_total") == n, 10, "a reload")
                    assert call.passes(b"turn %d" % turn)
                assert call.client.output.count('"event":"flow"') == first
                assert metric(place, "tep_server_tunnels_opened_total") == 1
                with Call(place, port, "--tls", "--ca-file", place.path / "new-ca.pem") as second:
                    second.wait_until_passes(b"with the new certificate")


@test("tep-s: a remote that a reload denies gets nothing more, in a call that goes on")
def reload_revokes():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"allowed")
                place.values["policy"]["allow"] = "127.0.0.0/9"
                place.values["policy"]["deny"] = "127.0.0.1"
                place.write()
                daemon.signal(signal.SIGHUP)
                daemon.wait_for("configuration reloaded")
                denied = 'tep_server_drops_total{direction="up",reason="policy"}'
                before = metric(place, denied)
                assert not call.passes(b"denied")
                assert metric(place, denied) > before
                assert metric(place, "tep_server_tunnels") == 1
                place.values["policy"]["deny"] = "127.0.0.9"
                place.write()
                daemon.signal(signal.SIGHUP)
                call.wait_until_passes(b"allowed again")


@test("tep-s: waits for a call when told to end, but not for ever, and takes no new one")
def drains():
    with Place() as place:
        place.values["timers"]["drain"] = "2"
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"before")
                daemon.signal(signal.SIGTERM)
                wait_until(lambda: get(place, "/ready")[0] == 503, 5, "that it is not ready any more")
                assert daemon.status is None
                assert daemon.wait(10) == 0
                assert "tunnel closed" in daemon.errors, daemon.errors


@test("tep-s: a call goes on at the other server when this one ends, and comes back when that one does")
def goes_to_the_alternate():
    with Place() as place, Place() as other:
        for each in (place, other):
            each.values["timers"]["drain"] = "1"
        there, other_port = start_on_port(other)
        place.values["server"]["alternate"] = f"127.0.0.1:{other_port}"
        here, port = start_on_port(place)
        with there, here:
            ready(there)
            ready(here)
            with Call(place, port) as call:
                call.wait_until_passes(b"here")
                here.signal(signal.SIGTERM)
                assert here.wait(10) == 0
                call.wait_until_passes(b"there", 5)
                assert "tunnel opened" in there.errors, there.errors
                call.client.wait_for(f"going on at 127.0.0.1:{other_port}")
                with place.start() as again:
                    ready(again)
                    there.signal(signal.SIGTERM)
                    assert there.wait(10) == 0
                    call.wait_until_passes(b"here again", 10)


@test("tep-s: a call is back within 5 s after kill -9 and a new start")
def call_survives_kill():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                call.wait_until_passes(b"before")
                daemon.kill()
                with place.start() as again:
                    ready(again)
                    call.wait_until_passes(b"after", 5)


@test("tep-s: --pcap records inner packets of both directions")
def records():
    with Place() as place:
        record = place.path / "inner.pcap"
        daemon, port = start_on_port(place, "--pcap", record)
        with daemon:
            ready(daemon)
            with Call(place, port) as call:
                for i in range(20):
                    assert call.passes(b"packet %d" % i)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(10) == 0
        octets = record.read_bytes()
        assert octets.count(b"packet 7") == 2, octets
        shown = subprocess.run(["tshark", "-r", record, "-T", "fields", "-e", "udp.length", "-e", "_ws.malformed",
                                "-o", "udp.check_checksum:TRUE", "-e", "udp.checksum.status"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(shown) == 40, shown
        assert all(line.split("\t")[1:] == ["", "1"] for line in shown), shown
        assert record.stat().st_mode & 0o777 == 0o600


@test("tep-s: a wrong password is counted, told once, and never shown")
def wrong_password():
    with Place() as place:
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port, password="canary-wrong-password", opens=False) as call:
                failed = 'tep_server_authentication_total{result="failed"}'
                wait_until(lambda: metric(place, failed) > 0, 10, "a failed login")
                assert call.client.wait(20) == 77
                assert "canary" not in daemon.errors and "canary" not in call.client.errors
            with Call(place, port) as call:
                call.wait_until_passes(b"right")


@test("tep-s: a flood of garbage fills no log, at the level debug, while a call goes on")
def flood_and_log():
    with Place() as place:
        place.values["policy"]["allow"] = "127.0.0.0/8"
        daemon, port = start_on_port(place)
        with daemon:
            ready(daemon)
            with Call(place, port) as call, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
                call.wait_until_passes(b"before")
                flood.connect(("127.0.0.1", port))
                passed = 0
                for turn in range(40):
                    for _ in range(1000):
                        with contextlib.suppress(ConnectionError):
                            flood.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + os.urandom(12))
                    for garbage in (b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", os.urandom(64)):
                        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
                            one.sendall(garbage)
                    passed += call.passes(b"turn %d" % turn)
                assert passed >= 39, passed
                assert metric(place, "tep_server_stun_limited_total") > 1000
            seconds = collections.Counter(line[:19] for line in daemon.errors.splitlines())
            assert max(seconds.values()) <= 100, seconds


if __name__ == "__main__":
    run()

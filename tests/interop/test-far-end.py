#!/usr/bin/python3
"""The far end of detection, asked by a client that was written from PROTOCOL.md alone and by STUN clients that are not ours."""
import json
import os
import random
import re
import socket
import ssl
import threading
import time

import ends
from ends import PASSWORD, Scratch, Server, USER
from far_end import inverted, plain_address, read_body, read_exactly, Run, survive
from lab import Lab
from process import Process
from tap import run, test

HOSTS = {"": ("127.93.0.1", "127.93.0.2")}
STUN, OTHER_STUN, HIGH, DOOR = 3478, 3479, 40093, 8093


def tep_s(scratch, name="tep-s", **detect):
    """tep-s on loopback: the front door on the first address, detection beside it and on the second."""
    path = scratch.path
    scratch.certificate()
    users = ends.secret(path, "users", f"{USER}:{PASSWORD}")
    keys = "".join(f"{key.replace('_', '-')}={value}\n" for key, value in detect.items())
    config = ends.secret(path, f"{name}.conf", f"""[server]
listen={HOSTS[""][0]}:{DOOR}
names=core.lab;{HOSTS[""][0]}
workers=2
[tls]
certificate=certificate.pem
key=key.pem
[credentials]
users={users}
[media]
backend=relay
relay-addresses=127.0.0.1
{"[detect]" if detect else ""}
{keys}""")
    return Process([ends.program("tep-s"), "-c", config], name=name)


ADDRESSES = {"addresses": ";".join(HOSTS[""]), "ports": f"{HIGH};{DOOR}"}


def connect(port, address=HOSTS[""][0], tls=None):
    for _ in range(100):
        try:
            stream = socket.create_connection((address, port), timeout=10)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    if tls is None:
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(tls.get("alpn", []))
    return context.wrap_socket(stream, server_hostname=tls.get("name"))


@test("/interop/far-end/udp-answers-come-from-the-address-that-was-asked-for")
def _():
    with Scratch() as scratch, tep_s(scratch, **ADDRESSES):
        connect(HIGH).close()
        here = Run()
        for change, source in ((0, (HOSTS[""][0], STUN)), (2, (HOSTS[""][0], OTHER_STUN)), (4, (HOSTS[""][1], STUN)),
                               (6, (HOSTS[""][1], OTHER_STUN))):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
                port.settimeout(5)
                request = here.binding(change, change)
                port.sendto(request, (HOSTS[""][0], STUN))
                octets, whence = port.recvfrom(2048)
                found, code, proven = here.answer(octets)
                assert whence == source and code == 0 and proven and len(octets) <= len(request)
                assert plain_address(found[0x802B]) == source
                assert plain_address(found[0x802C]) == (HOSTS[""][1], OTHER_STUN)
                # A delayed answer wants the cookie, and comes as late as was asked.
                if change == 0:
                    port.sendto(here.binding(9, delay=1, cookie=found[0xC7FA]), (HOSTS[""][0], STUN))
                    began = time.monotonic()
                    found, _, proven = here.answer(port.recv(2048))
                    assert proven and found[0xC7F8][3] == 1 and 0.9 < time.monotonic() - began < 5


def talk(stream_of, is_own_port):
    """Every kind of first flight, each on a connection of its own."""
    here = Run(PASSWORD.encode())
    with stream_of() as stream:
        for probe in range(3):
            stream.sendall(here.binding(probe))
            assert here.answer(stream.recv(2048))[1:] == (0, True)
    flights = [(here.noise(4, 960), 13, 0), (inverted(here.binding(5)), 9, 1)]
    for first, payload, twin in flights:
        with stream_of() as stream:
            stream.sendall(first)
            said, proven = here.digest_answer(read_exactly(stream, 100), first)
            assert proven and (said["payload"], said["twin"]) == (payload, twin), said
            survive(stream, first, 16)
    with stream_of() as stream:
        stream.sendall(b"nobody knows what this is")
        said, proven = here.digest_answer(read_exactly(stream, 100), b"nobody knows what this is")
        assert not proven and said["payload"] == 0
    if is_own_port:
        with stream_of() as stream:
            assert here.digest_answer(read_exactly(stream, 100), b"")[0]["payload"] == 1
            stream.sendall(here.binding(6))
            assert here.answer(stream.recv(2048))[1:] == (0, True)
    with stream_of() as stream:
        assert here.get(stream, "echo", 7)[1] is False
        assert here.get(stream, "echo", 8, USER)[1] is True
        (line,), keyed = here.get(stream, "exporter", 9)
        lines, _ = here.get(stream, "self")
        assert keyed and {"line", "transport", "address", "heard"} <= lines[-1].keys()
        *records, end = here.get(stream, "record")[0]
        assert end["line"] == "end" and end["records"] == len(records) >= 5
        named = {record["probe"]: record for record in records if record["run"]}
        assert (named[5]["payload"], named[5]["twin"]) == ("stun", "inverted") and named[5]["ttl"] == 64 and named[5]["mss"] > 500
        assert any(not record["run"] and record["payload"] == "unknown" for record in records)
    with stream_of() as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_body(stream) == (404, b"Not found\n") and stream.recv(1) == b""
    with stream_of() as stream:
        stream.sendall(b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n")
        assert read_body(stream)[0] in (403, 405)
    return line


@test("/interop/far-end/each-first-flight-is-answered-in-kind-on-own-ports-and-at-the-front-door")
def _():
    with Scratch() as scratch, tep_s(scratch, **ADDRESSES):
        for port, is_own in ((HIGH, True), (DOOR, False)):
            for tls in (None, {"name": "core.lab", "alpn": ["http/1.1"]} if is_own else {"name": "core.lab"}):
                said = talk(lambda p=port, t=tls: connect(p, tls=t), is_own and tls is None)
                assert ("exporter" in said) == (tls is not None)
        # The front door is strict about names; the own ports are not.
        connect(DOOR, HOSTS[""][1], {"name": "other.example"}).close()
        # After a CONNECT that no proxy consumed.
        here = Run()
        with connect(DOOR) as stream:
            stream.sendall(f"CONNECT core.lab:{DOOR} HTTP/1.1\r\nHost: core.lab:{DOOR}\r\n\r\n".encode())
            assert read_body(stream)[0] == 200
            assert here.get(stream, "echo", 1)[0][0]["connect"] is True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            port.settimeout(5)
            port.sendto(here.binding(2), (HOSTS[""][0], DOOR))
            assert here.answer(port.recv(2048))[1:] == (0, True)


@test("/interop/far-end/without-detect-the-front-door-is-as-before")
def _():
    with Scratch() as scratch, tep_s(scratch):
        here = Run()
        with connect(DOOR) as stream:
            stream.sendall(here.noise(1, 960))
            try:
                assert stream.recv(1) == b""
            except ConnectionResetError:
                pass
        with connect(DOOR) as stream:
            stream.sendall(f"GET {here.target('echo')[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert read_body(stream)[0] == 404


@test("/interop/far-end/hostile-octets-on-many-connections-end-nothing")
def _():
    with Scratch() as scratch, tep_s(scratch, **ADDRESSES):
        connect(HIGH).close()

        def hurt(number):
            rand = random.Random(number)
            here = Run()
            for _ in range(40):
                octets = bytearray(rand.choice((here.binding(1), here.noise(1, 960), inverted(here.noise(2, 640)), b"GET " + os.urandom(50),
                                                f"GET {here.target('record')[0]} HTTP/1.1\r\n\r\n".encode() * 20, b"\x16\3\1\2\0\1" + os.urandom(600),
                                                b"REGISTER sip:x SIP/2.0\r\nContent-Length: 99999\r\n\r\n", os.urandom(70000))))
                for _ in range(rand.randrange(3)):
                    octets[rand.randrange(len(octets))] = rand.randrange(256)
                try:
                    with connect(rand.choice((HIGH, DOOR, STUN))) as stream:
                        stream.settimeout(0.05)
                        stream.sendall(octets[:rand.randrange(len(octets) + 1)])
                        stream.recv(100)
                except OSError:
                    pass
        threads = [threading.Thread(target=hurt, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        here = Run()
        for _ in range(100):
            try:
                with connect(HIGH) as stream:
                    assert here.get(stream, "echo")[1] is False
                    break
            except (AssertionError, ConnectionError):
                time.sleep(0.2)
        else:
            raise AssertionError("the far end no longer answers")


@test("/interop/far-end/tunnels-are-opened-at-the-front-door-as-ever-while-it-answers-detection")
def _():
    with Scratch() as scratch, Lab.up("nat") as lab, Server(lab, scratch, {"detect": {}}):
        here = Run()
        for carrier in (ends.PLAIN, ends.WEB, ends.TLS):
            with ends.Agent(lab, scratch, carrier) as agent:
                assert agent.leased()
        said = lab.run("device", ["curl", "-sS", f"http://{lab['CORE_ADDR']}{here.target('echo')[0]}"], timeout=20).stdout
        assert '"line":"echo"' in said and '"line":"proof"' in said, said


# What STUN clients that are not ours say of the lab's networks: (turnutils_natdiscovery, stun).
NETWORKS = {
    "full-cone": (("Endpoint Independent Mapping", "Endpoint Independent Filtering"), "Independent Mapping, Independent Filter"),
    "nat": (("Endpoint Independent Mapping", "Address and Port Dependent Filtering"), "Independent Mapping, Port Dependent Filter"),
    "symmetric": (("Address and Port Dependent Mapping", "Address and Port Dependent Filtering"), "Dependent Mapping"),
}


@test("/interop/far-end/stun-clients-that-are-not-ours-find-the-nat-that-is-there")
def _():
    for name, (coturn, classic) in NETWORKS.items():
        with Scratch() as scratch, Lab.up(name) as lab, \
                Server(lab, scratch, {"detect": {"addresses": f"{lab['CORE_ADDR']};{lab['CORE_2_ADDR']}"}}):
            said = lab.run("device", ["turnutils_natdiscovery", "-m", "-f", lab["CORE_ADDR"]], timeout=30).stdout
            found = tuple(re.findall(r"NAT with (.*)!", said))
            assert found == coturn, (name, found)
            said = lab.run("device", ["stun", lab["CORE_ADDR"]], timeout=60).stdout
            assert classic in said, (name, said)


@test("/interop/far-end/with-one-address-it-works-and-what-cannot-be-known-then-is-said")
def _():
    for name, known, left_open in (("nat", None, ("maps addresses is not determined", "lets answer is not determined: the far end has one address")),
                                   ("symmetric", "address-and-port-dependent", ("lets answer is not determined: the far end has one address",))):
        with Scratch() as scratch, Lab.up(name) as lab, Server(lab, scratch, {"detect": {"addresses": lab["CORE_ADDR"]}}) as server:
            login = ends.secret(scratch.path, "one.secret", f"{USER}:{PASSWORD}")
            done = lab.run("device", [ends.program("tep-detect"), f"{lab['CORE_ADDR']}:443", "-4", "--quiet", "--json", "--ca", scratch.certificate(), "--credentials", login], timeout=60)
            said = json.loads(done.stdout)
            assert (said["nat"]["mapping"], said["nat"]["filtering"]) == (known, None), said["nat"]
            for each in left_open:
                assert any(each in reason for reason in said["reasons"]), (each, said["reasons"])
            counted = {series.removeprefix("tep_server_detect_"): value for series, value in server.metrics().items() if "_detect_" in series}
            for series in ('datagrams_total{result="answered"}', 'connections_total{result="taken"}', 'logins_total{result="proven"}'):
                assert counted[series] > 0, counted
            assert counted['connections_total{result="refused"}'] == counted['logins_total{result="failed"}'] == 0, counted


run()

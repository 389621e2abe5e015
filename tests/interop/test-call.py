#!/usr/bin/python3
"""Every row of the call-flow table (PROTOCOL section 12), end to end: a device behind a firewall, TEP-S at the
core, and far sides of several kinds. Each test prints the time from the answer to the first media packet."""
import contextlib
import pathlib
import socket
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from call_peers import CallPeer, Echo, Lite, device, server  # noqa: E402
from lab import Lab, Options  # noqa: E402
from process import wait_until  # noqa: E402
from tap import Late, run, test  # noqa: E402

BUSY_MS = 150  # what a machine with other work may add; less than a round trip where that is what is measured


@contextlib.contextmanager
def world(network, **options):
    """A network with a TEP-S, and the line by which a far side offers it."""
    with tempfile.TemporaryDirectory(prefix="tepkit-call-") as keep, \
            Lab.up(network, options=Options(**options)) as lab, server(lab, keep):
        yield lab, f"a=tep-s:1 tcp {lab['CORE_ADDR']} 443 {lab['CORE_ADDR']}"


def far_agent(lab, *lines, offers=False, components=1):
    return CallPeer(lab, "peer", "far", f"--components={components}", *(["--offerer"] if offers else []),
                    *(["--extra", "\r\n".join(lines)] if lines else []))


def prepare(*peers):
    for peer in peers:
        peer.do("prepare")
    return [peer.wait("prepared") for peer in peers]


def show(peer, what, branch=None):
    report = peer.report(branch)
    print(f"{what}: {report['carrier']}, decided {report['decided_us'] / 1000:.1f} ms, first media "
          f"{report['first_media_us'] / 1000:.1f} ms after the answer; ICE: {report['ice_cause'] or '-'}; "
          f"tunnel: {report['tunnel_cause'] or '-'}")
    return report


def offer_and_answer(left, right):
    """left offers, right answers; both are prepared."""
    right.remote(left.describe())
    left.remote(right.describe())


def within_bound(report, round_trip_ms):
    """When ICE fails, the first media packet comes within 500 ms and a round trip of the answer."""
    took_ms = report["first_media_us"] / 1000
    assert took_ms >= 500, took_ms
    if took_ms > 500 + round_trip_ms + BUSY_MS:
        raise Late(f"first media after {took_ms} ms, the round trip takes {round_trip_ms} ms")


def expect(caller, carrier, branch="one", component=1):
    caller.wait("path", branch=branch, carrier=carrier)
    caller.wait_until_heard(f"{branch}/{carrier}/{component}")


def full_ice(network, device_offers, with_tep, carrier, components=1):
    with world(network) as (lab, offer_line), \
            device(lab, f"--components={components}", *(["--offerer"] if device_offers else [])) as caller, \
            far_agent(lab, *([offer_line] if with_tep else []), offers=not device_offers,
                      components=components) as far:
        lease = prepare(caller, far)[0]
        assert lease["who"], lease
        offer_and_answer(*((caller, far) if device_offers else (far, caller)))
        if carrier == "failed":
            failed = caller.wait("failed", timeout_s=60)
            print(failed["cause"])
            assert "the far side offers no TEP-S" in failed["cause"], failed
            assert "no candidate pair works" in failed["cause"], failed
            return
        for component in range(1, components + 1):
            expect(caller, carrier, component=component)
        caller.do("confirm", "one")
        report = show(caller, f"{network}, device {'offers' if device_offers else 'answers'}")
        assert report["carrier"] == carrier
        if carrier == "tunnel":
            within_bound(report, round_trip_ms=0)
            # The far agent's own checks pass the flow: to it, this is an ordinary ICE call.
            far.wait("ice", component=1, state="ready")
            assert 500_000 <= report["decided_us"], report
        # A lease that is of no use is given back, one that is stays for the day ICE fails.
        assert bool(report["lease"]) == with_tep, report
        if not with_tep:
            assert report["tunnel_sent"] == 0, report


FULL_ICE = {
    "offerer-with-tep-s/ice-where-it-works": ("open", True, True, "ice"),
    "offerer-with-tep-s/ice-through-nat": ("nat", True, True, "ice"),
    "offerer-with-tep-s/tunnel-where-only-web-passes": ("web-only", True, True, "tunnel"),
    "offerer-with-tep-s/both-components-through-the-tunnel": ("web-only", True, True, "tunnel", 2),
    "offerer-with-tep-s/both-components-by-ice": ("open", True, True, "ice", 2),
    "offerer-without-tep-s/ice-where-it-works": ("open", True, False, "ice"),
    "offerer-without-tep-s/fails-with-both-causes-where-only-web-passes": ("web-only", True, False, "failed"),
    "answerer-with-tep-s/ice-where-it-works": ("open", False, True, "ice"),
    "answerer-with-tep-s/tunnel-where-only-web-passes": ("web-only", False, True, "tunnel"),
    "answerer-without-tep-s/ice-where-it-works": ("open", False, False, "ice"),
    "answerer-without-tep-s/fails-with-both-causes-where-only-web-passes": ("web-only", False, False, "failed"),
}
for name, row in FULL_ICE.items():
    test(f"/interop/call/full-ice/{name}")(lambda row=row: full_ice(*row))


def offer(caller, far, *lines):
    """The device offers, a far side of a few lines answers."""
    lease = prepare(caller)[0]["who"]
    caller.describe()
    caller.remote(far.sdp(*lines))
    return lease


@test("/interop/call/far-side-without-ice/tunnel-at-once-where-it-offers-tep-s")
def _():
    with world("web-only", delay=50) as (lab, tep_s), device(lab, "--offerer") as caller, Echo(lab, lab["PEER_ADDR"]) as far:
        offer(caller, far, tep_s)
        expect(caller, "tunnel")
        report = show(caller, "web-only, 100 ms round trip, far side without ICE")
        assert report["decided_us"] < 500_000, report
        assert report["ice_cause"] == "the far side does no ICE", report


@test("/interop/call/far-side-without-ice/rtp-and-rtcp-take-a-pair-of-ports")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer", "--components=2") as caller, \
            Echo(lab, lab["PEER_ADDR"], 20000, 2) as far:
        offer(caller, far, tep_s)
        expect(caller, "tunnel")
        expect(caller, "tunnel", component=2)


@test("/interop/call/far-side-without-ice/ipv6-media-through-an-ipv4-tunnel")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer", "--components=2", "--family=6") as caller, \
            Echo(lab, lab["PEER_ADDR6"], 20000, 2) as far:
        lease = offer(caller, far, tep_s)
        assert lease.startswith(f"[{lab['CORE_ADDR6']}]:"), lease
        assert f"c=IN IP6 {lab['CORE_ADDR6']}" in caller.describe()
        expect(caller, "tunnel")
        expect(caller, "tunnel", component=2)


@test("/interop/call/far-side-without-ice/a-family-that-the-lease-has-not-is-told")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer", "--family=4") as caller, \
            Lite(lab, lab["PEER_ADDR6"]) as far:
        offer(caller, far, tep_s)
        failed = caller.wait("failed", timeout_s=60)
        assert "443 Peer Address Family Mismatch" in failed["cause"], failed


@test("/interop/call/far-side-without-ice/direct-to-its-default-address-without-tep-s")
def _():
    with world("open") as (lab, _), device(lab, "--offerer", "--components=2") as caller, \
            Echo(lab, lab["PEER_ADDR"], 20000, 2) as far, Echo(lab, lab["PEER_ADDR"], 21000, 2) as other:
        offer(caller, far)
        caller.do("confirm", "one")
        expect(caller, "direct")
        expect(caller, "direct", component=2)
        report = show(caller, "open, neither ICE nor TEP-S at the far side")
        assert report["tunnel_cause"] == "the far side offers no TEP-S", report
        caller.remote(other.sdp())  # re-INVITE
        wait_until(lambda: other.heard > 5, 5, "media at the new remote")
        caller.wait_until_heard("one/direct/1")


@test("/interop/call/far-side-without-ice/without-a-session-the-call-is-direct")
def _():
    with world("nat") as (lab, tep_s), CallPeer(lab, "device", "device", "--offerer") as caller, \
            Echo(lab, lab["PEER_ADDR"]) as far:
        assert offer(caller, far, tep_s) == ""
        expect(caller, "direct")


@test("/interop/call/ice-lite/device-controls-whoever-offered")
def _():
    for arguments in (["--offerer"], []):
        with world("open") as (lab, tep_s), device(lab, *arguments) as caller, Lite(lab, lab["PEER_ADDR"]) as far:
            prepare(caller)
            if arguments:
                caller.describe()
            caller.remote(far.sdp(tep_s))
            if not arguments:
                caller.describe()
            expect(caller, "ice")
            show(caller, f"open, far side ICE-lite, device {'offers' if arguments else 'answers'}")
            assert far.nominations and not far.controlled, (far.nominations, far.controlled)


@test("/interop/call/ice-lite/checks-inside-the-flow-are-answered")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, Lite(lab, lab["PEER_ADDR"]) as far:
        lease = offer(caller, far, tep_s)
        expect(caller, "tunnel")
        show(caller, "web-only, far side ICE-lite")
        host, _, port = lease.rpartition(":")
        wait_until(lambda: (host, int(port)) in far.nominations, 5, "a nomination from the lease")
        assert {source[0] for source in far.checks} == {host}, far.checks


@test("/interop/call/fork/each-early-branch-is-heard-and-the-losers-flows-are-closed")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer", "--stays") as caller, \
            Echo(lab, lab["PEER_ADDR"]) as one, Echo(lab, lab["PEER_ADDR"]) as two, Lite(lab, lab["PEER_ADDR"]) as three:
        lease = offer(caller, one, tep_s)
        caller.remote(two.sdp(tep_s), "two")
        caller.remote(three.sdp(tep_s), "three")
        host, _, port = lease.rpartition(":")
        for far, branch in ((one, "one"), (two, "two"), (three, "three")):
            caller.wait("path", branch=branch, carrier="tunnel")
            far.speak((host, int(port)))
            caller.wait("heard", key=f"{branch}/tunnel/1")
        caller.do("confirm", "two")
        caller.wait_until_heard("two/tunnel/1")
        assert caller.report("one")["carrier"] == "", "a branch that lost is still there"
        # What the losers say now is early media of nobody known: the core may still send it.
        before = dict(caller.report()["received"])
        one.speak((host, int(port)))
        caller.wait_until_heard("two/tunnel/1")
        after = caller.report()["received"]
        assert after["early/tunnel/1"] >= before.get("early/tunnel/1", 0) + 10, (before, after)
        assert after["one/tunnel/1"] == before["one/tunnel/1"], (before, after)


@test("/interop/call/fork/ice-goes-to-the-branch-that-is-confirmed")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, Lite(lab, lab["PEER_ADDR"]) as one, \
            Lite(lab, lab["PEER_ADDR"]) as two:
        offer(caller, one, tep_s)
        caller.remote(two.sdp(tep_s), "two")
        caller.wait("path", branch="one", carrier="ice")
        caller.wait("path", branch="two", carrier="tunnel")
        caller.do("confirm", "two")
        expect(caller, "ice", "two")


@test("/interop/call/early-media/is-heard-before-any-answer")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, Echo(lab, lab["PEER_ADDR"]) as far:
        host, _, port = prepare(caller)[0]["who"].rpartition(":")
        caller.describe()
        far.speak((host, int(port)))
        caller.wait("heard", key="early/tunnel/1")
        caller.remote(far.sdp(tep_s))
        expect(caller, "tunnel")


@test("/interop/call/hold/keeps-lease-and-flow")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, Echo(lab, lab["PEER_ADDR"]) as far:
        offer(caller, far, tep_s)
        caller.do("confirm", "one")
        expect(caller, "tunnel")
        lease = far.source
        paths = [e for e in caller.events if e["event"] == "path"]
        for hold in (far.sdp(tep_s, direction="inactive"), far.sdp(tep_s, address="0.0.0.0")):
            far.is_mute = True
            caller.remote(hold)
            caller.describe()
            far.is_mute = False
            caller.remote(far.sdp(tep_s))
            caller.wait_until_heard("one/tunnel/1")
            assert far.source == lease, (far.source, lease)
        assert [e for e in caller.events if e["event"] == "path"] == paths, "the path changed"


@test("/interop/call/re-invite/a-new-remote-gets-a-new-flow-without-a-gap")
def _():
    with world("web-only", delay=20) as (lab, tep_s), device(lab, "--offerer") as caller, \
            Echo(lab, lab["PEER_ADDR"]) as old, Echo(lab, lab["PEER_ADDR"]) as new:
        offer(caller, old, tep_s)
        caller.do("confirm", "one")
        expect(caller, "tunnel")
        caller.do("forget-gap")
        caller.wait_until_heard("one/tunnel/1")
        caller.remote(new.sdp(tep_s))
        wait_until(lambda: new.heard > 10, 5, "media at the new remote")
        caller.wait_until_heard("one/tunnel/1", more=20)
        assert new.source == old.source, "another lease"
        report = caller.report()
        heard = old.heard
        print(f"re-INVITE: longest time between two packets heard {report['gap_us'] / 1000:.1f} ms; "
              f"sent {report['sent']}, old remote heard {heard}, new one {new.heard}")
        if report["gap_us"] >= (40 + BUSY_MS) * 1000:
            raise Late(f"nothing heard for {report['gap_us']} us")
        # Nothing was lost between the two: each packet went to one of them.
        assert old.heard + new.heard >= report["sent"] - 10, report
        received = caller.report()["received"]
        assert received["one/tunnel/1"] >= old.heard + new.heard - 10, (received, old.heard, new.heard)
        caller.wait_until_heard("one/tunnel/1")
        assert old.heard == heard, "the old remote still hears"


@test("/interop/call/ice-restart/tunnel-carries-media-meanwhile")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, far_agent(lab, tep_s) as far:
        prepare(caller, far)
        offer_and_answer(caller, far)
        caller.do("confirm", "one")
        expect(caller, "ice")
        since = len(caller.events)
        caller.do("restart")
        caller.wait("path", since=since, carrier="tunnel")
        sent = caller.report()["tunnel_sent"]
        wait_until(lambda: caller.report()["tunnel_sent"] > sent + 5, 5, "media by the tunnel")
        caller.describe()
        far.do("restart")
        offer_and_answer(caller, far)
        caller.wait("path", since=since, carrier="ice")
        caller.wait_until_heard("one/ice/1")


@test("/interop/call/ice-restart/that-fails-leaves-the-tunnel")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, far_agent(lab, tep_s) as far:
        prepare(caller, far)
        offer_and_answer(caller, far)
        caller.do("confirm", "one")
        expect(caller, "tunnel")
        caller.do("restart")
        far.do("restart")
        offer_and_answer(caller, far)
        caller.wait_until_heard("one/tunnel/1", more=100)
        assert caller.report()["carrier"] == "tunnel"
        assert len([e for e in caller.events if e["event"] == "path"]) == 1


@test("/interop/call/ice-restart/without-a-tunnel-the-pair-before-carries-media-meanwhile")
def _():
    with world("open") as (lab, _), device(lab, "--offerer") as caller, far_agent(lab) as far:
        prepare(caller, far)
        offer_and_answer(caller, far)
        caller.do("confirm", "one")
        expect(caller, "ice")
        caller.do("restart")
        wait_until(lambda: caller.report()["carrier"] == "undecided", 5, "the restart")
        caller.wait_until_heard("one/ice/1")
        far.do("restart")
        offer_and_answer(caller, far)
        wait_until(lambda: caller.report()["carrier"] == "ice", 5, "a nomination")
        caller.wait_until_heard("one/ice/1")
        assert not caller.find("failed")


@test("/interop/call/ice-restart/by-the-far-side-is-followed")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, far_agent(lab, tep_s) as far:
        prepare(caller, far)
        offer_and_answer(caller, far)
        caller.do("confirm", "one")
        expect(caller, "ice")
        far.do("restart")
        since = len(caller.events)
        offer_and_answer(far, caller)
        caller.wait("path", since=since, carrier="ice")
        caller.wait_until_heard("one/ice/1")


@test("/interop/call/address-change/the-flow-goes-on")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, Echo(lab, lab["PEER_ADDR"]) as far:
        offer(caller, far, tep_s)
        caller.do("confirm", "one")
        expect(caller, "tunnel")
        lease = far.source
        since = len(caller.events)
        caller.do("network-changed")
        caller.wait("session", since=since, who="open")
        caller.wait_until_heard("one/tunnel/1", more=20)
        assert far.source == lease, (far.source, lease)
        assert caller.find("description-changed") is None


@test("/interop/call/address-change/another-address-of-the-device-resumes-the-flow")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer") as caller, Echo(lab, lab["PEER_ADDR"]) as far:
        offer(caller, far, tep_s)
        caller.do("confirm", "one")
        expect(caller, "tunnel")
        lease, since = far.source, len(caller.events)
        words = lab.run("device", ["sh", "-c", f"ip -o -4 addr | grep {lab['DEVICE_ADDR']}"]).stdout.split()
        interface, before = words[1], words[3]
        after = before.replace(lab["DEVICE_ADDR"], "192.168.1.77")
        moved = lab.run("device", ["sh", "-ec", f"ip addr del {before} dev {interface}; ip addr add {after} dev {interface};"
                                                f"ip route replace default via {lab['FIREWALL_ADDR']}"])
        assert moved.returncode == 0, moved.stderr
        caller.do("network-changed")
        caller.wait("session", since=since, who="open")
        caller.wait_until_heard("one/tunnel/1", more=20)
        assert far.source == lease, (far.source, lease)


@test("/interop/call/stun/the-address-behind-a-nat-is-a-candidate")
def _():
    with world("nat") as (lab, tep_s), device(lab, "--offerer", "--stun", f"{lab['CORE_ADDR']}:443") as caller, \
            far_agent(lab) as far:
        prepare(caller, far)
        lines = [line for line in caller.describe().split("\r\n") if "typ srflx" in line and lab["PUBLIC_ADDR"] in line]
        assert len(lines) == 1, lines
        offer_and_answer(caller, far)
        expect(caller, "ice")


@test("/interop/call/stun/a-server-out-of-reach-does-not-hold-up-the-call")
def _():
    with world("web-only") as (lab, tep_s), device(lab, "--offerer", "--stun", f"{lab['CORE_ADDR']}:443") as caller, \
            Echo(lab, lab["PEER_ADDR"]) as far:
        assert offer(caller, far, tep_s)
        expect(caller, "tunnel")


@test("/interop/call/call-ends/the-tunnel-goes-after-the-last-flow-unless-it-stays")
def _():
    for stays in (False, True):
        with world("web-only") as (lab, tep_s), device(lab, "--offerer", *(["--stays"] if stays else [])) as caller, \
                Echo(lab, lab["PEER_ADDR"]) as far:
            offer(caller, far, tep_s)
            expect(caller, "tunnel")
            since = len(caller.events)
            caller.do("hang-up")
            heard = far.heard
            if stays:
                with contextlib.suppress(AssertionError):
                    caller.wait("session", timeout_s=4, since=since, who="closed")
                assert not caller.find("session", since), caller.events[since:]
            else:
                caller.wait("session", timeout_s=8, since=since, who="closed")
            assert far.heard <= heard + 1, "media after the end"


@test("/interop/call/call-ends/in-the-middle-of-a-packet-on-either-path")
def _():
    for network, carrier in (("open", "ice"), ("web-only", "tunnel")):
        with world(network) as (lab, tep_s), device(lab, "--offerer", "--stays") as caller, far_agent(lab, tep_s) as far:
            prepare(caller, far)
            caller.do("hang-up-on-packet")
            offer_and_answer(caller, far)
            caller.wait("hung-up")
            assert [e["key"] for e in caller.events if e["event"] == "heard"] == [f"one/{carrier}/1"]
            assert caller.report()["carrier"] == ""


@test("/interop/call/trust/candidates-on-loopback-are-not-checked")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, Lite(lab, lab["PEER_ADDR"]) as far, \
            lab.socket("device", kind=socket.SOCK_DGRAM) as local:
        local.bind(("127.0.0.1", 0))
        local.setblocking(False)
        prepare(caller)
        caller.describe()
        lines = [f"a=candidate:{i} 1 UDP 2130706431 {address} {local.getsockname()[1]} typ host"
                 for i, address in enumerate(("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::1", "224.0.0.1", "x.local"))]
        told = far.sdp(*lines).replace(f"a=candidate:1 1 UDP 2130706430 {far.address}", "a=x:")
        caller.remote(told)
        failed = caller.wait("failed")
        assert "names no candidate that can be used" in failed["cause"], failed
        try:
            raise AssertionError(f"loopback was reached: {local.recv(100)}")
        except BlockingIOError:
            pass


@test("/interop/call/trust/a-server-that-is-not-ours-is-not-used")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, Lite(lab, lab["PEER_ADDR"]) as far, \
            contextlib.ExitStack() as stack:
        evil = stack.enter_context(lab.socket("peer"))
        evil.bind((lab["PEER_ADDR"], 443))
        evil.listen()
        evil.setblocking(False)
        offer(caller, far, f"a=tep-s:1 tcp {lab['PEER_ADDR']} 443 tep.evil.example")
        expect(caller, "ice")
        caller.do("confirm", "one")
        report = show(caller, "another server's name")
        assert "is not 192.0.2.10" in report["tunnel_cause"] and report["tunnel_sent"] == 0, report
        try:
            raise AssertionError(f"it was connected to: {evil.accept()}")
        except BlockingIOError:
            pass


@test("/interop/call/lost/consent-lost-falls-back-to-the-tunnel")
def _():
    with world("open") as (lab, tep_s), device(lab, "--offerer") as caller, Lite(lab, lab["PEER_ADDR"]) as far:
        offer(caller, far, tep_s)
        caller.do("confirm", "one")
        expect(caller, "ice")
        since = len(caller.events)
        # From now on UDP of the device is lost.
        lab.run("firewall", ["nft", "add table inet lost; add chain inet lost f { type filter hook forward priority -10; };"
                             f"add rule inet lost f ip saddr {lab['DEVICE_ADDR']} meta l4proto udp drop"])
        caller.wait("path", timeout_s=60, since=since, carrier="tunnel")
        caller.wait_until_heard("one/tunnel/1")
        show(caller, "direct path lost in the call")


@test("/interop/call/lost/a-server-that-forgot-us-leases-anew")
def _():
    for ports, is_told in (("40000-65535", False), ("20000-20999", True)):
        with tempfile.TemporaryDirectory(prefix="tepkit-call-") as keep, Lab.up("web-only") as lab, \
                Echo(lab, lab["PEER_ADDR"]) as far, contextlib.ExitStack() as stack:
            with server(lab, keep) as first:
                caller = stack.enter_context(device(lab, "--offerer"))
                offer(caller, far, f"a=tep-s:1 tcp {lab['CORE_ADDR']} 443 {lab['CORE_ADDR']}")
                expect(caller, "tunnel")
                first.kill()
            stack.enter_context(server(lab, keep, ports))
            caller.wait_until_heard("one/tunnel/1")
            # The same port where it is to be had; another one is told, and described from then on.
            assert bool(caller.find("description-changed")) == is_told, caller.events
            assert f"m=audio {far.source[1]} " in caller.describe(), far.source


@test("/interop/call/proxy/tunnel-through-a-proxy-with-a-password")
def _():
    with world("proxy-basic", delay=100) as (lab, tep_s), \
            device(lab, "--offerer", proxy=f"http://{lab['PROXY_USER']}:{lab['PROXY_PASSWORD']}@{lab['PROXY_ADDR']}:{lab['PROXY_PORT']}") as caller, \
            far_agent(lab, tep_s) as far:
        prepare(caller, far)
        offer_and_answer(caller, far)
        expect(caller, "tunnel")
        within_bound(show(caller, "proxy-basic, 200 ms round trip"), round_trip_ms=200)


@test("/interop/call/lease/a-failed-one-is-told-and-the-call-goes-by-ice")
def _():
    with world("open") as (lab, tep_s), far_agent(lab, tep_s) as far, \
            CallPeer(lab, "device", "device", "--offerer", "--server", f"{lab['PEER_ADDR']}:9", "--user", "alice",
                     "--password", "correct horse battery staple") as caller:
        told = prepare(caller, far)[0]
        assert told["who"] == "" and "no lease within" in told["cause"], told
        offer_and_answer(caller, far)
        expect(caller, "ice")


run(at_once=3)

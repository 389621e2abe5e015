"""The networks of the lab, one entry each: what it does, and what is to be found out about it, and why.

The verdict speaks of both families alike. Types are those of 3GPP TR 33.830 clause 4.3:
 1 full cone  2 address-restricted  3 port-restricted  4 symmetric  5 certain ports  6 TCP only  7 one TCP port
 8 HTTP proxy  9 inspection; 0 nothing in the way, None not to be determined. The headline is the most restrictive.
"""
import dataclasses

from contents import ALTERED, CLASSES, CLOSED, DROP, FORGED, INVERTED, LATE, NOTHING, RESET, SIP, TLS, Content, all_but, only, only_so, udp
from networks import FAMILIES, Network, Proxy

# Mapping and filtering (RFC 4787).
INDEPENDENT, BY_ADDRESS, BY_PORT = "endpoint-independent", "address-dependent", "address-and-port-dependent"

# Ways of carrying a call. "-proxy": through CONNECT. What an entry names neither as working nor as failing is open.
UDP = frozenset({"direct-udp", "turn-udp"})
TCP_3478 = frozenset({"turn-tcp"})
PLAIN_443 = frozenset({"tep-443"})
PLAIN_80 = frozenset({"tep-80"})
TLS_443 = frozenset({"turn-tls", "tep-tls", "sip-tls"})
PLAIN_PROXY = frozenset({"tep-443-proxy"})
TLS_PROXY = frozenset({"turn-tls-proxy", "tep-tls-proxy", "sip-tls-proxy"})
DIRECT = UDP | TCP_3478 | PLAIN_443 | PLAIN_80 | TLS_443
PROXIED = PLAIN_PROXY | TLS_PROXY

EVERY = frozenset({53, 80, 443, 3478, 3479, 5060, 5061, 5349, 40000})  # ports at which the far end listens
WEB = frozenset({80, 443})
SILENT = "probable"    # that a port is closed here is sure only if the far end heard others on it


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a right detector says."""
    type: int              # headline, or None
    types: tuple           # all that hold
    mapping: str           # RFC 4787; None: no translation, or nothing to tell it by
    filtering: str         # the same; without translation that of the firewall
    works: frozenset
    fails: frozenset
    why: str
    also: tuple = ()       # types that may hold besides: true, but hard to find out
    pool: bool = False     # several public addresses take turns; None: they do, and not every run can see it
    portal: bool = False   # who is asked first is a login page
    tls_opened: bool = False
    udp: frozenset = None  # ports that the far end is reached at; None: open
    tcp: frozenset = None
    content: Content = None  # what is held back for what it says
    sure: str = "confirmed"  # of the headline, at least


def _free(type_, mapping, filtering, why, **more):
    """All ports, all protocols."""
    return Verdict(type_, (type_,) if type_ else (), mapping, filtering, DIRECT, PROXIED, why, **{"udp": EVERY, "tcp": EVERY, **more})


def _tcp_ports(works):
    """Those without which these ways do not work."""
    if works & TCP_3478:
        return EVERY
    return frozenset({port for port, ways in ((80, PLAIN_80), (443, PLAIN_443 | TLS_443)) if works & ways})


def _no_udp(type_, works, why, also=(), **more):
    return Verdict(type_, (*also, type_), None, None, works, DIRECT - works, why, **{"udp": NOTHING, "tcp": _tcp_ports(works), "sure": SILENT if type_ < 8 else "confirmed", **more})


def _proxied(works, why, type_=8, **more):
    return Verdict(type_, (8,) if type_ == 8 else (8, type_), None, None, works, DIRECT | PROXIED - works, why,
                   udp=NOTHING, tcp=NOTHING, **more)


def _inspected(fails, content, why, cone=3, mapping=INDEPENDENT, filtering=BY_PORT, **more):
    """Content dependence behind a NAT that lets everything out."""
    return Verdict(9, (cone, 9), mapping, filtering, DIRECT - fails, fails, why, udp=EVERY, tcp=EVERY, content=content, **more)


# Filters: nft rules of chain "forward".
_OUTBOUND = "iifname lan oifname wan"
_RETURN = "ct state established,related accept\n"
_ALL_OUT = f"{_RETURN}{_OUTBOUND} accept\n"


def _out(*allowed):
    """Answers, and of what the device begins only what is listed."""
    return _RETURN + "".join(f"{_OUTBOUND} {rule} accept\n" for rule in allowed)


def _to_proxy(proxy, *direct):
    return f"""{_out(*direct)}
iifname lan oifname dmz tcp dport {proxy.port} accept
iifname dmz oifname wan meta l4proto tcp accept
"""


_WEB = "tcp dport { 80, 443 }"

# TLS by content. A connection's mark says how far it is: 1 the client's hello was seen, 2 the server's
# answer too, 3 refused. @ih is what follows the TCP header; a comparison with it fails where there is
# nothing, so the third rule of each chain matches any payload, and the last the bare handshake of TCP.
_TLS_FORWARD = f"""
ct state related accept
ct mark 3 jump refuse_content
{_OUTBOUND} tcp dport 443 goto from_client
iifname wan oifname lan tcp sport 443 ct state established goto from_server
"""
_TLS_CHAINS = """
chain from_client {
  ct mark 1-2 accept
  @ih,0,16 0x1603 @ih,40,8 0x01 ct mark set 1 accept
  @ih,0,8 >= 0 ct mark set 3 jump refuse_content
  accept
}
chain from_server {
  ct mark 2 accept
  ct mark 1 @ih,0,16 { 0x1603, 0x1503 } ct mark set 2 accept
  @ih,0,8 >= 0 ct mark set 3 jump refuse_content
  accept
}
"""

_TINYPROXY = Proxy("tinyproxy")


def _proxy_network(name, sentence, proxy, verdict, **more):
    return Network(name, sentence, _to_proxy(proxy), proxy=proxy, verdict=verdict, **more)


_BASIC = [
    Network("open", "No firewall and no translation: every packet passes both ways.",
            "accept\n", (), nat="",
            verdict=Verdict(0, (), None, INDEPENDENT, DIRECT, PROXIED,
                            "the far end sees the address that the device has, and strangers reach it", udp=EVERY, tcp=EVERY)),
    Network("nat", "A home router: what the device starts passes, with the router's address, and only "
            "the address and port it went to may answer; IPv4 and IPv6 are both translated.",
            _ALL_OUT, nat="open router",
            verdict=_free(3, INDEPENDENT, BY_PORT, "one public port for all; a stranger's packet, even an unanswered one, "
                          "takes that port for the router, so a socket that was probed by strangers first looks symmetric")),
    Network("web-only", "Only TCP to ports 80 and 443 gets out, whatever it carries; IPv4 is translated.",
            _out(_WEB), (4,), nat="open router",
            verdict=_no_udp(5, PLAIN_80 | PLAIN_443 | TLS_443, "no UDP at all, and of TCP two ports that carry anything: the TCP form of 5")),
    Network("tls-only", "Only TLS over TCP to port 443 gets out, judged by what the first packets carry; "
            "anything else there is reset. IPv4 is translated.",
            _TLS_FORWARD, (4,), nat="open router", chains=_TLS_CHAINS,
            verdict=_no_udp(9, TLS_443, "one TCP port, and on it only what begins as TLS", also=(7,), content=all_but(RESET, *TLS))),
    Network("tcp-443", "Only TCP to port 443 gets out, whatever it carries; IPv4 is translated.",
            _out("tcp dport 443"), (4,), nat="open router",
            verdict=_no_udp(7, PLAIN_443 | TLS_443, "no UDP, and of TCP one port that carries anything")),
    Network("proxy", "Only an HTTP proxy (tinyproxy) gets out; the device reaches the proxy and nothing "
            "else. CONNECT to port 443 alone, without a password.",
            _to_proxy(_TINYPROXY), (4,), nat="open router", proxy=_TINYPROXY,
            verdict=_proxied(PROXIED, "nothing passes but what CONNECT carries, to port 443")),
    Network("proxy-basic", "Only an HTTP proxy (squid) gets out, and it wants a password (Basic); the "
            "device reaches the proxy and nothing else. CONNECT to port 443 alone.",
            _to_proxy(Proxy("squid", "basic")), (4,), nat="open router", proxy=Proxy("squid", "basic"),
            verdict=_proxied(PROXIED, "as proxy; 407 is a question, and no refusal")),
]

# Types 1 to 9, one by one; both families are translated.
_FULL_CONE = Network(
    "full-cone", "One-to-one NAT: whatever is sent to the public address reaches the device, static.",
    _ALL_OUT, nat="full cone",
    verdict=_free(1, INDEPENDENT, INDEPENDENT, "the same port towards everybody, and answers from addresses never asked arrive"))
_ADDRESS_RESTRICTED = Network(
    "address-restricted", "Who was sent something may answer from any port, nobody else.",
    _ALL_OUT, nat="address-restricted",
    verdict=_free(2, INDEPENDENT, BY_ADDRESS, "another port of the asked address is heard, another address only once it was sent to"))
_PORT_RESTRICTED = Network(
    "port-restricted", "A router that answers strangers with silence: only the asked address and port is heard.",
    _ALL_OUT,
    verdict=_free(3, INDEPENDENT, BY_PORT, "the same port towards everybody; others are heard once they were sent to"))
_SYMMETRIC = Network(
    "symmetric", "Each of whom the device talks to sees another port, drawn at random.",
    _ALL_OUT, nat="symmetric",
    verdict=_free(4, BY_PORT, BY_PORT, "the public port differs by destination, so what STUN tells serves for nobody else"))
_UDP_PORTS = Network(
    "ports", "Of UDP only ports 53, 443, 3478 and 3479 get out, of TCP only 80 and 443.",
    _out("udp dport { 53, 443, 3478, 3479 }", _WEB),
    verdict=Verdict(5, (3, 5), INDEPENDENT, BY_PORT, frozenset({"turn-udp"}) | PLAIN_80 | PLAIN_443 | TLS_443, TCP_3478 | PROXIED,
                    "UDP passes to ports that firewalls know, and to no high one: the UDP form of 5",
                    udp=frozenset({53, 443, 3478, 3479}), tcp=WEB, sure=SILENT))
_WEB_ONLY = Network(
    "ports-tcp", "Only TCP to ports 80 and 443 gets out; both families are translated.",
    _out(_WEB), verdict=_no_udp(5, PLAIN_80 | PLAIN_443 | TLS_443, "no UDP, and of TCP two ports: the TCP form of 5"))
_TCP_ONLY = Network(
    "tcp-only", "TCP gets out to every port, UDP to none.",
    _out("meta l4proto tcp"),
    verdict=_no_udp(6, DIRECT - UDP, "no UDP on any port, TCP on high ones too"))
_ONE_PORT = Network(
    "one-port", "Only TCP to port 443 gets out; both families are translated.",
    _out("tcp dport 443"), verdict=_no_udp(7, PLAIN_443 | TLS_443, "no UDP, and of TCP just one port"))
_PROXY_ONLY = _proxy_network(
    "proxy-only", "As proxy, with both families translated.", _TINYPROXY,
    _proxied(PROXIED, "nothing passes directly; CONNECT to port 443 does"))
_INSPECTED = Network(
    "sip-drop", "A home router that inspects: a connection or flow that speaks SIP is dead from then on.",
    _ALL_OUT, inspects=("drop=sip",),
    verdict=_inspected(NOTHING, only(DROP, *SIP), "SIP in clear gets no answer where the same octets inverted do, on any port"))

_NINE = [_FULL_CONE, _ADDRESS_RESTRICTED, _PORT_RESTRICTED, _SYMMETRIC, _UDP_PORTS, _WEB_ONLY, _TCP_ONLY, _ONE_PORT,
         _PROXY_ONLY, _INSPECTED]


def _behind(base, outer, name=None, **verdict):
    """The same behind a second NAT."""
    return dataclasses.replace(
        base, name=name or f"{base.name}-carrier", outer=outer,
        sentence=f"{base.name} behind a second NAT of the carrier ({outer}).",
        verdict=dataclasses.replace(base.verdict, **verdict))


_DOUBLE = [
    _behind(_FULL_CONE, "full cone"),
    _behind(_ADDRESS_RESTRICTED, "full cone"),
    _behind(_PORT_RESTRICTED, "port-restricted"),
    _behind(_SYMMETRIC, "port-restricted"),
    _behind(_UDP_PORTS, "port-restricted"),
    _behind(_WEB_ONLY, "port-restricted"),
    _behind(_TCP_ONLY, "symmetric"),
    _behind(_ONE_PORT, "symmetric"),
    _behind(_PROXY_ONLY, "port-restricted"),
    _behind(_INSPECTED, "port-restricted"),
    _behind(_FULL_CONE, "port-restricted", "cone-carrier-port", type=3, types=(3,), filtering=BY_PORT,
            why="of two NATs the stricter counts: the outer one filters by port"),
    _behind(_FULL_CONE, "symmetric", "cone-carrier-symmetric", type=4, types=(4,), mapping=BY_PORT, filtering=BY_PORT,
            why="of two NATs the stricter counts: the outer one maps by destination"),
]

_NAT = [
    Network("stateful", "A firewall without translation: what the device starts passes, and its answers.",
            _ALL_OUT, (), nat="",
            verdict=Verdict(0, (), None, BY_PORT, DIRECT, PROXIED,
                            "nothing is translated and every method works; strangers are not heard before they were sent to",
                            udp=EVERY, tcp=EVERY)),
    Network("pool", "A NAT with four public addresses: each socket has one of them, towards everybody.",
            _ALL_OUT, nat="pool",
            verdict=_free(3, INDEPENDENT, BY_PORT, "one socket keeps address and port, sockets differ: a pool, not a symmetric NAT", pool=None)),
    Network("pool-by-flow", "A NAT with four public addresses that take turns: each of whom a socket talks to sees another, the port stays.",
            _ALL_OUT, nat="pool by flow",
            verdict=_free(3, INDEPENDENT, BY_PORT, "ports do not depend on the destination, addresses take turns: reported beside the type", pool=True)),
    Network("ports-dns", "Of UDP only ports 53 and 443 get out, of TCP only 80 and 443.",
            _out("udp dport { 53, 443 }", _WEB),
            verdict=Verdict(5, (5,), None, None, PLAIN_80 | PLAIN_443 | TLS_443, TCP_3478 | PROXIED,
                            "UDP passes to two ports; how it is translated nobody can tell whose alternate port is none of them", also=(3,),
                            udp=frozenset({53, 443}), tcp=WEB, sure=SILENT)),
    Network("quic-blocked", "A home router that drops UDP to port 443 and nothing else.",
            f"{_RETURN}{_OUTBOUND} udp dport 443 drop\n{_OUTBOUND} accept\n",
            verdict=_free(3, INDEPENDENT, BY_PORT, "one UDP port that does not pass makes no firewall for TCP alone",
                          udp=EVERY - {443})),
    Network("udp-blocked-icmp", "TCP gets out to every port; UDP is refused with an ICMP error.",
            f"{_out('meta l4proto tcp')}meta l4proto udp jump count_refused\nmeta l4proto udp reject with icmpx admin-prohibited\n",
            verdict=_no_udp(6, DIRECT - UDP, "a refusal says what silence only suggests: no UDP")),
    Network("udp-only", "A firewall without translation that lets all of UDP out and nothing of TCP.",
            _out("meta l4proto udp"), (), nat="",
            verdict=Verdict(None, (), None, BY_PORT, UDP, DIRECT - UDP | PROXIED,
                            "something is in the way, and none of the nine: 6 is the contrary, and 5 lets some ports out, not a protocol",
                            udp=EVERY, tcp=NOTHING)),
    Network("udp-and-web", "A home router that lets all of UDP out, and of TCP only ports 80 and 443.",
            _out("meta l4proto udp", _WEB),
            verdict=Verdict(5, (3, 5), INDEPENDENT, BY_PORT, UDP | PLAIN_80 | PLAIN_443 | TLS_443, TCP_3478 | PROXIED,
                            "certain ports of TCP beside all of UDP: whoever looks at UDP alone sees nothing but the NAT",
                            udp=EVERY, tcp=WEB, sure=SILENT)),
    Network("dns-only", "Of UDP only port 53 gets out, and nothing of TCP.",
            _out("udp dport 53"),
            verdict=Verdict(5, (5,), None, None, NOTHING, DIRECT | PROXIED,
                            "one UDP port leads to the far end, and no method of carrying a call uses it", also=(3,),
                            udp=frozenset({53}), tcp=NOTHING, sure="suspected")),
    Network("port-80", "Only TCP to port 80 gets out, whatever it carries.",
            _out("tcp dport 80"), verdict=_no_udp(7, PLAIN_80, "one TCP port, and not the one everybody tries")),
]

_GATEWAY = Network("gateway", "A home router that tells its public address, by NAT-PMP, PCP and UPnP.",
                   _ALL_OUT, boxes=("gateway",),
                   verdict=_free(3, INDEPENDENT, BY_PORT, "as port-restricted; the address that the router tells is the one that the far end sees: no NAT beyond it"))
_NAT += [_GATEWAY, _behind(_GATEWAY, "port-restricted", why="as port-restricted; the router's public address is not the one that the far end sees: a NAT beyond it")]

_BUMP = Proxy("squid", opens_tls=True)
_MITM = Proxy("mitmproxy", opens_tls=True)
_ANY = Proxy("tinyproxy", any_port=True)

_PROXIES = [
    _proxy_network("proxy-tinyproxy-basic", "tinyproxy that wants a password (Basic).", Proxy("tinyproxy", "basic"),
                   _proxied(PROXIED, "as proxy, with a password")),
    _proxy_network("proxy-squid", "squid without a password.", Proxy("squid"), _proxied(PROXIED, "as proxy, by another program")),
    _proxy_network("proxy-digest", "squid that wants a password (Digest).", Proxy("squid", "digest"),
                   _proxied(PROXIED, "as proxy, with Digest")),
    _proxy_network("proxy-ntlm", "squid that wants NTLM.", Proxy("squid", "ntlm"),
                   _proxied(PROXIED, "as proxy, with NTLM")),
    _proxy_network("proxy-negotiate", "squid that wants a Kerberos ticket.", Proxy("squid", "negotiate"),
                   _proxied(PROXIED, "as proxy, with Negotiate")),
    _proxy_network("proxy-any-port", "tinyproxy that takes CONNECT to every port.", _ANY,
                   _proxied(PROXIED, "as proxy; CONNECT to 80 and 3478 works too")),
    _proxy_network("proxy-bump", "squid that opens TLS (ssl-bump) and wants to see HTTP in it.", _BUMP,
                   _proxied(NOTHING, "TLS ends at the proxy, and what is inside has to be HTTP", 9, tls_opened=True,
                            sure="probable")),  # nothing gets through in which a password proves who answers
    _proxy_network("proxy-mitm", "mitmproxy: opens TLS and passes on what is inside, whatever it is, and what is no TLS too.", _MITM,
                   _proxied(PLAIN_PROXY, "TLS ends at the proxy, with certificates of an authority of its own: nothing that "
                            "checks them works unless that authority is trusted; a tunnel in clear passes", 9, tls_opened=True)),
    _proxy_network("proxy-inspected", "tinyproxy behind a firewall that resets a tunnel in which no TLS begins.", _TINYPROXY,
                   _proxied(TLS_PROXY, "CONNECT to port 443 works, and then only TLS", 9, sure="probable",
                            content=Content((RESET,), frozenset({"stun"}), frozenset({"tls"}), sure="probable")), inspects=("reset=tcp/8888/not-tls",)),
    Network("proxy-beside", "A home router that lets everything out, and a proxy besides.",
            _to_proxy(_ANY, "meta l4proto { tcp, udp }"), proxy=_ANY,
            verdict=dataclasses.replace(_PORT_RESTRICTED.verdict, fails=NOTHING, works=DIRECT | PROXIED,
                                        why="a proxy that nobody needs is no firewall that wants one")),
    Network("transparent-80", "A home router; what goes to TCP port 80 ends at a squid that nobody asked for.",
            _ALL_OUT, boxes=("transparent proxy",),
            verdict=_inspected(PLAIN_80, all_but((FORGED, DROP, CLOSED, ALTERED), "http", ports=(80,), is_elsewhere=True), "on port 80 HTTP passes and nothing else, and the far end sees another's connection")),
    Network("tls-opened-443", "A home router; TLS to port 443 ends at a squid that opens it and wants to see HTTP.",
            _ALL_OUT, boxes=("tls opener",),
            verdict=_inspected(TLS_443 | PLAIN_443, all_but(ALTERED, ports=(443,), is_elsewhere=True), "the certificate on port 443 is not the far end's, and the two ends' exporters differ",
                               tls_opened=True)),
]

_INSPECTIONS = [
    Network("sip-reset", "A home router that inspects: a connection that speaks SIP is reset, at both ends.",
            _ALL_OUT, inspects=("reset=sip",),
            verdict=_inspected(NOTHING, only(RESET, *SIP), "SIP is reset, sooner than the far end could, which was told the same")),
    Network("sip-late-drop", "A home router that inspects: what spoke SIP dies some packets later.",
            _ALL_OUT, inspects=("late=sip",),
            verdict=_inspected(NOTHING, only_so(LATE, *SIP), "SIP is answered at first, and the connection does not survive")),
    Network("sip-forged", "A home router that inspects: it answers SIP itself, with 403.",
            _ALL_OUT, inspects=("forge=sip",),
            verdict=_inspected(NOTHING, only(FORGED, *SIP), "an answer that proves nothing, and the far end heard nothing")),
    Network("sip-rewritten", "A home router with SIP ALG: it puts other addresses into SIP.",
            _ALL_OUT, inspects=("rewrite=sip:192.168.1.10>198.51.100.2", "rewrite=sip:fd07:1::10>2001:db8::"),
            verdict=_inspected(NOTHING, only(ALTERED, *SIP), "SIP arrives, but not as it was sent; its inverted twin does")),
    Network("sip-udp-drop", "A home router that inspects: SIP over UDP is dropped, over TCP it passes.",
            _ALL_OUT, inspects=("drop=udp/sip",),
            verdict=_inspected(NOTHING, only_so(DROP, *udp(*SIP)), "who only tries TCP sees nothing")),
    Network("sip-udp-rewritten", "A home router with SIP ALG as most have it: over UDP to port 5060 it puts other addresses into SIP.",
            _ALL_OUT, inspects=("rewrite=udp/5060/sip:192.168.1.10>198.51.100.2", "rewrite=udp/5060/sip:fd07:1::10>2001:db8::"),
            verdict=_inspected(NOTHING, only_so(ALTERED, *udp(*SIP)), "over UDP to that port SIP arrives, but not as it was sent; its inverted twin does")),
    Network("sip-invite", "A home router that inspects: INVITE is dropped, REGISTER passes.",
            _ALL_OUT, inspects=("drop=invite",),
            verdict=_inspected(NOTHING, only(DROP, "sip-invite"), "who only tries REGISTER sees nothing")),
    Network("stun-drop", "A home router that inspects: STUN in clear over TCP is dropped.",
            _ALL_OUT, inspects=("drop=tcp/stun",),
            verdict=_inspected(TCP_3478, only_so(DROP, "stun"), "TURN over TCP dies; the same in TLS passes, and tunnels in clear, whose messages have a length in front")),
    Network("stun-forged", "A home router that answers STUN over UDP itself, and wrongly.",
            _ALL_OUT, inspects=("forge=udp/stun",),
            verdict=Verdict(9, (9,), None, None, DIRECT - UDP, UDP, "the answers prove nothing: whoever believes them finds a NAT that is not there",
                            udp=NOTHING, tcp=EVERY, content=Content((FORGED,), frozenset({"stun"}), CLASSES, udp("stun"), is_elsewhere=True))),
    Network("web-inspected", "TCP to ports 80 and 443 gets out as long as it begins as TLS or HTTP; the rest is reset.",
            _out(_WEB), inspects=("reset=tcp/not-web",),
            verdict=_no_udp(9, TLS_443, "two ports, and on both only what looks like the web", also=(5,), tcp=WEB,
                             content=all_but(RESET, "http", *TLS))),
    Network("random-drop", "A home router that drops what looks encrypted and is no TLS.",
            _ALL_OUT, inspects=("drop=tcp/random",),
            # Of noise, one in 400 begins with six printable octets, and passes.
            verdict=_inspected(NOTHING, Content((DROP,), INVERTED, CLASSES - INVERTED - {"random"}, frozenset({"random"}),
                                                by_chance=frozenset({"random"})), "octets without letters or structure die, printable ones pass")),
    Network("alpn-reset", "A home router that resets TLS with ALPN stun.turn.",
            _ALL_OUT, inspects=("reset=alpn:stun.turn",),
            verdict=_inspected(NOTHING, only_so(RESET, "tls-stun"), "the same TLS without that word passes")),
    Network("name-reset", "A home router that resets TLS to the name core.lab.",
            _ALL_OUT, inspects=("reset=name:core.lab",),
            verdict=_inspected(frozenset({"tep-tls", "sip-tls"}), only_so(RESET, *TLS), "the same TLS with another name passes, as to the TURN server")),
    Network("unspoken-closed", "A home router that takes TCP in the far end's place: it begins the connection anew once the client has spoken, and closes it if that says nothing.",
            _ALL_OUT, boxes=("splitter",),
            verdict=_inspected(NOTHING, only_so(CLOSED, "silence"), "whatever the client says passes, on any port; what waits for the far end to speak is closed before that does")),
    Network("symmetric-inspected", "A symmetric NAT that resets SIP.",
            _ALL_OUT, nat="symmetric", inspects=("reset=sip",),
            verdict=_inspected(NOTHING, only(RESET, *SIP), "two axes: ports differ by destination, and SIP is reset", 4, BY_PORT, BY_PORT)),
    Network("tcp-only-inspected", "TCP gets out to every port, UDP to none; SIP is dropped.",
            _out("meta l4proto tcp"), inspects=("drop=sip",),
            verdict=_no_udp(9, DIRECT - UDP, "no UDP, and TCP only for what is not SIP", also=(6,), content=only(DROP, *SIP))),
]

# Native IPv6 passes as it is; what goes to the prefix is IPv4 behind the translator, and the firewall's filter acts there.
def _translated_out(*allowed):
    return f"{_RETURN}iifname lan oifname {{ nat64, wan }} meta nfproto ipv6 accept\n" + "".join(
        f"iifname nat64 oifname wan {rule} accept\n" for rule in allowed)


_NAT64 = [
    Network("nat64", "The device has IPv6 alone, and the far end's name only IPv4: the router translates (NAT64), its name server makes IPv6 addresses up (DNS64).",
            _translated_out("meta l4proto { tcp, udp, icmp }"), (4,), nat64="2001:db8:64::/96",
            verdict=_free(3, INDEPENDENT, BY_PORT, "one public port for all, an IPv4 one; the second address of the far end, which it tells as one of IPv4, "
                          "is reached under the same prefix")),
    Network("nat64-web-only", "nat64, with a prefix of 64 bits, and of TCP only ports 80 and 443 get out, of UDP none.",
            _translated_out(_WEB), (4,), nat64="2001:db8:6464:64::/64",
            verdict=_no_udp(5, PLAIN_80 | PLAIN_443 | TLS_443, "as web-only; addresses are made up in another layout (RFC 6052)")),
]


def _named(networks, name):
    return next(network for network in networks if network.name == name)


_DOUBLE_CONTENT = [_behind(_named(_PROXIES, name), "port-restricted")
                   for name in ("proxy-bump", "proxy-mitm", "proxy-inspected", "transparent-80", "tls-opened-443")]
_DOUBLE_CONTENT += [_behind(_named(_INSPECTIONS, name), "port-restricted")
                    for name in ("sip-reset", "sip-late-drop", "sip-forged", "sip-rewritten", "web-inspected", "symmetric-inspected")]
_DOUBLE_CONTENT.append(_behind(_PORT_RESTRICTED, "pool", "carrier-pool", pool=None,
                               why="the carrier's public addresses are a pool: a socket keeps address and port, sockets differ"))

_OTHER = [
    Network("portal", "A captive portal: web pages are the login's, everything else is refused.",
            "reject with icmpx admin-prohibited\n", boxes=("portal",),
            verdict=Verdict(None, (), None, None, NOTHING, DIRECT | PROXIED,
                            "a page answers in place of the far end; all else is seen from before the login", portal=True,
                            udp=NOTHING, tcp=NOTHING)),
    Network("dead", "Nothing gets out and nothing is said.",
            _RETURN, verdict=Verdict(None, (), None, None, NOTHING, DIRECT | PROXIED,
                                     "no answer by any way: the network, or the far end, and from here nobody can tell which",
                                     udp=NOTHING, tcp=NOTHING)),
]

NETWORKS = {network.name: network for network in
            (*_BASIC, *_NINE, *_NAT, *_NAT64, *_DOUBLE, *_PROXIES, *_INSPECTIONS, *_DOUBLE_CONTENT, *_OTHER)}
BASIC = tuple(network.name for network in _BASIC)


_SHORT = {None: "-", INDEPENDENT: "independent", BY_ADDRESS: "address", BY_PORT: "address and port"}


def _methods(verdict):
    """What is to work, shortly."""
    works = sorted(verdict.works)
    if not works:
        return "none"
    shown = [w for w in works if not w.endswith("-proxy")] if verdict.works & DIRECT else works
    return "all direct" if verdict.works & DIRECT == DIRECT else ", ".join(shown)


def table():
    """Lines of a table in Markdown: each network, what is to be found out about it, and why."""
    yield "| network | what it does | type | all types | mapping | filtering | what works | why |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for network in NETWORKS.values():
        v = network.verdict
        yield " | ".join((f"| `{network.name}`", network.sentence, "-" if v.type is None else str(v.type),
                          ", ".join(map(str, v.types)) or "-", _SHORT[v.mapping], _SHORT[v.filtering], _methods(v), v.why)) + " |"


def content_table():
    """The same of what is held back for what it says."""
    yield "| network | how | what is held back |"
    yield "| --- | --- | --- |"
    for network in NETWORKS.values():
        content = network.verdict.content
        if content is not None:
            what = ", ".join(sorted(content.blocked | {each for each in content.perhaps if not each.startswith("udp-")})) if "printable" not in content.blocked else f"all but {', '.join(sorted(content.passing)) or 'HTTP inside TLS'}"
            where = f", on port {', '.join(map(str, content.ports))}" if content.ports else ""
            yield f"| `{network.name}` | {' or '.join(content.how)} | {what}{where} |"

"""The networks of the lab: their hosts, addresses and firewall rules. README.md draws them.

A family that is translated has private addresses on the site; one that is routed has public ones, from
the documentation ranges. The internet has no way back to a private address.
"""
import dataclasses

FAMILIES = (4, 6)
SITE_HOSTS = ("device", "firewall")
FAR_HOSTS = ("internet", "core", "peer")


@dataclasses.dataclass(frozen=True)
class Network:
    """What tells one network from another."""
    name: str
    sentence: str
    translated: tuple      # families that leave with the firewall's address
    forward: str           # nft rules of the firewall, in chain "forward", before the refusal
    chains: str = ""       # further nft chains
    proxy: str = ""        # the program, or none
    login: bool = False    # the proxy wants a password

    @property
    def hosts(self):
        return SITE_HOSTS + (("proxy",) if self.proxy else ()) + FAR_HOSTS


PROXY_PORTS = {"tinyproxy": 8888, "squid": 3128}
PROXY_USER = "alice"
PROXY_PASSWORD = "correct horse"

_OUTBOUND = "iifname lan oifname wan"
_RETURN = "ct state established,related accept\n"

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


def _proxy_forward(port):
    return f"""{_RETURN}
iifname lan oifname dmz tcp dport {port} accept
iifname dmz oifname wan meta l4proto tcp accept
"""


NETWORKS = {network.name: network for network in (
    Network("open", "No firewall and no translation: every packet passes both ways.",
            (), "accept\n"),
    Network("nat", "A home router: what the device starts passes, with the router's address, and only "
            "the address and port it went to may answer; IPv4 and IPv6 are both translated.",
            FAMILIES, f"{_RETURN}{_OUTBOUND} accept\n"),
    Network("web-only", "Only TCP to ports 80 and 443 gets out, whatever it carries; IPv4 is translated.",
            (4,), f"{_RETURN}{_OUTBOUND} tcp dport {{ 80, 443 }} accept\n"),
    Network("tls-only", "Only TLS over TCP to port 443 gets out, judged by what the first packets carry; "
            "anything else there is reset. IPv4 is translated.",
            (4,), _TLS_FORWARD, _TLS_CHAINS),
    Network("tcp-443", "Only TCP to port 443 gets out, whatever it carries; IPv4 is translated.",
            (4,), f"{_RETURN}{_OUTBOUND} tcp dport 443 accept\n"),
    Network("proxy", "Only an HTTP proxy (tinyproxy) gets out; the device reaches the proxy and nothing "
            "else. CONNECT to port 443 alone, without a password.",
            (4,), _proxy_forward(PROXY_PORTS["tinyproxy"]), proxy="tinyproxy"),
    Network("proxy-basic", "Only an HTTP proxy (squid) gets out, and it wants a password (Basic); the "
            "device reaches the proxy and nothing else. CONNECT to port 443 alone.",
            (4,), _proxy_forward(PROXY_PORTS["squid"]), proxy="squid", login=True),
)}


def addresses(network):
    """Address by (host or interface, family), and prefix lengths where they differ from the usual."""
    private = {4: 4 in network.translated, 6: 6 in network.translated}
    lan = {4: "192.168.1" if private[4] else "203.0.113", 6: "fd07:1::" if private[6] else "2001:db8:1::"}
    return {
        ("device", 4): f"{lan[4]}.10", ("device", 6): f"{lan[6]}10",
        ("lan", 4): f"{lan[4]}.1", ("lan", 6): f"{lan[6]}1",
        ("proxy", 4): "192.168.2.10", ("proxy", 6): "2001:db8:2::10",
        ("dmz", 4): "192.168.2.1", ("dmz", 6): "2001:db8:2::1",
        ("wan", 4): "198.51.100.2", ("wan", 6): "2001:db8:f::2",
        ("site", 4): "198.51.100.1", ("site", 6): "2001:db8:f::1",
        ("core", 4): "192.0.2.10", ("core", 6): "2001:db8:c::10",
        ("core-2", 4): "192.0.2.11", ("core-2", 6): "2001:db8:c::11",
        ("core-router", 4): "192.0.2.1", ("core-router", 6): "2001:db8:c::1",
        ("peer", 4): "192.0.2.130", ("peer", 6): "2001:db8:d::10",
        ("peer-router", 4): "192.0.2.129", ("peer-router", 6): "2001:db8:d::1",
    }


_PREFIX_LENGTH = {"core": 25, "core-2": 25, "core-router": 25, "peer": 25, "peer-router": 25}


def public(network, family):
    """The address under which the site's connections arrive at the core."""
    plan = addresses(network)
    if family in network.translated:
        return plan["wan", family]
    return plan["proxy" if network.proxy else "device", family]


def ruleset(network, refuse):
    """The firewall's nft script. refuse: "drop", "reset", or "" for what the network itself does."""
    drop, reset = "drop", "meta l4proto tcp reject with tcp reset\nreject with icmpx admin-prohibited"
    for_rest = reset if refuse == "reset" else drop
    for_content = drop if refuse == "drop" else reset
    families = {(): "", (4,): "meta nfproto ipv4", FAMILIES: ""}[network.translated]
    translation = f"oifname wan {families} masquerade" if network.translated else ""
    return f"""
table inet lab {{
  counter refused_udp {{ }}
  counter refused_tcp {{ }}
  counter refused_other {{ }}
  chain count_refused {{
    meta l4proto udp counter name refused_udp return
    meta l4proto tcp counter name refused_tcp return
    counter name refused_other
  }}
  chain refuse_content {{
    jump count_refused
    {for_content}
  }}
  {network.chains}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {network.forward}
    jump count_refused
    {for_rest}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    {translation}
  }}
}}
"""


class _Script:
    """Collects the shell script of one host."""

    def __init__(self, plan, congestion):
        self.plan = plan
        self.congestion = f" congctl {congestion}" if congestion else ""
        # No duplicate address detection: addresses are known to be unique and are wanted at once.
        self.lines = ["for d in /proc/sys/net/ipv6/conf/*; do echo 0 >$d/accept_dad; echo 0 >$d/accept_ra; done",
                      "ip link set lo up"]

    def routes_packets(self):
        self.lines += ["echo 1 >/proc/sys/net/ipv4/ip_forward",
                       "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"]

    def device(self, interface, *names):
        """Brings an interface up with the addresses that the plan has under the names."""
        for name in names:
            for family in FAMILIES:
                length = 64 if family == 6 else _PREFIX_LENGTH.get(name, 24)
                more = " nodad" if family == 6 else ""
                # Without being told, IPv6 sends from the address that came last.
                more += " preferred_lft 0" if family == 6 and name != names[0] else ""
                self.lines.append(f"ip addr add {self.plan[name, family]}/{length} dev {interface}{more}")
        self.lines.append(f"ip link set {interface} txqueuelen 10000 up")

    def route(self, via, to=("default", "default")):
        for family, destination in zip(FAMILIES, to):
            self.lines.append(f"ip -{family} route add {destination} via {self.plan[via, family]}"
                              + self.congestion)

    def text(self):
        return "\n".join(self.lines) + "\n"


def host_scripts(network, congestion="", refuse=""):
    """The shell script that sets each host up, by host."""
    plan = addresses(network)
    scripts = {host: _Script(plan, congestion) for host in network.hosts}

    scripts["device"].device("eth0", "device")
    scripts["device"].route("lan")

    firewall = scripts["firewall"]
    firewall.routes_packets()
    firewall.device("lan", "lan")
    firewall.device("wan", "wan")
    firewall.route("site")
    if network.proxy:
        firewall.device("dmz", "dmz")
        scripts["proxy"].device("eth0", "proxy")
        scripts["proxy"].route("dmz")
    firewall.lines.append(f"nft -f - <<'RULES'\n{ruleset(network, refuse)}\nRULES")

    internet = scripts["internet"]
    internet.routes_packets()
    internet.device("site", "site")
    internet.device("core", "core-router")
    internet.device("peer", "peer-router")
    for family, lan, dmz in ((4, "203.0.113.0/24", None), (6, "2001:db8:1::/64", "2001:db8:2::/64")):
        if family not in network.translated:
            internet.lines += [f"ip -{family} route add {prefix} via {plan['wan', family]}"
                               for prefix in (lan, dmz) if prefix]

    scripts["core"].device("eth0", "core", "core-2")
    scripts["core"].route("core-router")
    scripts["peer"].device("eth0", "peer")
    scripts["peer"].route("peer-router")
    return {host: script.text() for host, script in scripts.items()}


def cables(network):
    """(host, interface, host, interface) of each cable but the one to the internet."""
    yield "firewall", "lan", "device", "eth0"
    if network.proxy:
        yield "firewall", "dmz", "proxy", "eth0"
    yield "internet", "core", "core", "eth0"
    yield "internet", "peer", "peer", "eth0"


INTERNET_CABLE = ("firewall", "wan", "internet", "site")


def names(network):
    """The lines of /etc/hosts in every host."""
    plan = addresses(network)
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{plan[host, family]} {host}.lab"
              for host in ("core", "peer", "device") + (("proxy",) if network.proxy else ())
              for family in FAMILIES]
    return "\n".join(lines) + "\n"


def environment(network):
    """The variables that tell a script where everything is."""
    plan = addresses(network)
    variables = {"LAB_NETWORK": network.name}
    for family, mark in ((4, ""), (6, "6")):
        for variable, host in (("DEVICE", "device"), ("FIREWALL", "lan"), ("CORE", "core"),
                               ("CORE_2", "core-2"), ("PEER", "peer")):
            variables[f"LAB_{variable}_ADDR{mark}"] = plan[host, family]
        variables[f"LAB_PUBLIC_ADDR{mark}"] = public(network, family)
        if network.proxy:
            address = plan["proxy", family] if family == 4 else f"[{plan['proxy', family]}]"
            variables[f"LAB_PROXY_ADDR{mark}"] = plan["proxy", family]
            variables[f"LAB_PROXY_URL{mark}"] = f"http://{address}:{PROXY_PORTS[network.proxy]}"
    if network.proxy:
        variables["LAB_PROXY_PORT"] = str(PROXY_PORTS[network.proxy])
    if network.login:
        variables["LAB_PROXY_USER"] = PROXY_USER
        variables["LAB_PROXY_PASSWORD"] = PROXY_PASSWORD
    return variables

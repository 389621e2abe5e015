"""What a network of the lab is made of: hosts, addresses, translation, filter, inspection, proxy. README.md draws it.

A family that is translated has private addresses on the site; one that is routed has public ones, from
the documentation ranges. The internet has no way back to a private address. catalogue.py lists the networks.
"""
import dataclasses

import translations

FAMILIES = (4, 6)
SITE_HOSTS = ("device", "firewall")
FAR_HOSTS = ("internet", "core", "peer")
POOL = 4               # public addresses of a NAT that has several


@dataclasses.dataclass(frozen=True)
class Proxy:
    """An HTTP proxy: what takes CONNECT, for whom, and to where."""
    program: str           # tinyproxy, squid or mitmproxy
    scheme: str = ""       # how one logs in: basic, digest, ntlm, negotiate, or not at all
    any_port: bool = False  # CONNECT to any port, not to 443 alone
    opens_tls: bool = False  # TLS ends at it, with certificates of its own authority

    @property
    def port(self):
        return {"tinyproxy": 8888, "squid": 3128, "mitmproxy": 8080}[self.program]

    @property
    def password(self):
        return PROXY_PASSWORD.replace(" ", "-") if self.program == "tinyproxy" else PROXY_PASSWORD  # it takes no spaces


@dataclasses.dataclass(frozen=True)
class Network:
    """What tells one network from another."""
    name: str
    sentence: str
    forward: str           # nft rules of the firewall, in chain "forward", before the refusal
    translated: tuple = FAMILIES  # families that leave with another address
    nat: str = "port-restricted"  # kind of translations.py, for the translated families
    chains: str = ""       # further nft chains
    inspects: tuple = ()   # rules of the inspecting firewall: inspector ACTION=CLASS...
    proxy: Proxy = None    # the program, or none
    boxes: tuple = ()      # what runs in the firewall itself, see boxes.py
    outer: str = ""        # kind of a second NAT, the carrier's
    nat64: str = ""        # the device has IPv6 alone, and under this prefix the firewall leads to IPv4 (RFC 6052)
    verdict: object = None  # what is to be found out about it

    @property
    def login(self):
        """Whether the proxy wants to know who is asking."""
        return bool(self.proxy and self.proxy.scheme)

    @property
    def families(self):
        """Those that the device has; it is to be asked about in each."""
        return (6,) if self.nat64 else FAMILIES

    @property
    def hosts(self):
        return SITE_HOSTS + (("proxy",) if self.proxy else ()) + (("carrier",) if self.outer else ()) + FAR_HOSTS


PROXY_USER = "alice"
PROXY_PASSWORD = "correct horse"
REALM = "LAB.TEPKIT"

# Ports of the firewall on which its boxes take what was meant for others.
REDIRECTED = {
    "transparent proxy": {80: 3129},
    "tls opener": {443: 3130},
    "portal": {80: 8000},
    "splitter": {"1-65535": 3131},
}
NAT64_POOL = "192.168.64"  # the translator's own IPv4 addresses, a /24; the NAT of IPv4 hides them


def addresses(network):
    """Address by (host or interface, family), and prefix lengths where they differ from the usual."""
    private = {4: 4 in network.translated, 6: 6 in network.translated}
    lan = {4: "192.168.1" if private[4] else "203.0.113", 6: "fd07:1::" if private[6] else "2001:db8:1::"}
    wan = {4: "100.64.0", 6: "fd64::"} if network.outer else {4: "198.51.100", 6: "2001:db8:f::"}
    pool = {(f"outside-{n}", 4): f"198.51.100.{n + 2}" for n in range(1, POOL)}
    pool |= {(f"outside-{n}", 6): f"2001:db8:f::{n + 2}" for n in range(1, POOL)}
    return pool | {
        ("device", 4): f"{lan[4]}.10", ("device", 6): f"{lan[6]}10",
        ("lan", 4): f"{lan[4]}.1", ("lan", 6): f"{lan[6]}1",
        ("proxy", 4): "192.168.2.10", ("proxy", 6): "2001:db8:2::10",
        ("dmz", 4): "192.168.2.1", ("dmz", 6): "2001:db8:2::1",
        ("wan", 4): f"{wan[4]}.2", ("wan", 6): f"{wan[6]}2",
        ("access", 4): f"{wan[4]}.1", ("access", 6): f"{wan[6]}1",
        ("outside", 4): "198.51.100.2", ("outside", 6): "2001:db8:f::2",
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
        return plan["outside", family]
    return plan["proxy" if network.proxy else "device", family]


# The inspector's packets to the site come in the name of the far end, as no connection has it after translation.
_UNTRACKED = """chain made_here {
    type filter hook output priority raw;
    meta mark 0x1ab oifname != wan notrack
  }
"""


def _translation(network, kind, inside, outside):
    """The rules of one translating router: inside, outside are names of the plan."""
    plan = addresses(network)
    names = [outside] + [f"outside-{n}" for n in range(1, POOL) if kind.startswith("pool")]
    return translations.rules(kind, translations.Router(
        network.translated, {f: plan[inside, f] for f in FAMILIES}, {f: [plan[n, f] for n in names] for f in FAMILIES}))


def ruleset(network, refuse):
    """The firewall's nft script. refuse: "drop", "reset", or "" for what the network itself does."""
    drop, reset = "drop", "meta l4proto tcp reject with tcp reset\nreject with icmpx admin-prohibited"
    for_rest = reset if refuse == "reset" else drop
    for_content = drop if refuse == "drop" else reset
    nat = _translation(network, network.nat, "device", "wan")
    redirected = "".join(f"iifname lan tcp dport {port} redirect to :{to}\n"
                         for box in network.boxes for port, to in REDIRECTED.get(box, {}).items())
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
  {_UNTRACKED if network.inspects else ""}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {nat.accepted}
    {network.forward}
    jump count_refused
    {for_rest}
  }}
{_nat_chains(nat, redirected)}
}}
"""


def _nat_chains(nat, redirected=""):
    return f"""
  {nat.sets}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    {redirected}
    {nat.prerouting}
  }}
  chain before_translation {{
    type filter hook postrouting priority mangle;
    {nat.before}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    {nat.postrouting}
  }}
"""


def _carrier_ruleset(network):
    """The second NAT filters nothing but what its kind does."""
    nat = _translation(network, network.outer, "wan", "outside")
    return f"""
table inet lab {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname lan oifname wan accept
    {nat.accepted}
  }}
{_nat_chains(nat)}
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

    def device(self, interface, *names, families=FAMILIES):
        """Brings an interface up with the addresses that the plan has under the names."""
        for name in names:
            for family in families:
                length = 64 if family == 6 else _PREFIX_LENGTH.get(name, 24)
                more = " nodad" if family == 6 else ""
                # Without being told, IPv6 sends from the address that came last.
                more += " preferred_lft 0" if family == 6 and name != names[0] else ""
                self.lines.append(f"ip addr add {self.plan[name, family]}/{length} dev {interface}{more}")
        self.lines.append(f"ip link set {interface} txqueuelen 10000 up")

    def route(self, via, families=FAMILIES):
        for family in families:
            self.lines.append(f"ip -{family} route add default via {self.plan[via, family]}" + self.congestion)

    def text(self):
        return "\n".join(self.lines) + "\n"


def host_scripts(network, congestion="", refuse=""):
    """The shell script that sets each host up, by host."""
    plan = addresses(network)
    scripts = {host: _Script(plan, congestion) for host in network.hosts}

    scripts["device"].device("eth0", "device", families=network.families)
    scripts["device"].route("lan", network.families)

    firewall = scripts["firewall"]
    firewall.routes_packets()
    firewall.device("lan", "lan", families=network.families)
    pool = [f"outside-{n}" for n in range(1, POOL)]
    firewall.device("wan", "wan", *(pool if network.nat.startswith("pool") else ()))
    firewall.route("access" if network.outer else "site")
    if network.outer:
        carrier = scripts["carrier"]
        carrier.routes_packets()
        carrier.device("lan", "access")
        carrier.device("wan", "outside", *(pool if network.outer.startswith("pool") else ()))
        carrier.route("site")
        carrier.lines.append(f"nft -f - <<'RULES'\n{_carrier_ruleset(network)}\nRULES")
    if network.proxy:
        firewall.device("dmz", "dmz")
        scripts["proxy"].device("eth0", "proxy")
        scripts["proxy"].route("dmz")
    firewall.lines.append(f"nft -f - <<'RULES'\n{ruleset(network, refuse)}\nRULES")
    if network.inspects:
        # nft has no queue here; packets wait before the chains above see them.
        firewall.lines += [f"{tables} -t mangle -A FORWARD -p {protocol} -j NFQUEUE --queue-num 0"
                           for tables in ("iptables", "ip6tables") for protocol in ("tcp", "udp")]

    internet = scripts["internet"]
    internet.routes_packets()
    internet.device("site", "site")
    internet.device("core", "core-router")
    internet.device("peer", "peer-router")
    for family, lan, dmz in ((4, "203.0.113.0/24", None), (6, "2001:db8:1::/64", "2001:db8:2::/64")):
        if family not in network.translated:
            internet.lines += [f"ip -{family} route add {prefix} via {plan['outside', family]}"
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
    if network.outer:
        yield "carrier", "lan", "firewall", "wan"
    yield "internet", "core", "core", "eth0"
    yield "internet", "peer", "peer", "eth0"


def internet_cable(network):
    """The cable that the link takes the place of."""
    return "carrier" if network.outer else "firewall", "wan", "internet", "site"


_LOCAL_NAMES = "127.0.0.1 localhost\n::1 localhost\n"


def names(network):
    """The lines of /etc/hosts in every host."""
    plan = addresses(network)
    lines = [f"{plan[host, family]} {host}.lab"
             for host in ("core", "peer", "device") + (("proxy",) if network.proxy else ())
             for family in FAMILIES]
    return _LOCAL_NAMES + "\n".join(lines) + "\n"


def files_of_device(network):
    """What the device has in place of the files that all hosts have: content by name."""
    if not network.nat64:
        return {}
    return {"hosts": _LOCAL_NAMES, "resolv.conf": f"nameserver {addresses(network)['lan', 6]}\n"}


def environment(network, directory):
    """The variables that tell a script where everything is. directory: where the network's files are."""
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
            variables[f"LAB_PROXY_URL{mark}"] = f"http://{address}:{network.proxy.port}"
    if network.proxy:
        variables["LAB_PROXY_PORT"] = str(network.proxy.port)
    if network.login:
        variables["LAB_PROXY_USER"] = PROXY_USER
        variables["LAB_PROXY_PASSWORD"] = network.proxy.password
        variables["LAB_PROXY_SCHEME"] = network.proxy.scheme
        if network.proxy.scheme == "negotiate":
            variables |= {"KRB5_CONFIG": f"{directory}/krb5.conf", "KRB5CCNAME": f"FILE:{directory}/tickets"}
    if "tls opener" in network.boxes or (network.proxy and network.proxy.opens_tls):
        variables["LAB_AUTHORITY"] = f"{directory}/authority.pem"
    return variables

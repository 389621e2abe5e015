"""Address translation, kind by kind, as parts of a router's nft script.

Each kind is written for a router with the interfaces "lan" and "wan", and one host behind it that strangers
reach if the kind lets them. README.md says what RFC 4787 and TR 33.830 call each.
"""
import dataclasses

NFPROTO = {4: "ipv4", 6: "ipv6"}
_IP = {4: "ip", 6: "ip6"}


@dataclasses.dataclass
class Router:
    """What a kind has to know: families that are translated, the host inside and the public addresses of each."""
    families: tuple
    inside: dict       # family: address
    public: dict       # family: [address]


@dataclasses.dataclass
class Rules:
    """Parts of table "inet lab". accepted: what chain forward lets in besides answers."""
    sets: str = ""
    prerouting: str = ""
    postrouting: str = ""
    before: str = ""   # sees every packet outwards before it is translated
    accepted: str = ""


# Without this a stranger's packet reaches the router itself, which takes the port for it: the next packet of
# the device to that stranger then gets another one. Routers that forward only, as many at home do, are so.
_SHUT = "iifname wan meta l4proto { tcp, udp } ct state { new, invalid } drop"


def _masquerade(router, how=""):
    families = "" if len(router.families) == 2 else f"meta nfproto {NFPROTO[router.families[0]]}"
    return f"oifname wan {families} masquerade {how}\n"


def _open_router(router):
    return Rules(postrouting=_masquerade(router))


def _port_restricted(router):
    return Rules(postrouting=_masquerade(router), sets=_input())


def _symmetric(router):
    return Rules(postrouting=_masquerade(router, "fully-random"), sets=_input())


def _input():
    return f"""chain input {{
  type filter hook input priority filter;
  {_SHUT}
}}
"""


def _full_cone(router):
    inward = "".join(f"iifname wan meta nfproto {NFPROTO[f]} meta l4proto {{ tcp, udp }} "
                     f"dnat {_IP[f]} to {router.inside[f]}\n" for f in router.families)
    return Rules(postrouting=_masquerade(router), prerouting=inward,
                 accepted="iifname wan ct status dnat accept\n")


def _address_restricted(router):
    """Whoever was sent something may answer from any port: remembered by the sending port, which stays as it is."""
    rules = Rules(postrouting=_masquerade(router), sets=_input(), accepted="iifname wan ct status dnat accept\n")
    for f in router.families:
        rules.sets += f"""set heard{f} {{
  type ipv{f}_addr . inet_service
  flags dynamic, timeout
  timeout 5m
  size 65535
}}
"""
        rules.before += f"oifname wan meta l4proto udp update @heard{f} {{ {_IP[f]} daddr . udp sport }}\n"
        rules.prerouting += f"iifname wan {_IP[f]} saddr . udp dport @heard{f} dnat {_IP[f]} to {router.inside[f]}\n"
    return rules


def _choice(router, family, expression):
    """From one of the public addresses, by a number."""
    addresses = router.public[family]
    choices = ", ".join(f"{n} : {address}" for n, address in enumerate(addresses))
    return f"snat {_IP[family]} to {expression} mod {len(addresses)} map {{ {choices} }}\n"


def _pool(router):
    """Each socket has one of the addresses, the same towards everybody."""
    rules = Rules(sets=_input())
    for f in router.families:
        for protocol in ("udp", "tcp"):
            rules.postrouting += f"oifname wan meta l4proto {protocol} " + _choice(router, f, f"jhash {protocol} sport")
    rules.postrouting += _masquerade(router)
    return rules


def _pool_by_flow(router):
    """Each of whom a socket talks to sees the next of the addresses."""
    rules = Rules(sets=_input())
    for f in router.families:
        rules.postrouting += f"oifname wan meta nfproto {NFPROTO[f]} meta l4proto {{ udp, tcp }} " + _choice(router, f, "numgen inc")
    rules.postrouting += _masquerade(router)
    return rules


KINDS = {
    "open router": _open_router,
    "full cone": _full_cone,
    "address-restricted": _address_restricted,
    "port-restricted": _port_restricted,
    "symmetric": _symmetric,
    "pool": _pool,
    "pool by flow": _pool_by_flow,
}


def rules(kind, router):
    return KINDS[kind](router) if kind and router.families else Rules()

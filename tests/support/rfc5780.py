"""Two programs that find out what a NAT does, and a server for them: none of them ours."""
import contextlib
import re

from process import Process, wait_until

PORT, OTHER_PORT = 3478, 3479
START_LIMIT_S = 20
PATIENCE_S = 60        # they wait 3 s for each answer that does not come
_KINDS = {"Endpoint Independent": "endpoint-independent", "Address Dependent": "address-dependent",
          "Address and Port Dependent": "address-and-port-dependent"}


def _sockets(lab, table):
    """How many pairs of address and port of the server's are bound."""
    said = lab.run("core", ["cat", f"/proc/net/{table}"]).stdout
    return len(set(re.findall(rf"^ *\d+: ([0-9A-F]+:(?:{PORT:04X}|{OTHER_PORT:04X})) ", said, re.MULTILINE)))


@contextlib.contextmanager
def two_addresses(lab):
    """coturn in the core, on both addresses of each family and on two ports."""
    with contextlib.ExitStack() as stack:
        for mark in ("", "6"):
            stack.enter_context(Process(
                ["turnserver", "-n", "--no-cli", "--stun-only", "--no-tls", "--no-dtls", "--no-tcp", "--log-file=stdout", "--simple-log",
                 f"--pidfile={lab['STATE']}/turn{mark}.pid", f"--userdb={lab['STATE']}/turn{mark}.db",
                 f"--listening-port={PORT}", f"--alt-listening-port={OTHER_PORT}",
                 *(f"--listening-ip={lab[f'CORE_{which}ADDR{mark}']}" for which in ("", "2_"))],
                lab, "core", name=f"turnserver{mark}"))
        for table in ("udp", "udp6"):
            wait_until(lambda t=table: _sockets(lab, t) >= 4, START_LIMIT_S, f"coturn on two addresses and two ports ({table})")
        yield


def nat_discovery(lab, mark, timeout_s=PATIENCE_S):
    """(mapping, filtering) as turnutils_natdiscovery finds them over IPv4, or with mark "6" IPv6; None where it does not say."""
    said = lab.run("device", ["turnutils_natdiscovery", "-m", "-f", "-p", PORT, lab[f"CORE_ADDR{mark}"]], timeout=timeout_s).stdout
    found = []
    for what in ("Mapping", "Filtering"):
        match = re.search(rf"NAT with (.*) {what}!", said)
        found.append(_KINDS[match[1]] if match else None)
    return tuple(found)


def classic_client(lab, timeout_s=PATIENCE_S):
    """What the client of RFC 3489 says in a line, over IPv4, the only family it knows."""
    said = lab.run("device", ["stun", lab["CORE_ADDR"]], timeout=timeout_s)
    match = re.search(r"Primary: (.*?)\s*$", said.stdout + said.stderr, re.MULTILINE)
    return match[1] if match else None


def as_type(said):
    """Either's words as a type of TR 33.830 clause 4.3, in a few words where they make none."""
    if isinstance(said, tuple):
        mapping, filtering = said
        if mapping is None:
            return "no answer"
        if mapping != "endpoint-independent":
            return "4"
        return {"endpoint-independent": "1", "address-dependent": "2", "address-and-port-dependent": "3"}.get(filtering, "1-3")
    for pattern, type_ in ((r"Independent Mapping, Independent", "1"), (r"Independent Mapping, Address", "2"),
                           (r"Independent Mapping, Port", "3"), (r"Dependent Mapping", "4"), (r"Open", "0"), (r"Firewall", "firewall")):
        if said and said.startswith(pattern):
            return type_
    return "no answer" if not said or "locked" in said else said

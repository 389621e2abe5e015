"""What runs in the firewall itself and takes part in what passes: the inspector, proxies that nobody asked for, a portal, NAT64."""
import pathlib
import subprocess
import sys

import hosts
import networks
import proxies

OWN_PORT = 5000        # of what takes nothing that was meant for others
HERE = pathlib.Path(__file__).resolve().parent


def _transparent_proxy(lab_id, directory, port):
    # squid wants a port that it is asked on, besides the one that it intercepts on.
    return proxies.squid(lab_id, directory, "transparent", f"http_port 127.0.0.1:3128\nhttp_port {port} intercept\n")


def _tls_opener(lab_id, directory, port):
    return proxies.squid(lab_id, directory, "opener", f"http_port 127.0.0.1:3128\nhttps_port {port} intercept OPENING\n", opens_tls=True)


def _portal(_lab_id, _directory, port):
    return [sys.executable, "-S", str(HERE / "portal.py"), str(port)]


def _splitter(_lab_id, _directory, port):
    return [sys.executable, "-S", str(HERE / "splitter.py"), str(port)]


def _gateway(_lab_id, _directory, port):
    return [sys.executable, "-S", str(HERE / "gateway.py"), str(port)]


# tayga gives each IPv6 address one of IPv4 and knows no ports (RFC 7915); the NAT of IPv4 behind it does.
_TAYGA = """tun-device nat64
data-dir {directory}
prefix {prefix}
ipv4-addr {pool}.1
dynamic-pool {pool}.0/24
"""
_TRANSLATE = """
tayga --config "$1" --mktun
ip link set nat64 up
ip route add {pool}.0/24 dev nat64
ip route add {prefix} dev nat64
tayga --config "$1" --nodetach &
shift; exec "$@"
"""


def _translator(network, directory, port):
    """NAT64, and the name server that goes with it."""
    values = {"prefix": network.nat64, "pool": networks.NAT64_POOL, "directory": directory}
    configuration = directory / "tayga.conf"
    configuration.write_text(_TAYGA.format(**values), encoding="ascii")
    return ["sh", "-euc", _TRANSLATE.format(**values), "sh", str(configuration),
            sys.executable, "-S", str(HERE / "names64.py"), str(port), network.nat64, str(directory / "hosts")]


_COMMANDS = {"transparent proxy": _transparent_proxy, "tls opener": _tls_opener, "portal": _portal, "gateway": _gateway,
             "splitter": _splitter}


def start(network, lab_id, directory, namespace, inspector):
    """Starts what the network has of them; returns when all are ready."""
    for box in network.boxes:
        port = next(iter(networks.REDIRECTED.get(box, {}).values()), OWN_PORT)
        proxies.run(_COMMANDS[box](lab_id, directory, port), directory, namespace, box.replace(" ", "-"), port)
    if network.nat64:
        proxies.run(_translator(network, directory, OWN_PORT), directory, namespace, "nat64", OWN_PORT)
    if network.inspects:
        with open(directory / "inspector.log", "wb") as log:
            process = subprocess.Popen(["ip", "netns", "exec", namespace, str(inspector()), *network.inspects],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        with process.stdout:
            if process.stdout.readline() != b"ready\n":
                raise hosts.LabError((directory / "inspector.log").read_text(encoding="utf-8").strip())

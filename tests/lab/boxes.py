"""What runs in the firewall itself and takes part in what passes: the inspector, proxies that nobody asked for, a portal."""
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


_COMMANDS = {"transparent proxy": _transparent_proxy, "tls opener": _tls_opener, "portal": _portal, "gateway": _gateway,
             "splitter": _splitter}


def start(network, lab_id, directory, namespace, inspector):
    """Starts what the network has of them; returns when all are ready."""
    for box in network.boxes:
        port = next(iter(networks.REDIRECTED.get(box, {}).values()), OWN_PORT)
        proxies.run(_COMMANDS[box](lab_id, directory, port), directory, namespace, box.replace(" ", "-"), port)
    if network.inspects:
        with open(directory / "inspector.log", "wb") as log:
            process = subprocess.Popen(["ip", "netns", "exec", namespace, str(inspector()), *network.inspects],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        with process.stdout:
            if process.stdout.readline() != b"ready\n":
                raise hosts.LabError((directory / "inspector.log").read_text(encoding="utf-8").strip())

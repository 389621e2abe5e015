"""The proxies of the lab, with Debian's settings in what they allow: CONNECT to port 443 and no other."""
import contextlib
import pathlib
import shutil
import socket
import subprocess
import time

import hosts
import networks

START_LIMIT_S = 10

_TINYPROXY = """\
User tinyproxy
Group tinyproxy
Port {port}
Timeout 600
LogLevel Info
MaxClients 100
Allow 0.0.0.0/0
Allow ::/0
ConnectPort 443
ConnectPort 563
ViaProxyName "proxy.lab"
"""

# Several squids at once share memory segments by service name, which therefore is unique. They resolve
# names from the lab's hosts file alone. ncsa_auth reads a file of user:crypt(password).
_SQUID = """\
http_port {port}
visible_hostname proxy.lab
hosts_file {directory}/hosts
dns_nameservers 127.0.0.1
auth_param basic program /usr/lib/squid/basic_ncsa_auth {directory}/squid/passwords
auth_param basic realm lab
auth_param basic children 2 startup=1 idle=1
acl known proxy_auth REQUIRED
acl SSL_ports port 443
acl Safe_ports port 80 443 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow known
http_access deny all
cache deny all
cache_mem 1 MB
max_filedescriptors 4096
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
cache_effective_user proxy
pid_filename {directory}/squid/pid
coredump_dir {directory}/squid
cache_log {directory}/squid/cache.log
access_log stdio:{directory}/squid/access.log
"""


def squid_name(lab_id):
    """Squid's service name; letters and digits are all it takes."""
    return "tepkit" + "".join(f"{ord(c):x}" if c == "-" else c for c in lab_id)


def _squid_command(lab_id, directory):
    place = directory / "squid"
    place.mkdir()
    hashed = hosts.command(["openssl", "passwd", "-apr1", "-stdin"], networks.PROXY_PASSWORD + "\n")
    (place / "passwords").write_text(f"{networks.PROXY_USER}:{hashed}", encoding="ascii")
    configuration = directory / "squid.conf"
    configuration.write_text(_SQUID.format(port=networks.PROXY_PORTS["squid"], directory=directory),
                             encoding="ascii")
    for path in (place, place / "passwords"):
        shutil.chown(path, "proxy", "proxy")
    return ["squid", "-n", squid_name(lab_id), "-N", "-f", str(configuration)]


def _tinyproxy_command(_lab_id, directory):
    configuration = directory / "tinyproxy.conf"
    configuration.write_text(_TINYPROXY.format(port=networks.PROXY_PORTS["tinyproxy"]), encoding="ascii")
    return ["tinyproxy", "-d", "-c", str(configuration)]


_COMMANDS = {"squid": _squid_command, "tinyproxy": _tinyproxy_command}


def start(network, lab_id, directory, namespace):
    """Starts the network's proxy and returns when it accepts connections."""
    arguments = hosts.command_in(namespace, directory, _COMMANDS[network.proxy](lab_id, directory))
    log = directory / f"{network.proxy}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), hosts.inside(namespace), socket.socket() as probe:
            probe.connect(("127.0.0.1", networks.PROXY_PORTS[network.proxy]))
            return
        time.sleep(0.01)
    said = log.read_text(encoding="utf-8", errors="replace")[-1000:]
    raise hosts.LabError(f"{network.proxy} does not start: {said.strip() or 'it says nothing'}")


def forget(lab_id):
    """Removes what a squid that was killed left in shared memory."""
    for path in pathlib.Path("/dev/shm").glob(squid_name(lab_id) + "-*"):
        path.unlink(missing_ok=True)

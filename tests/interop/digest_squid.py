"""squid that takes Digest alone, on the peer of a network of the lab."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile

from process import Process, wait_for_tcp

PORT, USER, PASSWORD = 3129, "alice", "correct horse"
_CONFIGURATION = """\
http_port {port}
visible_hostname peer.lab
hosts_file {hosts}
dns_nameservers 127.0.0.1
auth_param digest program /usr/lib/squid/digest_file_auth -c {directory}/digest
auth_param digest realm lab
auth_param digest children 2 startup=1 idle=1
acl known proxy_auth REQUIRED
acl SSL_ports port 443
http_access deny CONNECT !SSL_ports
http_access allow known
http_access deny all
cache deny all
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
cache_effective_user proxy
pid_filename {directory}/pid
coredump_dir {directory}
cache_log {directory}/cache.log
access_log stdio:{directory}/access.log
"""


@contextlib.contextmanager
def digest_squid(lab):
    """Starts it; yields its URL with the login."""
    with tempfile.TemporaryDirectory(prefix="tepkit-squid-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        secret = hashlib.md5(f"{USER}:lab:{PASSWORD}".encode()).hexdigest()
        (directory / "digest").write_text(f"{USER}:lab:{secret}\n", encoding="ascii")
        (directory / "squid.conf").write_text(
            _CONFIGURATION.format(port=PORT, directory=directory, hosts=lab.directory / "hosts"), encoding="ascii")
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "proxy", "proxy")
        service = f"tepkitdigest{os.getpid()}"
        try:
            with Process(["squid", "-n", service, "-N", "-f", directory / "squid.conf"], lab, "peer") as process:
                wait_for_tcp(lab, "peer", lab["PEER_ADDR"], PORT, 20)
                yield f"http://{USER}:correct%20horse@{lab['PEER_ADDR']}:{PORT}"
                process.kill()
        finally:
            for path in pathlib.Path("/dev/shm").glob(service + "-*"):
                path.unlink(missing_ok=True)

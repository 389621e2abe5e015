"""Proxies for tests: squid with every scheme and a Kerberos realm behind it, tinyproxy, and one of our own that does what
the others do not (Digest with SHA-256, TLS) or what none should. All of it on an address of 127/8 that no other test has."""
import contextlib
import hashlib
import os
import pathlib
import re
import secrets
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from process import Process, wait_until  # noqa: E402

ADDRESS = f"127.{64 + (os.getpid() >> 8) % 128}.{os.getpid() & 255}.7"
REALM = "TEPKIT.TEST"
USER, PASSWORD = "alice", "p-ss.w0rd_"


def free_port(address=ADDRESS):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def accepts(address, port):
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.settimeout(5)
        probe.connect((address, port))
        return True
    return False


def run(arguments, **settings):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False, timeout=60, **settings)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


class Server:
    """A thread per connection; handle (connection) is the subclass's or given."""

    def __init__(self, handle=None, address=ADDRESS):
        self._listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.address, self.port = self._listener.getsockname()[:2]
        self.n_connections = 0
        self._open = set()
        if handle:
            self.handle = handle
        threading.Thread(target=self._serve, daemon=True).start()

    def handle(self, connection):
        """Echoes."""
        while data := connection.recv(4096):
            connection.sendall(data)

    def _one(self, connection):
        self._open.add(connection)
        with contextlib.suppress(OSError), connection:
            self.handle(connection)
        self._open.discard(connection)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.n_connections += 1
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def tls_server(certificate, key):
    """An echo server behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def handle(connection):
        with context.wrap_socket(connection, server_side=True) as inside:
            while data := inside.recv(4096):
                inside.sendall(data)
    return Server(handle)


class Proxy(Server):
    """A proxy of our own. names: host names that it alone knows. scheme: None, "basic", or an algorithm of Digest."""

    def __init__(self, scheme=None, certificate=None, names=(), piece=None, uses_per_nonce=1000, forgets=False, address=ADDRESS):
        self.scheme, self.names, self.piece, self.uses = scheme, dict(names), piece, uses_per_nonce
        self.forgets = forgets  # each nonce with its success, and says so as if the password were wrong
        self.requests = []
        self.nonces = {}
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        super().__init__(address=address)

    def send(self, connection, text):
        octets = text.encode()
        for at in range(0, len(octets), self.piece or len(octets)):
            connection.sendall(octets[at:at + (self.piece or len(octets))])
            if self.piece:
                time.sleep(0.0005)

    def challenge(self, stale):
        if self.scheme == "basic":
            return 'Proxy-Authenticate: Basic realm="own"\r\n'
        nonce = secrets.token_hex(8)
        self.nonces[nonce] = set()
        return (f'Proxy-Authenticate: Digest realm="own \\"proxy\\"", nonce="{nonce}", algorithm=MD5-unknown, qop="auth"\r\n'
                f'Proxy-Authenticate: Digest realm="own \\"proxy\\"", nonce="{nonce}", qop="auth-int, auth",\r\n'
                f' algorithm={self.scheme}, opaque="x\\\\y"{", stale=true" if stale else ""}\r\n')

    def judge(self, head):
        """(admitted, stale)"""
        line = re.search(r"^Proxy-Authorization: Digest (.*?)\r$", head, re.MULTILINE)
        if not line:
            return False, False
        said = {k: re.sub(r"\\(.)", r"\1", a) or b
                for k, a, b in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^ ,]*))', line[1])}
        algorithm = hashlib.sha256 if "256" in self.scheme else hashlib.md5

        def h(*parts):
            return algorithm(":".join(parts).encode()).hexdigest()
        secret = h(USER, 'own "proxy"', PASSWORD)
        if self.scheme.endswith("-sess"):
            secret = h(secret, said["nonce"], said["cnonce"])
        expected = h(secret, said["nonce"], said["nc"], said["cnonce"], "auth", h("CONNECT", said["uri"]))
        assert said["uri"] == head.split()[1] and said["opaque"] == "x\\y" and said["qop"] == "auth", said
        used = self.nonces.get(said["nonce"])
        is_right = said["username"] == USER and said["response"] == expected
        if used is None and self.forgets:
            return False, False
        if used is None or said["nc"] in used or len(used) >= self.uses:
            return False, is_right
        used.add(said["nc"])
        if self.forgets and is_right:
            del self.nonces[said["nonce"]]
        return is_right, False

    def handle(self, connection):
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            stale = False
            while head := self.read_head(connection):
                self.requests.append(head)
                if not self.scheme:
                    break
                if self.scheme == "basic":
                    admitted = "\r\nProxy-Authorization: Basic " in head
                else:
                    admitted, stale = self.judge(head)
                if admitted:
                    break
                self.send(connection, f"HTTP/1.1 407 Who\r\n{self.challenge(stale)}Transfer-Encoding: chunked\r\n\r\n4;x\r\nwho?\r\n0\r\n\r\n")
            if head:
                self.carry(connection, head)

    @staticmethod
    def read_head(connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            octet = connection.recv(1)
            if not octet:
                return ""
            head += octet
        return head.decode()

    def carry(self, connection, head):
        host, _, port = head.split()[1].rpartition(":")
        host = host.strip("[]")
        far = socket.create_connection((self.names.get(host, host), int(port)), 5)
        self.send(connection, "HTTP/1.1 200 Fine\r\n\r\n")
        with far:
            while True:
                ready, _, _ = select.select([connection, far], [], [], 10)
                for end in ready:
                    data = end.recv(4096)
                    if not data:
                        return
                    (far if end is connection else connection).sendall(data)


class Realm:
    """A key distribution centre for one realm. `ticket` is the environment of one who ran kinit, `none` of one who did not."""

    def __init__(self, directory, host):
        self.directory = pathlib.Path(directory, "realm")
        self.directory.mkdir()
        self.port = free_port("127.0.0.1")
        (self.directory / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n"
            f" dns_canonicalize_hostname = false\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n", encoding="ascii")
        (self.directory / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {self.directory}/db\n  key_stash_file = {self.directory}/stash\n"
            f"  acl_file = {self.directory}/acl\n }}\n", encoding="ascii")
        self.none = {"KRB5_CONFIG": str(self.directory / "krb5.conf"), "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
                     "KRB5CCNAME": f"FILE:{self.directory}/none", "KRB5RCACHEDIR": str(self.directory)}
        self.ticket = {**self.none, "KRB5CCNAME": f"FILE:{self.directory}/cache"}
        environment = {**os.environ, **self.ticket, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        run(["kdb5_util", "create", "-s", "-r", REALM, "-P", secrets.token_hex(8)], env=environment)
        self.keytab = self.directory / "keytab"
        for query in (f"addprinc -pw {PASSWORD} {USER}", f"addprinc -randkey HTTP/{host}",
                      f"ktadd -k {self.keytab} HTTP/{host}"):
            run(["kadmin.local", "-r", REALM, "-q", query], env=environment)
        self.service = f"HTTP/{host}@{REALM}"
        self._kdc = Process(["/usr/sbin/krb5kdc", "-n", "-r", REALM], environment=self.none)
        wait_until(lambda: accepts("127.0.0.1", self.port), 10, "the KDC")
        run(["kinit", USER], env=environment, input=PASSWORD + "\n")

    def stop(self):
        self._kdc.kill()


SQUID = """\
http_port 127.0.0.1:{port}
visible_hostname proxy.test
hosts_file {directory}/hosts
dns_nameservers 127.0.0.1
auth_param negotiate program /usr/bin/env KRB5_CONFIG={krb5} KRB5RCACHEDIR={directory} /usr/lib/squid/negotiate_kerberos_auth -k {keytab} -s {service}
auth_param negotiate children 2 startup=1 idle=1
auth_param digest program /usr/lib/squid/digest_file_auth -c {directory}/digest
auth_param digest realm squid
auth_param digest children 2 startup=1 idle=1
auth_param ntlm program /usr/lib/squid/ntlm_fake_auth
auth_param ntlm children 2 startup=1 idle=1
auth_param basic program /usr/lib/squid/basic_ncsa_auth {directory}/basic
auth_param basic realm squid
auth_param basic children 2 startup=1 idle=1
acl known proxy_auth REQUIRED
acl forbidden port 1
http_access deny forbidden
http_access allow known
http_access deny all
cache deny all
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
forward_max_tries 1
cache_effective_user proxy
pid_filename {directory}/pid
coredump_dir {directory}
cache_log {directory}/cache.log
logformat short %rm %ru %>Hs %un %{{Proxy-Authorization}}>h
access_log stdio:{directory}/access.log short
"""


class Squid:
    """squid that offers Negotiate, Digest, NTLM and Basic, on localhost, and knows the name target.test."""

    def __init__(self, directory, realm):
        self.directory = pathlib.Path(directory, "squid")
        self.directory.mkdir()
        self.port = free_port("127.0.0.1")
        self.name = f"tepkitproxies{os.getpid()}"
        hashed = run(["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD + "\n")
        secret = hashlib.md5(f"{USER}:squid:{PASSWORD}".encode()).hexdigest()
        shutil.copy(realm.keytab, self.directory / "keytab")
        for name, text in (("hosts", f"{ADDRESS} target.test\n"), ("basic", f"{USER}:{hashed}"),
                           ("digest", f"{USER}:squid:{secret}\n"),
                           ("squid.conf", SQUID.format(port=self.port, directory=self.directory, service=realm.service,
                                                       krb5=realm.none["KRB5_CONFIG"], keytab=self.directory / "keytab"))):
            (self.directory / name).write_text(text, encoding="ascii")
        for path in (self.directory, *self.directory.iterdir()):
            shutil.chown(path, "proxy", "proxy")
        self._process = Process(["squid", "-n", self.name, "-N", "-f", self.directory / "squid.conf"])
        wait_until(lambda: accepts("127.0.0.1", self.port), 20, "squid")

    def forget(self):
        """What was asked until now."""
        os.truncate(self.directory / "access.log", 0)

    def lines(self, n):
        """[method, place, status, user, header] of each request since; n are waited for, since tunnels are logged at their end."""
        def read():
            text = (self.directory / "access.log").read_text(encoding="utf-8")
            found = [urllib.parse.unquote(line).split(None, 4) for line in text.splitlines() if not line.startswith("-")]
            return found if len(found) >= n else None
        return wait_until(read, 10, f"{n} lines of squid's log")

    def stop(self):
        self._process.kill()
        for path in pathlib.Path("/dev/shm").glob(self.name + "-*"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def tinyproxy(directory):
    """tinyproxy with Basic."""
    port = free_port()
    path = pathlib.Path(directory, "tinyproxy.conf")
    path.write_text(f"Port {port}\nListen {ADDRESS}\nTimeout 60\nMaxClients 20\nBasicAuth {USER} {PASSWORD}\n", encoding="ascii")
    with Process(["tinyproxy", "-d", "-c", path]):
        wait_until(lambda: accepts(ADDRESS, port), 10, "tinyproxy")
        yield port

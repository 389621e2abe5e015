#!/usr/bin/python3
"""turn-connect as people and scripts use it: each cause of failure provoked, and told as the manual says."""
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from lab import Lab  # noqa: E402
from process import Process, program  # noqa: E402
from tap import Late, run, test  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
PROGRAM = program("turn-connect")
COMMANDS = re.findall(r"^  ([a-z]+)  ", subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout, re.M)
CANARY = "hush-hush-hush"
LIMIT_S = 30


def page():
    return (SOURCE / "tools/man/turn-connect.1").read_text(encoding="utf-8").replace("\\-", "-")


def plain(text):
    """Text of a manual without its markup."""
    return " ".join(re.sub(r"\\f.|\\&", "", re.sub(r"^\.\w+ ?", "", text, flags=re.M)).split())


def causes():
    """{kind: (exit status, advice)} of the manual's table."""
    text = page()
    table = text[text.index(".SH CAUSES"):text.index('.\\" table ends')]
    rows = re.findall(r"^\.TP\n\.BR? ([a-z-]+).*?\n((?:(?!\.TP).*\n)*)", table, re.M)
    found = {}
    for kind, body in rows:
        words = re.match(r"Status (\d+)\. (.*)", plain(body))
        assert words, (kind, body)
        found[kind] = (int(words[1]), words[2].partition(" To do: ")[2])
    return found


# A network to fail in


class Place:
    """A device and a core, certificates, and what listens in the core."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.path = pathlib.Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tepkit-causes-")))
        self.lab = self._stack.enter_context(Lab.up("open"))
        self.core = self.lab["CORE_ADDR"]
        self.port = 1000
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def authority(self, name):
        """Makes an issuer; its certificate's path."""
        certificate = self.path / f"{name}.pem"
        if not certificate.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", self.path / f"{name}.key", "-out", certificate, "-days", "1",
                            "-subj", f"/CN={name}"], check=True, capture_output=True)
        return certificate

    def identity(self, issuer="issuer", name="core.lab", dates=(), usage="serverAuth"):
        """A TLS server's context, with a certificate of the issuer's; None: of its own."""
        leaf = self.path / f"leaf-{self.port}.pem"
        key = leaf.with_suffix(".key")
        extensions = self.path / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage={usage}\n", encoding="ascii")
        request = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                   "-subj", f"/CN={name}"]
        if issuer is None:
            subprocess.run([*request, "-x509", "-days", "1", "-out", leaf], check=True, capture_output=True)
        else:
            authority = self.authority(issuer)
            subprocess.run([*request, "-out", leaf.with_suffix(".csr")], check=True, capture_output=True)
            (self.path / "index").write_text("", encoding="ascii")
            (self.path / "ca.cnf").write_text(
                f"[ca]\ndefault_ca=it\n[it]\ndatabase={self.path}/index\nnew_certs_dir={self.path}\nrand_serial=yes\n"
                "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n", encoding="ascii")
            subprocess.run(["openssl", "ca", "-batch", "-config", self.path / "ca.cnf", "-cert", authority,
                            "-keyfile", authority.with_suffix(".key"), "-in", leaf.with_suffix(".csr"), "-out", leaf,
                            "-notext", "-extfile", extensions, *(dates or ("-days", "1"))],
                           check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, key)
        return context

    def listen(self, answer, address=None, host="core"):
        """Has every connection answered by a function; the port."""
        self.port += 1
        listener = self.lab.socket(host)
        listener.bind((address or self.core, self.port))
        listener.listen()

        def serve(connection):
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                connection.settimeout(LIMIT_S)
                answer(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        def end():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

        threading.Thread(target=accept, daemon=True).start()
        self._stack.callback(end)
        return self.port

    def tls(self, **identity):
        """A TLS server; its port."""
        context = self.identity(**identity)

        def answer(connection):
            with context.wrap_socket(connection, server_side=True) as inner:
                inner.recv(1)
        return self.listen(answer)

    def proxy(self, status, *headers, then=None):
        """A proxy that answers every CONNECT alike; its URL."""
        def answer(connection):
            while connection.recv(65536):
                text = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers))
                connection.sendall(f"{text}\r\n".encode() if then else f"{text}Content-Length: 0\r\n\r\n".encode())
                if then:
                    then(connection)
        return f"http://{self.core}:{self.listen(answer)}"

    def secret(self, name, text):
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="ascii")
        return path

    def name_service(self, code):
        """Answers the device's questions for names with a code of RFC 1035."""
        service = self.lab.socket("device", kind=socket.SOCK_DGRAM)
        service.bind(("127.0.0.1", 53))

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    question, client = service.recvfrom(512)
                    service.sendto(question[:2] + bytes([0x81, 0x80 | code]) + question[4:6] + bytes(6) + question[12:], client)
        threading.Thread(target=answer, daemon=True).start()
        self._stack.callback(service.close)


# Each cause: what the manual calls it, what is said of it, and what brings it about: the options besides --to, and --to


def hang(connection):
    connection.recv(65536)
    connection.recv(65536)


def no_such_name(place):
    place.name_service(3)
    return "nowhere.example:443", []


def no_name_service(place):
    place.name_service(2)
    return "nowhere.example:443", []


def nobody_listens(place):
    return f"{place.core}:7", []


def no_route(place):
    place.lab.run("device", ["ip", "route", "add", "unreachable", "198.18.0.0/15"], check=True)
    return "198.18.0.1:443", []


def dropped(place):
    place.lab.run("firewall", ["nft", "add table inet more; add chain inet more forward "
                               "{ type filter hook forward priority -10; }; add rule inet more forward tcp dport 444 drop"],
                  check=True)
    return f"{place.core}:444", ["--timeout", "2"]


def silent_tls(place):
    return f"{place.core}:{place.listen(hang)}", ["--timeout", "2"]


def hung_up(place):
    return f"{place.core}:{place.listen(lambda connection: connection.recv(65536))}", []


def not_tls(place):
    return f"{place.core}:{place.listen(lambda c: c.sendall(b'HTTP/1.0 400 Bad Request' + b'.' * 20) or hang(c))}", []


def by_proxy(status, *headers, credentials=False, then=None):
    def setting(place):
        more = ["--proxy-credentials", place.secret("proxy.secret", f"bob:{CANARY}")] if credentials else []
        return "core.lab:443", ["--proxy", place.proxy(status, *headers, then=then), *more]
    return setting


def no_proxy(place):
    return "core.lab:443", ["--proxy", f"http://{place.core}:9"]


def silent_proxy(place):
    return "core.lab:443", ["--timeout", "2", "--proxy", f"http://{place.core}:{place.listen(hang)}"]


def not_a_proxy(place):
    return "core.lab:443", ["--proxy", f"http://{place.core}:{place.listen(lambda c: c.recv(9) and c.sendall(b'220 mail.example ESMTP' + bytes([13, 10])) or hang(c))}"]


def by_tls(*more, trusts="issuer", **identity):
    def setting(place):
        port = place.tls(**identity)
        return f"core.lab:{port}", ["--ca", place.authority(trusts), *more]
    return setting


def inspecting_proxy(place):
    context = place.identity(issuer="Example Inspection CA")

    def opens(connection):
        with context.wrap_socket(connection, server_side=True) as inner:
            inner.recv(1)
    url = place.proxy("200 Connection established", then=opens)
    return "core.lab:443", ["--proxy", url, "--ca", place.authority("issuer")]


BASIC = 'Proxy-Authenticate: Basic realm="x"'
PAST = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
COMING = ("-startdate", "21200101000000Z", "-enddate", "21200201000000Z")
ROWS = {
    "a name that does not exist": ("name-not-found", r"nowhere\.example", no_such_name),
    "a name service that fails": ("name-failed", r"nowhere\.example", no_name_service),
    "a port where nobody listens": ("refused", r"192\.0\.2\.10:7 Connection refused", nobody_listens),
    "a network without a way": ("unreachable", r"198\.18\.0\.1", no_route),
    "a firewall that drops": ("timed-out", r"^192\.0\.2\.10 could not be reached within 2\.\d s: 192\.0\.2\.10:444 did not answer", dropped),
    "a server silent in TLS": ("timed-out", r"^the server 192\.0\.2\.10:\d+ did not finish the TLS handshake within 2\.\d s", silent_tls),
    "a server that hangs up": ("closed", r"^the server .* ended the connection in the TLS handshake", hung_up),
    "a server without TLS": ("tls-failed", r"^the server .* does not speak TLS on this port", not_tls),
    "a proxy that is not there": ("refused", r"^the proxy.*192\.0\.2\.10:9 Connection refused", no_proxy),
    "a proxy that is silent": ("timed-out", r"^the proxy http://192\.0\.2\.10:\d+ did not finish CONNECT within 2\.\d s", silent_proxy),
    "a proxy that wants a password": ("proxy-credentials-needed", r"^the proxy http://\S+ wants", by_proxy("407 Who", BASIC)),
    "a proxy that wants another password":
        ("proxy-credentials-wrong", r"^the proxy http://\S+ .*", by_proxy("407 Who", BASIC, credentials=True)),
    "a proxy that wants what is not known here":
        ("proxy-scheme", r"^the proxy http://\S+ .*hoba; allowed and supported here: ", by_proxy("407 Who", "Proxy-Authenticate: Hoba max-age=1", credentials=True)),
    "a proxy that wants Negotiate, without a ticket":
        ("proxy-credentials-needed", r"^the proxy http://\S+ .*Negotiate", by_proxy("407 Who", "Proxy-Authenticate: Negotiate")),
    "a proxy that forbids": ("proxy-forbidden", r"^the proxy http://\S+ does not allow .*403", by_proxy("403 Forbidden")),
    "a proxy that cannot reach the server": ("proxy-upstream", r"^the proxy http://\S+ could not reach core\.lab:443 \(502", by_proxy("502 Bad Gateway")),
    "something that is no proxy": ("proxy-protocol", r"^the proxy http://\S+ ", not_a_proxy),
    "a certificate for another name": ("tls-name", r"for other\.example, not for core\.lab", by_tls(name="other.example")),
    "a certificate that has expired": ("tls-expired", r"expired on 2020-02-01", by_tls(dates=PAST)),
    "a certificate before its time": ("tls-expired", r"valid only from 2120-01-01", by_tls(dates=COMING)),
    "a self-signed certificate": ("tls-untrusted", r"self-signed", by_tls(issuer=None)),
    "a certificate that is for clients": ("tls-certificate", r"^the server core\.lab:\d+ has a certificate that fails a check", by_tls(usage="clientAuth")),
    "another key than the pinned one": ("tls-pin", r"issued by CN = issuer: an inspecting proxy\?", by_tls("--pin", "0" * 64)),
    "a proxy that opens TLS":
        ("tls-untrusted", r"issued by CN = Example Inspection CA, which nobody here trusts: an inspecting proxy\?", inspecting_proxy),
}


def as_said(pattern, cause):
    """A time limit that this machine, busy with other work, noticed late is tried again."""
    if not re.search(pattern, cause) and re.search(pattern.replace(r"2\.\d s", r"\d+\.\d s"), cause):
        raise Late(cause)
    assert re.search(pattern, cause), cause


def provoke(kind, pattern, setting):
    with Place() as place:
        to, options = setting(place)
        status, advice = causes()[kind]
        for command in (["forward", "--try", "--to", to], ["helper", "--try", "--server", f"turns:{to}"]):
            ended = place.lab.run("device", [PROGRAM, *command, "--json", *options], timeout=LIMIT_S)
            assert ended.stdout and not ended.stderr, ended
            told = json.loads(ended.stdout.splitlines()[-1])
            assert (told["kind"], told["advice"], ended.returncode) == (kind, advice, status), (told, advice, ended.returncode)
            as_said(pattern, told["cause"])
            assert told["step"] in ("resolve", "connect", "proxy", "tls"), told
            assert CANARY not in ended.stdout
        ended = place.lab.run("device", [PROGRAM, "forward", "--try", "--to", to, *options], timeout=LIMIT_S)
        # The verdict first, then what to do, then the words for scripts.
        said = [line.removeprefix("turn-connect forward: ") for line in ended.stderr.splitlines()]
        as_said(pattern, said[0])
        assert said[1:] == [f"  what to do: {advice}", f"  cause {kind}, step {told['step']}"], said
        assert ended.stdout == "" and ended.returncode == status, ended


for name, row in ROWS.items():
    test(f"turn-connect: {name} is told as {row[0]}")(lambda row=row: provoke(*row))


# What TURN servers say to "check"

COOKIE = bytes.fromhex("2112a442")
USER, PASSWORD, REALM = "carol", "swordfish", "turn.example"
USERNAME, INTEGRITY = 0x0006, 0x0008


def attribute(kind, value):
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def error_code(code, words):
    return attribute(0x0009, bytes([0, 0, code // 100, code % 100]) + words.encode())


def message(kind, transaction, *attributes, key=None):
    """A STUN message; signed if there is a key."""
    body = b"".join(attributes)
    if key:
        head = kind.to_bytes(2, "big") + (len(body) + 24).to_bytes(2, "big") + COOKIE + transaction
        body += attribute(INTEGRITY, hmac.digest(key, head + body, "sha1"))
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + COOKIE + transaction + body


def turn_server(code, words, is_signed):
    """Answers a login with an error."""
    key = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).digest()
    challenge = error_code(401, "Unauthorized"), attribute(0x0014, REALM.encode()), attribute(0x0015, b"nonce")

    def receive(inner, length):
        data = b""
        while len(data) < length:
            if not (more := inner.recv(length - len(data))):
                raise OSError("the client has gone")
            data += more
        return data

    def answer(inner):
        while True:
            head = receive(inner, 20)
            body = receive(inner, int.from_bytes(head[2:4], "big"))
            kind, transaction = int.from_bytes(head[:2], "big"), head[8:20]
            if kind == 0x0001:
                inner.sendall(message(0x0101, transaction, attribute(0x0020, bytes([0, 1, 0, 0]) + bytes(4))))
            elif kind == 0x0003 and USER.encode() not in body:
                inner.sendall(message(0x0113, transaction, *challenge))
            elif kind == 0x0003:
                extra = (error_code(code, words),) if is_signed else challenge
                inner.sendall(message(0x0113, transaction, *extra, key=key if is_signed else None))
    return answer


TURN_ROWS = {
    "a wrong password": ("turn-unauthorized", r"401", 401, "Unauthorized", False),
    "a quota that is used up": ("turn-quota", r"486", 486, "Allocation Quota Reached", True),
    "a user without the right": ("turn-forbidden", r"403", 403, "Forbidden", True),
    "a server that is full": ("turn-capacity", r"508", 508, "Insufficient Capacity", True),
}


def refused_by_turn(kind, pattern, *behaviour):
    with Place() as place:
        context = place.identity()
        serve = turn_server(*behaviour)

        def answer(connection):
            with context.wrap_socket(connection, server_side=True) as inner:
                serve(inner)
        uri = f"turns:core.lab:{place.listen(answer)}?transport=tcp"
        status, advice = causes()[kind]
        ended = place.lab.run("device", [PROGRAM, "check", "--json", "--ca", place.authority("issuer"), "--credentials",
                                         place.secret("turn.secret", f"{USER}:{PASSWORD}"), uri], timeout=LIMIT_S)
        told = json.loads(ended.stdout)
        assert (told["kind"], told["advice"], ended.returncode) == (kind, advice, status), (ended.stdout, ended.returncode)
        assert re.search(pattern, told["cause"]) and "core.lab" in told["cause"], told
        assert PASSWORD not in ended.stdout + ended.stderr


for name, row in TURN_ROWS.items():
    test(f"turn-connect: {name} is told as {row[0]}")(lambda row=row: refused_by_turn(*row))


# The command line and the manual


def run_it(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)


@test("turn-connect: the manual's table has every cause of the program, with its status and its advice")
def table():
    source = (SOURCE / "tools/causes.c").read_text(encoding="utf-8")
    source = source[source.index("causes[] = {"):source.index("static const Cause unknown")]
    numbers = dict(re.findall(r"CLI_EXIT_(\w+) = (\d+)", (SOURCE / "tools/cli.h").read_text(encoding="utf-8")))
    rows = re.findall(r'"([a-z-]+)",\s*CLI_EXIT_(\w+),\s*((?:"[^"]*"\s*)+)', source)
    known = {kind: (int(numbers[status]), "".join(re.findall(r'"([^"]*)"', advice))) for kind, status, advice in rows}
    assert len(known) > 20 and known == causes(), set(known.items()) ^ set(causes().items())
    header = (SOURCE / "turn-connect/error.h").read_text(encoding="utf-8")
    codes = set(re.findall(r"^  TURN_CONNECT_ERROR_(\w+),", header, re.M))
    assert codes and codes == set(re.findall(r"{ TURN_CONNECT_ERROR_(\w+),", source)), codes
    provoked = {row[0] for row in [*ROWS.values(), *TURN_ROWS.values()]}
    assert provoked <= set(known), provoked - set(known)


@test("turn-connect: every option of every command is in the manual, and nothing else")
def options():
    text = page()
    assert set(COMMANDS) >= {"helper", "forward"}, COMMANDS
    for command in COMMANDS:
        told = set(re.findall(r"--([a-z-]+)", re.sub(r"Example:[\s\S]*", "", run_it(command, "--help").stdout))) - {"help-all"}
        here = text[text.index(f'.SS "{command}"'):]
        here = here[:re.search(r"^\.S[SH] ", here[4:], re.M).start() + 4]
        shared = text[text.index('.SS "all commands"'):]
        shared = shared[:re.search(r"^\.S[SH] ", shared[4:], re.M).start() + 4]
        described = set(re.findall(r"^\.BR? .*?--([a-z-]+)", here + shared, re.M))
        assert told == described, (command, told - described, described - told)


@test("turn-connect: --help and --version of the program and of each command end with 0")
def help_and_version():
    for command in ([], *([c] for c in COMMANDS)):
        for option, says in (("--help", r"^Usage:"), ("--version", r"^turn-connect( \w+)? \(tepkit\) \d")):
            ended = run_it(*command, option)
            assert ended.returncode == 0 and re.search(says, ended.stdout) and not ended.stderr, ended


WRONG = (
    [], ["frobnicate"], ["forward"], ["forward", "now", "--listen", "127.0.0.1:0", "--to", "a"],
    ["forward", "--listen", "127.0.0.1:0"], ["forward", "--listen", "127.0.0.1", "--to", "a"],
    ["forward", "--listen", "localhost:0", "--to", "a"], ["forward", "--listen", "0.0.0.0:0", "--to", "a"],
    ["forward", "--listen", "[::]:0", "--to", "a"], ["forward", "--listen", "127.0.0.1:0", "--to", "a:99999"],
    ["forward", "--listen", "127.0.0.1:0", "--to", "a b"], ["forward", "--listen", "127.0.0.1:0", "--to", "a", "--way", "b:1"],
    ["forward", "--listen", "127.0.0.1:0", "--to", "a", "--way", "n=udp:b:1"],
    ["forward", "--listen", "127.0.0.1:0", "--to", "a", *["--way", "n=tcp:b:1"] * 8],
    ["forward", "--try", "--to", "a", "--proxy", "gopher://p"], ["forward", "--try", "--to", "a", "--pin", "abc"],
    ["forward", "--try", "--to", "a", "--pin-only"], ["forward", "--try", "--to", "a", "--timeout", "601"],
    ["forward", "--try", "--to", "a", "--header", "Host: b"], ["forward", "--try", "--to", "a", "--proxy-credentials", "/f"],
    ["helper", "--listen", "127.0.0.1:0"], ["helper", "--try", "--server", "turn:a"], ["helper", "--try", "--server", "stuns:a"],
    ["helper", "--try", "--server", "turns:a?transport=udp"], ["helper", "--listen", "0.0.0.0:0", "--server", "turns:a"],
    ["helper", "--listen", "127.0.0.1:0", "--server", "turns:a", "--server", "turns:b"],
    ["helper", "--try", "--server", "turns:a", "--allow-user", "nobody-of-that-name"],
    ["helper", "--try", "--server", "turns:a", "--turn-credentials", "/a", "--turn-secret", "/a"],
    ["helper", "--try", "--server", "turns:a", "--turn-credentials", "/a", "--turn-credentials", "/b"],
    ["forward", "--listen", "127.0.0.1:0", "--to", "a", "--allow-user", "nobody-of-that-name"],
)


@test("turn-connect: a wrong command line ends with 64 and a hint")
def wrong_command_line():
    for arguments in WRONG:
        ended = run_it(*arguments)
        assert ended.returncode == 64 and re.search(r"^Try: turn-connect.* --help$", ended.stderr, re.M), (arguments, ended)
        assert ended.stdout == "", (arguments, ended)


@test("turn-connect: a file that cannot be used ends with 78 and is named")
def wrong_files():
    with tempfile.TemporaryDirectory() as folder:
        open_to_all, empty = pathlib.Path(folder, "secret"), pathlib.Path(folder, "empty")
        open_to_all.write_text(f"bob:{CANARY}\n", encoding="ascii")
        open_to_all.chmod(0o644)
        empty.touch(mode=0o600)
        for more, name in ((["--proxy", "http://p", "--proxy-credentials", open_to_all], open_to_all),
                           (["--proxy", "http://p", "--proxy-credentials", empty], empty),
                           (["--ca", empty], empty), (["--ca", "/nonexistent"], "/nonexistent"),
                           (["--proxy", "https://p", "--proxy-ca", empty], empty), (["--cert", empty], empty)):
            for command in (["forward", "--try", "--to", "a"], ["helper", "--try", "--server", "turns:a"]):
                ended = run_it(*command, *more)
                assert ended.returncode == 78 and str(name) in ended.stderr and CANARY not in ended.stderr, ended
        for option in ("--turn-credentials", "--turn-secret"):
            ended = run_it("helper", "--try", "--server", "turns:a", option, open_to_all)
            assert ended.returncode == 78 and str(open_to_all) in ended.stderr and CANARY not in ended.stderr, ended


def logging_in(folder, option, *more):
    """A helper that logs in itself, and the file by which it does."""
    path = pathlib.Path(folder, "turn.secret")
    path.touch(mode=0o600)
    path.write_text(f"bob:{CANARY}\n", encoding="ascii")
    return path, Process([PROGRAM, "helper", "--json", "--listen", "127.0.0.1:0", "--server", "turns:127.0.0.1:9", option, path, *more],
                         name="turn-connect")


@test("turn-connect: a helper that logs in itself has a password for its clients, and reads its own again when the file changes")
def logs_in():
    with tempfile.TemporaryDirectory() as folder:
        path, process = logging_in(folder, "--turn-credentials")
        with process:
            ready = json.loads(process.wait_for('.*"listening".*')[0])
            assert len(ready["user"]) == 32 and len(ready["password"]) == 32 and ready["user"] != ready["password"], ready
            path.write_text(f"carol:{CANARY}\n", encoding="ascii")
            process.wait_for('"credentials-renewed".*"server":"turns:127.0.0.1:9"')
            fresh = path.with_name("fresh")
            fresh.touch(mode=0o600)
            fresh.write_text("carol\n", encoding="ascii")
            fresh.rename(path)
            process.wait_for('"credentials-kept".*"cause":"[^"]*user:password')
            assert CANARY not in process.output + process.errors, process.output
        local = pathlib.Path(folder, "local.secret")
        local.touch(mode=0o600)
        local.write_text("local:only-here\n", encoding="ascii")
        _, process = logging_in(folder, "--turn-secret", "--credentials", local)
        with process:
            ready = json.loads(process.wait_for('.*"listening".*')[0])
            assert ready["user"] == "local" and "password" not in ready, ready


@test("turn-connect: a port that is taken ends with 71")
def port_taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = "127.0.0.1:%d" % listener.getsockname()[1]
        for command in (["forward", "--listen", where, "--to", "a"], ["helper", "--listen", where, "--server", "turns:a"]):
            ended = run_it(*command)
            assert ended.returncode == 71 and where in ended.stderr, ended


@test("turn-connect: signals end it in order, with clients connected")
def signals():
    for command in (["forward", "--json", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9"],
                    ["helper", "--json", "--listen", "127.0.0.1:0", "--server", "turns:127.0.0.1:9"]):
        for number in (1, 2, 15):
            with Process([PROGRAM, *command], name="turn-connect") as process:
                port = int(process.wait_for(r'"listening".*"address":"127\.0\.0\.1:(\d+)"')[1])
                with socket.create_connection(("127.0.0.1", port)):
                    process.signal(number)
                    assert process.wait(5) == 0 and not process.errors, (command, process.errors)


@test("turn-connect: forward lets in nobody but its own user and those who are allowed")
def other_users():
    visit = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'hello'); print(s.recv(9))"
    with socket.create_server(("127.0.0.1", 0)) as server:
        to = "127.0.0.1:%d" % server.getsockname()[1]
        for more, lets_in in (([], False), (["--allow-user", "nobody"], True), (["--allow-others"], True)):
            with Process([PROGRAM, "forward", "--json", "--listen", "127.0.0.1:0", "--to", to, *more], name="turn-connect") as process:
                port = process.wait_for(r'"address":"127\.0\.0\.1:(\d+)"')[1]
                with subprocess.Popen([sys.executable, "-c", visit, port], user="nobody", stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) as visitor:
                    process.wait_for('"event":"accepted"' if lets_in else '"event":"client-refused".*belongs to user')
                    visitor.terminate()


@test("turn-connect: a reader that goes away ends nothing; the end says that the result was lost")
def reader_gone():
    with subprocess.Popen([PROGRAM, "forward", "--json", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
        process.stdout.close()
        with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(ConnectionResetError):
            client.sendall(b"hello\n")
            assert client.recv(1) == b""
        process.terminate()
        assert process.wait(5) == 1 and "could not be written" in process.stderr.read()


@test("turn-connect: no password appears in what it says, in its arguments or its environment")
def no_secrets():
    with Place() as place:
        url = place.proxy("407 Who", BASIC)
        command = [PROGRAM, "forward", "--listen", "127.0.0.1:5060", "--to", "core.lab", "--proxy", url,
                   "--proxy-credentials", place.secret("proxy.secret", f"bob:{CANARY}")]
        with Process(command, place.lab, "device", name="turn-connect") as process:
            process.wait_for("ready")
            about = pathlib.Path("/proc", str(process.pid))
            assert CANARY not in (about / "cmdline").read_text() + (about / "environ").read_text()
            with place.lab.socket("device") as client, contextlib.suppress(ConnectionResetError):
                client.settimeout(LIMIT_S)
                client.connect(("127.0.0.1", 5060))
                client.sendall(b"not SIP\n")
                assert client.recv(1) == b""
            process.wait_for("cause proxy-credentials-wrong")
            assert CANARY not in process.output + process.errors


run(at_once=3)

#!/usr/bin/python3
"""The rules of the tree that show on a line of text: includes, doors, format, and words that must not occur."""
import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from tap import run, test  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("TEPKIT_SOURCE") or pathlib.Path(__file__).parent.parent.parent)

# Each folder and those it may include besides itself.
MAY_INCLUDE = {
    "stun-ext": set(),
    "turn-connect": {"stun-ext"},
    "tep-c": {"stun-ext", "turn-connect"},
    "tep-s": {"stun-ext", "turn-connect"},
    "tools": {"stun-ext", "turn-connect", "tep-c", "tep-s"},
}
LIBRARIES = [folder for folder in MAY_INCLUDE if folder != "tools"]

# A foreign library is known by its headers; one file of a folder may include them.
FOREIGN = {
    "OpenSSL": r"openssl/",
    "libnice": r"nice/|agent\.h|stun/",
    "libpcap": r"pcap",
    "libcurl": r"curl/",
    "GSSAPI": r"gssapi",
    "c-ares": r"ares",
    "json-glib": r"json-glib/",
    "libsystemd": r"systemd/",
    "libproxy": r"proxy\.h|pacparser",
    "hiredis": r"hiredis",
}

# stun-ext gets octets and the time from its caller.
OUTSIDE_WORLD = {
    "a socket": r"sys/epoll\.h|poll\.h|sys/un\.h|gio/|\b(socket|connect|sendto|recvfrom|sendmsg|recvmsg) \(",
    "a clock": r"g_get_(monotonic|real)_time|g_date_time_new_now|clock_gettime|gettimeofday|\btime \(NULL",
    "a thread": r"pthread\.h|threads\.h|g_thread_|g_mutex_|\bGMutex\b",
    "randomness": r"RAND_bytes|getrandom|g_random_|g_rand_|sys/random\.h",
}

# What could reach another machine by a way of its own, and the only files that do so, with the reason.
REACHES_OUT = re.compile(
    r"\b(socket|connect|sendto|sendmmsg|getaddrinfo|SSL_new|nice_agent_new\w*|g_socket_(new|connect|send_(to|messages?))"
    r"|g_socket_client_\w+|g_socket_connection_connect\w*|g_tls_client_connection_new|g_resolver_lookup\w*|ares_init\w*"
    r"|gethostbyname\w*|curl_easy_init|pcap_(inject|sendpacket)) \(")
MAY_REACH_OUT = {
    "tep-c/capture-direct.c": "media without a tunnel, from and to one far side, where UDP was found to pass",
    "turn-connect/detect/asker.c": "asks many servers from one socket, and hears who else answers",
    "turn-connect/detect/gateway-probe.c": "asks the router of this network, which is not dialled",
    "turn-connect/detect/lifetime-probe.c": "sockets that say nothing for minutes, and are answered by way of another",
    "turn-connect/detect/mtu-probe.c": "packets that may not be fragmented, and what ICMP says of them",
    "turn-connect/detect/method-direct.c": "one server, from an interface that is named",
    "turn-connect/detect/idle-probe.c": "connections that nothing keeps alive, from an interface that is named",
    "turn-connect/detect/port-probe.c": "several connections to one port at once, from an interface that is named",
    "turn-connect/detect/flight.c": "the first octets and how the connection ends are what is looked at",
    "turn-connect/detect/run.c": "makes the sockets of all probes, for the interface that is named",
    "tools/tep-detect-pcap.c": "whose address the name of the run's proxy has, to tell its packets from others",
    # The way out itself: all others take dial.h or datagram.h.
    "turn-connect/reach-tcp.c": "TCP of each dial",
    "turn-connect/datagram.c": "UDP and DTLS of each dial",
    "turn-connect/tls.c": "TLS of each dial",
    "turn-connect/lookup.c": "addresses of each dial",
    "turn-connect/turn/dns.c": "SRV and NAPTR of a TURN URI, by the system's name servers",
    # What listens here, or asks the kernel.
    "turn-connect/local/bridge.c": "listens",
    "turn-connect/local/forward.c": "listens",
    "turn-connect/nat64.c": "whether the kernel knows a way to an address; nothing is sent",
    "turn-connect/network-watch.c": "netlink",
    "tep-s/detect.c": "answers datagrams from the address that was asked for",
    "tep-s/listen.c": "listens",
    "tep-s/helper-device.c": "raw sockets and ioctl for the media side",
    "tep-s/helper-netlink.c": "netlink",
    "tep-s/helper-process.c": "is there IPv6 here?",
    "tools/tep-s-metrics.c": "listens; is there another behind the Unix socket?",
    # This machine's own.
    "tep-c/capture-ports.c": "loopback: the local program whose media it carries",
    "tep-s/log.c": "the journal's Unix socket",
    "tools/tep-s-status.c": "the daemon's own metrics, where its configuration says",
    # Media, which is not dialled.
    "tep-c/ice.c": "libnice's checks of the ordinary way, and what it is told through the tunnel",
    "tep-c/agent-config.c": "looks up a flow's far end once; packets to it go through the tunnel",
    "tep-s/media-relay.c": "media to any peer that the policy allows",
    "tep-s/media-pcap.c": "media injected towards the gateway next door",
    # The serving end.
    "tep-s/worker-read.c": "answers to STUN by UDP",
    "tep-s/tls.c": "TLS as a server",
}

SECRET_COMPARED = re.compile(
    r"\b(memcmp|strcmp|g_strcmp0|g_str_equal|g_bytes_equal) \([^;]*"
    r"(hmac|mac_|_mac\b|integrity|password|secret|digest|token|tunnel_key|exporter)")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')


def files(folder, *endings):
    """The files below a folder of the tree that end so, builds left out."""
    for directory, names, leaves in os.walk(SOURCE / folder):
        names[:] = sorted(n for n in names
                          if not n.startswith((".", "build")) and n != "__pycache__")
        for leaf in sorted(leaves):
            if leaf.endswith(endings):
                yield pathlib.Path(directory, leaf)


def short(path):
    return str(path.relative_to(SOURCE))


def code_of(path):
    """The text without comments and without what stands in strings; lines keep their numbers."""
    def keep_lines(match):
        return "\n" * match[0].count("\n")
    return STRING.sub('""', COMMENT.sub(keep_lines, path.read_text(encoding="utf-8")))


def includes_of(path):
    """(text, is_quoted) of each include line."""
    text = COMMENT.sub("", path.read_text(encoding="utf-8"))
    return [(m[1] or m[2], m[1] is not None) for m in INCLUDE.finditer(text)]


def nothing(found):
    assert not found, "\n".join(found)


def lines_matching(pattern, folders, *endings, reader=code_of):
    expression = re.compile(pattern) if isinstance(pattern, str) else pattern
    return [f"{short(path)}:{number}: {line.strip()}"
            for folder in folders for path in files(folder, *endings)
            for number, line in enumerate(reader(path).splitlines(), 1) if expression.search(line)]


@test("/tree/includes/name-their-folder-and-point-one-way")
def _():
    wrong = []
    for folder, others in MAY_INCLUDE.items():
        for path in files(folder, ".c", ".h"):
            for name, is_quoted in includes_of(path):
                first = name.split("/")[0]
                if is_quoted and first not in others | {folder}:
                    wrong.append(f'{short(path)}: may not include "{name}"')
                if not is_quoted and first in MAY_INCLUDE and folder != "tools":
                    wrong.append(f"{short(path)}: <{name}> is ours and wants quotes")
    nothing(wrong)


@test("/tree/includes/each-foreign-library-has-one-door-per-folder")
def _():
    wrong = []
    for folder in LIBRARIES:
        for library, pattern in FOREIGN.items():
            doors = [short(path) for path in files(folder, ".c", ".h")
                     if any(re.match(pattern, name) and not is_quoted
                            for name, is_quoted in includes_of(path))]
            if len(doors) > 1:
                wrong.append(f"{library} is included by {', '.join(doors)}")
    nothing(wrong)


@test("/tree/includes/a-door-of-several-units-is-entered-by-its-own-header-only")
def _():
    """tls-private.h may hold the one include of OpenSSL for tls.c and tls-*.c; nobody else passes through it."""
    wrong = []
    for folder in LIBRARIES:
        for door in files(folder, ".h"):
            if not any(re.match(p, name) and not is_quoted
                       for name, is_quoted in includes_of(door) for p in FOREIGN.values()):
                continue
            stem = door.stem.removesuffix("-private")
            for path in files("", ".c", ".h"):
                own = path.parent == door.parent and (path.stem == stem or path.stem.startswith(stem + "-"))
                if (short(door), True) in includes_of(path) and not own:
                    wrong.append(f"{short(path)}: {short(door)} is a door to a foreign library")
    nothing(wrong)


@test("/tree/includes/public-headers-show-no-foreign-library-but-glib")
def _():
    wrong = []
    for folder in LIBRARIES:
        public = re.search(r"\w+_headers = files \((.*?)\)",
                           (SOURCE / folder / "meson.build").read_text(encoding="utf-8"), re.DOTALL)
        for leaf in re.findall(r"'([^']+)'", public[1]):
            for name, is_quoted in includes_of(SOURCE / folder / leaf):
                if not is_quoted and any(re.match(p, name) for p in FOREIGN.values()):
                    wrong.append(f"{folder}/{leaf}: <{name}>")
                if is_quoted and name.endswith("-private.h"):
                    wrong.append(f"{folder}/{leaf}: {name} is not installed")
    nothing(wrong)


def exported(text):
    """(name, comment before it, names of its parameters, returns nothing) of each function and callback type."""
    pattern = re.compile(
        r"(?P<comment>/\*\*(?:(?!\*/).)*\*/\n)?"
        r"(?:(?P<type>\w+_API\s[^;{}()#]*?)\b(?P<name>[a-z_0-9]+) \((?P<of>[^;{}]*?)\)(?:\s+G_GNUC_\w+(?: \([^)]*\))?)*"
        r"|typedef (?P<cb_type>[^;{}()#]*?)\(\*(?P<cb>\w+)\) \((?P<cb_of>[^;{}]*?)\));", re.DOTALL)
    for match in pattern.finditer(re.sub(r"^#.*", "", text, flags=re.MULTILINE)):
        parameters = [re.search(r"(\w+)\)?(?:\[.*\])?$", p.strip())[1]
                      for p in (match["of"] or match["cb_of"]).split(",") if p.strip() not in ("", "void", "...")]
        yield (match["name"] or match["cb"], match["comment"] or "", parameters,
               bool(re.search(r"\bvoid\s*$", match["type"] or match["cb_type"])))


@test("/tree/ways-out/are-those-of-turn-connect")
def _():
    found = {short(path) for folder in MAY_INCLUDE for path in files(folder, ".c", ".h")
             if REACHES_OUT.search(code_of(path))}
    nothing([f"{path}: reaches out by itself; use turn-connect/dial.h or datagram.h, or say here why not"
             for path in sorted(found - MAY_REACH_OUT.keys())] +
            [f"{path}: no longer reaches out; take it from the list" for path in sorted(MAY_REACH_OUT.keys() - found)])


@test("/tree/headers/each-installed-function-says-its-parameters-and-what-it-returns")
def _():
    wrong = []
    for folder in LIBRARIES:
        public = re.search(r"\w+_headers = files \((.*?)\)",
                           (SOURCE / folder / "meson.build").read_text(encoding="utf-8"), re.DOTALL)
        for leaf in re.findall(r"'([^']+)'", public[1]):
            functions = list(exported((SOURCE / folder / leaf).read_text(encoding="utf-8")))
            for name, comment, parameters, is_void in functions:
                if name.endswith("_quark"):
                    continue
                missing = [f"@{p}" for p in parameters if f" * @{p}:" not in comment]
                if f" * {name}:" not in comment:
                    missing = ["a comment"]
                elif not is_void and "Returns:" not in comment:
                    missing.append("Returns")
                if missing:
                    wrong.append(f"{folder}/{leaf}: {name} wants {', '.join(missing)}")
    nothing(wrong)


@test("/tree/stun-ext/knows-no-socket-clock-thread-or-randomness")
def _():
    wrong = []
    for what, pattern in OUTSIDE_WORLD.items():
        wrong += [f"{what}: {line}" for line in lines_matching(pattern, ["stun-ext"], ".c", ".h")]
    nothing(wrong)


@test("/tree/secrets/are-compared-in-constant-time")
def _():
    nothing(lines_matching(SECRET_COMPARED, LIBRARIES, ".c", ".h"))


@test("/tree/libraries/never-end-the-process-by-g-error-abort-or-exit")
def _():
    nothing(lines_matching(r"\b(g_error|abort|exit) \(", LIBRARIES, ".c", ".h"))


@test("/tree/tests/are-never-skipped")
def _():
    here = pathlib.Path(__file__).resolve()
    found = lines_matching(r"g_test_skip|g_test_incomplete|exit \(?77\b|sys\.exit ?\(77|# ?SKIP",
                           ["tests"], ".c", ".h", ".py", ".sh",
                           reader=lambda p: "" if p.resolve() == here else p.read_text(encoding="utf-8"))
    nothing(found)


def tally(folder, *logs):
    """What the tally of tests/run says of a build with these logs, each {program: (result, output)}; and its exit status."""
    paths = []
    for number, log in enumerate(logs):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text("".join(json.dumps({"name": f"tepkit:some+more / {name}", "result": result, "stdout": output, "returncode": 1}) + "\n"
                                     for name, (result, output) in log.items()))
    program = SOURCE / "tests/support/tally.py"
    said = subprocess.run([program, *(f"build={path}" for path in paths)], capture_output=True, text=True)
    failed = subprocess.run([program, "--failed", paths[-1]], capture_output=True, text=True, check=True).stdout.split()
    return said.stdout.strip(), said.stderr, said.returncode, failed


@test("/tree/tests/are-counted-by-their-last-log")
def _():
    late = ("ERROR", "ok 1 /a\nnot ok 2 /b\n")
    crashed = ("ERROR", "ok 1 /a\n")
    good = ("OK", "ok 1 /a\nok 2 /b\n")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for logs, expected, failed in (
                (({"x/one": good, "x/two": good},), "4 passed, 0 failed, 0 skipped", []),
                (({"x/one": good, "x/two": late},), "3 passed, 1 failed, 0 skipped", ["x/two"]),
                (({"x/one": crashed, "x/two": late},), "2 passed, 2 failed, 0 skipped", ["x/one", "x/two"]),
                (({"x/one": good, "x/two": late}, {"x/two": good}), "4 passed, 0 failed, 0 skipped", []),
                (({"x/one": good, "x/two": late}, {"x/two": crashed}), "3 passed, 1 failed, 0 skipped", ["x/two"])):
            text, told, status, names = tally(folder, *logs)
            assert (text, status, names) == (expected, int("0 failed" not in text), failed), (text, told, status, names)
            assert ("passed alone" in told) == (len(logs) > 1 and not failed), told


@test("/tree/files/each-source-is-built-and-each-test-runs")
def _():
    wrong = []
    for folder in [*MAY_INCLUDE, "tests"]:
        builds = "".join(p.read_text(encoding="utf-8") for p in files(folder, "meson.build"))
        for path in files(folder, ".c"):
            stem = path.stem[5:] if path.stem.startswith("test-") else path.stem
            # By its name, its name without test- or fuzz-, or by a listing of its folder.
            names = {path.name, path.stem, stem, re.sub("^fuzz-", "", stem)}
            if not any(f"'{n}'" in builds or f"/{n}'" in builds for n in names):
                wrong.append(f"{short(path)}: no meson.build names it")
        for path in files(folder, ".py"):
            if path.stem.startswith("test-"):
                near = (path.parent / "meson.build").read_text(encoding="utf-8")
                if not any(f"'{name}'" in near for name in (path.name, path.stem[5:])):
                    wrong.append(f"{short(path)}: the meson.build beside it does not name it")
    nothing(wrong)


@test("/tree/files/begin-with-their-licence-and-headers-are-read-once")
def _():
    wrong = []
    for folder in [*MAY_INCLUDE, "tests"]:
        for path in files(folder, ".c", ".h"):
            text = path.read_text(encoding="utf-8")
            if not text.startswith("/* SPDX-License-Identifier: LGPL-2.1-or-later"):
                wrong.append(f"{short(path)}: first line is not the licence")
            if path.suffix == ".h" and "#pragma once" not in text:
                wrong.append(f"{short(path)}: no #pragma once")
    nothing(wrong)


@test("/tree/files/name-no-place-of-one-machine")
def _():
    here = pathlib.Path(__file__).resolve()
    nothing(lines_matching(rf"/home/|{re.escape(str(SOURCE.resolve()))}/", ["."], ".c", ".h", ".py", ".sh", ".build", ".md", ".conf",
                           reader=lambda p: "" if p.resolve() == here else p.read_text(encoding="utf-8")))


@test("/tree/format/is-what-clang-format-makes")
def _():
    sources = [str(p) for folder in [*MAY_INCLUDE, "tests"] for p in files(folder, ".c", ".h")]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, "\n".join(result.stderr.splitlines()[:30])


@test("/tree/manuals/pass-mandoc-s-lint")
def _():
    manuals = [path for number in "158" for path in files("tools/man", f".{number}")]
    assert len(manuals) >= 4, manuals
    result = subprocess.run(["mandoc", "-Tlint", *manuals], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and not result.stdout, result.stdout


@test("/tree/scripts/can-be-parsed")
def _():
    wrong = []
    for path in files(".", ".py"):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            wrong.append(f"{short(path)}: {error}")
    for path in [*files("tools", ""), *files("tests", ""), *files(".ci", "")]:
        with open(path, "rb") as script:
            first = script.readline()
        if first.startswith(b"#!") and b"bash" in first:
            result = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
            wrong += result.stderr.splitlines()
    nothing(wrong)


run()

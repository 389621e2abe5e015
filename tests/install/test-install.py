#!/usr/bin/python3
"""What "meson install" puts down: enough to build programs on it with pkg-config alone, hardened, and no more than it should show."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from tap import run, test  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
BUILD = pathlib.Path(os.environ["TEPKIT_BUILD"])
PREFIXES = {"stun-ext": "stun_ext_", "turn-connect": "turn_connect_", "tep-c": "tep_client_", "tep-s": "tep_server_"}
EXAMPLES = {"endpoint": "tep-c", "gateway": "tep-s", "msrp": "turn-connect"}
STRICT = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]


def command(*arguments, **options):
    ended = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False, **options)
    assert ended.returncode == 0, (ended.args, ended.stderr[-3000:])
    return ended.stdout


class Installation:
    """The tree as it is after an installation into a prefix of its own."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="tepkit-install-")
        root = pathlib.Path(self.scratch.name, "root")
        command("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
        description = next(root.rglob("stun-ext.pc"))
        # Installed for another place, it is moved here: pkg-config files name the place in their first line.
        place = re.search(r"^prefix=(.*)$", description.read_text(encoding="utf-8"), re.MULTILINE)[1]
        self.prefix = root / place.lstrip("/")
        for each in description.parent.glob("*.pc"):
            text = each.read_text(encoding="utf-8")
            assert str(BUILD) not in text and str(SOURCE) not in text, each.name
            each.write_text(re.sub(r"^prefix=.*$", f"prefix={self.prefix}", text, flags=re.MULTILINE), encoding="utf-8")
        self.environment = {**os.environ, "PKG_CONFIG_PATH": str(description.parent),
                            "LD_LIBRARY_PATH": str(description.parent.parent)}

    def pkg_config(self, *arguments):
        return command("pkg-config", *arguments, env=self.environment).split()

    def libraries(self):
        return {name: next(self.prefix.rglob(f"lib{name}.so")).resolve() for name in PREFIXES}

    def programs(self):
        found = [path for folder in ("bin", "sbin", "libexec") for path in (self.prefix / folder).rglob("*")
                 if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
        assert {path.name for path in found} >= {"tep-s", "tep-c"}, found
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()


def compile_outside(installation, name, is_static):
    """Builds an example in a folder of its own, from its one file and what pkg-config says."""
    folder = pathlib.Path(installation.scratch.name, f"{name}-{is_static}")
    folder.mkdir()
    shutil.copy(SOURCE / "tools" / "examples" / f"{name}.c", folder)
    library = EXAMPLES[name]
    flags = installation.pkg_config("--cflags", "--libs", library)
    if is_static:
        # Ours from their archives, with the libraries that they name as theirs; the system's own stay shared.
        ours = [flag[2:] for flag in flags if flag[:2] == "-l" and flag[2:] in PREFIXES]
        foreign = {line.split()[0] for each in ours for line in
                   command("pkg-config", "--print-requires-private", each, env=installation.environment).splitlines()}
        flags = [flag for flag in flags if flag[2:] not in ours] + [f"-l:lib{each}.a" for each in ours]
        flags += ["-pthread", *installation.pkg_config("--libs", *sorted(foreign), "gio-2.0")]
    command(os.environ.get("CC", "cc"), *STRICT, f"{name}.c", "-o", name, *flags, cwd=folder)
    needed = command("readelf", "--dynamic", folder / name)
    assert is_static != any(f"[lib{library}.so" in needed for library in PREFIXES), needed
    environment = installation.environment if not is_static else {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    ended = subprocess.run([folder / name, "--help"], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode in (0, 64) and re.search("usage", ended.stdout + ended.stderr, re.IGNORECASE), ended


@test("/install/examples-compile-outside-the-tree-with-nothing-but-pkg-config")
def _():
    with Installation() as installation:
        for name in EXAMPLES:
            compile_outside(installation, name, is_static=False)
            compile_outside(installation, name, is_static=True)


@test("/install/every-public-header-compiles-alone")
def _():
    with Installation() as installation:
        flags = installation.pkg_config("--cflags", *PREFIXES)
        headers = [path.relative_to(installation.prefix / "include") for folder in PREFIXES
                   for path in sorted((installation.prefix / "include" / folder).rglob("*.h"))]
        assert len(headers) > 20 and not [h for h in headers if "private" in h.name], headers
        for header in headers:
            command(os.environ.get("CC", "cc"), *STRICT, "-fsyntax-only", *flags, "-include", header, "-x", "c", "/dev/null")


@test("/install/what-is-documented-to-be-there-is-there")
def _():
    with Installation() as installation:
        for path in ("sbin/tep-s", "bin/tep-c", "share/man/man8/tep-s.8", "share/man/man5/tep-s.conf.5",
                     "share/man/man1/tep-c.1", "share/man/man1/turn-connect.1", "bin/turn-connect", "share/man/man5/tep-c.conf.5", "lib/systemd/system/tep-s.service"):
            assert (installation.prefix / path).exists(), path
        for name in PREFIXES:
            assert installation.pkg_config("--modversion", name)
            assert list(installation.prefix.rglob(f"lib{name}.a")), name
        for program in installation.programs():
            assert command(program, "--version", env=installation.environment).startswith(f"{program.name} (tepkit) ")


def dynamic_symbols(path):
    """(name, is defined) of each dynamic symbol."""
    rows = re.findall(r"^ *\d+: \S+ +\d+ +\S+ +\S+ +\S+ +(\S+) (\S+)", command("readelf", "--dyn-syms", "--wide", path), re.MULTILINE)
    return [(name.partition("@")[0], section != "UND") for section, name in rows]


@test("/install/programs-and-libraries-are-hardened")
def _():
    with Installation() as installation:
        for path in [*installation.programs(), *installation.libraries().values()]:
            headers, dynamic = (command("readelf", "--wide", what, path) for what in ("--program-headers", "--dynamic"))
            assert "Elf file type is DYN" in headers, path.name
            assert "GNU_RELRO" in headers and re.search(r"FLAGS.*BIND_NOW", dynamic), path.name
            assert re.search(r"GNU_STACK .* RW ", headers), f"{path.name}: the stack can be executed"
            assert not re.search(r"R(UN)?PATH|TEXTREL", dynamic), path.name
            if path.parent.name in ("bin", "sbin", "libexec"):
                assert re.search(r"FLAGS_1.*PIE", dynamic), path.name
        # Each source that has something to protect is compiled with both; the libraries show that they were.
        for name, path in installation.libraries().items():
            wanted = [symbol for symbol, is_defined in dynamic_symbols(path) if not is_defined]
            assert "__stack_chk_fail" in wanted, f"{name} has no stack protector"
            assert any(re.fullmatch(r"__\w+_chk", symbol) and symbol != "__stack_chk_fail" for symbol in wanted), (
                f"{name} is not fortified")


@test("/install/libraries-export-their-own-prefix-and-nothing-else")
def _():
    with Installation() as installation:
        for name, path in installation.libraries().items():
            exported = [symbol for symbol, is_defined in dynamic_symbols(path) if is_defined]
            foreign = [symbol for symbol in exported if not symbol.startswith(PREFIXES[name])]
            assert exported and not foreign, (name, foreign)


run()

#!/usr/bin/python3
"""What is installed is all that a program outside the tree needs, and is built as safely as it should be."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from tap import run, test  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
BUILD = pathlib.Path(os.environ["TEPKIT_BUILD"])
CC = os.environ.get("CC", "cc").split()

# Library: the prefixes of what it may export.
LIBRARIES = {
    "stun-ext": r"stun_ext_",
    "turn-connect": r"turn_connect_",
    "tep-c": r"tep_client_",
    "tep-s": r"tep_server_",
}
EXAMPLES = {"endpoint": "tep-c", "gateway": "tep-s"}


def output_of(*words, **options):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, " ".join(map(str, words)) + "\n" + result.stdout + result.stderr
    return result.stdout


def installed(folder):
    """Installs into a folder as into any prefix: the .pc files are told where they are, nothing else is changed."""
    output_of("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder)
    packages = sorted(folder.glob("**/pkgconfig/*.pc"))
    assert [p.stem for p in packages] == sorted(LIBRARIES), packages
    for package in packages:
        text = package.read_text(encoding="utf-8")
        package.write_text(re.sub(r"^prefix=", f"prefix={folder}", text, flags=re.MULTILINE), encoding="utf-8")
    return packages[0].parent


WORK = pathlib.Path(tempfile.mkdtemp(prefix="tepkit-install-"))
PREFIX = WORK / "prefix"
PACKAGES = installed(PREFIX)
LIBRARY_FOLDER = PACKAGES.parent
ENVIRONMENT = {**os.environ, "PKG_CONFIG_PATH": str(PACKAGES), "LD_LIBRARY_PATH": str(LIBRARY_FOLDER)}
PROGRAMS = [p for p in PREFIX.glob("**/*bin/*") if p.is_file()]
OBJECTS = PROGRAMS + [p for p in LIBRARY_FOLDER.glob("*.so*") if not p.is_symlink()]


def flags_of(package, *options):
    return output_of("pkg-config", *options, package, env=ENVIRONMENT).split()


@test("/install/headers/each-compiles-alone")
def _():
    def compiles(header):
        folder = header.parent.name
        result = subprocess.run([*CC, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-",
                                 *flags_of(folder, "--cflags")],
                                input=f"#include <{folder}/{header.name}>\n#include <{folder}/{header.name}>\n",
                                capture_output=True, text=True, check=False, cwd=WORK)
        return f"{folder}/{header.name}: {result.stderr}" if result.returncode else None

    headers = sorted(PREFIX.glob("**/include/*/*.h"))
    assert {h.parent.name for h in headers} == set(LIBRARIES), headers
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [w for w in pool.map(compiles, headers) if w]
    assert not wrong, "\n".join(wrong)


def build_example(name, *further):
    """With what pkg-config says, and nothing else."""
    program = WORK / name
    source = shutil.copy(SOURCE / "tools" / "examples" / f"{name}.c", WORK)
    output_of(*CC, "-o", program, source, *flags_of(EXAMPLES[name], "--cflags", "--libs"), *further, cwd=WORK)
    said = subprocess.run([program, "--help"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "usage:" in (said.stdout + said.stderr).lower(), said
    return program


def private_of(package):
    """What our static libraries need besides: the packages that a shared one keeps to itself."""
    ours, foreign = [package], []
    for each in ours:
        names = flags_of(each, "--print-requires") + flags_of(each, "--print-requires-private")
        for name in (n for n in names if re.match(r"[a-z]", n)):
            into = ours if name in LIBRARIES else foreign
            if name not in into:
                into.append(name)
    return foreign


@test("/install/examples/compile-outside-the-tree-with-nothing-but-pkg-config")
def _():
    for name, package in EXAMPLES.items():
        needed = output_of("readelf", "-d", build_example(name))
        assert f"lib{package}.so.0" in needed, needed


@test("/install/examples/link-the-static-libraries-too")
def _():
    shared = WORK / "shared"
    shared.mkdir()
    for path in LIBRARY_FOLDER.glob("*.so*"):
        path.rename(shared / path.name)
    try:
        for name in EXAMPLES:
            # The foreign ones stay shared: Debian does not have all of them as static libraries.
            foreign = output_of("pkg-config", "--libs", *private_of(EXAMPLES[name]), env=ENVIRONMENT).split()
            needed = output_of("readelf", "-d", build_example(name, *foreign))
            assert not re.search(r"lib(tep|turn-connect|stun-ext)", needed), needed
    finally:
        for path in shared.iterdir():
            path.rename(LIBRARY_FOLDER / path.name)


@test("/install/libraries/export-their-own-prefix-alone")
def _():
    for package, prefix in LIBRARIES.items():
        names = output_of("nm", "-D", "--defined-only", "--format=just-symbols",
                          LIBRARY_FOLDER / f"lib{package}.so").split()
        assert names
        foreign = [n for n in names if not re.match(prefix, n)]
        assert not foreign, (package, foreign)


@test("/install/objects/are-hardened")
def _():
    assert PROGRAMS
    for path in OBJECTS:
        text = output_of("readelf", "--wide", "--file-header", "--program-headers", "--dynamic", path)
        assert "DYN (" in text, f"{path.name}: not position-independent"
        assert "GNU_RELRO" in text and re.search(r"FLAGS.*\bNOW\b", text), f"{path.name}: no full RELRO"
        assert re.search(r"GNU_STACK.* RW ", text), f"{path.name}: executable stack"
        assert "RPATH" not in text and "RUNPATH" not in text, f"{path.name}: a path to libraries is left in it"
        symbols = output_of("readelf", "--wide", "--dyn-syms", path)
        assert "__stack_chk_fail" in symbols, f"{path.name}: no stack protector"
    every = "".join(output_of("readelf", "--wide", "--dyn-syms", path) for path in OBJECTS)
    assert re.search(r"__\w+_chk@", every.replace("__stack_chk_fail", "")), "nothing is fortified"


try:
    run()
finally:
    shutil.rmtree(WORK)

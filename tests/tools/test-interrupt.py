#!/usr/bin/python3
"""tools/demo and tests/run, interrupted by Ctrl-C and by SIGTERM at many moments: they say so by their exit status, and leave no
process, no network, no temporary file and no change of the machine behind. Both run in a copy of their part of the tree."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from lab import running  # noqa: E402
from process import Process, wait_until  # noqa: E402
from tap import run, test  # noqa: E402
import hosts  # noqa: E402

SOURCE = pathlib.Path(os.environ["TEPKIT_SOURCE"])
BUILD = pathlib.Path(os.environ["TEPKIT_BUILD"])
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
PATIENCE_S = 60
AT_ONCE = 4
CTRL_C, TERM, HANG_UP, CTRL_C_TWICE = "Ctrl-C", "SIGTERM", "SIGHUP", "Ctrl-C twice"
STATUS = {CTRL_C: 130, CTRL_C_TWICE: 130, TERM: 143, HANG_UP: 129}

# A project in which tests/run has something to interrupt: a test with a network and a program in it, and one that ignores
# SIGTERM and has started a program of its own, as a daemon would be. Each says when it is there.
PROJECT = """project ('scratch', version: '0')
foreach name : ['polite', 'stubborn']
  test (name, find_program (name + '.py'), suite: 'all', timeout: 300)
endforeach
"""
WITH_NETWORK = """#!/usr/bin/python3
import pathlib, signal, sys, tempfile, time
sys.path.insert (0, str (pathlib.Path (__file__).resolve ().parent / "tests" / "support"))
from lab import Lab
from process import Process
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal (each, {reaction})
with tempfile.TemporaryDirectory (), Lab.up ("web-only") as lab, Process (["sleep", "300"], lab, "core"), Process (["sleep", "300"]):
    pathlib.Path ({there!r}).touch ()
    time.sleep (300)
"""


class Copy:
    """What tools/demo and tests/run need of the tree, readable by everybody; programs of the build stand in for compiling."""

    def __init__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="tepkit-interrupt-")
        self.path = pathlib.Path(self._scratch.name)
        self.path.chmod(0o755)
        for folder in ("tools", "tests/lab", "tests/support"):
            shutil.copytree(SOURCE / folder, self.path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.c", "*.h"))
        shutil.copy(SOURCE / "tests" / "run", self.path / "tests")
        self.stand_ins = self.path / "stand-ins"
        self.stand_ins.mkdir()

    def built(self, rule="phony"):
        """A build directory of the demo with nothing left to do, or with something that takes long."""
        place = self.path / "build-demo"
        place.mkdir()
        programs = ("tools/tep-c", "tools/tep-s", "tests/lab/link")
        for program in programs:
            (place / program).parent.mkdir(parents=True, exist_ok=True)
            (place / program).symlink_to(BUILD / program)
        (place / "build.ninja").write_text("rule long\n command = sleep 300\nbuild always: phony\n" + "".join(
            f"build {program}: {rule} always\n" for program in programs), encoding="ascii")

    def stand_in(self, program, script):
        """A script in the place of a program of the system."""
        path = self.stand_ins / program
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        path.chmod(0o755)

    def project(self):
        """Makes the tree one in which tests/run tests something else."""
        (self.path / "meson.build").write_text(PROJECT, encoding="ascii")
        for name, reaction in (("polite", "lambda *_: sys.exit (1)"), ("stubborn", "lambda *_: None")):
            text = WITH_NETWORK.format(reaction=reaction, there=str(self.path / f"{name}-is-there"))
            (self.path / f"{name}.py").write_text(text, encoding="ascii")
            (self.path / f"{name}.py").chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._scratch.cleanup()


class Command(Process):
    """A command of the copy, in a process group of its own as a shell starts it, with a temporary directory of its own."""

    def __init__(self, copy, *arguments, environment=None):
        self.mark = f"TEPKIT_INTERRUPTED={secrets.token_hex(8)}"
        self.temporary = copy.path / self.mark
        self.temporary.mkdir()
        self.labs = set()
        name, value = self.mark.split("=")
        path = f"{copy.stand_ins}:{os.environ['PATH']}"
        super().__init__([copy.path / arguments[0], *arguments[1:]],
                         environment={name: value, "TMPDIR": str(self.temporary), "PATH": path, **(environment or {})})

    def __exit__(self, *failure):
        super().__exit__(*failure)
        for process in self.processes():
            os.kill(process, signal.SIGKILL)

    def processes(self):
        """All that it started, and what these started."""
        def is_ours(path):
            try:
                return self.mark.encode() in (path / "environ").read_bytes().split(b"\0")
            except OSError:
                return False
        return [int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*") if is_ours(path)]

    def look(self):
        """Remembers the networks that are ours."""
        ours = set(self.processes())
        self.labs |= {lab.id for lab in running() if (lab.state["owner"] or {}).get("pid") in ours}

    def interrupt(self, how):
        self.look()
        if how in (CTRL_C, CTRL_C_TWICE):
            os.killpg(self.pid, signal.SIGINT)
            if how == CTRL_C_TWICE:
                time.sleep(0.05)
                os.killpg(self.pid, signal.SIGINT)
        else:
            self.signal(signal.SIGTERM if how == TERM else signal.SIGHUP)
        self.look()

    def check_end(self, how):
        """It ended as it was told to, and nothing of it is left."""
        status = self.wait(PATIENCE_S)
        assert status == STATUS[how], (how, status, self.output[-1000:], self.errors[-1000:])
        assert re.search("^.*interrupted", self.output, re.MULTILINE), self.output
        assert "Traceback" not in self.output + self.errors, self.output + self.errors
        # A compiler whose driver was told to end needs a moment to see it.
        wait_until(lambda: not self.processes(), 2, f"the end of {self.processes()}")
        left = [path.name for path in self.temporary.iterdir()]
        assert not left, left
        names = {path.name for path in hosts.NAMESPACES.glob("tepkit-*")}
        for each in self.labs:
            assert each not in {lab.id for lab in running()}, each
            assert not [name for name in names if name.startswith(f"tepkit-{each}-")], names


def in_turn(cases, function):
    """Calls the function for each case, some at a time; the first failure is the caller's."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for case, outcome in [(case, pool.submit(function, *case)) for case in cases]:
            try:
                outcome.result()
            except AssertionError as failure:
                raise AssertionError(f"{case}: {failure}") from failure


def tables():
    """The tables of nftables outside all networks."""
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout


@test("/tools/interrupt/the-demo-takes-down-what-it-built-whenever-it-is-interrupted")
def _():
    networks = ("proxy-basic", "web-only")
    moments = [(network, "building the network", delay_s) for network in networks for delay_s in (0, 0.05, 0.1, 0.2, 0.3)]
    moments += [(networks[i & 1], *each) for i, each in enumerate((
        ("first the direct call", 0.5), ("now the same call", 0), ("now the same call", 0.1), ("TEP-C: open", 0),
        ("second 1 of", 0.1), ("second 4 of", 0)))]
    before = tables()

    def interrupt(copy, network, moment, delay_s, how):
        with Command(copy, "tools/demo", "--network", network, "--seconds", "4") as demo:
            demo.wait_for(moment, PATIENCE_S)
            time.sleep(delay_s)
            demo.interrupt(how)
            demo.check_end(how)
            assert demo.labs or moment == "building the network", "no network was seen"

    with Copy() as copy:
        copy.built()
        hows = (CTRL_C, TERM, CTRL_C_TWICE, HANG_UP)
        in_turn([(copy, *moment, hows[i % len(hows)]) for i, moment in enumerate(moments)], interrupt)
    assert tables() == before


# Debian's tools that are asked what is there and told to install it, or an apt-get that takes long. The stand-in for
# dpkg-query knows nothing, so everything is missing.
SLOW_APT = """trap 'echo interrupted >"$0.was"; kill $!; exit 100' INT
sleep 300 &
touch "$0.began"
wait"""


@contextlib.contextmanager
def machine_unchanged():
    """Whatever happens inside, services may start afterwards as before."""
    was_there = POLICY.exists()
    try:
        yield
        assert POLICY.exists() == was_there, POLICY
    finally:
        if not was_there:
            POLICY.unlink(missing_ok=True)


def before_the_call(copy, command, moment, how):
    """Interrupts a command while something that comes before all calls and tests is under way."""
    with machine_unchanged(), Command(copy, *command) as started:
        if moment == "installing":
            wait_until((copy.stand_ins / "apt-get.began").exists, PATIENCE_S, "the installation")
            assert POLICY.exists(), "services might start"
        else:
            started.wait_for(moment, PATIENCE_S)
            time.sleep(0.2)
        assert len(started.processes()) > 1
        started.interrupt(how)
        started.check_end(how)
        if moment == "installing":
            assert (copy.stand_ins / "apt-get.was").exists(), "apt-get was not told"
    assert not list(copy.path.glob("*.log")), list(copy.path.glob("*.log"))


def in_the_way(copy, moment):
    """Makes the copy such that it takes long at the moment."""
    if moment == "installing":
        copy.stand_in("dpkg-query", "echo not-installed")
        copy.stand_in("apt-get", SLOW_APT)
    else:
        copy.stand_in("dpkg-query", "echo installed")
    if moment == "configuring":
        copy.stand_in("meson", "exec sleep 300")
    if moment == "compiling":
        copy.built("long")


@test("/tools/interrupt/the-demo-ends-installing-configuring-and-compiling-at-once")
def _():
    for moment in ("installing", "configuring", "compiling"):
        for how in (CTRL_C, TERM):
            with Copy() as copy:
                in_the_way(copy, moment)
                before_the_call(copy, ["tools/demo"], moment, how)


@test("/tools/interrupt/the-installation-alone-and-what-the-tests-do-before-testing-end-at-once")
def _():
    for command, moment in (("tools/install-dependencies", "installing"), ("tests/run", "installing"), ("tests/run", "configuring")):
        for how in (CTRL_C, TERM):
            with Copy() as copy:
                in_the_way(copy, moment)
                before_the_call(copy, [command], moment, how)


@test("/tools/interrupt/the-tests-take-down-what-they-built-even-if-a-test-does-not-listen")
def _():
    def interrupt(how):
        with Copy() as copy:
            copy.stand_in("dpkg-query", "echo installed")
            copy.project()
            with Command(copy, "tests/run", environment={"TEPKIT_TEST_JOBS": "2"}) as tests:
                for name in ("polite", "stubborn"):
                    wait_until((copy.path / f"{name}-is-there").exists, PATIENCE_S, f"the {name} test")
                tests.interrupt(how)
                tests.check_end(how)
                assert len(tests.labs) == 2, tests.labs

    in_turn([(how,) for how in (CTRL_C, TERM, CTRL_C_TWICE, HANG_UP)], interrupt)


@test("/tools/interrupt/what-is-left-behind-would-be-found")
def _():
    leaks = {
        "a process": "setsid sleep 300 & exit 130",
        "a temporary file": 'touch "$TMPDIR/left"; exit 130',
        "another status": "exit 1",
        "a network": '"${0%/*}/../tests/lab/lab" up web-only --owner $$ >/dev/null; sleep 0.5; exit 130',
    }
    missed = []
    with Copy() as copy:
        for what, script in leaks.items():
            path = copy.path / "tools" / "leak"
            path.write_text(f"#!/bin/sh\ntrap 'exit 130' INT\necho interrupted\n{script}\n", encoding="ascii")
            path.chmod(0o755)
            with Command(copy, "tools/leak") as leak:
                while leak.status is None:
                    leak.look()
                try:
                    leak.check_end(CTRL_C)
                    missed.append(what)
                except AssertionError:
                    pass
                for each in running():
                    if each.id in leak.labs:
                        each.down()
    assert not missed, missed


@test("/tools/interrupt/without-root-both-say-what-needs-root-and-do-nothing")
def _():
    with Copy() as copy:
        for command, words in (("tools/demo", ("needs root", "packages", "network namespaces", "sudo tools/demo")),
                               ("tests/run", ("needs root", "network namespaces", "TUN", "Without root"))):
            before = sorted(copy.path.rglob("*"))
            ended = subprocess.run([copy.path / command], user="nobody", group="nogroup", extra_groups=(), cwd="/",
                                   capture_output=True, text=True, check=False, timeout=PATIENCE_S)
            assert ended.returncode == 1 and not ended.stdout, ended
            assert all(word in ended.stderr for word in words), ended.stderr
            assert sorted(copy.path.rglob("*")) == before


run()

"""A test program in Python that speaks TAP, as meson reads it.

A program decorates functions with @test ("name that states behaviour") and ends with run (). Each test is
shown as it ends; what it prints goes to stderr; an exception fails it, Late only when it is raised three
times: other work on the machine may hold up one measurement. SIGTERM (a time limit, Ctrl-C of
the whole run) raises SystemExit in the running test, so that its finally clauses and contexts clean up.

Tests that share nothing, each with a network of its own, and that mostly wait, may be run several at once:
run (at_once=3). Each has a process of its own then.
"""
import contextlib
import os
import signal
import sys
import tempfile
import traceback

_tests = []
TRIES = 3


class Late(AssertionError):
    """Something that is in order came later than it may."""


def test(name):
    """Registers a test; functions and generated tests (test (name) (function)) alike."""
    def register(function):
        _tests.append((name, function))
        return function
    return register


def _terminated(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _try(function):
    for tried in range(1, TRIES + 1):
        try:
            return function()
        except Late as late:
            if tried == TRIES:
                raise
            print(f"late: {late}; once more")


def _run_one(name, function):
    """Lines that tell how it went, and whether it went well."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _try(function)
    except Exception:  # pylint: disable=broad-except
        return [f"# {line}" for line in traceback.format_exc().splitlines()] + [f"not ok {{}} - {name}"], False
    return [f"ok {{}} - {name}"], True


def _in_order(chosen):
    for name, function in chosen:
        yield _run_one(name, function)


def _begin(name, function):
    """Begins a test in a process of its own; what it prints, and how it went, go to files."""
    said, told = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(said.fileno(), 2)
            lines, is_good = _run_one(name, function)
            told.write("\n".join(lines))
            told.flush()
            status = 0 if is_good else 1
        finally:
            sys.stderr.flush()
            os._exit(status)  # nothing of the parent's is to be cleaned up here
    return pid, (name, said, told)


def _end(running, pid, status):
    name, said, told = running.pop(pid)
    with said, told:
        for file in (said, told):
            file.seek(0)
        sys.stderr.write(said.read())
        lines = told.read().splitlines() or [f"# ended with status {status}", f"not ok {{}} - {name}"]
    return lines, status == 0


def _several(chosen, at_once):
    waiting, running = list(chosen), {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                pid, test_of_it = _begin(*waiting.pop(0))
                running[pid] = test_of_it
            pid, status = os.waitpid(-1, 0)
            if pid in running:
                yield _end(running, pid, status)
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in list(running):
            with contextlib.suppress(ChildProcessError):
                _end(running, pid, os.waitpid(pid, 0)[1])


def run(at_once=1):
    """Runs what was registered, or those whose name contains one of the arguments; exits."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _terminated)
    wanted = sys.argv[1:]
    chosen = [t for t in _tests if not wanted or any(w in t[0] for w in wanted)]
    out = sys.stdout
    print(f"1..{len(chosen)}", file=out, flush=True)
    failed = 0
    results = _several(chosen, at_once) if at_once > 1 else _in_order(chosen)
    with contextlib.closing(results):
        for number, (lines, is_good) in enumerate(results, 1):
            failed += not is_good
            lines[-1] = lines[-1].replace("{}", str(number), 1)
            print("\n".join(lines), file=out, flush=True)
    sys.exit(1 if failed else 0)

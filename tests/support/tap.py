"""A test program in Python that speaks TAP, as meson reads it.

A program decorates functions with @test ("name that states behaviour") and ends with run (). Each test is
shown as it ends; what it prints goes to stderr; an exception fails it, Late only when it is raised three
times: other work on the machine may hold up one measurement. SIGTERM (a time limit, Ctrl-C of
the whole run) raises SystemExit in the running test, so that its finally clauses and contexts clean up.
"""
import contextlib
import signal
import sys
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


def run():
    """Runs what was registered, or those whose name contains one of the arguments; exits."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _terminated)
    wanted = sys.argv[1:]
    chosen = [t for t in _tests if not wanted or any(w in t[0] for w in wanted)]
    out = sys.stdout
    print(f"1..{len(chosen)}", file=out, flush=True)
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                _try(function)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", file=out)
            print(f"not ok {number} - {name}", file=out, flush=True)
        else:
            print(f"ok {number} - {name}", file=out, flush=True)
    sys.exit(1 if failed else 0)

"""Programs under test and programs that are not ours: started with their output kept, waited for, always ended."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

POLL_S = 0.005
SANITIZER = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:")


def wait_until(condition, timeout_s, what):
    """Returns the condition's first true value; a condition that stays false fails the test."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)
    return value


def program(name):
    """The path of one of our programs in the build tree."""
    path = pathlib.Path(os.environ["TEPKIT_BUILD"], "tools", name)
    assert path.exists(), f"{path} is not built"
    return path


IS_SANITIZED = "sanitize" in os.environ.get("TEPKIT_BUILD", "")

# gss-ntlmssp gives strndup () buffers that do not end, which it may, and which strict_string_checks minds: not always, it
# depends on what lies behind them.
GSSAPI_OPTIONS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":strict_string_checks=0"}


def program_for_anybody(name, folder):
    """A copy of the program and our libraries in a folder, for users who may not enter the tree: one that lies in /root."""
    build = pathlib.Path(os.environ["TEPKIT_BUILD"])
    copy = pathlib.Path(folder, "programs", "tools", name)
    for path in (program(name), *build.glob("*/lib*.so*")):
        if path.is_file():
            place = copy.parent.parent / path.relative_to(build)  # as in the build tree: the libraries are found from there
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    return copy


def wait_for_tcp(lab, host, address, port, timeout_s=5):
    """Returns when the address accepts connections, seen from the host."""
    def accepts():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with lab.socket(host, family) as probe, contextlib.suppress(OSError):
            probe.settimeout(timeout_s)
            probe.connect((address, port))
            return True
        return False
    wait_until(accepts, timeout_s, f"a listener on {address} port {port}")


def wait_for_udp(lab, host, port, timeout_s=5):
    """Returns when some socket of the host is bound to the UDP port."""
    def is_bound():
        tables = lab.run(host, ["cat", "/proc/net/udp", "/proc/net/udp6"]).stdout
        return re.search(rf"^ *\d+: [0-9A-F]+:{port:04X} ", tables, re.MULTILINE)
    wait_until(is_bound, timeout_s, f"a socket on UDP port {port} of {host}")


class Process:
    """A running program; a context that ends it. What it says goes to files.

    arguments: program and arguments; with a lab and a host it runs there, with the LAB variables.
    A failing test shows the last lines of what the program said. A sanitizer's report fails stop ().
    """

    def __init__(self, arguments, lab=None, host=None, environment=None, directory=None, name=None):
        arguments = [str(a) for a in arguments]
        self.name = name or pathlib.Path(arguments[0]).name
        self._scratch = None
        if directory is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="tepkit-process-")
            directory = self._scratch.name
        paths = [pathlib.Path(directory, f"{self.name}.{end}") for end in ("out", "err")]
        settings = {**os.environ, **(environment or {})}
        if lab:
            arguments = lab.command_in(host, arguments)
            settings |= lab.environment
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                             env=settings, start_new_session=True)
        # Kept open, so that both can be read after the files' directory is gone.
        self._files = [open(path, encoding="utf-8", errors="replace") for path in paths]

    @property
    def pid(self):
        return self._process.pid

    @property
    def status(self):
        """The exit status, negative for a signal, or None while it runs."""
        return self._process.poll()

    def _read(self, which):
        self._files[which].seek(0)
        return self._files[which].read()

    @property
    def output(self):
        """What it wrote to stdout so far."""
        return self._read(0)

    @property
    def errors(self):
        """What it wrote to stderr so far."""
        return self._read(1)

    def wait_for(self, pattern, timeout_s=5):
        """Returns the match once stdout or stderr matches the pattern (lines with ^ and $)."""
        expression = re.compile(pattern, re.MULTILINE)

        def said():
            # Asked before reading: what it said before its end counts.
            has_ended = self.status is not None
            found = expression.search(self.output) or expression.search(self.errors)
            assert found or not has_ended, f"{self.name} ended with {self.status} before saying {pattern!r}"
            return found
        return wait_until(said, timeout_s, f"{self.name} saying {pattern!r}")

    def wait(self, timeout_s):
        """Waits for its end and returns the status."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout_s} s") from None

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """Ends it without a chance to say goodbye."""
        self._process.kill()
        return self.wait(5)

    def stop(self, grace_s=5):
        """Asks it to end, insists if it does not, and returns the status; no sanitizer may have complained."""
        if self.status is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        if self.status is None:
            self.kill()
        found = SANITIZER.search(self.errors)
        assert not found, f"{self.name}: {self.errors[found.start():][:4000]}"
        return self.status

    def show(self, lines=15):
        """Shows on stderr what it said last."""
        for which, stream in (("stdout", self.output), ("stderr", self.errors)):
            for line in stream.splitlines()[-lines:]:
                print(f"{self.name} {which}: {line}", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                if not issubclass(kind, KeyboardInterrupt):
                    self.show()
                if self.status is None:
                    self.kill()
        finally:
            for file in self._files:
                file.close()
            if self._scratch:
                self._scratch.cleanup()

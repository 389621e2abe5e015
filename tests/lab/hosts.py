"""Hosts of the lab: named network namespaces, what runs in them, and their end."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

NAMESPACES = pathlib.Path("/run/netns")
PREFIX = "tepkit-"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """What a person can do something about; str () says it."""


def command(arguments, stdin=None):
    """Runs a tool to its end; its complaint becomes the error."""
    result = subprocess.run(arguments, input=stdin, text=True, capture_output=True, check=False)
    if result.returncode != 0:
        raise LabError(f"{' '.join(map(str, arguments[:6]))}: {result.stderr.strip() or result.returncode}")
    return result.stdout


def name(lab_id, host):
    """The namespace of a host."""
    return f"{PREFIX}{lab_id}-{host}"


def make(namespaces):
    command(["ip", "-batch", "-"], "".join(f"netns add {n}\n" for n in namespaces))


def set_up(scripts):
    """Runs a shell script as root inside each of the namespaces, all at once."""
    running = [(namespace, subprocess.Popen(["ip", "netns", "exec", namespace, "sh", "-eu"],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True))
               for namespace in scripts]
    # Each script is short enough for the pipe, so no process waits for another.
    for namespace, process in running:
        process.stdin.write(scripts[namespace])
        process.stdin.close()
    for namespace, process in running:
        said = process.stdout.read()
        if process.wait() != 0:
            raise LabError(f"setting up {namespace}: {said.strip()}")


@contextlib.contextmanager
def inside(namespace):
    """Sockets that this thread makes in the context belong to the namespace, also afterwards."""
    def enter(descriptor):
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}: {os.strerror(ctypes.get_errno())}")

    with open("/proc/thread-self/ns/net", "rb") as home, open(NAMESPACES / namespace, "rb") as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


# Bind mounts in the mount namespace that "ip netns exec" makes: the lab's names, and no name server.
_WITH_NAMES = ('mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf '
               '&& shift && exec "$@"')


def command_in(namespace, directory, arguments):
    """The argument vector that runs a command in a host; its process id stays that of the command."""
    return ["ip", "netns", "exec", namespace, "sh", "-c", _WITH_NAMES, "sh", str(directory), *arguments]


def processes_in(namespaces):
    """The ids of all processes that are in one of the namespaces, this one left out."""
    places = set()
    for namespace in namespaces:
        with contextlib.suppress(OSError):
            status = os.stat(NAMESPACES / namespace)
            places.add((status.st_dev, status.st_ino))
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            status = os.stat(f"/proc/{entry}/ns/net")
            if (status.st_dev, status.st_ino) in places:
                found.append(int(entry))
    return found


def end_processes(namespaces, grace_s=1.0):
    """Ends what runs in the namespaces: asks, waits a little, insists."""
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 2.0)):
        left = processes_in(namespaces)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            time.sleep(0.005)
            left = processes_in(namespaces)
        if not left:
            return
    raise LabError(f"processes {left} of the lab cannot be ended")


def remove(namespaces):
    """Removes the namespaces that there are; with the last process and descriptor the kernel ends them."""
    there = [n for n in namespaces if (NAMESPACES / n).exists()]
    if there:
        command(["ip", "-batch", "-"], "".join(f"netns del {n}\n" for n in there))


def start_time(process):
    """When a process began, in clock ticks after boot, or None if there is none: tells a re-used id."""
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])

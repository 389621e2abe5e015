"""Networks brought up, used and taken down. The command "lab" and the tests in Python use the same class."""
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile

import boxes
import hosts
import networks
import proxies
from catalogue import NETWORKS
from hosts import LabError

STATES = pathlib.Path("/run/tepkit-lab")
HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE / "lab"
ID_MAX = 32            # characters of a network's id


@dataclasses.dataclass
class Options:
    """How a network is to behave beyond its name."""
    delay: float = 0       # milliseconds, one way
    loss: float = 0        # percent, each direction
    burst: float = 0       # mean number of losses in a row
    rate: float = 0        # kbit/s
    queue: int = 0         # packets at the link; 0: the link's own default
    outage: str = ""       # FROM:LENGTH[:EVERY], milliseconds
    seed: int = 1
    congestion: str = ""   # congestion control of all hosts, as in "ip route"
    refuse: str = ""       # "drop" or "reset" instead of the network's own way

    def wants_link(self):
        return bool(self.delay or self.loss or self.rate or self.outage)

    def link_arguments(self):
        values = {key: getattr(self, key) for key in
                  ("delay", "loss", "burst", "rate", "queue", "outage", "seed")}
        return [f"--{key}={value}" for key, value in values.items() if value or key == "seed"]


def _built(name, needed_for):
    builds = [os.environ.get("TEPKIT_BUILD"), HERE.parent.parent / "build"]
    for build in filter(None, builds):
        path = pathlib.Path(build) / "tests" / "lab" / name
        if path.exists():
            return path
    raise LabError(f"{needed_for}, which is not built: meson setup build && ninja -C build tests/lab/{name} "
                   "(or set TEPKIT_BUILD)")


def _link_program():
    return _built("link", "delay and loss need the link")


def _inspector_program():
    return _built("inspector", "inspection needs the inspector")


def _owner_is_gone(owner):
    return owner is not None and hosts.start_time(owner["pid"]) != owner["start"]


class Lab:
    """One network. As a context it is taken down at the end, whatever happens."""

    def __init__(self, lab_id, state):
        self.id = lab_id
        self.state = state
        self.directory = STATES / lab_id
        self.network = NETWORKS[state["network"]]
        self.options = Options(**state.get("options", {}))

    # Life

    @classmethod
    def up(cls, network_name, lab_id=None, options=None, owner=0):
        """Brings a network up. owner: the process after whose end "sweep" removes it, 0 for this one, or
        None to keep it until down."""
        if network_name not in NETWORKS:
            raise LabError(f"there is no network {network_name!r}; there are {', '.join(NETWORKS)}")
        lab_id = lab_id or f"{network_name[:ID_MAX - 9]}-{secrets.token_hex(4)}"
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,%d}" % (ID_MAX - 1), lab_id):
            raise LabError(f"id {lab_id!r}: 1 to {ID_MAX} of a-z, 0-9 and - are meant")
        if os.geteuid() != 0:
            raise LabError("making network namespaces needs root")
        options = options or Options()
        state = {"network": network_name, "owner": None, "options": dataclasses.asdict(options)}
        if owner is not None:
            owner = owner or os.getpid()
            state["owner"] = {"pid": owner, "start": hosts.start_time(owner)}
        lab = cls(lab_id, state)
        lab._claim()
        try:
            lab._build(options)
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def find(cls, lab_id):
        """The network that runs under an id."""
        try:
            state = json.loads((STATES / lab_id / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise LabError(f"there is no network up with id {lab_id!r}; lab status shows those there are") from None
        return cls(lab_id, state)

    def _claim(self):
        """Takes the id. The state appears whole, and before all else: whatever ends this process, sweep
        then knows what to remove."""
        STATES.mkdir(exist_ok=True)
        draft = pathlib.Path(tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=STATES))
        draft.chmod(0o755)
        (draft / "state.json").write_text(json.dumps(self.state), encoding="utf-8")
        (draft / "hosts").write_text(networks.names(self.network), encoding="ascii")
        (draft / "resolv.conf").write_text("# no name server in the lab\n", encoding="ascii")
        for name, content in networks.files_of_device(self.network).items():
            (draft / "device").mkdir(exist_ok=True)
            (draft / "device" / name).write_text(content, encoding="ascii")
        try:
            draft.rename(self.directory)
        except OSError:
            shutil.rmtree(draft)
            raise LabError(f"there is a network {self.id} already: lab down {self.id}") from None

    def _build(self, options):
        hosts.make(self.namespaces)
        cables = list(networks.cables(self.network))
        if options.wants_link():
            self._start_link(options)
        else:
            cables.append(networks.internet_cable(self.network))
        for number, (host, interface, other, its_interface) in enumerate(cables):
            # The kernel makes a cable's first end usable at once only if the two indexes differ, otherwise
            # up to a second later (its linkwatch takes such a pair for one device).
            hosts.command(["ip", "-n", self.namespace(host), "link", "add", interface, "index", str(100 + number),
                           "type", "veth", "peer", "name", its_interface, "index", str(200 + number),
                           "netns", self.namespace(other)])
        scripts = networks.host_scripts(self.network, options.congestion, options.refuse)
        hosts.set_up({self.namespace(host): script for host, script in scripts.items()})
        if self.network.proxy:
            proxies.start(self.network, self.id, self.directory, self.namespace("proxy"))
        boxes.start(self.network, self.id, self.directory, self.namespace("firewall"), _inspector_program)

    def _start_link(self, options):
        host, interface, other, its_interface = networks.internet_cable(self.network)
        arguments = [_link_program(), f"--left={self.namespace(host)}:{interface}",
                     f"--right={self.namespace(other)}:{its_interface}", "--json", *options.link_arguments()]
        with open(self.directory / "link.log", "wb") as log:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                       start_new_session=True)
        with process.stdout:
            if process.stdout.readline() != b"ready\n":
                raise LabError((self.directory / "link.log").read_text(encoding="utf-8").strip())

    def down(self):
        """Ends everything that runs in the network and removes it. Returns the link's counts, if any."""
        hosts.end_processes(self.namespaces)
        counts = None
        with contextlib.suppress(OSError, ValueError):
            counts = json.loads((self.directory / "link.log").read_text(encoding="utf-8"))
        hosts.remove(self.namespaces)
        if self.network.proxy or self.network.boxes:
            proxies.forget(self.id)
        shutil.rmtree(self.directory, ignore_errors=True)
        return counts

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    # Use

    def namespace(self, host):
        if host not in self.network.hosts:
            raise LabError(f"{self.network.name} has no host {host!r}; it has {', '.join(self.network.hosts)}")
        return hosts.name(self.id, host)

    @property
    def namespaces(self):
        return [hosts.name(self.id, host) for host in self.network.hosts]

    @property
    def environment(self):
        """The LAB variables."""
        return {"LAB": str(PROGRAM), "LAB_ID": self.id, "LAB_STATE": str(self.directory),
                **networks.environment(self.network, self.directory)}

    def __getitem__(self, variable):
        """lab["CORE_ADDR6"]: the value of LAB_CORE_ADDR6."""
        return self.environment["LAB_" + variable]

    def command_in(self, host, arguments):
        """The argument vector that runs a command in a host."""
        own = self.directory / host
        return hosts.command_in(self.namespace(host), own if own.is_dir() else self.directory, [str(a) for a in arguments])

    def run(self, host, arguments, **options):
        """subprocess.run in a host, with the LAB variables, output captured as text."""
        settings = {"capture_output": True, "text": True, "check": False, "stdin": subprocess.DEVNULL,
                    "env": {**os.environ, **self.environment}, **options}
        return subprocess.run(self.command_in(host, arguments), **settings)

    def socket(self, host, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket that lives in a host."""
        with hosts.inside(self.namespace(host)):
            return socket.socket(family, kind, protocol)

    def refused(self):
        """Packets that the firewall refused so far: {"udp": n, "tcp": n, "other": n}."""
        said = json.loads(hosts.command(["ip", "netns", "exec", self.namespace("firewall"),
                                         "nft", "-j", "list", "counters"]))
        counters = (entry["counter"] for entry in said["nftables"] if "counter" in entry)
        return {c["name"].removeprefix("refused_"): c["packets"] for c in counters}

    def cut(self):
        """Nothing passes between the site and the core any more, and nobody is told."""
        hosts.command(["ip", "netns", "exec", self.namespace("internet"), "nft", "-f", "-"], """
            table inet cut {
              chain forward { type filter hook forward priority -300; policy drop; }
            }
            """)

    def mend(self):
        """Ends a cut."""
        hosts.command(["ip", "netns", "exec", self.namespace("internet"), "nft", "delete table inet cut"])


def running():
    """All networks that are up, and those left half made."""
    found = []
    for path in sorted(STATES.glob("[!.]*")):
        with contextlib.suppress(LabError):
            found.append(Lab.find(path.name))
    return found


def sweep():
    """Takes down the networks whose owner is gone. Returns their ids."""
    swept = []
    STATES.mkdir(exist_ok=True)
    with open(STATES / ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for draft in STATES.glob(".*-*"):
            if hosts.start_time(draft.name[1:].partition("-")[0]) is None:
                shutil.rmtree(draft, ignore_errors=True)
        for lab in running():
            if _owner_is_gone(lab.state["owner"]):
                lab.down()
                swept.append(lab.id)
    return swept

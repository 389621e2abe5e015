"""What octets can say of themselves, in the words of tep-detect, and what is to be found out about a box that heeds it."""
import dataclasses

NOTHING = frozenset()

# Classes of first octets. Inverted: each bit is another; misspelt: one letter is.
SIP = frozenset({"sip-register", "sip-invite"})
INVERTED = frozenset({"sip-register-inverted", "sip-invite-inverted"})
MISSPELT = frozenset({"sip-register-misspelt", "sip-invite-misspelt"})
OTHER_NAME = frozenset({"tls-other-name"})  # a front door answers no name but its own
TLS = frozenset({"tls", "tls-stun"})
CLASSES = SIP | INVERTED | MISSPELT | TLS | OTHER_NAME | {"printable", "http", "random", "stun"}


def udp(*classes):
    """The same over UDP, where that is another matter than over TCP."""
    return frozenset(f"udp-{each}" for each in classes)


# Silence is said to nobody on ports of the web, nor by UDP.
EVERYTHING = CLASSES | udp(*CLASSES, "rtp", "dtls") | {"silence"}

# How they are held back.
DROP, RESET, LATE, FORGED, ALTERED, CLOSED = "drop", "reset", "late-drop", "forged-answer", "altered", "close"

SURENESS = ("not-determined", "suspected", "probable", "confirmed")


@dataclasses.dataclass(frozen=True)
class Content:
    """What a right detector says of content that is held back."""
    how: tuple             # by which mechanism: one of these, where the box does now this and now that
    blocked: frozenset     # classes that it names as held back
    passing: frozenset     # and as passing
    perhaps: frozenset = NOTHING  # held back too: where enough is, not all of them are asked
    by_chance: frozenset = NOTHING  # of these, those that pass now and then
    is_elsewhere: bool = False  # what is held back passes on other ports, or by the other protocol
    ports: tuple = ()      # where it is held back, if that is to be said
    sure: str = "confirmed"  # at least

    @property
    def never_passing(self):
        return NOTHING if self.is_elsewhere else (self.blocked | self.perhaps) - self.by_chance

    @property
    def never_blocked(self):
        return EVERYTHING - self.blocked - self.perhaps


def only(how, *blocked):
    """Those, on every port, over UDP too, and nothing else."""
    held = frozenset(blocked)
    return Content((how,), held, CLASSES - held, udp(*held))


def only_so(how, *blocked):
    """Those, as they are carried, and nothing else."""
    held = frozenset(blocked)
    return Content((how,), held, CLASSES - held)


def all_but(how, *passing, **more):
    """Whatever is none of those. What a box that holds back nearly everything does to each class is not all asked."""
    free = frozenset(passing)
    surely = frozenset({"printable", "stun", "sip-register"})
    perhaps = CLASSES - surely - free - (OTHER_NAME if "tls" in free else NOTHING)
    return Content((how,) if isinstance(how, str) else how, surely, free, perhaps, **more)

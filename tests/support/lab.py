"""The lab for tests in Python: from lab import Lab, Options. See tests/lab/README.md and laboratory.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
from laboratory import Lab, LabError, Options, running, sweep  # noqa: E402,F401
from catalogue import BASIC, NETWORKS  # noqa: E402,F401
from networks import FAMILIES  # noqa: E402,F401

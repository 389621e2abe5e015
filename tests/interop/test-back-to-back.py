#!/usr/bin/python3
"""Clients that log in at the bridge alone, and the bridge at coturn: by verified TLS through proxies."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from coturn import coturn  # noqa: E402
from digest_squid import digest_squid  # noqa: E402
from lab import Lab  # noqa: E402
from nice_talk import exchanges  # noqa: E402
from tap import run, test  # noqa: E402

OPTION = "--back-to-back"


@test("/interop/back-to-back/messages-arrive/squid-digest/both-ways")
def _():
    with Lab.up("nat") as lab, coturn(lab) as (_, trusted), digest_squid(lab) as url:
        exchanges(lab, trusted, OPTION, "--proxy", url)
        exchanges(lab, trusted, OPTION, "--proxy", url, "--listener")


run()

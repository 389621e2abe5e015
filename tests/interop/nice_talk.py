"""Runs two libnice agents behind bridges on the device of a lab, and judges what they say."""
import concurrent.futures
import json
import os
import pathlib

from coturn import PASSWORD, USER
from process import SANITIZER
from tap import Late

NICE_PEERS = pathlib.Path(os.environ["TEPKIT_BUILD"], "tests", "interop", "nice-peers")
LIMIT_MS = 3000


def arguments(trusted, *options, user=USER, password=PASSWORD, server="core.lab:443"):
    return [NICE_PEERS, "--server", server, "--ca", trusted, "--user", user, "--password", password, *options]


def talk(lab, trusted, *options, **settings):
    """Runs the two agents; returns (exit status, events)."""
    done = lab.run("device", arguments(trusted, *options, **settings))
    print(done.stdout, done.stderr)
    assert "CRITICAL" not in done.stderr and not SANITIZER.search(done.stderr), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def exchanges(lab, trusted, *options, **settings):
    """Everything arrives; returns the bridges' counts."""
    status, events = talk(lab, trusted, *options, **settings)
    assert status == 0 and [e for e in events if e["event"] == "exchanged"][0]["wrong"] == 0, status
    return [e for e in events if e["event"] == "counts"]


def ends(lab, trusted, *causes, options=(), **settings):
    """The gathering of one agent ends in time without a relayed candidate, and what the bridge says has all of these words;
    by both ways of coming in."""
    with concurrent.futures.ThreadPoolExecutor() as both:
        runs = list(both.map(lambda way: talk(lab, trusted, "--gather", "--late", *options, *way, **settings),
                             ((), ("--listener",))))
    for status, events in runs:
        gathered = [e for e in events if e["event"] == "gathered"][0]
        assert status == 3 and not gathered["relayed"], gathered
        assert all(words in gathered["cause"] for words in causes), gathered
        # Two threads pass it on to each other, libnice's and the bridge's: how long each was kept waiting does not add up to what the row was.
        if gathered["ms"] >= LIMIT_MS:
            raise Late(gathered)

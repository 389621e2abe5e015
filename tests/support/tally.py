#!/usr/bin/python3
"""Counts what meson's JSON test logs say, subtests of TAP programs included.

usage: tally.py BUILD=LOG...      prints what failed on stderr and "N passed, N failed, N skipped" on
                                  stdout, and exits 1 if anything failed or nothing ran. Of a program that
                                  several logs of a build name, the last one counts, and that is said.
       tally.py --failed LOG      prints the names of the programs that failed, as meson takes them
"""
import json
import re
import sys

TAP_LINE = re.compile(r"(not )?ok\b(?P<rest>.*)")
DIRECTIVE = re.compile(r"#\s*(skip|todo)\b", re.IGNORECASE)
PASSED = {"OK", "EXPECTEDFAIL"}


def tap_results(output):
    """The (outcome, line) of each top-level test line."""
    for line in output.splitlines():
        match = TAP_LINE.match(line)
        if not match:
            continue
        directive = DIRECTIVE.search(match["rest"])
        if directive:
            yield "skipped", line
        else:
            yield ("failed" if match[1] else "passed"), line


def count(record):
    """The outcomes of one test program as a dictionary, and what to show of its failures."""
    outcomes = {"passed": 0, "failed": 0, "skipped": 0}
    shown = []
    for outcome, line in tap_results(record.get("stdout") or ""):
        outcomes[outcome] += 1
        if outcome == "failed":
            shown.append(line)
    result = record["result"]
    if result in PASSED:
        if not any(outcomes.values()):
            outcomes["passed"] = 1
    elif result == "SKIP":
        if not any(outcomes.values()):
            outcomes["skipped"] = 1
    elif not outcomes["failed"]:
        # It crashed, timed out, leaked, or ended before its plan did: no line of its own says so.
        outcomes["failed"] = 1
        shown.append(f"{result.lower()}, exit status {record.get('returncode')}")
    return outcomes, shown


def records(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def failed(path):
    """Without the suites, which meson names before them."""
    return [record["name"].rsplit(" / ", 1)[-1] for record in records(path) if count(record)[0]["failed"]]


def main(arguments):
    if arguments[:1] == ["--failed"]:
        for name in failed(arguments[1]):
            print(name)
        return 0
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    last = {}
    for argument in arguments:
        build, path = argument.split("=", 1)
        for record in records(path):
            outcomes, shown = count(record)
            name = f"{build}: {record['name']}"
            if name in last and not outcomes["failed"]:
                print(f"failed beside others and passed alone in {name}: {'; '.join(last[name][1])}", file=sys.stderr)
            last[name] = outcomes, shown
    for name, (outcomes, shown) in last.items():
        for outcome, number in outcomes.items():
            totals[outcome] += number
        for text in shown:
            print(f"failed in {name}: {text}", file=sys.stderr)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals), flush=True)
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Tests that do not disturb each other, several at a time, each shown as a test of its own."""
import concurrent.futures
import sys

from tap import run, test


def run_side_by_side(cases, at_a_time):
    """Registers {name: function} as tests, runs them and those registered before, and exits."""
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        under_way = {}

        def outcome(name):
            if not under_way:
                for each, function in cases.items():
                    if not sys.argv[1:] or any(w in each for w in sys.argv[1:]):
                        under_way[each] = pool.submit(function)
            under_way[name].result()

        for name in cases:
            test(name)(lambda n=name: outcome(n))
        try:
            run()
        finally:
            pool.shutdown(cancel_futures=True)

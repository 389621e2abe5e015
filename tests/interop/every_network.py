"""The networks of the lab side by side: what each lets out, and a test in each of them."""
import concurrent.futures
import sys

from ends import PLAIN, TLS, WEB
from tap import run, test

# What each network lets out; the ordinary way, UDP, passes in the first two alone.
WAYS = {
    "open": (WEB, PLAIN, TLS),
    "nat": (WEB, PLAIN, TLS),
    "web-only": (WEB, PLAIN, TLS),
    "tls-only": (TLS,),
    "tcp-443": (PLAIN, TLS),
    "proxy": (PLAIN, TLS),
    "proxy-basic": (PLAIN, TLS),
}


def at_once(work):
    """Calls each function in a thread of its own; the first failure becomes the caller's once all have ended."""
    with concurrent.futures.ThreadPoolExecutor(len(work)) as pool:
        for each in [pool.submit(function) for function in work]:
            each.result()


def run_in_every(folder, behaviour, work, at_a_time):
    """Registers work (network's name, ways out) as a test of each network, runs all tests of the program, and exits.

    Networks do not disturb each other: as many at once as there are cores for.
    """
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as networks:
        under_way = {}

        def outcome(name):
            for each, ways in WAYS.items():
                if each not in under_way and (each == name or not sys.argv[1:]):
                    under_way[each] = networks.submit(work, each, ways)
            under_way[name].result()

        for network in WAYS:
            test(f"/interop/{folder}/{network}/{behaviour}")(lambda n=network: outcome(n))
        try:
            run()
        finally:
            networks.shutdown(cancel_futures=True)

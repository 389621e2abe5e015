"""Runs the program load beside the processes whose costs are wanted, and says what each packet cost them."""
import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("TEPKIT_BUILD", pathlib.Path(__file__).resolve().parent.parent.parent / "build"))


def cpu_s(pids):
    """Seconds of processor time that the threads of processes had so far, user and system."""
    return sum(int(path.read_text().split()[0]) for pid in pids for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def drive(arguments, options, find_pids, at_ready=lambda: None):
    """One run, on core 1, of load with these arguments and the options' tunnels, rate and seconds. find_pids: called when all
    tunnels are open, returns whose processor time counts."""
    command = ["taskset", "-c", "1", BUILD / "tests" / "bench" / "load", *arguments,
               f"--tunnels={options.tunnels}", f"--rate={options.rate}", f"--seconds={options.seconds}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline().strip()
        if said != "ready":
            raise SystemExit(f"bench: {arguments[0]}: the tunnels did not all open: {said}")
        at_ready()
        pids = find_pids()
        before = cpu_s(pids)
        process.stdin.write("\n")
        process.stdin.flush()
        result = json.loads(process.stdout.readline())
        result["cpu_s"] = cpu_s(pids) - before
        process.stdin.write("\n")
        process.stdin.flush()
    result["us_per_packet"] = result["cpu_s"] * 1e6 / max(1, result["received"])
    return result

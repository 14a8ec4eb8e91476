"""A program that writes as fast as it can, to a rotated log: how fast that is, what it costs, and whether all of it arrives."""
import os
import shutil
import signal
import subprocess
import time

from . import supervisors
from .common import BenchError, median, now_ns, ratio, say, table, times, tool
from .idle import counters
from .supervisors import FLOOR, OURS, SUPERVISORD, Running, kill_everything, verdict

GOAL_CPU = 0.1


def files(directory):
    """The log's files, the oldest first."""
    names = os.listdir(directory)
    old = sorted((name for name in names if name.startswith("log.")), key=lambda name: -int(name[4:]))
    stamped = sorted(name for name in names if name.startswith("@"))
    return [os.path.join(directory, name) for name in [*old, *stamped, "log", "current"] if name in names]


def arrived(directory):
    total = 0
    for path in files(directory):
        try:
            total += os.path.getsize(path)
        except FileNotFoundError:  # rotated meanwhile
            pass
    return total


def spent(pids):
    return sum(counters(pid)["cpu_ns"] for pid in pids)


def one(name, path, opts, size):
    """Megabytes a second, and seconds of processor time of everything but the program."""
    logs = os.path.join(opts.dir, "logs")
    shutil.rmtree(logs, ignore_errors=True)
    os.mkdir(logs)
    running = Running(name, path, opts, 1, then=f"write:{size}", log=logs)
    running.start_all()
    # Its loop turns once a second until the program counts as running.
    time.sleep(2.5)
    (program,), others = running.split()
    before, begun = spent(others), now_ns()
    os.kill(program, signal.SIGUSR1)
    deadline = time.monotonic() + 120
    while (there := arrived(logs)) < size:
        if time.monotonic() > deadline:
            raise BenchError(f"{name}: {there:,} of {size:,} bytes have arrived within 120 s")
        time.sleep(0.002)
    took = (now_ns() - begun) / 1e9
    cpu = (spent(others) - before) / 1e9
    kill_everything()
    checked = subprocess.run([tool("check_lines"), *files(logs)], capture_output=True, text=True, check=False)
    if checked.returncode != 0 or int(checked.stdout) != size:
        raise BenchError(f"{name}: lost or damaged: {checked.stdout.strip()} {checked.stderr.strip()}")
    shutil.rmtree(running.dir)
    return {"mb_s": size / 1e6 / took, "cpu_s": cpu, "files": len(files(logs))}


def run(opts):
    size = (64 if opts.quick else 512) * 1000 * 1024
    rounds = opts.rounds or (1 if opts.quick else 5)
    found, notes = supervisors.find(opts)
    runs = {name: [] for name in found}
    for turn in range(rounds):
        for name, path in found.items():
            say(f"supervise-log: round {turn + 1}/{rounds}, {name}")
            runs[name].append(one(name, path, opts, size))
    speed = {name: median([r["mb_s"] for r in taken]) for name, taken in runs.items()}
    cpu = {name: median([r["cpu_s"] for r in taken]) for name, taken in runs.items()}
    if OURS in runs and SUPERVISORD in runs:
        share = ratio(cpu[OURS], cpu[SUPERVISORD])
        notes.append(verdict(f"ours at least as fast as supervisord ({times(ratio(speed[OURS], speed[SUPERVISORD]))})", speed[OURS] >= speed[SUPERVISORD]))
        notes.append(verdict(f"ours at most {GOAL_CPU:.2f}x of its processor time ({times(share)}; the floor, which only copies: {times(ratio(cpu[FLOOR], cpu[SUPERVISORD]))})", share <= GOAL_CPU))
    notes.append("every line was found once and in its place, in all logs of all rounds")
    table(f"supervise-log: {size / 1e6:,.0f} MB of output to a rotated log in memory, {rounds} alternating rounds, medians (daemontools: files of 16 MB, the others 50 MB)",
          ["", "MB/s", "/ floor", "CPU s", "/ floor", "/ supervisord", "files"],
          [[n, speed[n], times(ratio(speed[n], speed[FLOOR])), f"{cpu[n]:.3f}", times(ratio(cpu[n], cpu[FLOOR])), times(ratio(cpu[n], cpu.get(SUPERVISORD))), r[-1]["files"]]
           for n, r in runs.items()], notes)
    return {"bytes": size, "runs": runs}

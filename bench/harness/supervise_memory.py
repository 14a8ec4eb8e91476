"""What a supervisor holds and does while its programs just live."""
import os
import time

from . import supervisors
from .common import BenchError, say, table
from .footprint import memory
from .idle import counters
from .supervisors import FLOOR, OURS, Running, kill_everything, verdict

GOAL_KB = 3072
LOGGED = "ours, with log files"


def sizes(running):
    """kB of all processes of a supervisor together, without the programs."""
    total = {"processes": 0, "uss": 0, "anonymous": 0, "pss": 0}
    for pid in running.split()[1]:
        one = memory(pid)
        total["processes"] += 1
        for key in ("uss", "anonymous", "pss"):
            total[key] += one[key]
    return total


def used(running, before):
    """What its processes did since `before`."""
    total = {"voluntary": 0, "involuntary": 0, "cpu_ns": 0}
    pids = running.split()[1]
    if set(pids) != set(before):
        raise BenchError(f"{running.name}: its processes changed while it was idle")
    for pid in pids:
        after = counters(pid)
        for key in total:
            total[key] += after[key] - before[pid][key]
    return total


def run(opts):
    counts = [1, 20, 100] if opts.quick else [1, 100, 1000]
    seconds = opts.seconds or (5 if opts.quick else 20)
    found, notes = supervisors.find(opts)
    for path in found.values():
        with open(path, "rb") as file:
            os.fsync(file.fileno())  # pages of a file just built are "private dirty" until written back
    contenders = {name: (name, path, None) for name, path in found.items()}
    if OURS in found:
        logs = os.path.join(opts.dir, "memory-logs")
        os.mkdir(logs)
        contenders[LOGGED] = (OURS, found[OURS], logs)
    held = {name: {} for name in contenders}
    for count in counts:
        running = {}
        for name, (kind, path, logs) in contenders.items():
            if kind == FLOOR and logs is None or kind != FLOOR:
                say(f"supervise-memory: {count} programs, {name}")
                running[name] = Running(kind, path, opts, count, log=logs, variant=".memory" + ("-log" if logs else ""))
                running[name].start_all()
        # supervisord's programs count as running after a second, and its loop turns once a second.
        time.sleep(4)
        for name, one in running.items():
            held[name][count] = sizes(one)
        if count == counts[-1]:
            say(f"supervise-memory: idle for {seconds} s")
            before = {name: {pid: counters(pid) for pid in one.split()[1]} for name, one in running.items()}
            time.sleep(seconds)
            worked = {name: used(one, before[name]) for name, one in running.items()}
        kill_everything()
    most = counts[-1]
    if OURS in held:
        mine = held[OURS][most]
        notes.append(verdict(f"ours below {GOAL_KB:,} kB with {most:,} programs ({mine['uss']:,} kB)", mine["uss"] < GOAL_KB))
        quiet = worked[OURS]
        notes.append(verdict(f"ours without a wake-up and without processor time ({quiet['voluntary']} wake-ups, {quiet['cpu_ns'] / 1000:,.1f} us)",
                             quiet["voluntary"] == 0 and quiet["cpu_ns"] == 0))
    table("supervise-memory: private memory of all processes of the supervisor, kB",
          ["", *(f"{count:,} programs" for count in counts), f"anonymous, {most:,}", f"PSS, {most:,}", f"processes, {most:,}", "kB a program"],
          [[name, *(of[count]["uss"] for count in counts), of[most]["anonymous"], of[most]["pss"], of[most]["processes"],
            (of[most]["uss"] - of[counts[0]]["uss"]) / (most - counts[0])] for name, of in held.items()])
    table(f"supervise-memory: {seconds} s with {most:,} idle programs", ["", "wake-ups", "involuntary", "CPU us"],
          [[name, u["voluntary"], u["involuntary"], u["cpu_ns"] / 1000] for name, u in worked.items()], notes)
    return {"held_kb": held, "idle": worked, "seconds": seconds}

"""More and more programs: start, a storm in which all die at once, stop. What one program costs must not grow."""
import os
import resource
import signal
import time

from . import supervisors
from .common import BenchError, now_ns, ratio, say, table, times
from .idle import counters
from .supervisors import FLOOR, OLD_ENOUGH, OURS, RUNIT, S6, SUPERVISORD, Running, kill_everything, verdict

# From the smallest to the largest number, beside the same of the floor: the kernel's own lists grow, too.
FLAT = 1.5
FIGURES = ("start_us", "storm_us", "storm_cpu_us", "stop_us")
# supervisord holds three pipes for each program, runit and s6 a process and more: 10,000 do not fit a usual machine.
MOST = {SUPERVISORD: 1000, RUNIT: 1000, S6: 1000}


def spent(pids):
    return sum(counters(pid)["cpu_ns"] for pid in pids)


def one(name, path, opts, count):
    """us for each program."""
    running = Running(name, path, opts, count, variant=".scale")
    start = running.start_all() * 1000 / count
    programs, others = running.split()
    # Until all are old enough to be replaced at once, and supervisord has seen it.
    time.sleep(OLD_ENOUGH + (1.5 if name == SUPERVISORD else 0))
    before, begun = spent(others), now_ns()
    for pid in programs:
        os.kill(pid, signal.SIGKILL)
    last = max(at for at, _ in running.wait(count))
    storm, cpu = (last - begun) / 1000 / count, (spent(others) - before) / 1000 / count
    time.sleep(OLD_ENOUGH)
    living = len(running.split()[0])
    if living != count:
        raise BenchError(f"{name}: {living} programs after the storm instead of {count}")
    stop = running.stop() * 1000 / count
    kill_everything()
    return {"start_us": start, "storm_us": storm, "storm_cpu_us": cpu, "stop_us": stop}


def run(opts):
    counts = opts.living or ([50, 200] if opts.quick else [100, 1000, 10000])
    rounds = opts.rounds or (1 if opts.quick else 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found, notes = supervisors.find(opts, [FLOOR, OURS, SUPERVISORD, S6, RUNIT])
    taken, most = {name: {} for name in found}, dict(MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for count in counts:
            for turn in range(rounds):
                for name, path in found.items():
                    if count > most.get(name, count):
                        continue
                    say(f"supervise-scale: {count} programs, round {turn + 1}/{rounds}, {name}")
                    try:
                        taken[name].setdefault(count, []).append(one(name, path, opts, count))
                    except BenchError as error:
                        kill_everything()
                        taken[name].pop(count)
                        most[name] = count - 1
                        notes.append(f"{count:,}: {error}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Other work on the machine only ever adds, and thousands of processes take seconds: the best round, not the middle one.
    best = {name: {count: {key: min(r[key] for r in runs) for key in FIGURES} for count, runs in of.items()} for name, of in taken.items()}
    few, many = counts[0], counts[-1]
    growth = {name: {key: ratio(best[name][many][key], best[name][few][key]) for key in FIGURES}
              for name in (FLOOR, OURS) if {few, many} <= set(best.get(name, ()))}
    if OURS in best and OURS not in growth:
        notes.append(verdict(f"the cost of a program with {many:,} at most {FLAT:.1f}x of that with {few:,} (it did not come so far)", False))
    elif OURS in growth:
        for key, word in (("start_us", "start"), ("storm_us", "storm"), ("stop_us", "stop")):
            mine, floor = growth[OURS][key], growth[FLOOR][key]
            notes.append(verdict(f"{word}: the cost of a program with {many:,} at most {FLAT:.1f}x of that with {few:,} ({times(mine)}, floor {times(floor)})", mine <= FLAT * max(1.0, floor)))
    rows = [[f"{name}, {count:,}", *(f"{b[key]:,.1f}" for key in FIGURES), *(times(ratio(b[key], best[FLOOR][count][key])) for key in ("start_us", "storm_us", "stop_us"))]
            for count in counts for name, of in best.items() if (b := of.get(count))]
    table(f"supervise-scale: us for each program, best of {rounds}: all begun; all killed at once -> all replaced; told to stop -> all gone",
          ["", "start", "storm", "CPU in storm", "stop", "start / floor", "storm / floor", "stop / floor"], rows, notes)
    return {"us": best, "runs": taken, "growth": growth}

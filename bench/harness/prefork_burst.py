"""Many requests at once for a pool with one spare worker: how soon each has a worker, and what becomes of the pool then."""
import os
import shutil
import signal
import socket
import threading
import time

from . import prefork
from .common import BenchError, median, ratio, say, table, times, tool

REQUESTS, MS = 32, 1000
GOAL_MS = 40.0
SPARE = ["--min-spare=1", "--max-spare=40", "--max-workers=150"]
FLOOR, FIXED, OURS, OURS_PERL = "no manager, 32 waiting", "ours, fixed", "ours", "ours, Perl worker"
NOT_HERE = {"Apache mpm_prefork": "apache2", "php-fpm": "php-fpm", "uWSGI": "uwsgi"}


class Bare:
    """Workers that wait already, started by this process: the floor."""

    def __init__(self, count):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        fd = self.listener.fileno()
        os.set_inheritable(fd, True)
        command = [tool("prefork_worker"), str(fd), str(MS)]
        begun = time.monotonic()
        self.workers = [os.posix_spawn(command[0], command, os.environ) for _ in range(count)]
        while not all(prefork.waits(pid) for pid in self.workers):
            time.sleep(0.0005)
        self.start = time.monotonic() - begun

    def wait_idle(self, _count):
        pass

    def size(self):
        return len(self.workers)

    def stop(self):
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.listener.close()


class Curve:
    """The pool's size over time, one entry for each change."""

    def __init__(self, pool):
        self.pool, self.points, self.ending = pool, [], threading.Event()
        self.begun = time.monotonic()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.ending.is_set():
            size = self.pool.size()
            if not self.points or self.points[-1][1] != size:
                self.points.append((round(time.monotonic() - self.begun, 3), size))
            self.ending.wait(0.01)

    def end(self):
        self.ending.set()
        self.thread.join()
        return self.points


def contenders(opts):
    """{name: start a pool}"""
    found = {
        FLOOR: lambda: Bare(REQUESTS),
        FIXED: lambda: prefork.our_pool([f"--workers={REQUESTS}"], prefork.c_worker(MS), opts.dir, FIXED),
        OURS: lambda: prefork.our_pool(SPARE, prefork.c_worker(MS), opts.dir, OURS),
        OURS_PERL: lambda: prefork.our_pool(SPARE, prefork.perl_worker(MS), opts.dir, OURS_PERL),
    }
    notes = []
    for name in (prefork.NET_SERVER, prefork.SPARE_WORKERS):
        if opts.only == "ours" or not prefork.perl_has(name):
            notes.append(f"{name} left out")
        else:
            found[name] = lambda name=name: prefork.perl_pool(name, MS, 1, 40, 150, opts.dir)
    for name, program in NOT_HERE.items():
        if not shutil.which(program):
            notes.append(f"{name}: not installed")
    return found, notes


def one(name, start, after):
    """One burst on a fresh pool: seconds until each is served, and the sizes from then on."""
    pool = start()
    wanted = REQUESTS if name in (FLOOR, FIXED) else 1
    pool.wait_idle(wanted)
    curve = Curve(pool)
    burst = prefork.Burst(pool.port, REQUESTS)
    if burst.lost or len(burst.served) != REQUESTS:
        raise BenchError(f"{name}: {len(burst.lost)} lost: {burst.lost[:3]}")
    time.sleep(after)
    points = curve.end()
    start_each = pool.start / REQUESTS if name == FLOOR else None
    pool.stop()
    return {"who": name, "all_ms": max(burst.served) * 1000, "half_ms": sorted(burst.served)[REQUESTS // 2] * 1000,
            "curve": points, "spawn_ms": start_each and start_each * 1000}


def run(opts):
    rounds = opts.rounds or (2 if opts.quick else 7)
    long = opts.seconds or (5 if opts.quick else 60)
    found, notes = contenders(opts)
    runs = []
    for turn in range(rounds):
        for name, start in found.items():
            say(f"prefork-burst: round {turn + 1}/{rounds}, {name}")
            # The curve once, in the last round; the seconds after the burst are idle for all.
            runs.append(one(name, start, long if turn == rounds - 1 and name == OURS else 0.1))
    of = {name: [r["all_ms"] for r in runs if r["who"] == name] for name in found}
    half = {name: median([r["half_ms"] for r in runs if r["who"] == name]) for name in found}
    best, middle = {n: min(v) for n, v in of.items()}, {n: median(v) for n, v in of.items()}
    spawn = min(r["spawn_ms"] for r in runs if r["who"] == FLOOR)
    allowed = 2 * best[FLOOR] + (REQUESTS - 1) * spawn
    with open("/proc/pressure/cpu", encoding="ascii") as file:
        notes.append(f"pressure on the processors at the end: {file.readline().strip()} (ours grows with care above 90)")
    verdicts = [("2 x floor + 31 spawns", best[OURS] <= allowed, f"{allowed:.1f} ms"), ("40 ms", best[OURS] < GOAL_MS, f"{GOAL_MS:g} ms")]
    table(f"prefork-burst: {REQUESTS} requests of {MS / 1000:g} s at once, one spare worker; ms until served, {rounds} rounds",
          ["", "all, best", "all, median", "half, median", "/ floor"],
          [[n, best[n], middle[n], half[n], times(ratio(best[n], best[FLOOR]))] for n in found],
          [f"goal: ours at most {text} ({shown}): {'met' if met else 'NOT met'}" for text, met, shown in verdicts]
          + [f"one spawn of the C worker beside {os.cpu_count()} processors: {spawn:.2f} ms", *notes])
    last = [r for r in runs if r["who"] == OURS][-1]["curve"]
    print("  size of our pool, seconds:workers: " + " ".join(f"{at:g}:{size}" for at, size in last))
    turns = sum(1 for a, b, c in zip(last, last[1:], last[2:]) if (b[1] - a[1]) * (c[1] - b[1]) < 0)
    print(f"  changes of direction in {long} s after the burst: {turns}")
    result = {"runs": runs, "best_ms": best, "median_ms": middle, "spawn_ms": spawn, "allowed_ms": allowed, "turns": turns}
    if turns > 1:
        raise BenchError(f"the pool flaps: {turns} changes of direction", result)
    return result

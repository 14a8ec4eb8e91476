"""What every section needs: paths, statistics, tables, and the ending of every process that was started."""
import ctypes
import json
import os
import platform
import select
import signal
import statistics
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
OUT = os.path.join(HERE, "out")
BIN = os.path.join(OUT, "bin")


class BenchError(Exception):
    """A run that did not go as it must. `figures` are those that were taken all the same."""

    def __init__(self, text, figures=None):
        super().__init__(text)
        self.figures = figures


def tool(name):
    """A program compiled from floor/."""
    return os.path.join(BIN, name)


def release(name):
    """A Rust program of the release profile."""
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(ROOT, target, "release", name)


def scratch():
    """Where pid files, status files and FIFOs go: memory, where there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def clean_environment():
    """The environment without what a manager around us may have left in it."""
    ours = ("SERVER_STARTER_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "KILL_OLD_DELAY", "ENABLE_AUTO_RESTART", "ENVDIR")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


# ---- processes -------------------------------------------------------------------------------------------------

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def guard():
    """Every orphan of ours comes back to us, and every way out leads through end_all()."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    import atexit
    atexit.register(end_all)


def die_with_us():
    """For Popen(preexec_fn=...): should the harness be killed outright, the child is told to stop."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def children_of(pid):
    """The children of all threads of a process; empty when it has gone."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        pass
    return found


def descendants():
    """The pids of everything that this process has started and that lives, nearest first."""
    queue, found = children_of(os.getpid()), []
    while queue:
        pid = queue.pop(0)
        found.append(pid)
        queue += children_of(pid)
    return found


def end_all(grace=3.0):
    """Ends and reaps every descendant, and nothing else: TERM, and KILL after `grace` seconds."""
    deadline = time.monotonic() + grace
    number = signal.SIGTERM
    while living := descendants():
        for pid in living:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if time.monotonic() > deadline:
            if number == signal.SIGKILL and time.monotonic() > deadline + 2 * grace:
                print(f"bench/run: still alive: {len(living)} processes, {living[:10]} ...", file=sys.stderr)
                return
            number = signal.SIGKILL


class Fifo:
    """Where the stamp child writes what its clock said first."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path, 0o600)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.rest = b""

    def next(self, timeout=10.0):
        """(nanoseconds, pid) of the next child."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise BenchError(f"no worker reported within {timeout:g} s")
            self.rest += os.read(self.fd, 4096)
        line, _, self.rest = self.rest.partition(b"\n")
        at, pid = line.split()
        return int(at), int(pid)

    def close(self):
        os.close(self.fd)
        os.unlink(self.path)


# ---- figures ---------------------------------------------------------------------------------------------------

def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def median(values):
    return statistics.median(values) if values else None


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def ratio(a, b):
    return a / b if a is not None and b else None


def number(value, digits=1):
    """A figure for the table."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.{digits}f}"


def times(value):
    """A ratio for the table."""
    return "-" if value is None else f"{value:.2f}x"


def table(title, head, rows, notes=()):
    """Columns aligned: the first to the left, the others to the right."""
    cells = [head, *[[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def say(text):
    """Progress, for a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)


def report(name, result, opts):
    """Writes out/NAME.json: the figures, and what they were taken on."""
    say("")
    with open("/proc/loadavg", encoding="ascii") as file:
        load = file.read().split()[:3]
    machine = {"kernel": platform.release(), "machine": platform.machine(), "cpus": os.cpu_count(), "load": load}
    plain = {key: value for key, value in vars(opts).items() if isinstance(value, (str, int, list, dict, type(None)))}
    with open(os.path.join(OUT, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump({"section": name, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "on": machine, "options": plain, **result}, file, indent=1)
        file.write("\n")

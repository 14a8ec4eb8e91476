"""A thousand programs: from the start of the supervisor until all have executed their first instruction."""
from . import supervisors
from .common import median, ratio, say, table, times
from .supervisors import FLOOR, OURS, Running, kill_everything, verdict

GOAL = 1.3


def run(opts):
    count = 200 if opts.quick else 1000
    rounds = opts.rounds or (2 if opts.quick else 7)
    found, notes = supervisors.find(opts)
    running = {name: Running(name, path, opts, count) for name, path in found.items()}
    samples = {name: [] for name in running}
    # One more at the beginning, which does not count: s6, runit and daemontools make their FIFOs and locks then.
    for turn in range(-1, rounds):
        for name, supervisor in running.items():
            say(f"supervise-start: round {turn + 1}/{rounds}, {name}")
            took = supervisor.start_all()
            kill_everything()
            if turn >= 0:
                samples[name].append(took)
    best, middle = {n: min(v) for n, v in samples.items()}, {n: median(v) for n, v in samples.items()}
    share = {name: ratio(middle[name], middle[FLOOR]) for name in samples}
    if OURS in share:
        notes.append(verdict(f"ours / {FLOOR} at most {GOAL:.2f}x ({times(share[OURS])})", share[OURS] <= GOAL))
    table(f"supervise-start: {count:,} programs, logs off, ms until all have begun, {rounds} alternating rounds",
          ["", "best", "median", "worst", "us each", "/ floor", "best / best"],
          [[n, best[n], middle[n], max(v), middle[n] * 1000 / count, times(share[n]), times(ratio(best[n], best[FLOOR]))] for n, v in samples.items()], notes)
    return {"count": count, "samples_ms": samples, "ratio": share}

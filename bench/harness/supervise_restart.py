"""A program that has lived over a second is killed: until its replacement has executed its first instruction."""
import os
import select
import signal
import time

from . import supervisors
from .common import BenchError, Fifo, median, now_ns, quantile, ratio, say, table, times
from .supervisors import FLOOR, OLD_ENOUGH, OURS, S6, SUPERVISORD, Running, kill_everything, verdict

GOAL = 1.3
CROWD = 1000
BESIDE = f"ours, beside {CROWD:,}"
# These take a second or two each: nobody waits for them, they are looked at once a round.
SLOW = {S6, SUPERVISORD}


class Victim:
    """One supervisor with one program that is killed again and again."""

    def __init__(self, name, supervisor):
        self.name, self.supervisor, self.samples, self.killed = name, supervisor, [], None
        self.fifo = Fifo(os.path.join(supervisor.dir, "fifo"))
        supervisor.environment["STAMP_TO"] = self.fifo.path
        supervisor.start()
        for _ in range(supervisor.count):
            self.born, self.pid = self.fifo.next(30)

    def old_enough(self):
        return now_ns() - self.born > OLD_ENOUGH * 1e9

    def kill(self):
        self.killed = now_ns()
        os.kill(self.pid, signal.SIGKILL)

    def collect(self, timeout):
        """Whether the replacement has begun."""
        if self.killed is None:
            return False
        if b"\n" not in self.fifo.rest and not select.select([self.fifo.fd], [], [], timeout)[0]:
            return False
        self.born, self.pid = self.fifo.next()
        self.samples.append((self.born - self.killed) / 1000)
        self.killed = None
        return True


def run(opts):
    rounds = opts.rounds or (5 if opts.quick else 60)
    found, notes = supervisors.find(opts)
    victims = [Victim(name, Running(name, path, opts, 1, variant=".restart")) for name, path in found.items()]
    if OURS in found and not opts.quick:
        victims.append(Victim(BESIDE, Running(OURS, found[OURS], opts, CROWD, variant=".crowd")))
    for turn in range(rounds):
        say(f"supervise-restart: round {turn + 1}/{rounds}")
        time.sleep(OLD_ENOUGH)
        for victim in victims:
            if victim.name in SLOW:
                continue
            while not victim.old_enough():
                time.sleep(0.01)
            victim.kill()
            if not victim.collect(10):
                raise BenchError(f"{victim.name}: no replacement within 10 s")
            time.sleep(0.005)
        for victim in victims:
            if victim.name in SLOW:
                victim.collect(0)
                if victim.killed is None and victim.old_enough():
                    victim.kill()
    for victim in victims:
        victim.collect(5)
    kill_everything()
    for victim in victims:
        victim.fifo.close()
    samples = {victim.name: victim.samples for victim in victims if victim.samples}
    middle = {name: median(values) for name, values in samples.items()}
    share = {name: ratio(value, middle[FLOOR]) for name, value in middle.items()}
    if OURS in share:
        notes.append(verdict(f"ours / {FLOOR} at most {GOAL:.2f}x ({times(share[OURS])})", share[OURS] <= GOAL))
    least = min(samples[FLOOR])
    table(f"supervise-restart: death of a program older than a second -> its replacement's main(), us, {rounds} alternating rounds",
          ["", "times", "min", "p50", "p90", "max", "/ floor", "min / min"],
          [[n, len(v), min(v), middle[n], quantile(v, 0.9), max(v), times(share[n]), times(ratio(min(v), least))] for n, v in samples.items()], notes)
    return {"samples_us": samples, "ratio": share}

"""From HUP to the first instruction of the new worker."""
import os
import subprocess
import time

from .common import BenchError, Fifo, clean_environment, die_with_us, median, now_ns, quantile, ratio, say, table, times, tool
from .manager import Manager


class ForkExec:
    """The floor: a C program that forks and execs at our word, and tells when."""

    def __init__(self, command):
        self.process = subprocess.Popen([tool("fork_exec"), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=clean_environment(), preexec_fn=die_with_us)

    def start(self):
        """(nanoseconds just before the fork, pid)."""
        self.process.stdin.write(b"x")
        self.process.stdin.flush()
        at, pid = self.process.stdout.readline().split()
        return int(at), int(pid)

    def wait_end(self):
        """The wait status of what was launched."""
        word, status = self.process.stdout.readline().split()
        if word != b"end":
            raise BenchError("fork_exec lost its place")
        return int(status)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def run(opts):
    rounds = opts.rounds or (40 if opts.quick else 300)
    fifo = Fifo(os.path.join(opts.dir, "hup.fifo"))
    stamp = tool("stamp")
    floor = ForkExec([stamp, fifo.path, "exit"])
    bare = subprocess.Popen([tool("hup_spawn"), stamp, fifo.path, "exit"], stdout=subprocess.PIPE, env=clean_environment(), preexec_fn=die_with_us)
    bare.stdout.readline()
    managers = {}
    for name, program in opts.programs.items():
        managers[name] = Manager(name, program, [stamp, fifo.path, "wait"], opts.dir, interval=0)
        fifo.next()
        managers[name].wait_alone()
    samples = {"C fork+exec": [], "C HUP+fork+exec": [], **{name: [] for name in managers}}
    complete = {name: [] for name in managers}

    stuck = []
    for turn in range(rounds):
        say(f"hup-latency: round {turn + 1}/{rounds}")
        at, _ = floor.start()
        samples["C fork+exec"].append((fifo.next()[0] - at) / 1000)
        floor.wait_end()
        time.sleep(0.005)
        at = now_ns()
        bare.send_signal(1)
        samples["C HUP+fork+exec"].append((fifo.next()[0] - at) / 1000)
        time.sleep(0.005)
        for name, manager in list(managers.items()):
            at = manager.hup()
            try:
                samples[name].append((fifo.next()[0] - at) / 1000)
                manager.wait_alone()
            except BenchError as error:
                if name == "ours":
                    raise
                stuck.append(f"{name}: no more after round {turn + 1}: {error}")
                del managers[name]
                continue
            complete[name].append((now_ns() - at) / 1000)
            time.sleep(0.005)

    for manager in managers.values():
        manager.stop()
    bare.terminate()
    bare.wait(10)
    floor.close()
    fifo.close()
    base, woken = median(samples["C fork+exec"]), median(samples["C HUP+fork+exec"])
    least = min(samples["C fork+exec"])
    rows = [[name, min(values), median(values), quantile(values, 0.9), max(values), times(ratio(median(values), base)), times(ratio(min(values), least)),
             times(ratio(median(values), woken)), median(complete.get(name, []))] for name, values in samples.items()]
    table(f"hup-latency: HUP -> the new worker's main(), us, {rounds} alternating rounds, static C worker, --interval=0",
          ["", "min", "p50", "p90", "max", "/ fork+exec", "min / min", "/ HUP+fork+exec", "old one gone p50"], rows,
          ["goal: ours / fork+exec at most 1.30x", *stuck])
    return {"stuck": stuck, "samples_us": samples, "complete_us": complete, "ratio": {name: ratio(median(values), base) for name, values in samples.items()}}

"""What a manager costs while nothing happens: it must not wake up at all."""
import os
import time

from .common import say, table, tool
from .manager import Manager


def counters(pid):
    """Sums over all threads: context switches, time on a CPU in ns, times it was put on one, clock ticks."""
    found = {"voluntary": 0, "involuntary": 0, "cpu_ns": 0, "slices": 0, "ticks": 0}
    for task in os.listdir(f"/proc/{pid}/task"):
        base = f"/proc/{pid}/task/{task}/"
        with open(base + "status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("voluntary_ctxt_switches:"):
                    found["voluntary"] += int(line.split()[1])
                elif line.startswith("nonvoluntary_ctxt_switches:"):
                    found["involuntary"] += int(line.split()[1])
        with open(base + "schedstat", encoding="ascii") as file:
            ran, _, slices = file.read().split()
            found["cpu_ns"] += int(ran)
            found["slices"] += int(slices)
        with open(base + "stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
            found["ticks"] += int(fields[11]) + int(fields[12])
    return found


def run(opts):
    seconds = opts.seconds or (5 if opts.quick else 20)
    managers = []
    for name, program in opts.programs.items():
        managers.append(Manager(name, program, [tool("stamp"), "-", "wait"], opts.dir, interval=1))
    for manager in managers:
        manager.wait_alone()
    time.sleep(2.0)
    before = {m.name: counters(m.pid) for m in managers}
    say(f"idle: {seconds} s")
    time.sleep(seconds)
    after = {m.name: counters(m.pid) for m in managers}
    threads = {m.name: len(os.listdir(f"/proc/{m.pid}/task")) for m in managers}
    for manager in managers:
        manager.stop()
    used = {name: {key: after[name][key] - before[name][key] for key in after[name]} for name in after}
    table(f"idle: {seconds} s with one worker", ["", "threads", "wake-ups", "involuntary", "times on CPU", "CPU us", "ticks"],
          [[name, threads[name], u["voluntary"], u["involuntary"], u["slices"], u["cpu_ns"] / 1000, u["ticks"]] for name, u in used.items()],
          ["goal: ours 0 wake-ups"])
    return {"seconds": seconds, "used": used, "threads": threads}

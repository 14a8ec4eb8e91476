"""Memory of the manager with one worker, and what it adds to the start of that worker."""
import os
import shutil
import signal
import time

from .common import Fifo, median, quantile, ratio, say, table, times, tool
from .hup_latency import ForkExec
from .manager import Manager, free_port

PEERS = {"catatonit": ["--"], "tini": ["-s", "--"], "dumb-init": ["--"]}  # -s: not PID 1 here


def memory(pid):
    """kB from /proc/PID/smaps_rollup: what would come back if the process left (USS), PSS, RSS."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if len(words) >= 2 and words[0].endswith(":"):
                found[words[0][:-1]] = int(words[1]) if words[1].isdigit() else 0
    return {"uss": found["Private_Clean"] + found["Private_Dirty"], "anonymous": found["Anonymous"], "pss": found["Pss"], "rss": found["Rss"]}


def run(opts):
    rounds = opts.rounds or (5 if opts.quick else 40)
    fifo = Fifo(os.path.join(opts.dir, "launch.fifo"))
    stamp = tool("stamp")

    sizes = {}
    for name, program in opts.programs.items():
        with open(program, "rb") as file:
            os.fsync(file.fileno())  # pages of a file just built are "private dirty" until written back
        seen = []
        for _ in range(3):
            manager = Manager(name, program, [stamp, "-", "wait"], opts.dir)
            manager.wait_alone()
            time.sleep(0.2)
            seen.append(memory(manager.pid))
            manager.stop()
        sizes[name] = {key: median([m[key] for m in seen]) for key in seen[0]}

    launchers = {"C fork+exec": (ForkExec([stamp, fifo.path, "exit"]), False)}
    for name, arguments in PEERS.items():
        if path := shutil.which(name):
            launchers[name] = (ForkExec([path, *arguments, stamp, fifo.path, "exit"]), False)
    for name, program in opts.programs.items():
        log = os.path.join(opts.dir, f"log.{name}")
        command = [program, f"--port=127.0.0.1:{free_port()}", f"--log-file={log}", "--interval=0", "--", stamp, fifo.path, "wait"]
        launchers[name] = (ForkExec(command), True)
    launches = {name: [] for name in launchers}
    for turn in range(rounds):
        for name, (launcher, stays) in launchers.items():
            say(f"footprint: launch {turn + 1}/{rounds}, {name}")
            at, pid = launcher.start()
            launches[name].append((fifo.next()[0] - at) / 1e6)
            if stays:
                time.sleep(0.01)  # past the start, so that TERM finds an idle manager
                os.kill(pid, signal.SIGTERM)
            launcher.wait_end()
    for launcher, _ in launchers.values():
        launcher.close()
    fifo.close()

    perl = sizes.get("Perl", {})
    table("footprint: the manager with one worker, kB", ["", "USS", "of it anonymous", "PSS", "RSS", "USS / Perl"],
          [[name, f"{m['uss']:,.0f}", f"{m['anonymous']:,.0f}", f"{m['pss']:,.0f}", f"{m['rss']:,.0f}", times(ratio(m["uss"], perl.get("uss")))] for name, m in sizes.items()])
    base, slow = median(launches["C fork+exec"]), median(launches.get("Perl", []))
    table(f"launch -> the worker's main(), ms, {rounds} alternating rounds, static C worker", ["", "min", "p50", "p90", "/ fork+exec", "/ Perl"],
          [[name, f"{min(v):.2f}", f"{median(v):.2f}", f"{quantile(v, 0.9):.2f}", times(ratio(median(v), base)), times(ratio(median(v), slow))]
           for name, v in launches.items()])
    return {"memory_kb": sizes, "launch_ms": launches}

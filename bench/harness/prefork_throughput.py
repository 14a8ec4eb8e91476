"""What manager and scoreboard cost the example Rust server: the same loop with and without them, under wrk."""
import json
import os
import shutil
import subprocess

from . import prefork
from .common import HERE, BenchError, clean_environment, die_with_us, median, ratio, release, say, table, times
from .manager import free_port

WORKERS, GOAL = 4, 0.98
PLAIN, POOL, SPARE = "the loop alone", "ours, fixed", "ours, with spares"
WORDS = {PLAIN: ["plain", f"workers={WORKERS}"], POOL: [f"workers={WORKERS}"], SPARE: ["spare=2:8", "max-workers=8"]}
ERRORS = ("connect", "read", "write", "status", "timeout")


def one(name, program, seconds, opts):
    """One wrk run against a fresh server: answers per second."""
    port = free_port()
    pool = prefork.Pool(name, [program, f"127.0.0.1:{port}", *WORDS[name]], port, opts.dir)
    pool.wait_idle(2 if name == SPARE else WORKERS)
    out = os.path.join(opts.dir, "wrk.json")
    command = ["wrk", "-t2", "-c8", f"-d{seconds}s", "--timeout", "5s", "-s", os.path.join(HERE, "harness", "report.lua"), f"http://127.0.0.1:{port}/"]
    done = subprocess.run(command, capture_output=True, text=True, env={**clean_environment(), "BENCH_WRK_OUT": out}, preexec_fn=die_with_us, check=False)
    if done.returncode != 0:
        raise BenchError(f"wrk left with {done.returncode}: {done.stderr}")
    workers = pool.size()
    if name == PLAIN:
        # Nobody looks after these.
        for pid in prefork.children_of(pool.pid):
            os.kill(pid, 15)
    pool.stop()
    with open(out, encoding="ascii") as file:
        result = json.load(file)
    return {"who": name, "rate": result["requests"] / result["duration_us"] * 1e6, "failed": sum(result[kind] for kind in ERRORS), "workers": workers}


def run(opts):
    if not shutil.which("wrk"):
        raise BenchError("wrk is not installed")
    program = release("examples/prefork_http")
    if not os.path.exists(program):
        raise BenchError(f"no {program}: cargo build --release -p superdaemon --example prefork_http")
    seconds = opts.seconds or (2 if opts.quick else 5)
    rounds = opts.rounds or (3 if opts.quick else 9)
    runs = []
    for turn in range(rounds):
        # Each one is the first of a round as often: a busy spell of the machine hits all.
        names = list(WORDS)
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            say(f"prefork-throughput: round {turn + 1}/{rounds}, {name}")
            runs.append(one(name, program, seconds, opts))
    rates = {name: [r["rate"] for r in runs if r["who"] == name] for name in WORDS}
    middle, best = ({name: what(values) for name, values in rates.items()} for what in (median, max))
    # Of the same round, so that they met the same machine.
    kept = {name: median([a / b for a, b in zip(values, rates[PLAIN])]) for name, values in rates.items()}
    table(f"prefork-throughput: wrk -t2 -c8, one request for each connection, {seconds} s, {rounds} rounds, examples/prefork_http",
          ["", "answers/s, median", "best", "kept, median of rounds", "best / best", "failed", "workers"],
          [[n, f"{middle[n]:,.0f}", f"{best[n]:,.0f}", times(kept[n]), times(ratio(best[n], best[PLAIN])), sum(r["failed"] for r in runs if r["who"] == n),
            max(r["workers"] for r in runs if r["who"] == n)] for n in WORDS],
          [f"goal: ours, fixed at least {GOAL:.2f}x the loop alone: {'met' if kept[POOL] >= GOAL else 'NOT met'}"])
    return {"runs": runs, "kept": kept}

"""Spawn and reap beside 10, 1,000 and 10,000 living children: the reaper crate and the same in C."""
import json
import os
import resource
import subprocess

from .common import BenchError, clean_environment, die_with_us, ratio, release, say, table, times, tool

FIGURES = ("spawn_us", "reaped_us", "cpu_us", "all_die_us", "fill_us")


def run(opts):
    ours = release("examples/spawn_scale")
    if not os.path.exists(ours):
        raise BenchError(f"no {ours}: cargo build --release --example spawn_scale")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rounds = 50 if opts.quick else 300
    repeats = opts.rounds or (1 if opts.quick else 3)
    contenders = {
        "C vfork, waitpid(pid)": [tool("wait_spawn"), "vfork", "pid"],
        "C vfork, waitpid(-1)": [tool("wait_spawn"), "vfork", "any"],
        "C posix_spawn, waitpid(-1)": [tool("wait_spawn"), "posix_spawn", "any"],
        "C fork, waitpid(-1)": [tool("wait_spawn"), "fork", "any"],
        "reaper": [ours],
    }
    results = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for living in opts.living or ([10, 1000] if opts.quick else [10, 1000, 10000]):
            if hard != resource.RLIM_INFINITY and living + 64 > hard:
                raise BenchError(f"{living} children want more descriptors than the hard limit of {hard}")
            mine = {name: [] for name in contenders}
            for turn in range(repeats):
                for name, command in contenders.items():
                    say(f"spawn-scale: {living} living, round {turn + 1}/{repeats}, {name}")
                    done = subprocess.run([*command, str(living), str(rounds), tool("stamp")], capture_output=True, text=True, timeout=300,
                                          env=clean_environment(), preexec_fn=die_with_us, check=False)
                    if done.returncode != 0:
                        raise BenchError(f"{name} with {living} living: exit {done.returncode}: {done.stderr.strip()}")
                    mine[name].append(json.loads(done.stdout))
            summary(living, rounds, repeats, mine)
            results.append({"living": living, "runs": mine})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"results": results}


def summary(living, rounds, repeats, runs):
    # Other work on the machine only ever adds, and thousands of processes take seconds: the best round, not the middle one.
    mid = {name: {key: min(r[key] for r in mine) for key in FIGURES} for name, mine in runs.items()}
    floor = mid["C vfork, waitpid(pid)"]
    rows = [[name, m["spawn_us"], times(ratio(m["spawn_us"], floor["spawn_us"])), m["reaped_us"], times(ratio(m["reaped_us"], floor["reaped_us"])),
             m["cpu_us"], m["fill_us"], m["all_die_us"]] for name, m in mid.items()]
    table(f"spawn-scale: {living:,} living children, us, best of {repeats} medians of {rounds} (fork returns before exec, the others after it)",
          ["", "spawn", "/ floor", "spawn..reaped", "/ floor", "own CPU", "fill, each", "all die, each"], rows)

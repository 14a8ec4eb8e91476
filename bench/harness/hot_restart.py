"""Requests under HUPs: how many fail, and how much throughput is left."""
import json
import os
import shutil
import subprocess
import time

from .common import BenchError, HERE, die_with_us, median, now_ns, quantile, ratio, say, table, times
from .manager import Manager

ERRORS = ("connect", "read", "write", "status", "timeout")


def one_run(opts, name, program, mode, interval, hups, seconds):
    """One wrk run against one fresh manager, with `hups` HUPs spread over it (0: none)."""
    manager = Manager(name, program, opts.worker_command, opts.dir, interval)
    manager.wait_alone()
    out = os.path.join(opts.dir, "wrk.json")
    command = ["wrk", "-t2", "-c32", f"-d{seconds}s", "--timeout", "5s", "-s", os.path.join(HERE, "harness", "report.lua")]
    command += ["-H", "Connection: close"] if mode == "close" else []
    wrk = subprocess.Popen([*command, f"http://127.0.0.1:{manager.port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, "BENCH_WRK_OUT": out}, preexec_fn=die_with_us)
    begin, done, restarts, stuck = time.monotonic() + 0.3, 0, [], []
    gap = (seconds - 0.8) / hups if hups else 0
    while done < hups and wrk.poll() is None:
        time.sleep(max(0.0, begin + done * gap - time.monotonic()))
        if time.monotonic() > begin + seconds - 0.5:
            break
        at = manager.hup()
        try:
            manager.wait_alone(8)
        except BenchError as error:
            stuck.append(str(error))
            break
        restarts.append((now_ns() - at) / 1e6)
        done += 1
    if wrk.wait(seconds + 30) != 0:
        raise BenchError(f"wrk left with {wrk.returncode}")
    manager.stop()
    with open(out, encoding="ascii") as file:
        result = json.load(file)
    result.update(program=name, mode=mode, interval=interval, hups=done, restart_ms=restarts, stuck=stuck,
                  failed=sum(result[kind] for kind in ERRORS), rate=result["requests"] / result["duration_us"] * 1e6)
    return result


def run(opts):
    if not shutil.which("wrk"):
        raise BenchError("wrk is not installed")
    opts.worker_command = ["/usr/bin/env", "python3", opts.worker] if opts.worker.endswith(".py") else \
        ["/usr/bin/env", "perl", opts.worker] if opts.worker.endswith(".pl") else [opts.worker]
    if not os.path.exists(opts.worker):
        raise BenchError(f"no worker {opts.worker}: cargo build --release --example http_worker")
    runs = []
    for interval in opts.interval or ([0] if opts.quick else [0, 1]):
        hups = opts.hups or (10 if opts.quick else 50)
        seconds = opts.seconds or (4 if opts.quick else 15 if interval == 0 else 60)
        rounds = opts.rounds or (1 if opts.quick or interval else 3)
        for mode in [opts.mode] if opts.mode else ["keep-alive", "close"]:
            for turn in range(rounds):
                for name, program in opts.programs.items():
                    for wanted in (0, hups):
                        say(f"hot-restart: interval {interval}, {mode}, round {turn + 1}/{rounds}, {name}, {wanted} HUPs")
                        # Without HUPs the rate is the same after 15 s as after 60.
                        runs.append(one_run(opts, name, program, mode, interval, wanted, seconds if wanted else min(seconds, 15)))
            summary(opts, [r for r in runs if r["mode"] == mode and r["interval"] == interval], interval, mode, seconds, rounds)
    for text in [text for r in runs for text in r["stuck"]]:
        print(f"  a restart that did not end within 8 s: {text}")
    if wrong := [r for r in runs if r["program"] == "ours" and (r["failed"] or r["stuck"])]:
        raise BenchError(f"{len(wrong)} runs of ours with failed requests or a stuck restart", {"runs": runs})
    return {"runs": runs}


def summary(opts, runs, interval, mode, seconds, rounds):
    rows, kept = [], {}
    for name in opts.programs:
        mine = [r for r in runs if r["program"] == name]
        plain = median([r["rate"] for r in mine if not r["hups"]])
        under = [r for r in mine if r["hups"]]
        rate = median([r["rate"] for r in under])
        restarts = [ms for r in under for ms in r["restart_ms"]]
        kept[name] = (plain, rate)
        failed = {kind: sum(r[kind] for r in mine) for kind in ERRORS}
        told = " ".join(f"{kind} {count}" for kind, count in failed.items() if count) or "0"
        rows.append([name, f"{plain:,.0f}" if plain else "-", f"{rate:,.0f}" if rate else "-", times(ratio(rate, plain)), sum(r["hups"] for r in under),
                     sum(r["requests"] for r in mine), told, len([text for r in mine for text in r["stuck"]]), median(restarts), quantile(restarts, 1.0), max((r["max_us"] for r in under), default=0) / 1000])
    if len(kept) == 2:
        ours, perl = kept.values()
        rows.append(["ours / Perl", times(ratio(ours[0], perl[0])), times(ratio(ours[1], perl[1]))] + [""] * 8)
    table(f"hot-restart, {mode}: wrk -t2 -c32, {seconds} s with HUPs, --interval={interval}, {rounds} alternating rounds, {os.path.basename(opts.worker)} sends READY=1",
          ["", "req/s", "with HUPs", "kept", "HUPs", "requests", "failed", "stuck", "restart ms p50", "max", "slowest request ms"], rows)

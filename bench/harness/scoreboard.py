"""A worker's state and text, and reading all slots: the crate scoreboard, bare C stores and loads, and Perl's scoreboards."""
import json
import os
import resource
import shutil
import subprocess
import tempfile

from .common import HERE, BenchError, clean_environment, die_with_us, ratio, release, say, table, times, tool

FLOOR, OURS, PARALLEL, PREFORK = "C", "ours", "Parallel::Scoreboard", "Proc::Daemon::Prefork"
STATES, FILE = "ours, no texts", "ours, a file"
PEERS = os.path.join(HERE, "harness", "board_peers.pl")
STATE_GOAL, READ_GOAL_US = 2.0, 20.0
SPARE_FDS = 64


def run(opts):
    ours = release("examples/scoreboard_bench")
    if opts.only != "perl" and not os.path.exists(ours):
        raise BenchError(f"no {ours}: cargo build --release -p superdaemon-scoreboard --example scoreboard_bench")
    rounds = opts.rounds or (3 if opts.quick else 9)
    batches, slow = ("5", "1") if opts.quick else ("15", "3")
    counts = [150, 1000] if opts.quick else [150, 1000, 10000]
    perl = None if opts.only == "ours" else shutil.which("perl")
    notes = [] if perl else ["Perl's scoreboards left out"]

    c, peers = tool("board_store"), [perl, PEERS]
    commands = {  # the last word DIR: an empty directory that goes at the end of the run
        ("state", FLOOR): [c, "state", batches],
        ("state", "C without the clock"): [c, "state-noclock", batches],
        ("text", FLOOR): [c, "text", batches],
        **{(count, FLOOR): [c, "read", batches, str(count)] for count in counts},
    }
    if opts.only != "perl":
        for what in ("state", "request", "text"):
            commands[(what, OURS)] = [ours, what, batches]
        for count in counts:
            commands[(count, OURS)] = [ours, "read", batches, str(count)]
            commands[(count, STATES)] = [ours, "read-states", batches, str(count)]
            commands[(count, FILE)] = [ours, "read-file", slow, str(count), "DIR/board"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if perl:
        commands[("state", PREFORK)] = [*peers, "prefork", "state", batches, "DIR"]
        commands[("state", PARALLEL)] = [*peers, "parallel", "state", batches, "DIR"]
        commands[("text", PARALLEL)] = [*peers, "parallel", "text", batches, "DIR"]
        for count in counts:
            commands[(count, PREFORK)] = [*peers, "prefork", "read", slow, "DIR", str(count)]
            if hard == resource.RLIM_INFINITY or count + SPARE_FDS <= hard:
                commands[(count, PARALLEL)] = [*peers, "parallel", "read", slow, "DIR", str(count)]
            else:
                notes.append(f"{PARALLEL} with {count:,} workers left out: it wants more descriptors than the hard limit of {hard:,}")

    runs = {key: [] for key in commands}
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for turn in range(rounds):
            for key, command in commands.items():
                say(f"scoreboard: round {turn + 1}/{rounds}, {key[0]}, {key[1]}")
                runs[key].append(once(key, command, opts))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if perl:
        version = runs[("text", PARALLEL)][0]["module"]
        notes.append(f"{PARALLEL}: " + (f"version {version}" if version else "not found by perl; a stand-in makes the same system calls"))
        notes.append(f"{PREFORK}: a stand-in makes the same system calls")
    # Other work on the machine only ever adds: the best round, not the middle one.
    best = {key: min(r["median_ns"] for r in mine) for key, mine in runs.items()}
    figures = {"runs": [{"what": what, "who": who, "rounds": mine} for (what, who), mine in runs.items()], **ratios(best, counts)}
    writing(best, rounds, batches, notes)
    reading(best, rounds, counts, batches, slow, os.path.dirname(opts.dir))
    return figures


def once(key, command, opts):
    """One contender's figures of one round."""
    with tempfile.TemporaryDirectory(prefix="board.", dir=opts.dir) as directory:
        command = [directory + word[3:] if word == "DIR" or word.startswith("DIR/") else word for word in command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean_environment(), preexec_fn=die_with_us, check=False)
    if done.returncode != 0:
        raise BenchError(f"{key[1]}, {key[0]}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def ratios(best, counts):
    """What the goals are about."""
    return {
        "state_ours_to_c": ratio(best.get(("state", OURS)), best[("state", FLOOR)]),
        "text_ours_to_c": ratio(best.get(("text", OURS)), best[("text", FLOOR)]),
        "read_ours_to_c": {count: ratio(best.get((count, OURS)), best[(count, FLOOR)]) for count in counts},
        "read_peers_to_ours": {who: {count: ratio(best.get((count, who)), best.get((count, OURS))) for count in counts} for who in (PARALLEL, PREFORK)},
    }


def verdict(value, goal):
    return "-" if value is None else "met" if value <= goal else "NOT met"


def writing(best, rounds, batches, notes):
    rows = []
    for name, state, text in (
        ("C store, no clock", ("state", "C without the clock"), None),
        ("C store and clock (floor)", ("state", FLOOR), ("text", FLOOR)),
        ("ours", ("state", OURS), ("text", OURS)),
        ("ours, begin and end of a request", ("request", OURS), None),
        (PREFORK, ("state", PREFORK), None),
        (f"{PARALLEL} (state: 1 byte)", ("state", PARALLEL), ("text", PARALLEL)),
    ):
        state, text = best.get(state), best.get(text)
        if state is not None:
            rows.append([name, state, times(ratio(state, best[("state", FLOOR)])), text, times(ratio(text, best[("text", FLOOR)]))])
    state = ratio(best.get(("state", OURS)), best[("state", FLOOR)])
    table(f"scoreboard: a worker says something, ns, best of {rounds} rounds' medians of {batches} batches",
          ["", "state", "/ floor", "240 bytes", "/ floor"], rows,
          [f"goal: a state of ours at most {STATE_GOAL:.2f}x the floor: {verdict(state, STATE_GOAL)}", *notes])


def reading(best, rounds, counts, batches, slow, where):
    rows = []
    for count in counts:
        floor, ours, states, file, parallel, prefork = (us(best.get((count, who))) for who in (FLOOR, OURS, STATES, FILE, PARALLEL, PREFORK))
        rows.append([f"{count:,} slots", floor, ours, times(ratio(ours, floor)), states, times(ratio(states, floor)), file, times(ratio(file, floor)),
                     parallel, times(ratio(parallel, ours)), prefork, times(ratio(prefork, ours))])
    met = verdict(us(best.get((1000, OURS))), READ_GOAL_US)
    states_met = verdict(us(best.get((1000, STATES))), READ_GOAL_US)
    table(f"scoreboard: reading all slots, us, 240 bytes of text in each, best of {rounds} rounds' medians of {batches} batches (files and Perl: {slow})",
          ["", "C (floor)", OURS, "/ C", STATES, "/ C", FILE, "/ C", PARALLEL, "/ ours", PREFORK, "/ ours"], rows,
          [f"goal: a snapshot of 1,000 slots by ours in at most {READ_GOAL_US:g} us: {met}; without texts: {states_met}",
           f"no texts: states, times and counters only, for a manager's tick; {PREFORK} has no texts; files are in {where}"])


def us(value):
    return None if value is None else value / 1000

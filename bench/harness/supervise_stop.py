"""Ten programs that each need a second to leave."""
from . import supervisors
from .common import median, ratio, say, table, times
from .supervisors import FLOOR, OURS, SUPERVISORD, Running, kill_everything, verdict

COUNT, GOAL_MS = 10, 1300.0


def run(opts):
    rounds = opts.rounds or (1 if opts.quick else 5)
    found, notes = supervisors.find(opts)
    samples = {name: [] for name in found}
    for turn in range(rounds):
        for name, path in found.items():
            if name == SUPERVISORD and turn > 1:
                continue  # 11 s each
            say(f"supervise-stop: round {turn + 1}/{rounds}, {name}")
            running = Running(name, path, opts, COUNT, then="slow")
            running.start_all()
            samples[name].append(running.stop())
            kill_everything()
    middle = {name: median(values) for name, values in samples.items()}
    if OURS in middle:
        notes.append(verdict(f"ours below {GOAL_MS:,.0f} ms ({max(samples[OURS]):,.0f} ms)", max(samples[OURS]) < GOAL_MS))
    table(f"supervise-stop: told to stop -> the last of {COUNT} programs, which need 1 s each, and of the supervisor's processes has gone, ms",
          ["", "rounds", "best", "median", "worst", "/ floor"],
          [[n, len(v), min(v), middle[n], max(v), times(ratio(middle[n], middle[FLOOR]))] for n, v in samples.items()], notes)
    return {"samples_ms": samples}

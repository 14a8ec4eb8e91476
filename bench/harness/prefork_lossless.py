"""Requests that are lost while a pool grows, shrinks, recycles its workers and reloads, all at the same time."""
import os
import socket
import threading
import time

from . import prefork
from .common import ROOT, BenchError, say, table

STEADY, EXTRA = 4, 20
WORKER = os.path.join(ROOT, "tests", "prefork", "worker.pl")
SLOT = os.path.join(ROOT, "examples", "scoreboard_worker.pl")
POOL = ["--min-spare=2", "--max-spare=5", "--max-workers=40", "--idle-timeout=0.5", "--max-lifetime=4", "--reload=rolling"]


class Load:
    """Steady clients, and more of them for one second out of three."""

    def __init__(self, port, path):
        self.port, self.ending = port, threading.Event()
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        self.lock, self.requests, self.lost = threading.Lock(), 0, []
        self.begun = time.monotonic()
        self.threads = [threading.Thread(target=self.client, args=(number,), daemon=True) for number in range(STEADY + EXTRA)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        done, lost = 0, []
        while not self.ending.is_set():
            phase = (time.monotonic() - self.begun) % 3
            if number >= STEADY and phase < 2:
                self.ending.wait(2 - phase)
                continue
            done += 1
            try:
                self.exchange()
            except (OSError, ValueError) as error:
                lost.append(f"{time.monotonic() - self.begun:.2f} s: {type(error).__name__} {error}")
        with self.lock:
            self.requests += done
            self.lost += lost

    def exchange(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(self.request)
            data = b""
            while part := sock.recv(65536):
                data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) if b"Content-Length: " in head else -1
        if not head.startswith(b"HTTP/1.1 200") or len(body) != length:
            raise ValueError(f"short answer {data!r}")

    def finish(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)


def worker(opts):
    """The tests' worker with the example's package before it, as the tests put it together."""
    path = os.path.join(opts.dir, "worker.pl")
    with open(SLOT, encoding="utf-8") as slot, open(WORKER, encoding="utf-8") as main, open(path, "w", encoding="utf-8") as out:
        out.write(slot.read().split("\npackage main;")[0] + "\npackage main;\n" + main.read())
    return path


def one(name, pool, path, seconds, reload_every):
    pool.wait_idle(2)
    load = Load(pool.port, path)
    sizes, reloads, seen, ended = [], 0, set(), set()
    until = time.monotonic() + seconds
    due = time.monotonic() + reload_every
    while time.monotonic() < until:
        now = set(prefork.children_of(pool.pid))
        sizes.append(len(now))
        ended |= seen - now
        seen |= now
        if time.monotonic() >= due:
            pool.hup()
            reloads, due = reloads + 1, due + reload_every
        time.sleep(0.02)
    load.finish()
    pool.stop()
    return {"who": name, "requests": load.requests, "lost": load.lost, "reloads": reloads, "least": min(sizes), "most": max(sizes), "ended": len(ended)}


def run(opts):
    seconds = opts.seconds or (8 if opts.quick else 60)
    script = worker(opts)
    count = ["--max-requests=150", "--max-requests-jitter=100"]
    found = {
        "ours, plain workers": lambda: prefork.our_pool(POOL, ["perl", script, "plain", "{fd}"], opts.dir),
        "ours, cooperating workers": lambda: prefork.our_pool([*POOL, *count], ["perl", script, "cooperating", "{fd}"], opts.dir),
    }
    paths = dict.fromkeys(found, "/sleep/0.01")
    notes = []
    if opts.only != "ours" and prefork.perl_has(prefork.SPARE_WORKERS):
        found[prefork.SPARE_WORKERS] = lambda: prefork.perl_pool(prefork.SPARE_WORKERS, 10, 2, 5, 40, opts.dir)
        paths[prefork.SPARE_WORKERS] = "/"
    else:
        notes.append(f"{prefork.SPARE_WORKERS} left out")
    runs = []
    for name, start in found.items():
        say(f"prefork-lossless: {seconds} s, {name}")
        runs.append(one(name, start(), paths[name], seconds, 3.0))
    table(f"prefork-lossless: {seconds} s of load; shrinking, growing, recycling and a reload every 3 s",
          ["", "requests", "lost", "reloads", "workers", "ended"],
          [[r["who"], r["requests"], len(r["lost"]), r["reloads"], f"{r['least']}..{r['most']}", r["ended"]] for r in runs],
          ["goal: ours 0 lost", *notes])
    bad = [r for r in runs if r["who"].startswith("ours") and r["lost"]]
    for r in bad:
        print(f"  {r['who']}: {r['lost'][:5]}")
    if bad:
        raise BenchError("requests were lost", {"runs": runs})
    return {"runs": runs}

"""What it costs a supervisor to be asked and ordered: the same requests, byte by byte, to all of them."""
import os
import shutil
import socket
import subprocess
import time
import xmlrpc.client

from . import supervisors
from .common import BenchError, clean_environment, median, quantile, ratio, say, table, times, tool
from .idle import counters
from .supervisors import FLOOR, OURS, SUPERVISORD, Running, kill_everything, verdict

ANSWER, CLIENT = "C read+write", "supervisorctl"
CLEARED, RATE, SHARE = 14, 1000, 10.0


class Controlled(Running):
    """A supervisor with a control socket."""

    def configuration(self):
        return (f"[unix_http_server]\nfile={self.socket()}\n[rpcinterface:supervisor]\n"
                "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
                f"[supervisorctl]\nserverurl=unix://{self.socket()}\n") + super().configuration()

    def socket(self):
        return os.path.join(self.dir, "control")


class Line:
    """One connection; answers are read to their end and not looked at."""

    def __init__(self, path, deadline=30.0):
        until = time.monotonic() + deadline
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                return self.socket.connect(path)
            except OSError as error:
                if time.monotonic() > until:
                    raise BenchError(f"{path}: {error}") from None
                time.sleep(0.01)

    def call(self, method, *params):
        """(ns, bytes of the body, the body)"""
        body = xmlrpc.client.dumps(params, method).encode()
        request = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        begun = time.monotonic_ns()
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.some()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        parts, have = [body], len(body)
        while have < length:
            parts.append(self.some())
            have += len(parts[-1])
        return time.monotonic_ns() - begun, length, b"".join(parts)

    def some(self):
        more = self.socket.recv(1 << 20)
        if not more:
            raise BenchError("the connection was closed in an answer")
        return more

    def value(self, method, *params):
        return xmlrpc.client.loads(self.call(method, *params)[2])[0][0]


class Floor:
    """The C server."""

    def __init__(self, opts, size):
        self.path = os.path.join(opts.dir, f"answer.{size}")
        self.process = subprocess.Popen([tool("answer"), self.path, str(size)])
        self.pid = self.process.pid

    def socket(self):
        return self.path


def cpu_ns(pid):
    return counters(pid)["cpu_ns"]


def asked(server, method, count, *params):
    """(ns of each call, ns of the server's processor for each, bytes of an answer)"""
    line = Line(server.socket())
    size = line.call(method, *params)[1]
    before = cpu_ns(server.pid)
    took = [line.call(method, *params)[0] for _ in range(count)]
    return took, (cpu_ns(server.pid) - before) / count, size


def sustained(server, seconds):
    """(calls a second, per cent of a core, bytes of an answer) at RATE calls a second of a kind that a dashboard makes."""
    line, period = Line(server.socket()), 1e9 / RATE
    size = line.call("supervisor.getProcessInfo", "p00000")[1]
    before, begun, calls = cpu_ns(server.pid), time.monotonic_ns(), 0
    while (now := time.monotonic_ns()) - begun < seconds * 1e9:
        due = begun + calls * period
        if now < due:
            time.sleep((due - now) / 1e9)
        line.call("supervisor.getProcessInfo", "p00000")
        calls += 1
    span = time.monotonic_ns() - begun
    return calls / (span / 1e9), (cpu_ns(server.pid) - before) / span * 100, size


def run(opts):
    count, calls, seconds = (50, 5, 2) if opts.quick else (1000, 30, opts.seconds or 10)
    found, notes = supervisors.find(opts, [OURS, SUPERVISORD])
    with_client = shutil.which(CLIENT)
    if not with_client:
        notes.append(f"{CLIENT} left out (package supervisor)")
    status, trips, cleared, load = {}, {}, {}, {}
    size = 0
    for name, path in found.items():
        say(f"supervise-control: {count} programs, {name}")
        server = Controlled(name, path, opts, count, variant=".control")
        server.start_all()
        took, cpu, size = asked(server, "supervisor.getAllProcessInfo", calls)
        client = None
        if with_client:
            begun = time.monotonic_ns()
            words = [with_client, "-c", os.path.join(server.dir, "supervisord.conf"), "status"]
            done = subprocess.run(words, env=clean_environment(), stdout=subprocess.PIPE, check=False)
            client = (time.monotonic_ns() - begun) / 1e6
            if len(done.stdout.splitlines()) != count:
                raise BenchError(f"{name}: {CLIENT} shows {len(done.stdout.splitlines())} programs of {count}")
        status[name] = (median(took) / 1e3, quantile(took, 0.99) / 1e3, cpu / 1e3, client)
        load[name] = sustained(server, seconds)
        kill_everything()
        server = Controlled(name, path, opts, CLEARED, variant=".orders", log=opts.dir, keys="startsecs=0")
        server.start_all()
        line, turns = Line(server.socket()), []
        for _ in range(3 if name == SUPERVISORD else calls):
            stop, start = (line.call(f"supervisor.{verb}Process", "p00001") for verb in ("stop", "start"))
            if b"<fault>" in stop[2] + start[2]:
                raise BenchError(f"{name}: {xmlrpc.client.loads((stop if b'<fault>' in stop[2] else start)[2])}")
            turns.append((stop[0] + start[0]) / 1e6)
        trips[name] = turns
        took, _, answer = line.call("supervisor.clearAllProcessLogs")
        if answer.count(b"<name>status</name>") != CLEARED:
            raise BenchError(f"{name}: not all logs were cleared: {answer[:300]}")
        cleared[name] = took / 1e6
        kill_everything()
    floor = Floor(opts, size)
    took, cpu, _ = asked(floor, "supervisor.getAllProcessInfo", calls)
    status[ANSWER] = (median(took) / 1e3, quantile(took, 0.99) / 1e3, cpu / 1e3, None)
    load[ANSWER] = sustained(Floor(opts, load[OURS][2] if OURS in load else 2000), seconds)
    kill_everything()
    if OURS in load:
        rate, share, _ = load[OURS]
        notes.append(verdict(f"{RATE:,} calls a second with less than {SHARE:g} % of a core ({rate:,.0f} with {share:.1f} %)", rate > RATE * 0.99 and share < SHARE))
    base = status[ANSWER]
    table(f"supervise-control: getAllProcessInfo with {count:,} programs ({size:,} bytes), us", ["", "median", "p99", "/ floor", "server's CPU", "/ floor", f"{CLIENT} status, ms"],
          [[n, s[0], s[1], times(ratio(s[0], base[0])), s[2], times(ratio(s[2], base[2])), s[3]] for n, s in status.items()])
    table("supervise-control: stop and start again of one program, and all logs of fourteen cleared, ms", ["", "stop + start, median", "worst", "clear all"],
          [[n, median(t), max(t), cleared[n]] for n, t in trips.items()])
    table(f"supervise-control: {RATE:,} calls of getProcessInfo a second for {seconds} s", ["", "calls a second", "% of a core"], [[n, *v[:2]] for n, v in load.items()], notes)
    return {"status_us": status, "trips_ms": trips, "clear_ms": cleared, "load": load, "seconds": seconds}

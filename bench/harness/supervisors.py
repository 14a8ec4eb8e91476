"""The supervisors of the supervise sections: how each is set up, started, looked at and stopped."""
import os
import select
import shutil
import signal
import time

from . import common
from .common import BenchError, children_of, clean_environment, now_ns, tool

FLOOR, OURS, SUPERVISORD, DAEMONTOOLS, S6, RUNIT = "C fork+exec", "ours", "supervisord", "daemontools", "s6", "runit"
ALL = [FLOOR, OURS, DAEMONTOOLS, S6, RUNIT, SUPERVISORD]
# Each has a process of its own for every program.
DIRECTORIES = {DAEMONTOOLS: "svscan", S6: "s6-svscan", RUNIT: "runsvdir"}
SERVICE_LIMIT = {DAEMONTOOLS: 1000, RUNIT: 1000}
DEBIAN = {SUPERVISORD: "supervisor", DAEMONTOOLS: "daemontools", S6: "s6", RUNIT: "runit"}
# A program that died younger is replaced a second after its start by most, to spare the machine.
OLD_ENOUGH = 1.25


def verdict(text, met):
    """A goal, for the lines below a table."""
    return f"goal: {text}: {'met' if met else 'NOT met'}"


def find(opts, wanted=ALL):
    """{name: its program}, and a line for each that is not there."""
    places = {FLOOR: tool("keep"), OURS: opts.supervise, SUPERVISORD: "/usr/bin/supervisord", **DIRECTORIES}
    found, notes = {}, []
    for name in wanted:
        path = shutil.which(places[name])
        if opts.only == "ours" and name not in (OURS, FLOOR):
            continue
        if path:
            found[name] = path
        else:
            notes.append(f"{name} left out: no {places[name]}" + (f" (package {DEBIAN[name]})" if name in DEBIAN else ""))
    return found, notes


class Stamps:
    """The file to which every program appends when it read the clock first, and its pid."""

    def __init__(self, path):
        self.path, self.read_to, self.rest = path, 0, b""
        with open(path, "wb"):
            pass

    def news(self):
        """[(ns, pid)] of those that have come since the last call."""
        with open(self.path, "rb") as file:
            file.seek(self.read_to)
            data = file.read()
        self.read_to += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [tuple(int(word) for word in line.split()) for line in lines]

    def wait(self, count, timeout, what):
        """The next `count` of them. What lies in the file costs nobody anything, so it is looked at rarely."""
        found, deadline = [], time.monotonic() + timeout
        while len(found) < count:
            if time.monotonic() > deadline:
                raise BenchError(f"{what}: {len(found)} of {count} programs have begun within {timeout:g} s")
            time.sleep(0.004)
            if os.stat(self.path).st_size != self.read_to:
                found += self.news()
        return found


class Running:
    """A supervisor with `count` programs. `then` is what they do (floor/service.c); `log` gives a directory for their output."""

    def __init__(self, name, program, opts, count, then="wait", log=None, variant="", keys=""):
        self.name, self.program, self.count, self.log, self.keys = name, program, count, log, keys
        self.dir = os.path.join(opts.dir, f"{name.replace(' ', '-')}{variant}.{count}.{then.partition(':')[0]}")
        fresh = not os.path.isdir(self.dir)
        os.makedirs(self.dir, exist_ok=True)
        self.stamps = Stamps(os.path.join(self.dir, "stamps"))
        self.environment = {**clean_environment(), "STAMP_TO": self.stamps.path, "STAMP_THEN": then}
        self.words = self.set_up(fresh)
        self.pid, self.begun = None, None

    # ---- set up

    def set_up(self, fresh):
        if self.name == FLOOR:
            keep = [tool("keep"), str(self.count), tool("service")]
            return [tool("pump"), os.path.join(self.log, "log"), *self.rotation(), tool("service")] if self.log else keep
        if self.name in DIRECTORIES:
            if fresh:
                self.service_directories()
            options = {S6: ["-c", str(2 * self.count + 10)], RUNIT: ["-P"], DAEMONTOOLS: []}[self.name]
            return [self.program, *options, self.services()]
        conf = os.path.join(self.dir, "supervisord.conf")
        if fresh:
            with open(conf, "w", encoding="ascii") as file:
                file.write(self.configuration())
        return [self.program, "-n", "-c", conf]

    @staticmethod
    def rotation():
        """Bytes and backups of the rotated logs; together they hold everything."""
        return ["50000000", "20"]

    def services(self):
        return os.path.join(self.dir, "services")

    def configuration(self):
        """One file for supervisord and ours."""
        lines = ["[supervisord]", "logfile=/dev/null", "logfile_maxbytes=0", f"pidfile={self.dir}/pid", f"childlogdir={self.dir}"]
        size, backups = self.rotation()
        out = f"stdout_logfile={self.log}/log\nstdout_logfile_maxbytes={size}\nstdout_logfile_backups={backups}" if self.log else "stdout_logfile=NONE"
        for number in range(self.count):
            lines += [f"[program:p{number:05d}]", f"command={tool('service')}", "autorestart=true", out, "stderr_logfile=NONE", *self.keys.split()]
        return "\n".join(lines) + "\n"

    def service_directories(self):
        loggers = {S6: "exec s6-log n{1} s{0} {2}", RUNIT: "exec svlogd {2}", DAEMONTOOLS: "exec multilog s16777215 n60 {2}"}
        for number in range(self.count):
            one = os.path.join(self.services(), f"p{number:05d}")
            os.makedirs(one)
            os.symlink(tool("service"), os.path.join(one, "run"))
            if self.log:
                os.mkdir(os.path.join(one, "log"))
                run = os.path.join(one, "log", "run")
                with open(run, "w", encoding="ascii") as file:
                    file.write("#!/bin/sh\n" + loggers[self.name].format(*self.rotation(), self.log) + "\n")
                os.chmod(run, 0o755)
        if self.log and self.name == RUNIT:
            with open(os.path.join(self.log, "config"), "w", encoding="ascii") as file:
                file.write("s{}\nn{}\n".format(*self.rotation()))

    # ---- run

    def start(self):
        """The time just before, in nanoseconds. posix_spawn, so that the size of this process does not count."""
        self.stamps = Stamps(self.stamps.path)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        errors = os.open(os.path.join(self.dir, "errors"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
        self.begun = now_ns()
        self.pid = os.posix_spawn(self.words[0], self.words, self.environment, file_actions=actions)
        os.close(null)
        os.close(errors)
        return self.begun

    def wait(self, count, timeout=120.0):
        try:
            return self.stamps.wait(count, timeout, self.name)
        except BenchError as error:
            with open(os.path.join(self.dir, "errors"), encoding="utf-8", errors="replace") as file:
                raise BenchError(f"{error}; its last lines:\n    " + "\n    ".join(file.read().splitlines()[-8:])) from None

    def start_all(self, timeout=120.0):
        """ms until the last of the programs has begun."""
        begun = self.start()
        return (max(at for at, _ in self.wait(self.count, timeout)) - begun) / 1e6

    def split(self):
        """(pids of the programs, pids of everything else), the supervisor first."""
        queue, programs, others = [self.pid], [], []
        while queue:
            pid = queue.pop(0)
            try:
                is_program = os.readlink(f"/proc/{pid}/exe") == tool("service")
            except OSError:
                continue
            (programs if is_program else others).append(pid)
            if not is_program:
                queue += children_of(pid)
        return programs, others

    def stop(self, timeout=120.0):
        """Told to stop everything: ms until the last process has gone."""
        programs, others = self.split()
        handles = [os.pidfd_open(pid) for pid in programs + others]
        begun = now_ns()
        self.ask_to_stop()
        poller = select.poll()
        for handle in handles:
            poller.register(handle, select.POLLIN)
        left, deadline = len(handles), time.monotonic() + timeout
        while left:
            for handle, _ in poller.poll(1000):
                poller.unregister(handle)
                left -= 1
            reap()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name}: {left} processes {timeout:g} s after it was told to stop")
        took = (now_ns() - begun) / 1e6
        for handle in handles:
            os.close(handle)
        return took

    def ask_to_stop(self):
        """In the words of its manual page."""
        if self.name == DAEMONTOOLS:
            os.kill(self.pid, signal.SIGTERM)
            directories = [os.path.join(self.services(), name) for name in os.listdir(self.services())]
            os.waitpid(os.posix_spawnp("svc", ["svc", "-dx", *directories], os.environ), 0)
        else:
            os.kill(self.pid, signal.SIGHUP if self.name == RUNIT else signal.SIGTERM)


def reap():
    """Takes note of everything that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_everything():
    """Ends all that this process has started, from the top, so that nothing is replaced meanwhile."""
    deadline = time.monotonic() + 60
    while living := common.descendants():
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        if time.monotonic() > deadline:
            raise BenchError(f"{len(living)} processes outlive SIGKILL")

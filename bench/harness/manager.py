"""One start_server under test, ours or Perl's: started, told HUP, watched by its status file, stopped."""
import os
import select
import signal
import socket
import subprocess
import time

from .common import BenchError, clean_environment, die_with_us, now_ns


def free_port():
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Manager:
    """`start_server --port=... --status-file=... --interval=N -- worker`."""

    def __init__(self, name, program, worker, directory, interval=0, extra=()):
        self.name = name
        self.port = free_port()
        self.status_file = os.path.join(directory, f"status.{name}.{self.port}")
        self.generation = 1
        self.log = b""
        read, write = os.pipe()
        command = [program, f"--port=127.0.0.1:{self.port}", f"--status-file={self.status_file}", f"--interval={interval}", *extra, "--", *worker]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write, stderr=write, env=clean_environment(), preexec_fn=die_with_us)
        os.close(write)
        os.set_blocking(read, False)
        self.read = read
        self.pid = self.process.pid

    def fail(self, what):
        self.drain_log()
        tail = self.log.decode(errors="replace").splitlines()[-12:]
        return BenchError(f"{self.name}: {what}; its last lines:\n    " + "\n    ".join(tail))

    def drain_log(self):
        try:
            while data := os.read(self.read, 65536):
                self.log = (self.log + data)[-16384:]
        except BlockingIOError:
            pass

    def status(self):
        """{generation: pid} as the status file has it."""
        try:
            with open(self.status_file, encoding="ascii") as file:
                return {int(g): int(p) for g, p in (line.split(":") for line in file.read().split())}
        except (FileNotFoundError, ValueError):
            return {}

    def runs(self, pid):
        """Whether the worker has left the manager's program for its own. Perl's start_server loses a TERM for a child
        that has not: it arrives in Perl's handler, and the program starts without knowing of it."""
        try:
            return os.readlink(f"/proc/{pid}/exe") != os.readlink(f"/proc/{self.pid}/exe")
        except OSError:
            return False

    def wait_alone(self, timeout=20.0):
        """Waits until the status file has the newest generation and no other, and that runs; its pid. Every line of
        the log wakes this up, so it costs nothing while requests are being served."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status()
            pid = status.get(self.generation)
            if len(status) == 1 and pid and self.runs(pid):
                return pid
            if status and max(status) > self.generation:
                raise self.fail(f"generation {max(status)} where {self.generation} was expected: a start failed")
            if time.monotonic() > deadline:
                raise self.fail(f"generation {self.generation} did not come to be alone within {timeout:g} s (status {status})")
            if self.process.poll() is not None:
                raise self.fail(f"it left by itself ({self.process.returncode})")
            # A line may be printed just before the file is renamed, hence no long wait after it.
            select.select([self.read], [], [], 0.02)
            self.drain_log()
            if list(self.status()) != [self.generation]:
                time.sleep(0.001)

    def hup(self):
        """Sends HUP; the time just before, in nanoseconds."""
        self.generation += 1
        at = now_ns()
        os.kill(self.pid, signal.SIGHUP)
        return at

    def stop(self, timeout=20.0):
        """TERM, and the end of it, which must be exit 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.fail(f"still there {timeout:g} s after TERM") from None
        self.drain_log()
        os.close(self.read)
        if code != 0:
            raise BenchError(f"{self.name}: exit {code} after TERM")

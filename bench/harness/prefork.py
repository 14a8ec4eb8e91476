"""What the sections about prefork-run share: pools, ours and others', a client that sees when it is being served."""
import os
import select
import shutil
import signal
import socket
import subprocess
import time

from .common import HERE, BenchError, children_of, clean_environment, die_with_us, release, tool
from .manager import free_port

PEERS = os.path.join(HERE, "harness", "prefork_peers.pl")
NET_SERVER, SPARE_WORKERS = "Net::Server::PreFork", "Parallel::Prefork::SpareWorkers"
MODULES = {NET_SERVER: "Net::Server::PreFork", SPARE_WORKERS: "Parallel::Prefork::SpareWorkers"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde"


def ours():
    """The manager under test."""
    program = release("prefork-run")
    if not os.path.exists(program):
        raise BenchError(f"no {program}: cargo build --release -p superdaemon --bin prefork-run")
    return program


def perl_has(name):
    """Whether a Perl pool can be measured here."""
    perl = shutil.which("perl")
    return bool(perl) and subprocess.run([perl, f"-M{MODULES[name]}", "-e", "1"], capture_output=True, check=False).returncode == 0


class Pool:
    """A manager with its workers on a port of its own."""

    def __init__(self, name, command, port, directory):
        self.name, self.port = name, port
        self.log = os.path.join(directory, f"pool.{port}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
                                            env=clean_environment(), preexec_fn=die_with_us)
        self.pid = self.process.pid

    def fail(self, what):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            tail = log.read().splitlines()[-12:]
        return BenchError(f"{self.name}: {what}; its last lines:\n    " + "\n    ".join(tail))

    def size(self):
        return len(children_of(self.pid))

    def wait_idle(self, count, timeout=20.0):
        """Waits until there are so many workers (at least), and all of them wait for a connection."""
        deadline = time.monotonic() + timeout
        while True:
            pids = children_of(self.pid)
            if len(pids) >= count and all(waits(pid) for pid in pids):
                return pids
            if self.process.poll() is not None:
                raise self.fail(f"it left by itself ({self.process.returncode})")
            if time.monotonic() > deadline:
                raise self.fail(f"{len(pids)} workers instead of {count} waiting ones after {timeout:g} s")
            time.sleep(0.005)

    def hup(self):
        os.kill(self.pid, signal.SIGHUP)

    def stop(self, timeout=20.0):
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise self.fail(f"still there {timeout:g} s after TERM") from None


# accept, accept4; flock and fcntl: Net::Server's workers queue before it; select and poll
WAITING = {"43", "288", "73", "72", "23", "7", "271", "232", "281"}


def waits(pid):
    """Whether a worker stands where it waits for work."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] in WAITING
    except OSError:
        return False


def our_pool(options, worker, directory, name="ours"):
    port = free_port()
    return Pool(name, [ours(), f"--port=127.0.0.1:{port}", *options, "--", *worker], port, directory)


def perl_pool(name, ms, least, most_spare, most, directory):
    port = free_port()
    word = "net-server" if name == NET_SERVER else "spare-workers"
    return Pool(name, ["perl", PEERS, word, str(port), str(ms), str(least), str(most_spare), str(most)], port, directory)


def c_worker(ms):
    return [tool("prefork_worker"), "{fd}", str(ms)]


def perl_worker(ms):
    return ["perl", PEERS, "worker", "{fd}", str(ms)]


class Burst:
    """Requests that are all made at the same time by one thread: when each is being served, and when it is answered."""

    def __init__(self, port, count, timeout=60.0):
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        poller = select.epoll()
        sockets, self.served, self.answered, self.lost = {}, [], 0, []
        self.begun = time.monotonic()
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(("127.0.0.1", port))
            sock.sendall(request)
            sock.setblocking(False)
            sockets[sock.fileno()] = [sock, b""]
            poller.register(sock.fileno(), select.EPOLLIN)
        self.asked = time.monotonic() - self.begun
        deadline = self.begun + timeout
        while sockets and time.monotonic() < deadline:
            for fd, _ in poller.poll(1.0):
                entry = sockets[fd]
                try:
                    data = entry[0].recv(4096)
                except OSError as error:
                    self.lost.append(str(error))
                    data = None
                if data and not entry[1]:
                    self.served.append(time.monotonic() - self.begun)
                if data:
                    entry[1] += data
                    continue
                poller.unregister(fd)
                entry[0].close()
                if entry[1] == ANSWER:
                    self.answered += 1
                elif data is not None:
                    self.lost.append(f"short answer {entry[1]!r}")
                del sockets[fd]
        self.lost += ["no answer"] * len(sockets)
        for sock, _ in sockets.values():
            sock.close()
        poller.close()

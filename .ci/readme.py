#!/usr/bin/env python3
"""Does what README.md tells its readers to do.

    .ci/readme.py demo     runs the first command: a worker that answers, HUP, the next generation, TERM
    .ci/readme.py test     prints the command that runs all tests
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Building is part of the command.
BUILD_LIMIT = 600
LIMIT = 30


def blocks():
    """The fenced shell blocks of the README, without prompts."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
        found = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", readme.read(), re.M | re.S)
    return [re.sub(r"^\$ ", "", block, flags=re.M).strip() for block in found]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def until(what, seconds, look):
    """Looks until there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"README: {what}: nothing within {seconds} s")


def generation(port):
    """The generation that answers, or None."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=LIMIT) as answer:
            return int(re.search(rb"generation (\d+)", answer.read())[1])
    except OSError:
        return None


def members(session):
    """Pid and name of every process of the session that is not a zombie."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                name, rest = re.fullmatch(r"\d+ \((.*)\) (.*)", stat.read(), re.S).groups()
        except OSError:
            continue
        fields = rest.split()
        if int(fields[3]) == session and fields[0] != "Z":
            found.append((int(entry), name))
    return found


def demo():
    command = blocks()[0]
    written = re.search(r"--(?:port|listen)[= ](?:127\.0\.0\.1:)?(\d+)", command)
    if not written:
        sys.exit(f"README: no port in the first command: {command}")
    port = free_port()
    command = command.replace(written[1], port)
    shell = subprocess.Popen(["bash", "-c", command], cwd=ROOT, start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=sys.stderr, stderr=sys.stderr)
    try:
        def first():
            if shell.poll() is not None:
                sys.exit(f"README: the first command ended with {shell.returncode}: {command}")
            return generation(port)
        before = until("an answer", BUILD_LIMIT, first)
        servers = [pid for pid, name in members(shell.pid) if name == "start_server"]
        if len(servers) != 1:
            sys.exit(f"README: {len(servers)} processes called start_server")
        os.kill(servers[0], signal.SIGHUP)
        until("the next generation", LIMIT, lambda: (generation(port) or 0) > before)
        os.kill(servers[0], signal.SIGTERM)
        shell.wait(LIMIT)
        until("an end after TERM", LIMIT, lambda: not members(shell.pid))
    finally:
        for pid, _ in members(shell.pid):
            os.kill(pid, signal.SIGKILL)
        shell.wait()


def test():
    commands = [line for block in blocks() for line in block.splitlines() if line.startswith("cargo test")]
    if not commands:
        sys.exit("README: no command that runs the tests")
    print(commands[0])


if __name__ == "__main__":
    {"demo": demo, "test": test}[sys.argv[1]]()

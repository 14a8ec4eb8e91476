"""An event listener that writes down what it gets, a line for each event: the header, a bar, the payload.

    watch.py FILE [ok | fail | garbage | early | die | never]

fail: the first event is refused. garbage: no answer but nonsense to the first. early: nonsense before READY.
die: the first process of this program dies over its first event. never: it is never ready.
"""
import os
import select
import signal
import sys

path, mode = sys.argv[1], (sys.argv[2:] or ["ok"])[0]
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(True))
out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
first = os.path.getsize(path) == 0


def say(text):
    os.write(1, text)


def line():
    """The next line from the supervisor; None when it is told to leave, and nothing more comes."""
    found = b""
    while not found.endswith(b"\n"):
        if not select.select([0], [], [], 0.3)[0]:
            if leaving:
                return None
            continue
        byte = os.read(0, 1)
        if not byte:
            return None
        found += byte
    return found


def payload(size):
    found = b""
    while len(found) < size:
        data = os.read(0, size - len(found))
        if not data:
            sys.exit(1)
        found += data
    return found


if mode == "early":
    say(b"Hello!\n")
if mode != "never":
    say(b"READY\n")
while header := line():
    words = dict(word.split(":", 1) for word in header.decode().split())
    body = payload(int(words["len"]))
    shown = " ".join(f"{key}:{value}" for key, value in words.items() if key != "len")
    os.write(out, f"{shown} | {' '.join(body.decode().split())}\n".encode())
    if first and mode == "die":
        sys.exit(3)
    if first and mode == "garbage":
        say(b"What?\n")
    elif first and mode == "fail":
        say(b"RESULT 4\nFAILREADY\n")
    else:
        say(b"RESULT 2\nOKREADY\n")
    first = False

#!/usr/bin/python3
"""Calls every method of a supervisor through xmlrpc.client: methods.py DIRECTORY

A line for each call: what is called, a tab, and what came of it as JSON, without what differs from run to run.
"""
import http.client
import json
import os
import re
import select
import socket
import sys
import time
import xml.parsers.expat
import xmlrpc.client

DIR = sys.argv[1]
DEADLINE = 60


class Unix(xmlrpc.client.Transport):
    """Through the unix socket of the directory, with one connection for all calls."""

    def make_connection(self, host):
        if not self._connection or host != self._connection[0]:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(DEADLINE)
            connection.sock.connect(f"{DIR}/sup.sock")
            self._connection = host, connection
        return self._connection[1]


proxy = xmlrpc.client.ServerProxy("http://localhost", transport=Unix(), allow_none=True)
# Times and pids are another number each time, but not if they are 0.
NUMBERS = ("pid", "start", "stop", "now")


def mask(value, key=""):
    if isinstance(value, dict):
        value = dict(value)
        # Where the two do differ, see the test.
        value.pop("autorestart", None)
        for log in ("logfile", "stdout_logfile", "stderr_logfile"):
            auto = re.fullmatch(r".*---\w+-\w{8}\.log|auto", value.get(log, ""))
            if auto and "command" in value or (auto or not value.get(log, "x")) and value.get("start") == 0:
                value[log] = "automatic"
        return {name: mask(inner, name) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [mask(inner) for inner in value]
    if isinstance(value, xmlrpc.client.Binary):
        return ["base64", value.data.decode("latin-1")]
    if isinstance(value, str):
        value = value.replace(DIR, "DIR")
        value = re.sub(r"(---\w+-)\w{8}(\.log)", r"\1XXXXXXXX\2", value)
        value = re.sub(r"pid \d+, uptime \d+:\d\d:\d\d", "pid P, uptime T", value)
        value = re.sub(r"[A-Z][a-z][a-z] \d\d \d\d:\d\d [AP]M", "DATE", value)
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME", value)
    if key in NUMBERS and value:
        return "N"
    return value


def answer(method, arguments):
    try:
        # As proxy.method() does it, for names that are none in Python too.
        return mask(proxy._ServerProxy__request(method, arguments))
    except xmlrpc.client.Fault as fault:
        return ["fault", fault.faultCode, mask(fault.faultString)]
    except xmlrpc.client.ProtocolError as error:
        return ["status", error.errcode]
    except xml.parsers.expat.ExpatError:
        return ["not XML"]


def text(value):
    if isinstance(value, (xmlrpc.client.Binary, xmlrpc.client.DateTime)):
        return f"{type(value).__name__} {getattr(value, 'data', value)}"
    return repr(value)


def show(name, *arguments, say=None):
    shown = ", ".join(map(text, arguments))
    result = answer(name, arguments)
    if say:
        result = say(result)
    print(f"{name}({shown})\t{json.dumps(result)}", flush=True)
    return result


def call(name, *arguments, say=None):
    return show(f"supervisor.{name}", *arguments, say=say)


def by_name(results):
    """What waits ends in any order."""
    if results and isinstance(results[0], dict):
        return sorted(results, key=lambda result: (result["group"], result["name"]))
    return results


def lasting(results):
    """Without those that end at once: supervisord may see the end before it has answered."""
    quick = ("esc", "nul", "bad", "cut", "cr", "amp", "wide", "every", "done")
    return [result for result in by_name(results) if result["name"] not in quick]


def until(name, state):
    end = time.monotonic() + DEADLINE
    while proxy.supervisor.getProcessInfo(name)["statename"] != state:
        if time.monotonic() > end:
            sys.exit(f"{name} is not {state}: {proxy.supervisor.getProcessInfo(name)}")
        select.select([], [], [], 0.02)


def log(name, text):
    """Waits until this is in a file."""
    end = time.monotonic() + DEADLINE
    while True:
        with open(f"{DIR}/{name}", "rb") as file:
            if text in file.read():
                return
        if time.monotonic() > end:
            sys.exit(f"{text} is not in {name}")
        select.select([], [], [], 0.02)


def plain():
    for name in ("getAPIVersion", "getVersion", "getIdentification", "getState"):
        call(name)
        call(name, 1)
    call("getSupervisorVersion", say=lambda version: type(version).__name__)
    call("getPID", say=lambda pid: pid == int(open(f"{DIR}/pid", encoding="ascii").read()))
    call("getPID", 1)
    for name in ("noSuchMethod", "_update", "getPID.x", "__class__", "supervisord", "getpid"):
        call(name)
    for name in ("nodots", "a.b.c", "supervisor", "supervisor.", ".getPID", "system", "system.nope", ""):
        show(name)


def introspection():
    methods = show("system.listMethods", say=lambda names: [n for n in names if not n.startswith("supervise.")])
    for name in methods:
        show("system.methodSignature", name)
        show("system.methodHelp", name, say=lambda text: isinstance(text, str) and bool(text.strip()))
    for name in ("nope", "", "supervisor", "system.multicall.x"):
        show("system.methodHelp", name)
        show("system.methodSignature", name)
    show("system.methodHelp")
    show("system.listMethods", 1)


def states():
    for name in ("idle", "echo", "done", "crash", "nofile", "notexec", "nolog", "pair:a", "pair:b", "many:many_0",
                 "nope", "pair", "pair:*", "pair:", "*", "", ":", "pair:c", "a", "idle:idle", "idle:", "idle:x"):
        call("getProcessInfo", name)
    call("getProcessInfo")
    call("getProcessInfo", "idle", 1)
    call("getAllProcessInfo")
    call("getAllProcessInfo", 1)
    call("getAllConfigInfo")
    call("getAllConfigInfo", "x")


def stop_and_start():
    for name in ("startProcess", "stopProcess"):
        call(name)
        call(name, "idle", True, 3)
        for argument in ("nope", "pair:c", "pair", "", "*", "nope:*"):
            call(name, argument)
    call("startProcess", "idle")
    call("startProcess", "crash")
    until("crash", "FATAL")
    call("startProcess", "nofile")
    call("startProcess", "notexec")
    call("startProcess", "adirectory")
    call("startProcess", "done")
    until("done", "EXITED")
    call("startProcess", "pair:*")
    call("stopProcess", "nofile")
    call("stopProcess", "done")
    call("stopProcess", "idle")
    call("stopProcess", "idle")
    call("getProcessInfo", "idle")
    call("startProcess", "idle", False)
    call("startProcess", "idle")
    until("idle", "RUNNING")
    call("stopProcess", "idle", False)
    until("idle", "STOPPED")
    call("startProcess", "idle", 0)
    until("idle", "RUNNING")
    call("stopProcess", "idle", 1)
    call("startProcess", "idle", "")
    until("idle", "RUNNING")
    call("stopProcess", "pair:*", say=by_name)
    call("stopProcess", "pair:*")
    call("startProcess", "pair:*", say=by_name)
    # One that leaves the waiting for its start behind.
    call("startProcess", "dies")
    until("dies", "FATAL")
    call("startProcess", "slow", False)
    call("getProcessInfo", "slow")
    call("stopProcess", "slow")
    call("getProcessInfo", "slow")
    call("startProcess", "slow", False)
    call("signalProcess", "slow", "KILL")
    until("slow", "BACKOFF")
    call("startProcess", "slow")
    call("signalProcess", "slow", "HUP")
    call("stopProcess", "slow")
    call("getProcessInfo", "slow")


def groups():
    for name in ("startProcessGroup", "stopProcessGroup"):
        call(name)
        call(name, "nope")
        call(name, "pair:a")
        call(name, "pair:*")
        call(name, "")
    call("startProcessGroup", "pair")
    call("stopProcessGroup", "pair", say=by_name)
    call("stopProcessGroup", "pair")
    call("startProcessGroup", "pair", False, say=by_name)
    until("pair:a", "RUNNING")
    until("pair:b", "RUNNING")
    call("stopProcessGroup", "pair", False, say=by_name)
    until("pair:a", "STOPPED")
    until("pair:b", "STOPPED")
    call("startProcessGroup", "many", say=by_name)
    call("stopProcess", "many:many_1")
    call("startProcessGroup", "many", say=by_name)
    call("stopProcessGroup", "many", say=by_name)
    call("startProcessGroup", "nofile")
    call("startProcessGroup", "crash")
    until("crash", "FATAL")


def signals():
    call("signalProcess")
    call("signalProcess", "echo")
    for signal in ("HUP", "hup", "SIGHUP", "sighup", "1", " 1", "", "FOO", "0", "-1", "65", "999", "SIG", "SIG_IGN",
                   "WINCH", "1.0"):
        call("signalProcess", "echo", signal)
    until("echo", "RUNNING")
    for name in ("nope", "idle:*", "echo:*", "done", "nofile", "pair:*"):
        call("signalProcess", name, "WINCH")
    call("signalProcess", "nope", "FOO")
    call("signalProcess", "done", "FOO")
    call("signalProcess", "done", "RTMIN")
    call("signalProcess", "echo", 28)
    call("signalProcessGroup", "nope", "WINCH")
    call("signalProcessGroup", "many", "WINCH")
    call("signalProcessGroup", "echo", "WINCH")
    call("signalProcessGroup", "echo", "FOO")
    call("signalProcessGroup", "echo")
    call("signalAllProcesses", "WINCH")
    call("signalAllProcesses", "FOO")
    call("signalAllProcesses")


OFFSETS = [(0, 0), (0, 1), (0, 20), (5, 0), (5, 5), (11, 0), (12, 0), (13, 0), (12, 4), (100, 0), (100, 5), (-1, 0),
           (-5, 0), (-12, 0), (-13, 0), (-5000, 0), (-5, 5), (-5, -5), (0, -1), (5, -1), (2**31 - 1, 0), (-2**31, 0),
           (2**31 - 1, 2**31 - 1), (0, 2**31 - 1), ("0", "5"), ("-5", "0"), (True, False), (" 1 ", "2"), (1.9, 2.9)]


def logs():
    log("known.out", b"0123456789\xc3\xa9")
    for name in ("readProcessLog", "readProcessStdoutLog", "tailProcessLog", "tailProcessStdoutLog"):
        for offset, length in OFFSETS:
            call(name, "known", offset, length)
    for name in ("readProcessStderrLog", "tailProcessStderrLog"):
        for offset, length in ((0, 0), (0, 5), (-4, 0), (2, 3), (-4, 4), (3, 100)):
            call(name, "known", offset, length)
    for name in ("readProcessStdoutLog", "readProcessStderrLog", "tailProcessStdoutLog", "tailProcessStderrLog"):
        for process in ("nope", "nolog", "pair:*", "pair", "", "nofile", "known:known", "unborn"):
            call(name, process, 0, 100)
        call(name, "known")
        call(name, "known", 0)
        call(name, "known", 0, 0, 0)
        call(name, "known", "x", 0)
        call(name, "known", 0, None)
    for offset, length in ((0, 27), (24, 10), (0, -1), (-10, 10), (-10, -10), ("x", 0)):
        call("readLog", offset, length)
        call("readMainLog", offset, length)
    call("readLog", 2**31 - 1, 0)
    call("readLog", -100, 0, say=bool)
    call("readLog")


def strange():
    """Bytes that XML has no place for."""
    for name in ("esc", "nul", "bad", "cut", "cr", "amp", "wide", "every"):
        log(f"{name}.out", b"END")
        call("readProcessStdoutLog", name, 0, 0)
        call("readProcessStdoutLog", name, -7, 0)
        call("tailProcessStdoutLog", name, 0, 1000)


def clearing():
    call("clearProcessLogs", "known")
    call("readProcessStdoutLog", "known", 0, 0)
    for name in ("nope", "pair:*", "nolog", "nofile", "pair:a", "pair", ""):
        call("clearProcessLogs", name)
        call("clearProcessLog", name)
    call("clearProcessLogs")
    call("clearAllProcessLogs", say=by_name)
    call("clearAllProcessLogs", 1)
    call("clearLog")
    call("clearLog", 1)
    # There is a main log again.
    call("readLog", 0, 10, say=lambda text: isinstance(text, str))


def stdin():
    call("sendProcessStdin", "copy", "héllo\n")
    log("copy.out", "héllo\n".encode())
    call("sendProcessStdin", "copy", "")
    call("sendProcessStdin", "copy", xmlrpc.client.Binary("bytes\n".encode()))
    log("copy.out", b"bytes\n")
    for name in ("nope", "nofile", "done", "pair:*", "pair", ""):
        call("sendProcessStdin", name, "x")
    call("sendProcessStdin", "copy", 5)
    call("sendProcessStdin", "nope", 5)
    call("sendProcessStdin", "copy")
    log("deaf.out", b"closed")
    call("sendProcessStdin", "deaf", "x")
    call("sendRemoteCommEvent", "type", "data")
    call("sendRemoteCommEvent", "type")
    call("sendRemoteCommEvent", "", "")


def configuration():
    call("reloadConfig")
    call("reloadConfig", 1)
    for name in ("nope", "copy", "pair", "pair:a", "pair:*", ""):
        call("addProcessGroup", name)
        call("removeProcessGroup", name)
    call("addProcessGroup")
    call("removeProcessGroup")
    call("stopProcessGroup", "copy", say=by_name)
    call("removeProcessGroup", "copy")
    call("removeProcessGroup", "copy")
    call("getProcessInfo", "copy")
    call("startProcess", "copy")
    call("reloadConfig")
    call("addProcessGroup", "copy")
    until("copy", "RUNNING")
    call("addProcessGroup", "copy")
    with open(f"{DIR}/conf.d/more.conf", "w", encoding="ascii") as file:
        file.write("[program:more]\ncommand=/bin/sleep 1000\n[program:idle]\ncommand=/bin/sleep 999\n")
    call("reloadConfig")
    call("getAllConfigInfo", say=lambda all: [[one["name"], one["inuse"], one["command"]] for one in all])
    call("addProcessGroup", "more")
    until("more", "RUNNING")
    call("reloadConfig")
    with open(f"{DIR}/conf.d/more.conf", "w", encoding="ascii") as file:
        file.write("[program:more]\ncommand=\n")
    call("reloadConfig")
    with open(f"{DIR}/conf.d/more.conf", "w", encoding="ascii") as file:
        file.write("[program:more]\ncommand=x\nnumprocs=two\n")
    call("reloadConfig")
    os.remove(f"{DIR}/conf.d/more.conf")
    call("reloadConfig")
    call("stopProcess", "more")
    call("removeProcessGroup", "more")


def several():
    def calls(*some):
        return [{"methodName": name, "params": list(arguments)} for name, *arguments in some]

    version = ("supervisor.getVersion",)
    show("system.multicall", calls(version, version))
    show("system.multicall", [])
    show("system.multicall")
    show("system.multicall", 1)
    show("system.multicall", calls(("supervisor.getProcessInfo", "nope"), ("system.multicall", []), ("nope",),
                                   ("supervisor.getVersion", 1), ("system.listMethods", 2), version))
    show("system.multicall", [{"params": []}, {"methodName": "supervisor.getVersion"}, {}])
    show("system.multicall", calls(("supervisor.stopProcess", "idle"), ("supervisor.getProcessInfo", "idle"),
                                   ("supervisor.startProcess", "idle"), ("supervisor.getProcessInfo", "idle"),
                                   ("supervisor.startProcess", "idle"), ("supervisor.stopProcess", "nope")))
    show("system.multicall", calls(("supervisor.stopProcess", "idle", False), version))
    until("idle", "STOPPED")
    show("system.multicall", calls(("supervisor.startProcess", "idle"), ("supervisor.startProcess", "crash"), version))
    until("crash", "FATAL")


def types():
    """What no method wants."""
    for value in (5, True, 1.5, [], {}, None, ["idle"], xmlrpc.client.DateTime("20260102T03:04:05"), xmlrpc.client.Binary(b"idle")):
        call("getProcessInfo", value)
        call("startProcess", value)
        call("addProcessGroup", value)
        call("signalProcess", "done", value)
        call("readProcessLog", "known", value, 0)
        call("sendProcessStdin", "copy", value)
        show("system.methodHelp", value)
    call("startProcess", "idle", None)
    call("startProcess", "idle", [])
    for name in ("é", "a\nb", "a b", "x" * 1000, "<&>", "'\"", "\t", "%s", "\u2028", "\U0001f600"):
        call("getProcessInfo", name)


def everything():
    # It would be waited for.
    call("removeProcessGroup", "slow")
    call("stopAllProcesses", say=by_name)
    call("stopAllProcesses")
    call("getAllProcessInfo")
    call("startAllProcesses", say=lasting)
    until("crash", "FATAL")
    until("dies", "FATAL")
    call("getAllProcessInfo")
    call("stopAllProcesses", False, say=by_name)
    for name in ("idle", "echo", "copy", "deaf", "known", "nolog", "unborn", "many:many_0", "many:many_1", "many:many_2"):
        until(name, "STOPPED")
    call("startAllProcesses", False, say=lasting)
    until("idle", "RUNNING")
    call("stopAllProcesses", 1, 2)
    call("startAllProcesses", 1, 2)


for part in (plain, introspection, states, stop_and_start, groups, signals, logs, strange, stdin, clearing,
             configuration, several, types, everything):
    part()
call("shutdown")

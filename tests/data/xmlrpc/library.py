#!/usr/bin/python3
"""What a program does that uses the library of supervisor from PyPI: library.py DIRECTORY URL [USER PASSWORD]

Prints what it sees, as JSON, a line for each call.
"""
import json
import re
import sys
import xmlrpc.client

import supervisor.childutils
import supervisor.options
import supervisor.xmlrpc

directory, url, *login = sys.argv[1:]
names = dict(zip(("SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"), login))
rpc = supervisor.childutils.getRPCInterface({"SUPERVISOR_SERVER_URL": url, **names})


def show(name, *arguments):
    method = rpc
    for part in name.split("."):
        method = getattr(method, part)
    try:
        result = method(*arguments)
    except xmlrpc.client.Fault as fault:
        result = [fault.faultCode, fault.faultString]
    text = json.dumps(result, sort_keys=True).replace(directory, "DIR")
    text = re.sub(r'"(pid|now|start|stop)": [1-9]\d*', r'"\1": "N"', text)
    text = re.sub(r"-\w{8}\.log", "-X.log", text)
    text = re.sub(r"pid \d+, uptime \d+:\d\d:\d\d", "pid P, uptime T", text)
    text = re.sub(r"[A-Z][a-z][a-z] \d\d \d\d:\d\d [AP]M", "DATE", text)
    print(name, arguments, text)


show("supervisor.getVersion")
show("supervisor.getState")
show("supervisor.getAllProcessInfo")
show("supervisor.getProcessInfo", "web")
show("supervisor.stopProcess", "web")
show("supervisor.getProcessInfo", "web")
show("supervisor.startProcess", "web")
show("supervisor.startProcess", "web")
show("supervisor.startProcess", "nope")
show("supervisor.tailProcessStdoutLog", "said", 0, 100)
show("supervisor.readProcessStdoutLog", "said", -6, 0)
show("system.multicall", [{"methodName": "supervisor.getState", "params": []},
                          {"methodName": "supervisor.getProcessInfo", "params": ["nope"]}])
try:
    wrong = {"SUPERVISOR_SERVER_URL": url, "SUPERVISOR_USERNAME": "x", "SUPERVISOR_PASSWORD": "y"}
    print(supervisor.childutils.getRPCInterface(wrong).supervisor.getVersion())
except xmlrpc.client.ProtocolError as error:
    print("refused", error.errcode)

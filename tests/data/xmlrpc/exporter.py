#!/usr/bin/python3
"""Reads /metrics as Prometheus does, with the parsers of prometheus-client: exporter.py PORT USER PASSWORD

Prints a line for each sample, in both formats, and what exporters see that ask by XML-RPC instead.
"""
import base64
import sys
import urllib.request
import xmlrpc.client

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

port, user, password = sys.argv[1:]
OPEN = "application/openmetrics-text; version=1.0.0"
CLASSIC = "text/plain; version=0.0.4"
LOGIN = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

for accept, parse in ((f"{OPEN},{CLASSIC};q=0.5,*/*;q=0.1", openmetrics), (f"{CLASSIC},*/*;q=0.1", plain)):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics",
                                     headers={"Accept": accept, "Authorization": LOGIN})
    with urllib.request.urlopen(request, timeout=20) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    if kind.startswith("application/openmetrics-text"):
        parse = openmetrics
    print("kind", kind)
    seen = set()
    for family in parse(text):
        if not family.documentation:
            sys.exit(f"{family.name} is not explained")
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            if key in seen:
                sys.exit(f"twice: {key}")
            seen.add(key)
            print("sample", family.type, sample.name, dict(sorted(sample.labels.items())), sample.value)

# As the exporters do that ask supervisord itself: telegraf, netdata, supervisord_exporter.
url = f"http://{user}:{password}@127.0.0.1:{port}/RPC2"
proxy = xmlrpc.client.ServerProxy(url)
print("identification", proxy.supervisor.getIdentification(), proxy.supervisor.getState()["statecode"])
for info in proxy.supervisor.getAllProcessInfo():
    print("info", info["group"], info["name"], info["state"], info["exitstatus"], info["now"] >= info["start"])

"""A headless Chromium, driven through chromedriver with nothing but the standard library."""

import base64
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

DEADLINE = 30
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=1280,900",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# Whatever proxy there is for elsewhere.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """What the browser answered to a command that it did not follow."""


class Browser:
    """One window. It and its files are gone at the end of the `with`."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": self.profile.name})
        self.session = None
        try:
            for line in self.driver.stdout:
                found = re.search(r"successfully on port (\d+)", line)
                if found:
                    break
            else:
                raise SystemExit("chromedriver ended before it listened")
            self.base = f"http://127.0.0.1:{found[1]}/session"
            options = {"args": FLAGS + [f"--user-data-dir={self.profile.name}"]}
            always = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self.command("POST", "", {"capabilities": {"alwaysMatch": always}})
            self.session = answer["sessionId"]
            self.base += "/" + self.session
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.session:
            try:
                self.command("DELETE", "")
            except (Failed, OSError):
                pass
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        self.profile.cleanup()

    def command(self, method, path, body=None):
        """A command of WebDriver."""
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with direct.open(request, timeout=DEADLINE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise Failed(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def open(self, url):
        self.command("POST", "/url", {"url": url})

    def address(self):
        return self.command("GET", "/url")

    def run(self, script, *arguments):
        """The value of a function body."""
        return self.command("POST", "/execute/sync", {"script": script, "args": arguments})

    def element(self, selector):
        found = self.command("POST", "/element", {"using": "css selector", "value": selector})
        return "/element/" + found[ELEMENT]

    def click(self, selector):
        """As a user does: it must be visible, enabled and not covered."""
        element = self.element(selector)
        if not self.command("GET", element + "/enabled"):
            raise Failed(f"{selector} is disabled")
        self.command("POST", element + "/click")

    def devtools(self, name, **parameters):
        self.command("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def phone(self):
        self.devtools("Emulation.setDeviceMetricsOverride", width=390, height=844,
                      deviceScaleFactor=2, mobile=True)

    def desk(self):
        self.devtools("Emulation.clearDeviceMetricsOverride")

    def colours(self, scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def complaints(self):
        """What the browser found wrong: policies, missing files, scripts."""
        log = self.command("POST", "/se/log", {"type": "browser"})
        texts = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
        # Which it looks for by itself when it shows plain text.
        return [text for text in texts if "/favicon.ico" not in text]

    def screenshot(self, path):
        # As tall as the page is, or at most so tall that one can still look at it.
        size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 2400), "scale": 1}
        body = {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": True, "clip": clip}}
        answer = self.command("POST", "/goog/cdp/execute", body)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))


def wait(what, probe):
    """The first answer of a probe that is one; pages may change under it."""
    until = time.monotonic() + DEADLINE
    last = None
    while time.monotonic() < until:
        try:
            last = probe()
            if last:
                return last
        except Failed as error:
            last = error
        time.sleep(0.05)
    raise SystemExit(f"waited in vain: {what}; last: {last}")

"""The page of supervise in a real browser: browser.py HOST:PORT USER PASSWORD DIRECTORY

Every button is pressed as a user would, and has to do what it says; pictures go to DIRECTORY.
"""

import base64
import sys
import urllib.error
import urllib.parse
import urllib.request

from webdriver import DEADLINE, Browser, Failed, direct, wait

PLACE, USER, PASSWORD, PICTURES = sys.argv[1:]
SITE = f"http://{PLACE}"
ODD = "o<i>&\"dd'"

# What is written on the page about a process; the buttons as whether they can be pressed.
ROW = """
const row = document.getElementById(arguments[0]);
if (!row || document.readyState != 'complete') return null;
const text = selector => (row.querySelector(selector) || {textContent: ''}).textContent;
const log = row.nextElementSibling;
return {
    state: text('.s'), name: text('th'), what: text('.what'), pid: text('[data-l=pid]'),
    restarts: text('[data-l=restarts]'), exit: text('[data-l=exit]'),
    log: log && log.matches('.log') ? log.querySelector('pre').textContent : '',
    buttons: [...row.querySelectorAll('button')].filter(b => !b.disabled).map(b => b.name).join(' '),
};
"""

# Texts that are hard to read on what is behind them, by the formula of WCAG 2; and pale ones.
PALE = """
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const behind = element => {
    for (let at = element; at; at = at.parentElement) {
        const colour = numbers(getComputedStyle(at).backgroundColor);
        if (colour.length == 3 || colour[3] == 1) return light(colour);
    }
    return 1;
};
const found = [];
for (const element of document.querySelectorAll('h1,.s,.soft,a,td,th,pre,summary,.said,button:enabled')) {
    const [a, b] = [light(numbers(getComputedStyle(element).color)), behind(element)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
}
return found;
"""


def check(what, value, expected=True):
    if value != expected:
        raise SystemExit(f"{what}: {value!r}, expected is {expected!r}")


def ask(path, form=None, login=True, **headers):
    """Status and text, without the browser."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(SITE + path, data, headers)
    if login:
        words = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {words}")
    try:
        with direct.open(request, timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Page:
    def __init__(self, browser):
        self.browser = browser

    def load(self, path="/"):
        self.browser.open(f"http://{USER}:{PASSWORD}@{PLACE}{path}")

    def row(self, name):
        """What is written about a process, also while the page is just being loaded again."""
        return wait(f"a row for {name}", lambda: self.browser.run(ROW, name))

    def press(self, action, target):
        value = target.replace("\\", "\\\\").replace('"', '\\"')
        self.browser.click(f'button[name="{action}"][value="{value}"]')

    def becomes(self, name, state):
        """Waits for a state on a page that nobody loads again: it has to follow by itself."""

        def probe():
            row = self.row(name)
            if row["state"] == state:
                return row
            raise Failed(f"{row}")

        return wait(f"{name} {state}", probe)

    def says(self, text):
        """Waits for the answer to a button: a click may be over before the next page is there."""
        script = "return (document.querySelector('.said') || {}).textContent || 'nothing'"

        def probe():
            said = self.browser.run(script)
            if text in said:
                return said
            raise Failed(said)

        wait(f"the page says {text}", probe)


def first_sight(page):
    page.load()
    check("title", page.browser.run("return document.title"), "1 failed – shop")
    check("heading", page.browser.run("return document.querySelector('h1').textContent"), "shop")
    check("mode", page.browser.run("return document.compatMode"), "CSS1Compat")
    count = "return document.querySelectorAll(arguments[0]).length"
    check("processes", page.browser.run(count, "tr.one"), 5)
    check("scripts", page.browser.run(count, "script"), 0)
    loaded = "return performance.getEntriesByType('resource').map(r => r.name)"
    check("loaded from elsewhere", page.browser.run(loaded), [])
    row = page.row("web:web-0")
    check("pid", row["pid"].isdigit())
    check("buttons", row["buttons"], "stop restart clear")
    check("log", row["log"].strip(), "hello <b>web-0</b>")
    row = page.row("broken:broken")
    check("state", (row["state"], row["pid"], row["buttons"]), ("FATAL", "", "start clear"))
    check("reason", "can't find command" in row["what"])
    row = page.row(f"{ODD}:{ODD}")
    check("odd", (row["name"], row["state"], row["buttons"]), (ODD, "STOPPED", "start clear"))


def one_process(page):
    name = "web:web-0"
    page.press("stop", name)
    page.says("web:web-0: told to stop")
    row = page.becomes(name, "STOPPED")
    check("stopped", (row["pid"], row["buttons"]), ("", "start clear"))
    other = page.row("web:web-1")
    check("the other", other["state"], "RUNNING")
    try:
        page.press("stop", name)
    except Failed:
        pass
    else:
        raise SystemExit("stop can be pressed although it is stopped")

    page.press("start", name)
    page.says("web:web-0: started")
    started = page.becomes(name, "RUNNING")
    check("pid", started["pid"].isdigit())
    check("restarts", started["restarts"], "1")

    page.press("restart", name)
    page.says("web:web-0: restarted")
    wait("restart", lambda: page.row(name)["restarts"] == "2")
    restarted = page.becomes(name, "RUNNING")
    check("another pid", restarted["pid"] not in ("", started["pid"]))
    check("the other", page.row("web:web-1"), {**other, "what": page.row("web:web-1")["what"]})

    check("log", "hello <b>web-0</b>" in page.row(name)["log"])
    page.press("clear", name)
    page.says("web:web-0: log cleared")
    check("cleared", page.row(name)["log"], "")
    check("tail", ask("/tail?process=web:web-0"), (200, ""))
    check("the other log", "hello" in page.row("web:web-1")["log"])

    page.press("start", "broken:broken")
    page.says("broken: not started: can't find command")
    page.press("start", f"{ODD}:{ODD}")
    page.says(f"{ODD}: started")
    page.becomes(f"{ODD}:{ODD}", "RUNNING")
    page.press("stop", f"{ODD}:{ODD}")
    page.says(f"{ODD}: told to stop")
    page.becomes(f"{ODD}:{ODD}", "STOPPED")


def several(page):
    names = ["web:web-0", "web:web-1"]
    before = [page.row(name)["pid"] for name in names]
    page.press("stop", "web:*")
    page.says("web: 2 told to stop")
    for name in names:
        page.becomes(name, "STOPPED")
    check("not of the group", page.row("cron:cron")["state"], "RUNNING")
    page.press("start", "web:*")
    page.says("web: 2 started")
    after = [page.becomes(name, "RUNNING")["pid"] for name in names]
    check("new processes", set(before) & set(after), set())

    # The buttons for everything are not where a slip of the finger meets them.
    try:
        page.press("stop", "*")
    except Failed:
        pass
    else:
        raise SystemExit("stop all can be pressed at once")
    page.browser.click(".all summary")
    page.press("stop", "*")
    page.says("3 told to stop, 2 did not run")
    for name in names + ["cron:cron"]:
        page.becomes(name, "STOPPED")
    page.browser.click(".all summary")
    page.press("start", "*")
    page.says("4 started, 1 not started (the command cannot be run)")
    for name in names + ["cron:cron", f"{ODD}:{ODD}"]:
        page.becomes(name, "RUNNING")


def choices(page):
    page.load()
    page.browser.click('a.s.bad[href*="FATAL"]')
    shown = "return [...document.querySelectorAll('tr.one')].map(row => row.id)"
    wait("only what failed", lambda: page.browser.run(shown) == ["broken:broken"])
    page.press("start", "broken:broken")
    page.says("not started")
    check("still chosen", "state=FATAL" in page.browser.address())
    page.load("/?group=web")
    check("a group", page.browser.run(shown), ["web:web-0", "web:web-1"])
    page.load()
    page.browser.click(".log summary")
    check("log is open", page.browser.run("return document.querySelector('.log pre').offsetHeight > 0"))
    page.browser.click('a[href="/tail?process=web:web-1&stream=stdout"]')
    wait("a tail", lambda: "/tail?" in page.browser.address())
    shown = "return document.body.textContent.startsWith('hello <b>web-1</b>')"
    wait("a log", lambda: page.browser.run(shown))


def strangers(page):
    page.load()
    token = page.browser.run("return document.querySelector('[name=token]').value")
    pid = page.row("cron:cron")["pid"]
    stop = {"stop": "cron:cron"}
    good = {**stop, "token": token}
    check("no password", ask("/", login=False)[0], 401)
    check("no password for a form", ask("/control", good, login=False)[0], 401)
    check("no token", ask("/control", stop)[0], 403)
    check("a wrong token", ask("/control", {**stop, "token": token[::-1]})[0], 403)
    check("another site", ask("/control", good, Origin="http://evil.example")[0], 403)
    check("no form", ask("/control?stop=cron:cron&token=" + token)[0] in (404, 405))
    check("as of old", ask("/index.html?action=stop&processname=cron")[0], 200)
    page.load()
    row = page.row("cron:cron")
    check("nothing was done", (row["state"], row["pid"]), ("RUNNING", pid))
    check("its own site", ask("/control", good, Origin=SITE)[0], 200)
    page.load()
    page.becomes("cron:cron", "STOPPED")


def looks(page):
    browser = page.browser
    page.load()
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        check(f"pale in {scheme}", browser.run(PALE), [])
        browser.screenshot(f"{PICTURES}/page-{scheme}.png")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    check("dark is dark", all(int(part) < 64 for part in ground[4:-1].split(",")))
    browser.phone()
    page.load()
    for scheme in ("dark", "light"):
        browser.colours(scheme)
        check(f"pale on a phone in {scheme}", browser.run(PALE), [])
        browser.screenshot(f"{PICTURES}/page-phone-{scheme}.png")
    wide = "return document.documentElement.scrollWidth - innerWidth"
    check("wider than a phone", browser.run(wide), 0)
    small = "return [...document.querySelectorAll('button')].filter(b => b.checkVisibility() && " \
            "b.getBoundingClientRect().height < 32).length"
    check("too small for a finger", browser.run(small), 0)
    page.press("start", "cron:cron")
    page.says("cron: started")
    page.becomes("cron:cron", "RUNNING")
    browser.desk()


def main():
    with Browser() as browser:
        page = Page(browser)
        for part in (first_sight, one_process, several, choices, strangers, looks):
            part(page)
            check(f"complaints in {part.__name__}", browser.complaints(), [])
            print(part.__name__, flush=True)


main()

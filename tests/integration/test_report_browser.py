"""The comparison report in a real browser: curves are drawn, nothing overflows a phone, no stranger's script runs."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facejobs.jobs.comparison.comparison import Comparison, compare
from facejobs.jobs.comparison.pair_scores import PairScores
from facejobs.jobs.comparison.report import write_report
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.metric_history import parse_journal
from facejobs.jobs.status import State

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROTOCOL = "lfw-pairs:10-fold:c043e6726331:mirror-sum"
PHONE, WIDE = (360, 800), (1600, 1000)
SECONDS = 60
# Chromium reads commands from descriptor 3 and writes to 4. A program of its own sees to that: forking this process,
# which may hold gigabytes of other tests by now, can be refused. Copies above 4 survive either order.
AS_THREE_AND_FOUR = """
import fcntl, os, sys
copies = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(copies[0], 3)
os.dup2(copies[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A headless Chromium, spoken to by its DevTools protocol over two pipes: JSON messages that a NUL ends."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._commands = os.pipe()
        self._events, from_browser = os.pipe()

        self._process = subprocess.Popen(
            [sys.executable, "-IS", "-c", AS_THREE_AND_FOUR, str(to_browser), str(from_browser),
             program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._unread = b""
        self._number = 0
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session: str | None = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def close(self) -> None:
        self._session = None
        try:
            self._ask("Browser.close")
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._commands)
            os.close(self._events)

    def _ask(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = os.read(self._events, 1 << 16)
            assert part, "the browser ended"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def open(self, path: Path, size: tuple[int, int], dark: bool = False) -> None:
        """Show a file in a window of `size` CSS pixels and wait until its script says that all is drawn."""
        mobile = size[0] < 500
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": mobile}
        self._ask("Emulation.setDeviceMetricsOverride", metrics)
        self._ask("Emulation.setTouchEmulationEnabled", {"enabled": mobile})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._ask("Page.navigate", {"url": path.as_uri()})
        deadline = time.monotonic() + SECONDS
        while self.run("document.documentElement?.dataset.drawn") != "true":
            assert time.monotonic() < deadline, f"the report was not drawn: {self.problems}"
            time.sleep(0.1)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._ask("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self) -> str:
        """A PNG of the whole page, in base64."""
        return self._ask("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def scores(accuracy: float, seed: int) -> PairScores:
    generator = np.random.default_rng(seed)
    same = np.arange(600) % 2 == 0
    distance = np.where(same, 0.9, 1.7) + generator.normal(0, 0.3, 600)
    return PairScores("lfw", PROTOCOL, distance, same, np.arange(600) < round(600 * accuracy))


def run(version: str, accuracy: float, points: int = 40, description: str = "", **parameters: Any) -> Run:
    lines = [
        {"step": 10 * number, "epoch": 0, "name": "loss", "value": 6 / number, "time": 1e9 + number}
        for number in range(1, points + 1)
    ]
    lines += [
        {"step": 10 * points * half, "epoch": 0, "name": "lfw_accuracy", "value": accuracy * half, "protocol": PROTOCOL}
        for half in (0.5, 1)
    ]
    text = "".join(json.dumps({**line, "step": int(line["step"])}) + "\n" for line in lines)
    return Run(
        "cele", version, State.COMPLETED, parameters, {}, parameters, parse_journal(text.encode()),
        {PROTOCOL: scores(accuracy, int(version[1:]))}, description=description,
    )  # fmt: skip


@pytest.fixture(scope="session")
def compared() -> Comparison:
    attack = "<script>window.ran = true</script><img src=x onerror='window.ran = true'>"
    long = {f"a_parameter_with_a_name_{'that_is_long_' * 3}{number}": number for number in range(3)}
    return compare(
        [
            run("V0001", 0.85, description=attack, lr=0.1, path="/data/" + "x" * 300, **long),
            run("V0002", 0.88, points=4000, description="</script>", lr=0.2, path="/data/y", note=attack),
        ]
    )


@pytest.fixture(scope="session")
def report(compared: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(compared, path)
    return path


CLIPPED = """[...document.querySelectorAll(".metrics, .metrics *, .scroll:has(.metrics)")].filter(
    e => getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth
    || e.getClientRects().length && e.getBoundingClientRect().right > document.querySelector(
        ".scroll:has(.metrics)").getBoundingClientRect().right + 0.5
).map(e => e.outerHTML)"""
HIDDEN = "[...document.querySelectorAll('.metrics td')].filter(e => !e.getClientRects().length).length"


@pytest.mark.parametrize("width", [360, 480, 600, 1100, 1350, 1600])
def test_no_text_of_the_metrics_is_cut_off(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, (width, 1000))
    assert browser.run("document.querySelectorAll('.metrics .word').length") > 0
    assert browser.run(CLIPPED) == []
    assert browser.run(HIDDEN) == 0


TRACES = "document.getElementById({name!r}).data.length"


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_drawn_whole_without_errors(browser: Browser, compared, report: Path, size, dark) -> None:
    browser.problems.clear()
    browser.requests.clear()
    browser.open(report, size, dark)
    assert browser.run(TRACES.format(name="curve")) == 2
    assert browser.run(TRACES.format(name="histogram")) == 4
    assert browser.run(TRACES.format(name="roc")) == 2
    assert browser.run("document.querySelectorAll('#curve .scatterlayer .trace path.js-line').length") == 2
    assert browser.run("document.getElementById('verdict').innerText") == compared.headline
    assert browser.run("window.innerWidth") == size[0]
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    assert browser.problems == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in browser.requests)


def test_no_text_of_a_version_runs_as_a_script(browser: Browser, report: Path) -> None:
    browser.open(report, WIDE)
    assert browser.run("window.ran === undefined")
    assert "<script>window.ran = true</script>" in browser.run("document.querySelector('.versions').innerText")


def test_choices_redraw_the_curves(browser: Browser, report: Path) -> None:
    browser.open(report, WIDE)
    choose = "(() => {{ const e = document.querySelector({0!r}); {1}; e.dispatchEvent(new Event({2!r})); }})()"
    browser.run(choose.format("#metric", "e.value = 'loss'", "change"))
    assert browser.run("document.getElementById('curve').data.map(t => t.x[t.x.length - 1])") == [400, 40000]
    assert browser.run("document.getElementById('curve').data[1].x.length") <= 1200
    assert "lows and highs kept" in browser.run("document.getElementById('curve-note').innerText")
    browser.run(choose.format("input[value=minutes]", "e.checked = true", "change"))
    assert browser.run("Math.max(...document.getElementById('curve').data[0].x)") == pytest.approx(39 / 60, abs=0.01)
    browser.run(choose.format("#smoothing", "e.value = 0.9", "input"))
    assert browser.run(TRACES.format(name="curve")) == 4
    spread = "(t => Math.max(...t.y) - Math.min(...t.y))(document.getElementById('curve').data[{}])"
    assert browser.run(spread.format(1)) < browser.run(spread.format(0))


def test_colours_follow_the_reader(browser: Browser, report: Path) -> None:
    seen = []
    for dark in (False, True):
        browser.open(report, WIDE, dark)
        seen.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert len(set(seen)) == 2

"""A page in a real browser: Chromium without a window, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # a container's root has no other way; only our own pages are opened
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """The browser of this machine."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """One page. What it asked for and what it complained of is kept."""

    link: ClientConnection
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _last: int = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer; events meanwhile are noted."""
        self._last += 1
        self.link.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            told = self._next()
            if told.get("id") == self._last:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    def wait_for(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited, exceptions fail the test."""
        told = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def open(
        self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False,
        language: str = "en-US",
    ) -> None:  # fmt: skip
        """Load a file and wait until it is drawn."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        agent = self.run("navigator.userAgent")
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.call("Page.navigate", url=page.absolute().as_uri())
        self.wait_for("Page.loadEventFired")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def click(self, selector: str) -> None:
        """A press of the mouse where the element is, so that nothing may lie over it."""
        self.run(
            f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block:'center'}})"
        )
        x, y = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                      buttons=1, clickCount=1)  # fmt: skip

    def press(self, key: str) -> None:
        """One key; a letter or a space is text as well."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(told["data"])

    def print(self) -> bytes:
        """The page on paper, as PDF."""
        told = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(told["data"])

    def _next(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.link.recv(timeout=60))
        params = told.get("params", {})
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.complaints.append(json.dumps(params["args"]))
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
        return told


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser with one empty tab; ``folder`` is for its profile. It ends with the block."""
    found = program()
    assert found is not None
    command = [found, *_SWITCHES, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            port = _port(process)
            with connect(f"ws://127.0.0.1:{port}{_tab(port)}", max_size=None, proxy=None) as link:
                yield Tab(link)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def _port(process: subprocess.Popen[bytes]) -> int:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.decode(errors="replace"))
        if "DevTools listening on ws://" in said[-1]:
            return int(said[-1].split("://")[1].split("/")[0].rpartition(":")[2])
    raise AssertionError(f"the browser did not start: {''.join(said)}")


def _tab(port: int) -> str:
    """The path of the first tab's socket."""
    from http.client import HTTPConnection

    asked = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        asked.request("GET", "/json/list")
        tabs = json.load(asked.getresponse())
    finally:
        asked.close()
    url: str = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return "/" + url.split("/", 3)[3]

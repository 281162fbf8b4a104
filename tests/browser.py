"""Chromium without a window, driven as a person would: clicks, typing, looking.

It is spoken to by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol) over a
pair of pipes: JSON messages that end with a zero byte.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE_S = 60  # what a busy machine may need; nothing is measured here
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")


class PageGoneError(Exception):
    """The page that was asked has given way to another."""


class Browser:
    """One Chromium with a profile of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-pipe"]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # Chromium reads from its descriptor 3 and writes to 4.
        places = [(theirs_in, 3), (theirs_out, 4), (nowhere, 2)]
        moves = [(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in places]
        self._pid = os.posix_spawn(command[0], command, os.environ, file_actions=moves)
        for ours, _ in places:
            os.close(ours)
        self._numbers, self._unread = count(1), b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)

    def open(self, url: str, size: Sequence[int] = (1500, 950), *, dark: bool = False) -> "Tab":
        """A new tab of this size in pixels; it is the caller's to wait for what it wants to see."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        tab.resize(*size)
        tab.emulate(dark=dark)
        tab.call("Page.navigate", url=url)
        return tab

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One command and its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != number:
            pass  # an event: nobody asked
        if "navigated" in str(answer.get("error")):
            raise PageGoneError(method)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], PATIENCE_S)
            data = os.read(self._in, 1 << 16) if ready else b""
            assert data, "Chromium does not answer"
            self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are out of the way of the low numbers that Chromium wants."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


class Tab:
    """A page, its size and its colours."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def emulate(self, *, dark: bool = False, media: str = "") -> None:
        """The colours that the person prefers, and `print` for how it comes out on paper."""
        colours = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[colours])

    def js(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> Any:
        """Look till an expression is true; its value. A page may take another's place meanwhile."""

        def look() -> Any:
            try:
                return self.js(expression)
            except PageGoneError:
                return None

        end = time.monotonic() + PATIENCE_S
        while not (value := look()):
            assert time.monotonic() < end, (
                f"never so: {expression}\n{self.js('document.body.innerText')}"
            )
            time.sleep(0.02)
        return value

    def texts(self, selector: str) -> list[str]:
        """What the elements say, in their order."""
        found = self.js(f"[...document.querySelectorAll({selector!r})].map((e) => e.innerText)")
        return [str(text).strip() for text in found]

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        box = self.until(
            f"(() => {{ const e = document.querySelector({selector!r}); if (!e) return null;"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return {x: b.x + b.width / 2, y: b.y + b.height / 2}; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)

    def write(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.click(selector)
        self.call("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

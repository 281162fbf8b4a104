"""A pseudo-terminal with `dllab watch` in it, and a learner who writes one task after another."""

import fcntl
import itertools
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from dllab.grading.watch.screen import CLEAR
from dllab.lab.find import Lab
from dllab.lab.starter import make_starter, solution_regions

PATIENCE_S = 90  # what a busy machine may need; nothing is measured here
CLOCK = re.compile(r"saved \d\d:\d\d:\d\d")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def partly_done(lab: Lab, done: set[str]) -> str:
    """lab.py with the reference's code for some tasks, and the TODO for the others."""
    solution = lab.solution.read_text(encoding="utf-8")
    lines, regions = solution.splitlines(), solution_regions(solution)
    drop: set[int] = set()
    for task, (first, last) in regions.items():
        if task in done:
            begin = max(n for n in range(1, first) if "# BEGIN SOLUTION" in lines[n - 1])
            drop |= {*range(begin, first), last + 1}
    kept = [line for number, line in enumerate(lines, 1) if number not in drop]
    return make_starter("\n".join(kept))


def save(path: Path, text: str) -> None:
    """As an editor does: a new file in the old one's place."""
    half = path.with_suffix(".swp")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


class Terminal:
    """Runs a dllab command in a terminal of 48 lines; all that it ever showed is `screens`."""

    def __init__(self, *arguments: str, columns: int = 100) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES="48")
            os.execv(sys.executable, [sys.executable, "-m", "dllab", *arguments])
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 48, columns, 0, 0))
        self._bytes = b""
        self.code: int | None = None

    @property
    def screens(self) -> list[str]:
        """Every screen that was drawn, without colours."""
        text = self._bytes.decode("utf-8", "ignore")
        return [CODES.sub("", part).replace("\r", "") for part in text.split(CLEAR)]

    @property
    def screen(self) -> str:
        return self.screens[-1]

    def press(self, key: str) -> None:
        os.write(self._fd, key.encode())

    def until(self, seen: str | Callable[[str], bool], patience_s: float = PATIENCE_S) -> str:
        """Read till the newest screen shows a text; fails with the screen when it never does."""
        shows = seen if callable(seen) else lambda screen: seen in screen
        end = time.monotonic() + patience_s
        while not shows(self.screen):
            left = end - time.monotonic()
            assert left > 0, f"never seen: {seen}\n{self.screen}"
            assert self._read(min(left, 1)), f"ended before: {seen}\n{self.screen}"
        return self.screen

    def end(self) -> int:
        """Read till the program ends; its exit code."""
        until = time.monotonic() + PATIENCE_S
        while self._read(1):
            assert time.monotonic() < until, f"it does not end\n{self.screen}"
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._fd)
        return self.code

    def recording(self) -> str:
        """The session as text: every screen at which it came to rest, as if saved at one time."""
        shown = [CLOCK.sub("saved 09:41:00", screen) for screen in self.screens]
        lines = ["\n".join(line.rstrip() for line in s.strip("\n").split("\n")) for s in shown]
        settled = [text for text in lines if text and ", checking" not in text]
        rule = "\n" + "─" * 100 + "\n"
        return rule.join(text for text, _ in itertools.groupby(settled)) + "\n"

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self._bytes += data
        return bool(data)

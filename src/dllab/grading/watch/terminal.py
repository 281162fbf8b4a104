"""The terminal: single keys without Enter, and lent out whole to a program that watch starts."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]


ESCAPE = b"\x1b"


class Keys:
    """Reads keys as they are pressed, while its context is open and input is a terminal."""

    def __init__(self) -> None:
        self.at_hand = termios is not None and sys.stdin.isatty()
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self.at_hand:
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin, termios.TCSADRAIN)  # keys pressed meanwhile are kept
        return self

    def __exit__(self, *_: object) -> None:
        if self.at_hand:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def read(self, seconds: float) -> str:
        """The next key, in lower case; the empty string when none comes in time."""
        if not self.at_hand:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(sys.stdin.fileno(), 1)
        if pressed == ESCAPE:  # an arrow key, say: several bytes that arrive together
            if select.select([sys.stdin], [], [], 0)[0]:
                os.read(sys.stdin.fileno(), 32)
            return ""
        if not pressed:
            self.at_hand = False  # the terminal is gone
            return "q"
        return pressed.decode("ascii", "ignore").lower()

    def hand_over(self, command: Sequence[str]) -> int:
        """Run a command that owns the terminal, Ctrl-C included, until it ends; its exit code."""
        self.__exit__(None, None, None)
        try:
            with _interrupts_go_to_the_child():
                return subprocess.run(command, check=False).returncode
        finally:
            self.__enter__()


@contextmanager
def _interrupts_go_to_the_child() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGINT, before)

"""The story of watch: wait for a save or a key, run the checks it touches, show what they found.

    save of lab.py → parse → affected checks → a fork of the warm process → rows → screen

The loop owns the state. Checks run in a thread (`rounds`) and arrive as events; nothing that
learner code does can end the loop.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from dllab.checklist.hints import Hint
from dllab.errors import LabError, LearnerError
from dllab.grading.watch.affected import units
from dllab.grading.watch.edited import Edits
from dllab.grading.watch.rounds import Broken, Event, Failed, Finished, Judged, Rounds, Running
from dllab.grading.watch.screen import CLEAR, block, difference, draw
from dllab.grading.watch.state import Memory, WatchState
from dllab.grading.watch.terminal import Keys
from dllab.lab.find import Lab
from dllab.lab.starter import starter_text
from dllab.sandbox.backends import Backend

LOOK_S = 0.04  # how often to look at lab.py, the keys and the events
EMPTY_LOOKS = 25  # no editor takes that long to put a file in its place

NextHint = Callable[[str], Hint]


def watch(
    lab: Lab, backend: Backend, next_hint: NextHint, *, plain: bool = False, once: bool = False
) -> int:
    """Watch a lab until `q`; with `once`, run all checks a single time.

    Workers come from `backend`. `next_hint(task)` takes the next step of a task's hints. `plain`
    appends blocks of lines instead of redrawing the screen. Returns 0, or with `once` 1 unless
    every check passed. Raises LabError when the lab itself is at fault.
    """
    with Keys() as keys:
        watcher = Watcher(lab, next_hint, keys, plain=plain)
        watcher.show()
        watcher.warm_up(Rounds(lab, backend))
        return watcher.run(once=once)


class Watcher:
    """One session of watch: the state, and how it changes."""

    def __init__(self, lab: Lab, next_hint: NextHint, keys: Keys, *, plain: bool) -> None:
        self._lab, self._next_hint, self._keys, self._plain = lab, next_hint, keys, plain
        width = None if sys.stdout.isatty() else 80
        self._console = Console(width=width, highlight=False, markup=False, emoji=False)
        self._memory = Memory(lab.root)
        self._state = WatchState(lab)
        self._memory.recall(self._state)
        self._seen, self._empty, self._size = b"", 0, self._console.size
        self._sheets: list[bytes] = []
        self._edits = Edits(starter_text(lab))
        self._actions: dict[str, Callable[[], None]] = {
            "h": self._hint,
            "n": self._next,
            "d": self._diff,
            "r": lambda: self._lend("train", lab.number),
            "g": lambda: self._lend("grade", lab.number),
        }

    def warm_up(self, rounds: Rounds) -> None:
        """Take the checks, which have been imported by now."""
        self._rounds = rounds
        self._state.checks = rounds.checks

    def run(self, *, once: bool = False) -> int:
        """The loop itself."""
        try:
            while True:
                self._look()
                self._take_events()
                self._fit()
                if once and not self._state.busy:
                    return 0 if self._state.done else 1
                key = self._keys.read(LOOK_S)
                if key == "q":
                    return 0
                if key in self._actions:
                    self._actions[key]()
        finally:
            self._rounds.stop()
            self._memory.keep(self._state)

    def show(self) -> None:
        """Draw the screen; in plain mode, only what is worth a line of its own."""
        if not self._plain:
            self._write(draw(self._state, self._console))

    def _look(self) -> None:
        """Begin a round when lab.py, or a sheet beside it, has other bytes than before."""
        source = _read(self._lab.code)
        sheets = [_read(self._lab.folder / name) for name in self._lab.spec.sheets]
        self._empty = 0 if source else self._empty + 1
        if self._empty == EMPTY_LOOKS:
            self._miss()
        if not source or (source, sheets) == (self._seen, self._sheets):
            return  # an editor empties a file before it writes it
        self._seen, self._sheets = source, sheets
        self._state.saved_at = f"{datetime.now().astimezone():%H:%M:%S}"
        self._state.read()
        if self._state.broken:
            self._rounds.stop()
            self._finish()
            return
        self._state.busy = True
        self._state.edited = self._edits.of(source)
        self._rounds.begin(units(source), self._state.rows)
        self.show()

    def _miss(self) -> None:
        """Say that there is nothing to check. The same text, saved again, is a new save."""
        gone = "empty" if self._lab.code.exists() else "gone"
        back = f"save it again, or let `dllab reset {self._lab.number}` bring the starter back"
        self._seen = b""
        self._state.broken = LearnerError(f"{self._lab.code} is {gone}: {back}", "")
        self._rounds.stop()
        self._finish()

    def _take_events(self) -> None:
        events = self._rounds.events
        arrived = [events.get() for _ in range(events.qsize())]
        for event in arrived:
            self._apply(event)
        if arrived and self._state.busy:
            self.show()
        if any(isinstance(event, Finished) for event in arrived):
            self._finish()

    def _apply(self, event: Event) -> None:
        state = self._state
        match event:
            case Running(id):
                state.running = id
            case Judged(row, printed):
                state.take(row, printed)
                state.running = ""
            case Broken(error):
                state.broken = error
            case Failed(error):
                raise error
            case Finished():
                return

    def _finish(self) -> None:
        """The round is over: settle the focus, remember it, show all."""
        self._state.busy, self._state.running = False, ""
        self._state.settle()
        self._memory.keep(self._state)
        if self._plain:
            self._write(block(self._state, self._console))
        else:
            self.show()
        self._state.notice = ""

    def _fit(self) -> None:
        """Draw anew when the window has another size."""
        if self._console.size != self._size:
            self._size = self._console.size
            self.show()

    # keys

    def _hint(self) -> None:
        try:
            if self._state.task:
                self._state.hint = self._next_hint(self._state.task)
            else:
                self._state.notice = "There is nothing left to hint at."
        except LabError as error:
            self._state.notice = f"{error.what}. {error.hint}"
        self._after_key()

    def _next(self) -> None:
        self._state.choose_next()
        self._after_key()

    def _after_key(self) -> None:
        self._memory.keep(self._state)
        self._write(block(self._state, self._console)) if self._plain else self.show()
        self._state.notice = ""

    def _diff(self) -> None:
        self._clear()
        after = _read(self._lab.code).decode("utf-8", "replace")
        self._console.print(difference(starter_text(self._lab), after))
        self._wait_for_key()

    def _lend(self, *command: str) -> None:
        """Hand the terminal to another dllab command, then come back."""
        self._clear()
        self._keys.hand_over((sys.executable, "-m", "dllab", *command))
        self._wait_for_key()

    def _wait_for_key(self) -> None:
        self._write("\nany key: back to watch\n")
        while self._keys.at_hand and not self._keys.read(60):
            pass
        self.show()

    def _clear(self) -> None:
        if not self._plain:
            self._write(CLEAR)

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _read(code: Path) -> bytes:
    """The file's bytes; empty while an editor has it out of place."""
    try:
        return code.read_bytes()
    except OSError:
        return b""

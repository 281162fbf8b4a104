"""What watch knows at a moment, and the little that it remembers until the next time."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dllab.checklist.hints import Hint, read_hint
from dllab.checks import Check
from dllab.errors import LabError, LearnerError
from dllab.lab.find import Lab
from dllab.lab.formats import Format
from dllab.lab.todo import NOT_DONE, Todo, open_todos
from dllab.result import CheckRow

# `todo` fails at a TODO that is still open; `wait` has not run yet.
CheckMark = Literal["pass", "partial", "fail", "skip", "sheet", "error", "todo", "wait"]


@dataclass
class WatchState:
    """The lab as of the last save. `rows` hold what the checks found, `printed` what was printed.

    `broken` is set while lab.py cannot be read or imported; `rows` then show the save before.
    `busy` means that a round is under way; `chosen` is the check in focus, `running` the one at
    work, `lost` those that this save has turned from green to red, `edited` the tasks that it has
    worked on.
    """

    lab: Lab
    checks: tuple[Check, ...] = ()
    rows: dict[str, CheckRow] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    todos: list[Todo] = field(default_factory=list)
    broken: LearnerError | None = None
    busy: bool = True
    chosen: str = ""
    running: str = ""
    lost: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    hint: Hint | None = None
    notice: str = ""
    saved_at: str = ""

    @property
    def listed(self) -> tuple[Check | Format, ...]:
        """All that has a row: the checks, and what else is looked over before it is handed in."""
        return (*self.checks, *self.lab.spec.formats.values())

    @property
    def passed(self) -> int:
        """How many checks are green."""
        ids = {check.id for check in self.checks}
        return sum(row.status == "pass" for id, row in self.rows.items() if id in ids)

    @property
    def done(self) -> bool:
        """Whether the lab is ready to be trained: every check has run and passed."""
        return not self.broken and bool(self.checks) and self.passed == len(self.checks)

    @property
    def open_ids(self) -> list[str]:
        """The checks that could be mended now: not passed, and not behind another one."""
        return [id for id, row in self.rows.items() if row.status not in ("pass", "skip")]

    @property
    def red_ids(self) -> list[str]:
        """The open checks, then those that wait behind them."""
        return [*self.open_ids, *(id for id, row in self.rows.items() if row.status == "skip")]

    @property
    def focus(self) -> CheckRow | None:
        """The row shown in full: the chosen one while it is red, else the first that is."""
        ids = self.red_ids
        shown = self.chosen if self.chosen in ids else next(iter(ids), "")
        return self.rows.get(shown)

    @property
    def todo(self) -> Todo | None:
        """The open TODO of the check in focus, else the first in the file."""
        tasks = (self.focus.hint_id, blocked_by(self.focus)) if self.focus else ()
        own = [todo for task in tasks for todo in self.todos if todo.task == task]
        return next(iter([*own, *self.todos]), None)

    @property
    def task(self) -> str:
        """The task at which help is wanted; while checks run, the one that was worked on."""
        if self.busy and (self.edited or self.running):
            hints = [check.hint for check in self.checks if check.id == self.running]
            return next(task for task in (*self.edited, *hints))
        blocked = blocked_by(self.focus) if self.focus else ""
        todo = self.todo.task if self.todo else ""
        return blocked or (self.focus.hint_id if self.focus else "") or todo

    def read(self) -> None:
        """Take in lab.py as it lies there: its TODOs, or why it does not parse."""
        self.lost = []
        try:
            self.todos, self.broken = open_todos(self.lab.code), None
        except LearnerError as error:
            self.broken = error
        except ValueError as error:  # bytes that are not UTF-8
            self.broken = LearnerError(f"{self.lab.code} cannot be read: {error}", "")

    def take(self, row: CheckRow, printed: str) -> None:
        """Keep what a check found. One that was green until this save draws the focus."""
        before = self.rows.get(row.id)
        self.rows[row.id], self.printed[row.id] = row, printed
        self.rows = {one.id: self.rows[one.id] for one in self.listed if one.id in self.rows}
        if before and before.status == "pass" and row.id in self.open_ids:
            self.lost.append(row.id)
            self.chosen = self.lost[0]

    def mark(self, id: str) -> CheckMark:
        """How the list shows a check."""
        row = self.rows.get(id)
        if row is None:
            return "wait"
        if row.status == "review":
            return "error"
        if row.kind == "format" and row.status == "skip":
            return "sheet"
        return "todo" if blocked_by(row) else row.status

    def settle(self) -> None:
        """After a round: look at what this save has broken, else at what it was about."""
        own = [id for id in self.red_ids if self.rows[id].hint_id in self.edited]
        if own and not self.lost:
            failed = [id for id in own if self.mark(id) not in ("todo", "skip", "sheet")]
            self.chosen = (failed or own)[0]
        self.choose()

    def choose(self) -> None:
        """Keep the focus on a red check, or one still to run; else go to the first red one."""
        waiting = {one.id for one in self.listed} - self.rows.keys()
        if self.chosen not in {*self.red_ids, *waiting}:
            self.chosen = next(iter(self.red_ids), "")
        if self.hint and self.hint.task != self.task:
            self.hint = None

    def choose_next(self) -> None:
        """Move the focus to the next red check, round and round."""
        ids = self.red_ids
        if self.focus:
            self.chosen = ids[(ids.index(self.focus.id) + 1) % len(ids)]
        self.choose()


def blocked_by(row: CheckRow) -> str:
    """The task whose open TODO a row ran into, or the empty string."""
    task, colon, _ = row.message.removeprefix(NOT_DONE).partition(":")
    return task if colon and row.message.startswith(NOT_DONE) else ""


class Memory:
    """`.dllab/watch.json`: for every lab the check in focus, the hint on the screen, the score."""

    def __init__(self, root: Path) -> None:
        self._path = root / ".dllab" / "watch.json"

    def recall(self, state: WatchState) -> None:
        """Put a fresh state where the last one was. A damaged file is as good as none."""
        entry = self._read().get(state.lab.id)
        match entry:
            case {"check": str(check), "passed": int(passed), "hint": hint}:
                state.chosen = check
                state.notice = f"Welcome back: {passed} checks were green." if passed else ""
                state.hint = _hint(state.lab, hint)

    def keep(self, state: WatchState) -> None:
        """Remember where the state is. A disk that cannot be written to costs only the memory."""
        hint = [state.hint.task, state.hint.step] if state.hint else None
        entry = {"check": state.chosen, "passed": state.passed, "hint": hint}
        text = json.dumps({**self._read(), state.lab.id: entry}, indent=1)
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text(text + "\n", encoding="utf-8")
        except OSError:
            return

    def _read(self) -> dict[str, Any]:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return raw if isinstance(raw, dict) else {}


def _hint(lab: Lab, raw: object) -> Hint | None:
    match raw:
        case [str(task), int(step)]:
            with suppress(LabError):
                return read_hint(lab, task, step)
    return None

"""Where a learner stands with each lab, from its lab.py and their own progress; no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dllab.checklist.progress import Progress
from dllab.errors import LearnerError
from dllab.lab.find import Lab
from dllab.lab.starter import is_untouched
from dllab.lab.todo import Todo, open_todos

LabStatus = Literal["untouched", "begun", "written", "broken", "passed"]


@dataclass(frozen=True)
class LabProgress:
    """One lab's state. `todos` are still open; `best` is (score, of how many) once passed."""

    state: LabStatus
    todos: tuple[Todo, ...] = ()
    best: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """For people."""
        if self.state == "begun":
            return f"{len(self.todos)} TODO{'s' * (len(self.todos) > 1)} left"
        if self.state == "passed" and self.best:
            return f"passed, best {self.best[0]:g} of {self.best[1]:g}"
        return {"written": "written, not passed yet", "broken": "lab.py does not parse"}.get(
            self.state, self.state
        )


def stand(lab: Lab, progress: Progress) -> LabProgress:
    """A pass counts whatever lab.py looks like now; else the open TODOs decide."""
    passes = [entry for entry in progress.passes.values() if entry.lab == lab.id]
    if passes:
        best = max(passes, key=lambda entry: entry.score / (entry.max_score or 1))
        return LabProgress("passed", _todos(lab.code), (best.score, best.max_score))
    if not lab.code.is_file() or is_untouched(lab):
        return LabProgress("untouched", _todos(lab.code))
    try:
        todos = tuple(open_todos(lab.code))
    except LearnerError:
        return LabProgress("broken")
    return LabProgress("begun" if todos else "written", todos)


def _todos(path: Path) -> tuple[Todo, ...]:
    try:
        return tuple(open_todos(path)) if path.is_file() else ()
    except LearnerError:
        return ()

"""Hints in steps, from a nudge to code that works; progress.json remembers how far one read."""

import difflib
from dataclasses import dataclass

from dllab.checklist.progress import Progress
from dllab.errors import LabError
from dllab.lab.find import Lab


@dataclass(frozen=True)
class Hint:
    """One step of a task's hints, from 1."""

    task: str
    step: int
    steps: int
    text: str


def take_hint(lab: Lab, task: str, step: int | None = None) -> Hint:
    """The next step (the last one again after the last), or the one asked for; remembered.

    Raises LabError for a task without hints and for a step that is not there.
    """
    texts = _texts(lab, task)
    progress = Progress.load(lab.root)
    seen = progress.hints.get(lab.id, {}).get(task, 0)
    chosen = min(seen + 1, len(texts)) if step is None else step
    hint = read_hint(lab, task, chosen)
    progress.record_hint(lab.id, task, chosen)
    progress.save()
    return hint


def read_hint(lab: Lab, task: str, step: int) -> Hint:
    """A step of a task's hints, without a word to anyone."""
    texts = _texts(lab, task)
    if not 1 <= step <= len(texts):
        raise LabError(f"--step {step}: this hint has {len(texts)} steps", f"say 1 to {len(texts)}")
    return Hint(task, step, len(texts), texts[step - 1])


def _texts(lab: Lab, task: str) -> tuple[str, ...]:
    texts = lab.spec.hints.get(task, ())
    if not texts:
        near = difflib.get_close_matches(task, lab.spec.hints, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        all_tasks = ", ".join(lab.spec.hints) or "none"
        raise LabError(f"{lab.id} has no hints for {task!r}", f"{guess}there are: {all_tasks}")
    return texts

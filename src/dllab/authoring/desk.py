"""What a lab's notebook works with: the learner's lab.py, its checks, a short training.

    desk = Desk("03")
    lab = desk.load()            # lab.py as it is now, as a module
    desk.look("reviews")         # some items of a data set
    desk.check("lstm-cell")      # its visible checks
    run = desk.train("trainer.max_epochs=1")

Mistakes in lab.py are shown and not raised, so a notebook runs on to its end.
"""

import atexit
import sys
from collections.abc import Sequence
from html import escape
from types import ModuleType

from dllab import data
from dllab.data.kinds import Shown, item_at, kind_of
from dllab.errors import LabError, LearnerError
from dllab.grading.code_checks import check_code, load_checks
from dllab.grading.draws import Draws
from dllab.lab.code import import_lab
from dllab.lab.find import find_lab
from dllab.lab.project import find_root
from dllab.result import CheckRow
from dllab.rundir.run import RunFolder
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.sandbox.warm import warm_or_cold

_MARKS = {"pass": "✓", "partial": "◐", "skip": "·", "error": "!"}


class Desk:
    """One lab, opened in a notebook. Checks run in a warm process beside it."""

    def __init__(self, number: str) -> None:
        self.root = find_root()
        self.lab = find_lab(self.root, number)
        manager = warm_or_cold(self.lab)
        self._backend = manager.__enter__()
        atexit.register(manager.__exit__, None, None, None)

    def load(self) -> ModuleType | None:
        """Import lab.py anew; None, and the reason on the screen, when that fails."""
        try:
            return import_lab(self.lab, self.lab.code)
        except LearnerError as error:
            _show(error)
            return None

    def look(self, name: str, count: int = 8) -> "Gallery":
        """The first items of a data set's training split, with their labels."""
        dataset, items = data.find(name), data.items(name, "train")
        kind, label = kind_of(dataset), items.get("label")
        of = [""] * count
        if label is not None and label.dim() == 1:
            of = [_named(dataset.classes, value) for value in label[:count].tolist()]
        shown = [kind.show(dataset, item_at(dataset, items, i)) for i in range(count)]
        return Gallery(list(zip(of, shown, strict=True)))

    def check(self, *tasks: str) -> None:
        """Run the visible checks of these tasks (default: all) on lab.py as it is now."""
        checks = [c for c in load_checks(self.lab, hidden=False) if c.id in self.lab.spec.visible]
        ids = [check.id for check in checks if not tasks or check.hint in tasks]
        limits = Limits.of(self.lab.spec.budgets)
        with Session(self.lab, self.lab.code, self._backend, limits) as session:
            if failure := session.open().failure:
                print(failure.traceback or failure.message)
                return
            _print_rows(check_code(session, self.lab, ids, Draws.kept(self.lab)))

    def train(self, *overrides: str) -> RunFolder | None:
        """Train with these overrides into a run folder; None while a TODO is in the way."""
        from dllab.training.train import train

        try:
            return train(self.root, self.lab, overrides)
        except LabError as error:
            _show(error)
            return None


class Gallery:
    """Items with what they are, as a notebook shows them."""

    def __init__(self, items: Sequence[tuple[str, Shown]]) -> None:
        self.items = items

    def _repr_html_(self) -> str:
        """What Jupyter asks for."""
        return "".join(
            f'<figure style="display: inline-block; max-width: 30em">{_drawn(shown)}'
            f"<figcaption>{escape(of)}</figcaption></figure>"
            for of, shown in self.items
        )


def _drawn(shown: Shown) -> str:
    if shown.image:
        return f'<img src="{shown.image}" width="112" style="image-rendering: pixelated">'
    lines = "".join(
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="0.5"/>'
        for line in shown.lines
    )
    drawing = f'<svg viewBox="0 0 100 40" width="300">{lines}</svg>' if lines else ""
    return drawing + escape(shown.text)


def _named(classes: Sequence[str], label: float) -> str:
    return classes[int(label)] if classes else f"{label:g}"


def _print_rows(rows: Sequence[CheckRow]) -> None:
    for row in rows:
        print(_MARKS.get(row.status, "✗"), row.title)
        if row.status != "pass":
            print(f"    {row.sentence}\n    {row.message}")
        if trace := row.evidence.get("traceback"):
            print(trace)


def _show(error: LabError) -> None:
    if isinstance(error, LearnerError) and error.traceback:
        print(error.traceback, file=sys.stderr)
    print(f"→ {error.what}\n  {error.hint}".rstrip(), file=sys.stderr)

"""Which run is meant where only a lab is named: a whole one of the learner's code as it is now."""

from dataclasses import dataclass
from pathlib import Path

from dllab.lab.find import Lab, find_lab
from dllab.lab.starter import is_untouched
from dllab.rundir.listing import RunRow, list_runs
from dllab.rundir.run import RunFolder, find_run, named_run


@dataclass(frozen=True)
class Choice:
    """A run, and why it was chosen: empty where it was named; `plain` if anyone would expect it."""

    run: RunFolder
    why: str = ""
    plain: bool = True


def choose_run(root: Path, name: str) -> Choice:
    """The run that a path or id names; of a lab, the newest full and finished one of its code.

    Where there is none, an experiment of this code, then one that stopped, then one of older code.
    """
    if run := named_run(root, name):
        return Choice(run)
    newest = find_run(root, name)
    lab = find_lab(root, newest.lab_id)
    rows = list_runs(root, lab.id)
    best = max(rows, key=lambda row: _rank(row, lab))  # of equals the first: the newest
    plain = best.id == newest.id and _rank(best, lab) == (True, True, 2)
    return Choice(RunFolder(Path(best.path)), _why(best, lab), plain)


def better_run(root: Path, run: RunFolder) -> RunRow | None:
    """A run that could be handed in instead, and did better in practice than this one."""
    lab = find_lab(root, run.lab_id)
    rows = list_runs(root, lab.id)
    score = max((_grade(row) for row in rows if row.id == run.id), default=(False, 0.0))
    ready = [row for row in rows if row.impl == "mine" and min(_rank(row, lab)) > 0]
    best = max(ready, key=_grade, default=None)
    return best if best and _grade(best) > score else None


def is_of_now(path: Path, lab: Lab) -> bool:
    """Whether a run's code is what would run now: lab.py, or while untouched the reference."""
    reference = lab.solution.is_file() and lab.code.is_file() and is_untouched(lab)
    now, then = lab.solution if reference else lab.code, path / "lab.py"
    return now.is_file() and then.is_file() and now.read_bytes() == then.read_bytes()


def _rank(row: RunRow, lab: Lab) -> tuple[bool, bool, int]:
    """This code before older code, finished before stopped, full before experiments."""
    one_arm = any(text.startswith("arm=") for text in row.tried)
    return is_of_now(Path(row.path), lab), row.finished, 0 if one_arm else 1 if row.tried else 2


def _grade(row: RunRow) -> tuple[bool, float]:
    return bool(row.passed), row.score or 0.0


def _why(row: RunRow, lab: Lab) -> str:
    now, finished, whole = _rank(row, lab)
    if not now:
        return f"lab.py has changed since; make lab-{lab.number} trains what you have now"
    if not finished:
        return f"it has not finished; dllab train {lab.number} --resume {row.id} goes on with it"
    if whole < 2:
        return "an experiment: no full run of this lab.py has finished"
    return "the newest full run of this lab.py"

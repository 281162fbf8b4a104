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
    now = code_of_now(lab)
    rows = list_runs(root, lab.id)
    best = max(rows, key=lambda row: _rank(row, now))  # of equals the first: the newest
    rank = _rank(best, now)
    plain = best.id == newest.id and rank == (True, True, 2)
    return Choice(RunFolder(Path(best.path)), _why(best, rank, lab), plain)


def better_run(root: Path, run: RunFolder) -> RunRow | None:
    """A run that could be handed in instead, and did better in practice than this one."""
    lab = find_lab(root, run.lab_id)
    now = code_of_now(lab)
    rows = list_runs(root, lab.id)
    score = max((_grade(row) for row in rows if row.id == run.id), default=(False, 0.0))
    ready = [row for row in rows if row.impl == "mine" and min(_rank(row, now)) > 0]
    best = max(ready, key=_grade, default=None)
    return best if best and _grade(best) > score else None


def code_of_now(lab: Lab) -> bytes | None:
    """What would run now: lab.py, or while untouched the reference; None where there is neither."""
    reference = lab.solution.is_file() and lab.code.is_file() and is_untouched(lab)
    now = lab.solution if reference else lab.code
    return now.read_bytes() if now.is_file() else None


def is_of(run: Path, code: bytes | None) -> bool:
    """Whether this is the code of a run."""
    then = run / "lab.py"
    return code is not None and then.is_file() and then.read_bytes() == code


def _rank(row: RunRow, now: bytes | None) -> tuple[bool, bool, int]:
    """This code before older code, finished before stopped, full before experiments."""
    one_arm = any(text.startswith("arm=") for text in row.tried)
    return is_of(Path(row.path), now), row.finished, 0 if one_arm else 1 if row.tried else 2


def _grade(row: RunRow) -> tuple[bool, float]:
    return bool(row.passed), row.score or 0.0


def _why(row: RunRow, rank: tuple[bool, bool, int], lab: Lab) -> str:
    now, finished, whole = rank
    if not now:
        return f"lab.py has changed since; make lab-{lab.number} trains what you have now"
    if not finished:
        return f"it has not finished; dllab train {lab.number} --resume {row.id} goes on with it"
    if whole < 2:
        return "an experiment: no full run of this lab.py has finished"
    return "the newest full run of this lab.py"

"""Grades that are given anew: the older result is kept for good, and both are told side by side."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from threading import Lock

from dllab.report.table import cell, columns, write_table
from dllab.result import Result
from dllab.rundir.run import write_text

_LOG = Lock()


@dataclass(frozen=True)
class Regrade:
    """A line of regraded.csv; scores are less late penalties.

    `kept` is the older result's place within the batch's folder.
    """

    learner: str
    lab: str
    why: str
    verdict_before: str
    score_before: float
    verdict_after: str
    score_after: float
    graded_at: str
    kept: str

    @property
    def change(self) -> float:
        """Points won or lost."""
        return self.score_after - self.score_before


def keep(target: Path, out: Path) -> Path:
    """Copy a result into `out/history`, under a name of its own content, and say where it lies."""
    text = target.read_text(encoding="utf-8")
    name = f"{target.stem}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
    write_text(out / "history" / name, text)
    return Path("history", name)


def compare(before: Result, after: Result, why: str, kept: Path) -> Regrade:
    """Two gradings of one submission."""
    return Regrade(
        learner=after.submission.learner or "",
        lab=after.submission.lab or "",
        why=why,
        verdict_before=before.verdict,
        score_before=before.final,
        verdict_after=after.verdict,
        score_after=after.final,
        graded_at=after.graded_at.isoformat() if after.graded_at else "",
        kept=kept.as_posix(),
    )


def log(out: Path, regrade: Regrade) -> None:
    """Add a line to `out/regraded.csv`; earlier batches' lines stay."""
    path = out / "regraded.csv"
    line = [cell(str(value)) for value in astuple(regrade)]
    with _LOG, path.open("a", encoding="utf-8", newline="") as file:
        header = [] if file.tell() else [[field.name for field in fields(Regrade)]]
        file.write(write_table([*header, line]))


def before_and_after(regrades: Iterable[Regrade]) -> str:
    """A table for the terminal; those first whose points changed most."""
    chosen = sorted(regrades, key=lambda one: (-abs(one.change), one.learner.casefold()))
    header = ("learner", "lab", "before", "after", "change", "why")
    return columns([_cells(one) for one in chosen], header=header, right=(2, 3, 4))


def _cells(one: Regrade) -> Sequence[str]:
    before = _shown(one.verdict_before, one.score_before)
    after = _shown(one.verdict_after, one.score_after)
    change = f"{one.change:+.4g}" if one.change else "same"
    return (cell(one.learner), cell(one.lab), before, after, change, one.why)


def _shown(verdict: str, score: float) -> str:
    return f"{score:.4g}" if verdict == "graded" else verdict.replace("_", " ")

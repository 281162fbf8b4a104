"""From rows to a verdict: the one place that makes a result. Silence is never a pass."""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dllab.errors import legible
from dllab.grading.budget import resource_ids
from dllab.grading.content import grader_content
from dllab.grading.criteria import integrity_ids
from dllab.grading.rows import any_of
from dllab.lab.find import Lab
from dllab.result import (
    CheckRow,
    EvaluatedOn,
    Grader,
    MetricRow,
    Mode,
    Result,
    Submission,
    Verdict,
)
from dllab.rundir.run import RunFolder
from dllab.version import __version__

EXIT_CODES = {"ungradable": 3, "infra_error": 4, "needs_review": 5}


@dataclass(frozen=True)
class Grading:
    """How a run was graded; `whole` says whether hidden checks and criteria count."""

    mode: Mode
    backend: str
    evaluated_on: EvaluatedOn
    seed: int
    nonce: str
    whole: bool


def expected_ids(lab: Lab, *, official: bool) -> tuple[str, ...]:
    """Every id that must report: checks and criteria of lab.yaml, integrity, resources."""
    manifest = lab.spec.manifest(official=official)
    return (*manifest, *integrity_ids(lab, official=official), *resource_ids(lab))


def make_result(
    lab: Lab, run: RunFolder, rows: Sequence[CheckRow], metrics: Sequence[MetricRow], how: Grading
) -> Result:
    """Count, judge, and write down. `passed` asks for a graded verdict, every required check and
    `pass_score` of the points.
    """
    expected = expected_ids(lab, official=how.whole)
    verdict, reason = decide(rows, expected)
    score = math.fsum(row.points for row in rows)
    max_score = math.fsum(row.max_points for row in rows)
    enough = score >= lab.spec.pass_score * max_score - 1e-9
    whole = all(row.status == "pass" for row in rows if row.required)
    return Result(
        submission=Submission(lab.id, lab.spec.version),
        grader=Grader(__version__, device_name(), (how.seed,), content=grader_content(lab)),
        verdict=verdict,
        reason=reason,
        passed=verdict == "graded" and enough and whole,
        score=round(score, 6),
        max_score=round(max_score, 6),
        mode=how.mode,
        impl="reference" if run.read_config().get("impl") == "reference" else "mine",
        run=run.id,
        backend=how.backend,
        evaluated_on=how.evaluated_on,
        graded_at=_now(),
        checks=tuple(rows),
        metrics=tuple(metrics),
        manifest_expected=expected,
        manifest_completed=tuple(row.id for row in rows if row.status != "error"),
        nonce=how.nonce,
    )


def without_grade(
    verdict: Verdict,
    reason: str,
    lab: Lab | None,
    *,
    mode: Mode,
    backend: str,
    evaluated_on: EvaluatedOn,
) -> Result:
    """A result that says why there is no grade."""
    return Result(
        submission=Submission(lab.id, lab.spec.version) if lab else Submission(None),
        grader=Grader(__version__, content=grader_content(lab)),
        verdict=verdict,
        reason=legible(reason),
        mode=mode,
        backend=backend,
        evaluated_on=evaluated_on,
        graded_at=_now(),
    )


def decide(rows: Sequence[CheckRow], expected: Sequence[str]) -> tuple[Verdict, str]:
    """The verdict, and for any but `graded` its reason.

    Our own faults come first: nobody is charged for them. Code that hung or used too much cannot
    be graded. A result is `graded` only when every expected id has reported.
    """
    if any_of(rows, "error"):
        return "infra_error", next(row.message for row in rows if row.status == "error")
    silent = [id for id in expected if id not in {row.id for row in rows}]
    if silent:
        return "infra_error", f"these never reported: {', '.join(silent)}"
    lost = [row for row in rows if row.lost]
    if lost:
        return "ungradable", f"{lost[0].title}: {lost[0].message}"
    if any_of(rows, "review"):
        return "needs_review", next(row.message for row in rows if row.status == "review")
    return "graded", ""


def exit_code(result: Result) -> int:
    """0 passed, 1 graded but not passed, 3 ungradable, 4 our fault, 5 needs review."""
    return EXIT_CODES.get(result.verdict, 0 if result.passed else 1)


def device_name() -> str:
    """The processor that graded, as far as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _now() -> datetime:
    return datetime.now(UTC)

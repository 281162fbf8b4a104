"""Results as exports see them: read, checked, and masked, so that no format can tell too much.

Every format may end up before a learner. So a hidden check loses its title and message here, before
any format sees it, and evidence is not read at all.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dllab.errors import LabError
from dllab.result import (
    CheckKind,
    CheckRow,
    EvaluatedOn,
    Impl,
    MetricRow,
    Mode,
    Result,
    Status,
    Verdict,
    is_result,
    parse_result,
)

# Control characters, half surrogates and what XML 1.0 has no way to write.
UNPRINTABLE = re.compile("[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WITHHELD = "The details of a hidden check stay with the instructor."


@dataclass(frozen=True)
class ShownRow:
    """One check or criterion, as a learner may see it."""

    id: str
    title: str
    kind: CheckKind
    status: Status
    points: float
    max_points: float
    message: str
    depends_on: tuple[str, ...]
    hidden: bool

    @property
    def passed(self) -> bool | None:
        """Whether all points were earned; None when nothing was decided."""
        return {"pass": True, "partial": False, "fail": False}.get(self.status)


@dataclass(frozen=True)
class Grade:
    """One result. `reason` says why it is not graded; `score` is what counts, penalty taken off."""

    learner: str
    lab: str
    lab_version: str
    submission: str
    verdict: Verdict
    reason: str
    passed: bool
    raw_score: float
    late_penalty: float
    max_score: float
    mode: Mode
    impl: Impl
    evaluated_on: EvaluatedOn
    received_at: datetime | None
    graded_at: datetime
    grader_version: str
    device: str
    rows: tuple[ShownRow, ...]
    metrics: tuple[MetricRow, ...]
    late_s: float = 0.0
    due: datetime | None = None
    decided: str = ""
    """Who set the score in place of the grader, and why."""

    @property
    def score(self) -> float:
        """Points after the late penalty, never below zero."""
        return max(0.0, self.raw_score - self.late_penalty)

    @property
    def graded(self) -> bool:
        """Whether the score counts."""
        return self.verdict == "graded"


def read_grades(paths: Iterable[Path]) -> list[Grade]:
    """The results in files and, at any depth, in folders; other JSON in a folder is passed over.

    Raises LabError for a file that is not a result, for damaged JSON, and when nothing is found.
    """
    places = list(paths)
    files = {file.resolve(): file for place in places for file in _files(place)}
    found = {file: _read_json(file) for file in files.values()}
    grades = [
        grade_of(parse_result(content, file), file)
        for file, content in found.items()
        if file in places or is_result(content)
    ]
    if not grades:
        looked = ", ".join(map(str, places))
        raise LabError(f"no result in {looked}", "name result.json files or a folder that has some")
    return grades


def read_grade(file: Path) -> Grade:
    """The result in one file; a LabError names the file and what it lacks."""
    return grade_of(parse_result(_read_json(file), file), file)


def grade_of(result: Result, file: Path) -> Grade:
    """A result as a Grade, `file` being where it came from.

    Without `submission.learner` the file's name stands for the learner, or that of its folder
    when the file is called result.json.
    """
    submission, grader = result.submission, result.grader
    return Grade(
        learner=submission.learner or _named_by(file),
        lab=submission.lab or "",
        lab_version=submission.lab_version or "",
        submission=submission.id or "",
        verdict=result.verdict,
        reason=_reason(result),
        passed=result.passed,
        raw_score=result.score,
        late_penalty=result.late_penalty,
        max_score=result.max_score,
        mode=result.mode,
        impl=result.impl,
        evaluated_on=result.evaluated_on,
        received_at=_utc(submission.received_at) if submission.received_at else None,
        graded_at=_utc(result.graded_at) if result.graded_at else _written(file),
        grader_version=grader.version,
        device=grader.device or "",
        rows=_rows(result.checks),
        metrics=tuple(one for one in result.metrics if one.source == "measured"),
        late_s=submission.late_s,
    )


def _rows(checks: Sequence[CheckRow]) -> tuple[ShownRow, ...]:
    hidden = [check.id for check in checks if _is_hidden(check)]
    return tuple(
        ShownRow(
            id=check.id,
            title=(
                f"Hidden check {hidden.index(check.id) + 1}"
                if _is_hidden(check)
                else check.title or check.id
            ),
            kind=check.kind,
            status=check.status,
            points=check.points,
            max_points=check.max_points,
            message=WITHHELD if _is_hidden(check) else check.message,
            depends_on=check.depends_on,
            hidden=_is_hidden(check),
        )
        for check in checks
    )


def _is_hidden(check: CheckRow) -> bool:
    """Whatever is not plainly visible is hidden."""
    return check.visibility != "visible"


def _reason(result: Result) -> str:
    """The reason of a verdict, unless it quotes a hidden check."""
    hidden = (check for check in result.checks if _is_hidden(check))
    secrets = [text for check in hidden for text in (check.title, check.message)]
    quoted = any(secret and secret in result.reason for secret in secrets)
    return WITHHELD if quoted else result.reason


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(place.rglob("*.json"))
    if place.is_file():
        return [place]
    raise LabError(f"{place} is neither a file nor a folder", "name result.json files or folders")


def _read_json(file: Path) -> object:
    try:
        return _clean(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise LabError(f"{file} cannot be read: {error}", "remove it or grade again") from None


def _clean(value: Any) -> Any:
    """Text that every format and terminal can take: learner code may have had a hand in it."""
    if isinstance(value, str):
        return UNPRINTABLE.sub("�", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return value


def _named_by(file: Path) -> str:
    name = file.absolute().parent.name if file.name == "result.json" else file.stem
    return str(_clean(name))


def _utc(moment: datetime) -> datetime:
    """A time without zone is UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _written(file: Path) -> datetime:
    """When the file was written: results of old do not say when they were graded."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else datetime.now(UTC)

"""Results as exports see them: read, checked, and masked, so that no format can tell too much.

Every format may end up before a learner. So a hidden check loses its title and message here, before
any format sees it, and evidence is not read at all.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from dllab.errors import LabError

Verdict = Literal["graded", "ungradable", "infra_error", "needs_review"]

SCHEMA = "dllab.result/1"
# Control characters, half surrogates and what XML 1.0 has no way to write.
UNPRINTABLE = re.compile("[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WITHHELD = "The details of a hidden check stay with the instructor."


@dataclass(frozen=True)
class Row:
    """One check or criterion, as a learner may see it."""

    id: str
    title: str
    kind: str
    status: str
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
class Metric:
    """What the scorer measured for a criterion."""

    name: str
    value: float
    more_is_better: bool


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
    mode: str
    impl: str
    evaluated_on: str
    received_at: datetime | None
    graded_at: datetime
    grader_version: str
    device: str
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]

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

    Raises LabError for a file that is no result, for damaged JSON, and when nothing is found.
    """
    places = list(paths)
    files = {file.resolve(): file for place in places for file in _files(place)}
    found = {file: _read_json(file) for file in files.values()}
    grades = [
        read_grade(result, file)
        for file, result in found.items()
        if file in places or _is_result(result)
    ]
    if not grades:
        looked = ", ".join(map(str, places))
        raise LabError(f"no result in {looked}", "name result.json files or a folder that has some")
    return grades


def read_grade(result: Any, file: Path) -> Grade:
    """A dllab.result/1 as a Grade; a LabError names the file and what it lacks.

    Without `submission.learner` the file's name stands for the learner, or that of its folder
    when the file is called result.json.
    """
    if not _is_result(result):
        raise LabError(f"{file} is not a result ({SCHEMA})", "name a file that dllab grade wrote")
    try:
        return _grade(result, file)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LabError(
            f"{file} is not a whole result: {type(error).__name__}: {error}", "grade it again"
        ) from None


def _grade(result: Mapping[str, Any], file: Path) -> Grade:
    submission, grader = result["submission"], result.get("grader") or {}
    checks = result.get("checks") or []
    if result["verdict"] not in get_args(Verdict):
        raise ValueError(f"unknown verdict {result['verdict']!r}")
    return Grade(
        learner=str(submission.get("learner") or _named_by(file)),
        lab=str(submission["lab"]),
        lab_version=str(submission.get("lab_version") or ""),
        submission=str(submission.get("id") or ""),
        verdict=result["verdict"],
        reason=_reason(str(result.get("reason") or ""), checks),
        passed=bool(result.get("passed")),
        raw_score=_number(result.get("score")),
        late_penalty=_number(result.get("late_penalty")),
        max_score=_number(result.get("max_score")),
        mode=str(result.get("mode") or "practice"),
        impl=str(result.get("impl") or "mine"),
        evaluated_on=str(result.get("evaluated_on") or "public-test"),
        received_at=_time(submission.get("received_at")),
        graded_at=_written(file),
        grader_version=str(grader.get("version") or ""),
        device=str(grader.get("device") or ""),
        rows=_rows(checks),
        metrics=tuple(_metrics(result.get("metrics") or [])),
    )


def _rows(checks: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    hidden_ids = [check["id"] for check in checks if _is_hidden(check)]
    return tuple(
        Row(
            id=str(check["id"]),
            title=(
                f"Hidden check {hidden_ids.index(check['id']) + 1}"
                if _is_hidden(check)
                else str(check.get("title") or check["id"])
            ),
            kind=str(check.get("kind") or "code"),
            status=str(check["status"]),
            points=_number(check.get("points")),
            max_points=_number(check.get("max_points")),
            message=WITHHELD if _is_hidden(check) else str(check.get("message") or ""),
            depends_on=tuple(map(str, check.get("depends_on") or ())),
            hidden=_is_hidden(check),
        )
        for check in checks
    )


def _is_hidden(check: Mapping[str, Any]) -> bool:
    """Whatever is not plainly visible is hidden."""
    return str(check.get("visibility", "visible")) != "visible"


def _reason(reason: str, checks: Sequence[Mapping[str, Any]]) -> str:
    """The reason of a verdict, unless it quotes a hidden check."""
    secrets = [
        str(check.get(key) or "")
        for check in checks
        if _is_hidden(check)
        for key in ("title", "message")
    ]
    return WITHHELD if any(secret and secret in reason for secret in secrets) else reason


def _metrics(metrics: Sequence[Mapping[str, Any]]) -> Iterable[Metric]:
    """What was measured; a claim is no evidence and is left out."""
    for metric in metrics:
        if metric.get("source") == "measured" and metric.get("value") is not None:
            more_is_better = metric.get("direction") != "min"
            yield Metric(str(metric["name"]), _number(metric["value"]), more_is_better)


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(place.rglob("*.json"))
    if place.is_file():
        return [place]
    raise LabError(f"{place} is neither a file nor a folder", "name result.json files or folders")


def _read_json(file: Path) -> Any:
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


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and value.get("schema") == SCHEMA


def _named_by(file: Path) -> str:
    name = file.absolute().parent.name if file.name == "result.json" else file.stem
    return str(_clean(name))


def _number(value: Any) -> float:
    number = float(value or 0)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number


def _time(text: Any) -> datetime | None:
    """ISO 8601; a time without zone is UTC."""
    if not text:
        return None
    time = datetime.fromisoformat(str(text))
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _written(file: Path) -> datetime:
    """When the result was written: results do not say when they were made."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else datetime.now(UTC)

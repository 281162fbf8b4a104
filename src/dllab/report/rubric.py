"""The rubric of a result, one row a check or criterion: what both terminal and page show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dllab.lab.find import Lab
from dllab.lab.spec import Criterion
from dllab.result import CheckKind, CheckRow, Impl, MetricRow, Mode, Result, Status, Verdict


@dataclass(frozen=True)
class RubricRow:
    """One graded fact. `measured` and `asked` are empty for checks of code."""

    id: str
    title: str
    kind: CheckKind
    status: Status
    points: float
    max_points: float
    sentence: str = ""
    measured: str = ""
    asked: str = ""
    message: str = ""
    hint: str = ""
    lucky: bool = False
    """Whether the value misses what is asked by no more than chance explains, and earns it all."""

    @property
    def open(self) -> bool:
        """Whether something is left to do here; a worthless row without a model has nothing."""
        return self.status != "pass" and (self.max_points > 0 or self.status != "skip")


@dataclass(frozen=True)
class Rubric:
    """All rows of one result with their sum. `needed` are the points a pass asks for."""

    rows: tuple[RubricRow, ...]
    score: float
    max_score: float
    needed: float
    passed: bool
    verdict: Verdict
    mode: Mode
    impl: Impl
    why_not: str = ""
    tried: tuple[str, ...] = ()
    """The overrides that make the run an experiment."""
    notes: tuple[str, ...] = ()
    """What the table's numbers mean, a line each, where they need saying."""

    @property
    def experiment(self) -> bool:
        """Whether the run only tried something: no pass is asked of it."""
        return bool(self.tried) and self.verdict == "graded" and not self.passed

    @property
    def headline(self) -> str:
        """The verdict in one or two words."""
        if self.verdict != "graded":
            return self.verdict.replace("_", " ")
        if self.experiment:
            return "experiment"
        return "passed" if self.passed else "not passed"


def read_rubric(result: Result, lab: Lab, tried: tuple[str, ...] = ()) -> Rubric:
    """The rubric of a result as rows in the order in which they were graded.

    `tried` are the overrides that make its run an experiment.
    """
    needed = lab.spec.pass_score * result.max_score
    rows = tuple(_row(check, result, lab) for check in result.checks)
    return Rubric(
        rows=rows,
        score=result.score,
        max_score=result.max_score,
        needed=needed,
        passed=result.passed,
        verdict=result.verdict,
        mode=result.mode,
        impl=result.impl,
        why_not=_why_not(result, needed, tried),
        tried=tried,
        notes=tuple(_notes(rows, result, lab)),
    )


def _notes(rows: Sequence[RubricRow], result: Result, lab: Lab) -> Iterator[str]:
    if any(one.ci95 for one in result.metrics):
        yield "[low, high] is the 95 % interval: chance moves a value within it."
    if lucky := [row.title for row in rows if row.lucky]:
        yield f"{', '.join(lucky)}: all points, as chance alone can explain so small a miss."
    rest = lab.spec.total - result.max_score
    if result.mode == "practice" and result.checks and rest > 0:
        yield (
            f"Practice counts {points(result.max_score)} of {points(lab.spec.total)} points; "
            f"only the official grade sees the other {points(rest)}."
        )


def number(value: float | None) -> str:
    """Enough digits to compare by: 0.872, 1.64, 96.5, 1,204."""
    if value is None:
        return "none"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size == 0 or size >= 1e-3:
        decimals = 3 if size < 10 else 1
        return f"{value:.{decimals}f}"
    return f"{value:.2g}"


def points(value: float) -> str:
    """Points without needless zeros: 5, 4.5, 12.25."""
    return f"{round(value, 2):g}"


def _row(check: CheckRow, result: Result, lab: Lab) -> RubricRow:
    criterion, metric = lab.spec.measured.get(check.id), result.metric(check.id)
    return RubricRow(
        id=check.id,
        title=check.title,
        kind=check.kind,
        status=check.status,
        points=check.points,
        max_points=check.max_points,
        sentence=check.sentence,
        measured=_measured(metric) if metric else "",
        asked=_asked(metric, criterion) if metric and criterion else "",
        message=check.message,
        hint=_hint(check, lab),
        lucky=bool(metric and criterion and check.status == "pass" and _misses(metric, criterion)),
    )


def _measured(metric: MetricRow) -> str:
    interval = f" [{', '.join(map(number, metric.ci95))}]" if metric.ci95 else ""
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{number(metric.value)}{interval}{unit}"


def _misses(metric: MetricRow, criterion: Criterion) -> bool:
    return (metric.value - _target(metric, criterion)) * (criterion.target - criterion.floor) < 0


def _target(metric: MetricRow, criterion: Criterion) -> float:
    return criterion.target if metric.threshold is None else metric.threshold


def _asked(metric: MetricRow, criterion: Criterion) -> str:
    sign = "≥" if criterion.target > criterion.floor else "≤"
    return f"{sign} {_target(metric, criterion):g}"


def _hint(check: CheckRow, lab: Lab) -> str:
    task = check.hint_id or check.id
    return f"dllab hint {lab.number} {task}" if lab.spec.hints.get(task) else ""


def _why_not(result: Result, needed: float, tried: tuple[str, ...]) -> str:
    """What stood between a result and a pass."""
    if result.verdict != "graded":
        return result.reason
    if result.passed or tried:
        return ""
    if result.score < needed:
        return f"a pass needs {points(needed)} points"
    failed = [row.title for row in result.checks if row.required and row.status != "pass"]
    return f"the points suffice, but this is required: {', '.join(failed)}"

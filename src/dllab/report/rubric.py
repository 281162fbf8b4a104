"""The rubric of a result, one row a check or criterion: what both terminal and page show."""

from dataclasses import dataclass
from typing import Any

from dllab.lab.find import Lab
from dllab.lab.spec import Criterion

Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One graded fact. `measured` and `asked` are empty for checks of code."""

    id: str
    title: str
    kind: str
    status: str
    points: float
    max_points: float
    sentence: str = ""
    measured: str = ""
    asked: str = ""
    message: str = ""
    hint: str = ""

    @property
    def open(self) -> bool:
        """Whether points are left to earn here."""
        return self.status != "pass"


@dataclass(frozen=True)
class Rubric:
    """All rows of one result with their sum. `needed` are the points a pass asks for."""

    rows: tuple[Row, ...]
    score: float
    max_score: float
    needed: float
    passed: bool
    verdict: str
    mode: str
    impl: str
    why_not: str = ""

    @property
    def headline(self) -> str:
        """The verdict in one or two words."""
        if self.verdict != "graded":
            return self.verdict.replace("_", " ")
        return "passed" if self.passed else "not passed"


def read_rubric(result: Result, lab: Lab) -> Rubric:
    """The rubric of a dllab.result/1 as rows in the order in which they were graded."""
    rows = tuple(_row(check, result, lab) for check in result.get("checks", []))
    max_score = float(result.get("max_score") or 0)
    needed = lab.spec.pass_score * max_score
    return Rubric(
        rows=rows,
        score=float(result.get("score") or 0),
        max_score=max_score,
        needed=needed,
        passed=bool(result.get("passed")),
        verdict=str(result.get("verdict", "graded")),
        mode=str(result.get("mode", "practice")),
        impl=str(result.get("impl", "mine")),
        why_not=_why_not(result, needed),
    )


def find_metric(result: Result, criterion: Criterion) -> dict[str, Any] | None:
    """What was measured for a criterion: by its id, else by the metric if only one fits."""
    metrics = [dict(metric) for metric in result.get("metrics", [])]
    of_id = [metric for metric in metrics if metric.get("name") == criterion.id]
    named = of_id or [metric for metric in metrics if metric.get("name") == criterion.metric]
    return named[0] if len(named) == 1 else None


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


def _row(check: dict[str, Any], result: Result, lab: Lab) -> Row:
    criterion = lab.spec.criteria.get(str(check.get("id")))
    metric = find_metric(result, criterion) if criterion else None
    return Row(
        id=str(check.get("id", "")),
        title=str(check.get("title") or check.get("id", "")),
        kind=str(check.get("kind", "code")),
        status=str(check.get("status", "error")),
        points=float(check.get("points") or 0),
        max_points=float(check.get("max_points") or 0),
        sentence=str(check.get("sentence") or ""),
        measured=_measured(metric) if metric else "",
        asked=_asked(metric, criterion) if metric and criterion else "",
        message=str(check.get("message") or ""),
        hint=_hint(check, lab),
    )


def _measured(metric: dict[str, Any]) -> str:
    low_high = metric.get("ci95") or ()
    interval = f" [{', '.join(map(number, low_high))}]" if len(low_high) == 2 else ""
    unit = metric.get("unit") or ""
    return f"{number(metric.get('value'))}{interval}{f' {unit}' if unit else ''}"


def _asked(metric: dict[str, Any], criterion: Criterion) -> str:
    target = metric.get("threshold", criterion.target)
    sign = "≥" if criterion.target > criterion.floor else "≤"
    return f"{sign} {target:g}"


def _hint(check: dict[str, Any], lab: Lab) -> str:
    task = check.get("hint_id") or check.get("id")
    return f"dllab hint {lab.number} {task}" if lab.spec.hints.get(str(task)) else ""


def _why_not(result: Result, needed: float) -> str:
    """What stood between a result and a pass."""
    if result.get("verdict", "graded") != "graded":
        return str(result.get("reason") or "")
    if result.get("passed"):
        return ""
    if float(result.get("score") or 0) < needed:
        return f"a pass needs {points(needed)} points"
    failed = [
        str(check.get("title"))
        for check in result.get("checks", [])
        if check.get("required") and check.get("status") != "pass"
    ]
    return f"the points suffice, but this is required: {', '.join(failed)}"

"""Two pages for the instructor: a batch at a glance, and the evidence of one submission.

Both are self-contained files. Everything that came from a submission passes through the
template's escaping; hidden checks and what learner code said are shown, so neither is for learners.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from dllab.report.rubric import number, points
from dllab.result import Result, Verdict
from dllab.rundir.run import write_text

_HERE = Path(__file__).parent
BARS = 10
VERDICTS: tuple[Verdict, ...] = ("graded", "needs_review", "ungradable", "infra_error")


@dataclass(frozen=True)
class Bar:
    """How many graded submissions have a share of the points in [low, high)."""

    low: int
    high: int
    count: int
    height: float


@dataclass(frozen=True)
class BatchRow:
    """A line of grades.csv. `id` is the submission's, `result` a path within the batch's folder;
    `final` are the points that count by course.yaml, and `note` is why.
    """

    archive: str
    learner: str
    lab: str
    verdict: Verdict
    passed: bool
    score: float
    max_score: float
    reason: str
    id: str
    result: str
    late_s: float = 0.0
    late_penalty: float = 0.0
    final: str = ""
    note: str = ""


def write_summary(out: Path, rows: Sequence[BatchRow]) -> Path:
    """Write `out/summary.html` about a batch; its path."""
    counts = Counter(row.verdict for row in rows)
    copies = Counter(row.id for row in rows if row.id)
    graded = [row for row in rows if row.verdict == "graded"]
    page = _render(
        "batch.html.j2",
        rows=sorted(rows, key=_first_what_needs_a_look),
        verdicts=[(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        passed=sum(row.passed for row in rows),
        labs=sorted({row.lab for row in rows if row.lab}),
        bars=histogram([row.score / row.max_score for row in graded if row.max_score]),
        copies={id for id, count in copies.items() if count > 1},
    )
    write_text(out / "summary.html", page)
    return out / "summary.html"


def write_evidence(page: Path, result: Result) -> Path:
    """Write one result as a page with all that was measured, claimed, said and logged; its path."""
    write_text(page, _render("evidence.html.j2", result=result))
    return page


def histogram(shares: Sequence[float]) -> list[Bar]:
    """Shares of the points in [0, 1], in ten bars; the last one holds full marks as well."""
    counts = Counter(min(int(share * BARS + 1e-9), BARS - 1) for share in shares)
    most = max(counts.values(), default=1)
    step = 100 // BARS
    return [Bar(i * step, (i + 1) * step, counts[i], counts[i] / most) for i in range(BARS)]


def _first_what_needs_a_look(row: BatchRow) -> tuple[int, str]:
    looks = ("infra_error", "needs_review", "ungradable", "graded")
    return looks.index(row.verdict), row.learner.casefold()


def _render(template: str, **content: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, points=points, pretty=_pretty, time=_time)
    css = Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return environment.get_template(template).render(css=css, **content)


def _time(moment: datetime | None) -> str:
    return "at an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M %Z}"


def _pretty(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)

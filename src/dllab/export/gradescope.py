"""Gradescope's results.json.

Source: gradescope-autograders.readthedocs.io, "Autograder Specifications".
"""

from collections.abc import Mapping
from typing import Any

from dllab.export.grades import Grade, ShownRow
from dllab.export.wording import explain, number
from dllab.result import SCHEMA, MetricRow

KEPT = "Until then your last graded submission counts"


def results_json(grade: Grade, submission_metadata: Mapping[str, Any] | None = None) -> Any:
    """A grade for Gradescope.

    Gradescope always makes the newest submission the active one. With its submission_metadata, a
    grade that is not `graded` therefore repeats the score of the newest graded submission before
    it; without one the score is 0, and the output says that it does not count.
    """
    score, output = grade.score, explain(grade)
    if not grade.graded:
        earlier = _last_graded(submission_metadata or {})
        score = earlier or 0.0
        output += "\n" + _standing(earlier)
    return {
        "score": round(score, 2),
        "output": output,
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": _extra(grade),
        "tests": [_test(place, row, grade) for place, row in enumerate(grade.rows, start=1)],
        "leaderboard": [_leader(metric) for metric in grade.metrics] if grade.graded else [],
    }


def _test(place: int, row: ShownRow, grade: Grade) -> dict[str, Any]:
    """Points are shown only where they count; `visibility` keeps hidden checks with the staff."""
    points = {"score": round(row.points, 2), "max_score": round(row.max_points, 2)}
    return {
        **(points if grade.graded else {}),
        "status": "passed" if row.passed else "failed",
        "name": row.title,
        "name_format": "text",
        "number": str(place),
        "output": row.message,
        "output_format": "text",
        "tags": [row.kind],
        "visibility": "hidden" if row.hidden else "visible",
        "extra_data": {"id": row.id, "status": row.status},
    }


def _leader(metric: MetricRow) -> dict[str, Any]:
    order = "desc" if metric.direction == "max" else "asc"
    return {"name": metric.name, "value": round(metric.value, 4), "order": order}


def _extra(grade: Grade) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "submission": grade.submission,
        "lab": grade.lab,
        "lab_version": grade.lab_version,
        "verdict": grade.verdict,
        "mode": grade.mode,
        "evaluated_on": grade.evaluated_on,
        "grader_version": grade.grader_version,
    }


def _last_graded(metadata: Mapping[str, Any]) -> float | None:
    """The score of the newest earlier submission that was graded."""
    earlier = sorted(
        metadata.get("previous_submissions") or [], key=lambda one: str(one.get("submission_time"))
    )
    for one in reversed(earlier):
        results = one.get("results") or {}
        if (results.get("extra_data") or {}).get("verdict") == "graded":
            return float(results.get("score") or 0)
    return None


def _standing(earlier: float | None) -> str:
    if earlier is None:
        return "The score of 0 shown here does not count."
    return f"{KEPT}: {number(earlier)} points."

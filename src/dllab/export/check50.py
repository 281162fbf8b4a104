"""The JSON of check50.

Source: cs50.readthedocs.io/projects/check50, "JSON Specification".
"""

from typing import Any

from dllab.export.grades import Grade, ShownRow
from dllab.export.wording import explain

ERRORS = {"ungradable": "Ungradable", "infra_error": "InfraError"}


def report_json(grade: Grade) -> dict[str, Any]:
    """Results check by check; when grading did not come to an end, the error instead."""
    report: dict[str, Any] = {"slug": f"dllab/{grade.lab}", "version": grade.grader_version}
    if grade.verdict in ERRORS:
        error = {
            "type": ERRORS[grade.verdict],
            "value": explain(grade),
            "traceback": [],
            "data": {},
        }
        return {**report, "error": error}
    return {**report, "results": [_result(row) for row in grade.rows]}


def _result(row: ShownRow) -> dict[str, Any]:
    """`passed` is null for what was skipped or is undecided."""
    return {
        "name": row.id,
        "description": row.title,
        "passed": row.passed,
        "log": [],
        "cause": None if row.passed else _cause(row),
        "data": {"points": round(row.points, 2), "max_points": round(row.max_points, 2)},
        "dependency": row.depends_on[0] if row.depends_on else None,
    }


def _cause(row: ShownRow) -> dict[str, Any]:
    """The message says what was expected and what came; check50 would show the two apart."""
    skipped = "skipped: a check that it depends on did not pass"
    rationale = row.message or (skipped if row.status == "skip" else row.status)
    return {"rationale": rationale, "help": None}

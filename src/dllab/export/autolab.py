"""What Autolab reads from a grader's standard output: feedback, then the scores as the last line.

Source: docs.autolabproject.com, "Writing Autograders" (semantic feedback).
"""

import json
from typing import Any

from dllab.export.grades import Grade, ShownRow
from dllab.export.wording import explain

STAGES = {"code": "Code", "metric": "Metrics", "resource": "Resources", "integrity": "Integrity"}


def stdout_lines(grade: Grade) -> str:
    """Two lines. Scores go by check id; without a graded verdict none is sent, so none changes."""
    scores = {row.id: round(row.points, 2) for row in grade.rows if row.max_points}
    if grade.graded and grade.late_penalty:
        scores["late_penalty"] = -round(min(grade.late_penalty, grade.raw_score), 2)
    last = {
        "scores": scores if grade.graded else {},
        "scoreboard": _scoreboard(grade) if grade.graded else [],
    }
    return f"{_line(_feedback(grade))}\n{_line(last)}\n"


def _scoreboard(grade: Grade) -> list[float]:
    """The score, then each metric in the result's order."""
    return [round(grade.score, 2), *(round(metric.value, 4) for metric in grade.metrics)]


def _feedback(grade: Grade) -> dict[str, Any]:
    stages: dict[str, dict[str, Any]] = {
        "Result": {"Verdict": {"passed": grade.passed, "hint": explain(grade)}}
    }
    for row in grade.rows:
        tests = stages.setdefault(STAGES.get(row.kind, row.kind), {})
        name = row.title if row.title not in tests else f"{row.title} ({row.id})"
        tests[name] = _test(row)
    return {"_presentation": "semantic", "stages": list(stages), **stages}


def _test(row: ShownRow) -> dict[str, Any]:
    """A hint only where something is left to do."""
    return {"passed": row.passed is True, "hint": "" if row.passed else row.message}


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

"""What a learner is told of a result, in plain text: the same words in every format."""

from dllab.export.grades import Grade
from dllab.result import Verdict

MEANING: dict[Verdict, str] = {
    "graded": "",
    "ungradable": (
        "This submission could not be graded. No attempt was charged: mend it and submit again."
    ),
    "infra_error": (
        "The grader failed, not your work. No attempt was charged: it will be graded again."
    ),
    "needs_review": (
        "A person will look at this result before it counts. That happens, and accuses nobody."
    ),
}


def explain(grade: Grade) -> str:
    """A few lines: what the result is, on which data, and whether hidden checks are still open."""
    if not grade.graded:
        # What led to a review is for the reviewer; an honest learner could only be hurt by it.
        reason = "" if grade.verdict == "needs_review" else grade.reason
        return "\n".join(line for line in (MEANING[grade.verdict], reason) if line)
    decided = [f"Set by {grade.decided}"] if grade.decided else []
    lines = [_headline(grade), *decided, *_penalty(grade), _scored_on(grade), *_hidden(grade)]
    return "\n".join(lines)


def number(value: float) -> str:
    """Points without needless zeros: 5, 4.5, 12.25."""
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def _headline(grade: Grade) -> str:
    standing = "Passed" if grade.passed else "Not passed yet"
    return f"{standing}: {number(grade.score)} of {number(grade.max_score)} points."


def _penalty(grade: Grade) -> list[str]:
    if not grade.late_penalty:
        return []
    return [f"{number(grade.raw_score)} points, less {number(grade.late_penalty)} for being late."]


def _scored_on(grade: Grade) -> str:
    if grade.mode == "practice":
        return "A practice grade: hidden checks and hidden data are not part of it."
    hidden = grade.evaluated_on == "hidden"
    return f"Scored on {'hidden data' if hidden else 'the public test split'}."


def _hidden(grade: Grade) -> list[str]:
    """Nobody should read "all passed" while hidden checks fail."""
    hidden = [row for row in grade.rows if row.hidden]
    if not hidden:
        return []
    passed = sum(row.passed is True for row in hidden)
    return [f"{passed} of {len(hidden)} hidden checks passed; they count too."]

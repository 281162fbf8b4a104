"""Scores of LTI 1.3 Assignment and Grade Services, ready to be posted to a line item.

Source: IMS Global, "LTI Assignment and Grade Services Specification 2.0", section 3.4.
"""

from datetime import datetime
from typing import Any

from dllab.course.roster import Roster
from dllab.export.grades import Grade
from dllab.export.wording import explain
from dllab.result import Verdict

# A platform takes only FullyGraded scores for final. Failed: grading could not be done.
PROGRESS: dict[Verdict, tuple[str, str]] = {
    "graded": ("Completed", "FullyGraded"),
    "needs_review": ("Submitted", "PendingManual"),
    "infra_error": ("Submitted", "Pending"),
    "ungradable": ("Submitted", "Failed"),
}


def score_json(grade: Grade, roster: Roster) -> dict[str, Any]:
    """The score. Without a graded verdict it has no points, so the platform keeps what it has.

    `timestamp` is when the grade was made: platforms drop a score older than the one they hold.
    """
    learner = roster.find(grade.learner)
    excused = learner.is_excused(grade.lab)
    activity, grading = ("Submitted", "NotReady") if excused else PROGRESS[grade.verdict]
    points = {"scoreGiven": round(grade.score, 2), "scoreMaximum": round(grade.max_score, 2)}
    return {
        "userId": learner.lti_user_id or grade.learner,
        **(points if grading == "FullyGraded" and grade.max_score > 0 else {}),
        "comment": "Excused." if excused else explain(grade),
        "timestamp": _iso(grade.graded_at),
        "activityProgress": activity,
        "gradingProgress": grading,
        **({"submission": {"submittedAt": _iso(grade.received_at)}} if grade.received_at else {}),
    }


def _iso(time: datetime) -> str:
    """ISO 8601 with fractions of a second and zone, as the specification asks."""
    return time.isoformat(timespec="milliseconds")

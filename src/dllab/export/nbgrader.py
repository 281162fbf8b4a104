"""The CSV that `nbgrader export` writes, every field quoted."""

from collections.abc import Sequence

from dllab.course.roster import Learner, Roster
from dllab.export.grades import Grade
from dllab.report.table import cell, write_table

COLUMNS = [
    *("assignment", "duedate", "timestamp"),
    *("student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
]


def grades_csv(grades: Sequence[Grade], roster: Roster) -> str:
    """A line for each learner and lab. What is not graded has no score, not a score of 0."""
    lines = [_line(grade, roster.find(grade.learner)) for grade in grades]
    return write_table([COLUMNS, *lines], quote_all=True)


def _line(grade: Grade, learner: Learner) -> list[str]:
    counts = grade.graded and not learner.is_excused(grade.lab)
    points = (grade.raw_score, grade.late_penalty, grade.score)
    return [
        grade.lab,
        f"{grade.due:%Y-%m-%d %H:%M:%S}" if grade.due else "",
        f"{grade.received_at:%Y-%m-%d %H:%M:%S}" if grade.received_at else "",
        *map(cell, (grade.learner, learner.last, learner.first, learner.email)),
        *(f"{value:.2f}" if counts else "" for value in points),
        f"{grade.max_score:.2f}",
    ]

"""One grade for each learner and lab; a failed regrade never replaces an older score.

Official beats practice, graded beats ungraded, then the newest wins: by when the submission came
in, and for the same submission by when it was graded.
"""

from collections.abc import Iterable
from datetime import datetime

from dllab.errors import LabError
from dllab.export.grades import Grade


def choose(grades: Iterable[Grade], *, for_credit: bool = False) -> tuple[list[Grade], list[str]]:
    """The grades that count, by learner and lab, and a note for each result left aside.

    `for_credit` leaves out runs of the reference solution, which are not a learner's work, and what
    names no lab. Raises LabError when there is nothing else.
    """
    groups: dict[tuple[str, str], list[Grade]] = {}
    chosen: list[Grade] = []
    notes: list[str] = []
    for grade in grades:
        if for_credit and grade.impl == "reference":
            notes.append(f"{grade.learner}, {grade.lab}: left out, the reference solution ran")
        elif for_credit and not grade.lab:
            notes.append(f"{grade.learner}: left out, it names no lab: {grade.reason}")
        else:
            groups.setdefault((grade.learner, grade.lab), []).append(grade)
    if not groups:
        raise LabError("no result here is a learner's own work", "; ".join(notes))
    for _, group in sorted(groups.items()):
        best = max(group, key=_rank)
        newest = max(group, key=_age)
        chosen.append(best)
        if newest is not best:
            why = newest.mode if newest.graded else newest.verdict
            notes.append(f"{best.learner}, {best.lab}: a newer result ({why}) was left aside")
    return chosen, notes


def _rank(grade: Grade) -> tuple[bool, bool, datetime, datetime]:
    return (grade.mode == "official", grade.graded, *_age(grade))


def _age(grade: Grade) -> tuple[datetime, datetime]:
    return grade.received_at or grade.graded_at, grade.graded_at

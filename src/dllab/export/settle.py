"""Grades by the rules of a course: lateness and extensions as they are now, attempts, overrides."""

from collections.abc import Sequence
from dataclasses import replace

from dllab.course.plan import CourseRules, is_lab
from dllab.course.roster import same
from dllab.course.standing import Entry, GradeStanding, standings
from dllab.export.grades import Grade


def settle(grades: Sequence[Grade], course: CourseRules | None) -> tuple[list[Grade], list[str]]:
    """The grades that may count, and a note for each one left aside and each decision unused.

    Without a course all of them do, as they are.
    """
    if course is None:
        return list(grades), []
    official = [grade for grade in grades if grade.mode == "official"]
    said = dict(zip(map(id, official), standings(course, [*map(_entry, official)]), strict=True))
    kept: list[Grade] = []
    notes: list[str] = []
    for grade in grades:
        standing = said.get(id(grade))
        if standing and standing.over and not standing.override:
            notes.append(f"{grade.learner}, {grade.lab}: {standing.note}")
        else:
            kept.append(_settled(grade, course, standing) if standing else grade)
    have = {(grade.learner, grade.lab) for grade in official}
    notes += [
        f"{one.learner}, {one.lab}: the override of {one.score:g} has no result"
        for one in course.overrides
        if not any(same(one.learner) == same(who) and is_lab(one.lab, lab) for who, lab in have)
    ]
    return kept, notes


def _settled(grade: Grade, course: CourseRules, standing: GradeStanding) -> Grade:
    timed = replace(
        grade,
        due=course.due(grade.learner, grade.lab),
        late_s=standing.late_s,
        late_penalty=standing.penalty,
    )
    if not (decision := standing.override):
        return timed
    return replace(
        timed,
        verdict="graded",
        reason="",
        raw_score=decision.score,
        late_penalty=0.0,
        decided=f"{decision.author}: {decision.comment}",
    )


def _entry(grade: Grade) -> Entry:
    return Entry(
        grade.learner,
        grade.lab,
        grade.submission,
        grade.verdict,
        grade.max_score,
        grade.received_at,
    )

"""A course as a command needs it: its rules and its roster, each checked against the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dllab.course.plan import CourseRules, read_course, require_known
from dllab.course.roster import Roster, read_roster


@dataclass(frozen=True)
class CourseBook:
    """The rules of course.yaml and the learners of the roster; empty where there are none."""

    course: CourseRules | None = None
    roster: Roster = field(default_factory=Roster)


def open_book(course: Path | None, roster: Path | None, labs: Iterable[str] | None) -> CourseBook:
    """Read what is there; `roster` goes before the one that the course names.

    Learners of extensions and overrides get the roster's spelling. Raises LabError for what cannot
    be read, and for learners and labs that there are none of.
    """
    if course is None:
        return CourseBook(roster=read_roster(roster) if roster else Roster())
    rules = read_course(course)
    named = roster or (course.parent / rules.roster if rules.roster else None)
    known = read_roster(named) if named else Roster()
    require_known(rules, course, known, labs)
    spelt = replace(
        rules,
        extensions=tuple(
            replace(one, learner=known.find(one.learner).learner) for one in rules.extensions
        ),
        overrides=tuple(
            replace(one, learner=known.find(one.learner).learner) for one in rules.overrides
        ),
    )
    return CourseBook(spelt, known)

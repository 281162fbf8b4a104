"""The CSV that Canvas' gradebook imports: a column for each lab, a line for each learner."""

from collections.abc import Mapping, Sequence

from dllab.course.roster import Learner, Roster
from dllab.errors import LabError
from dllab.export.grades import Grade
from dllab.report.table import cell, write_table

LEARNER_COLUMNS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]


def gradebook_csv(grades: Sequence[Grade], roster: Roster, columns: Mapping[str, str]) -> str:
    """The gradebook. `columns` holds each lab's heading, `Title (assignment id)`.

    Excused is EX. A cell stays empty where nothing is graded yet. With a roster all of its
    learners have a line. Raises LabError when results of one lab differ in their points.
    """
    labs = sorted({grade.lab for grade in grades})
    of = {(grade.learner, grade.lab): grade for grade in grades}
    header = [*LEARNER_COLUMNS, *(cell(columns.get(lab, lab)) for lab in labs)]
    possible = ["    Points Possible", "", "", "", "", *(_possible(lab, grades) for lab in labs)]
    lines = [
        [*_who(learner), *(_score(learner, lab, of.get((learner.learner, lab))) for lab in labs)]
        for learner in roster.everybody([grade.learner for grade in grades])
    ]
    return write_table([header, possible, *lines])


def _who(learner: Learner) -> list[str]:
    """Canvas finds a learner by any of the ids; without a roster the login is the learner's id."""
    ids = (learner.canvas_id, learner.sis_user_id, learner.sis_login_id)
    login = learner.sis_login_id if any(ids) else learner.learner
    return [
        cell(text)
        for text in (
            learner.sorted_name,
            learner.canvas_id,
            learner.sis_user_id,
            login,
            learner.section,
        )
    ]


def _score(learner: Learner, lab: str, grade: Grade | None) -> str:
    if learner.is_excused(lab):
        return "EX"
    return f"{grade.score:.2f}" if grade and grade.graded else ""


def _possible(lab: str, grades: Sequence[Grade]) -> str:
    """The lab's points: of graded results, for an ungradable one may have none to tell of."""
    found = sorted({grade.max_score for grade in grades if grade.lab == lab and grade.graded})
    if len(found) > 1:
        raise LabError(
            f"{lab}: results are out of {' and '.join(f'{points:g}' for points in found)} points",
            "export practice and official grades, or versions of a lab, apart",
        )
    return f"{found[0]:.2f}" if found else ""

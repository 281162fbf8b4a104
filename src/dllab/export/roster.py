"""The roster: a CSV with what results do not hold, names and the ids of other systems.

    learner,name,email,canvas_id,sis_user_id,sis_login_id,section,lti_user_id,excused
    ada,"Lovelace, Ada",ada@example.org,101,S1,ada,Section 1,u-1,lab01_mlp lab03_rnn

Only `learner` is required: the name that results carry. `name` is "Last, First", or `first_name`
and `last_name` stand in two columns. `excused` holds lab names, or `all`.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from dllab.errors import LabError


@dataclass(frozen=True)
class Learner:
    """One line of the roster."""

    learner: str
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    canvas_id: str = ""
    sis_user_id: str = ""
    sis_login_id: str = ""
    section: str = ""
    lti_user_id: str = ""
    excused: str = ""

    @property
    def first(self) -> str:
        """The first name, as far as the roster knows it."""
        return self.first_name or self.name.partition(",")[2].strip()

    @property
    def last(self) -> str:
        """The last name; a name without a comma is kept whole here, for nobody can split names."""
        return self.last_name or self.name.partition(",")[0].strip()

    @property
    def sorted_name(self) -> str:
        """`Last, First`; the learner's id when the roster has no name."""
        return ", ".join(part for part in (self.last, self.first) if part) or self.learner

    def is_excused(self, lab: str) -> bool:
        """Whether this learner need not do the lab."""
        named = self.excused.replace(";", " ").split()
        return "all" in named or lab in named


@dataclass(frozen=True)
class Roster:
    """Learners by the name that results carry; empty when no roster was given."""

    learners: dict[str, Learner] = field(default_factory=dict)

    def find(self, learner: str) -> Learner:
        """The learner's line, or one that holds nothing but the id."""
        return self.learners.get(learner) or Learner(learner)

    def everybody(self, others: Sequence[str]) -> list[Learner]:
        """All of the roster in its order, then those it lacks."""
        lacking = sorted(set(others) - set(self.learners))
        return [*self.learners.values(), *map(Learner, lacking)]


def read_roster(path: Path) -> Roster:
    """Read a roster; a LabError names the file and the column or line that is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header, lines = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(f"{path} cannot be read: {error}", "save it as a CSV in UTF-8") from None
    _check_header(path, header)
    learners: dict[str, Learner] = {}
    for number, line in enumerate(lines, start=2):
        if None in line or None in line.values():
            raise LabError(
                f"{path}: line {number} does not have {len(header)} fields",
                "put names with commas in double quotes",
            )
        one = Learner(**{column: line[column].strip() for column in header})
        if not one.learner or one.learner in learners:
            what = "is there twice" if one.learner else "is empty"
            raise LabError(f"{path}: line {number}: learner {one.learner!r} {what}", "mend it")
        learners[one.learner] = one
    return Roster(learners)


def _check_header(path: Path, header: Sequence[str]) -> None:
    known = [column.name for column in fields(Learner)]
    unknown = [column for column in header if column not in known]
    if unknown or "learner" not in header:
        what = f"unknown column {unknown[0]!r}" if unknown else "the column 'learner' is missing"
        raise LabError(f"{path}: {what}", f"a roster may have: {', '.join(known)}")

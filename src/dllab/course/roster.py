"""The roster: a CSV with what results do not hold, names and the ids of other systems.

    learner,name,email,canvas_id,sis_user_id,sis_login_id,section,lti_user_id,excused
    ada,"Lovelace, Ada",ada@example.org,101,S1,ada,Section 1,u-1,lab01_mlp lab03_rnn

Only `learner` is required: the name that results carry. `name` is "Last, First", or `first_name`
and `last_name` stand in two columns. `excused` holds lab names, or `all`. The gradebook that Canvas
exports is a roster as well.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

from dllab.errors import LabError

# The columns of Canvas' gradebook; all others of it are assignments, and their points.
CANVAS = {
    "Student": "name",
    "ID": "canvas_id",
    "SIS User ID": "sis_user_id",
    "SIS Login ID": "sis_login_id",
    "Section": "section",
}


def same(name: str) -> str:
    """What two spellings of a name have in common: accents in one piece or two, and case."""
    return unicodedata.normalize("NFC", name).strip().casefold()


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

    @property
    def ids(self) -> list[str]:
        """All that a file may call this learner: no two learners share one of them."""
        return [
            *filter(None, (self.learner, self.email, self.sis_login_id, self.sis_user_id)),
            *filter(None, (self.canvas_id, self.lti_user_id)),
        ]

    @property
    def names(self) -> list[str]:
        """How platforms write the name in a file's; learners may share it."""
        if not self.name and not self.last_name:
            return []
        written = [f"{self.first} {self.last}", f"{self.last}, {self.first}", self.sorted_name]
        return [*written, re.sub(r"\W", "", self.last + self.first)]

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
        return self.match(learner) or Learner(learner)

    def match(self, name: str) -> Learner | None:
        """Whom an id, or a name that no other learner bears, stands for; None for nobody here."""
        if found := self._by_id.get(same(name)):
            return found
        bearers = self._by_name.get(same(name), [])
        return bearers[0] if len(bearers) == 1 else None

    def everybody(self, others: Sequence[str]) -> list[Learner]:
        """All of the roster in its order, then those it lacks."""
        lacking = sorted(other for other in set(others) if self.match(other) is None)
        return [*self.learners.values(), *map(Learner, lacking)]

    @cached_property
    def _by_id(self) -> dict[str, Learner]:
        return {same(id): one for one in self.learners.values() for id in one.ids}

    @cached_property
    def _by_name(self) -> dict[str, list[Learner]]:
        found: dict[str, list[Learner]] = {}
        for one in self.learners.values():
            for name in {same(name) for name in one.names}:
                found.setdefault(name, []).append(one)
        return found


def read_roster(path: Path) -> Roster:
    """Read a roster; a LabError names the file and the column or line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        separator = ";" if first.count(";") > first.count(",") else ","  # as Excel's, by country
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(f"{path} cannot be read: {error}", "save it as a CSV in UTF-8") from None
    header, lines = (rows[0], rows[1:]) if rows else ([], [])
    canvas = "Student" in header and "SIS Login ID" in header
    if not canvas:
        _check_header(path, header)
    learners: dict[str, Learner] = {}
    owners: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        if not any(one.strip() for one in line):
            continue  # a spreadsheet keeps rows that were emptied
        if len(line) != len(header):
            raise LabError(
                f"{path}: line {number} does not have {len(header)} fields",
                "put names with commas in double quotes",
            )
        values = {column: text.strip() for column, text in zip(header, line, strict=True)}
        one = _from_canvas(values) if canvas else Learner(**values)
        if one is not None:
            one = replace(one, learner=unicodedata.normalize("NFC", one.learner))
            _require_apart(f"{path}: line {number}", one, owners)
            owners |= {same(id): one.learner for id in one.ids}
            learners[one.learner] = one
    return Roster(learners)


def _from_canvas(line: Mapping[str, str]) -> Learner | None:
    """None for the rows that are no learner's: points possible, and the test student."""
    ids = {ours: line.get(theirs, "") for theirs, ours in CANVAS.items()}
    if not ids["canvas_id"] or ids["name"] == "Student, Test":
        return None
    return Learner(ids["sis_login_id"] or ids["canvas_id"], **ids)


def _require_apart(place: str, one: Learner, owners: Mapping[str, str]) -> None:
    """A learner shares no id with another: else the one's work could become the other's."""
    if not one.learner or owners.get(same(one.learner)) == one.learner:
        what = "is there twice" if one.learner else "is empty"
        raise LabError(f"{place}: learner {one.learner!r} {what}", "mend it")
    for id in one.ids:
        if other := owners.get(same(id)):
            raise LabError(
                f"{place}: {id!r} is an id of {one.learner!r} and {other!r}",
                "an id must belong to one learner",
            )


def _check_header(path: Path, header: Iterable[str]) -> None:
    known = [column.name for column in fields(Learner)]
    unknown = [column for column in header if column not in known]
    if unknown or "learner" not in header:
        what = f"unknown column {unknown[0]!r}" if unknown else "the column 'learner' is missing"
        raise LabError(f"{path}: {what}", f"a roster may have: {', '.join(known)}")

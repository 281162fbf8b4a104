"""course.yaml: when labs are due, what lateness costs, who has more time, what a person decided.

time_zone: Europe/Berlin
late: {grace_minutes: 15, percent_a_day: 10}
labs:
"01": {due: 2026-10-19 23:59}
extensions:
- {learner: ada, lab: "01", days: 7, reason: ill}
overrides:
- {learner: max, lab: "01", score: 17.5, author: M. Curie, comment: orally}
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dllab.course.roster import Roster, same
from dllab.errors import LabError
from dllab.lab.checked import Checked, checked, parse_mapping

DAY_S = 86_400.0


@dataclass(frozen=True)
class LateRule(Checked):
    """What handing in late costs: a share of the lab's points for each day that has begun."""

    grace_minutes: float = 0.0
    """Nobody is late within these. Who is later than that is late from the due time on."""
    percent_a_day: float = 0.0
    """Of the lab's points."""
    most_percent: float = 100.0
    """The penalty never grows beyond it."""

    def __post_init__(self) -> None:
        """Raise ValueError for a share that is none."""
        if self.grace_minutes < 0:
            raise ValueError("grace_minutes must not be negative")
        if not (0 <= self.percent_a_day <= 100 and 0 <= self.most_percent <= 100):
            raise ValueError("percent_a_day and most_percent must be between 0 and 100")

    def percent(self, late_s: float) -> float:
        """What `late_s` seconds cost, in percent of the points."""
        return min(self.most_percent, self.percent_a_day * math.ceil(late_s / DAY_S))


@dataclass(frozen=True)
class Term(Checked):
    """What holds for one lab. Where it says nothing, what holds for all does."""

    lab: str = field(metadata={"from_key": True})
    """The key under `labs`: `lab01_mlp` or its number."""
    due: str = ""
    """`2026-10-19 23:59` in the course's time zone, or with one of its own; a day ends at 24:00."""
    late: LateRule | None = None
    attempts: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what is no time, and for no attempt at all."""
        _require_time(self.due)
        _require_attempts(self.attempts)


@dataclass(frozen=True)
class Extension(Checked):
    """More time for one learner: until a time, or by days."""

    learner: str
    lab: str = ""
    """Empty: all labs."""
    due: str = ""
    days: float = 0.0
    reason: str = ""
    """For your own records; shown nowhere."""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no time, and for an extension that gives none."""
        _require_time(self.due)
        if self.days < 0 or not (self.due or self.days):
            raise ValueError("an extension has a due time, or days of more than 0")


@dataclass(frozen=True)
class ScoreOverride(Checked):
    """A score that a person has decided on. Learners see it with author and comment."""

    learner: str
    lab: str
    score: float
    author: str
    comment: str

    def __post_init__(self) -> None:
        """Raise ValueError for a decision that nobody stands by."""
        if self.score < 0 or not self.author.strip() or not self.comment.strip():
            raise ValueError("an override has a score of 0 or more, an author, and a comment")


@dataclass(frozen=True)
class CourseRules(Checked):
    """What course.yaml says."""

    title: str = ""
    time_zone: str = "UTC"
    """Of all times without a zone of their own."""
    roster: str = ""
    """A CSV, by its path from this file."""
    layout: str = "plain"
    """As `dllab grade --layout`."""
    late: LateRule = field(default_factory=LateRule)
    attempts: int | None = None
    """How many graded submissions of a lab count; the first ones do."""
    labs: Mapping[str, Term] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()
    overrides: tuple[ScoreOverride, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown time zone, and for no attempt at all."""
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known here: say Europe/Berlin, for example"
            ) from None
        _require_attempts(self.attempts)

    def term(self, lab: str) -> Term:
        """What holds for a lab."""
        return next((one for key, one in self.labs.items() if is_lab(key, lab)), Term(lab))

    def due(self, learner: str, lab: str) -> datetime | None:
        """When a learner's lab is due, extensions counted in; None where it never is."""
        own = self.term(lab).due
        if not own:
            return None
        zone, due = ZoneInfo(self.time_zone), _moment(own, ZoneInfo(self.time_zone))
        granted = [
            _moment(one.due, zone) if one.due else _later(due, one.days, zone)
            for one in self.extensions
            if same(one.learner) == same(learner) and (not one.lab or is_lab(one.lab, lab))
        ]
        return max([due, *granted])

    def lateness(self, learner: str, lab: str, received_at: datetime | None) -> tuple[float, float]:
        """How many seconds late, and what that costs in percent of the points."""
        due = self.due(learner, lab)
        if due is None or received_at is None:
            return 0.0, 0.0
        rule = self.term(lab).late or self.late
        late_s = (received_at - due).total_seconds()
        if late_s <= rule.grace_minutes * 60:
            return 0.0, 0.0
        return late_s, rule.percent(late_s)

    def attempts_of(self, lab: str) -> int | None:
        """How many submissions of a lab count; None for all."""
        own = self.term(lab).attempts
        return self.attempts if own is None else own

    def override(self, learner: str, lab: str) -> ScoreOverride | None:
        """The last decision on a learner's lab."""
        mine = (one for one in reversed(self.overrides) if same(one.learner) == same(learner))
        return next((one for one in mine if is_lab(one.lab, lab)), None)


def read_course(path: Path) -> CourseRules:
    """Read and check a course.yaml; every mistake is a LabError that names file and key."""
    try:
        raw = parse_mapping(path.read_bytes(), path)
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}", "name a course.yaml") from None
    return checked(_named(raw), CourseRules, path)


def require_known(
    course: CourseRules, path: Path, roster: Roster, labs: Iterable[str] | None = None
) -> None:
    """Raise LabError for learners and labs that there are none of: a misspelling decides nothing.

    Without a roster no learner is unknown, without labs none of them.
    """
    for key, one in _mentions(course):
        if one and roster.learners and roster.match(one) is None:
            raise LabError(f"{path}: {key}: {one!r} is not in the roster", "mend the name")
    known = None if labs is None else list(labs)
    for name in _labs(course):
        if name and known is not None and not any(is_lab(name, lab) for lab in known):
            raise LabError(f"{path}: there is no lab {name!r}", "say its number, or labNN_slug")


def is_lab(name: str, lab: str) -> bool:
    """Whether `1`, `01` or `lab01_mlp` is the lab of this id."""
    return name == lab or (name.isdecimal() and f"{name:0>2}" == lab[3:5])


def _mentions(course: CourseRules) -> Iterator[tuple[str, str]]:
    yield from (("extensions", one.learner) for one in course.extensions)
    yield from (("overrides", one.learner) for one in course.overrides)


def _labs(course: CourseRules) -> list[str]:
    granted, decided = course.extensions, course.overrides
    return [*course.labs, *(one.lab for one in granted), *(one.lab for one in decided)]


def _named(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of labs as texts, and each term told its own key: `01` is a number in YAML."""
    named = {**raw}
    if isinstance(labs := raw.get("labs"), dict):
        named["labs"] = {
            _name(lab): {**term, "lab": _name(lab)} if isinstance(term, dict) else term
            for lab, term in labs.items()
        }
    for key in ("extensions", "overrides"):
        if isinstance(entries := raw.get(key), list):
            named[key] = [
                {**one, "lab": _name(one.get("lab", ""))} if isinstance(one, dict) else one
                for one in entries
            ]
    return named


def _name(lab: object) -> str:
    return f"{lab:02}" if isinstance(lab, int) else str(lab)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """A time of course.yaml, in UTC. Of an hour that comes twice the later one is meant."""
    moment = datetime.fromisoformat(text)
    if len(text) == len("2026-10-19"):
        moment = datetime.combine(moment + timedelta(days=1), time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone, fold=1)
    return moment.astimezone(UTC)


def _later(due: datetime, days: float, zone: ZoneInfo) -> datetime:
    """Days later at the same time by the clock on the wall."""
    wall = due.astimezone(zone).replace(tzinfo=None) + timedelta(days=days)
    return wall.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _require_time(text: str) -> None:
    if text:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a time: write 2026-10-19 23:59") from None


def _require_attempts(count: int | None) -> None:
    if count is not None and count < 1:
        raise ValueError("attempts must be 1 or more")

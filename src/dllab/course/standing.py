"""What becomes of gradings by the course's rules: lateness, attempts, and what a person decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dllab.course.plan import CourseRules, ScoreOverride
from dllab.result import Verdict

CHARGED: tuple[Verdict, ...] = ("graded", "needs_review")  # what costs an attempt
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One grading, as far as the rules ask. `submission` is the archive's id."""

    learner: str
    lab: str
    submission: str
    verdict: Verdict
    max_score: float
    received_at: datetime | None


@dataclass(frozen=True)
class GradeStanding:
    """What the rules say of it. `penalty` is in points."""

    late_s: float = 0.0
    penalty: float = 0.0
    attempt: int | None = None
    attempts: int | None = None
    override: ScoreOverride | None = None

    @property
    def over(self) -> bool:
        """Whether it is one attempt too many, and does not count."""
        return None not in (self.attempt, self.attempts) and self.attempt > self.attempts  # type: ignore[operator]

    @property
    def note(self) -> str:
        """All that an instructor has to know of it, in a line."""
        told = []
        if self.late_s:
            told.append(f"{_span(self.late_s)} late")
        if self.over:
            told.append(f"attempt {self.attempt} of {self.attempts}: does not count")
        if self.override:
            told.append(
                f"{self.override.score:g} by {self.override.author}: {self.override.comment}"
            )
        return "; ".join(told)

    def final(self, score: float, verdict: Verdict) -> float | None:
        """The points that count; None where none do."""
        if self.override:
            return self.override.score
        return None if self.over or verdict != "graded" else max(0.0, score - self.penalty)


def standings(course: CourseRules, entries: Sequence[Entry]) -> list[GradeStanding]:
    """What the rules say of each entry, in their order.

    Attempts are counted as they came in; one submission graded twice is one attempt, and what was
    not the learner's fault, or could not be graded, is none.
    """
    numbers = _attempts(entries)
    return [_standing(course, entry, numbers.get(_key(entry))) for entry in entries]


def _standing(course: CourseRules, entry: Entry, attempt: int | None) -> GradeStanding:
    late_s, percent = course.lateness(entry.learner, entry.lab, entry.received_at)
    return GradeStanding(
        late_s=late_s,
        penalty=round(percent * entry.max_score / 100, 6),
        attempt=attempt,
        attempts=course.attempts_of(entry.lab),
        override=course.override(entry.learner, entry.lab),
    )


def _attempts(entries: Sequence[Entry]) -> dict[tuple[str, str, str], int]:
    """By submission, the how many of its learner's for the lab it is."""
    charged = sorted(
        (entry for entry in entries if entry.verdict in CHARGED),
        key=lambda entry: (entry.received_at or _NEVER, entry.submission),
    )
    numbers: dict[tuple[str, str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    for entry in charged:
        if (key := _key(entry)) not in numbers:
            counts[key[:2]] = numbers[key] = counts.get(key[:2], 0) + 1
    return numbers


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.learner, entry.lab, entry.submission


def _span(seconds: float) -> str:
    """`2 d 3 h`, `5 min`: as exact as anybody asks."""
    minutes = max(1, round(seconds / 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"

"""What one learner has done: `progress.json` in the project root, theirs alone.

No release ships that file, so an update of the project cannot touch it; git does not ignore it,
so that a learner may commit it and carry it to another machine. Two copies merge into the same
file whichever way round, and merging twice changes nothing: passes are a set, hints keep the
furthest step, and of two ticks of one topic the one with the higher revision stays.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from dllab.errors import LabError
from dllab.result import Result

SCHEMA = "dllab.progress/1"


@dataclass(frozen=True, order=True)
class Pass:
    """A graded run that passed, as its result.json said; the best grade of a run is kept."""

    score: float
    max_score: float
    at: str
    lab: str
    run: str
    mode: str


@dataclass(frozen=True, order=True)
class Tick:
    """A learner's own word for one topic. `revision` counts the changes of mind."""

    revision: int
    at: str
    done: bool
    note: str


_Entry = TypeVar("_Entry", Pass, Tick)


@dataclass
class Progress:
    """Passed runs by `run mode`, ticks by topic, and the furthest hint seen by lab and task."""

    path: Path
    passes: dict[str, Pass] = field(default_factory=dict)
    ticks: dict[str, Tick] = field(default_factory=dict)
    hints: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> "Progress":
        """The progress of this copy; empty where nothing has been done yet."""
        return cls.read(root / "progress.json")

    @classmethod
    def read(cls, path: Path) -> "Progress":
        """A progress file anywhere; one that is damaged or newer than dllab is a LabError."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise LabError(f"{path} cannot be read: {error}", _way_out(path)) from None
        try:
            return _parse(raw, path)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise LabError(
                f"{path} is not a progress file of the form {SCHEMA}",
                "update dllab, or move the file away to begin anew",
            ) from None

    @property
    def passed_labs(self) -> set[str]:
        """Ids of the labs that at least one run passed."""
        return {entry.lab for entry in self.passes.values()}

    def record_result(self, result: Result) -> bool:
        """Keep a passed result of the learner's own code; says whether it counted."""
        if not result.passed or result.impl != "mine":
            return False
        received = result.submission.received_at
        entry = Pass(
            score=result.score,
            max_score=result.max_score,
            at=received.isoformat() if received else _now(),
            lab=str(result.submission.lab),
            run=str(result.run),
            mode=result.mode,
        )
        self.passes = _join(self.passes, {f"{entry.run} {entry.mode}": entry})
        return True

    def record_hint(self, lab: str, task: str, step: int) -> None:
        """Remember that the hints of a task were read up to `step` (from 1); grades never ask."""
        self.hints = _join_hints(self.hints, {lab: {task: step}})

    def tick(self, topic: str, note: str = "") -> None:
        """Tick a topic by the learner's word."""
        self._change(topic, done=True, note=note)

    def untick(self, topic: str) -> None:
        """Take a tick back; a merge with an older copy does not bring it again."""
        self._change(topic, done=False, note="")

    def merge(self, other: "Progress") -> None:
        """Take in all that another copy knows."""
        self.passes = _join(self.passes, other.passes)
        self.ticks = _join(self.ticks, other.ticks)
        self.hints = _join_hints(self.hints, other.hints)

    def save(self) -> None:
        """Write atomically, joined with what another command has written in the meantime."""
        self.merge(Progress.read(self.path))
        raw = {
            "schema": SCHEMA,
            "passes": {key: asdict(entry) for key, entry in self.passes.items()},
            "ticks": {topic: asdict(tick) for topic, tick in self.ticks.items()},
            "hints": self.hints,
        }
        text = json.dumps(raw, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        half = self.path.with_name(f".progress-{os.getpid()}.json")
        half.write_text(text, encoding="utf-8")
        half.replace(self.path)

    def _change(self, topic: str, *, done: bool, note: str) -> None:
        revision = self.ticks[topic].revision + 1 if topic in self.ticks else 1
        self.ticks[topic] = Tick(revision, _now(), done, note)


def _way_out(path: Path) -> str:
    """What to do about a file that cannot be read; git's marks of a conflict are told apart."""
    with suppress(OSError):
        if b"<<<<<<<" in path.read_bytes():
            name = path.name
            return (
                f"two versions met in git: `git show :2:{name} > mine.json`, "
                f"`git show :3:{name} > theirs.json`, move {name} away, "
                "and `dllab progress merge` takes in each"
            )
    return "restore it from git or a backup, or move it away to begin anew"


def _parse(raw: Mapping[str, Any], path: Path) -> Progress:
    if raw["schema"] != SCHEMA:
        raise ValueError(raw["schema"])
    return Progress(
        path,
        {key: _entry(Pass, entry) for key, entry in raw["passes"].items()},
        {topic: _entry(Tick, tick) for topic, tick in raw["ticks"].items()},
        {lab: {task: int(n) for task, n in tasks.items()} for lab, tasks in raw["hints"].items()},
    )


def _entry(kind: type[_Entry], raw: Mapping[str, Any]) -> _Entry:
    convert: dict[str, Any] = {f.name: f.type for f in fields(kind)}
    return kind(**{name: to(raw[name]) for name, to in convert.items()})


def _join(ours: Mapping[str, _Entry], theirs: Mapping[str, _Entry]) -> dict[str, _Entry]:
    """Both, and of two entries under one key the greater."""
    both = {**ours, **theirs}
    return {key: max(ours.get(key, entry), entry) for key, entry in both.items()}


def _join_hints(
    ours: Mapping[str, Mapping[str, int]], theirs: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    joined = {lab: dict(tasks) for lab, tasks in ours.items()}
    for lab, tasks in theirs.items():
        steps = joined.setdefault(lab, {})
        for task, step in tasks.items():
            steps[task] = max(steps.get(task, 0), step)
    return joined


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""One row of the rubric: what became of a check or criterion. The `checks[]` of dllab.result/1."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dllab.sandbox.session import Failure

Kind = Literal["code", "metric", "resource", "integrity"]
Status = Literal["pass", "partial", "fail", "skip", "error", "review"]

# Code that cannot be imported, hangs or takes too much cannot be graded at all.
UNGRADABLE = ("import", "timeout", "memory")
# What a learner reads where the code's own words are withheld.
WITHHELD = {
    "raised": "your code raised an exception here, or returned what cannot be used; its words are "
    "withheld, since they could quote hidden values",
    "memory": "your code ran out of memory",
}


@dataclass(frozen=True)
class Row:
    """`required` rows must pass for the lab to pass. A `lost` row's code cannot be graded."""

    id: str
    title: str
    kind: Kind
    status: Status
    points: float
    max_points: float
    message: str = ""
    sentence: str = ""
    hint_id: str = ""
    depends_on: tuple[str, ...] = ()
    visibility: Literal["visible", "hidden"] = "visible"
    evidence: dict[str, Any] = field(default_factory=dict)
    required: bool = False
    lost: bool = False

    def plain(self) -> dict[str, Any]:
        """As result.json holds it."""
        values = asdict(self)
        del values["lost"]
        return {**values, "depends_on": list(self.depends_on)}


def status_of(fraction: float) -> Status:
    """The status that a fraction of the points means."""
    return "pass" if fraction >= 1 else "partial" if fraction > 0 else "fail"


def explain(failure: Failure, log: str, *, secret: bool = False) -> dict[str, Any]:
    """What a Row says of a failed request: its message, and traceback and log as evidence.

    `secret`: the code had hidden values in its hands, so its own words, which could quote them, are
    evidence for the instructor and no message for the learner.
    """
    evidence = {
        "failure": failure.kind,
        "message": failure.message if secret else "",
        "traceback": failure.traceback,
        "log": log,
    }
    return {
        "message": WITHHELD.get(failure.kind, failure.message) if secret else failure.message,
        "evidence": {key: value for key, value in evidence.items() if value},
        "lost": failure.kind in UNGRADABLE,
    }


def any_of(rows: Iterable[Row], *statuses: Status) -> bool:
    """Whether some row has one of the statuses."""
    return any(row.status in statuses for row in rows)

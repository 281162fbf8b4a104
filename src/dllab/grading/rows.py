"""What the rows of a rubric say: statuses from points, and sentences from failed requests."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dllab.metrics import Measured
from dllab.result import CheckRow, Status
from dllab.sandbox.reply import Failure, FailureKind

# Code that cannot be imported, hangs or takes too much cannot be graded at all.
UNGRADABLE = ("import", "timeout", "memory")
# What a learner reads where code had hidden values in its hands: one sentence for each kind of
# failure. Its own words, the parser's of a forged reply, byte counts and exit codes could tell.
WITHHELD: dict[FailureKind, str] = {
    "import": "your code could not be imported",
    "raised": "your code raised an exception here, or returned what cannot be used; its words are "
    "withheld, since they could quote hidden values",
    "memory": "your code ran out of memory",
    "died": "your code ended the process",
    "timeout": "your code timed out",
    "output": "your code returned or wrote more than is allowed",
    "protocol": "what came back was not a reply: was it forged?",
}


@dataclass(frozen=True)
class Found:
    """What was measured for a criterion, or why nothing was.

    `untrained`: the run has no model to measure. `absent`: what there is cannot be measured, or
    does not count. `failure`: the code failed; `secret` if it had hidden values in its hands.
    """

    measured: Measured | None = None
    absent: str = ""
    untrained: str = ""
    failure: Failure | None = None
    log: str = ""
    secret: bool = False


def status_of(fraction: float) -> Status:
    """The status that a fraction of the points means."""
    return "pass" if fraction >= 1 else "partial" if fraction > 0 else "fail"


def explain(failure: Failure, log: str, *, secret: bool = False) -> dict[str, Any]:
    """What a row says of a failed request: its message, and traceback and log as evidence.

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
        "message": WITHHELD[failure.kind] if secret else failure.message,
        "evidence": {key: value for key, value in evidence.items() if value},
        "lost": failure.kind in UNGRADABLE,
    }


def any_of(rows: Iterable[CheckRow], *statuses: Status) -> bool:
    """Whether some row has one of the statuses."""
    return any(row.status in statuses for row in rows)

"""What comes back from a worker: arrays, or why there are none. What it says is checked here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dllab.errors import legible
from dllab.sandbox.channel import WorkerLostError
from dllab.sandbox.wire import Arrays, Frame, WireError, unpack

FailureKind = Literal["import", "raised", "memory", "died", "timeout", "output", "protocol"]
TRACEBACK_CHARS = 20_000


@dataclass(frozen=True)
class Failure:
    """Why there are no arrays. `traceback` holds the learner's own frames, where there are any."""

    kind: FailureKind
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class Reply:
    """What came back: arrays, or a failure; the time seen from outside; the end of the log."""

    arrays: Arrays = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0
    log: str = ""


def read_answer(answer: Frame, echo: Mapping[str, Any]) -> tuple[Arrays, Failure | None]:
    """The arrays or the failure of a reply; WorkerLostError when it answers another request."""
    header = answer.header
    if any(header.get(key) != value for key, value in echo.items()):
        raise WorkerLostError("protocol", "a reply to another request arrived: was it forged?")
    if "failure" in header:
        return {}, _read_failure(header["failure"])
    try:
        (blob,) = answer.blobs
        return unpack(blob), None
    except (ValueError, WireError) as error:
        raise WorkerLostError("protocol", f"the reply could not be read: {error}") from None


def _read_failure(raw: object) -> Failure:
    match raw:
        case {"kind": "raised" | "memory" as kind, "message": str(text), "traceback": str(trace)}:
            return Failure(kind, legible(text), legible(trace, TRACEBACK_CHARS))
    raise WorkerLostError("protocol", "a failure of no known kind arrived")

"""Time and memory seen from outside, submission and reference in turns on one device.

measured = interleave({"mine": session, "reference": other}, ask, rounds=5)
measured["mine"].seconds / measured["reference"].seconds

Learner code can patch any timer in its own process; these are read in the grader's.
"""

import statistics
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dllab.sandbox.session import Failure, Reply, Session
from dllab.sandbox.watch import tree

Ask = Callable[[Session, int], Reply]


@dataclass(frozen=True)
class Measured:
    """All rounds of one side, in seconds; the most memory it held; or why a round failed."""

    rounds: tuple[float, ...] = ()
    peak_bytes: int = 0
    failure: Failure | None = None

    @property
    def seconds(self) -> float:
        """The median round."""
        return statistics.median(self.rounds)


def interleave(sessions: Mapping[str, Session], ask: Ask, rounds: int = 5) -> dict[str, Measured]:
    """Ask every session `rounds` times, in an order that turns around each time (A B, B A, …).

    `ask` gets the session and the number of the round, and draws inputs afresh from it: a result
    kept from an earlier round must be of no use. Round 0 warms up and is not counted. The first
    failure of a session ends its part.
    """
    times: dict[str, list[float]] = {name: [] for name in sessions}
    failures: dict[str, Failure] = {}
    order = list(sessions)
    for number in range(rounds + 1):
        for name in [name for name in order if name not in failures]:
            reply = ask(sessions[name], number)
            if reply.failure:
                failures[name] = reply.failure
            elif number:
                times[name].append(reply.seconds)
        order.reverse()
    return {
        name: Measured(tuple(times[name]), peak_bytes(session), failures.get(name))
        for name, session in sessions.items()
    }


def peak_bytes(session: Session) -> int:
    """The most memory that the present worker's processes held, each at its own worst moment."""
    return sum(map(_peak, tree(session.pid))) if session.pid else 0


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0

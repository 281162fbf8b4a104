"""Time and memory seen from outside, submission and reference in turns on one device.

timed = interleave({"mine": session, "reference": other}, ask, rounds=5)
timed["mine"].cpu_s          # of each round: (0.41, 0.40, …)

Learner code can patch any timer in its own process; these are read in the grader's.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dllab.sandbox.reply import Failure, Reply
from dllab.sandbox.session import Session
from dllab.sandbox.watch import tree

Ask = Callable[[Session, int], Reply]

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Timed:
    """All rounds of one side, in seconds; the most memory it held; or why a round failed.

    `cpu_s` is the CPU time of all its processes, `wall_s` what the clock on the wall says.
    """

    cpu_s: tuple[float, ...] = ()
    wall_s: tuple[float, ...] = ()
    peak_bytes: int = 0
    failed: Reply | None = None

    @property
    def failure(self) -> Failure | None:
        """Why a round failed, if one did."""
        return self.failed.failure if self.failed else None


def interleave(sessions: Mapping[str, Session], ask: Ask, rounds: int = 5) -> dict[str, Timed]:
    """Ask every session `rounds` times, in an order that turns around each time (A B, B A, …).

    `ask` gets the session and the number of the round, and draws inputs afresh from it: a result
    kept from an earlier round must be of no use. Round 0 warms up and is not counted. The first
    failure of a session ends its part.
    """
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in sessions}
    failed: dict[str, Reply] = {}
    order = list(sessions)
    for number in range(rounds + 1):
        for name in [name for name in order if name not in failed]:
            before = cpu_seconds(sessions[name])
            reply = ask(sessions[name], number)
            if reply.failure:
                failed[name] = reply
            elif number:
                turns[name].append((cpu_seconds(sessions[name]) - before, reply.seconds))
        order.reverse()
    return {
        name: Timed(
            tuple(cpu for cpu, _ in turns[name]),
            tuple(wall for _, wall in turns[name]),
            peak_bytes(session),
            failed.get(name),
        )
        for name, session in sessions.items()
    }


def cpu_seconds(session: Session) -> float:
    """CPU time of the present worker's processes so far, those that ended among them included."""
    return sum(map(_cpu_seconds, tree(session.pid))) if session.pid else 0.0


def peak_bytes(session: Session) -> int:
    """The most memory that the present worker's processes held, each at its own worst moment."""
    return sum(map(_peak, tree(session.pid))) if session.pid else 0


def _cpu_seconds(pid: int) -> float:
    """Of all threads to the nanosecond, of children that were waited for to the kernel's tick."""
    with suppress(OSError):
        clock = ~pid << 3 | 2  # as clock_getcpuclockid(3) numbers the clock of another process
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        waited_for = (int(stat[13]) + int(stat[14])) / _TICKS
        return time.clock_gettime(clock) + waited_for
    return 0.0  # it ended while one looked


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0

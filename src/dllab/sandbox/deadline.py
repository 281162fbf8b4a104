"""How long a worker may take, on a machine that may be busy with other things."""

import time

from dllab.checks import standing
from dllab.sandbox.watch import tree

MOST = 4  # times the limit, whatever the reason: the processes of one tree can hold each other up


class Deadline:
    """`seconds` from now on, without those in which the worker was ready to run but had no core.

    An honest worker does not fail because the grader's machine is overloaded; one that sleeps,
    hangs, or computes for too long gains nothing.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self.seconds = seconds
        self._pid = pid
        self._begin, self._waited = time.monotonic(), waited_s(pid)

    @property
    def left(self) -> float:
        """Seconds until it is over; negative when it is."""
        spent = time.monotonic() - self._begin
        if spent < self.seconds:
            return self.seconds - spent
        return self.seconds + self.lent - spent

    @property
    def lent(self) -> float:
        """Seconds that do not count, so far."""
        waited = waited_s(self._pid) - self._waited
        return min(max(0.0, waited), (MOST - 1) * self.seconds)


def waited_s(pid: int) -> float:
    """How long the main thread of a process, or of one below it, has waited for a core.

    The longest wait of the tree.
    """
    return max(map(standing.waited_s, tree(pid)))

"""The checks of one save after another, in a thread of their own: the screen never waits for them.

A new save ends the round under way; what that one left undone is added to the next.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue

from dllab.checks import Check
from dllab.errors import LabError, LearnerError
from dllab.grading.code_checks import check_one, load_checks
from dllab.grading.draws import Draws
from dllab.grading.seeds import draw
from dllab.grading.watch.affected import Unit, affected
from dllab.lab.find import Lab
from dllab.result import CheckRow
from dllab.sandbox.backends import Backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session


@dataclass(frozen=True)
class Running:
    """A check is at work."""

    id: str


@dataclass(frozen=True)
class Judged:
    """A check has its row; `printed` is what learner code wrote meanwhile."""

    row: CheckRow
    printed: str = ""


@dataclass(frozen=True)
class Broken:
    """lab.py cannot be imported."""

    error: LearnerError


@dataclass(frozen=True)
class Failed:
    """The lab or the machine is at fault: watch cannot go on."""

    error: LabError


@dataclass(frozen=True)
class Finished:
    """The round is over."""


Event = Running | Judged | Broken | Failed | Finished


class Rounds:
    """Runs checks in the background and reports each as an event, to be read from `events`."""

    def __init__(self, lab: Lab, backend: Backend) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.checks = tuple(c for c in load_checks(lab, hidden=False) if c.id in lab.spec.visible)
        self._lab, self._backend = lab, backend
        self._stale = {check.id for check in self.checks}
        self._units: Mapping[str, Unit] = {}
        self._round: _Round | None = None

    def begin(self, version: Mapping[str, Unit], rows: Mapping[str, CheckRow]) -> None:
        """Run what `version` of lab.py may have changed, and every check that has not passed."""
        self.stop()
        self._stale |= affected(self._units, version, self.checks)
        self._stale |= {id for id, row in rows.items() if row.status != "pass"}
        for check in self.checks:
            if self._stale & set(check.depends_on):
                self._stale.add(check.id)
        self._units = version
        chosen = [check for check in self.checks if check.id in self._stale]
        self._round = _Round(self._lab, self._backend, chosen, rows, self._report)
        self._round.start()

    def stop(self) -> None:
        """End the round under way. Of its events that nobody has read, only rows still matter."""
        if self._round is None:
            return
        self._round.stop()
        self._round = None
        unread = [self.events.get() for _ in range(self.events.qsize())]
        for event in unread:
            if isinstance(event, Judged):
                self.events.put(event)

    def _report(self, event: Event) -> None:
        if isinstance(event, Judged):
            self._stale.discard(event.row.id)
        self.events.put(event)


class _Round(threading.Thread):
    """One pass over some checks, on one fresh worker."""

    def __init__(
        self,
        lab: Lab,
        backend: Backend,
        checks: Iterable[Check],
        rows: Mapping[str, CheckRow],
        report: Callable[[Event], None],
    ) -> None:
        super().__init__(name="dllab watch", daemon=True)
        self._lab, self._backend, self._report = lab, backend, report
        self._checks, self._rows = tuple(checks), dict(rows)
        self._session = Session(lab, lab.code, backend, Limits.of(lab.spec.budgets))
        self._draws = Draws.kept(lab)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the worker and wait for the thread."""
        self._stopped.set()
        while self.is_alive():
            self._session.interrupt()
            self.join(0.05)

    def run(self) -> None:
        """Import lab.py, then run check after check."""
        try:
            with self._session as session:
                failure = session.open().failure
                if failure and not self._stopped.is_set():
                    self._report(Broken(LearnerError(failure.message, failure.traceback)))
                for check in () if failure else self._checks:
                    self._run(session, check)
                if self._lab.spec.formats and not failure and not self._stopped.is_set():
                    self._look_over(session)
        except LabError as error:
            self._report(Failed(error))
        self._report(Finished())

    def _run(self, session: Session, check: Check) -> None:
        if self._stopped.is_set():
            return
        self._report(Running(check.id))
        before = session.log
        row = check_one(session, self._lab, check, self._rows, self._draws)
        if not self._stopped.is_set():
            self._rows[check.id] = row
            self._report(Judged(row, session.log.removeprefix(before)))

    def _look_over(self, session: Session) -> None:
        """What the formats say in practice, whatever the save has changed."""
        from dllab.grading.formats.judge import judge_formats
        from dllab.grading.formats.work import Work

        lab = self._lab
        work = Work(lab, lab.code, lab.folder, session, self._backend, draw())
        for row in judge_formats(work, official=False):
            if not self._stopped.is_set():
                self._report(Judged(row))

"""Criteria of time: learner code and its yardstick in turns, each in a sandbox of its own."""

from dataclasses import dataclass

from dllab.checks import Arrays, Timing, close, every, validate
from dllab.checks.arrays import declared
from dllab.errors import InfraError
from dllab.grading.rows import Found
from dllab.grading.seeds import derive, generator
from dllab.grading.sitting import Sitting
from dllab.lab.authored import find_named
from dllab.lab.find import Lab
from dllab.lab.spec import Criterion
from dllab.metrics import median_ratio
from dllab.sandbox.limits import Limits
from dllab.sandbox.measure import interleave
from dllab.sandbox.reply import Reply
from dllab.sandbox.session import Session

MINE, YARDSTICK = "mine", "yardstick"


def time_one(sitting: Sitting, criterion: Criterion, seed: int) -> Found:
    """The median ratio of times, or why there is none.

    Raises InfraError for a timing that nobody has written, or a yardstick that fails.
    """
    lab, session = sitting.lab, sitting.session
    timing = find_named(lab, criterion.id, criterion.metric, Timing)
    if timing.against is None and not lab.solution.is_file():
        raise InfraError(
            f"criterion {criterion.id} is timed against the reference, which is not here",
            "list it under `hidden` in lab.yaml, or give the timing `against`",
        )
    if session.official:  # what the code remembers of other requests is not part of its speed
        session.renew()
    code = lab.solution if timing.against is None else None
    with Session(lab, code, sitting.backend, Limits.of(lab.spec.budgets)) as yardstick:
        turns = _Turns(lab, timing, session, seed, {})
        timed = interleave({YARDSTICK: yardstick, MINE: session}, turns.ask, timing.rounds)
    if failed := timed[YARDSTICK].failed:
        assert failed.failure is not None
        raise InfraError(
            f"the yardstick of {timing.name} failed, not your code: {failed.failure.message}",
            "this is the lab's fault, not yours: take the lab's folder anew",
        )
    if failed := timed[MINE].failed:
        return Found(failure=failed.failure, log=failed.log)
    if wrong := turns.first_difference():
        return Found(absent=f"what is fast must be right as well: {wrong}")
    ours, theirs = (
        timed[name].cpu_s if timing.clock == "cpu" else timed[name].wall_s
        for name in (MINE, YARDSTICK)
    )
    return Found(median_ratio(ours, theirs))


@dataclass(frozen=True)
class _Turns:
    """Asks either side for a round's work, and keeps what came back."""

    lab: Lab
    timing: Timing
    mine: Session
    seed: int
    got: dict[tuple[int, bool], Arrays]

    def ask(self, session: Session, number: int) -> Reply:
        """One turn, on the values of that round."""
        mine = session is self.mine
        given = self.timing.given(generator(self.seed, "given", number))
        function = self.timing.probe if mine or not self.timing.against else self.timing.against
        module = function.__module__.removeprefix(f"{self.lab.package}.")
        name = function.__qualname__
        reply = session.probe(module, name, given, derive(self.seed, "turn", number))
        self.got[number, mine] = reply.arrays
        return reply

    def first_difference(self) -> str:
        """Why some round's arrays are not those of the yardstick, or the empty string."""
        for number in range(self.timing.rounds + 1):
            ours, theirs = self.got[number, True], self.got[number, False]
            if wrong := validate(ours, declared(theirs)):
                return wrong
            compared = (
                close(ours[name], right, atol=self.timing.atol, rtol=self.timing.rtol, what=name)
                for name, right in theirs.items()
            )
            if not (outcome := every(*compared)).ok:
                return outcome.message
        return ""

"""Criteria that are played: the scorer owns the world, the model in the sandbox answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from dllab.checks import Play, validate
from dllab.errors import InfraError
from dllab.grading.code_checks import load_plays
from dllab.grading.predictions import weights_of
from dllab.grading.seeds import derive, generator
from dllab.lab.find import Lab
from dllab.lab.spec import Criterion
from dllab.metrics import METRICS, Measured, bounds_of_mean
from dllab.rundir.run import RunFolder
from dllab.sandbox.session import Failure, Reply, Session


@dataclass(frozen=True)
class Played:
    """What a play measured, or why it measured nothing (see Prediction)."""

    measured: Measured | None = None
    absent: str = ""
    failure: Failure | None = None
    log: str = ""


def play_criteria(session: Session, lab: Lab, run: RunFolder, seed: int) -> dict[str, Played]:
    """Play every criterion whose metric is a play of the lab's checks.py; by criterion.

    Raises InfraError for a metric that nobody has written, or a play that broke by itself.
    """
    criteria = [one for one in lab.spec.criteria.values() if one.metric not in METRICS]
    plays = load_plays(lab) if criteria else {}
    return {
        criterion.id: _play(session, run, criterion, plays, derive(seed, "play", criterion.id))
        for criterion in criteria
    }


def _play(
    session: Session, run: RunFolder, criterion: Criterion, plays: Mapping[str, Play], seed: int
) -> Played:
    if criterion.metric not in plays:
        known = ", ".join([*METRICS, *plays])
        raise InfraError(
            f"criterion {criterion.id}: there is no metric {criterion.metric!r}",
            f"lab.yaml may name: {known}",
        )
    weights, model, absent = weights_of(run, criterion.arm)
    if absent:
        return Played(absent=absent)
    if session.official:  # what the code remembers of other requests is no part of the model
        session.renew()
    loaded = session.load(weights, model, seed=derive(seed, "load"))
    if loaded.failure:
        return Played(failure=loaded.failure, log=loaded.log)
    play = plays[criterion.metric]
    try:
        numbers = play.numbers(Model(session, play.returns), generator(seed, "world"))
        return Played(measure(numbers, criterion))
    except LostPlayError as lost:
        return Played(failure=lost.failure, log=lost.reply.log)
    except Exception as error:
        raise InfraError(
            f"the play {criterion.metric} itself failed, not your code: "
            f"{type(error).__name__}: {error}",
            "this is the lab's fault, not yours: take the lab's folder anew",
        ) from error


def measure(numbers: Tensor, criterion: Criterion) -> Measured:
    """The mean of `[N]` numbers, and what chance leaves open."""
    bounds = bounds_of_mean(numbers)
    mean = float(numbers.double().mean())
    return Measured(
        mean,
        len(numbers),
        bounds.ci95,
        bounds.one_sided,
        direction="max" if criterion.target > criterion.floor else "min",
    )


class LostPlayError(Exception):
    """The model failed, or answered what no play can use."""

    def __init__(self, reply: Reply, failure: Failure) -> None:
        super().__init__(failure.message)
        self.reply, self.failure = reply, failure


class Model:
    """The Player of dllab.checks: asks a session for the model that it has loaded."""

    def __init__(self, session: Session, returns: str) -> None:
        self._session, self._returns = session, returns

    def sample(self, n: int, seed: int) -> Tensor:
        """Finite samples of the declared form, n of them."""
        return self._valid(self._session.sample(n, seed), "samples", n)

    def act(self, observations: Tensor) -> Tensor:
        """Finite actions of the declared form, one for each observation."""
        return self._valid(self._session.act(observations), "actions", len(observations))

    def _valid(self, reply: Reply, name: str, n: int) -> Tensor:
        if reply.failure:
            raise LostPlayError(reply, reply.failure)
        if wrong := validate(reply.arrays, {name: self._returns.replace("[*", f"[{n}", 1)}):
            raise LostPlayError(reply, Failure("raised", wrong))
        return reply.arrays[name]

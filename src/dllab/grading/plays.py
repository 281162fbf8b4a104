"""Criteria that are played: the scorer owns the world, the model in the sandbox answers."""

import math

from torch import Tensor

from dllab.checks import Play
from dllab.errors import InfraError
from dllab.grading.player import LostPlayError, ModelPlayer, SecretItems, ZeroPlayer, load_model
from dllab.grading.rows import Found
from dllab.grading.seeds import generator
from dllab.grading.sitting import Sitting
from dllab.lab.authored import find_named
from dllab.lab.scoring import data_of
from dllab.lab.spec import Criterion
from dllab.metrics import Measured, bounds_of_mean


def play_one(sitting: Sitting, criterion: Criterion, seed: int) -> Found:
    """Play a criterion with the weights of its arm, or with lab.py alone in a lab without arms.

    Raises InfraError for a play that nobody has written, or that broke by itself: a play which goes
    on with zeros for answers was broken by what the model answered.
    """
    lab, source = sitting.lab, sitting.source
    play = find_named(lab, criterion.id, criterion.metric, Play)
    missing = [name for name in lab.spec.artifacts if not sitting.run.artifact(name).is_file()]
    if missing:
        return Found(untrained=f"this run has no {missing[0]}: train all arms, without arm=…")
    if absent := load_model(sitting, criterion.arm, seed):
        return absent
    secret = play.items and source.kind == "hidden"
    try:
        player = ModelPlayer(sitting, play.returns, criterion.arm, seed)
        return Found(_played(play, player, sitting, criterion, seed))
    except LostPlayError as lost:
        return Found(failure=lost.failure, log=lost.reply.log, secret=secret)
    except Exception as error:
        if _goes_on_with_zeros(play, sitting, criterion, seed):
            in_words = isinstance(error, ValueError) and not secret
            told = str(error) if in_words else type(error).__name__
            return Found(absent=f"what your model answers ends the play: {told}")
        raise InfraError(
            f"the play {play.name} itself failed, not your code: {type(error).__name__}: {error}",
            "this is the lab's fault, not yours: take the lab's folder anew",
        ) from error


def _played(
    play: Play, player: ModelPlayer, sitting: Sitting, criterion: Criterion, seed: int
) -> Measured:
    """What a play measures; ValueError where that is no finite number."""
    data = data_of(sitting.lab, criterion) if play.items else ""
    items = (SecretItems(sitting.source, data, player),) if play.items else ()
    with player:
        measured = _measured(play.measure(player, generator(seed, "world"), *items), criterion)
    if not math.isfinite(measured.value):
        raise ValueError(f"it came to {measured.value}")
    return measured


def _goes_on_with_zeros(play: Play, sitting: Sitting, criterion: Criterion, seed: int) -> bool:
    """Whether a play works where all answers are zero: then what broke it is not ours."""
    try:
        _played(
            play, ZeroPlayer(sitting, play.returns, criterion.arm, seed), sitting, criterion, seed
        )
    except Exception:  # noqa: BLE001 - author code
        return False
    return True


def _measured(measured: Tensor | Measured, criterion: Criterion) -> Measured:
    """As a metric has measured it, or the mean of `[N]` numbers and what chance leaves open."""
    if isinstance(measured, Measured):
        return measured
    bounds = bounds_of_mean(measured)
    return Measured(
        float(measured.double().mean()),
        len(measured),
        bounds.ci95,
        bounds.one_sided,
        direction="max" if criterion.target > criterion.floor else "min",
        counted="tries",
    )

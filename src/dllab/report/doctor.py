"""The curve doctor: what a training curve says about a training, and what to change.

Every rule looks for one cause and keeps silent unless the curve shows it plainly. The rules of a
failed training are tried from the most telling to the least, and the first one speaks: a loss
that is nan also diverged, and naming both would help nobody. Findings explain; they never grade.

The numbers below were set on real runs, healthy ones and ones broken on purpose; the tests train
them again.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dllab.report.curves import Floats, Point, Series, names, read_series

SPIKE = 1.75  # times the untrained loss: no healthy first steps go there
WORSE = 1.3  # times the untrained loss at the end: learning went backwards
FLAT = 0.03  # of the loss of who knows nothing: less is no learning
DEAD = 0.05  # of the first gradient: what is left when the units no longer respond
RISE = 1.2  # times the best validation loss: so much is worth a word
NOISE = 3.0  # standard deviations between neighbouring validations: below, a rise may be chance
REPEATS = 0.75  # correlation of the loss between epochs: the same batches in the same order


@dataclass(frozen=True)
class Finding:
    """One thing the curve shows. `step_range` is where; `change` is what to do about it."""

    rule: str
    step_range: tuple[int, int]
    message: str
    change: str


@dataclass(frozen=True)
class _Curve:
    train: Series
    val: Series
    accuracy: Series
    gradient: Series
    gradients: dict[str, Series]
    guess: float

    @property
    def untrained(self) -> float:
        """The loss before learning: the first one logged."""
        return float(self.train.values[0])

    @property
    def ignorance(self) -> float:
        """The loss of who knows nothing about the inputs: no learning is needed for it."""
        return min(self.untrained, self.guess)

    @property
    def final(self) -> float:
        """The loss at the end: the median over the last fifth, so that no one batch decides."""
        return float(np.median(_tail(self.train.values)))


def find_curve_issues(curve: Sequence[Point], guess: float = math.inf) -> list[Finding]:
    """What is wrong with a training, from its curve alone; empty for a healthy one.

    `curve` holds points as curve.jsonl does: `step`, `epoch`, and sparsely `train/loss`,
    `val/loss`, `val/accuracy`, `grad_norm`, `grad_norm/MODULE`. Rules whose names are missing keep
    silent. `guess` is the loss of always giving each class the share that it has among the labels;
    an untrained network may score far worse than that.
    """
    read = _Curve(
        train=read_series(curve, "train/loss"),
        val=read_series(curve, "val/loss"),
        accuracy=read_series(curve, "val/accuracy"),
        gradient=read_series(curve, "grad_norm"),
        guess=guess,
        gradients={n: read_series(curve, n) for n in names(curve) if n.startswith("grad_norm/")},
    )
    if len(read.train) < 8:
        return []
    broken = _not_finite(read)
    if broken:
        return [broken]
    if float(np.min(read.train.values)) < 0:
        return []  # a loss that may be negative has no meaningful ratio
    # What the untrained network scored is known only if its first steps were logged.
    rules = (*_ANYWHERE, *_FROM_THE_START) if read.train.steps[0] <= 2 else _ANYWHERE
    failed = (rule(read) for rule in rules)
    root = next((finding for finding in failed if finding), None)
    return [finding for finding in (root, _overfit(read)) if finding]


def _not_finite(curve: _Curve) -> Finding | None:
    for what, series in (("training", curve.train), ("validation", curve.val)):
        bad = np.flatnonzero(~np.isfinite(series.values))
        if len(bad):
            first = int(series.steps[bad[0]])
            before = series.values[: bad[0]]
            grew = len(before) > 1 and float(before[-1]) > SPIKE * float(before[0])
            cause = "after the loss had grown without bound" if grew else "out of a normal loss"
            return Finding(
                "nan",
                (first, int(series.steps[-1])),
                f"The {what} loss is no longer a number from step {first} on, {cause}.",
                "Make sure that zero_grad runs before every backward. Then divide the learning "
                "rate by 10 and clip the gradient norm at 1."
                if grew
                else "Look for log(0), a division by zero or an exponential that overflows in the "
                "loss; compute it from logits with log_softmax.",
            )
    return None


def _not_shuffled(curve: _Curve) -> Finding | None:
    rows = _epochs_on_a_grid(curve.train)
    if len(rows) < 3:
        return None
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in itertools.pairwise(rows)]
    jump = float(np.ptp(np.mean(rows, axis=0)))
    if float(np.mean(pairs)) < REPEATS or jump < 0.25:
        return None
    return Finding(
        "not-shuffled",
        (int(curve.train.steps[0]), int(curve.train.steps[-1])),
        "The loss draws the same zigzag in every epoch: the batches come in the same order each "
        "time, and neighbours in the data are alike (sorted by class, for example).",
        "Shuffle the training split anew in every epoch (`shuffle=True`).",
    )


def _diverged(curve: _Curve) -> Finding | None:
    if curve.final < WORSE * curve.untrained:
        return None
    lowest = int(curve.train.steps[int(np.argmin(curve.train.values))])
    return Finding(
        "diverged",
        (lowest, int(curve.train.steps[-1])),
        f"The training loss ends at {curve.final:.3g}, above the {curve.untrained:.3g} of the "
        "untrained network: the steps lead away from the minimum.",
        "First make sure that zero_grad runs before every backward, else gradients pile up. "
        "Then divide the learning rate by 10, and clip the gradient norm.",
    )


def _rate_too_high(curve: _Curve) -> Finding | None:
    peak = int(np.argmax(curve.train.values))
    height = float(curve.train.values[peak])
    if peak == 0 or height < SPIKE * curve.untrained:
        return None
    return Finding(
        "learning-rate-too-high",
        (0, int(curve.train.steps[peak])),
        f"The training loss leaps to {height:.3g}, {height / curve.untrained:.1f} times that of "
        f"the untrained network: steps this long overshoot, and the network spends the rest of "
        "the run repairing the damage.",
        "Divide the learning rate by 10, or warm it up over the first few hundred steps.",
    )


def _frozen(curve: _Curve) -> Finding | None:
    moving = [n for n, series in curve.gradients.items() if float(np.nanmax(series.values)) > 0]
    still = [n.removeprefix("grad_norm/") for n in curve.gradients if n not in moving]
    if not still or not moving:
        return None
    return Finding(
        "frozen",
        (int(curve.train.steps[0]), int(curve.train.steps[-1])),
        f"No gradient reaches {', '.join(still)} at any step: only the rest of the network learns.",
        "Unfreeze it with requires_grad_(True) and put its parameters into the optimiser; look for "
        "a detach() or no_grad() on the way. For a linear probe this is as it should be.",
    )


def _softmax_twice(curve: _Curve) -> Finding | None:
    classes = math.exp(curve.untrained)
    if len(curve.val) < 2 or len(curve.accuracy) != len(curve.val) or classes > 1000:
        return None
    loss, accuracy = curve.val.values[-2:], curve.accuracy.values[-2:]
    # Probabilities taken for logits lie in [0, 1]. When they are confident, the loss of C classes
    # is log(e + C - 1), less 1 where the prediction is right.
    expected = math.log(math.e + classes - 1) - accuracy
    if float(np.min(accuracy)) < 0.5 or float(np.max(np.abs(loss - expected))) > 0.05:
        return None
    if float(np.min(np.abs(loss - curve.guess))) < 0.05:
        return None  # who always names a common class is often right, too
    return Finding(
        "softmax-twice",
        (int(curve.train.steps[0]), int(curve.train.steps[-1])),
        f"{accuracy[-1]:.0%} are right, and yet the loss stays at {loss[-1]:.2f}: exactly what "
        "cross-entropy gives when it is handed probabilities in place of logits.",
        "Give the loss the raw scores: cross_entropy applies log_softmax itself.",
    )


def _labels_do_not_fit(curve: _Curve) -> Finding | None:
    learns = curve.final < (1 - FLAT) * curve.ignorance
    if not learns or len(curve.val) < 2:
        return None
    if float(np.min(curve.val.values)) < (1 - FLAT) * curve.ignorance:
        return None
    return Finding(
        "labels-do-not-fit",
        (int(curve.val.steps[0]), int(curve.val.steps[-1])),
        "The training loss falls, but the validation loss was never better than that of a guess: "
        "what is learnt does not hold for new data at all.",
        "Look at twenty training items with their labels: inputs and labels may be shuffled apart. "
        "Then check that both splits are prepared in the same way.",
    )


def _died(curve: _Curve) -> Finding | None:
    gradient = curve.gradient.values
    if len(gradient) < 8 or not curve.guess < math.inf:
        return None
    if abs(curve.final - curve.guess) > FLAT * curve.guess:
        return None
    faint = DEAD * float(np.max(gradient[:3]))
    if float(np.median(_tail(gradient))) > faint:
        return None
    died = int(curve.gradient.steps[np.argmax(gradient < faint)])
    return Finding(
        "learning-rate-too-high",
        (0, died),
        f"By step {died} hardly any gradient is left, and the training loss stays at "
        f"{curve.final:.3g}, that of a guess: the first steps have thrown the weights to where the "
        "units respond to no input.",
        "Divide the learning rate by 10, or warm it up over the first few hundred steps.",
    )


def _flat(curve: _Curve) -> Finding | None:
    values = curve.train.values
    window = max(len(values) // 10, 3)
    level = np.convolve(values, np.ones(window) / window, "valid")
    if curve.final < (1 - FLAT) * curve.ignorance:
        return None
    if float(np.min(level)) < (1 - 2 * FLAT) * curve.ignorance:
        return None
    where = (int(curve.train.steps[0]), int(curve.train.steps[-1]))
    if abs(curve.final - curve.guess) < FLAT * curve.guess < abs(curve.untrained - curve.guess):
        return Finding(
            "flat",
            where,
            f"The training loss falls to {curve.final:.3g} and no further: that is what a guess "
            "costs. How often each class occurs has been learnt, and nothing of the inputs.",
            "Look at twenty training items with their labels: they may be shuffled apart. If they "
            "belong together, divide the learning rate by 10.",
        )
    return Finding(
        "flat",
        where,
        f"The training loss stays at {curve.final:.3g}, no better than a guess: nothing is learnt.",
        "Try to overfit one batch of 10 items. If that works, multiply the learning rate by 10; if "
        "not, the gradient does not arrive: look for detach(), a dead or saturated activation, or "
        "parameters that the optimiser was not given.",
    )


def _overfit(curve: _Curve) -> Finding | None:
    loss = curve.val.values
    if len(loss) < 5 or not np.isfinite(loss).all():
        return None
    level = np.convolve(loss, np.ones(3) / 3, "valid")  # the lowest of many values is mostly luck
    best = int(np.argmin(level)) + 1
    late = float(np.mean(loss[-max(3, len(loss) // 5) :]))
    rise = late - float(level[best - 1])
    noise = float(np.std(np.diff(loss[len(loss) // 4 :]))) / math.sqrt(2)
    if rise < (RISE - 1) * level[best - 1] or rise < NOISE * noise:
        return None
    if best >= len(loss) - 3 or curve.final > 0.8 * _around(curve.train, curve.val.steps[best]):
        return None
    return Finding(
        "overfit",
        (int(curve.val.steps[best]), int(curve.val.steps[-1])),
        f"The validation loss was best ({level[best - 1]:.3g}) around step "
        f"{int(curve.val.steps[best])} and has risen to {late:.3g} since, while the training loss "
        f"kept falling to {curve.final:.2g}: the network learns the training items by heart.",
        "Stop at the best step (the checkpoint of it is kept), or add augmentation, dropout or "
        "weight decay, or use more data.",
    )


_Rule = Callable[[_Curve], Finding | None]
_ANYWHERE: tuple[_Rule, ...] = (_not_shuffled, _diverged, _frozen)
_FROM_THE_START: tuple[_Rule, ...] = (
    _rate_too_high,
    _softmax_twice,
    _labels_do_not_fit,
    _died,
    _flat,
)


def _tail(values: Floats) -> Floats:
    return values[-max(len(values) // 5, 3) :]


def _around(series: Series, step: float) -> float:
    """The median of the few values nearest to a step."""
    nearest = np.argsort(np.abs(series.steps - step))[: max(len(series) // 10, 3)]
    return float(np.median(series.values[nearest]))


def _epochs_on_a_grid(series: Series, cells: int = 24) -> list[Floats]:
    """Each epoch's loss less its trend, at the same places of every epoch, relative to its mean.

    The first epoch is left out: what it shows is learning. Epochs with fewer than 8 points say
    nothing about an order.
    """
    rows = []
    for epoch in np.unique(series.epochs)[1:]:
        steps, values = (a[series.epochs == epoch] for a in (series.steps, series.values))
        if len(values) < 8 or not np.ptp(values):
            continue
        place = (steps - steps[0]) / (steps[-1] - steps[0])
        trend = np.polyval(np.polyfit(place, values, 1), place)
        grid = np.linspace(0, 1, min(cells, len(values)))
        rows.append(np.interp(grid, place, (values - trend) / values.mean()))
    length = min((len(row) for row in rows), default=0)
    return [row for row in rows if len(row) == length]

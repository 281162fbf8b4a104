"""The rules of the curve doctor: each looks for one cause in what a training left behind.

A rule keeps silent unless the evidence shows its cause plainly. The numbers were set on real runs,
healthy ones and ones broken on purpose, which the tests read and train again.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from dllab.report.evidence import Evidence, around, epochs_on_a_grid, noise, smooth, tail

SPIKE = 1.75  # times the untrained loss: no healthy first steps go there
WORSE = 1.3  # times the untrained loss at the end: learning went backwards
FLAT = 0.03  # of the loss of a blind guess: less is not learning
SLOPE = 0.5  # of the first gradient: as much is left where no way has been made
DEAD = 0.05  # of the first gradient: what is left when the units no longer respond
RISE = 1.2  # times the best validation loss: so much is worth a word
LEFT_OUT = 0.2  # of the network's numbers: a bias whose gradient is 0 for a reason is less
OUTGROWN = 10.0  # times what it reads: a layer whose weights were thrown far out
NOISE = 3.0  # standard deviations between neighbouring validations: below, a rise may be chance
SUMMED = 10.0  # times the validation loss: a training loss that is a sum over the batch
FAINT = 1e-3  # a gradient's norm: networks that learn begin with 0.05 to 50
SKILL = 0.3  # of the way from chance to faultless: more is not learnt from labels that do not fit
REPEATS = 0.75  # correlation of the loss between epochs: the same batches in the same order


@dataclass(frozen=True)
class Finding:
    """One thing the curve shows. `step_range` is where; `change` is what to do about it."""

    rule: str
    step_range: tuple[int, int]
    message: str
    change: str


def not_finite(curve: Evidence) -> Finding | None:
    """A loss that is nan or inf: out of a loss that grew, or at one stroke."""
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


def not_shuffled(curve: Evidence) -> Finding | None:
    """The same zigzag in every epoch: the same batches in the same order."""
    rows = epochs_on_a_grid(curve.train)
    if len(rows) < 3:
        return None
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in itertools.pairwise(rows)]
    jump = float(np.ptp(np.mean(rows, axis=0)))
    if float(np.mean(pairs)) < REPEATS or jump < 0.25:
        return None
    return Finding(
        "not-shuffled",
        curve.steps,
        "The loss draws the same zigzag in every epoch: the batches come in the same order each "
        "time, and neighbours in the data are alike (sorted by class, for example).",
        "Shuffle the training split anew in every epoch (`shuffle=True`).",
    )


def diverged(curve: Evidence) -> Finding | None:
    """A training loss that ends far above that of the untrained network."""
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


def rate_too_high(curve: Evidence) -> Finding | None:
    """A leap of the training loss, far above that of the untrained network."""
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


def frozen(curve: Evidence) -> Finding | None:
    """Parts of the network that no gradient ever reaches, where others learn."""
    moving = [n for n, series in curve.gradients.items() if not np.all(series.values == 0)]
    still = [n.removeprefix("grad_norm/") for n in curve.gradients if n not in moving]
    if not still or not moving:
        return None
    return Finding(
        "frozen",
        curve.steps,
        f"No gradient reaches {', '.join(still)} at any step: only the rest of the network learns.",
        "Unfreeze it with requires_grad_(True) and put its parameters into the optimiser; look for "
        "a detach() or no_grad() on the way. For a linear probe this is as it should be.",
    )


def left_out(curve: Evidence) -> Finding | None:
    """A part of the network that is the same behind the training as before it."""
    if not len(curve.still) or curve.still.values[-1] < LEFT_OUT:
        return None
    return Finding(
        "frozen",
        curve.steps,
        f"{curve.still.values[-1]:.0%} of the network's numbers are what they were before the "
        "training. They are not frozen, and yet no step has moved them.",
        "Give the optimiser all parameters, also those that thaw later: self.parameters(). Then "
        "look for a learning rate of 0 and for a detach() on the way.",
    )


def softmax_twice(curve: Evidence) -> Finding | None:
    """A validation loss as high as probabilities in the place of logits make it."""
    if len(curve.val) < 2 or len(curve.accuracy) != len(curve.val):
        return None
    if not 2.5 <= math.exp(min(curve.untrained, 99)) <= 1000:
        return None  # of two classes 85 % right at a loss of 0.5 is nothing unusual
    classes = math.exp(curve.untrained)
    loss, accuracy = curve.val.values[-2:], curve.accuracy.values[-2:]
    # Probabilities taken for logits lie in [0, 1]. When they are confident, the loss of C classes
    # is log(e + C - 1), less 1 where the prediction is right; when they are not, a little more.
    most = math.log(math.e + classes - 1)
    above = loss - (most - accuracy)
    if float(np.min(accuracy)) < 0.5 or np.any(above < -0.05) or np.any(above > 0.2):
        return None
    if curve.final < most - 1.05:
        return None  # so low no probabilities get: this one is sure of what it has learnt by heart
    if float(np.min(np.abs(loss - curve.guess))) < 0.05:
        return None  # who always names a common class is often right, too
    return Finding(
        "softmax-twice",
        curve.steps,
        f"{accuracy[-1]:.0%} are right, and yet the loss stays at {loss[-1]:.2f}: that is what "
        "cross-entropy gives when it is handed probabilities in place of logits.",
        "Give the loss the raw scores: cross_entropy applies log_softmax itself.",
    )


def summed_loss(curve: Evidence) -> Finding | None:
    """A training loss many times that of the validation, from the first to the last."""
    if len(curve.val) < 1:
        return None
    first, last = float(np.max(curve.val.values)), float(curve.val.values[-1])
    if last <= 0 or curve.untrained < SUMMED * first or curve.final < SUMMED * last:
        return None
    return Finding(
        "summed-loss",
        curve.steps,
        f"The training loss is {curve.final / last:.3g} times the validation loss: a sum over the "
        "batch where the validation takes the mean. The steps grow with the batch, and float16 "
        "overflows.",
        'Take the mean over the batch (`reduction="mean"`, the default).',
    )


def faint_gradient(curve: Evidence) -> Finding | None:
    """A gradient that is next to nothing from the first step on, and nothing learnt."""
    gradient = curve.gradient.values
    if not _learns_nothing(curve) or len(gradient) < 3 or not 0 < float(np.max(gradient)) < FAINT:
        return None
    return Finding(
        "gradient-too-small",
        curve.steps,
        f"The gradient that reaches the optimiser has a norm of {float(np.max(gradient)):.1g} at "
        "most, from the first step on, and nothing is learnt: something has made it small.",
        "Follow it from backward to step: gradients that are clipped before they are unscaled, a "
        "loss divided twice, an activation that is saturated from the start.",
    )


def labels_do_not_fit(curve: Evidence) -> Finding | None:
    """Training items are learnt, and it helps nothing on others."""
    learns = curve.final < (1 - FLAT) * curve.ignorance
    if not learns or len(curve.val) < 2 or curve.skill > SKILL:
        return None  # a loss that weighs classes is no lower than a guess at their shares
    loss = curve.val.values
    level = smooth(loss, 3) if len(loss) > 5 else loss  # the lowest of many is mostly luck
    if float(np.min(level)) < (1 - FLAT) * curve.ignorance:
        return None
    return Finding(
        "labels-do-not-fit",
        (int(curve.val.steps[0]), int(curve.val.steps[-1])),
        "The training loss falls, but the validation loss was never better than that of a guess: "
        "what is learnt does not hold for new data at all.",
        "Look at twenty training items with their labels: inputs and labels may be shuffled apart. "
        "Then check that both splits are prepared in the same way.",
    )


def died(curve: Evidence) -> Finding | None:
    """A gradient that is nearly gone behind the first steps, and a loss like that of a guess."""
    gradient = curve.gradient.values
    if len(gradient) < 8 or not curve.guess < math.inf:
        return None
    if abs(curve.final - curve.guess) > FLAT * curve.guess:
        return None
    faint = DEAD * float(np.max(gradient[:3]))
    if float(np.median(tail(gradient))) > faint:
        return None
    faded = int(curve.gradient.steps[np.argmax(gradient < faint)])
    return Finding(
        "learning-rate-too-high",
        (0, faded),
        f"By step {faded} hardly any gradient is left, and the training loss stays at "
        f"{curve.final:.3g}, that of a guess: the first steps have thrown the weights to where the "
        "units respond to no input.",
        "Divide the learning rate by 10, or warm it up over the first few hundred steps.",
    )


def outgrown(curve: Evidence) -> Finding | None:
    """Weights so large that nothing between them is in its working range any more."""
    if not curve.gain > OUTGROWN or curve.untrained > 3 * curve.guess:
        return None  # a network that scores so badly untrained may have begun with such weights
    return Finding(
        "learning-rate-too-high",
        curve.steps,
        f"The layers now multiply what they read by about {curve.gain:.0f}, where 1 to 4 is "
        "healthy: steps this long have thrown the weights far out, and the units are saturated.",
        "Divide the learning rate by 10, or warm it up over the first few hundred steps.",
    )


def too_slow(curve: Evidence) -> Finding | None:
    """A loss like that of a guess or worse, which every validation finds a little lower."""
    if not _learns_nothing(curve) or len(curve.val) < 3 or _fell_to_a_guess(curve):
        return None
    gradient = curve.gradient.values
    if len(gradient) < 3 or np.any(np.diff(curve.val.values) >= 0):
        return None
    if float(np.median(tail(gradient))) < SLOPE * float(np.median(gradient[:3])):
        return None  # the network has come to where it cannot get lower
    return Finding(
        "learning-rate-too-low",
        curve.steps,
        f"The training loss is still at {curve.final:.3g}, no better than a guess, and yet the "
        "validation loss is a little lower each time: the steps lead down, but they are too short.",
        "Multiply the learning rate by 10.",
    )


def unfinished(curve: Evidence) -> Finding | None:
    """A validation loss that falls each time, and is far from levelling off at the end."""
    loss = curve.val.values
    if len(loss) < 2 or np.any(np.diff(loss) >= 0):
        return None
    fall = 1 - float(loss[-1] / loss[-2])
    begun = curve.guess < math.inf and curve.final >= (1 - FLAT) * curve.guess
    steady = len(loss) >= 8 and float(loss[-1]) > 0.2 * curve.ignorance
    if not (begun and fall > 0.05) and not (steady and fall > 0.01):
        return None
    return Finding(
        "learning-rate-too-low",
        curve.steps,
        f"Each validation loss is lower than the one before, and the last one still by {fall:.0%}: "
        "the network learns, and is far from done.",
        "Multiply the learning rate by 10, or train for longer.",
    )


def flat(curve: Evidence) -> Finding | None:
    """A training loss that is never better than that of a guess."""
    if not _learns_nothing(curve):
        return None
    if len(curve.val) > 1 and float(np.ptp(curve.val.values)) > 0:
        return Finding(
            "flat",
            curve.steps,
            f"The training loss comes to {curve.final:.3g} and no further, no better than a guess. "
            "The weights move, and learn nothing of the inputs.",
            "Look at twenty training items with their labels: they may be shuffled apart. If they "
            "belong together, try a tenth of the learning rate, then ten times as much.",
        )
    return Finding(
        "flat",
        curve.steps,
        f"The training loss stays at {curve.final:.3g}, no better than a guess: nothing is learnt.",
        "Try to overfit one batch of 10 items. If that works, multiply the learning rate by 10; if "
        "not, the gradient does not arrive: look for detach(), a dead or saturated activation, or "
        "parameters that the optimiser was not given.",
    )


def _learns_nothing(curve: Evidence) -> bool:
    if curve.final < (1 - FLAT) * curve.ignorance:
        return False
    if len(curve.val) and float(np.min(curve.val.values)) < (1 - 2 * FLAT) * curve.ignorance:
        return False
    level = smooth(curve.train.values, max(len(curve.train) // 10, 3))
    return float(np.min(level)) >= (1 - 2 * FLAT) * curve.ignorance


def _fell_to_a_guess(curve: Evidence) -> bool:
    """How often each class occurs is learnt within a few steps, and goes with any labels."""
    near = FLAT * curve.guess
    return abs(curve.final - curve.guess) < near < abs(curve.untrained - curve.guess)


def overfit(curve: Evidence) -> Finding | None:
    """A validation loss that rises while the training loss goes on falling."""
    loss = curve.val.values
    if len(loss) < 5 or not np.isfinite(loss).all():
        return None
    level = smooth(loss, 3)  # the lowest of many values is mostly luck
    best = int(np.argmin(level)) + 1
    late = float(np.mean(loss[-max(3, len(loss) // 5) :]))
    rise = late - float(level[best - 1])
    chance = NOISE * noise(loss[len(loss) // 4 :])
    if rise < max((RISE - 1) * level[best - 1], chance):
        return None
    if best >= len(loss) - 3 or curve.final > 0.8 * around(curve.train, curve.val.steps[best]):
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

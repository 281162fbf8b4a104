"""The curve doctor: what a training's curve says about it, and what to change.

The rules of a failed training are tried from the most telling to the least, and the first one
speaks: a loss that is nan also diverged, and naming both would help nobody. Findings explain; they
never grade.
"""

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from dllab.report import curve_rules
from dllab.report.curve_rules import Finding
from dllab.report.curves import Point
from dllab.report.evidence import Evidence, gather

_Rule = Callable[[Evidence], Finding | None]
_ANYWHERE: tuple[_Rule, ...] = (
    curve_rules.not_shuffled,
    curve_rules.diverged,
    curve_rules.frozen,
    curve_rules.left_out,
)
_FROM_THE_START: tuple[_Rule, ...] = (
    curve_rules.summed_loss,
    curve_rules.rate_too_high,
    curve_rules.softmax_twice,
    curve_rules.outgrown,
    curve_rules.labels_do_not_fit,
    curve_rules.died,
    curve_rules.faint_gradient,
    curve_rules.too_slow,
    curve_rules.flat,
    curve_rules.unfinished,
)


@np.errstate(all="ignore")  # gradients of nan and inf compare as False, and are no finding
def find_curve_issues(
    curve: Sequence[Point],
    guess: float = math.inf,
    gain: float = math.nan,
    meant: Collection[str] = (),
    skill: float = math.nan,
) -> list[Finding]:
    """What is wrong with a training, from what it left behind; empty for a healthy one.

    `curve` holds points as curve.jsonl does: `step`, `epoch`, and sparsely `train/loss`,
    `val/loss`, `val/accuracy`, `grad_norm`, `grad_norm/MODULE`, and `still`, the share of the
    network that has not moved. Rules whose names are missing keep silent. `guess` is the loss of
    always giving each class the share that it has among the labels; an untrained network may score
    far worse than that. `gain` is what the trained network's layers typically multiply the size of
    their input by. What the rules in `meant` find is expected: it is left out, and hides nothing.
    `skill` is how far the trained network's answers are from chance, 0, to faultless, 1.
    """
    read = gather(curve, guess, gain, skill)
    if len(read.train) < 8:
        return []
    broken = curve_rules.not_finite(read)
    if broken:
        return [broken]
    if float(np.min(read.train.values)) < 0:
        return []  # a loss that may be negative has no meaningful ratio
    # What the untrained network scored is known only if its first steps were logged.
    rules = (*_ANYWHERE, *_FROM_THE_START) if read.train.steps[0] <= 2 else _ANYWHERE
    failed = (rule(read) for rule in rules)
    root = next((finding for finding in failed if finding and finding.rule not in meant), None)
    if root and root.rule == "labels-do-not-fit":
        return [root]  # what is learnt by heart then is only the consequence
    return [finding for finding in (root, curve_rules.overfit(read)) if finding]

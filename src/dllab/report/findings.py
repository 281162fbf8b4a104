"""What the curve doctor finds in a run, less what a lab does on purpose."""

import math
from statistics import median_low
from typing import TYPE_CHECKING

from dllab.lab.find import Lab
from dllab.report.curve_rules import Finding
from dllab.report.doctor import find_curve_issues
from dllab.rundir.run import ArmFolder, RunFolder

if TYPE_CHECKING:
    from torch import Tensor


def arm_findings(lab: Lab, arm: ArmFolder) -> list[Finding]:
    """The findings of one arm. A linear probe, for one, is frozen because it should be."""
    spec = lab.spec.arms.get(arm.name)
    meant = spec.on_purpose if spec else ()
    curve, guess, gain = arm.read_curve(), guess_loss(arm), layer_gain(arm)
    return find_curve_issues(curve, guess, gain, meant, skill(arm))


def run_findings(lab: Lab, run: RunFolder) -> dict[str, list[Finding]]:
    """The findings of every arm, by its name."""
    return {arm.name: arm_findings(lab, arm) for arm in run.arms()}


def guess_loss(arm: ArmFolder) -> float:
    """The cross-entropy of the best constant answer on the validation split, in nats.

    It is the entropy of the labels beside the arm's predictions; infinite where there are none, or
    where the answers are not classes.
    """
    answers = _class_answers(arm)
    if answers is None:
        return math.inf
    share = answers[0].bincount().double()
    share = share[share > 0] / share.sum()
    return float(-(share * share.log()).sum())


def skill(arm: ArmFolder) -> float:
    """How far the chosen weights' answers are from chance, 0, to faultless, 1; nan without classes.

    By balanced accuracy on the validation split: who always names the most frequent class has none.
    """
    answers = _class_answers(arm)
    if answers is None:
        return math.nan
    label, predicted = answers
    classes = label.bincount().nonzero().flatten()
    if len(classes) < 2:
        return math.nan
    right = [float((predicted[label == one] == one).float().mean()) for one in classes]
    chance = 1 / len(classes)
    return (sum(right) / len(right) - chance) / (1 - chance)


def _class_answers(arm: ArmFolder) -> "tuple[Tensor, Tensor] | None":
    """Label and predicted class of each place that has a label, int64 [N]; None: no classes."""
    from safetensors.torch import load_file

    if not arm.predictions.is_file():
        return None
    arrays = load_file(arm.predictions)
    label, scores = arrays.get("label"), arrays.get("scores")
    if label is None or scores is None:
        return None
    if label.is_floating_point() or scores.dim() != label.dim() + 1:
        return None
    known = label >= 0
    return label[known], scores.argmax(dim=1)[known]


def layer_gain(arm: ArmFolder) -> float:
    """What a layer of the trained network multiplies the size of its input by, as a rule.

    For weights of root mean square w that read n numbers each, that is w √n (He et al., 2015): √2
    for a fresh ReLU layer, 1 to 4 for trained ones. The median over all matrices and filters; nan
    where there are none, or where the file is damaged: the grade says so.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(arm.weights).values()
    except (OSError, SafetensorError):
        return math.nan
    gains = [
        float(tensor.float().square().mean().sqrt()) * math.sqrt(tensor[0].numel())
        for tensor in tensors
        if tensor.ndim > 1 and tensor.numel() and tensor.is_floating_point()
    ]
    return median_low(gains) if gains else math.nan

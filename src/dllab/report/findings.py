"""What the curve doctor finds in a run, less what a lab does on purpose."""

import math
from statistics import median_low

from dllab.lab.find import Lab
from dllab.report.curve_rules import Finding
from dllab.report.doctor import find_curve_issues
from dllab.rundir.run import ArmFolder, RunFolder


def arm_findings(lab: Lab, arm: ArmFolder) -> list[Finding]:
    """The findings of one arm. A linear probe, for one, is frozen because it should be."""
    spec = lab.spec.arms.get(arm.name)
    meant = spec.on_purpose if spec else ()
    return find_curve_issues(arm.read_curve(), guess_loss(arm), layer_gain(arm), meant)


def run_findings(lab: Lab, run: RunFolder) -> dict[str, list[Finding]]:
    """The findings of every arm, by its name."""
    return {arm.name: arm_findings(lab, arm) for arm in run.arms()}


def guess_loss(arm: ArmFolder) -> float:
    """The cross-entropy of the best constant answer on the validation split, in nats.

    It is the entropy of the labels beside the arm's predictions; infinite where there are none, or
    where the answers are not classes.
    """
    from safetensors.torch import load_file

    if not arm.predictions.is_file():
        return math.inf
    arrays = load_file(arm.predictions)
    label, scores = arrays.get("label"), arrays.get("scores")
    if label is None or scores is None:
        return math.inf
    if label.is_floating_point() or scores.dim() != label.dim() + 1:
        return math.inf  # no classes
    share = label[label >= 0].flatten().bincount().double()
    share = share[share > 0] / share.sum()
    return float(-(share * share.log()).sum())


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

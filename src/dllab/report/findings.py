"""What the curve doctor finds in a run, less what a lab does on purpose."""

import math

from dllab.lab.find import Lab
from dllab.report.doctor import Finding, find_curve_issues
from dllab.rundir.run import ArmFolder, RunFolder


def arm_findings(lab: Lab, arm: ArmFolder) -> list[Finding]:
    """The findings of one arm. A linear probe, for one, is frozen because it should be."""
    spec = lab.spec.arms.get(arm.name)
    meant = spec.on_purpose if spec else ()
    found = find_curve_issues(arm.read_curve(), guess_loss(arm))
    return [finding for finding in found if finding.rule not in meant]


def run_findings(lab: Lab, run: RunFolder) -> dict[str, list[Finding]]:
    """The findings of every arm, by its name."""
    return {arm.name: arm_findings(lab, arm) for arm in run.arms()}


def guess_loss(arm: ArmFolder) -> float:
    """The cross-entropy of the best constant answer on the validation split, in nats.

    It is the entropy of the labels beside the arm's predictions; infinite where there are none.
    """
    from safetensors.torch import load_file

    if not arm.predictions.is_file():
        return math.inf
    share = load_file(arm.predictions)["label"].bincount().double()
    share = share[share > 0] / share.sum()
    return float(-(share * share.log()).sum())

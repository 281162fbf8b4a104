"""What the curve doctor finds in a run, less what a lab does on purpose."""

from dllab.lab.find import Lab
from dllab.report.doctor import Finding, find_curve_issues
from dllab.rundir.run import ArmFolder, RunFolder


def arm_findings(lab: Lab, arm: ArmFolder) -> list[Finding]:
    """The findings of one arm. A linear probe, for one, is frozen because it should be."""
    spec = lab.spec.arms.get(arm.name)
    meant = spec.on_purpose if spec else ()
    return [found for found in find_curve_issues(arm.read_curve()) if found.rule not in meant]


def run_findings(lab: Lab, run: RunFolder) -> dict[str, list[Finding]]:
    """The findings of every arm, by its name."""
    return {arm.name: arm_findings(lab, arm) for arm in run.arms()}

"""Mistakes that everybody makes, made on purpose in labs 01 to 05 and 20, trained, and named.

The runs were trained by broken_runs.py. docs/troubleshooting.md shows what named each of them.
"""

import re
from functools import cache
from pathlib import Path

import broken_runs
import pytest
from broken_runs import CASES, Case, Run

from dllab.lab.find import Lab, find_lab
from dllab.report.curve_rules import Finding
from dllab.report.doctor import find_curve_issues

REPO = Path(__file__).resolve().parent.parent
TABLE = (REPO / "docs/troubleshooting.md").read_text(encoding="utf-8").partition("| mistake |")[2]
CAUSES = {
    "learning rate x 100": {"learning-rate-too-high", "diverged"},
    "shuffled labels": {"labels-do-not-fit", "flat"},
    "frozen backbone": {"frozen"},
    "no zero_grad": {"training-step"},
    "softmax twice": {"softmax-twice"},
    "learning rate / 100": {"learning-rate-too-low"},
    "learning rate / 100 in 2 epochs": {"learning-rate-too-low"},
    "clipped before unscaling": {"gradient-too-small"},
    "summed loss": {"summed-loss"},
}
HEALTHY = ("none", "weighted loss")  # the latter costs more than a guess, and learns
BROKEN = [case for case in CASES if case.mistake not in HEALTHY]


@cache
def record() -> dict[tuple[str, str, str], Run]:
    return {broken_runs.key(run): run for run in broken_runs.read()}


def lab_of(case: Case) -> Lab:
    return find_lab(REPO, case.lab)


def findings(case: Case) -> list[Finding]:
    run = record()[case.key]
    meant = lab_of(case).spec.arms[case.arm].on_purpose
    return find_curve_issues(run["curve"], run["guess"], run["gain"], meant)


def named(case: Case) -> set[str]:
    """The findings and the failed checks of a run."""
    return {finding.rule for finding in findings(case)} | set(record()[case.key]["failed"])


def name(case: Case) -> str:
    return "-".join(case.key)


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_mistake_is_named_by_its_cause(case: Case) -> None:
    assert named(case) & CAUSES[case.mistake]


@pytest.mark.parametrize("case", [c for c in BROKEN if "x 100" in c.mistake], ids=name)
def test_too_high_a_rate_is_told_to_be_divided(case: Case) -> None:
    assert "ivide the learning rate by 10" in findings(case)[0].change


@pytest.mark.parametrize("case", [c for c in BROKEN if "labels" in c.mistake], ids=name)
def test_shuffled_labels_are_told_to_be_looked_at(case: Case) -> None:
    assert "twenty training items with their labels" in findings(case)[0].change


A04 = [case for case in BROKEN if case.mistake in list(CAUSES)[5:]]


@pytest.mark.parametrize("case", A04, ids=name)
def test_a04_the_first_finding_is_the_cause(case: Case) -> None:
    """Not `flat` with labels to look at, nor a rate that is too low where the gradient is."""
    assert {finding.rule for finding in findings(case)} == CAUSES[case.mistake]


def test_a04_a_weighted_loss_may_be_above_that_of_a_guess() -> None:
    """Beside answers that are right it does not say that labels do not fit; beside none it does."""
    run = next(run for key, run in record().items() if key[0] == "weighted loss")
    curve = [
        {name: value * 1.1 if name == "val/loss" else value for name, value in point.items()}
        for point in run["curve"]
    ]
    assert find_curve_issues(curve, run["guess"], run["gain"], skill=0.62) == []  # a run's own
    (finding,) = find_curve_issues(curve, run["guess"], run["gain"], skill=0.05)
    assert finding.rule == "labels-do-not-fit"


@pytest.mark.parametrize("case", [case for case in CASES if case.mistake in HEALTHY], ids=name)
def test_a_reference_is_left_alone(case: Case) -> None:
    assert findings(case) == []


def test_the_page_says_what_names_each_mistake() -> None:
    """A cell holds what was found in any arm of the lab; empty: nobody writes that there."""
    head, _, *rows = TABLE.partition("\n\n")[0].splitlines()
    labs = re.findall(r"lab (\d\d)", head)
    shown = {
        (mistake.strip(), number): names
        for _, mistake, *cells, _ in (line.split("|") for line in rows)
        for number, cell in zip(labs, cells, strict=True)
        if (names := set(re.findall(r"`([a-z-]+)`", cell)))
    }
    found: dict[tuple[str, str], set[str]] = {}
    for case in BROKEN:
        found.setdefault((case.mistake, case.lab), set()).update(named(case))
    assert shown == found

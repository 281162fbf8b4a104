"""The curve doctor against real trainings: healthy ones, and ones broken on purpose."""

import json
import math
import random
from pathlib import Path

import pytest
import report_runs
import torch
from safetensors.torch import save_file
from training_lab import Project

from dllab.cli import main
from dllab.report.curves import panels
from dllab.report.doctor import find_curve_issues
from dllab.report.findings import guess_loss, skill
from dllab.report.plots import draw_panel
from dllab.rundir.run import RunFolder

BROKEN = {
    "rate-too-high": "learning-rate-too-high",
    "rate-too-low": "learning-rate-too-low",
    "exploding": "nan",
    "labels": "labels-do-not-fit",
    "sorted": "not-shuffled",
    "same-order": "not-shuffled",
    "softmax-twice": "softmax-twice",
    "frozen": "frozen",
    "overfit": "overfit",
}


@pytest.fixture(autouse=True)
def project(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are found from the working directory."""
    monkeypatch.chdir(repo)


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_training_is_left_alone(seed: int) -> None:
    assert find_curve_issues(report_runs.train_clothes(seed=seed)) == []


def test_a_rise_within_the_noise_of_few_items_is_left_alone() -> None:
    """Of 45 validation series, one that is missed moves the loss by more than its best value."""
    assert find_curve_issues(report_runs.train_vowels(seed=2)) == []


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_training_is_named_by_its_cause(kind: str) -> None:
    curve = report_runs.train_clothes(kind)
    findings = find_curve_issues(curve)
    assert [finding.rule for finding in findings] == [BROKEN[kind]]
    first, last = findings[0].step_range
    assert 0 <= first < last <= curve[-1]["step"]
    assert findings[0].message
    assert findings[0].change


def test_gradients_that_pile_up_are_traced_to_zero_grad() -> None:
    (finding,) = find_curve_issues(report_runs.train_clothes("no-zero-grad"))
    assert finding.rule in ("diverged", "nan")
    assert "zero_grad" in finding.change


def test_a_curve_without_its_start_is_not_judged_by_it() -> None:
    curve = report_runs.train_clothes("rate-too-low")
    assert find_curve_issues([point for point in curve if point["step"] > 10]) == []


def test_too_short_a_curve_says_nothing() -> None:
    assert find_curve_issues([]) == []
    assert find_curve_issues(report_runs.train_clothes("exploding")[:3]) == []


ODD = (math.nan, math.inf, -math.inf, 0.0, -1.0, 710.0, 1e300, 5e-324, 2.3)
NAMES = (
    "train/loss",
    "val/loss",
    "val/accuracy",
    "grad_norm",
    "grad_norm/a",
    "grad_norm/b",
    "still",
)


def odd_values(rng: random.Random, count: int) -> list[float]:
    """Constant, healthy, exploding, or with numbers that no rule expects."""
    odd = rng.choice(ODD)
    return rng.choice(
        [
            [odd] * count,
            [rng.uniform(0, 3) for _ in range(count)],
            [10 ** min(30.0 * i, 308.0) for i in range(count)],
            [rng.choice(ODD) for _ in range(count)],
            [rng.choice([rng.uniform(0, 3), odd]) for _ in range(count)],
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_a03_rules_bear_any_numbers(seed: int) -> None:
    """inf, nan, overflow, empty, short and constant curves: a finding or none, never an error."""
    rng = random.Random(seed)
    for _ in range(50):
        per_epoch = rng.choice([1, 8, 10])
        points = [
            {"step": rng.choice([i, i, 0]), "epoch": i // per_epoch, name: value}
            for name in NAMES
            for i, value in enumerate(odd_values(rng, rng.choice([0, 1, 2, 7, 8, 12, 30, 60])))
        ]
        guess = rng.choice([math.inf, math.nan, 0.0, 2.3, 1e300])
        found = find_curve_issues(points, guess, rng.choice([math.nan, 0.0, 5.0, 50.0, math.inf]))
        assert all(finding.message and finding.change for finding in found)


def test_a03_a_loss_that_overflows_is_named() -> None:
    """A loss of thousands, as float16 gives before it ends in inf: its exponential has no float."""
    losses = [2e4, 3e4, 5e4, 4e4, 6e4, 5e4, 4e4, 7e4, 9e4, 1e5]
    points = [{"step": 10 * i, "epoch": 0, "train/loss": loss} for i, loss in enumerate(losses)]
    points += [{"step": 10 * i, "epoch": i, "val/loss": 5e4, "val/accuracy": 0.6} for i in range(3)]
    assert [finding.rule for finding in find_curve_issues(points, 2.3)] == ["diverged"]


def test_panels_pair_training_with_validation_and_leave_places_out() -> None:
    drawn = panels(report_runs.train_clothes())
    assert [panel.title for panel in drawn] == [
        "Loss",
        "Accuracy",
        "Learning rate",
        "Gradient norm",
    ]
    assert list(drawn[0].lines) == ["train", "val"]


def test_a_drawing_takes_its_ink_from_the_page() -> None:
    panel = panels(report_runs.train_clothes())[0]
    svg = draw_panel(panel, [(10, 50)])
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "#010" not in svg
    assert "#020" not in svg
    assert svg == draw_panel(panel, [(10, 50)])


def test_a_drawing_bears_values_that_are_not_numbers() -> None:
    curve = json.loads(json.dumps(report_runs.train_clothes("exploding")))
    assert all(draw_panel(panel) for panel in panels(curve))


LOADED = 'self.train = self.load(self.name, "train", self.size)\n'
MIXED = f'{LOADED}        self.train["label"] = self.train["label"].roll(1)\n'
ALL, HEAD = "AdamW(self.parameters()", "AdamW(self.net[-1].parameters()"
# The untrained network of lab 01 scores worse than a guess: that hides that nothing is learnt.
BROKEN_LAB_01 = {
    "learning-rate-too-high": (LOADED, LOADED, "model.lr=0.1", "Divide the learning rate by 10"),
    "flat": (LOADED, MIXED, "model.lr=0.001", "they may be shuffled apart"),
    "frozen": (ALL, HEAD, "trainer.max_epochs=2", "Give the optimiser all parameters"),
}


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("rule", BROKEN_LAB_01)
def test_a_broken_run_of_a_lab_is_named_in_its_result(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, repo)
    right, wrong, override, told = BROKEN_LAB_01[rule]
    project.edit(right, wrong)
    assert main(["train", "01", "trainer.max_epochs=4", override]) == 0  # an experiment
    (finding,) = json.loads((project.only_run() / "result.json").read_text())["curve_findings"]
    assert (finding["arm"], finding["rule"]) == ("main", rule)
    assert told in finding["change"]


def test_a04_skill_counts_each_class_alike(tmp_path: Path) -> None:
    arm = RunFolder(tmp_path).arm("main")
    assert math.isnan(skill(arm))
    arm.path.mkdir(parents=True)
    label = torch.tensor([0] * 8 + [1, 1])
    answers = {"always the first": ([0] * 10, 0.0), "one of two": ([0] * 9 + [1], 0.5)}
    for predicted, expected in answers.values():
        scores = torch.eye(2)[torch.tensor(predicted)]
        save_file({"label": label, "scores": scores}, arm.predictions)
        assert skill(arm) == pytest.approx(expected)


def test_a_guess_costs_the_entropy_of_the_labels(tmp_path: Path) -> None:
    arm = RunFolder(tmp_path).arm("main")
    assert guess_loss(arm) == math.inf
    arm.path.mkdir(parents=True)
    label = torch.tensor([0, 0, 0, 2])
    save_file({"label": label, "scores": torch.zeros(4, 3)}, arm.predictions)
    assert guess_loss(arm) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))

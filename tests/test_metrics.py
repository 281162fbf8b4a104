"""Metrics against values worked out by hand, and intervals against what they promise."""

import math

import pytest
import torch

from dllab.grading.rule import apply_rule
from dllab.lab.spec import Criterion
from dllab.metrics import METRICS, accuracy, balanced_accuracy, macro_f1, nats, wilson

# truth 0 0 0 1 1 2, predicted 0 0 1 1 1 0: recalls 2/3, 1, 0; F1 2/3, 4/5, 0
LABEL = torch.tensor([0, 0, 0, 1, 1, 2])
SCORES = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 1, 0]), 4).float()


def test_values_are_those_worked_out_by_hand():
    assert accuracy(SCORES, LABEL).value == pytest.approx(4 / 6)
    assert balanced_accuracy(SCORES, LABEL).value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert macro_f1(SCORES, LABEL).value == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)


def test_nats_of_equal_scores_is_the_log_of_the_classes():
    measured = nats(torch.zeros(5, 7), torch.arange(5))
    assert measured.value == pytest.approx(math.log(7))
    assert measured.direction == "min"
    assert measured.ci95.low == pytest.approx(measured.ci95.high)


def test_nats_stays_finite_for_huge_scores():
    assert nats(torch.tensor([[1e4, 0.0], [0.0, 1e4]]), torch.tensor([1, 1])).value == 5e3


def test_wilson_is_the_published_interval():
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: 81 of 263 and 0 of 20
    assert wilson(81, 263, 1.959964) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.parametrize("name", METRICS)
def test_intervals_hold_the_value_and_narrow_with_n(name):
    def sample(n):
        rng = torch.Generator().manual_seed(n)
        label = torch.randint(5, (n,), generator=rng)
        scores = torch.randn(n, 5, generator=rng)
        scores[torch.arange(n), label] += 1
        return METRICS[name](scores, label)

    few, many = sample(100), sample(10_000)
    for measured in (few, many):
        assert measured.ci95.low < measured.one_sided.low < measured.value
        assert measured.value < measured.one_sided.high < measured.ci95.high
    assert 5 < (few.ci95.high - few.ci95.low) / (many.ci95.high - many.ci95.low) < 20


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng, held = torch.Generator().manual_seed(0), 0
    for _ in range(200):
        label = torch.randint(2, (300,), generator=rng)
        right = torch.rand(300, generator=rng) < 0.8
        scores = torch.nn.functional.one_hot(torch.where(right, label, 1 - label), 2).float()
        interval = balanced_accuracy(scores, label).ci95
        held += interval.low <= 0.8 <= interval.high
    assert 180 <= held <= 198


@pytest.mark.parametrize(
    ("scores", "label", "words"),
    [
        (torch.zeros(3), torch.zeros(3).long(), "scores [N, C]"),
        (torch.zeros(3, 2), torch.zeros(2).long(), "scores [N, C]"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), "2 columns"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(scores, label, words):
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        accuracy(scores, label)


def right(count, n=1000):
    """Measured accuracy of `count` right answers among n."""
    label = torch.zeros(n).long()
    return accuracy(
        torch.stack([torch.arange(n) < count, torch.arange(n) >= count], 1) * 1.0, label
    )


def criterion(target, floor):
    return Criterion("a", "A", "accuracy", 10, target, floor)


@pytest.mark.parametrize(
    ("count", "fraction"),
    [(900, 1.0), (890, 1.0), (885, 1.0), (850, 0.75), (800, 0.5), (700, 0.0), (500, 0.0)],
)
def test_points_are_full_unless_significantly_missed_then_linear(count, fraction):
    assert apply_rule(right(count), criterion(0.9, 0.7)).fraction == pytest.approx(fraction)


def test_the_rule_works_in_both_directions():
    # 200 losses around 1.5 with a standard error of about 0.0354
    scores = torch.tensor([[0.0, -1.0], [0.0, -2.0]]).repeat(100, 1)
    losses = torch.log_softmax(scores.double(), 1)[:, 1].neg()
    measured = nats(scores, torch.ones(200).long())
    assert measured.value == pytest.approx(float(losses.mean()))
    value = measured.value
    assert apply_rule(measured, criterion(value + 0.1, value + 1)).fraction == 1
    assert apply_rule(measured, criterion(value - 0.01, value + 1)).fraction == 1
    assert apply_rule(measured, criterion(value - 0.5, value + 0.5)).fraction == pytest.approx(0.5)
    missed = apply_rule(measured, criterion(value - 2, value - 1))
    assert missed.fraction == 0
    assert "expected ≤" in missed.message

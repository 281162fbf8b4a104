"""Metrics against values worked out by hand, and intervals against what they promise."""

import math
import tracemalloc

import numpy as np
import pytest
import torch

from dllab.grading.rule import apply_rule, is_incredible
from dllab.lab.spec import Criterion
from dllab.metrics import METRICS, bounds_of_mean, median_ratio, metric, metrics_of, wilson
from dllab.metrics.classification import accuracy, balanced_accuracy, macro_f1, nats
from dllab.metrics.vision import overlap

# truth 0 0 0 1 1 2, predicted 0 0 1 1 1 0: recalls 2/3, 1, 0; F1 2/3, 4/5, 0
LABEL = torch.tensor([0, 0, 0, 1, 1, 2])
SCORES = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 1, 0]), 4).float()
OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "nats")
OF_NUMBERS = ("mae", "rmse", "r2")


def value(name, scores, **items):
    return METRICS[name](scores, items).value


def test_values_are_those_worked_out_by_hand():
    assert value("accuracy", SCORES, label=LABEL) == pytest.approx(4 / 6)
    assert value("balanced_accuracy", SCORES, label=LABEL) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert value("macro_f1", SCORES, label=LABEL) == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)


def test_nats_of_equal_scores_is_the_log_of_the_classes():
    measured = nats(torch.zeros(5, 7), {"label": torch.arange(5)})
    assert measured.value == pytest.approx(math.log(7))
    assert (measured.direction, measured.unit) == ("min", "nats")
    assert measured.ci95.low == pytest.approx(measured.ci95.high)


def test_nats_stays_finite_for_huge_scores():
    scores = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    assert value("nats", scores, label=torch.tensor([1, 1])) == 5e3


def test_errors_of_numbers_are_those_worked_out_by_hand():
    scores, label = torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[1.0, 4.0], [3.0, 2.0]])
    assert value("mae", scores, label=label) == pytest.approx((0 + 2 + 0 + 4) / 4)
    assert value("rmse", scores, label=label) == pytest.approx(math.sqrt((4 + 16) / 4))
    # the first place is right; the second is off by 20 where the labels bounds by 2
    assert value("r2", scores, label=label) == pytest.approx((1 + (1 - 20 / 2)) / 2)
    assert value("mae", scores[:, 0], label=label[:, 1]) == pytest.approx((3 + 1) / 2)


def test_miou_counts_the_places_of_all_items_together_and_leaves_out_what_is_not_asked():
    truth = torch.tensor([[[0, 0], [1, 1]], [[1, 1], [1, -1]]])
    said = torch.tensor([[[0, 1], [1, 1]], [[1, 1], [0, 0]]])
    scores = torch.nn.functional.one_hot(said, 3).permute(0, 3, 1, 2).float()
    # class 0: 1 of 3 places (one said in the second item), class 1: 4 of 6, class 2 never occurs
    assert value("miou", scores, label=truth) == pytest.approx((1 / 3 + 4 / 6) / 2)


BOXES = torch.tensor([[[0, 0, 2, 2], [4, 4, 6, 6.0]], [[0, 0, 1, 1], [0, 0, 0, 0.0]]])
CLASSES, COUNTS = torch.tensor([[0, 0], [0, 0]]), torch.tensor([2, 1])


def said_boxes(*rows):
    """Places for boxes of each of two items: (item, x0, y0, x1, y1, class, confidence)."""
    scores = torch.zeros(2, 4, 6)
    for place, (item, *numbers) in enumerate(rows):
        scores[item, place] = torch.tensor(numbers, dtype=torch.float32)
    return scores


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0, 0, 0, 2, 2, 0, 0.9), (0, 4, 4, 6, 6, 0, 0.8), (1, 0, 0, 1, 1, 0, 0.7)], 1.0),
        ([(0, 0, 0, 2, 2, 0, 0.9)], 1 / 3),  # two of three boxes are missing
        ([(0, 0, 0, 2, 2, 0, 0.9), (0, 0, 0, 2, 2, 0, 0.8)], 1 / 3),  # found twice counts once
        ([(0, 9, 9, 10, 10, 0, 0.9), (0, 0, 0, 2, 2, 0, 0.8)], 1 / 6),  # behind a false one
        ([(0, 0, 0, 2, 2, 1, 0.9)], 0.0),  # of another class
        ([(0, 0, 0, 2, 2, -1e-6, 0.9)], 1 / 3),  # not quite a whole number
        ([(0, 1, 1, 3, 3, 0, 0.9)], 0.0),  # overlaps by a seventh
        ([(0, 0, 0, 2, 2, 0, 0.0)], 0.0),  # an empty place
    ],
)
def test_boxes_are_found_once_by_class_and_overlap(rows, expected):
    found = value("box_ap", said_boxes(*rows), boxes=BOXES, classes=CLASSES, count=COUNTS)
    assert found == pytest.approx(expected)


def test_box_ap_is_scikit_learns_average_precision_scaled_by_what_was_found():
    from sklearn.metrics import average_precision_score

    rng = torch.Generator().manual_seed(0)
    confidence, right = torch.rand(40, generator=rng) + 0.1, torch.rand(40, generator=rng) < 0.6
    boxes = torch.tensor([[[0, 0, 1, 1.0]]]).expand(40, 1, 4)
    scores = torch.cat([boxes + 5 * ~right[:, None, None], torch.zeros(40, 1, 2)], 2)
    scores[:, 0, 5] = confidence
    ones = torch.ones(40, dtype=torch.int64)
    ours = value("box_ap", scores, boxes=boxes, classes=0 * ones[:, None], count=ones)
    theirs = average_precision_score(right, confidence) * float(right.float().mean())
    assert ours == pytest.approx(theirs)


def test_overlap_is_intersection_over_union():
    one = torch.tensor([[0, 0, 2, 2.0], [1, 1, 1, 1]])
    assert overlap(one, torch.tensor([[1, 1, 3, 3.0]])).tolist() == [[pytest.approx(1 / 7)], [0.0]]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("macro_f1", "f1_score"), ("balanced_accuracy", "balanced_accuracy_score")],
)
def test_what_is_counted_by_hand_agrees_with_scikit_learn(name, theirs):
    import sklearn.metrics

    rng = torch.Generator().manual_seed(0)
    label, scores = torch.randint(5, (200,), generator=rng), torch.randn(200, 6, generator=rng)
    options = {"average": "macro"} if name == "macro_f1" else {}
    if name == "balanced_accuracy":  # it warns of classes that are said and never true
        scores[:, 5] = -9
    expected = getattr(sklearn.metrics, theirs)(label, scores.argmax(1), **options)
    assert value(name, scores, label=label) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_areas_of_two_classes_agree_with_scikit_learn(name):
    import sklearn.metrics

    rng = torch.Generator().manual_seed(0)
    label = torch.randint(2, (200,), generator=rng)
    margin = (torch.randn(200, generator=rng) + label).round(decimals=1)  # with ties
    scores = torch.stack([torch.zeros(200), margin], 1)
    theirs = getattr(sklearn.metrics, f"{name}_score")(label, margin)
    assert value(name, scores, label=label) == pytest.approx(theirs)


def test_r2_agrees_with_scikit_learn():
    from sklearn.metrics import r2_score

    scores, items = sample("r2", 200)
    theirs = r2_score(items["label"] + 1e4, scores + 1e4)
    assert value("r2", scores, **items) == pytest.approx(theirs, rel=1e-4)


def test_wilson_is_the_published_interval():
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: 81 of 263 and 0 of 20
    assert wilson(81, 263, 1.959964) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)


def sample(name, n):
    """Scores somewhat better than chance, and the items they are of."""
    rng = torch.Generator().manual_seed(n)
    if name in OF_CLASSES:
        label = torch.randint(5, (n,), generator=rng)
        scores = torch.randn(n, 5, generator=rng)
        scores[torch.arange(n), label] += 1
        return scores, {"label": label}
    label = torch.randn(n, 2, generator=rng)
    return label + torch.randn(n, 2, generator=rng) / 2, {"label": label}


@pytest.mark.parametrize("name", [*OF_CLASSES, *OF_NUMBERS])
def test_intervals_hold_the_value_and_narrow_with_n(name):
    few, many = (METRICS[name](*sample(name, n)) for n in (100, 10_000))
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
        interval = balanced_accuracy(scores, {"label": label}).ci95
        held += interval.low <= 0.8 <= interval.high
    assert 180 <= held <= 198


@metric("half", scores="float32 [N]", direction="max")
def half(scores, items):
    return scores


@metric("half_drawn", scores="float32 [N]", direction="max", interval="bootstrap", resamples=200)
def half_drawn(scores, items):
    return scores.mean()


@pytest.mark.parametrize(("measure", "times"), [(half, 200), (half_drawn, 50)])
def test_groups_widen_the_interval_to_what_groups_can_tell(measure, times):
    """Twenty groups of fifty: all that is known are twenty numbers."""
    rng, held, alone = torch.Generator().manual_seed(0), 0, 0
    groups = torch.arange(20).repeat_interleave(50)
    for _ in range(times):
        scores = torch.randn(20, generator=rng).repeat_interleave(50)
        low, high = measure(scores, {}, groups).ci95
        held += low <= 0 <= high
        low, high = measure(scores, {}).ci95
        alone += low <= 0 <= high
    assert 0.85 * times <= held  # of few groups both tell a little too much
    assert alone < 0.5 * times


def test_the_groups_of_a_confusion_are_drawn_whole():
    scores, items = sample("macro_f1", 1000)
    copies = {"label": items["label"].repeat_interleave(10)}
    groups = torch.arange(1000).repeat_interleave(10)
    once = macro_f1(scores, items).ci95
    again = macro_f1(scores.repeat_interleave(10, 0), copies, groups).ci95
    assert again == pytest.approx(once, abs=0.004)


def test_a_metric_of_any_shape_is_brought_by_a_lab():
    assert (half.scores, half.direction) == ("float32 [N]", "max")
    measured = half_drawn(torch.arange(10.0), {})
    assert measured.value == 4.5
    assert measured.ci95.low < 4.5 < measured.ci95.high
    assert set(metrics_of(__import__(__name__))) >= {"half", "half_drawn"}


@pytest.mark.parametrize("classes", [1000, 20_000])
def test_many_classes_cost_no_more_memory_than_they_need(classes):
    rng = torch.Generator().manual_seed(0)
    label, said = (torch.randint(classes, (500,), generator=rng) for _ in range(2))
    scores = torch.zeros(500, classes)
    scores[torch.arange(500), said] = 1
    tracemalloc.start()
    macro_f1(scores, {"label": label})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # a table of 1000 x 1000 cells for each of 2000 draws would be 16 GB


def test_many_boxes_cost_no_more_memory_than_they_need():
    scores = torch.rand(50, 200, 6)
    truth = {"boxes": torch.rand(50, 1, 4), "classes": torch.zeros(50, 1).long()}
    scores[..., 4] = 0
    tracemalloc.start()
    METRICS["box_ap"](scores, {**truth, "count": torch.ones(50).long()})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_a_ratio_of_times_is_a_median_that_wild_rounds_do_not_move():
    # the 2nd and 3rd of eleven: P(Bin(11, 1/2) < 2) = .006, < 3 = .033, < 4 = .113
    ratios = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
    calm = median_ratio([2 * r for r in ratios], [2.0] * 11)
    assert calm.value == pytest.approx(1.5)
    assert calm.ci95 == pytest.approx((1.1, 1.9))
    assert calm.one_sided == pytest.approx((1.2, 1.8))
    assert (calm.n, calm.direction) == (11, "min")
    wild = median_ratio([*ratios[:-2], 1e3, 1e4], [1.0] * 11)
    assert wild.one_sided.low == calm.one_sided.low
    assert median_ratio([1.0] * 4, [1.0] * 4).one_sided == (-math.inf, math.inf)


def test_an_interval_of_a_median_holds_it_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        times = rng.lognormal(sigma=0.3, size=15)
        low, high = median_ratio(times, np.ones(15)).ci95
        held += low <= 1 <= high
    assert 0.93 * 400 <= held <= 399


def test_the_mean_of_one_item_tells_nothing():
    assert bounds_of_mean(torch.tensor([0.5])).ci95 == (-math.inf, math.inf)
    assert bounds_of_mean(torch.tensor([True])).ci95.high == 1.0


@pytest.mark.parametrize(
    ("scores", "label", "words"),
    [
        (torch.zeros(3), torch.zeros(3).long(), r"scores \[N, C\]"),
        (torch.zeros(3, 2), torch.zeros(2).long(), r"scores \[N, C\]"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), "2 columns"),
        (torch.zeros(0, 2), torch.zeros(0).long(), "no items"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(scores, label, words):
    with pytest.raises(ValueError, match=words):
        accuracy(scores, {"label": label})


def test_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="number per item"):
        metric("x", scores="float32 [N]", direction="max")(lambda s, _: s.mean())(torch.ones(3), {})
    with pytest.raises(ValueError, match="r2 is -inf"), np.errstate(all="ignore"):
        _ = METRICS["r2"](torch.ones(1, 1), {"label": torch.zeros(1, 1)})


def right(count, n=1000):
    """Measured accuracy of `count` right answers among n."""
    scores = torch.stack([torch.arange(n) < count, torch.arange(n) >= count], 1) * 1.0
    return accuracy(scores, {"label": torch.zeros(n).long()})


def criterion(target, floor, strong=None):
    return Criterion("a", "A", "accuracy", 10, target, floor, strong)


@pytest.mark.parametrize(
    ("count", "fraction"),
    [(900, 1.0), (890, 1.0), (885, 1.0), (850, 0.75), (800, 0.5), (700, 0.0), (500, 0.0)],
)
def test_points_are_full_unless_significantly_missed_then_linear(count, fraction):
    assert apply_rule(right(count), criterion(0.9, 0.7)).fraction == pytest.approx(fraction)


@pytest.mark.parametrize(("count", "incredible"), [(890, False), (905, False), (930, True)])
def test_only_a_value_far_above_the_published_one_is_looked_at(count, incredible):
    assert is_incredible(right(count), criterion(0.7, 0.5, strong=0.8)) == incredible
    assert not is_incredible(right(count), criterion(0.7, 0.5))


def test_the_rule_works_in_both_directions():
    # 200 losses around 1.5 with a standard error of about 0.0354
    scores = torch.tensor([[0.0, -1.0], [0.0, -2.0]]).repeat(100, 1)
    losses = torch.log_softmax(scores.double(), 1)[:, 1].neg()
    measured = nats(scores, {"label": torch.ones(200).long()})
    assert measured.value == pytest.approx(float(losses.mean()))
    value = measured.value
    assert apply_rule(measured, criterion(value + 0.1, value + 1)).fraction == 1
    assert apply_rule(measured, criterion(value - 0.01, value + 1)).fraction == 1
    assert apply_rule(measured, criterion(value - 0.5, value + 0.5)).fraction == pytest.approx(0.5)
    assert is_incredible(measured, criterion(value + 1, value + 2, value + 0.6))
    assert not is_incredible(measured, criterion(value + 1, value + 2, value + 0.5))
    missed = apply_rule(measured, criterion(value - 2, value - 1))
    assert missed.fraction == 0
    assert "expected ≤" in missed.message

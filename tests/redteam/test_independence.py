"""F2 by numbers: what a model can win that answers an item by its company."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dllab.data import find
from dllab.data.kinds import kind_of
from dllab.grading.independence import (
    AGAIN,
    GROUPS,
    TOLERANCE,
    company,
    difference,
    drown,
    groups,
    spread,
)

ITEMS, CLASSES, GRADES = 2000, 10, 20


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_f2_windows_of_a_hidden_text_lie_apart() -> None:
    """What one has to tell stands in no other, in whatever order they come."""
    dataset = find("shakespeare", Path(__file__).resolve().parents[2])
    kind, text = kind_of(dataset), {"tokens": torch.arange(129 * 300 + 17)}
    assert kind.fits(dataset, text) == 300
    for count in (300, 120):
        items = kind.cut(dataset, text, count, seed=3, apart=True)
        steps = torch.cat([items["tokens"], items["label"][:, None]], dim=1)
        assert len(steps.unique()) == count * 129
        assert not torch.equal(steps[:, 0], steps[:, 0].sort().values)


def one_hot(label: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(label, CLASSES).float()


def guess(label: Tensor, right: float, seed: int) -> Tensor:
    """Answers of which a share is right, int64 `[N]`."""
    wrong = (label + torch.randint(1, CLASSES, label.shape, generator=rng(seed))) % CLASSES
    return torch.where(torch.rand(label.shape, generator=rng(seed + 1)) < right, label, wrong)


def graded(first: Tensor, alone: Tensor, label: Tensor, seed: int) -> tuple[bool, float]:
    """Whether company is seen, and the accuracy measured where it is not."""
    some = company(first, rng(seed))
    scale = spread(first, classes=True)
    differs = difference(first[some], alone[some], scale[some])
    scores = drown(first, differs, scale, rng(seed + 1))
    return differs > TOLERANCE, float((scores.argmax(1) == label).double().mean())


def test_f2_groups_are_disjoint_and_hold_every_item() -> None:
    parts = groups(ITEMS, rng(0))
    assert len(parts) == GROUPS
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(ITEMS))
    assert not torch.equal(parts[0], groups(ITEMS, rng(1))[0])


@pytest.mark.parametrize("height", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("constant", [0.0, 1e5])
def test_f2_differences_as_small_as_rounding_win_nothing(height: float, constant: float) -> None:
    """Alone it is right half of the time; its company would tell all, and speaks in the margin
    between the two classes that it leaves open: too softly to be refused. It would win half.
    """
    gains = []
    for seed in range(GRADES):
        label = torch.randint(CLASSES, (ITEMS,), generator=rng(seed))
        other = guess(label, 0.0, seed)
        base = height * (one_hot(label) + one_hot(other)).double() + constant
        softly = 0.3 * TOLERANCE * float(spread(base, classes=True).median())
        whisper = softly * one_hot(label)
        lot = torch.rand(ITEMS, 1, generator=rng(seed + 2)) < 0.5
        alone = base + torch.where(lot, whisper, -whisper)
        seen, accuracy = graded(base + whisper, alone, label, seed)
        assert not seen
        gains.append(accuracy - 0.5)
    assert sum(gains) / GRADES < 0.06


@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01, 0.05])
def test_f2_few_answers_changed_by_much_win_less_than_they_risk(share: float) -> None:
    """An oracle changes a share of the answers to right ones. What it wins where it is not seen,
    times how often that is, stays within the bound that dllab.grading.independence states.
    """
    won = []
    for seed in range(10 * GRADES):
        label = torch.randint(CLASSES, (ITEMS,), generator=rng(seed))
        mine = guess(label, 0.8, seed)
        wrong = torch.nonzero(mine != label)[:, 0]
        changed = wrong[torch.randperm(len(wrong), generator=rng(seed + 3))[: int(share * ITEMS)]]
        told = mine.clone()
        told[changed] = label[changed]
        seen, accuracy = graded(one_hot(told), one_hot(mine), label, seed)
        honest = float((mine == label).double().mean())
        won.append(0.0 if seen else accuracy - honest)
    assert sum(won) / len(won) < 1.3 / (torch.e * AGAIN)


def test_f2_honest_rounding_costs_honest_work_next_to_nothing() -> None:
    """Scores in bfloat16, whose rounding differs from batch to batch."""
    lost = []
    for seed in range(GRADES):
        label = torch.randint(CLASSES, (ITEMS,), generator=rng(seed))
        logits = torch.randn(ITEMS, CLASSES, generator=rng(seed)) * 2 + 3.5 * one_hot(label)
        first, again = (
            (logits * (1 + 0.002 * torch.randn(logits.shape, generator=rng(seed + step)))).float()
            for step in (1, 2)
        )
        seen, accuracy = graded(first, again, label, seed)
        assert not seen
        lost.append(float((first.argmax(1) == label).double().mean()) - accuracy)
    assert sum(lost) / GRADES < 0.002


def test_a_number_that_is_nearly_the_same_for_all_items_costs_the_others_nothing() -> None:
    """A detector that is always sure: rounding is as large as all that its probabilities differ."""
    boxes = 12 * torch.rand(ITEMS, 4, 5, generator=rng(0))
    sure = 1 - 1e-7 * torch.rand(ITEMS, 4, 1, generator=rng(1))
    scores = torch.cat([boxes, sure], dim=2)
    again = scores + torch.tensor([0, 0, 0, 0, 0, 6e-8])
    scale = spread(scores, classes=False)
    differs = difference(scores, again, scale)
    assert differs < TOLERANCE
    noise = drown(scores, differs, scale, rng(2)) - scores
    assert noise[..., :5].abs().max() < 0.05
    assert noise[..., 5].std() > 6e-8

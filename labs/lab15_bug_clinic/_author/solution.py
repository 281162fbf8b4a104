"""Lab 15: a bug clinic. Twenty faults to mend, twelve curves to name, and a doctor to write.

The first three parts of this file are a small project that classifies digits. It runs, and is ill:
each of its functions that a TODO stands in holds two or three faults of kinds that real projects
had. The docstrings say what should be. Mend the lines below a TODO, or write them anew; nothing
else is wrong. Mend causes, not symptoms. `dllab hint 15 TASK` helps.

Shapes stand in the names: N items, B of a batch, C classes, W units of a layer.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from labs.lab15_bug_clinic.given import AILMENTS, CASES, FAULTS, TESTS

Items = dict[str, Tensor]  # image, label and weight, which share their first dimension

# 1. Data ------------------------------------------------------------------------------------------


def split(items: Items, held_out: int, rng: Generator) -> tuple[Items, Items]:
    """Two parts in random order, without an item in common: the rest, and `held_out` items.

    All columns of an item stay together.
    """
    # BEGIN SOLUTION split: return the training items and those held out. Two faults.
    # | count = len(items["label"])
    # | mixed = {}
    # | for name, values in items.items():
    # |     mixed[name] = values[torch.randperm(count, generator=rng)]
    # | return mixed, {name: values[-held_out:] for name, values in mixed.items()}
    order_N = torch.randperm(len(items["label"]), generator=rng)
    mixed = {name: values[order_N] for name, values in items.items()}
    train = {name: values[:-held_out] for name, values in mixed.items()}
    return train, {name: values[-held_out:] for name, values in mixed.items()}
    # END SOLUTION


def standardise(train: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both parts minus one mean, divided by one deviation: those of all pixels of `train`.

    From uint8 [N, 1, 8, 8] and [M, 1, 8, 8] to float32 of the same shapes.
    """
    # BEGIN SOLUTION standardise: return both parts, standardised. Two faults.
    # | both = torch.cat([train, other])
    # | mean = both.float().mean().round().to(torch.uint8)
    # | std = both.float().std()
    # | return (train - mean).float() / std, (other - mean).float() / std
    mean, std = train.float().mean(), train.float().std()
    return (train - mean) / std, (other - mean) / std
    # END SOLUTION


def batches(items: Items, size: int, rng: Generator) -> Iterator[Items]:
    """One pass over all items in a new random order, `size` at a time; the last batch may be short.

    The order is drawn from `rng`.
    """
    # BEGIN SOLUTION batches: yield the batches of one pass. Two faults.
    # | count = len(items["label"])
    # | order_N = torch.randperm(count, generator=torch.Generator().manual_seed(rng.initial_seed()))
    # | for first in range(0, count - size, size):
    # |     rows_B = order_N[first : first + size]
    # |     yield {name: values[rows_B] for name, values in items.items()}
    for rows_B in torch.randperm(len(items["label"]), generator=rng).split(size):
        yield {name: values[rows_B] for name, values in items.items()}
    # END SOLUTION


# 2. Network and loss ------------------------------------------------------------------------------


class Net(nn.Module):
    """Flatten → Linear → ReLU → `depth` hidden blocks of `width` units → Linear → logits."""

    def __init__(
        self, *, pixels: int = 64, width: int = 64, depth: int = 2, classes: int = 10
    ) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(pixels, width), nn.Linear(width, classes)

        def block() -> nn.Module:
            """A new hidden block."""
            return nn.Sequential(
                nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)
            )

        # BEGIN SOLUTION blocks: set self.blocks, `depth` hidden blocks. Two faults.
        # Each has weights of its own, and self.parameters() yields them.
        # | self.blocks = [block()] * depth
        self.blocks = nn.ModuleList(block() for _ in range(depth))
        # END SOLUTION

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, C] of any size, of standardised images, float32 [B, 1, H, W]."""
        # BEGIN SOLUTION forward: return the logits, float32 [B, C]. Two faults.
        # | x_BW = image.reshape(-1, len(image)).T
        # | x_BW = self.stem(x_BW).relu()
        # | for block in self.blocks:
        # |     x_BW = block(x_BW)
        # | return self.head(x_BW).softmax(dim=1)
        x_BW = self.stem(image.flatten(1)).relu()
        for block in self.blocks:
            x_BW = block(x_BW)
        return self.head(x_BW)
        # END SOLUTION


def weighted_loss(logits_BC: Tensor, label_B: Tensor, weight_B: Tensor) -> Tensor:
    """The batch's mean of weight · -log p(label), float32 []; finite for all finite logits.

    A weight says how far a label can be trusted: 1, or 0 for not at all. `label_B` is int64.
    """
    # BEGIN SOLUTION loss: return the weighted loss, float32 []. Two faults.
    # | p_B1 = logits_BC.softmax(dim=1).gather(1, label_B[:, None])
    # | return (-p_B1.log() * weight_B).mean()
    return (F.cross_entropy(logits_BC, label_B, reduction="none") * weight_B).mean()
    # END SOLUTION


# 3. The loop --------------------------------------------------------------------------------------


def update(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Items, clip: float) -> float:
    """Take one step on a batch, whose gradient has at most the norm `clip`; return the loss.

    What is returned is a plain number, and a model's former gradients have no part in the step.
    """
    # BEGIN SOLUTION update: take one step, and return the loss. Three faults.
    # | loss = weighted_loss(model(batch["image"]), batch["label"], batch["weight"])
    # | loss.backward()
    # | optimizer.step()
    # | nn.utils.clip_grad_norm_(model.parameters(), clip)
    # | return loss
    optimizer.zero_grad()
    loss = weighted_loss(model(batch["image"]), batch["label"], batch["weight"])
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.item()
    # END SOLUTION


@torch.no_grad()
def evaluate(model: nn.Module, items: Items, size: int = 64) -> float:
    """The mean of -log p(label) over all items, whatever their weights, `size` of them at a time.

    The model is left in evaluation mode.
    """
    # BEGIN SOLUTION evaluate: return the mean loss of an item. Two faults.
    # | losses = []
    # | parts = zip(items["image"].split(size), items["label"].split(size), strict=True)
    # | for image, label in parts:
    # |     losses.append(F.cross_entropy(model(image), label))
    # | return torch.stack(losses).mean().item()
    model.eval()
    total = 0.0
    for image, label in zip(items["image"].split(size), items["label"].split(size), strict=True):
        total += F.cross_entropy(model(image), label, reduction="sum").item()
    return total / len(items["label"])
    # END SOLUTION


def fit(
    model: nn.Module,
    train: Items,
    val: Items,
    *,
    epochs: int,
    size: int = 32,
    lr: float = 0.05,
    clip: float = 2.0,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """Train by SGD with momentum, at a rate that ends at 0 after `epochs`.

    Returns the mean training loss and the validation loss of each epoch. In the end the model has
    the weights of the epoch with the lowest validation loss.
    """
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=epochs)
    # BEGIN SOLUTION fit: train, and return the losses of each epoch. Three faults.
    # | history, best = [], model.state_dict()
    # | model.train()
    # | for _ in range(epochs):
    # |     losses = []
    # |     for batch in batches(train, size, rng):
    # |         losses.append(update(model, optimizer, batch, clip))
    # |         scheduler.step()
    # |     history.append((sum(losses) / len(losses), evaluate(model, val)))
    # |     if history[-1][1] == min(loss for _, loss in history):
    # |         best = model.state_dict()
    # | model.load_state_dict(best)
    # | return history
    history, best = [], model.state_dict()
    for _ in range(epochs):
        model.train()
        losses = [update(model, optimizer, batch, clip) for batch in batches(train, size, rng)]
        scheduler.step()
        history.append((sum(losses) / len(losses), evaluate(model, val)))
        if history[-1][1] == min(loss for _, loss in history):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return history
    # END SOLUTION


def study(
    image: Tensor, *, known: Tensor, label: Tensor, weight: Tensor, epochs: int = 12, seed: int = 0
) -> tuple[Tensor, list[tuple[float, float]]]:
    """Train on the `known` digits; the logits, float32 [N, C], of others, and `fit`'s history."""
    items = {"image": known, "label": label, "weight": weight}
    train, val = split(items, 150, torch.Generator().manual_seed(seed))
    val = {name: values[val["weight"] > 0] for name, values in val.items()}
    inputs, unseen = standardise(train["image"], torch.cat([val["image"], image]))
    torch.manual_seed(seed)
    model = Net()
    with torch.enable_grad():
        parts = train | {"image": inputs}, val | {"image": unseen[: -len(image)]}
        history = fit(model, *parts, epochs=epochs, seed=seed)
    with torch.no_grad():
        return model.eval()(unseen[-len(image) :]), history


def classify(image: Tensor, known: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """The logits alone: what your mended project is graded on."""
    return study(image, known=known, label=label, weight=weight)[0]


# 4. Diagnosis -------------------------------------------------------------------------------------


def findings() -> dict[str, str]:
    """For each of given.CASES, the one of given.FAULTS that made its curve."""
    # BEGIN SOLUTION findings: return a dict, a fault for each case.
    # No fault is there twice. Plant one in your mended project, and see its curve by
    # `python -m labs.lab15_bug_clinic.given curve`.
    names = (
        "python-list labels-apart left-in-eval softmax-twice overlap train-mode "
        "no-zero-grad shared-layer broadcast scrambled wraps-around rate-per-batch"
    )
    return dict(zip(CASES, names.split(), strict=True))
    # END SOLUTION


def named() -> Tensor:
    """Your findings as numbers, int64 [12]: each case's place in FAULTS."""
    found = findings()
    return torch.tensor([FAULTS.index(found[case]) for case in CASES])


def first_bad(versions: int, test: Callable[[int], str]) -> list[int]:
    """The versions, in order, among which the first bad one must be: one, unless some are skipped.

    Version 0 is known to be good, the last one (`versions` - 1) to be bad, as are all between the
    first bad one and it. `test(version)` answers "good", "bad" or, where that cannot be told,
    "skip". It is costly.
    """
    # BEGIN SOLUTION bisect: return the suspects, after few tests.
    # With each answer halve what is left. A version that was skipped is not tested again; try the
    # one nearest to the middle that is left. The suspects are those behind the last version known
    # to be good, up to the first that is known to be bad.
    good, bad = 0, versions - 1
    untold = list(range(1, bad))
    while untold:
        middle = min(untold, key=lambda version: abs(2 * version - good - bad))
        answer = test(middle)
        untold.remove(middle)
        if answer == "good":
            good = middle
        elif answer == "bad":
            bad = middle
        untold = [version for version in untold if good < version < bad]
    return list(range(good + 1, bad + 1))
    # END SOLUTION


def diagnose(seen: Mapping[str, float]) -> str:
    """The name of the next test, one of given.TESTS, or that of the ailment, one of AILMENTS.

    `seen` holds what the tests so far have found in a patient. It is empty in the beginning.
    """
    # BEGIN SOLUTION diagnose: return a test, or an ailment.
    # An ailment ends the examination.
    # A right answer is worth 1 - prices / 26, where 26 is the price of all tests. A wrong one is
    # worth nothing. `python -m labs.lab15_bug_clinic.given` shows what the tests find.
    for test, low, high, ailment in (
        ("again", 0.01, 9e9, "train-mode"),
        ("sum", -1.0, 0.001, "softmax-twice"),
        ("moved", -1.0, 0.9, "python-list"),
        ("second", 1.5, 9e9, "no-zero-grad"),
        ("curve", -1.0, 0.5, "healthy"),
        ("company", 0.01, 9e9, "scrambled"),
        ("depth", -1.0, 0.02, "vanishing"),
        ("slower", -1.0, 0.9, "rate-too-high"),
        ("faster", -1.0, 0.9, "rate-too-low"),
    ):
        if test not in seen:
            return test
        if low <= seen[test] <= high:
            return ailment
    return "labels-apart"
    # END SOLUTION


def consult(seen: Tensor) -> Tensor:
    """What `diagnose` says of N patients, int64 [N]: the number of a test, or 11 + an ailment's.

    `seen` is float32 [N, 11], by the order of TESTS; what was not ordered is nan.
    """
    words = [*TESTS, *AILMENTS]
    known = (
        {t: v for t, v in zip(TESTS, row, strict=True) if not math.isnan(v)}
        for row in seen.tolist()
    )
    return torch.tensor([words.index(diagnose(one)) for one in known])

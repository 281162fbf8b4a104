"""The hidden checks of lab 04: right answers and judges. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays, Outcome, check, every, holds
from labs.lab04_transfer._author import probes
from labs.lab04_transfer.checks import (
    RATE,
    STAGES,
    falling,
    images,
    last,
    prepared,
)


def mixed_labels(rng: torch.Generator) -> Arrays:
    """Draw labels in no order, of the classes 0, 2, 5 and 9 alone, and a seed."""
    drawn = torch.tensor([0, 2, 5, 9]).repeat(50)[torch.randperm(200, generator=rng)]
    return {"label": drawn, "seed": torch.randint(10_000, (), generator=rng)}


@check(
    "other-labels",
    "Other labels, another seed",
    given=mixed_labels,
    probe=probes.other_labels,
    returns=dict.fromkeys(("first", "other", "again"), "int64 [*]"),
    depends_on=("few-labels",),
    hint="few-labels",
)
def other_labels(given: Arrays, got: Arrays) -> Outcome:
    """Classes may have any numbers and labels any order; another seed chooses others."""
    first = got["first"]
    if not len(first) or first.min() < 0 or first.max() >= len(given["label"]):
        return Outcome(0.0, "a chosen number is not the number of an item of the split")
    counts = [int((given["label"][first] == c).sum()) for c in (0, 2, 5, 9)]
    kept = len(set(first.tolist()) & set(got["other"].tolist()))
    return every(
        holds(
            counts == [5] * 4, f"expected 5 items of each of the classes 0, 2, 5, 9, got {counts}"
        ),
        holds(torch.equal(first, got["again"]), "the same seed chose other items"),
        holds(kept < 15, f"two seeds share {kept} of 20 items: the choice is not random"),
    )


@check(
    "colour",
    "Colour images, smaller than they came",
    given={
        "image": images(2, channels=3),
        "mean": lambda rng: 100 + 50 * torch.rand(3, generator=rng),
        "std": lambda rng: 50 + 50 * torch.rand(3, generator=rng),
    },
    probe=probes.colour,
    mistakes={
        "the model does not keep the backbone's own constants": lambda given: {
            "x": prepared(given["image"], 7, given["mean"], given["std"]),
            "mean": 255 * torch.tensor([0.485, 0.456, 0.406]),
            "std": 255 * torch.tensor([0.229, 0.224, 0.225]),
        },
        "smoothed before shrinking: F.interpolate without antialias": lambda given: constants(
            prepared(given["image"], 7, given["mean"], given["std"], antialias=True)
        ),
    },
    atol=1e-4,
    depends_on=("preprocess", "head"),
    hint="preprocess",
)
def colour(given: Arrays) -> Arrays:
    """`preprocess` keeps R, G and B apart, and EfficientNet-Lite0 gets (RGB - 127) / 128."""
    return constants(prepared(given["image"], 7, given["mean"], given["std"]))


def constants(x: torch.Tensor) -> Arrays:
    """Prepared images beside the constants of EfficientNet-Lite0."""
    return {"x": x, "mean": torch.full((3,), 127.0), "std": torch.full((3,), 128.0)}


@check(
    "all-or-none",
    "All stages, or none",
    probe=probes.all_or_none,
    mistakes={
        "with a count of 0 every stage learns: stages[-0:] is the whole list": lambda _: {
            "all": last(STAGES),
            "none": last(STAGES),
        }
    },
    depends_on=("unfreeze",),
    hint="unfreeze",
)
def all_or_none(_given: Arrays) -> Arrays:
    """`unfreeze_last` can let every stage learn, and none."""
    return {"all": last(STAGES), "none": last(0)}


@check(
    "frozen-groups",
    "Frozen now, learning later",
    given=RATE,
    probe=probes.frozen_groups,
    mistakes={
        "the depth is counted from nine stages; other backbones have others": lambda given: falling(
            given, torch.tensor([0, 6, 7, 8, 9])
        ),
        "frozen stages are in no group: they could never thaw": lambda given: (
            falling(given, torch.arange(5)) * torch.tensor([[1.0], [0], [0], [0], [0]])
        ),
    },
    atol=1e-7,
    rtol=1e-4,
    depends_on=("parameter-groups",),
    hint="parameter-groups",
)
def frozen_groups(given: Arrays) -> torch.Tensor:
    """However many stages there are, and all of them frozen: each has its rate all the same."""
    return falling(given, torch.arange(5))


@check(
    "two-epochs",
    "Two epochs of training",
    given={"image": images(8)},
    probe=probes.two_epochs,
    mistakes={
        "the thawed stages never learn: are the features detached?": lambda _: {
            "parameters": moved(0, 0),
            "averages": torch.stack([last(0), last(2)]),
        }
    },
    depends_on=("parameter-groups", "thaw"),
    hint="thaw",
)
def two_epochs(_given: Arrays) -> Arrays:
    """In training a frozen stage keeps every number, running averages too; a thawed one learns."""
    return {"parameters": moved(0, 2), "averages": torch.stack([last(0), last(2)])}


def moved(*thawed: int) -> torch.Tensor:
    """Which stages' parameters move in each epoch, and the head's, which always do."""
    return torch.stack([torch.cat([last(n), torch.ones(1, dtype=torch.int64)]) for n in thawed])

"""The hidden checks of lab 04: what they draw, how they judge. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays, Outcome, check, close, every, holds
from labs.lab04_transfer._author import probes
from labs.lab04_transfer.checks import (
    STAGES,
    few_labels_given,
    groups_given,
    images,
    last,
    prepared,
    preprocess_given,
    same_stages,
)


@check(
    "other-labels",
    "Another seed, other labels",
    given=few_labels_given,
    probe=probes.other_labels_probe,
    returns={"first": "int64 [20]", "other": "int64 [20]", "again": "int64 [20]"},
    depends_on=("few-labels",),
    hint="few-labels",
)
def other_labels(given: Arrays, got: Arrays) -> Outcome:
    """The same seed chooses the same items, another seed chooses others."""
    kept = len(set(got["first"].tolist()) & set(got["other"].tolist()))
    return every(
        holds(torch.equal(got["first"], got["again"]), "the same seed chose other items"),
        holds(kept < 15, f"two seeds share {kept} of 20 items: that is no random choice"),
    )


def colour_given(rng: torch.Generator) -> Arrays:
    """Draw colour images and constants."""
    return {**preprocess_given(rng), "image": images(rng, 2, channels=3)}


@check(
    "colour",
    "Colour images, smaller than they came",
    given=colour_given,
    probe=probes.colour_probe,
    returns={"x": "float32 [2, 3, 7, 7]", "mean": "float32 [3]", "std": "float32 [3]"},
    depends_on=("preprocess", "head"),
    hint="preprocess",
)
def colour(given: Arrays, got: Arrays) -> Outcome:
    """`preprocess` keeps R, G and B apart, and EfficientNet-Lite0 gets (RGB - 127) / 128."""
    expected = prepared(given["image"], 7, given["mean"], given["std"])
    return every(
        close(got["x"], expected, atol=1e-4, what="preprocess of colour images"),
        close(got["mean"], torch.full((3,), 127.0), what="the mean"),
        close(got["std"], torch.full((3,), 128.0), what="the deviation"),
    )


@check(
    "all-or-none",
    "All stages, or none",
    probe=probes.all_or_none_probe,
    returns={"all": "int64 [9]", "none": "int64 [9]"},
    depends_on=("unfreeze",),
    hint="unfreeze",
)
def all_or_none(_given: Arrays, got: Arrays) -> Outcome:
    """`unfreeze_last` can let every stage learn, and none."""
    return every(
        same_stages(got["all"], last(STAGES), f"learns after unfreeze_last(stages, {STAGES})"),
        same_stages(got["none"], last(0), "learns after unfreeze_last(stages, 0)"),
    )


@check(
    "frozen-groups",
    "Frozen now, learning later",
    given=groups_given,
    probe=probes.frozen_groups_probe,
    returns={"rate": "float32 [10, 2]"},
    depends_on=("parameter-groups",),
    hint="parameter-groups",
)
def frozen_groups(given: Arrays, got: Arrays) -> Outcome:
    """Stages that are frozen when the optimiser is built have their rate all the same."""
    expected = given["lr"] * given["decay"] ** torch.arange(STAGES + 1)
    what = "the rate, with all stages frozen (row 0: head)"
    return close(got["rate"], expected[:, None].expand(-1, 2), atol=1e-7, rtol=1e-4, what=what)


def two_epochs_given(rng: torch.Generator) -> Arrays:
    """Draw images to train on."""
    return {"image": images(rng, 8)}


@check(
    "two-epochs",
    "Two epochs of training",
    given=two_epochs_given,
    probe=probes.two_epochs_probe,
    returns={"parameters": "int64 [2, 10]", "averages": "int64 [2, 9]"},
    depends_on=("parameter-groups", "thaw"),
    hint="thaw",
)
def two_epochs(_given: Arrays, got: Arrays) -> Outcome:
    """In training a frozen stage keeps every number, running averages too; a thawed one learns."""
    outcomes = []
    for epoch, count in enumerate((0, 2)):
        during = f"changed in epoch {epoch}, with probe_epochs=1 and thawed=2"
        expected = torch.cat([last(count), torch.ones(1, dtype=torch.int64)])
        outcomes += [
            same_stages(
                got["parameters"][epoch], expected, f"parameters (the head's last) {during}"
            ),
            same_stages(got["averages"][epoch], last(count), f"running averages {during}"),
        ]
    return every(*outcomes)

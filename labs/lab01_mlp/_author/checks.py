"""The hidden checks of lab 01: what they draw, what is right. None of this enters the sandbox."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given, check, integers, normal
from labs.lab01_mlp import checks
from labs.lab01_mlp._author import probes


@check(
    "gradients",
    "Gradients of layer and loss",
    given={
        "x": normal(8, 4, std=100),
        "weight": normal(3, 4),
        "bias": normal(3),
        "label": integers(0, 3, 8),
    },
    probe=probes.gradients,
    rtol=1e-4,
    grad=("x", "weight", "bias"),
    depends_on=("linear", "cross-entropy"),
    hint="linear",
)
def gradients(given: Given) -> Tensor:
    """The loss has the right gradient with respect to input, weight and bias."""
    return F.cross_entropy(F.linear(given.x, given.weight, given.bias), given.label)


def far_apart(rng: torch.Generator) -> Arrays:
    """Draw logits thousands apart, first with the label on the best class, then on the worst."""
    logits = 1e4 * torch.randn(4, 5, generator=rng)
    return {"logits": logits, "label": torch.cat([logits.argmax(1)[:2], logits.argmin(1)[2:]])}


@check(
    "far-logits",
    "Loss of far-apart logits",
    given=far_apart,
    probe=probes.far_logits,
    atol=1e-2,
    depends_on=("cross-entropy",),
    hint="log-softmax",
)
def far_logits(given: Given) -> Tensor:
    """A confident mistake costs what it should, thousands of nats, and a sure hit costs nothing."""
    return F.cross_entropy(given.logits, given.label, reduction="none")


@checks.pixel_statistics.also("constant-pixels", "Pixels that never change")
def constant_pixels(rng: torch.Generator) -> Arrays:
    """No standard deviation is below one grey level, so that none blows noise up."""
    image = checks.images(200)(rng)
    image[:, 0, 0, :2] = 7
    image[0, 0, 0, 1] = 9  # once
    return {"image": image}


def four_of_six(rng: torch.Generator) -> Arrays:
    """Draw items of 6 classes of which the last two never occur nor are predicted."""
    logits = torch.randn(20, 6, generator=rng)
    logits[:, 4:] -= 100
    return {"logits": logits, "label": torch.randint(4, (20,), generator=rng)}


@check(
    "missing-classes",
    "A batch without some classes",
    given=four_of_six,
    probe=probes.missing_classes,
    depends_on=("confusion-matrix",),
    hint="confusion-matrix",
)
def missing_classes(given: Given) -> Arrays:
    """The confusion matrix is [C, C] whichever classes a batch holds."""
    pair = given.label, given.logits.argmax(1)
    return {"batch": checks.counted(*pair, 6), "one": checks.counted(*(c[:1] for c in pair), 6)}


@checks.macro_f1.also("absent-class", "F1 of absent classes")
def absent_class(rng: torch.Generator) -> Arrays:
    """A class that is only ever predicted has F1 0; one that never shows up is left out."""
    counts = torch.randint(1, 20, (5, 5), generator=rng)
    counts[3:] = counts[:, 3:] = 0
    counts[torch.randint(3, (), generator=rng), 3] = 1
    return {"counts": counts}


@check(
    "alone",
    "A batch of one",
    given={**checks.TOY, "image": checks.images(5)},
    probe=probes.alone,
    atol=1e-4,
    depends_on=("forward",),
    hint="forward",
)
def alone(given: Given) -> Arrays:
    """An item's logits are the same alone as in a batch."""
    logits = checks.toy_logits(given)
    return {"together": logits, "alone": logits[:, None]}

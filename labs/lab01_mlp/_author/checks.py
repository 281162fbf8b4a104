"""The hidden checks of lab 01: what they draw, how they judge. None of this enters the sandbox."""

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Outcome, check, close, every
from labs.lab01_mlp._author import probes
from labs.lab01_mlp.checks import images, toy_logits, toy_state


def gradients_given(rng: torch.Generator) -> Arrays:
    """Draw a layer, a batch and its labels."""
    return {
        "x": torch.randn(5, 4, generator=rng),
        "weight": torch.randn(3, 4, generator=rng),
        "bias": torch.randn(3, generator=rng),
        "label": torch.randint(3, (5,), generator=rng),
    }


@check(
    "gradients",
    "Gradients of layer and loss",
    given=gradients_given,
    probe=probes.gradients_probe,
    returns={"x": "float32 [5, 4]", "weight": "float32 [3, 4]", "bias": "float32 [3]"},
    depends_on=("linear", "cross-entropy"),
    hint="linear",
)
def gradients(given: Arrays, got: Arrays) -> Outcome:
    """The loss has the right gradient with respect to input, weight and bias."""
    leaves = {n: given[n].clone().requires_grad_() for n in ("x", "weight", "bias")}
    F.cross_entropy(F.linear(*leaves.values()), given["label"]).backward()
    return every(*(close(got[n], p.grad, what=f"∂loss/∂{n}") for n, p in leaves.items()))


def far_logits_given(rng: torch.Generator) -> Arrays:
    """Draw logits thousands apart, first with the label on the best class, then on the worst."""
    logits = 1e4 * torch.randn(4, 5, generator=rng)
    label = torch.stack([logits.argmax(dim=1)[:2], logits.argmin(dim=1)[2:]]).flatten()
    return {"logits": logits, "label": label}


@check(
    "far-logits",
    "Loss of far-apart logits",
    given=far_logits_given,
    probe=probes.far_logits_probe,
    returns={"loss": "float32 [4]"},
    depends_on=("cross-entropy",),
    hint="log-softmax",
)
def far_logits(given: Arrays, got: Arrays) -> Outcome:
    """A confident mistake costs what it should, thousands of nats, and a sure hit costs nothing."""
    expected = F.cross_entropy(given["logits"].double(), given["label"], reduction="none")
    return close(got["loss"], expected, atol=1e-2, what="the loss")


def constant_pixels_given(rng: torch.Generator) -> Arrays:
    """Draw images whose first pixel never changes, and whose second changes once."""
    image = images(rng, 100)
    image[:, 0, 0, 0] = 7
    image[:, 0, 0, 1] = 0
    image[0, 0, 0, 1] = 2
    return {"image": image}


@check(
    "constant-pixels",
    "Pixels that never change",
    given=constant_pixels_given,
    probe=probes.constant_pixels_probe,
    returns={"mean": "float32 [12]", "std": "float32 [12]"},
    depends_on=("pixel-statistics",),
    hint="pixel-statistics",
)
def constant_pixels(given: Arrays, got: Arrays) -> Outcome:
    """No standard deviation is below one grey level, so that none blows noise up."""
    expected = given["image"].flatten(1).double().std(dim=0).clamp_min(1)
    return close(got["std"], expected, rtol=2e-2, what="the standard deviation")


def missing_classes_given(rng: torch.Generator) -> Arrays:
    """Draw items of 6 classes of which the last two never occur nor are predicted."""
    logits = torch.randn(20, 6, generator=rng)
    logits[:, 4:] -= 100
    return {"logits": logits, "label": torch.randint(4, (20,), generator=rng)}


@check(
    "missing-classes",
    "A batch without some classes",
    given=missing_classes_given,
    probe=probes.missing_classes_probe,
    returns={"batch": "int64 [6, 6]", "one": "int64 [6, 6]"},
    depends_on=("confusion-matrix",),
    hint="confusion-matrix",
)
def missing_classes(given: Arrays, got: Arrays) -> Outcome:
    """The confusion matrix is [C, C] whichever classes a batch holds."""
    pair = F.one_hot(given["label"], 6)[:, :, None] * _one_hot_prediction(given)[:, None, :]
    return every(
        close(got["batch"], pair.sum(dim=0), what="the count"),
        close(got["one"], pair[0], what="the count of a batch of one"),
    )


def _one_hot_prediction(given: Arrays) -> torch.Tensor:
    return F.one_hot(given["logits"].argmax(dim=1), 6)


def absent_class_given(rng: torch.Generator) -> Arrays:
    """Draw counts: class 3 never occurs but is predicted once, class 4 is neither."""
    counts = torch.randint(1, 20, (5, 5), generator=rng)
    counts[3:] = 0
    counts[:, 3:] = 0
    counts[torch.randint(3, (), generator=rng), 3] = 1
    return {"counts": counts}


@check(
    "absent-class",
    "F1 of absent classes",
    given=absent_class_given,
    probe=probes.absent_class_probe,
    returns={"macro_f1": "float32 []"},
    depends_on=("macro-f1-score",),
    hint="macro-f1-score",
)
def absent_class(given: Arrays, got: Arrays) -> Outcome:
    """A class that is only ever predicted has F1 0; one that never shows up is left out."""
    counts = given["counts"].double()[:, :4]
    f1 = 2 * counts[:4].diagonal() / (counts[:4].sum(dim=1) + counts.sum(dim=0))
    return close(got["macro_f1"], f1.mean(), what="macro-F1")


def alone_given(rng: torch.Generator) -> Arrays:
    """Draw a toy network and a batch for it."""
    return {**toy_state(rng), "image": images(rng, 5)}


@check(
    "alone",
    "A batch of one",
    given=alone_given,
    probe=probes.alone_probe,
    returns={"together": "float32 [5, 3]", "alone": "float32 [5, 1, 3]"},
    depends_on=("forward",),
    hint="forward",
)
def alone(given: Arrays, got: Arrays) -> Outcome:
    """An item's logits are the same alone as in a batch."""
    expected = toy_logits(given, given["image"])
    return every(
        close(got["together"], expected, atol=1e-4, what="the logits in a batch"),
        close(got["alone"][:, 0], expected, atol=1e-4, what="the logits alone"),
    )

"""The halves of lab 01's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import Tensor
from torch.func import functional_call

from dllab.checks import Arrays, Given
from labs.lab01_mlp.checks import toy_model


def gradients(lab: ModuleType, given: Given) -> Tensor:
    """Take the learner's loss of the learner's layer."""
    parameters = {"weight": given.weight, "bias": given.bias}
    logits = functional_call(lab.Linear(4, 3), parameters, given.x)
    return lab.cross_entropy(logits, given.label)


def far_logits(lab: ModuleType, given: Given) -> Tensor:
    """Take the loss of each row by itself."""
    rows = zip(given.logits.split(1), given.label.split(1), strict=True)
    return torch.stack([lab.cross_entropy(logits, label) for logits, label in rows])


def missing_classes(lab: ModuleType, given: Given) -> Arrays:
    """Count a batch in which the last classes do not occur, and a batch of one."""
    return {
        "batch": lab.confusion_matrix(given.logits, given.label),
        "one": lab.confusion_matrix(given.logits[:1], given.label[:1]),
    }


def alone(lab: ModuleType, given: Given) -> Arrays:
    """Predict the items in one batch, and one by one."""
    model = toy_model(lab, given).eval()
    alone = [model.predict({"image": item}) for item in given.image.split(1)]
    return {"together": model.predict({"image": given.image}), "alone": torch.stack(alone)}

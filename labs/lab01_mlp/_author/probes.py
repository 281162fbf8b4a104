"""The halves of lab 01's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays
from dllab.checks.tools import gradients
from labs.lab01_mlp.checks import toy_model


def gradients_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Differentiate the learner's loss of the learner's layer."""
    layer = lab.Linear(4, 3)
    layer.load_state_dict({"weight": given["weight"], "bias": given["bias"]})
    x = given["x"].requires_grad_()
    lab.cross_entropy(layer(x), given["label"]).backward()
    return gradients({"x": x, "weight": layer.weight, "bias": layer.bias})


def far_logits_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the loss of each row by itself."""
    pairs = zip(given["logits"].split(1), given["label"].split(1), strict=True)
    return {"loss": torch.stack([lab.cross_entropy(row, label) for row, label in pairs])}


def constant_pixels_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Fit images with pixels that hardly vary."""
    mean, std = lab.pixel_statistics(given["image"])
    return {"mean": mean, "std": std}


def alone_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Predict the items in one batch, and one by one."""
    model = toy_model(lab, given).eval()
    image = given["image"]
    with torch.no_grad():
        together = model.predict({"image": image})
        alone = [model.predict({"image": item}) for item in image.split(1)]
    return {"together": together, "alone": torch.stack(alone)}


def missing_classes_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Count a batch in which the last classes do not occur, and a batch of one."""
    logits, label = given["logits"], given["label"]
    return {
        "batch": lab.confusion_matrix(logits, label),
        "one": lab.confusion_matrix(logits[:1], label[:1]),
    }


def absent_class_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Score a confusion matrix with empty rows and columns."""
    return {"macro_f1": lab.macro_f1(given["counts"])}

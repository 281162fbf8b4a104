"""The halves of lab 02's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays
from dllab.checks.tools import gradients
from labs.lab02_cnn.checks import norm_layer


def odd_conv_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Convolve oblong images with oblong filters, without bias, and a single image."""
    x, weight = given["x"], given["weight"]
    return {
        "oblong": lab.conv2d(x, weight, stride=3, padding=2),
        "one": lab.conv2d(x[:1], weight),
    }


def conv_gradients_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Differentiate a weighted sum of the learner's convolution."""
    leaves = {name: given[name].requires_grad_() for name in ("x", "weight", "bias")}
    (lab.conv2d(*leaves.values(), stride=2, padding=1) * given["pull"]).sum().backward()
    return gradients(leaves)


def eval_mode_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Evaluate a batch and then its first image alone; note what the layer remembers of it."""
    layer = norm_layer(lab, given).eval()
    with torch.no_grad():
        layer(given["x"])
        alone = layer(given["x"][:1])
    return {"alone": alone, "mean": layer.running_mean, "var": layer.running_var}


def untouched_input_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Augment a batch of oblong images twice."""
    torch.manual_seed(int(given["seed"]))
    batch = {"image": given["image"].clone(), "label": given["label"].clone()}
    first = lab.augment(batch)
    second = lab.augment(batch)
    return {
        "kept": batch["image"],
        "first": first["image"],
        "second": second["image"],
        "label": second["label"],
    }


def other_cycles_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Follow schedules with another warm-up."""
    steps, warmup = int(given["steps"]), float(given["warmup"])
    points = [0, steps // 10, steps // 2, steps - 1, steps]
    return {"factor": torch.tensor([lab.one_cycle(step, steps, warmup) for step in points])}

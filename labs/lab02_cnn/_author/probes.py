"""The halves of lab 02's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays, Given
from labs.lab02_cnn.checks import convolved, norm_layer, unmoved


def conv_gradients(lab: ModuleType, given: Given) -> Arrays:
    """Convolve with the learner's function."""
    return convolved(given, lab.conv2d)


def eval_mode(lab: ModuleType, given: Given) -> Arrays:
    """Evaluate one image, and note what the layer remembers of it."""
    layer = norm_layer(given, lab.BatchNorm2d).eval()
    return {"alone": layer(given.x[:1]), **unmoved(layer.state_dict())}


def untouched_input(lab: ModuleType, given: Given) -> Arrays:
    """Augment a batch of oblong images twice."""
    torch.manual_seed(int(given.seed))
    batch = {"image": given.image, "label": given.label}
    first, second = lab.augment(batch), lab.augment(batch)
    images = (batch["image"], first["image"], second["image"])
    return {"label": second["label"], **dict(zip(("kept", "first", "second"), images, strict=True))}

"""The halves of lab 22's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays, Given
from dllab.checks.tools import fit
from dllab.data import BatchLoader


def colour(lab: ModuleType, given: Given) -> Arrays:
    """Train an epoch on a batch of CIFAR-10's form, then score it, and a picture of it alone."""
    batch = {"image": given.image, "label": torch.arange(8)}
    model = lab.Model(side=32, channels=3, patch=4, features=16, depth=1, heads=2)
    model.on_fit_start = lambda: None
    model.mean.fill_(128.0)
    model.std.fill_(70.0)
    fit(model, BatchLoader(batch, 8))
    model.eval()
    return {
        "scores": model.predict(batch),
        "alone": model.predict({"image": given.image[:1]}),
        "maps": model.maps(given.image),
    }

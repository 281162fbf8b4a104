"""The halves of lab 03's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dllab.checks import Arrays, Given
from labs.lab03_rnn.checks import HIDDEN, PARAMETERS, TOKENS


def through_time(lab: ModuleType, given: Given) -> Tensor:
    """Read a batch with the given weights."""
    weights = {name: given[name] for name in PARAMETERS}
    y, _ = functional_call(lab.Recurrent("lstm", 3, HIDDEN), weights, given.x)
    return y


def padding(lab: ModuleType, given: Given) -> Arrays:
    """Predict the same sequences padded with two different fills, and each alone, unpadded."""
    torch.manual_seed(0)
    sizes = {"vocabulary": TOKENS, "features": 3, "hidden": HIDDEN, "classes": 2}
    models = {readout: lab.Model(**sizes, readout=readout) for readout in ("last", "mean")}
    return {readout: _three_ways(model.eval(), given) for readout, model in models.items()}


def _three_ways(model: nn.Module, given: Given) -> Tensor:
    with torch.no_grad():
        padded = [
            model.predict({"tokens": fill, "lengths": given.lengths})
            for fill in (given.one, given.other)
        ]
        alone = [
            model.predict({"tokens": row[None, : int(n)], "lengths": n[None]})
            for row, n in zip(given.one, given.lengths, strict=True)
        ]
    return torch.stack([*padded, torch.cat(alone)])

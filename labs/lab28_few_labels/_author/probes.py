"""What the hidden checks call. This file enters the sandbox: it holds no answer."""

from types import ModuleType

import torch

from dllab.checks import Arrays, Given


def colour(lab: ModuleType, given: Given) -> Arrays:
    """A split of CIFAR-10's form, and the loss of the first batch that training gets of it."""
    split = {"image": given.image, "label": torch.arange(40) % 10}
    own = {"per_class": 2, "draw": int(given.seed), "load": lambda *_: split}
    data = lab.Data(name="cifar10", size="full", batch_size=8, **own)
    data.setup()
    model = lab.Model(channels=3, white=255.0, blocks=1, width=8)
    batch = next(iter(data.train_dataloader()))
    loss = model.loss(batch, torch.Generator().manual_seed(int(given.seed)))
    return {"few": data.train["few"], "loss": loss.detach()}

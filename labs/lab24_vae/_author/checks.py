"""The hidden checks of lab 24: right answers on values that visible checks do not draw."""

import torch

from dllab.checks import Arrays, normal
from labs.lab24_vae import checks


@checks.reconstruction.also("sure-pixels", "Sure pixels")
def sure_pixels(rng: torch.Generator) -> Arrays:
    """A sure decoder costs hundreds of nats where it is wrong, and none where it is right."""
    x = torch.randint(0, 2, (3, checks.PIXELS), generator=rng).float()
    sure = 300 + 100 * torch.rand(3, checks.PIXELS, generator=rng)
    wrong = torch.where(torch.arange(checks.PIXELS) < 2, -1, 1)
    return {"logits": sure * (2 * x - 1) * wrong, "x": x}


@checks.importance_bound.also("sure-weights", "Pictures of hundreds of nats")
def sure_weights(rng: torch.Generator) -> Arrays:
    """Weights of exp(-300) are no zeros."""
    drawn = {name: normal(5, 3)(rng) for name in ("log_pz", "log_qz")}
    return {"log_px": normal(5, 3, mean=-300, std=3)(rng), **drawn}


@checks.loss.also("one-picture", "A batch of one")
def one_picture(rng: torch.Generator) -> Arrays:
    """A batch of one picture keeps its dimension."""
    toy = {name: draw(rng) for name, draw in checks.TOY.items()}
    x = torch.randint(0, 2, (1, checks.PIXELS), generator=rng).float()
    return {**toy, "x": x, "noise": torch.randn(3, 1, checks.UNITS, generator=rng)}

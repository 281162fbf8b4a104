"""The hidden checks of lab 25: right answers on values that visible checks do not draw."""

import torch

from dllab.checks import Arrays, normal
from labs.lab25_gan import checks


@checks.critic.also("sure-critic", "A sure critic")
def sure_critic(rng: torch.Generator) -> Arrays:
    """A critic that is sure costs hundreds of nats where it is wrong, none where it is right."""
    return {"real": normal(5, mean=300, std=9)(rng), "fake": normal(4, mean=200, std=300)(rng)}


@checks.distance.also("flat-features", "Features that vary little")
def flat_features(rng: torch.Generator) -> Arrays:
    """One feature is always the same: the covariance has no inverse, and the distance is finite."""
    x, y = normal(9, 3)(rng), normal(7, 3)(rng)
    x[:, 1] = y[:, 2] = 2.0
    return {"x": x, "y": y}


@checks.lost_modes.also("one-class", "One class alone")
def one_class(rng: torch.Generator) -> Arrays:
    """All samples are of the first class: the others are lost, though no label names them."""
    return {"label": torch.zeros(300, dtype=torch.int64)}

"""The hidden checks of lab 27: right answers on values that visible checks do not draw."""

import torch

from dllab.checks import Arrays, normal
from labs.lab27_simclr import checks


@checks.nt_xent.also("sharp", "A sharp temperature")
def sharp(rng: torch.Generator) -> Arrays:
    """A cosine over 0.01 has an exp that float32 cannot hold: the loss stays finite."""
    return {"z": normal(6, 4, mean=1.0)(rng), "temperature": torch.tensor(0.01)}


@checks.hide.also("oblong", "Pictures that are not square")
def oblong(rng: torch.Generator) -> Arrays:
    """Patches of pictures that are wider than high are hidden as well."""
    return checks.pictures(4, 10)(rng)


@checks.masked_loss.also("colour", "Hidden colours")
def colour(rng: torch.Generator) -> Arrays:
    """One mask hides three channels, and each of their numbers counts."""
    drawn = {name: normal(3, 3, 2, 2)(rng) for name in ("guess", "image")}
    hidden = torch.tensor([1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0]).bool().view(3, 1, 2, 2)
    return {**drawn, "hidden": hidden}


@checks.linear_probe.also("dead-feature", "A feature that is always 0")
def dead_feature(rng: torch.Generator) -> Arrays:
    """What does not vary among the labelled items is not divided by 0."""
    drawn = checks.labelled(rng)
    return {
        **drawn,
        "known": drawn["known"].index_fill(1, torch.tensor([1]), 0.0),
        "other": drawn["other"].index_fill(1, torch.tensor([1]), 0.0),
    }


@checks.rank.also("flat", "Directions that nothing uses")
def flat(rng: torch.Generator) -> Arrays:
    """Singular values of 0 add nothing, and make nothing of what is there."""
    used = torch.randn(12, 2, generator=rng) + 1
    return {"z": torch.cat([used, torch.zeros(12, 2)], 1)}

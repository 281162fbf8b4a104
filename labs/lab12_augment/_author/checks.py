"""The hidden checks of lab 12: visible ones on values at the edge of what can be."""

import torch

from dllab.checks import Arrays, integers
from labs.lab12_augment import checks


@checks.boxes.also("far-boxes", "Boxes of every size")
def far_boxes(rng: torch.Generator) -> Arrays:
    """Boxes may be empty, larger than the picture, or of one pixel in a corner."""
    return {
        "row": torch.tensor([0, 5, 5, 0, 3, 2]),
        "column": torch.tensor([0, 6, 0, 6, 3, 2]),
        "height": torch.cat([torch.tensor([0, 1, 6, 20]), integers(0, 9, 2)(rng)]),
        "width": torch.cat([torch.tensor([4, 1, 7, 20]), integers(0, 9, 2)(rng)]),
    }


@checks.soft_loss.also("sure-logits", "Sure logits")
def sure_logits(rng: torch.Generator) -> Arrays:
    """A sure mistake costs hundreds of nats, not infinity."""
    logits = 1000 * torch.randn(4, 3, generator=rng)
    return {"logits": logits, "target": checks.targets(rng)}


@checks.time_warp.also("strong-bends", "Strong bends")
def strong_bends(rng: torch.Generator) -> Arrays:
    """Strong bends keep both ends, also without padding, and a single step stays finite."""
    return {
        "series": torch.randn(4, 8, 2, generator=rng),
        "lengths": torch.tensor([1, 8, 7, 8]),
        "bend": torch.tensor([1, 1, -1, -1]) * (1.2 + torch.rand(4, generator=rng)),
    }

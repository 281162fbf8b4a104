"""The hidden checks of lab 22: right answers on values that visible checks do not draw."""

import torch

from dllab.checks import Arrays, Given, Outcome, check, close, every, holds, integers, normal
from labs.lab22_vit import checks
from labs.lab22_vit._author import probes


@checks.patches.also("one-picture", "A batch of one")
def one_picture(rng: torch.Generator) -> Arrays:
    """`patches` serves a single grey picture, higher than wide."""
    return {"image": normal(1, 1, 8, 2)(rng)}


@check(
    "colour",
    "Photographs of CIFAR-10's form",
    given={"image": integers(0, 256, 8, 3, 32, 32, dtype=torch.uint8)},
    probe=probes.colour,
    returns={"scores": "float32 [8, 10]", "alone": "float32 [1, 10]", "maps": "float32 [8, 8, 8]"},
    depends_on=("logits", "rollout"),
    hint="logits",
)
def colour(given: Given, got: Arrays) -> Outcome:
    """The model learns a batch of CIFAR-10's form, and scores each picture by itself."""
    return every(
        holds(got["scores"].std() > 0, "all pictures get the same scores"),
        close(got["alone"], got["scores"][:1], atol=1e-3, rtol=1e-3),
        close(got["maps"].sum((1, 2)), torch.ones(8), atol=1e-3),
    )


@checks.frontier.also("all-alike", "Networks that cost the same")
def all_alike(rng: torch.Generator) -> Arrays:
    """`frontier` keeps the best, twice if they are two, where all cost the same."""
    accuracy = torch.randint(1, 5, (12,), generator=rng).float()
    accuracy[:2] = 5
    return {"cost": torch.ones(12), "accuracy": accuracy}

"""The hidden checks of lab 28: what they draw, what is right. None of it enters the sandbox."""

import torch

from dllab.checks import Arrays, Given, Outcome, check, every, holds, integers
from labs.lab28_few_labels import checks
from labs.lab28_few_labels._author import probes


@checks.pseudo_labels.also("at-threshold", "Exactly at the threshold")
def at_threshold(rng: torch.Generator) -> Arrays:
    """A choice whose probability is the threshold counts; others do not."""
    gap = torch.rand(3, generator=rng) / 10
    logits = torch.tensor([[0.0, 0.0, -200.0]]).repeat(6, 1)
    logits[3:, 2] = -gap
    return {"logits": logits, "threshold": torch.tensor(0.5)}


@checks.consistency.also("nobody-sure", "Nobody is sure")
def nobody_sure(rng: torch.Generator) -> Arrays:
    """Where no view is sure enough, the loss is 0 and finite."""
    weak, strong = torch.randn(2, 8, 4, generator=rng)
    return {"weak": weak, "strong": 100 * strong, "threshold": torch.tensor(0.9999999)}


@checks.annotators.also("silent-voter", "A voter who never votes")
def silent_voter(rng: torch.Generator) -> Arrays:
    """Of one who always abstains every vote is equally likely, by `smooth`."""
    vote = checks.votes(rng)
    vote[:, 2] = -1
    return {"vote": vote, "belief": checks.chances(rng), "smooth": checks.SMOOTH(rng)}


@checks.beliefs.also("many-voters", "Hundreds of voters")
def many_voters(rng: torch.Generator) -> Arrays:
    """The votes of 900 make no belief nan."""
    chance = torch.randn(900, 4, 4, generator=rng, dtype=torch.float64).div(4).softmax(2)
    vote = torch.randint(-1, 4, (12, 900), generator=rng)
    return {"vote": vote, "prior": torch.full((4,), 0.25).double(), "confusion": chance}


@checks.query.also("few-left", "Few are left")
def few_left(rng: torch.Generator) -> Arrays:
    """Where fewer are left than it would like to choose among, nothing is asked twice."""
    return checks.pool(rng) | {"asked": torch.randperm(80, generator=rng) < 74}


@check(
    "colour",
    "Pictures in colour",
    given={"image": integers(0, 256, 40, 3, 32, 32, dtype=torch.uint8), "seed": checks.SEED},
    probe=probes.colour,
    returns={"few": "uint8 [40, 3, 32, 32]", "loss": "float32 []"},
    depends_on=("setup", "fixmatch"),
    hint="fixmatch",
)
def colour(given: Given, got: Arrays) -> Outcome:
    """What stands in CIFAR-10's form goes through the same code."""
    same = (got["few"][:, None] == given.image[None]).flatten(2).all(2).any(1)
    return every(
        holds(same.all(), "the few are not pictures of the split"),
        holds(0 < got["loss"] < 20, f"the loss is {float(got['loss']):.3g}"),
    )

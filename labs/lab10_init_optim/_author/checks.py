"""The hidden checks of lab 10: what they draw, what is right. None of this enters the sandbox."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from dllab.checks import Arrays, Given, Outcome, check, every, holds
from labs.lab10_init_optim import checks
from labs.lab10_init_optim._author import probes


@check(
    "two-groups",
    "Groups with rates of their own",
    given={**checks.PATH, "g": checks.doubles(5, 2, 3)},
    probe=probes.two_groups,
    depends_on=("sgd", "rmsprop", "adamw"),
    hint="sgd",
    **checks.EXACT,
)
def two_groups(given: Given) -> Arrays:
    """Each group of parameters moves at its own rate, from fresh or from saved gradients."""
    library = {"SGD": "SGD", "RMSProp": "RMSprop", "AdamW": "AdamW"}
    found = {}
    for name in probes.RULES:
        params = [row.clone().requires_grad_() for row in given.p]
        rates = float(given.lr), float(given.lr) / 10
        groups = [{"params": [p], "lr": lr} for p, lr in zip(params, rates, strict=True)]
        optimizer = getattr(torch.optim, library[name])(groups)
        for g in given.g:
            params[0].grad, params[1].grad = g[0].clone(), g[1].clone()
            optimizer.step()
        found[name] = torch.stack([p.detach() for p in params])
    return found


@checks.warm_up.also("no-warm-up", "Without a warm-up")
def no_warm_up(rng: torch.Generator) -> Arrays:
    """Without a warm-up the first step has the whole rate."""
    return {"steps": torch.randint(20, 30, (), generator=rng), "warmup": torch.tensor(0)}


@checks.range_test.also("not-finite", "A test that ends in nan")
def not_finite(rng: torch.Generator) -> Arrays:
    """A loss that is nan, which is not above anything, ends the range test."""
    drawn = checks.explosion(rng)
    return {**drawn, "loss": torch.cat([drawn["loss"][:8], torch.full((4,), math.nan)])}


@check(
    "all-rates",
    "A test that runs to its end",
    given={"loss": lambda rng: 1 + torch.rand(9, generator=rng)},
    probe=probes.never_exploding,
    depends_on=("range-test",),
    hint="range-test",
    **checks.EXACT,
)
def all_rates(given: Given) -> Tensor:
    """Where nothing explodes, all rates are tried, the last one exactly `high`."""
    return torch.logspace(-3, 0, len(given.loss), dtype=torch.float64)


def deep_start(rng: torch.Generator) -> Arrays:
    """Draw a network of eight hidden layers, and items of four kinds: who is nearest to which."""
    sizes = [16, *[32] * 8, 4]
    weights = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        weights[f"layers.{i}.weight"] = torch.randn(b, a, generator=rng) * (2 / a) ** 0.5
        weights[f"layers.{i}.bias"] = torch.zeros(b)
    image = torch.randint(256, (256, 1, 4, 4), generator=rng, dtype=torch.uint8)
    kind = torch.randn(16, 4, generator=rng)
    score = (image.flatten(1).float() - 127.5) @ kind
    weights |= {"mean": torch.tensor(127.5), "std": torch.tensor(74.0)}
    return {**weights, "image": image, "label": score.argmax(1)}


@check(
    "race",
    "A race from weights that nobody has seen",
    given=deep_start,
    probe=probes.race,
    returns={"loss": "float32 [60]"},
    depends_on=("divided", "set-rate", "warm-up", "muon", "adamw"),
    hint="divided",
)
def race(_given: Given, got: Arrays) -> Outcome:
    """Sixty steps from drawn weights bring the loss down as far as they should."""
    first, last = float(got["loss"][0]), float(got["loss"][-1])
    return every(
        holds(
            last < 0.35,
            f"the loss goes from {first:.3g} to {last:.3g}, where below 0.35 is expected",
        )
    )

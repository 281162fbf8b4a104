"""The hidden checks of lab 11: what they draw, what is right. None of this enters the sandbox."""

import math

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Given, check
from labs.lab11_norm_reg import checks
from labs.lab11_norm_reg._author import probes


@checks.group_norm.also("far-groups", "Far and uneven groups")
def far_groups(rng: torch.Generator) -> Arrays:
    """Six channels in three groups, far from 0, with an eps that counts, are standardised, too."""
    draw = lambda *shape: torch.randn(shape, generator=rng)  # noqa: E731
    return {
        "x": 10_000 + 50 * draw(2, 6, 4),
        "flat": draw(2, 6),
        "weight": draw(6),
        "bias": draw(6),
        "groups": torch.tensor(3),
        "eps": torch.tensor(0.5),
    }


@checks.smoothing.also("sure-logits", "Sure logits")
def sure_logits(rng: torch.Generator) -> Arrays:
    """A sure mistake costs thousands of nats, not infinity."""
    return {
        "logits": 3000 * torch.randn(4, 5, generator=rng, dtype=torch.float64),
        "label": torch.randint(5, (4,), generator=rng),
        "smoothing": torch.tensor(0.1, dtype=torch.float64),
    }


def network(rng: torch.Generator) -> Arrays:
    """Draw items, and the weights of a network of two blocks."""
    draw = {
        "stem": (8, 6),
        **{f"blocks.{i}.{name}": (8, 8) for i in range(2) for name in ("inner", "outer")},
        "head.1": (3, 8),
    }
    weights = {}
    for name, shape in draw.items():
        weights[f"{name}.weight"] = torch.randn(shape, generator=rng) / shape[1] ** 0.5
        weights[f"{name}.bias"] = 0.3 * torch.randn(shape[0], generator=rng)
    image = torch.randint(256, (5, 1, 2, 3), generator=rng, dtype=torch.uint8)
    pixels = {"mean": torch.tensor(127.5), "std": torch.tensor(74.0)}
    return {**weights, **pixels, "image": image, "label": torch.randint(3, (5,), generator=rng)}


NORMS = {
    "layer": lambda x: F.layer_norm(x, (8,)),
    "group": lambda x: F.group_norm(x, 2),
    "rms": lambda x: F.rms_norm(x, (8,), eps=1e-5),
}


@check(
    "whole-gradient",
    "The network's gradient",
    given=network,
    probe=probes.whole,
    depends_on=(
        "standardize-backward",
        "rms-backward",
        "group-norm",
        "block",
        "smoothing-backward",
    ),
    hint="smoothing-backward",
    atol=1e-4,
    rtol=1e-3,
)
def whole_gradient(given: Given) -> Arrays:
    """With each norm, the network's gradient is the one that autograd would find."""
    found = {}
    for kind in probes.KINDS:
        stem = given["stem.weight"].clone().requires_grad_()
        x = (given.image.flatten(1).float() - given.mean) / given.std
        x = F.linear(x, stem, given["stem.bias"])
        for i in range(2):
            y = NORMS[kind](x)
            for name, after in (("inner", torch.relu), ("outer", lambda y: y)):
                layer = f"blocks.{i}.{name}"
                y = after(F.linear(y, given[f"{layer}.weight"], given[f"{layer}.bias"]))
            x = x + y
        logits = F.linear(NORMS[kind](x), given["head.1.weight"], given["head.1.bias"])
        loss = F.cross_entropy(logits, given.label, label_smoothing=0.2)
        (gradient,) = torch.autograd.grad(loss, stem)
        found |= {f"loss, {kind}": loss.detach(), f"stem, {kind}": gradient}
    return found


@checks.early_stopping.also("never-stops", "Losses that are not numbers")
def never_stops(rng: torch.Generator) -> Arrays:
    """A loss that is nan is no better than another, and a patience of 0 never stops."""
    loss = 1 + torch.rand(6, generator=rng)
    return {"loss": torch.cat([loss, torch.full((3,), math.nan)]), "patience": torch.tensor(0)}

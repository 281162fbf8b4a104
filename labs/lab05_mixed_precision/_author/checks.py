"""The hidden checks of lab 05: what they draw, how they judge. None of this enters the sandbox."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, holds
from labs.lab05_mixed_precision._author import probes
from labs.lab05_mixed_precision.checks import (
    BFLOAT16,
    STEPS,
    network,
    plain_steps,
    region_given,
    same_dtypes,
    same_scales,
    scales,
    step_given,
)

SHARE = 0.65  # of the bytes that float32 keeps


@check(
    "saved-bytes",
    "What the backward pass keeps",
    given=region_given,
    probe=probes.saved_bytes_probe,
    returns={"bytes": "int64 [2]"},
    depends_on=("region",),
    hint="region",
)
def saved_bytes(_given: Arrays, got: Arrays) -> Outcome:
    """In bfloat16 the forward pass keeps at most 0.65 of the bytes that it keeps in float32."""
    full, low = got["bytes"].tolist()
    message = f"float32 keeps {full:,} bytes, bfloat16 {low:,}; at most {SHARE} of them are allowed"
    return holds(0 < low <= SHARE * full, message)


def long_history_given(rng: torch.Generator) -> Arrays:
    """Draw 400 steps with rare overflows, and an interval."""
    return {
        "finite": torch.rand(400, generator=rng) < 0.95,
        "interval": torch.randint(1, 12, (), generator=rng),
    }


@check(
    "long-history",
    "Any growth, back-off and interval",
    given=long_history_given,
    probe=probes.long_history_probe,
    returns={"scale": "float64 [400]"},
    depends_on=("update",),
    hint="update",
)
def long_history(given: Arrays, got: Arrays) -> Outcome:
    """The scale is exact after 400 steps, whatever growth, back-off and interval are."""
    expected = scales(given["finite"], 3.0, 1.5, 0.25, int(given["interval"]))
    return same_scales(got["scale"], expected, given["finite"])


@check(
    "clipped",
    "Unscale before clipping",
    given=step_given,
    probe=probes.clipped_probe,
    returns=STEPS,
    depends_on=("step",),
    hint="step",
)
def clipped(given: Arrays, got: Arrays) -> Outcome:
    """Clipping sees the gradients of the loss itself, not those of the scaled loss."""
    return close(got["weight"], plain_steps(given, 0.01), atol=2e-6, what="a weight after clipping")


def underflow_given(rng: torch.Generator) -> Arrays:
    """Draw a layer that is so sure of class 0 that float16 loses its gradient."""
    return {
        "x": torch.randn(64, 8, generator=rng),
        "weight": torch.randn(4, 8, generator=rng) / 10,
        "bias": torch.tensor([14.0, 0.0, 0.0, 0.0]),
    }


@check(
    "underflow",
    "Small gradients survive",
    given=underflow_given,
    probe=probes.underflow_probe,
    returns={"moved": "float32 [4, 8]"},
    depends_on=("step", "region"),
    hint="step",
)
def underflow(given: Arrays, got: Arrays) -> Outcome:
    """In float16, gradients of about 1e-8 move the weights as they would in float32."""
    weight = given["weight"].double().requires_grad_()
    logits = F.linear(given["x"].double(), weight, given["bias"].double())
    loss = F.cross_entropy(logits, torch.zeros(64, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(loss, weight)
    error = float((got["moved"] + 1e6 * gradient).norm() / (1e6 * gradient).norm())
    return holds(error < 0.1, f"the step is {error:.0%} off the one that float32 would take")


def hundred_steps_given(rng: torch.Generator) -> Arrays:
    """Draw initial weights, and a hundred batches whose labels can be learned."""
    weights = {
        name: torch.randn(value.shape, generator=rng) / value.shape[-1] ** 0.5
        if value.dim() > 1
        else torch.full(value.shape, float(name == "3.weight"))
        for name, value in network().state_dict().items()
    }
    x = torch.randn(100, 32, 96, generator=rng)
    rule = torch.randn(96, 10, generator=rng)
    return {**weights, "x": x, "label": (x @ rule).argmax(dim=2)}


def reference_loss(weights: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
    """The network of the check, each product in bfloat16, norm and loss in float32."""

    def linear(name: str, x: Tensor) -> Tensor:
        low = [t.bfloat16() for t in (x, weights[f"{name}.weight"], weights[f"{name}.bias"])]
        return F.linear(*low)

    x = linear("2", linear("0", x).relu()).float()
    x = F.layer_norm(x, (64,), weights["3.weight"], weights["3.bias"])
    return F.cross_entropy(linear("4", x).float(), label)


def reference_run(given: Arrays) -> tuple[Tensor, dict[str, Tensor]]:
    """The losses of a hundred steps, clipped to norm 1, and the weights after them."""
    weights = {name: given[name].clone().requires_grad_() for name in network().state_dict()}
    optimizer, losses = torch.optim.SGD(weights.values(), 0.1), []
    for x, label in zip(given["x"], given["label"], strict=True):
        loss = reference_loss(weights, x, label)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), weights


@check(
    "hundred-steps",
    "A hundred steps beside the reference",
    given=hundred_steps_given,
    probe=probes.hundred_steps_probe,
    returns={
        "loss": "float32 [100]",
        "dtype": "int64 [1]",
        **{
            f"final.{name}": f"float32 [{', '.join(map(str, value.shape))}]"
            for name, value in network().state_dict().items()
        },
    },
    depends_on=("step", "region"),
    hint="step",
)
def hundred_steps(given: Arrays, got: Arrays) -> Outcome:
    """A hundred steps from the same weights on the same batches follow the reference's curve."""
    losses, weights = reference_run(given)
    apart = float((got["loss"] - losses).abs().max())
    moved = sum(float((w.detach() - given[n]).square().sum()) for n, w in weights.items())
    off = sum(float((w.detach() - got[f"final.{n}"]).square().sum()) for n, w in weights.items())
    return every(
        same_dtypes(got["dtype"], torch.tensor([BFLOAT16]), ["the second linear layer"]),
        holds(apart < 0.05, f"a loss is {apart:.3g} off the reference's, 0.05 are allowed"),
        holds(
            off < 0.03**2 * moved, f"the weights end {(off / moved) ** 0.5:.1%} off the reference's"
        ),
    )

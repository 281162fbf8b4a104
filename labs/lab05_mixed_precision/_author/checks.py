"""The hidden checks of lab 05: what they draw, what is right. None of this enters the sandbox."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given, Outcome, check, holds, normal
from labs.lab05_mixed_precision import checks
from labs.lab05_mixed_precision._author import probes

SHARE = 0.65  # of the bytes that float32 keeps


@check(
    "saved-bytes",
    "What the backward pass keeps",
    given=checks.batches(),
    probe=probes.saved_bytes,
    returns={"bytes": "int64 [2]"},
    depends_on=("region",),
    hint="region",
)
def saved_bytes(_given: Given, got: Arrays) -> Outcome:
    """In bfloat16 the forward pass keeps at most 0.65 of the bytes that it keeps in float32."""
    full, low = got["bytes"].tolist()
    message = f"float32 keeps {full:,} bytes, bfloat16 {low:,}; at most {SHARE} of them are allowed"
    return holds(0 < low <= SHARE * full, message)


@checks.update.also("long-history", "Any growth, back-off and interval")
def long_history(rng: torch.Generator) -> Arrays:
    """The scale is exact after 400 steps, whatever growth, back-off and interval are."""
    numbers = {"scale": 3.0, "growth": 1.5, "backoff": 0.25}
    return {
        "finite": torch.rand(400, generator=rng) < 0.95,
        "interval": torch.randint(1, 12, (), generator=rng),
        **{name: torch.tensor(value) for name, value in numbers.items()},
    }


@checks.step.also("clipped", "Clipped to any norm")
def clipped(rng: torch.Generator) -> Arrays:
    """Clipping sees the gradients of the loss itself, and bounds their norm as it is told."""
    return {**checks.four_batches(rng), "max_norm": torch.tensor(0.01)}


@check(
    "underflow",
    "Small gradients survive",
    given={
        "x": normal(64, 8),
        "weight": normal(4, 8, std=0.1),
        "bias": torch.tensor([16.0, 0, 0, 0]),
        "label": torch.zeros(64, dtype=torch.int64),
    },
    probe=probes.underflow,
    mistakes={"small gradients have vanished: the loss itself must be scaled": torch.zeros(3, 8)},
    atol=1e-3,
    rtol=0.05,
    depends_on=("step", "region"),
    hint="step",
)
def underflow(given: Given) -> Tensor:
    """In float16, gradients of about 1e-8 move the weights as they would in float32."""
    weight = given.weight.requires_grad_()
    loss = F.cross_entropy(F.linear(given.x, weight, given.bias), given.label)
    return -1e6 * torch.autograd.grad(loss, weight)[0][1:]


@check(
    "hundred-steps",
    "A hundred steps beside the reference",
    given=checks.batches(100),
    probe=probes.hundred_steps,
    atol=5e-3,
    rtol=5e-3,
    depends_on=("step", "region"),
    hint="step",
)
def hundred_steps(given: Given) -> Arrays:
    """A hundred steps from the same weights on the same batches follow the reference's curve."""
    state = {name: given[name].requires_grad_() for name in checks.network().state_dict()}
    optimizer, losses = torch.optim.SGD(state.values(), 0.1), []
    for x, label in zip(given.x, given.label, strict=True):
        losses.append(checks.loss_in(torch.bfloat16, given | state | {"x": x, "label": label}))
        optimizer.zero_grad()
        losses[-1].backward()
        torch.nn.utils.clip_grad_norm_(state.values(), 1.0)
        optimizer.step()
    return {
        "the losses": torch.stack(losses),
        "the fraction bits of the second linear layer": torch.tensor([7]),
        **{f"{name} in the end": value for name, value in state.items()},
    }

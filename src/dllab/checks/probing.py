"""How a probe is called: the one door to learner code, in the sandbox and wherever authors try."""

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dllab.checks.arrays import RESULT, Arrays, Given, as_arrays
from dllab.checks.blame import add_forward_lines

Probe = Callable[[ModuleType, Given], Any]
CUT_OFF = (
    "is cut off from the graph, so nothing can learn through it: is there a detach(), .item(), "
    ".data, no_grad or numpy on the way?"
)


class ReturnedError(Exception):
    """What learner code returned cannot serve; the message says why, in the learner's words."""


def call(
    probe: Callable[[Any, Given], Any],
    lab: Any,
    given: Arrays,
    grad: Sequence[str] | None = None,
    *,
    strict: bool = True,
) -> dict[str, Any]:
    """The arrays that a probe returns, by name.

    With `grad` every float that it returns must hang in the graph, and for each given array that
    `grad` names there is `gradient.NAME` as well: the gradient of a weighted sum of all that was
    returned. The weights are the same at each call.

    Raises ReturnedError for a number that is cut off from the graph, unless not `strict`: then it
    has no part in the gradients.
    """
    if grad is None:
        return as_arrays(probe(lab, Given(given)))
    with torch.enable_grad():
        try:
            return _with_gradients(probe, lab, given, grad, strict=strict)
        except RuntimeError as error:
            if "inplace operation" in str(error):
                again = partial(_with_gradients, probe, lab, given, grad, strict=strict)
                add_forward_lines(error, again)
            raise


def _with_gradients(
    probe: Callable[[Any, Given], Any],
    lab: Any,
    given: Arrays,
    grad: Sequence[str],
    *,
    strict: bool,
) -> dict[str, Any]:
    leaves = [given[name].requires_grad_() for name in grad]
    got = as_arrays(probe(lab, Given(given)))
    floats = {n: v for n, v in got.items() if isinstance(v, Tensor) and v.is_floating_point()}
    for name, value in floats.items():
        if strict and not value.requires_grad:
            raise ReturnedError(f"{'it' if name == RESULT else name} {CUT_OFF}")
    gradients = _gradients([v for v in floats.values() if v.requires_grad], leaves)
    return got | {f"gradient.{name}": g for name, g in zip(grad, gradients, strict=True)}


def _gradients(values: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    if not leaves or not values:
        return [torch.zeros_like(leaf) for leaf in leaves]
    rng = torch.Generator().manual_seed(0)
    pulls = [torch.randn(value.shape, generator=rng).to(value) for value in values]
    found = torch.autograd.grad(list(values), leaves, pulls, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    return [torch.zeros_like(leaf) if gradient is None else gradient for gradient, leaf in pairs]


def detached(got: dict[str, Any]) -> dict[str, Any]:
    """What a probe returned, cut from its gradients: a sandbox hands on numbers and no graph."""
    return {name: v.detach() if isinstance(v, Tensor) else v for name, v in got.items()}

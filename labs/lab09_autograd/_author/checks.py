"""The hidden checks of lab 09: what they draw, what is right. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays, Given, check
from labs.lab09_autograd import checks
from labs.lab09_autograd._author import probes


@check(
    "twice",
    "A drawn graph, differentiated twice",
    given={**checks.DRAWN, "steps": checks.drawn_steps},
    probe=probes.twice,
    depends_on=("drawn-graph", "hessian-vector"),
    hint="gradients",
    atol=1e-7,
    rtol=1e-7,
)
def twice(given: Given) -> Arrays:
    """The gradient of the size of a gradient is PyTorch's, on a drawn graph."""
    inputs = [given[name].clone().requires_grad_() for name in checks.DRAWN]
    out = checks.drawn_program(given, *inputs)
    first = torch.autograd.grad(out, inputs, create_graph=True)
    found = torch.autograd.grad(sum((slope * slope).sum() for slope in first), inputs)
    return checks.by_leaf(found)

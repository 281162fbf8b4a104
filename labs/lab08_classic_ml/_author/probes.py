"""The halves of lab 08's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import Tensor

from dllab.checks import Arrays, Given


def fitted(lab: ModuleType, given: Given, kind: str) -> Arrays:
    """Take the learner's objective down to its minimum, in float64."""
    x, target = given.x.double(), given.target.double()
    weight = torch.zeros(x.shape[1], 1).double().requires_grad_()
    bias = torch.zeros(1).double().requires_grad_()
    descent = torch.optim.LBFGS(
        [weight, bias],
        max_iter=200,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        descent.zero_grad()
        value = lab.objective(x @ weight + bias, target, weight, float(given.penalty), kind)
        value.backward()
        return value

    descent.step(loss)
    return {"weight": weight[:, 0].float(), "bias": bias.float()}


def logistic_fit(lab: ModuleType, given: Given) -> Arrays:
    """Fit the logistic loss."""
    return fitted(lab, given, "logistic")


def linear_machine(lab: ModuleType, given: Given) -> Arrays:
    """Fit the hinge; the width of its margin as well."""
    got = fitted(lab, given, "hinge")
    return {**got, "the width of the margin": 2 / got["weight"].norm()}


def both_ways(lab: ModuleType, given: Given) -> Arrays:
    """Ridge in closed form; the gradient of the objective there."""
    weight, bias = lab.ridge(given.x, given.y, float(given.penalty))
    weight, bias = weight.detach().requires_grad_(), bias.detach().requires_grad_()
    score = given.x @ weight + bias
    rows = len(given.x)
    lab.objective(score, given.y, weight, float(given.penalty) / rows, "squares").backward()
    return {"gradient of the weight": weight.grad, "gradient of the bias": bias.grad}


def inertia(lab: ModuleType, given: Given) -> Arrays:
    """The best of eight runs of k-means."""
    rng = torch.Generator().manual_seed(int(given.seed))
    runs = [lab.kmeans(given.x, 4, rng) for _ in range(8)]
    costs = [torch.cdist(given.x, center).amin(1).square().sum() for center in runs]
    return {"center": runs[int(torch.stack(costs).argmin())]}


def boosted_table(lab: ModuleType, given: Given) -> Tensor:
    """Boost on a table, and predict it."""
    mean, stumps = lab.boost(given.x, given.y, 25, 0.3)
    return mean + 0.3 * torch.stack([stump(given.x) for stump in stumps]).sum(0)


def coverage(lab: ModuleType, given: Given) -> Arrays:
    """The interval of each sample."""
    rng = torch.Generator().manual_seed(int(given.seed))
    return {"ends": torch.stack([lab.interval(sample, rng) for sample in given.sample])}

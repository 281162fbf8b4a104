"""The numbers that lab 09's page lets one guess, computed from the reference and its config."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]
DOUBLINGS = 20


def parameters(lab: ModuleType, config: Config) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def passes(lab: ModuleType, config: Config) -> int:
    """How many losses central differences need for the gradient of all of them."""
    return 2 * parameters(lab, config)


def _doubled(lab: ModuleType) -> tuple[Any, Any]:
    first = last = lab.Value(1.0)
    for _ in range(DOUBLINGS):
        last = last + last
    return first, last


def ways(lab: ModuleType, _config: Config) -> int:
    """How many ways lead from a number to its double's double, twenty times over: its slope."""
    first, last = _doubled(lab)
    last.backward()
    return int(first.grad)


def nodes(lab: ModuleType, _config: Config) -> int:
    """How many nodes backward visits there."""
    return len(lab.topological(_doubled(lab)[1]))


def sigmoid_slope(lab: ModuleType, _config: Config) -> float:
    """The largest slope that a sigmoid has, at 0."""
    x = lab.Tensor(0.0, requires_grad=True)
    [slope] = lab.grad(lab.sigmoid(x), [x])
    return float(slope.data)


def faded(lab: ModuleType, config: Config) -> float:
    """What is left of a gradient behind five of them, at most."""
    return sigmoid_slope(lab, config) ** 5

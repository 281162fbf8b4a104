"""Cases: a learner's tests as data, and the driver that calls code with them, for break-it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dllab.checks.arrays import RESULT, as_arrays
from dllab.checks.probing import Probe, ReturnedError


@dataclass(frozen=True)
class Case:
    """One test as data: what the driver is given, and what must come back.

    `expected` is a tensor where the driver returns one, else a dict of them. An element is right
    within `atol + rtol * |expected|`; other right code may round otherwise.
    """

    given: Mapping[str, Tensor]
    expected: Tensor | Mapping[str, Tensor]
    atol: float = 1e-5
    rtol: float = 1e-5


@dataclass(frozen=True)
class Driver:
    """How cases are fed to code. `given` and `returns` declare the arrays as `dtype [d0, *]`."""

    name: str
    given: Mapping[str, str]
    returns: Mapping[str, str]
    probe: Probe


def driver(
    name: str, *, given: Mapping[str, str], returns: str | Mapping[str, str]
) -> Callable[[Probe], Driver]:
    """Turn a function (lab, given) of checks.py into the driver of that name, for criteria.

    It returns a tensor, which `returns` declares, or a dict of them.
    """
    form = {RESULT: returns} if isinstance(returns, str) else dict(returns)
    return lambda probe: Driver(name, dict(given), form, probe)


def flat(cases: object) -> dict[str, Any]:
    """Cases as arrays by name: `1/given/NAME`, `1/expected/NAME`, `1/atol`, `1/rtol`, `2/given/…`.

    Raises ReturnedError for what is not a list of cases.
    """
    if not isinstance(cases, list | tuple):
        raise ReturnedError(f"expected a list of cases, got {type(cases).__name__}")
    arrays: dict[str, Any] = {}
    for number, case in enumerate(cases, start=1):
        if not isinstance(case, Case):
            raise ReturnedError(f"case {number}: expected a Case, got {type(case).__name__}")
        arrays |= {f"{number}/given/{name}": value for name, value in dict(case.given).items()}
        expected = as_arrays(case.expected)
        arrays |= {f"{number}/expected/{name}": value for name, value in expected.items()}
        for name, value in (("atol", case.atol), ("rtol", case.rtol)):
            arrays[f"{number}/{name}"] = torch.tensor(float(value), dtype=torch.float64)
    return arrays

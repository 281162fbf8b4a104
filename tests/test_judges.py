"""Every judge of every lab is total: arrays of the declared shape, however mad, get an Outcome.

A judge that raises is our fault (`infra_error`) and costs an instructor's time: learner code must
not be able to make one raise by what it returns.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping

import pytest
import torch
from torch import Tensor

from dllab.checks import Outcome, validate
from dllab.grading.code_checks import load_checks
from dllab.lab.find import Lab, all_labs
from dllab.lab.project import find_root

LABS = all_labs(find_root())
Make = Callable[[list[int], torch.dtype, torch.Generator], Tensor]


def filled(value: float) -> Make:
    """Full of one number, or of the nearest that the dtype holds."""

    def make(shape: list[int], dtype: torch.dtype, _rng: torch.Generator) -> Tensor:
        if dtype == torch.bool:
            return torch.full(shape, value > 0)
        kind = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
        return torch.full(shape, type(kind.max)(min(max(value, kind.min), kind.max)), dtype=dtype)

    return make


def drawn(scale: float) -> Make:
    """Random numbers of either sign."""

    def make(shape: list[int], dtype: torch.dtype, rng: torch.Generator) -> Tensor:
        return (scale * torch.randn(shape, generator=rng)).to(dtype)

    return make


HOSTILE = {
    "zeros": filled(0),
    "ones": filled(1),
    "minus one": filled(-1),
    "huge": filled(math.inf),
    "most negative": filled(-math.inf),
    "tiny": filled(1e-45),
    "noise": drawn(1),
    "loud noise": drawn(1e6),
}


def arrays(
    returns: Mapping[str, str], make: Make, free: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """What a check declares; each dimension that it leaves open is `free`."""
    made = {}
    for name, declared in returns.items():
        dtype, inside = re.fullmatch(r"(\w+) \[(.*)\]", declared).groups()
        dims = [free if dim.strip() == "*" else int(dim) for dim in inside.split(",") if dim]
        made[name] = make(dims, getattr(torch, dtype), rng)
    return made


def mad(
    returns: Mapping[str, str], rng: torch.Generator
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    is_open = any("*" in declared for declared in returns.values())
    for free in (0, 1, 7) if is_open else (0,):
        for name, make in HOSTILE.items():
            yield f"{name} ({free})", arrays(returns, make, free, rng)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_no_judge_raises(lab: Lab) -> None:
    raised = []
    for check in load_checks(lab, hidden=True):
        rng = torch.Generator().manual_seed(0)
        given = check.given(rng)
        returns = check.returns(given)
        for name, got in mad(returns, rng):
            assert validate(got, returns) == "", f"{check.id}: {name}"
            try:
                outcome = check.judge(given, got)
                sound = type(outcome) is Outcome and math.isfinite(outcome.fraction)
                assert sound, f"{outcome!r}"
                assert isinstance(outcome.message, str)
            except Exception as error:  # noqa: BLE001 - all of them are listed at once
                raised.append(f"{check.id}, {name}: {type(error).__name__}: {error}")
    assert raised == []

"""Arrays of the shape and dtype that a check declares, as mad as learner code may return them.

A judge that raises is the grader's fault (`infra_error`) and costs an instructor's time, so learner
code must not be able to make one raise by what it returns.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from dllab.authoring.proof import CheckFinding, checks_of
from dllab.checks import Arrays, Check, Outcome, validate
from dllab.lab.find import Lab

Make = Callable[[list[int], torch.dtype, torch.Generator], Tensor]
OPEN_SIZES = (0, 1, 7)  # of a dimension that a check leaves open


def try_judges(lab: Lab) -> list[CheckFinding]:
    """Hand every judge of a lab hostile arrays; a finding for each check whose judge breaks."""
    broken = ((id, _breaks(check)) for id, check in checks_of(lab).items())
    return [
        CheckFinding(id, passed=False, message=said, sound=False) for id, said in broken if said
    ]


def _breaks(check: Check) -> str:
    """What a judge did other than judge; empty where it copes with all."""
    rng = torch.Generator().manual_seed(0)
    given = check.given(rng)
    returns = check.returns(given)
    for name, got in hostile_arrays(returns, rng):
        if mismatch := validate(got, returns):
            return f"declared: {mismatch}"
        try:
            outcome = check.judge(given, got)
        except Exception as error:  # noqa: BLE001 - author code
            return f"judge, given {name}: {type(error).__name__}: {error}"
        if type(outcome) is not Outcome or not math.isfinite(outcome.fraction):
            return f"judge, given {name}: returned {outcome!r}"
    return ""


def hostile_arrays(
    returns: Mapping[str, str], rng: torch.Generator
) -> Iterator[tuple[str, Arrays]]:
    """What a check declares, full of each kind of madness, with its name."""
    is_open = any("*" in declared for declared in returns.values())
    for size in OPEN_SIZES if is_open else (0,):
        for name, make in _KINDS.items():
            yield name, {key: _array(said, size, make, rng) for key, said in returns.items()}


def _array(declared: str, size: int, make: Make, rng: torch.Generator) -> Tensor:
    """One array of the declared form, `float32 [3, *]` or so; its open dimensions are `size`."""
    match = re.fullmatch(r"(\w+) \[(.*)\]", declared)
    assert match, declared
    dims = [size if dim.strip() == "*" else int(dim) for dim in match[2].split(",") if dim]
    return make(dims, getattr(torch, match[1]), rng)


def _filled(value: float) -> Make:
    """Full of one number, or of the nearest that the dtype holds."""

    def make(shape: list[int], dtype: torch.dtype, _rng: torch.Generator) -> Tensor:
        if dtype == torch.bool:
            return torch.full(shape, value > 0)
        kind = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
        return torch.full(shape, type(kind.max)(min(max(value, kind.min), kind.max)), dtype=dtype)

    return make


def _drawn(scale: float) -> Make:
    """Random numbers of either sign."""

    def make(shape: list[int], dtype: torch.dtype, rng: torch.Generator) -> Tensor:
        numbers = scale * torch.randn(shape, generator=rng, dtype=torch.float64)
        most = torch.finfo(dtype if dtype.is_floating_point else torch.float32).max
        return numbers.clamp(-most, most).to(dtype)

    return make


_KINDS: Mapping[str, Make] = {
    "zeros": _filled(0),
    "ones": _filled(1),
    "minus ones": _filled(-1),
    "the largest numbers": _filled(math.inf),
    "the most negative numbers": _filled(-math.inf),
    "tiny numbers": _filled(1e-45),
    "noise": _drawn(1),
    "loud noise": _drawn(1e6),
}

"""What a judge finds, and the small comparisons that judges are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dllab.checks.naming import name_of


@dataclass(frozen=True)
class Outcome:
    """What a judge found. `fraction` of the points in [0, 1]; `message` says expected and got."""

    fraction: float
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all points are earned."""
        return self.fraction >= 1.0


PASS = Outcome(1.0)


def close(
    got: Tensor,
    expected: Tensor,
    *,
    atol: float = 1e-5,
    rtol: float = 1e-5,
    what: str = "the result",
) -> Outcome:
    """Full points when every element is within `atol + rtol * |expected|` (as torch.allclose).

    The message shows the first element that is not, and names what is wrong with all of them when
    that is one thing: a lost sign, a factor, another order.
    """
    expected = expected.expand_as(got)
    wrong = differences(got, expected, atol, rtol)
    if not bool(wrong.any()):
        return PASS
    named = name_of(got, expected)
    told = first_difference(got, expected, wrong, what)
    return Outcome(0.0, f"{named}: {told}" if named else told)


def first_difference(got: Tensor, expected: Tensor, wrong: Tensor, what: str) -> str:
    """What stands at the first place where `wrong` is true, and what should."""
    index = tuple(wrong.nonzero()[0].tolist())
    place = f" at {list(index)}" if index else ""
    wanted, came = (_number(values[index]) for values in (expected, got))
    if wanted == came:  # they differ in digits that are not shown
        came += f" (off by {abs(float(got[index]) - float(expected[index])):.2g})"
    return f"expected {what} to be {wanted}{place}, got {came}"


def differences(got: Tensor, expected: Tensor, atol: float, rtol: float) -> Tensor:
    """Where two arrays of one shape differ, bool of that shape; nan does not differ from nan."""
    return ~torch.isclose(got.double(), expected.double(), atol=atol, rtol=rtol, equal_nan=True)


def holds(condition: bool | Tensor, message: str) -> Outcome:
    """Full points when `condition` is true, else none, with `message` for the learner."""
    return PASS if bool(condition) else Outcome(0.0, message)


def every(*outcomes: Outcome) -> Outcome:
    """The first outcome that is not full, or full points."""
    return next((outcome for outcome in outcomes if not outcome.ok), PASS)


def _number(value: Tensor) -> str:
    return str(bool(value)) if value.dtype == torch.bool else f"{value.item():.6g}"

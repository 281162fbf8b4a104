"""Timings: how long learner code takes beside another that does the same, for criteria of lab.yaml.

    @timing("conv-speed", given={"x": normal(64, 3, 32, 32), "w": normal(8, 3, 3, 3)})
    def conv_speed(lab, given):              # sandbox, like a check's probe
        \"\"\"`conv2d` takes at most twice as long as the reference.\"\"\"
        return lab.conv2d(given["x"], given["w"])

The reference does the same in a sandbox of its own, in turns with the learner's code, on values
that are drawn afresh for each turn. What they return must agree, or nothing is measured. The metric
is the median of the ratios of their CPU times, seen from outside: 1 is as fast as the reference.

`against` names another yardstick, a function of checks.py that learners have too: it gets None for
`lab`. Without it the criterion can be measured only where the reference is: list it under `hidden`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from dllab.checks.arrays import Arrays, Draw, Drawer, drawing
from dllab.checks.probing import Probe

ROUNDS = 15

Clock = Literal["cpu", "wall"]


@dataclass(frozen=True)
class Timing:
    """What is done in turns, how often, and by which clock. `against` is None for the reference."""

    name: str
    probe: Probe
    given: Draw
    against: Probe | None = None
    rounds: int = ROUNDS
    clock: Clock = "cpu"
    atol: float = 1e-5
    rtol: float = 1e-5
    sentence: str = ""
    module: str = ""


def timing(
    name: str,
    *,
    given: Draw | Mapping[str, Drawer | Tensor | float],
    against: Probe | None = None,
    rounds: int = ROUNDS,
    clock: Clock = "cpu",
    atol: float = 1e-5,
    rtol: float = 1e-5,
) -> Callable[[Callable[[Any, Arrays], Any]], Timing]:
    """Turn a probe into the timing of that name. A turn should take a tenth of a second or more.

    `clock="wall"` is for what waits or computes on a GPU; other processes disturb it.
    """

    def decorate(probe: Callable[[Any, Arrays], Any]) -> Timing:
        return Timing(
            name,
            probe,
            drawing(given),
            against,
            rounds,
            clock,
            atol,
            rtol,
            " ".join((probe.__doc__ or "").split()),
            probe.__module__,
        )

    return decorate

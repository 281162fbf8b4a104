"""How a measured value becomes points: never by luck, and linear below the target."""

from dataclasses import dataclass

from dllab.lab.spec import Criterion
from dllab.metrics import Measured

RULE = (
    "full points unless significantly worse than the threshold (one-sided 95 % bound), "
    "then linear down to the floor"
)


@dataclass(frozen=True)
class Earned:
    """`fraction` of the points in [0, 1], and the sentence that says why."""

    fraction: float
    message: str


def apply_rule(measured: Measured, criterion: Criterion) -> Earned:
    """Points of a metric against its target and floor, in either direction.

    A value worse than the target still earns everything when its one-sided 95 % bound reaches it:
    a target is missed only when chance can hardly explain it. A significant miss earns
    (value - floor) / (target - floor), nothing at or beyond the floor.
    """
    bigger_is_better = criterion.target > criterion.floor
    best = measured.one_sided.high if bigger_is_better else measured.one_sided.low
    sign = "≥" if bigger_is_better else "≤"
    asked = f"{sign} {criterion.target:g}"
    value, counted = f"{measured.value:.4g}", f"{measured.n} {measured.counted}"
    if _reaches(measured.value, criterion.target, bigger_is_better):
        return Earned(1.0, f"measured {value}, asked {asked}")
    if _reaches(best, criterion.target, bigger_is_better):
        return Earned(
            1.0,
            f"measured {value}, asked {asked}: the miss is within what {counted} can tell",
        )
    fraction = (measured.value - criterion.floor) / (criterion.target - criterion.floor)
    return Earned(
        min(max(fraction, 0.0), 1.0),
        f"expected {asked}, got {value} on {counted} (no points at {criterion.floor:g})",
    )


def is_incredible(measured: Measured, criterion: Criterion) -> bool:
    """Whether a value is better than the published level by more than that is than the target.

    Judged by the worse one-sided 95 % bound: few items make nobody suspicious.
    """
    if criterion.strong is None:
        return False
    bigger_is_better = criterion.target > criterion.floor
    worst = measured.one_sided.low if bigger_is_better else measured.one_sided.high
    limit = 2 * criterion.strong - criterion.target
    return worst > limit if bigger_is_better else worst < limit


def _reaches(value: float, target: float, bigger_is_better: bool) -> bool:
    return value >= target if bigger_is_better else value <= target

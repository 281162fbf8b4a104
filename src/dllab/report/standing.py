"""Where a run stands: each criterion beside the reference's seeds, its target, the run before."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dllab.lab.find import Lab
from dllab.lab.spec import Calibration, Criterion
from dllab.report.rubric import number
from dllab.result import MetricRow, Result
from dllab.rundir.listing import full_run_before
from dllab.rundir.run import RunFolder


@dataclass(frozen=True)
class Mark:
    """One value on the strip. `place` is where, from 0 (left) to 100 (right)."""

    kind: str
    name: str
    value: float
    place: float


@dataclass(frozen=True)
class CriterionStrip:
    """One criterion's strip. `interval` holds the places of the measured 95 % interval."""

    title: str
    metric: str
    value: str
    marks: tuple[Mark, ...]
    interval: tuple[float, float] | None
    reference: str
    previous: str
    better: bool | None


@dataclass(frozen=True)
class Tried:
    """What an experiment reached: each criterion's strip, beside the last full run's value."""

    overrides: tuple[str, ...]
    full: RunFolder | None
    strips: list[CriterionStrip]


def read_tried(root: Path, lab: Lab, run: RunFolder, result: Result) -> Tried | None:
    """A run beside the last full one; None for a run that is full itself."""
    if not (tried := run.tried):
        return None
    full = full_run_before(root, run)
    return Tried(tried, full, read_standings(result, lab, full.read_result() if full else None))


def read_standings(result: Result, lab: Lab, previous: Result | None) -> list[CriterionStrip]:
    """A strip for each criterion that was measured."""
    standings = []
    for id, criterion in lab.spec.measured.items():
        metric = result.metric(id)
        if metric:
            record = lab.spec.calibration.get(id, Calibration())
            before = previous.metric(id) if previous else None
            value = before.value if before else None
            standings.append(_standing(criterion, metric, record, value))
    return standings


def _standing(
    criterion: Criterion,
    metric: MetricRow,
    calibration: Calibration,
    before: float | None,
) -> CriterionStrip:
    value, interval = metric.value, metric.ci95
    target = criterion.target if metric.threshold is None else metric.threshold
    named = [("reference", f"reference, seed {i}", v) for i, v in enumerate(calibration.values)]
    named.append(("target", "asked", target))
    if criterion.strong is not None:
        named.append(("strong", "strong", criterion.strong))
    if before is not None:
        named.append(("previous", "the run before", before))
    named.append(("value", "this run", value))
    scale = _Scale([v for _, _, v in named] + list(interval or ()))
    return CriterionStrip(
        title=criterion.title,
        metric=criterion.metric,
        value=number(value),
        marks=tuple(Mark(kind, name, v, scale.place(v)) for kind, name, v in named),
        interval=(scale.place(interval[0]), scale.place(interval[1])) if interval else None,
        reference=_reference(calibration),
        previous=_previous(value, before),
        better=None if before is None else (value > before) == (criterion.target > criterion.floor),
    )


class _Scale:
    """Values to places, with a little air at both ends."""

    def __init__(self, values: Iterable[float]) -> None:
        low, high = min(values := list(values)), max(values)
        air = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
        self._low, self._span = low - air, high - low + 2 * air

    def place(self, value: float) -> float:
        return round(100 * (value - self._low) / self._span, 2)


def _reference(calibration: Calibration) -> str:
    if calibration.mean is None:
        return ""
    spread = "" if calibration.sd is None else f" ± {number(calibration.sd)}"
    seeds = len(calibration.values)
    return f"{number(calibration.mean)}{spread}" + (f" over {seeds} seeds" * (seeds > 1))


def _previous(value: float, before: float | None) -> str:
    if before is None:
        return ""
    change = round(value - before, 4)
    return f"{number(before)}, now {change:+.3g}" if change else f"{number(before)}, unchanged"

"""What a training left behind for the curve doctor: its curve, its gradients, its weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dllab.report.curves import CurveSeries, Floats, Point, names, read_series

LARGEST = 1e60  # beyond it a number counts as this one: no rule looks closer


@dataclass(frozen=True)
class Evidence:
    """The series that the rules look at; empty where nothing was logged.

    `gradients` are those of the network's parts by name. `guess`, `gain` and `skill` are as in
    `find_curve_issues`.
    """

    train: CurveSeries
    val: CurveSeries
    accuracy: CurveSeries
    gradient: CurveSeries
    gradients: dict[str, CurveSeries]
    still: CurveSeries
    guess: float
    gain: float
    skill: float

    @property
    def untrained(self) -> float:
        """The loss before learning: the first one logged."""
        return float(self.train.values[0])

    @property
    def ignorance(self) -> float:
        """The loss of who knows nothing about the inputs: no learning is needed for it."""
        return min(self.untrained, self.guess)

    @property
    def final(self) -> float:
        """The loss at the end: the median over the last fifth, so that no one batch decides."""
        return float(np.median(tail(self.train.values)))

    @property
    def steps(self) -> tuple[int, int]:
        """The first and the last step of the training loss."""
        return int(self.train.steps[0]), int(self.train.steps[-1])


def gather(curve: Sequence[Point], guess: float, gain: float, skill: float) -> Evidence:
    """Sort the points of curve.jsonl into series."""
    return Evidence(
        train=_read(curve, "train/loss"),
        val=_read(curve, "val/loss"),
        accuracy=_read(curve, "val/accuracy"),
        gradient=_read(curve, "grad_norm"),
        gradients={n: _read(curve, n) for n in names(curve) if n.startswith("grad_norm/")},
        still=_read(curve, "still"),
        guess=guess,
        gain=gain,
        skill=skill,
    )


def _read(curve: Sequence[Point], name: str) -> CurveSeries:
    """A series whose numbers can be squared and summed; nan and inf stay what they are."""
    read = read_series(curve, name)
    small = np.clip(read.values, -LARGEST, LARGEST)
    return replace(read, values=np.where(np.isfinite(read.values), small, read.values))


def tail(values: Floats) -> Floats:
    """The last fifth, three values at least."""
    return values[-max(len(values) // 5, 3) :]


def around(series: CurveSeries, step: float) -> float:
    """The median of the few values nearest to a step."""
    nearest = np.argsort(np.abs(series.steps - step))[: max(len(series) // 10, 3)]
    return float(np.median(series.values[nearest]))


def smooth(values: Floats, window: int) -> Floats:
    """The mean over each `window` neighbouring values."""
    return np.convolve(values, np.ones(window) / window, "valid")


def noise(values: Floats) -> float:
    """The standard deviation of one value about its trend, from the steps between neighbours."""
    return float(np.std(np.diff(values))) / math.sqrt(2)


def epochs_on_a_grid(series: CurveSeries, cells: int = 24) -> list[Floats]:
    """Each epoch's loss less its trend, at the same places of every epoch, relative to its mean.

    The first epoch is left out: what it shows is learning. Epochs with fewer than 8 points say
    nothing about an order.
    """
    rows = []
    for epoch in np.unique(series.epochs)[1:]:
        steps, values = (a[series.epochs == epoch] for a in (series.steps, series.values))
        if len(values) < 8 or not np.ptp(values) or not values.mean() or steps[-1] <= steps[0]:
            continue
        place = (steps - steps[0]) / (steps[-1] - steps[0])
        trend = np.polyval(np.polyfit(place, values, 1), place)
        grid = np.linspace(0, 1, min(cells, len(values)))
        rows.append(np.interp(grid, place, (values - trend) / values.mean()))
    length = min((len(row) for row in rows), default=0)
    return [row for row in rows if len(row) == length]

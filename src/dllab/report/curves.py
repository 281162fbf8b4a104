"""A run's curve as arrays: every name that was logged, with the steps at which it was."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = Mapping[str, Any]

# Kept out of the panels: they say where a point is, not what was measured there.
PLACES = ("step", "epoch")


@dataclass(frozen=True)
class CurveSeries:
    """One name's values, float64 `[N]`, and the optimiser steps and epochs they belong to."""

    steps: Floats
    epochs: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Panel:
    """One drawing: a title and the lines in it, by role (`train`, `val`, or the plain name)."""

    title: str
    lines: Mapping[str, CurveSeries]
    logarithmic: bool = False
    from_zero: bool = False


def read_series(curve: Sequence[Point], name: str) -> CurveSeries:
    """The points at which `name` was logged. A value that JSON could not hold reads as nan."""
    points = [p for p in curve if name in p and "step" in p]
    return CurveSeries(
        steps=np.array([p["step"] for p in points], dtype=np.float64),
        epochs=np.array([p.get("epoch", 0) for p in points], dtype=np.float64),
        values=np.array([_float(p[name]) for p in points], dtype=np.float64),
    )


def names(curve: Sequence[Point]) -> list[str]:
    """Every logged name, in the order of its first appearance."""
    seen = dict.fromkeys(name for point in curve for name in point)
    return [name for name in seen if name not in PLACES]


def panels(curve: Sequence[Point]) -> list[Panel]:
    """The drawings of a curve: loss first, then the metrics, then what drove the training."""
    logged = names(curve)
    paired = [n.partition("/")[2] for n in logged if n.startswith(("train/", "val/"))]
    metrics = sorted(dict.fromkeys(paired), key=lambda name: name != "loss")
    drawn = [_paired(curve, metric) for metric in metrics]
    for name, title in (("lr", "Learning rate"), ("grad_norm", "Gradient norm")):
        if name in logged:
            series = read_series(curve, name)
            wide = _spans_decades(series)
            drawn.append(Panel(title, {name: series}, logarithmic=wide, from_zero=not wide))
    return [panel for panel in drawn if any(_drawable(line) for line in panel.lines.values())]


def _paired(curve: Sequence[Point], metric: str) -> Panel:
    lines = {role: read_series(curve, f"{role}/{metric}") for role in ("train", "val")}
    title = metric.replace("_", " ").replace("/", " ").replace("f1", "F1")
    return Panel(title[:1].upper() + title[1:], {r: line for r, line in lines.items() if len(line)})


def _drawable(series: CurveSeries) -> bool:
    return int(np.isfinite(series.values).sum()) > 0


def _spans_decades(series: CurveSeries) -> bool:
    positive = series.values[np.isfinite(series.values) & (series.values > 0)]
    return len(positive) > 1 and float(positive.max() / positive.min()) > 100


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan

"""The picture of expected curves beside a lab's page: a band over seeds, a mistake laid over it.

Below them stand bars, where experiments name keys whose last values are a distribution.
"""

import hashlib
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dllab.authoring.experiments import Ran, recipe_of_experiment
from dllab.lab.find import Lab
from dllab.lab.spec import Experiment
from dllab.report.curves import CurveSeries, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "curves.svg"
POINTS = 60
_DASHES = ("-", "--", ":")  # of what is laid over the reference
# A picture by itself brings the ink that the page of a report would.
_STYLE = """<style>
svg{color:#333;--rule:#ccc;--val:#2b6cb0;--accent:#c05621;font-family:sans-serif}
@media(prefers-color-scheme:dark){svg{color:#ccc;--rule:#555;--val:#7ab8f5;--accent:#f0a070}}
</style>"""


def draw_curves(lab: Lab, ran: Sequence[Ran]) -> str:
    """A stand-alone SVG: of each experiment a line, and a band where it has several seeds.

    The first is the reference. A comment says what was drawn; `is_picture_of` reads it.
    """
    from dllab.report.plots import ACCENT, INK, VALUE, draw  # matplotlib is an extra's

    key = ran[0].experiment.curve

    def plot(axes: "Axes") -> None:
        _draw(axes, ran[0], VALUE)
        for one, dashes in zip(ran[1:], cycle(_DASHES), strict=False):
            _draw(axes, one, ACCENT, dashes)
        axes.set_xlabel("optimiser step")
        axes.set_title(key, loc="left", fontsize=10, color=INK)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)

    barred = [one for one in ran if one.experiment.bars]
    plots = [plot, lambda axes: _draw_bars(axes, barred)] if barred else [plot]
    svg = draw(f"{key} by optimiser step", *plots, size=(6.4, 3.2 * len(plots)))
    start = '<svg xmlns:xlink="http://www.w3.org/1999/xlink" '
    head, _, body = svg.replace("<svg ", start, 1).partition(">")
    drawn = _digest(lab, [one.experiment for one in ran])
    return f"{head}>\n<!-- drawn: {drawn} -->\n{_STYLE}\n{body}\n"


def is_picture_of(path: Path, lab: Lab, drawn: Sequence[Experiment]) -> bool:
    """Whether the file was drawn from runs of these experiments as they are now."""
    return path.is_file() and f"<!-- drawn: {_digest(lab, drawn)} -->" in path.read_text("utf-8")


def _digest(lab: Lab, drawn: Sequence[Experiment]) -> str:
    parts = [
        (recipe_of_experiment(lab, one), one.title, one.curve, one.seeds, *filter(None, [one.bars]))
        for one in drawn
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _draw(axes: "Axes", ran: Ran, colour: str, dashes: str = "-") -> None:
    steps, values = band_of(ran.curves())
    seeds = len(values)
    label = ran.experiment.title + f" ({seeds} seeds)" * (seeds > 1)
    axes.plot(
        steps, values.mean(axis=0), color=colour, linestyle=dashes, linewidth=1.6, label=label
    )
    if seeds > 1:
        axes.fill_between(
            steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.25, linewidth=0
        )


def _draw_bars(axes: "Axes", ran: Sequence[Ran]) -> None:
    """Side by side for each experiment, means over its seeds."""
    from dllab.report.plots import ACCENT, INK, VALUE

    width = 0.8 / len(ran)
    for i, (one, colour) in enumerate(zip(ran, cycle([VALUE, ACCENT]), strict=False)):
        bars = one.bars()
        places = np.arange(len(bars)) + i * width
        axes.bar(places, list(bars.values()), width, color=colour, label=one.experiment.title)
        axes.set_xticks(np.arange(len(bars)) + 0.4 - width / 2, list(bars), rotation=60)
    axes.set_title(ran[0].experiment.bars.strip("/"), loc="left", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def band_of(curves: Sequence[CurveSeries]) -> tuple[Floats, Floats]:
    """Steps `[P]`, values `[seeds, P]`: as far as all curves go, means over at most 60 pieces."""
    length = min(map(len, curves))
    values = np.array([curve.values[:length] for curve in curves])
    pieces = np.array_split(np.arange(length), min(POINTS, length))
    steps = np.array([curves[0].steps[piece].mean() for piece in pieces])
    return steps, np.stack([values[:, piece].mean(axis=1) for piece in pieces], axis=1)

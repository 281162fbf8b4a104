"""Curves as SVG that takes its ink from the page: one drawing for light, dark and print."""

import html
import io
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dllab.report.curves import CurveSeries, Panel

# Drawn in colours that nothing else uses, then replaced by what the page's style sheet defines.
INK, VALUE = "#010203", "#020302"
_FAINT, _FINDING = "#010204", "#010205"
_LINES = {"train": "#020301", "val": VALUE}
ACCENT = "#020303"
_STYLE_OF = {
    INK: "currentColor",
    _FAINT: "var(--rule)",
    _FINDING: "var(--warn)",
    _LINES["train"]: "var(--train)",
    _LINES["val"]: "var(--val)",
    ACCENT: "var(--accent)",
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the page's own font
    "svg.hashsalt": "dllab",  # the same run draws the same bytes
    "font.size": 10,
    "axes.formatter.limits": (-4, 5),
    "path.simplify": True,
}


def draw(title: str, *plots: Callable[[Axes], None], size: tuple[float, float] = (5.2, 2.9)) -> str:
    """What `plots` draw, each below the one before, as an inline SVG element in the page's own ink.

    `size` is that of all together, in inches.
    """
    # The page's font is shown; which one matplotlib measures with is nobody's concern.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        for axes, plot in zip(figure.subplots(len(plots), squeeze=False).flat, plots, strict=True):
            plot(axes)
            _take_ink(axes)
        return _inline(figure, title)


def draw_panel(panel: Panel, marks: Sequence[tuple[int, int]] = ()) -> str:
    """One panel of curves; `marks` are the step ranges of findings, shaded."""

    def plot(axes: Axes) -> None:
        for role, series in panel.lines.items():
            _draw_line(axes, role, series)
        for first, last in marks:
            axes.axvspan(first, last, color=_FINDING, alpha=0.1, linewidth=0)
        _label(axes, panel)

    return draw(panel.title, plot)


def _draw_line(axes: Axes, role: str, series: CurveSeries) -> None:
    few = len(series) <= 40
    axes.plot(
        series.steps,
        series.values,
        color=_LINES.get(role, ACCENT),
        linewidth=1.6,
        solid_capstyle="round",
        marker="o" if role == "val" and few else None,
        markersize=3.5,
        label={"train": "training", "val": "validation"}.get(role, role),
    )


def _label(axes: Axes, panel: Panel) -> None:
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    elif panel.from_zero:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("optimiser step")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    if len(panel.lines) > 1:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9, loc="best")


def _take_ink(axes: Axes) -> None:
    """No frame but a faint base line; text in the page's colour."""
    axes.tick_params(which="both", colors=INK, length=0)
    axes.xaxis.label.set_color(INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)


def _inline(figure: Figure, title: str) -> str:
    """The figure without XML prologue, size or background, its colours handed to the page."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", svg)  # but markers and clip paths
    svg = re.sub(r" font-family: [^;]*;", "", svg)
    svg = re.sub(r"(?<=[ \"(-])\d+\.\d{3,}", lambda match: f"{float(match[0]):.1f}", svg)
    for colour, style in _STYLE_OF.items():
        svg = svg.replace(colour, style)
    box, _, body = svg.partition('viewBox="')[2].partition('"')
    start = f'<svg class="plot" viewBox="{box}" role="img" aria-label="{html.escape(title)}"'
    return start + re.sub(r"\s*\n\s*", "\n", body)

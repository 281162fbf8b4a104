"""What the report shows of a model's mistakes, as pictures for a tracker."""

import base64
import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dllab.report.mistakes import Confusion, Mistake, Mistakes

Picture = Image.Image
_COLUMNS = 4


def draw_mistakes(mistakes: Mistakes) -> dict[str, Picture]:
    """`confusion` and `worst_mistakes`; each only where there is something to see."""
    pictures = {}
    if mistakes.confusion.counts:
        pictures["confusion"] = _confusion(mistakes.confusion)
    if mistakes.worst:
        pictures["worst_mistakes"] = _gallery(mistakes.worst)
    return pictures


def _confusion(confusion: Confusion) -> Picture:
    """Shade: an item's share of its true class. Numbers: how many items."""
    counts = np.array(confusion.counts)
    side = 2.5 + 0.45 * len(counts)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot(xlabel="said", ylabel="truth")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=8)
    places = range(len(counts))
    axes.set_xticks(places, confusion.classes, rotation=90)
    axes.set_yticks(places, confusion.classes)
    return _picture(figure)


def _gallery(worst: tuple[Mistake, ...]) -> Picture:
    rows = -(-len(worst) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 2.8 * rows), layout="constrained")
    for place, mistake in enumerate(worst, 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        axes.set_title(
            f"{mistake.truth} {mistake.p_truth:.1%}\ntaken for {mistake.said} {mistake.p_said:.0%}",
            fontsize=9,
            parse_math=False,
        )
        axes.axis("off")
        _show(axes, mistake)
    return _picture(figure)


def _show(axes: Axes, mistake: Mistake) -> None:
    item = mistake.item
    if item.image:
        content = base64.b64decode(item.image.partition(",")[2])
        axes.imshow(np.asarray(Image.open(io.BytesIO(content))), cmap="gray")
    for line in item.lines:
        points = [point.split(",") for point in line.split()]
        axes.plot([float(x) for x, _ in points], [-float(y) for _, y in points], linewidth=0.8)
    text = textwrap.fill(item.text, 34, max_lines=10, placeholder=" …", replace_whitespace=True)
    axes.text(0, 1, text, va="top", fontsize=8, parse_math=False, transform=axes.transAxes)


def _picture(figure: Figure) -> Picture:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")

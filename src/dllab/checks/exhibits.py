"""Exhibits: what a dream shows of a trained model, as plain values that a page or a terminal holds.

    exhibits.text("temperature 0.5", said)
    exhibits.pictures("Digits", image_NCHW, ["a 3", "an 8"])      # samples, frames, attention maps
    exhibits.table("How the episode went", ["step", "angle"], rows)
    exhibits.points("Codes in the plane", place_N2, label_N, names)  # embeddings

Each is bounded, and raises ValueError for more: who has more to show shows a part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_CHARACTERS = 4_000  # of one text
MOST_PICTURES, MOST_PIXELS = 64, 256  # in one grid; along an edge
MOST_ROWS, MOST_COLUMNS = 100, 12
MOST_POINTS = 2_000


@dataclass(frozen=True)
class Exhibit:
    """A text, a grid of pictures, a table, or points in the plane; exactly one is filled.

    `pictures` are PNG data URIs and `captions` what stands below them. A point is its place, x to
    the right and y upwards in [0, 1], and its place among `names`.
    """

    title: str
    text: str = ""
    pictures: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    points: tuple[tuple[float, float, int], ...] = ()
    names: tuple[str, ...] = ()


def text(title: str, words: str) -> Exhibit:
    """A text, whose lines are kept."""
    _bound(title, len(words), MOST_CHARACTERS, "characters")
    return Exhibit(title, text=words)


def pictures(title: str, image: Tensor, captions: Sequence[str] = ()) -> Exhibit:
    """A grid of pictures `[N, C, H, W]` with one or three channels, uint8 or float in [0, 1]."""
    from dllab.data.png import data_uri

    if image.dim() != 4 or image.shape[1] not in (1, 3):
        raise ValueError(f"{title}: pictures are [N, 1 or 3, H, W], not {list(image.shape)}")
    if captions and len(captions) != len(image):
        raise ValueError(f"{title}: {len(captions)} captions for {len(image)} pictures")
    _bound(title, len(image), MOST_PICTURES, "pictures")
    _bound(title, max(image.shape[2:]), MOST_PIXELS, "pixels along an edge")
    if image.dtype.is_floating_point:
        image = (255 * image.clamp(0, 1)).round().to(torch.uint8)
    return Exhibit(title, pictures=tuple(map(data_uri, image)), captions=tuple(captions))


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Exhibit:
    """A table; numbers are shown with three digits."""
    cells = tuple(tuple(map(_shown, row)) for row in rows)
    _bound(title, len(cells), MOST_ROWS, "rows")
    _bound(title, len(header), MOST_COLUMNS, "columns")
    if any(len(row) != len(header) for row in cells):
        raise ValueError(f"{title}: a row has another length than the header, {len(header)}")
    return Exhibit(title, header=tuple(header), rows=cells)


def points(
    title: str, place: Tensor, label: Tensor | None = None, names: Sequence[str] = ()
) -> Exhibit:
    """Points in the plane, float `[N, 2]`, each of the class that `label`, int64 `[N]`, says."""
    if place.dim() != 2 or place.shape[1] != 2:
        raise ValueError(f"{title}: points are [N, 2], not {list(place.shape)}")
    _bound(title, len(place), MOST_POINTS, "points")
    low, high = place.amin(0), place.amax(0)
    scaled = ((place - low) / (high - low).clamp_min(1e-12)).double()
    classes = [0] * len(place) if label is None else label.tolist()
    placed = zip(scaled.tolist(), classes, strict=True)
    dots = tuple((round(x, 4), round(y, 4), k) for (x, y), k in placed)
    return Exhibit(title, points=dots, names=tuple(names))


def _bound(title: str, count: int, most: int, what: str) -> None:
    if count > most:
        raise ValueError(f"{title}: {count} {what}, and at most {most} can be shown")


def _shown(cell: object) -> str:
    value = cell.item() if isinstance(cell, Tensor) else cell
    return f"{value:.3g}" if isinstance(value, float) else str(value)

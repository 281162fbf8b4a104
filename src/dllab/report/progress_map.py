"""A learner's progress as a map: three rings for the levels, one sector for each category.

One self-contained page without scripts, to share as a file, a picture or a print.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dllab.checklist.standing import Standing, TopicStanding
from dllab.lab.spec import LEVELS

# Inner and outer radius of each level's ring, in units of the drawing (860 wide).
_RINGS = {"beginner": (124, 196), "intermediate": (203, 280), "advanced": (287, 364)}
_LABEL_RADIUS = 380
_OPENING = math.radians(25)  # left free at the top, where the rings carry their names
_SECTOR_GAP = math.radians(1.3)
_GAP = 3.0  # between two topics

# Title, name on the map and hue of every category, clockwise from the top.
_CATEGORIES = {
    "data": ("Data", "data", 199),
    "theory": ("Theory", "theory", 224),
    "classic-ml": ("Classic machine learning", "classic", 254),
    "networks": ("Networks", "networks", 282),
    "training": ("Training", "training", 330),
    "evaluation": ("Evaluation", "evaluation", 356),
    "operations": ("Operations", "operations", 22),
    "research": ("Research", "research", 42),
    "custom-project": ("Projects of your own", "projects", 70),
    "community": ("Community", "community", 122),
    "ethics": ("Ethics", "ethics", 165),
}


@dataclass(frozen=True)
class TopicShape:
    """One topic on the map: its outline as an SVG path."""

    place: TopicStanding
    outline: str


@dataclass(frozen=True)
class Sector:
    """One category: its cells, the rings where it has none, and the arc that carries its name."""

    category: str
    title: str
    name: str
    hue: int
    label_arc: str
    cells: tuple[TopicShape, ...]
    empty: tuple[str, ...]


def render_map(standing: Standing) -> str:
    """The page as one HTML text without outside resources."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("progress_map.html").render(
        standing=standing,
        sectors=draw_sectors(standing),
        levels=LEVELS,
        rings=_RINGS,
        everything=standing.topics_tally(),
        passed=sorted({lab for p in standing.places.values() for lab in p.passed}, key=str),
        today=f"{datetime.now(UTC):%-d %B %Y}",
    )


def draw_sectors(standing: Standing) -> list[Sector]:
    """Every topic as a cell. Sectors are as wide as their most crowded ring needs."""
    groups = {category: _by_level(category, standing) for category in _CATEGORIES}
    widths = {category: _crowding(rings) for category, rings in groups.items()}
    scale = (2 * math.pi - _OPENING - _SECTOR_GAP * (len(groups) - 1)) / sum(widths.values())
    sectors, start = [], _OPENING / 2
    for category, rings in groups.items():
        end = start + widths[category] * scale
        cells = tuple(
            cell for level, places in rings.items() for cell in _cells(level, places, start, end)
        )
        empty = tuple(
            _outline(*_RINGS[level], start, end) for level, places in rings.items() if not places
        )
        sectors.append(
            Sector(category, *_CATEGORIES[category], _label_arc(start, end), cells, empty)
        )
        start = end + _SECTOR_GAP
    return sectors


def _by_level(category: str, standing: Standing) -> dict[str, list[TopicStanding]]:
    """The category's topics by level, done ones first, so that a sector fills from one side."""
    of_category = [p for p in standing.places.values() if p.topic.category == category]
    return {
        level: sorted((p for p in of_category if p.topic.level == level), key=lambda p: not p.done)
        for level in LEVELS
    }


def _crowding(rings: dict[str, list[TopicStanding]]) -> float:
    """The angle that the fullest ring asks for; small categories keep room for their name."""
    asked = [len(places) / sum(_RINGS[level]) for level, places in rings.items()]
    return max(*asked, 0.0068)


def _cells(
    level: str, places: Sequence[TopicStanding], start: float, end: float
) -> list[TopicShape]:
    if not places:
        return []
    inner, outer = _RINGS[level]
    step = (end - start) / len(places)
    edges = [(start + i * step, start + (i + 1) * step) for i in range(len(places))]
    return [
        TopicShape(place, _outline(inner, outer, *edge))
        for place, edge in zip(places, edges, strict=True)
    ]


def _outline(inner: float, outer: float, start: float, end: float) -> str:
    """A ring's piece between two angles, less half a gap on both sides: parallel edges."""
    points = [
        _point(radius, angle + sign * _GAP / 2 / radius)
        for radius, angle, sign in (
            (inner, start, 1), (outer, start, 1), (outer, end, -1), (inner, end, -1)
        )
    ]  # fmt: skip
    a, b, c, d = points
    return f"M{a}L{b}A{outer} {outer} 0 0 1 {c}L{d}A{inner} {inner} 0 0 0 {a}Z"


def _label_arc(start: float, end: float) -> str:
    """An arc outside the rings; below it runs backwards, so that no name is upside down."""
    if math.pi / 2 < (start + end) / 2 < 3 * math.pi / 2:
        radius = _LABEL_RADIUS + 13
        return f"M{_point(radius, end)}A{radius} {radius} 0 0 0 {_point(radius, start)}"
    radius = _LABEL_RADIUS
    return f"M{_point(radius, start)}A{radius} {radius} 0 0 1 {_point(radius, end)}"


def _point(radius: float, angle: float) -> str:
    """Where a clockwise angle from the top lies."""
    return f"{radius * math.sin(angle):.1f} {-radius * math.cos(angle):.1f}"

"""forecast: exact answers for a configuration of the learner's own, and intervals for hidden cells.

The author's half is `_author/forecast.py`, which no sandbox sees:

    def answers(config):             # the drawn configuration → the right answer to each question
        return {"parameters": config["width"] * config["depth"]}

    def intervals(cells, asked):     # a forecast from released cells, to prove that one can
        return {cell.name: (low, high) for cell in asked}
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from types import ModuleType

from dllab.checks import Outcome
from dllab.errors import InfraError
from dllab.grading.formats.interval_score import LowHigh, skill
from dllab.grading.formats.lots import pick, pick_some
from dllab.grading.formats.sheets import ForecastSheet, read_sheet
from dllab.grading.formats.table import Cell, quantiles, read_cells, read_hidden
from dllab.grading.formats.work import Work
from dllab.lab.code import import_room
from dllab.lab.find import Lab
from dllab.lab.formats import Forecast, Scalar


@dataclass(frozen=True)
class DrawnForecast:
    """One learner's forecast: the configuration to compute with, the cells to forecast."""

    config: Mapping[str, Scalar]
    asked: tuple[Cell, ...]
    released: tuple[Cell, ...]


def draw_forecast(lab: Lab, criterion: Forecast, id: str) -> DrawnForecast:
    """What the id of a sheet draws."""
    key = (lab.id, criterion.id, id)
    config = {name: pick(options, *key, name) for name, options in criterion.draws.items()}
    cells = read_cells(lab) if criterion.intervals else ()
    hidden = {cell.name: cell for cell in cells if cell.value is None}
    chosen = pick_some(tuple(hidden), criterion.intervals, *key, "cells")
    released = tuple(cell for cell in cells if cell.value is not None)
    return DrawnForecast(config, tuple(hidden[name] for name in chosen), released)


def look_over(work: Work, criterion: Forecast) -> Outcome:
    """What can be told without the answers: whether the sheet is whole and in form."""
    sheet = read_sheet(work.folder / criterion.sheet, ForecastSheet)
    faults = _faults(sheet, criterion, draw_forecast(work.lab, criterion, sheet.draw))
    return Outcome(0.0, "; ".join(faults)) if faults else Outcome(1.0, "everything is filled in")


def judge(work: Work, criterion: Forecast) -> Outcome:
    """The share of the points, of the sheet that was handed in."""
    sheet = read_sheet(work.folder / criterion.sheet, ForecastSheet)
    return judge_sheet(work.lab, criterion, sheet)


def judge_sheet(lab: Lab, criterion: Forecast, sheet: ForecastSheet) -> Outcome:
    """Right answers and intervals weigh the same where both are asked."""
    drawn = draw_forecast(lab, criterion, sheet.draw)
    parts = []
    if criterion.answers:
        parts.append(_judge_answers(sheet, right_answers(lab, criterion, drawn)))
    if criterion.intervals:
        parts.append(_judge_intervals(lab, sheet, criterion, drawn))
    fraction = sum(part.fraction for part in parts) / len(parts)
    told = [*_faults(sheet, criterion, drawn), *(part.message for part in parts)]
    return Outcome(fraction, "; ".join(told), {"draw": sheet.draw})


def right_answers(lab: Lab, criterion: Forecast, drawn: DrawnForecast) -> dict[str, int | float]:
    """What the author's functions say of the drawn configuration; InfraError where they fail."""
    try:
        said = dict(author_half(lab).answers(dict(drawn.config)))
        return {name: said[name] for name in criterion.answers}
    except InfraError:
        raise
    except Exception as error:
        raise _broken(lab, f"answers: {type(error).__name__}: {error}") from error


def author_half(lab: Lab) -> ModuleType:
    """`_author/forecast.py`; InfraError where it is not there or broken."""
    import_room(lab)
    try:
        return importlib.import_module(f"{lab.package}._author.forecast")
    except Exception as error:
        raise _broken(lab, f"{type(error).__name__}: {error}") from error


def _judge_answers(sheet: ForecastSheet, right: Mapping[str, int | float]) -> Outcome:
    wrong = [name for name, value in right.items() if not _equal(sheet.answers.get(name), value)]
    fraction = 1 - len(wrong) / len(right)
    if not wrong:
        return Outcome(fraction, f"all {len(right)} answers are right")
    return Outcome(fraction, f"not right for your configuration: {', '.join(wrong)}")


def _equal(said: float | None, right: float) -> bool:
    """Whole numbers must be the same; others to nine digits."""
    if said is None:
        return False
    return said == right if isinstance(right, int) else isclose(said, right, rel_tol=1e-9)


def _judge_intervals(
    lab: Lab, sheet: ForecastSheet, criterion: Forecast, drawn: DrawnForecast
) -> Outcome:
    """Full points from the asked skill on, linear down to none at the baseline's."""
    said = _usable(sheet, drawn)
    if len(said) < len(drawn.asked):
        return Outcome(0.0, "intervals count when all that are asked are there")
    values, baseline = (
        read_hidden(lab),
        quantiles([c.value for c in drawn.released if c.value is not None]),
    )
    reached = skill([(said[cell.name], values[cell.name]) for cell in drawn.asked], baseline)
    fraction = min(max(reached / criterion.skill, 0.0), 1.0)
    asked = (
        f"asked {criterion.skill:g}"
        if reached > 0
        else "no better than the released cells' quantiles"
    )
    return Outcome(fraction, f"the intervals' skill is {max(reached, -99.0):.2f}, {asked}")


def _usable(sheet: ForecastSheet, drawn: DrawnForecast) -> dict[str, LowHigh]:
    said = {cell.name: sheet.intervals.get(cell.name) for cell in drawn.asked}
    return {name: pair for name, pair in said.items() if pair is not None and pair[0] <= pair[1]}


def _faults(sheet: ForecastSheet, criterion: Forecast, drawn: DrawnForecast) -> list[str]:
    """What is empty, turned round or not asked."""
    names = [cell.name for cell in drawn.asked]
    empty = [f"answers.{name}" for name in criterion.answers if sheet.answers.get(name) is None]
    empty += [f"intervals.{name}" for name in names if sheet.intervals.get(name) is None]
    turned = [
        f"intervals.{name}"
        for name in names
        if (pair := sheet.intervals.get(name)) and pair[0] > pair[1]
    ]
    strange = [f"answers.{name}" for name in sheet.answers if name not in criterion.answers]
    strange += [f"intervals.{name}" for name in sheet.intervals if name not in names]
    told = {
        "still empty": empty,
        "low is above high in": turned,
        "not asked of you": strange,
    }
    return [
        f"{criterion.sheet}: {what}: {', '.join(places)}" for what, places in told.items() if places
    ]


def _broken(lab: Lab, what: str) -> InfraError:
    return InfraError(
        f"{lab.id}: _author/forecast.py is at fault, not your forecast: {what}",
        "this is the lab's fault, not yours: take the lab's folder anew",
    )

"""Sheets filled in by somebody who knows: the author's forecast, claims that were measured."""

import math
import statistics
from pathlib import Path
from typing import Any

import yaml
from scipy.stats import t

from dllab.grading.formats.claims import verdict_of
from dllab.grading.formats.forecast import author_half, draw_forecast
from dllab.grading.formats.rerun import run_cell
from dllab.grading.formats.work import Work
from dllab.lab.find import Lab
from dllab.lab.formats import Claims, Forecast
from dllab.sandbox.job import Backend


def fill_in(lab: Lab, backend: Backend) -> None:
    """Every sheet of a lab that `dllab draw` has written beside its lab.py."""
    for criterion in lab.spec.formats.values():
        if isinstance(criterion, Forecast):
            _change(lab.folder / criterion.sheet, _forecast(lab, criterion))
        if isinstance(criterion, Claims):
            _change(lab.folder / criterion.sheet, _claims(lab, criterion, backend))


def read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def _change(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump({**read(path), **values}))


def _forecast(lab: Lab, criterion: Forecast) -> dict[str, Any]:
    drawn = draw_forecast(lab, criterion, read(lab.folder / criterion.sheet)["draw"])
    author = author_half(lab)
    intervals = author.intervals(drawn.released, drawn.asked)
    return {
        "answers": author.answers(dict(drawn.config)),
        "intervals": {name: list(pair) for name, pair in intervals.items()},
    }


def _claims(lab: Lab, criterion: Claims, backend: Backend) -> dict[str, Any]:
    claims = read(lab.folder / criterion.sheet)["claims"]
    for claim in claims.values():
        claim.update(measured(lab, criterion, claim["arms"], backend))
    return {"claims": claims}


def measured(lab: Lab, criterion: Claims, arms: list[str], backend: Backend) -> dict[str, Any]:
    """What an experiment says: the mean difference over seeds, its t-interval, the verdict."""
    work = Work(lab, lab.solution, lab.folder, None, backend, 0)  # type: ignore[arg-type]
    seeds = list(range(criterion.seeds))
    first, second = ([run_cell(work, criterion, arm, seed) for seed in seeds] for arm in arms)
    found = [b - a for a, b in zip(first, second, strict=True)]
    mean = statistics.fmean(found)
    n = len(found)
    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(found) / math.sqrt(n)
    low, high = mean - half, mean + half
    measure = lab.spec.measured[criterion.measure]
    return {
        "seeds": seeds,
        "difference": mean,
        "interval": [low, high],
        "verdict": verdict_of(low, high, more_is_better=measure.target > measure.floor),
    }

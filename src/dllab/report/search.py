"""The report of a search: a table of its trials, and three plots that say what mattered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dllab.report.plots import ACCENT, draw
from dllab.rundir.run import write_text

_HERE = Path(__file__).parent
_WIDE = (8.0, 3.2)
ParameterValue = float | str


@dataclass(frozen=True)
class TrialRow:
    """One trial: `value` is None where it was stopped early; `values` are its hyperparameters."""

    number: int
    value: float | None
    values: Mapping[str, ParameterValue]
    run: str


def write_search_report(
    path: Path,
    title: str,
    trials: Sequence[TrialRow],
    importance: Mapping[str, float],
    *,
    maximise: bool,
) -> Path:
    """Write one self-contained page: history, parallel coordinates, importances, the table."""
    done = [trial for trial in trials if trial.value is not None]
    ranked = sorted(done, key=lambda trial: trial.value or 0.0, reverse=maximise)
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("search.html.j2").render(
        title=title,
        css=Markup((_HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        plots=_plots(done, importance, maximise=maximise),
        names=list(dict.fromkeys(name for trial in trials for name in trial.values)),
        trials=[*ranked, *(trial for trial in trials if trial.value is None)],
        done=len(done),
    )
    write_text(path, page)
    return path


def _plots(
    done: Sequence[TrialRow], importance: Mapping[str, float], *, maximise: bool
) -> dict[str, Markup]:
    plots = {}
    if len(done) > 1:
        plots["The best value so far"] = draw(
            "history", lambda a: _history(a, done, maximise), size=_WIDE
        )
        plots["Trials, from dark (worst) to light (best)"] = draw(
            "parallel coordinates", lambda axes: _parallel(axes, done), size=_WIDE
        )
    if importance:
        plots["What mattered"] = draw(
            "importance", lambda a: _importance(a, importance), size=_WIDE
        )
    return {name: Markup(svg) for name, svg in plots.items()}  # noqa: S704 - drawn by us


def _history(axes: Axes, done: Sequence[TrialRow], maximise: bool) -> None:
    values = np.array([trial.value for trial in done], dtype=float)
    best = np.maximum.accumulate(values) if maximise else np.minimum.accumulate(values)
    numbers = [trial.number for trial in done]
    axes.plot(numbers, values, "o", markersize=4, alpha=0.5, color=ACCENT)
    axes.step(numbers, best, where="post", color=ACCENT, linewidth=1.6)
    axes.set_xlabel("trial")


def _parallel(axes: Axes, done: Sequence[TrialRow]) -> None:
    """One axis for each hyperparameter, one line for each trial."""
    names = list(done[0].values)
    value = _ranks([trial.value or 0.0 for trial in done])
    columns = [_ranks([trial.values.get(name, "") for trial in done]) for name in names]
    lines = np.stack([*columns, value]).T
    for line, colour in zip(lines, mpl.colormaps["viridis"](value), strict=True):
        axes.plot(range(len(line)), line, color=colour, alpha=0.8, linewidth=1.4)
    axes.set_xticks(range(len(names) + 1), [*names, "value"])
    axes.set_yticks([0, 1], ["lowest", "highest"])


def _ranks(values: Sequence[ParameterValue]) -> NDArray[np.float64]:
    """Ranks in [0, 1]: one scale for numbers of any size, and for choices."""
    order = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    return np.array([order.index(value) / max(len(order) - 1, 1) for value in values])


def _importance(axes: Axes, importance: Mapping[str, float]) -> None:
    names = list(importance)[::-1]
    axes.barh(names, [importance[name] for name in names], color=ACCENT, height=0.6)
    axes.set_xlabel("share of what tells the best trials from the others (PED-ANOVA)")

"""What the board's page asks for, as plain values: the runs, some runs' curves, what differs."""

import math
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from dllab.errors import LabError
from dllab.lab.find import all_labs
from dllab.report.curves import names, read_series
from dllab.rundir.compare import comparable, flat, outcome_numbers
from dllab.rundir.listing import RunRow, list_runs
from dllab.rundir.run import ArmFolder, RunFolder

AT_MOST = 8  # runs side by side: as many as there are colours to tell apart
POINTS = 400  # a curve is thinned to about this many; more cannot be seen

Json = dict[str, Any]


class Board:
    """The runs of one project. Everything is read anew when asked for, so the page is never old."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, Path] = {}

    def runs(self) -> Json:
        """Every run as a row of `columns`, newest first, and the labs' titles."""
        rows = list_runs(self._root)
        self._paths = {row.id: Path(row.path) for row in rows}
        columns = [field.name for field in fields(RunRow)]
        path = columns.index("path")
        columns[path] = "report"
        return {
            "project": self._root.name,
            "labs": {lab.id: lab.spec.title for lab in all_labs(self._root)},
            "columns": [*columns, "tried"],
            "rows": [_with_report([*astuple(row), bool(row.tried)], path) for row in rows],
        }

    def curves(self, ids: Sequence[str]) -> Json:
        """Per run and arm every logged name, as `[steps, values]`; None stands for no number."""
        return {run.id: {arm.name: _curves(arm) for arm in run.arms()} for run in self._open(ids)}

    def compare(self, ids: Sequence[str]) -> Json:
        """The outcomes of some runs, and the config keys in which they differ; a value per run."""
        runs = self._open(ids)
        outcomes = [outcome_numbers(run) for run in runs]
        configs = [dict(flat(one)) for one in comparable([run.read_config() for run in runs])]
        keys = dict.fromkeys(key for config in configs for key in config)
        return {
            "runs": [run.id for run in runs],
            "outcome": _beside(dict.fromkeys(k for o in outcomes for k in o), outcomes),
            "config": [row for row in _beside(keys, configs) if _differs(row["values"])],
        }

    def report(self, id: str) -> Path:
        """The run's report.html; LabError where there is none."""
        report = self._find(id).report
        if not report.is_file():
            raise LabError(f"run {id} has no report yet", f"dllab grade {id}")
        return report

    def _open(self, ids: Sequence[str]) -> list[RunFolder]:
        return [self._find(id) for id in dict.fromkeys(ids[:AT_MOST])]

    def _find(self, id: str) -> RunFolder:
        """Only what a listing has found is ever opened: no id can lead out of runs/."""
        if id not in self._paths:
            self.runs()
        if id not in self._paths:
            raise LabError(f"there is no run {id}", "it may have been deleted: load the page again")
        return RunFolder(self._paths[id])


def _with_report(values: list[Any], path: int) -> list[Any]:
    """A row whose path, which is nobody's business, has become whether a report is there."""
    values[path] = Path(values[path], "report.html").is_file()
    return [None if isinstance(v, float) and not math.isfinite(v) else v for v in values]


def _curves(arm: ArmFolder) -> Json:
    curve = arm.read_curve()
    return {name: _thin(curve, name) for name in names(curve)}


def _thin(curve: Sequence[Json], name: str) -> list[list[float | None]]:
    """Steps and values of a series; of a long one the lowest and highest of each stretch."""
    series = read_series(curve, name)
    points = list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
    stretch = math.ceil(2 * len(points) / POINTS)
    if stretch > 2:
        kept = [p for i in range(0, len(points), stretch) for p in _ends(points[i : i + stretch])]
        points = kept
    return [
        [step for step, _ in points],
        [value if math.isfinite(value) else None for _, value in points],
    ]


def _ends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lowest and the highest of some points, in their order; gaps stay gaps."""
    finite = [p for p in points if math.isfinite(p[1])] or points[:1]
    ends = {min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])}
    return sorted(ends, key=lambda p: p[0])


def _beside(keys: Sequence[str] | dict[str, None], values: Sequence[Json]) -> list[Json]:
    return [{"key": key, "values": [one.get(key) for one in values]} for key in keys]


def _differs(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values[1:])

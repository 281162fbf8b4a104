"""Numbers that a lab's page states: what the reference answers, and what runs recorded.

`_author/answers.py` holds a function for each number that the page lets one guess:

    def parameters(lab, config):  # the reference as a module; the first arm's config, or {}
        return sum(p.numel() for p in lab.Model(**config["model"]).parameters())
"""

import math
import runpy
import statistics
from collections.abc import Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

from dllab.errors import LabError
from dllab.lab.find import Lab


class Answers:
    """The numbers of one lab's page; its config, reference and answers.py are read once."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def __call__(self, name: str) -> str:
        """What stands for `NAME` of answers.py, or for `EXPERIMENT MEASURE` of lab.yaml.

        Raises LabError for a name that neither holds, and for a function that fails.
        """
        experiment, _, measure = name.partition(" ")
        if measure:
            return _recorded(self.lab, experiment, measure)
        if name not in self._functions:
            raise LabError(
                f"{self.lab.folder / 'README.md'}: {self.lab.answers} has no function {name!r}",
                "write it",
            )
        try:
            return shown(self._functions[name](self._reference, self._config))
        except Exception as error:
            raise LabError(
                f"{self.lab.answers}: {name} fails with {type(error).__name__}: {error}",
                "mend it; it is called with the reference's module and the first arm's config",
            ) from error

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return runpy.run_path(str(self.lab.answers)) if self.lab.answers.is_file() else {}

    @cached_property
    def _reference(self) -> ModuleType:
        from dllab.authoring.proof import module_of

        return module_of(self.lab, self.lab.solution.read_text(encoding="utf-8"))

    @cached_property
    def _config(self) -> dict[str, Any]:
        from dllab.config.compose import compose

        first = next(iter(self.lab.spec.arms), None)
        return compose(self.lab, [f"arm={first}"])[first].plain() if first else {}


def shown(value: Any) -> str:
    """A number as people write it: 235,146 or 2.3; a text as it is."""
    match value:
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case _:
            return f"{float(value):.3g}"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, to two digits of the latter; a single value alone.

    A run without a value is one that the grader refused to score.
    """
    if any(map(math.isnan, values)):
        return "not scored"
    if len(values) < 2:
        return shown(statistics.fmean(values))
    mean, sd = statistics.fmean(values), statistics.stdev(values)
    if abs(mean) >= 1e6:
        return f"{mean:.2g} ± {sd:.2g}"
    digits = max(0, 1 - math.floor(math.log10(sd))) if sd else 3
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def _recorded(lab: Lab, experiment: str, measure: str) -> str:
    known = lab.spec.experiments.get(experiment)
    if known is None or measure not in known.measures:
        raise LabError(
            f"{lab.folder / 'README.md'}: no experiment {experiment} measures {measure}",
            "name an entry of `experiments:` and one of its measures",
        )
    if known.record is None or measure not in known.record.values:
        return f"(not run yet: dllab calibrate {lab.number} --experiments)"
    return shown(statistics.fmean(known.record.values[measure]))

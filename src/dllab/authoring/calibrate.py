"""Thresholds from runs: the reference over seeds, and the mutants that only a score can catch."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dllab.authoring.kept import KeptTrials
from dllab.authoring.thresholds import (
    LEAST_SEEDS,
    Spread,
    beats,
    bigger_is_better,
    pass_threshold,
    rounded,
)
from dllab.authoring.trial import Trial, run_trial
from dllab.checks.mutants import Mutant
from dllab.errors import LabError, require
from dllab.lab.find import Lab
from dllab.lab.mutants import load_mutants, plant
from dllab.lab.spec import Criterion

Say = Callable[[str], None]
# One-sided 95 % against two-sided: 1.645 / 1.960 of the interval's half width.
ONE_SIDED = 0.839


@dataclass(frozen=True)
class Calibrated:
    """What the runs say of one criterion. `strong` serves where no level is published."""

    criterion: Criterion
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    mutants: Mapping[str, tuple[float, ...]]
    n: int
    slack: float

    @property
    def up(self) -> bool:
        """Whether more is better."""
        return bigger_is_better(self.criterion)

    @property
    def spread(self) -> Spread:
        """Of the reference."""
        return Spread.of(self.values)

    @property
    def target(self) -> float:
        """The proposed `pass`."""
        return pass_threshold(self.spread, up=self.up)

    @property
    def strong(self) -> float:
        """The mean, rounded towards harder."""
        return rounded(self.spread.mean, up=self.up)

    @property
    def floor(self) -> float:
        """The written floor, or a harder one that every run of every mutant stays below."""
        floor = self.criterion.floor
        reached = [v for values in self.mutants.values() for v in values if not math.isnan(v)]
        best = max(reached, key=lambda v: v if self.up else -v, default=floor)
        return rounded(best, up=self.up) if beats(best, floor, up=self.up) else floor

    @property
    def is_narrow(self) -> bool:
        """Whether honest runs spread wider than the way to the best mutant: no floor fits."""
        return not beats(self.target, self.floor, up=self.up)

    def record(self, recipe: str) -> dict[str, Any]:
        """The entry under `calibration:` in lab.yaml."""
        return {
            "seeds": list(self.seeds),
            "values": [round(value, 4) for value in self.values],
            "mean": round(self.spread.mean, 4),
            "sd": round(self.spread.sd, 4),
            "n": self.n,
            "slack": round(self.slack, 4),
            "mutants": {k: [round(v, 4) for v in values] for k, values in self.mutants.items()},
            "recipe": recipe,
            "date": datetime.now(UTC).date(),
        }


def calibrate(
    lab: Lab, seeds: int = 10, jobs: int = 1, say: Say = lambda _: None
) -> list[Calibrated]:
    """Run the reference over `seeds` seeds and each metric mutant over five.

    With `jobs` runs side by side each has one thread. What was run before an interruption counts
    when the same is asked again. Raises LabError when the lab has no criteria or a run of the
    reference gives no value.
    """
    criteria = lab.spec.measured
    if not criteria:
        raise LabError(f"{lab.id} has no criteria", "there is nothing to calibrate")
    if seeds < LEAST_SEEDS:
        raise LabError(f"{seeds} seeds are too few", f"use at least {LEAST_SEEDS}")
    planted = [mutant for mutant in load_mutants(lab) if mutant.catches in criteria]
    solution = lab.solution.read_text(encoding="utf-8")
    threads = 1 if jobs > 1 else 0
    kept = KeptTrials(lab)
    plan: list[tuple[Mutant | None, int]] = [(None, seed) for seed in range(seeds)]
    plan += [(mutant, seed) for mutant in planted for seed in range(LEAST_SEEDS)]

    def one(job: tuple[Mutant | None, int]) -> Trial:
        mutant, seed = job
        source = plant(mutant, solution) if mutant else None
        trial = kept.get_or_run(
            source, seed, lambda: run_trial(lab, seed=seed, source=source, threads=threads)
        )
        if mutant is None and criteria.keys() - trial.metrics.keys():
            raise LabError(f"seed {seed} gave no grade:\n{trial.log.rstrip()}", "mend this first")
        name = mutant.name if mutant else "reference"
        say(f"{name}, seed {seed}: {_shown(trial) or 'no value'}")
        return trial

    pool = ThreadPoolExecutor(jobs)
    try:
        trials = list(pool.map(one, plan))
    finally:
        pool.shutdown(cancel_futures=True)
    honest, wrong = trials[:seeds], trials[seeds:]
    by_mutant = {
        mutant.name: wrong[LEAST_SEEDS * i : LEAST_SEEDS * (i + 1)]
        for i, mutant in enumerate(planted)
    }
    return [
        _calibrated(
            criterion, honest, {m.name: by_mutant[m.name] for m in planted if m.catches == id}
        )
        for id, criterion in criteria.items()
    ]


def _calibrated(
    criterion: Criterion, honest: Sequence[Trial], wrong: Mapping[str, Sequence[Trial]]
) -> Calibrated:
    first = honest[0].metrics[criterion.id]
    low, high = first.ci95 or (math.nan, math.nan)
    return Calibrated(
        criterion,
        tuple(trial.seed for trial in honest),
        tuple(_value(trial, criterion.id) for trial in honest),
        {name: tuple(_value(t, criterion.id) for t in trials) for name, trials in wrong.items()},
        first.n,
        ONE_SIDED * (high - low) / 2,
    )


def _value(trial: Trial, id: str) -> float:
    """NaN for a mutant so wrong that nothing could be scored."""
    return trial.metrics[id].value if id in trial.metrics else math.nan


def _shown(trial: Trial) -> str:
    return ", ".join(f"{id} {metric.value:.4f}" for id, metric in trial.metrics.items())


def draw_strips(found: Sequence[Calibrated], path: Path) -> None:
    """A strip plot, SVG: a dot for each run, lines at pass and floor."""
    require("matplotlib", "learn", "drawing the runs")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dllab", "font.size": 9}):
        rows = sum(1 + len(one.mutants) for one in found)
        figure = Figure(figsize=(7, 0.8 * len(found) + 0.3 * rows), layout="constrained")
        all_axes = figure.subplots(len(found), squeeze=False)[:, 0]
        for axes, one in zip(all_axes, found, strict=True):
            strips = {"reference": one.values, **one.mutants}
            for row, (name, values) in enumerate(strips.items()):
                colour = "#2b6cb0" if name == "reference" else "#c05621"
                axes.plot(values, [-row] * len(values), "o", color=colour, alpha=0.6)
            axes.set_yticks([-row for row in range(len(strips))], list(strips))
            axes.set_ylim(-len(strips) + 0.4, 0.6)
            axes.axvline(one.target, color="#2f855a", label=f"pass {one.target:g}")
            axes.axvline(one.strong, color="#2b6cb0", ls="--", label=f"strong {one.strong:g}")
            axes.axvline(one.floor, color="#888888", linestyle=":", label=f"floor {one.floor:g}")
            axes.set_title(one.criterion.title, loc="left")
            axes.legend(loc="best", frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})

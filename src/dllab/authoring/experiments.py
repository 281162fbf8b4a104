"""Runs that a lab's page tells of: trained over seeds, measured, recorded in lab.yaml, drawn."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from statistics import fmean

from dllab.authoring.content import code_only, recipe_of
from dllab.authoring.kept import KeptTrials
from dllab.authoring.trial import Trial, run_trial
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.mutants import load_mutants, plant
from dllab.lab.spec import Experiment, Recorded
from dllab.report.curves import CurveSeries, names, read_series

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ran:
    """An experiment and its trials, one for each of its seeds."""

    experiment: Experiment
    trials: tuple[Trial, ...]

    def record(self, recipe: str) -> Recorded:
        """What lab.yaml keeps of it: four digits of each value."""
        values = {
            measure: tuple(float(f"{value_of(trial, measure):.4g}") for trial in self.trials)
            for measure in self.experiment.measures
        }
        return Recorded(values, recipe, f"{datetime.now(UTC):%Y-%m-%d}")

    def curves(self) -> list[CurveSeries]:
        """What is drawn of it, one series for each trial."""
        return [_logged(trial, self.experiment.curve) for trial in self.trials]

    def bars(self) -> dict[str, float]:
        """By what follows `bars` in a key, in the order logged: the mean over trials of its last
        values.
        """
        begins = self.experiment.bars
        logged = [names(curve) for curve in self.trials[0].curves.values()]
        keys = [key for key in chain(*logged) if key.startswith(begins)]
        return {
            key.removeprefix(begins): fmean(value_of(trial, key) for trial in self.trials)
            for key in keys
        }


def run_experiments(
    lab: Lab, experiments: Sequence[Experiment], jobs: int = 1, say: Say = lambda _: None
) -> list[Ran]:
    """Train each experiment over its seeds; what was run before an interruption counts.

    With `jobs` runs side by side each has one thread. Raises LabError for a measure that a run of
    the lab's own code did not give.
    """
    kept = KeptTrials(lab, "experiments")
    sources = {one.name: source_of(lab, one) for one in experiments}
    threads = 1 if jobs > 1 else 0

    def run(job: tuple[Experiment, int]) -> Trial:
        one, seed = job
        source, overrides = sources[one.name], one.overrides
        trial = kept.get_or_run(
            source,
            seed,
            lambda: run_trial(lab, seed=seed, source=source, overrides=overrides, threads=threads),
            overrides,
        )
        say(f"{one.name}, seed {seed}: {_shown(one, trial)}")
        return trial

    pool = ThreadPoolExecutor(jobs)
    try:
        trials = iter(
            list(pool.map(run, [(one, seed) for one in experiments for seed in one.seeds]))
        )
    finally:
        pool.shutdown(cancel_futures=True)
    return [Ran(one, tuple(next(trials) for _ in one.seeds)) for one in experiments]


def value_of(trial: Trial, measure: str) -> float:
    """What a run gave: a criterion's value, its `step_ms`, or of a logged key the last value (or
    `first`, `min`, `max`).

    NaN where it did not get so far.
    """
    if measure == "step_ms":
        return trial.step_ms or math.nan
    if measure in trial.metrics:
        return trial.metrics[measure].value
    pick, _, key = measure.rpartition(" ")
    values = _logged(trial, key).values
    if not len(values):
        return math.nan
    picks = {"first": values[0], "min": values.min(), "max": values.max()}
    return float(picks.get(pick, values[-1]))


def source_of(lab: Lab, experiment: Experiment) -> str | None:
    """The code of the mutant that an experiment trains; None for the reference."""
    if not experiment.mutant:
        return None
    for mutant in load_mutants(lab):
        if mutant.name == experiment.mutant:
            return plant(mutant, lab.solution.read_text(encoding="utf-8"))
    raise LabError(
        f"{lab.folder / 'lab.yaml'}: experiments.{experiment.name}: "
        f"there is no mutant {experiment.mutant!r}",
        "name one of _author/mutants.py, or leave `mutant` out",
    )


def recipe_of_experiment(lab: Lab, experiment: Experiment) -> str:
    """A hash of all that the recorded values depend on."""
    source = source_of(lab, experiment)
    parts = [recipe_of(lab), *experiment.overrides, code_only(source) if source else ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def stale_experiments(lab: Lab) -> Iterator[tuple[Experiment, str]]:
    """Each experiment whose record does not belong to what would run now, and why."""
    for one in lab.spec.experiments.values():
        record = one.record
        if record is None:
            yield one, "has no recorded runs"
        elif record.recipe != recipe_of_experiment(lab, one):
            yield one, "has changed since its runs: the reference, its config, or what is tried"
        elif {m: len(record.values.get(m, ())) for m in one.measures} != dict.fromkeys(
            one.measures, len(one.seeds)
        ):
            yield one, "has other measures or seeds than its record"


def _shown(experiment: Experiment, trial: Trial) -> str:
    values = {measure: value_of(trial, measure) for measure in experiment.measures}
    missing = [measure for measure, value in values.items() if math.isnan(value)]
    if missing and not experiment.mutant:
        raise LabError(
            f"{experiment.name}, seed {trial.seed} gave no {missing[0]}:\n{trial.log.rstrip()}",
            "a measure is a criterion's id or a logged key, such as `min val/loss`",
        )
    return ", ".join(f"{measure} {value:.4g}" for measure, value in values.items())


def _logged(trial: Trial, key: str) -> CurveSeries:
    """Of the first arm that logged it; empty where none did."""
    every = [read_series(curve, key) for curve in trial.curves.values()]
    return next((series for series in every if len(series)), read_series((), key))

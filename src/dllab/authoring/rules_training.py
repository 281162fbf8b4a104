"""What must hold of a lab's training: its recorded runs, and one run of the reference now."""

import math
from collections.abc import Iterator, Mapping, Sequence

from dllab.authoring.content import recipe_of
from dllab.authoring.curve_picture import PICTURE, is_picture_of
from dllab.authoring.experiments import stale_experiments
from dllab.authoring.rules import LabCase, rule
from dllab.authoring.thresholds import (
    LEAST_SEEDS,
    SIGMAS,
    Spread,
    beats,
    bigger_is_better,
    pass_threshold,
)
from dllab.authoring.trial import last_line
from dllab.checks import Play, Timing
from dllab.config.compose import compose
from dllab.config.rules import ConflictError
from dllab.errors import LabError
from dllab.lab.authored import find_named
from dllab.lab.layout import Layout
from dllab.lab.scoring import find_metric, form_of
from dllab.lab.spec import Calibration, Criterion

SHARED_GROUPS = ("hardware", "logger", "debug")


@rule("criteria", "correct the criterion in lab.yaml, or write what it names")
def criteria(case: LabCase) -> Iterator[str]:
    """What each criterion names is written, where it says, and `predict` knows what to return."""
    lab = case.lab
    for one in lab.spec.measured.values():
        try:
            if one.kind == "metric":
                find_metric(lab, one.id, one.metric)
                arm = lab.spec.arms[one.arm]
                form_of(lab, arm, Layout.of(arm.data, lab.root))
            elif one.kind == "play":
                find_named(lab, one.id, one.metric, Play)
            elif not find_named(lab, one.id, one.metric, Timing).against and (
                one.id not in lab.spec.hidden
            ):
                yield f"{one.id} is timed against the reference, so it must be hidden"
        except LabError as error:
            yield f"{error.what}; {error.hint}"


@rule("thresholds", "dllab calibrate NN --write")
def thresholds(case: LabCase) -> Iterator[str]:
    """Thresholds follow from recorded runs of this reference, and metric mutants miss the floor.

    A draft's runs are still to come.
    """
    if case.lab.spec.draft:
        return
    recipe = recipe_of(case.lab)
    for criterion in case.lab.spec.measured.values():
        record = case.lab.spec.calibration.get(criterion.id)
        if not record:
            yield f"{criterion.id} has no recorded runs"
            continue
        yield from (f"{criterion.id}: {fault}" for fault in _faults(criterion, record))
        if record.recipe not in ("", recipe):
            yield f"{criterion.id}: the reference or its config has changed since the runs"
        names = {mutant.name for mutant in case.mutants if mutant.catches == criterion.id}
        if not isinstance(record.mutants, float):
            for name in sorted(names - set(record.mutants)):
                yield f"{criterion.id}: there are no runs of the mutant {name}"


@rule("experiments", "dllab calibrate NN --experiments")
def experiments(case: LabCase) -> Iterator[str]:
    """What lab.yaml records of experiments are runs of this reference, and so is curves.svg.

    A draft's runs are still to come.
    """
    lab = case.lab
    if lab.spec.draft:
        return
    for one, why in stale_experiments(lab):
        yield f"{one.name} {why}"
    for one in lab.spec.experiments.values():
        try:
            compose(lab, one.overrides)
        except LabError as error:
            yield f"{one.name}: {error.what}"
    drawn = [one for one in lab.spec.experiments.values() if one.curve]
    if drawn and not is_picture_of(lab.folder / PICTURE, lab, drawn):
        yield f"{PICTURE} is not drawn from these runs"


def _faults(criterion: Criterion, record: Calibration) -> Iterator[str]:
    seeds, values = record.seeds, record.values
    if len(set(seeds)) < LEAST_SEEDS or len(seeds) != len(values):
        yield f"{len(values)} values for {len(set(seeds))} seeds, at least {LEAST_SEEDS} are wanted"
        return
    spread = Spread.of(values)
    written = (record.mean, record.sd)
    if not all(map(_close, written, (spread.mean, spread.sd))):
        yield f"mean and sd are {spread.mean:.4f} and {spread.sd:.4f}, not {written}"
    reserved = spread.mean if record.reserved is None else record.reserved
    yield from _target_faults(criterion, spread, reserved)
    yield from _mutant_faults(criterion, record.mutants)


def _target_faults(criterion: Criterion, spread: Spread, reserved: float) -> Iterator[str]:
    """`pass` is no harder than the runs say.

    It may be easier where reserved items prove harder, by up to three further deviations, and for a
    timing: on another machine the ratio is another.
    """
    up = bigger_is_better(criterion)
    worse = Spread(min(spread.mean, reserved) if up else max(spread.mean, reserved), spread.sd)
    target = pass_threshold(spread, up=up)
    step = -SIGMAS * spread.sd if up else SIGMAS * spread.sd
    easiest = pass_threshold(Spread(worse.mean + step, spread.sd), up=up)
    too_easy = criterion.kind != "timing" and beats(easiest, criterion.target, up=up)
    if beats(criterion.target, target, up=up) or too_easy:
        yield f"pass is {criterion.target:g}, the runs say {target:g}"


def _mutant_faults(
    criterion: Criterion, recorded: Mapping[str, Sequence[float]] | float
) -> Iterator[str]:
    """`recorded` holds the values of each mutant's runs, or only the best of them all."""
    up = bigger_is_better(criterion)
    best_only = isinstance(recorded, float)
    by_name = {"with the best score": [recorded]} if isinstance(recorded, float) else recorded
    for name, values in by_name.items():
        if not best_only and len(values) < LEAST_SEEDS:
            yield f"the mutant {name} has {len(values)} runs, {LEAST_SEEDS} are wanted"
        if any(beats(value, criterion.floor, up=up) for value in values):
            yield f"the mutant {name} beats the floor of {criterion.floor:g}: {values}"


def _close(one: float | None, other: float) -> bool:
    return one is not None and math.isclose(one, other, rel_tol=1e-3, abs_tol=2e-4)


@rule("trains", "mend what the log says; dllab train NN impl=reference shows it", needs="training")
def trains(case: LabCase) -> Iterator[str]:
    """One run of the reference trains, is graded, earns every point, and dreams."""
    assert case.trial is not None
    if not case.trial.max_score:
        yield f"no grade came out (exit {case.trial.code}): {last_line(case.trial.log)}"
        return
    for missed in case.trial.missed:
        yield f"the reference misses {missed}"
    for undreamt in case.trial.undreamt:
        yield f"the reference cannot show {undreamt}"


@rule(
    "official",
    "mend what it misses; where no wall works, see `dllab doctor --sandbox`",
    needs="training",
)
def official(case: LabCase) -> Iterator[str]:
    """The same run, handed in, earns every point officially: hidden checks, behind the wall."""
    assert case.trial is not None
    for missed in case.trial.handed_in:
        yield f"handed in, the reference misses {missed}"


@rule("configs", "mend conf/, or the value that meets the choice", needs="training")
def configs(case: LabCase) -> Iterator[str]:
    """Every arm is valid with each shared choice, and trains on the data that scores it."""
    lab = case.lab
    folders = [lab.root / "configs" / group for group in SHARED_GROUPS]
    folders.append(lab.folder / "conf" / "data")
    paths = [path for folder in folders for path in folder.glob("*.yaml")]
    for choice in [f"{path.parent.name}={path.stem}" for path in sorted(paths)]:
        try:
            arms = compose(lab, [choice])
        except ConflictError:
            continue  # lab.yaml says why
        except LabError as error:
            yield f"{choice}: {error.what}"
            continue
        for name, config in arms.items():
            scored, trained = lab.spec.arms[name].data, config.data.get("name")
            if scored and trained != scored:
                yield f"{choice}: {name} trains on {trained} and is scored on {scored}"


@rule("budget", "make the training cheaper, or raise `budgets` in lab.yaml", needs="training")
def budget(case: LabCase) -> Iterator[str]:
    """A run of the reference stays within the lab's time, memory and size."""
    assert case.trial is not None
    budgets = case.lab.spec.budgets
    used = [
        ("train_s", case.trial.seconds, budgets.train_s),
        ("memory_mb", case.trial.memory_mb, budgets.memory_mb),
        ("artifact_bytes", case.trial.artifact_bytes, budgets.artifact_bytes),
    ]
    for name, value, limit in used:
        if value > limit:
            yield f"{name}: {value:.0f} used, {limit:.0f} allowed"

"""What must hold of the formats: that the reference passes them, and that nothing else would."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from dllab.authoring.rules import LabCase, rule
from dllab.checks import Outcome
from dllab.grading.formats import break_it
from dllab.grading.formats.claims import deviation_bounds
from dllab.grading.formats.forecast import author_half, draw_forecast, judge_sheet
from dllab.grading.formats.rerun import LostCellError, run_cell
from dllab.grading.formats.sheets import ForecastSheet, SheetError
from dllab.grading.formats.table import NAME, read_cells, read_hidden
from dllab.grading.formats.work import LostError, Work
from dllab.lab.find import Lab
from dllab.lab.formats import BreakIt, Claims, Forecast
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.sandbox.warm import warm_or_cold
from dllab.training.card import cpu_seconds

LEAST_MUTANTS, LEAST_VARIANTS = 3, 2
DRAWS = 200
SEEDS = (101, 102, 103)
UNLIKELY = 0.02  # no chance is meant: the seeds are always these
T = TypeVar("T")


@rule(
    "break-it",
    "see `Three formats` in docs/authors.md: mutants name the criterion, VARIANTS are right",
    needs="proof",
)
def break_it_holds(case: LabCase) -> Iterator[str]:
    """The reference's cases find every mutant that names them, and right variants pass all."""
    for criterion in _of_kind(case, BreakIt):
        mutants = [mutant for mutant in case.mutants if mutant.catches == criterion.id]
        if len(mutants) < LEAST_MUTANTS:
            yield f"{criterion.id}: {len(mutants)} mutants name it, {LEAST_MUTANTS} are wanted"
        if len(case.of_variant) < LEAST_VARIANTS:
            yield f"there are {len(case.of_variant)} right variants, {LEAST_VARIANTS} are wanted"
        for name, findings in case.of_variant.items():
            for told in (finding for finding in findings if not finding.passed):
                yield f"the variant {name} is not right: it fails {told.check}: {told.message}"
        for mutant in mutants:
            for told in case.of_mutant.get(mutant.name, []):
                if not told.passed:
                    why = "its values could be copied from checks.py"
                    yield f"{mutant.name} fails the visible check {told.check}: {why}"
        if mutants:
            yield from _judged_fault(case.lab, criterion)


@rule(
    "forecast",
    "mend cells.csv, `_author/cells.csv` or `_author/forecast.py`; or ask for less skill",
    needs="proof",
)
def forecast_holds(case: LabCase) -> Iterator[str]:
    """Whatever is drawn, the author's forecast earns every point, and hidden values are hidden."""
    for criterion in _of_kind(case, Forecast):
        if criterion.intervals:
            yield from _table_faults(case.lab, criterion)
        worst = Outcome(1.0)
        for number in range(DRAWS):
            sheet = reference_sheet(case.lab, criterion, f"{number:016x}")
            worst = min(worst, judge_sheet(case.lab, criterion, sheet), key=lambda o: o.fraction)
        if not worst.ok:
            yield f"{criterion.id}: the author's forecast misses points: {worst.message}"


@rule(
    "claims",
    "make the runs shorter, or put the deviation that was measured into `sd`",
    needs="training",
)
def claims_hold(case: LabCase) -> Iterator[str]:
    """A pair's arms differ in one key; their runs are short, and spread by `sd` at most."""
    for criterion in _of_kind(case, Claims):
        faults = list(_pair_faults(criterion))
        yield from faults
        if not faults:
            yield from _run_faults(case.lab, criterion)


def _of_kind(case: LabCase, kind: type[T]) -> list[T]:
    return [one for one in case.lab.spec.formats.values() if isinstance(one, kind)]


def _judged_fault(lab: Lab, criterion: BreakIt) -> Iterator[str]:
    with at_work(lab) as work:
        try:
            outcome = break_it.judge(work, criterion)
        except (SheetError, LostError) as error:
            yield f"{criterion.id}: {error}"
            return
    missed = [name for name, found in dict(outcome.evidence.get("found", {})).items() if not found]
    if not outcome.ok:
        why = ", ".join(missed) or outcome.evidence.get("why")
        yield f"{criterion.id}: of the reference, {outcome.message}: {why}"


def reference_sheet(lab: Lab, criterion: Forecast, id: str) -> ForecastSheet:
    """The author's forecast of what the id draws, as a sheet."""
    drawn, author = draw_forecast(lab, criterion, id), author_half(lab)
    answers = author.answers(dict(drawn.config)) if criterion.answers else {}
    intervals = author.intervals(drawn.released, drawn.asked) if criterion.intervals else {}
    return ForecastSheet(draw=id, answers=answers, intervals=intervals)


def _table_faults(lab: Lab, criterion: Forecast) -> Iterator[str]:
    empty = {cell.name for cell in read_cells(lab) if cell.value is None}
    hidden = read_hidden(lab)
    if empty != set(hidden):
        odd = ", ".join(sorted(empty ^ set(hidden)))
        yield f"{NAME} leaves other values open than _author/{NAME} holds: {odd}"
    if len(hidden) < 2 * criterion.intervals:
        yield (
            f"{len(hidden)} hidden cells for {criterion.intervals} intervals: "
            "learners should not all have the same, so give at least twice as many"
        )


def _pair_faults(criterion: Claims) -> Iterator[str]:
    for name, pairs in criterion.pairs.items():
        for first, second in pairs:
            keys = [arm.partition("=")[0] for arm in (first, second)]
            if keys[0] != keys[1] or first == second or " " in first + second:
                yield f"{criterion.id}.{name}: {first!r} and {second!r} do not differ in one key"


def _run_faults(lab: Lab, criterion: Claims) -> Iterator[str]:
    """Every arm that can be drawn, three seeds each."""
    pairs = [pair for some in criterion.pairs.values() for pair in some]
    arms = dict.fromkeys(arm for pair in pairs for arm in pair)
    begin, spent = time.monotonic(), cpu_seconds()
    try:
        with at_work(lab) as work:
            found = {arm: [run_cell(work, criterion, arm, seed) for seed in SEEDS] for arm in arms}
    except LostCellError as error:
        yield f"{criterion.id}: {error}"
        return
    # as `Trial.seconds`: the clock also counts what others do on a busy machine
    seconds = min(time.monotonic() - begin, cpu_seconds() - spent) / (len(arms) * len(SEEDS))
    if seconds > criterion.cell_s:
        yield f"{criterion.id}: a run takes {seconds:.0f} s, cell_s is {criterion.cell_s:g}"
    spread = {arm: statistics.stdev(values) for arm, values in found.items()}
    widest = max(spread, key=lambda arm: spread[arm])
    low, high = deviation_bounds(len(SEEDS) - 1, UNLIKELY)
    if not low * criterion.sd <= spread[widest] <= high * criterion.sd:
        yield (
            f"{criterion.id}: sd is {criterion.sd:g}, but {widest} spreads by "
            f"{spread[widest]:.2g}: {found[widest]}"
        )


@contextmanager
def at_work(lab: Lab) -> Iterator[Work]:
    """The reference as if it were a learner's work, behind a wall for practice."""
    limits = Limits.of(lab.spec.budgets)
    with warm_or_cold(lab) as backend, Session(lab, lab.solution, backend, limits) as session:
        yield Work(lab, lab.solution, lab.folder, session, backend, seed=1)

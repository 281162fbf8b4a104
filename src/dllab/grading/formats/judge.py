"""The criteria that are formats, each as a row: looked over in practice, judged officially.

In practice a sheet is checked for form, and cases are run on the learner's own code. What decides
about points stays with the scorer: hidden mutants, hidden cells, runs with a seed of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dllab.checks import Outcome
from dllab.grading.formats import break_it, claims, forecast
from dllab.grading.formats.sheets import AbsentError, SheetError
from dllab.grading.formats.work import LostError, Work
from dllab.grading.rows import UNGRADABLE, explain, status_of
from dllab.lab.formats import BreakIt, Format
from dllab.result import CheckRow

FormatJudge = Callable[[Work, Any], Outcome]

LOOK_OVER: dict[str, FormatJudge] = {
    "break-it": break_it.look_over,
    "forecast": forecast.look_over,
    "claims": claims.look_over,
}
JUDGE: dict[str, FormatJudge] = {
    "break-it": break_it.judge,
    "forecast": forecast.judge,
    "claims": claims.judge,
}


def judge_formats(work: Work, *, official: bool) -> list[CheckRow]:
    """A row for each format that lab.yaml declares."""
    judge = _judged if official else _looked_over
    return [judge(work, criterion) for criterion in work.lab.spec.formats.values()]


def _judged(work: Work, criterion: Format) -> CheckRow:
    row = _blank(criterion)
    try:
        outcome = JUDGE[criterion.kind](work, criterion)
    except SheetError as error:
        return replace(row, message=str(error))
    except LostError as lost:
        return _lost(work, row, lost)
    return replace(
        row,
        status=status_of(outcome.fraction),
        points=outcome.fraction * criterion.points,
        message=outcome.message,
        evidence=dict(outcome.evidence),
    )


def _looked_over(work: Work, criterion: Format) -> CheckRow:
    """The same without points: there is nothing to earn before the official grade."""
    title = f"{criterion.title}, {criterion.points:g} points in the official grade"
    row = replace(_blank(criterion), title=title, max_points=0.0, required=False)
    try:
        outcome = LOOK_OVER[criterion.kind](work, criterion)
    except AbsentError as error:
        hint = f"dllab draw {work.lab.number} writes it"
        return replace(row, status="skip", message=f"{error}: {hint}")
    except SheetError as error:
        return replace(row, message=str(error))
    except LostError as lost:
        return _lost(work, row, lost)
    return replace(row, status=status_of(outcome.fraction), message=outcome.message)


def _lost(work: Work, row: CheckRow, lost: LostError) -> CheckRow:
    if work.session.official and lost.failure.kind in UNGRADABLE:
        work.session.give_up(lost.reply)
    return replace(row, **explain(lost.failure, lost.reply.log))


def _blank(criterion: Format) -> CheckRow:
    return CheckRow(
        id=criterion.id,
        title=criterion.title,
        kind="format",
        status="fail",
        points=0.0,
        max_points=criterion.points,
        sentence=criterion.sentence,
        hint_id=criterion.cases if isinstance(criterion, BreakIt) else "",
        required=criterion.required,
    )

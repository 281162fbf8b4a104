"""What to try next: a few steps, the most useful first, each with the command that takes it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dllab.lab.find import Lab, finished_labs
from dllab.lab.spec import Calibration, Criterion, Experiment
from dllab.report.curve_rules import Finding
from dllab.report.findings import run_findings
from dllab.report.rubric import Rubric, number, read_rubric
from dllab.result import Result
from dllab.rundir.choice import code_of_now, is_of
from dllab.rundir.listing import list_runs
from dllab.rundir.run import RunFolder

AT_MOST = 4


@dataclass(frozen=True)
class Step:
    """One thing to do, and the command for it where there is one."""

    text: str
    command: str = ""


def steps_after(lab: Lab, run: RunFolder) -> list[Step]:
    """The same steps for a run folder as it lies there, whatever it holds."""
    result = run.read_result()
    rubric = read_rubric(result, lab, run.tried) if result else None
    return next_steps(lab, run, result, rubric, run_findings(lab, run))


def next_steps(
    lab: Lab,
    run: RunFolder,
    result: Result | None,
    rubric: Rubric | None,
    findings: Mapping[str, Sequence[Finding]],
) -> list[Step]:
    """At most four steps for a learner who has just seen this result."""
    return list(_steps(lab, run, result, rubric, findings))[:AT_MOST]


def _steps(
    lab: Lab,
    run: RunFolder,
    result: Result | None,
    rubric: Rubric | None,
    findings: Mapping[str, Sequence[Finding]],
) -> Iterator[Step]:
    card = run.read_card()
    if (rubric.impl if rubric else card.get("impl")) == "reference":
        place = lab.code.relative_to(lab.root) if lab.code.is_relative_to(lab.root) else lab.code
        yield Step(f"Now write it yourself: the TODOs are in {place}.", f"dllab hint {lab.number}")
        yield Step("See each check turn green as you save.", f"make watch-{lab.number}")
        yield Step("Then train and grade your own.", f"make lab-{lab.number}")
        return
    if result is None or card.get("status", "finished") != "finished":
        yield from _unfinished(run, card)
    yield from _from_findings(findings)
    if rubric is not None and result is not None:
        yield from _from_rubric(rubric)
        yield from _beyond(lab, run, result, rubric)
        if rubric.experiment:
            yield Step("What is handed in is a full run.", f"make lab-{lab.number}")
            yield from islice(_untried(lab), 1)


def _unfinished(run: RunFolder, card: Mapping[str, Any]) -> Iterator[Step]:
    if card.get("status") == "finished":
        yield Step("This run has not been graded yet.", f"dllab grade {run.id}")
    else:
        yield Step(
            "The run stopped before its end; go on from its last checkpoint.",
            f"dllab train {run.lab_number} --resume {run.id}",
        )


def _from_findings(findings: Mapping[str, Sequence[Finding]]) -> Iterator[Step]:
    for arm, of_arm in findings.items():
        for finding in of_arm:
            where = f"In the arm {arm}: " if len(findings) > 1 else ""
            told = finding.rule.replace("-", " ")
            yield Step(f"{where}The curve says “{told}”. {finding.change}")


def _from_rubric(rubric: Rubric) -> Iterator[Step]:
    """Checks of code first: what they test is what the criteria stand on."""
    for row in sorted(rubric.rows, key=lambda row: row.kind != "code"):
        if row.status in ("fail", "partial") and (row.kind == "code" or not rubric.experiment):
            verb = "Mend" if row.kind == "code" else "Raise"
            yield Step(f"{verb} “{row.title}”.", row.hint)


def _beyond(lab: Lab, run: RunFolder, result: Result, rubric: Rubric) -> Iterator[Step]:
    if not rubric.passed or run.read_card().get("status", "finished") != "finished":
        return
    if is_of(run.path, code_of_now(lab)):
        yield Step("Pack this run to hand it in.", f"dllab submit {run.id}")
    else:
        yield Step(
            "lab.py has changed since this run: train what you have now.", f"make lab-{lab.number}"
        )
    yield from islice(stronger(lab, result), 1)
    yield from islice(_untried(lab), 1)
    after = [other for other in finished_labs(lab.root) if other.number > lab.number]
    if after:
        yield Step(
            f"Go on to lab {after[0].number}, {after[0].spec.title}.",
            f"dllab show {after[0].number}",
        )


def stronger(lab: Lab, result: Result) -> Iterator[Step]:
    """For each criterion below its strong level, what is known to reach it."""
    for id, criterion in lab.spec.measured.items():
        metric, strong = result.metric(id), criterion.strong
        if metric is None or strong is None or _reaches(metric.value, criterion):
            continue
        goal = (
            f"Reach the strong level of {criterion.title}, {strong:g} (now {number(metric.value)})"
        )
        ways = [one for one in _to_try(lab) if _reaches(_recorded(one, id), criterion)]
        if ways:
            yield Step(f"{goal}: “{ways[0].title}” did.", _command(lab, ways[0]))
        elif _reaches(lab.spec.calibration.get(id, Calibration()).mean, criterion):
            yield Step(f"{goal}: the reference does, with the same recipe.")
        elif (lab.folder / "conf" / "data" / "full.yaml").is_file():
            more = f"make lab-{lab.number} data=full"
            yield Step(f"{goal}: it takes more data, more epochs, a larger network.", more)
        else:
            yield Step(
                f"{goal}: it takes another recipe; see its keys.", f"dllab config {lab.number}"
            )


def _untried(lab: Lab) -> Iterator[Step]:
    """The experiments of the lab's page that no run has tried yet."""
    tried = {frozenset(row.tried) for row in list_runs(lab.root, lab.id)}
    for one in _to_try(lab):
        if frozenset(one.overrides) not in tried:
            yield Step(f"Say what you expect, then try: {one.title}.", _command(lab, one))


def _to_try(lab: Lab) -> list[Experiment]:
    """The page's experiments that a command line can repeat: no planted mistake, no plain run."""
    found = lab.spec.experiments.values()
    return [one for one in found if one.overrides and not one.mutant and one.name != "reference"]


def _command(lab: Lab, experiment: Experiment) -> str:
    """`make lab-NN key=value …`, to be pasted into a shell."""
    return " ".join([f"make lab-{lab.number}", *map(shlex.quote, experiment.overrides)])


def _recorded(experiment: Experiment, measure: str) -> float | None:
    values = experiment.record.values.get(measure, ()) if experiment.record else ()
    return sum(values) / len(values) if values else None


def _reaches(value: float | None, criterion: Criterion) -> bool:
    if value is None or criterion.strong is None:
        return False
    up = criterion.target > criterion.floor
    return value >= criterion.strong if up else value <= criterion.strong

"""The criteria: what the predictions are worth, against target and floor. No code runs any more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from dllab.grading.items import ItemSource
from dllab.grading.plays import Played
from dllab.grading.predictions import Prediction, scored_arms
from dllab.grading.rows import explain, status_of
from dllab.grading.rule import RULE, apply_rule, is_incredible
from dllab.lab.find import Lab
from dllab.lab.spec import Criterion
from dllab.metrics import METRICS, Measured
from dllab.result import CheckRow, Metric
from dllab.rundir.run import RunFolder


@dataclass(frozen=True)
class Scored:
    """Rows of the rubric, and `metrics[]` of the result."""

    rows: list[CheckRow]
    metrics: list[Metric]


def integrity_ids(lab: Lab) -> tuple[str, ...]:
    """The check of each scored arm that an item's scores depend on that item alone."""
    return tuple(f"independent-{arm}" for arm in scored_arms(lab))


def score_criteria(
    lab: Lab,
    run: RunFolder,
    predictions: Mapping[str, Prediction],
    played: Mapping[str, Played],
    source: ItemSource,
    *,
    seed: int,
) -> Scored:
    """Open the labels and score: a row for each criterion, and one for each arm's integrity."""
    scored = Scored([_integrity(arm, one) for arm, one in predictions.items()], [])
    for criterion in lab.spec.criteria.values():
        if criterion.id in played:
            found = _played(criterion, played[criterion.id])
        else:
            found = _predicted(lab, criterion, predictions[criterion.arm], source)
        if isinstance(found, CheckRow):
            scored.rows.append(found)
            continue
        row = _earned(criterion, found)
        if source.kind == "hidden" and not _had_more_data(run, criterion.arm):
            row = _reviewed(row, criterion, found)
        scored.rows.append(row)
        scored.metrics.append(_metric(criterion, found, seed))
    return scored


def _played(criterion: Criterion, played: Played) -> Measured | CheckRow:
    """What was measured, or the row that says why nothing was."""
    if played.measured is not None:
        return played.measured
    # The scorer's world is drawn afresh, so what the code could quote of it is no secret.
    if played.failure:
        return replace(_blank(criterion), **explain(played.failure, played.log))
    return replace(_blank(criterion), message=played.absent)


def _predicted(
    lab: Lab, criterion: Criterion, prediction: Prediction, source: ItemSource
) -> Measured | CheckRow:
    """The same for predictions."""
    if prediction.scores is None or prediction.leak:
        return _unscored(criterion, prediction, secret=source.kind == "hidden")
    label = source.labels(lab.spec.arms[criterion.arm].data)
    if narrow := _too_narrow(prediction.scores, label):
        return replace(_blank(criterion), message=narrow)
    return METRICS[criterion.metric](prediction.scores, {"label": label})


def _too_narrow(scores: Tensor, label: Tensor) -> str:
    classes = int(label.max()) + 1
    if scores.shape[1] >= classes:
        return ""
    return f"predict: expected a column for each of {classes} classes, got {scores.shape[1]}"


def _earned(criterion: Criterion, measured: Measured) -> CheckRow:
    earned = apply_rule(measured, criterion)
    return replace(
        _blank(criterion),
        status=status_of(earned.fraction),
        points=earned.fraction * criterion.points,
        message=earned.message,
    )


def _reviewed(row: CheckRow, criterion: Criterion, measured: Measured) -> CheckRow:
    """A person looks at what is too good for items that nobody could have seen before."""
    if not is_incredible(measured, criterion):
        return row
    said = f"measured {measured.value:.4g}, far better than the published {criterion.strong:g}"
    return replace(row, status="review", message=said)


def _had_more_data(run: RunFolder, arm: str) -> bool:
    """By its own config: with `data=full` the published level is no measure."""
    config = run.read_config().get("arms", {}).get(arm)
    data = config.get("data") if isinstance(config, dict) else None
    return isinstance(data, dict) and data.get("size") == "full"


def _unscored(criterion: Criterion, prediction: Prediction, *, secret: bool) -> CheckRow:
    row = _blank(criterion)
    if prediction.failure:
        return replace(row, **explain(prediction.failure, prediction.log, secret=secret))
    return replace(row, message=prediction.absent or prediction.leak)


def _integrity(arm: str, prediction: Prediction) -> CheckRow:
    row = CheckRow(
        id=f"independent-{arm}",
        title=f"Each item is scored alone ({arm})",
        kind="integrity",
        status="pass",
        points=0.0,
        max_points=0.0,
        sentence="An item's scores do not change with its neighbours in the batch or its padding.",
        required=True,
    )
    if prediction.leak:
        return replace(row, status="fail", message=prediction.leak)
    if prediction.scores is None:
        return replace(row, status="skip", message="there are no scores to compare")
    return row


def _blank(criterion: Criterion) -> CheckRow:
    return CheckRow(
        id=criterion.id,
        title=criterion.title,
        kind="metric",
        status="fail",
        points=0.0,
        max_points=criterion.points,
        evidence={"arm": criterion.arm, "metric": criterion.metric},
        required=criterion.required,
    )


def _metric(criterion: Criterion, measured: Measured, seed: int) -> Metric:
    return Metric(
        name=criterion.id,
        value=measured.value,
        unit=measured.unit,
        direction=measured.direction,
        n=measured.n,
        ci95=(measured.ci95.low, measured.ci95.high),
        seeds=(seed,),
        threshold=criterion.target,
        floor=criterion.floor,
        rule=RULE,
    )

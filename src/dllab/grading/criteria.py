"""The criteria: what was measured is held against target and floor. No code runs any more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dllab.errors import InfraError
from dllab.grading.items import ItemSource
from dllab.grading.predictions import Prediction
from dllab.grading.rows import Found, explain, status_of
from dllab.grading.rule import RULE, apply_rule, is_incredible
from dllab.grading.sitting import Sitting
from dllab.lab.find import Lab
from dllab.lab.scoring import find_metric, scored_arms
from dllab.lab.spec import Criterion
from dllab.metrics import Items, Measured, Metric
from dllab.result import CheckRow, MetricRow
from dllab.rundir.run import RunFolder


@dataclass(frozen=True)
class Scored:
    """Rows of the rubric, and `metrics[]` of the result."""

    rows: list[CheckRow]
    metrics: list[MetricRow]


def integrity_ids(lab: Lab, *, official: bool) -> tuple[str, ...]:
    """The check of each scored arm that an item's scores depend on that item alone."""
    return tuple(f"independent-{arm}" for arm in scored_arms(lab, official=official))


def score_criteria(
    sitting: Sitting,
    predictions: Mapping[str, Prediction],
    found: Mapping[str, Found],
    seed: int,
) -> Scored:
    """Open the labels and score: a row for each criterion, and one for each arm's integrity.

    `found` holds the criteria that were measured beside the model: plays and timings.
    """
    lab, source = sitting.lab, sitting.source
    scored = Scored([_integrity(lab, arm, one) for arm, one in predictions.items()], [])
    for criterion in lab.spec.scored(official=sitting.whole):
        one = found.get(criterion.id) or _of_predictions(
            lab, criterion, predictions[criterion.arm], source
        )
        row = _row(lab, criterion, one)
        if one.measured is not None:
            if source.kind == "hidden" and not _had_more_data(sitting.run, criterion.arm):
                row = _reviewed(row, criterion, one.measured)
            scored.metrics.append(_metric(criterion, one.measured, seed))
        scored.rows.append(row)
    return scored


def _of_predictions(
    lab: Lab, criterion: Criterion, prediction: Prediction, source: ItemSource
) -> Found:
    """What a metric says of an arm's scores, or why there are none to ask it about."""
    if prediction.scores is None or prediction.leak:
        secret = source.kind == "hidden"
        return Found(
            absent=prediction.leak,
            untrained=prediction.absent,
            failure=prediction.failure,
            log=prediction.log,
            secret=secret,
        )
    metric = find_metric(lab, criterion.id, criterion.metric)
    name = lab.spec.arms[criterion.arm].data
    layout, labels = source.layout(name), source.labels(name)
    items = layout.per_item({**source.inputs(name), **labels})
    try:
        return Found(metric(prediction.scores, items, layout.groups(labels)))
    except ValueError as error:  # of scores that no number can be made of
        return Found(absent=str(error))
    except Exception as error:
        if _measures_zeros(metric, prediction.scores, items, layout.groups(labels)):
            return Found(absent=f"no number can be made of these scores: {type(error).__name__}")
        raise InfraError(
            f"the metric {metric.name} itself failed, not your code: "
            f"{type(error).__name__}: {error}",
            "this is the lab's fault, not yours: take the lab's folder anew",
        ) from error


def _measures_zeros(metric: Metric, scores: Tensor, items: Items, groups: Tensor | None) -> bool:
    """Whether a metric works where all scores are zero: then what broke it is not ours."""
    try:
        metric(torch.zeros_like(scores), items, groups)
    except ValueError:  # of scores that no number can be made of
        return True
    except Exception:  # noqa: BLE001 - author code
        return False
    return True


def _row(lab: Lab, criterion: Criterion, found: Found) -> CheckRow:
    row = CheckRow(
        id=criterion.id,
        title=criterion.title,
        kind="metric",
        status="skip" if found.untrained else "fail",
        points=0.0,
        max_points=criterion.points,
        message=found.untrained or found.absent,
        visibility="hidden" if criterion.id in lab.spec.hidden else "visible",
        evidence={"arm": criterion.arm, "metric": criterion.metric},
        required=criterion.required,
    )
    if found.failure:
        return replace(row, **explain(found.failure, found.log, secret=found.secret))
    if found.measured is None:
        return row
    earned = apply_rule(found.measured, criterion)
    return replace(
        row,
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
    """By its own config: with `data=full` the published level does not apply."""
    config = run.read_config().get("arms", {}).get(arm)
    data = config.get("data") if isinstance(config, dict) else None
    return isinstance(data, dict) and data.get("size") == "full"


def _integrity(lab: Lab, arm: str, prediction: Prediction) -> CheckRow:
    independent = lab.spec.arms[arm].independent
    row = CheckRow(
        id=f"independent-{arm}",
        title=f"Each item is scored alone ({arm})"
        if independent
        else f"Scores follow the items ({arm})",
        kind="integrity",
        status="pass",
        points=0.0,
        max_points=0.0,
        sentence="An item's scores do not change with its neighbours in the batch or its padding."
        if independent
        else "An item's scores do not change with the order of the items.",
        required=True,
    )
    if prediction.leak:
        evidence = {"difference": prediction.differs}
        return replace(row, status="fail", message=prediction.leak, evidence=evidence)
    if prediction.scores is None:
        return replace(row, status="skip", message="there are no scores to compare")
    return row


def _metric(criterion: Criterion, measured: Measured, seed: int) -> MetricRow:
    return MetricRow(
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

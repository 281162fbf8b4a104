"""What the criteria of a lab score: by which metric, which arms and sets, scores of which form."""

from dllab.errors import LabError
from dllab.lab.authored import find_named
from dllab.lab.find import Lab
from dllab.lab.layout import Layout, scores_form
from dllab.lab.spec import Arm, Criterion
from dllab.metrics import METRICS, Metric


def find_metric(lab: Lab, criterion: str, name: str) -> Metric:
    """A metric of dllab.metrics, or one of the lab's own; InfraError where there is none."""
    return METRICS[name] if name in METRICS else find_named(lab, criterion, name, Metric)


def scored_arms(lab: Lab, *, official: bool = True) -> list[str]:
    """The arms whose predictions criteria score, in that order."""
    criteria = lab.spec.scored(official=official)
    return list(dict.fromkeys(one.arm for one in criteria if one.kind == "metric"))


def scored_sets(lab: Lab) -> list[str]:
    """The data sets whose items the criteria may need."""
    criteria = [one for one in lab.spec.measured.values() if one.kind in ("metric", "play")]
    return [name for name in dict.fromkeys(data_of(lab, one) for one in criteria) if name]


def data_of(lab: Lab, criterion: Criterion) -> str:
    """The data set of a criterion's arm, or its own in a lab without arms; "" where it has none."""
    arm = lab.spec.arms.get(criterion.arm)
    return arm.data if arm else criterion.data


def scores_classes(lab: Lab, arm: Arm) -> bool:
    """Whether what `predict` of an arm returns are scores of classes."""
    metrics = (
        find_metric(lab, one.id, one.metric)
        for one in lab.spec.measured.values()
        if one.kind == "metric" and one.arm == arm.name
    )
    return all(one.of_classes for one in metrics)


def form_of(lab: Lab, arm: Arm, layout: Layout) -> str | None:
    """What `predict` of an arm returns, by the metrics that score it; None where none does.

    Raises LabError when it stays open, or when two of them want different scores.
    """
    forms = {}
    for one in lab.spec.measured.values():
        if one.kind == "metric" and one.arm == arm.name:
            declared = find_metric(lab, one.id, one.metric).scores
            try:
                forms[one.id] = scores_form(declared, arm.scores, layout)
            except LabError as error:
                where = f"{lab.folder / 'lab.yaml'}: criteria.{one.id}"
                raise LabError(f"{where}: {error.what}", error.hint) from None
    if len(set(forms.values())) > 1:
        raise LabError(
            f"{lab.folder / 'lab.yaml'}: the criteria of arm {arm.name} want different scores: "
            f"{forms}",
            "give each an arm of its own",
        )
    return next(iter(forms.values()), None)

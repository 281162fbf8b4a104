"""What a model got wrong: the confusion matrix, and the worst mistakes as one can see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor

from dllab import data
from dllab.data import DataSet
from dllab.data.kinds import Shown, item_at, kind_of
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder

SHOWN = 12  # worst mistakes on a page
MATRIX_MAX = 20  # classes beyond which a matrix cannot be read; the pairs then stand alone


@dataclass(frozen=True)
class Mistake:
    """One wrong item: what it is, what the model said, and how much it believed in either."""

    truth: str
    said: str
    p_truth: float
    p_said: float
    item: Shown


@dataclass(frozen=True)
class Confusion:
    """`counts[i][j]`: items of class i taken for j. `pairs`: the commonest mix-ups, worst first."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str, int], ...]
    correct: int
    total: int


@dataclass(frozen=True)
class Mistakes:
    """All of it for one arm."""

    confusion: Confusion
    worst: tuple[Mistake, ...]


def read_mistakes(arm: ArmFolder, dataset: str) -> Mistakes | None:
    """What an arm got wrong on the validation split.

    None where predictions or data are missing, and where the answers are not classes.
    """
    if not dataset or not arm.predictions.is_file():
        return None
    arrays = load_file(arm.predictions)
    scores, label = arrays.get("scores"), arrays.get("label")
    if scores is None or label is None or not _is_classes(scores, label):
        return None
    try:
        items, about = data.items(dataset, "val"), data.find(dataset)
    except LabError:
        return None
    if "label" not in items or not torch.equal(items["label"], label):
        return None  # the data has changed since: pictures of other items would mislead
    names = _class_names(about, max(scores.shape[1], int(label.max()) + 1))
    return Mistakes(_confusion(scores, label, names), _worst(scores, label, items, names, about))


def _is_classes(scores: Tensor, label: Tensor) -> bool:
    """Whether these are scores of classes [N, C] and their numbers, int64 [N]."""
    return scores.dim() == 2 and label.dtype == torch.int64 and label.shape == scores.shape[:1]


def _class_names(about: DataSet, count: int) -> list[str]:
    """Names of `count` classes; of a stream, its tokens; numbers for those without a name."""
    names = list(about.classes)
    if not names and kind_of(about).cuts:
        names = [_visible(token) for token in about.vocabulary()]
    return [names[i] if i < len(names) else str(i) for i in range(count)]


def _confusion(scores: Tensor, label: Tensor, names: Sequence[str]) -> Confusion:
    """Counts from scores float [N, C] and label int64 [N]."""
    count = len(names)
    flat = torch.bincount(label * count + scores.argmax(1), minlength=count * count)
    table = flat.reshape(count, count)
    wrong = table.clone().fill_diagonal_(0).flatten()
    pairs = [
        (names[i // count], names[i % count], int(wrong[i]))
        for i in wrong.argsort(descending=True)[:5].tolist()
        if wrong[i] > 0
    ]
    rows = table.tolist() if count <= MATRIX_MAX else []
    return Confusion(
        classes=tuple(names),
        counts=tuple(tuple(row) for row in rows),
        pairs=tuple(pairs),
        correct=int(table.diagonal().sum()),
        total=len(label),
    )


def _worst(
    scores: Tensor,
    label: Tensor,
    items: Mapping[str, Tensor],
    names: Sequence[str],
    about: DataSet,
) -> tuple[Mistake, ...]:
    """Wrong items in which the model believed least in the truth."""
    chances = scores.double().softmax(1)
    said = chances.argmax(1)
    p_truth = chances.gather(1, label[:, None]).squeeze(1)
    wrong = torch.where(said != label)[0]
    order = wrong[p_truth[wrong].argsort(stable=True)][:SHOWN]
    kind = kind_of(about)
    return tuple(
        Mistake(
            names[int(label[i])],
            names[int(said[i])],
            float(p_truth[i]),
            float(chances[i].max()),
            kind.show(about, item_at(about, items, i)),
        )
        for i in order.tolist()
    )


def _visible(token: str) -> str:
    """Characters that would not be seen, by their names."""
    return {" ": "space", "\n": "newline", "\t": "tab"}.get(token, token)

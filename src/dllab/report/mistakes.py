"""What a model got wrong: the confusion matrix, and the worst mistakes as one can see them."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from dllab import data
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder

SHOWN = 12  # worst mistakes on a page
MATRIX_MAX = 20  # classes beyond which a matrix cannot be read; the pairs then stand alone
WORDS_MAX = 60


@dataclass(frozen=True)
class Mistake:
    """One wrong item. Exactly one of `image` (a PNG data URI), `text` and `lines` is filled.

    `lines` are polylines for an SVG of 100 by 40, one for each dimension of a series.
    """

    truth: str
    said: str
    p_truth: float
    p_said: float
    image: str = ""
    text: str = ""
    lines: tuple[str, ...] = ()


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
    """What an arm got wrong on the validation split; None where predictions or data are missing."""
    if not dataset or not arm.predictions.is_file():
        return None
    arrays = load_file(arm.predictions)
    scores, label = arrays.get("scores"), arrays.get("label")
    if scores is None or label is None or scores.dim() != 2 or len(scores) != len(label):
        return None
    try:
        items, classes = data.items(dataset, "val"), _class_names(dataset)
    except LabError:
        return None
    if len(items["label"]) != len(label) or not torch.equal(items["label"], label):
        return None  # the data has changed since: pictures of other items would mislead
    return Mistakes(
        _confusion(scores, label, classes), _worst(scores, label, items, classes, dataset)
    )


def _class_names(dataset: str) -> list[str]:
    return data.class_names(dataset) or [_visible(token) for token in data.vocabulary(dataset)]


def _confusion(scores: Tensor, label: Tensor, classes: Sequence[str]) -> Confusion:
    """Counts from scores float [N, C] and label int64 [N]."""
    count = max(scores.shape[1], int(label.max()) + 1)
    flat = torch.bincount(label * count + scores.argmax(1), minlength=count * count)
    table = flat.reshape(count, count)
    wrong = table.clone().fill_diagonal_(0).flatten()
    names = _named(classes, count)
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


def _named(classes: Sequence[str], count: int) -> list[str]:
    return [classes[i] if i < len(classes) else str(i) for i in range(count)]


def _worst(
    scores: Tensor, label: Tensor, items: Mapping[str, Tensor], classes: Sequence[str], dataset: str
) -> tuple[Mistake, ...]:
    """Wrong items in which the model believed least in the truth."""
    chances = scores.double().softmax(1)
    said = chances.argmax(1)
    p_truth = chances.gather(1, label[:, None]).squeeze(1)
    wrong = torch.where(said != label)[0]
    order = wrong[p_truth[wrong].argsort(stable=True)][:SHOWN]
    names = _named(classes, scores.shape[1])
    return tuple(
        _picture(
            {name: tensor[i] for name, tensor in items.items()},
            dataset,
            (names[int(label[i])], names[int(said[i])], float(p_truth[i]), float(chances[i].max())),
        )
        for i in order.tolist()
    )


def _picture(
    item: Mapping[str, Tensor], dataset: str, said: tuple[str, str, float, float]
) -> Mistake:
    if "image" in item:
        return Mistake(*said, image=_png(item["image"]))
    if "series" in item:
        return Mistake(*said, lines=_polylines(item["series"][: int(item["lengths"])]))
    length = int(item["lengths"]) if "lengths" in item else len(item["tokens"])
    vocabulary = data.vocabulary(dataset)
    tokens = [vocabulary[i] for i in item["tokens"][:length].tolist()]
    if all(len(token) <= 1 for token in vocabulary[2:]):
        return Mistake(*said, text="".join(tokens[-200:]))
    return Mistake(*said, text=" ".join(tokens[:WORDS_MAX]) + (" …" * (length > WORDS_MAX)))


def _png(image: Tensor) -> str:
    """A uint8 image `[C, H, W]` with 1 or 3 channels as a data URI."""
    grey = image.shape[0] == 1
    pixels = image[0] if grey else image.permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _polylines(series: Tensor) -> tuple[str, ...]:
    """A series `[T, D]` as D polylines, all on one scale."""
    low, high = float(series.min()), float(series.max())
    scaled = 38 - 36 * (series - low) / max(high - low, 1e-9)
    width = 100 / max(len(series) - 1, 1)
    return tuple(
        " ".join(f"{t * width:.1f},{y:.1f}" for t, y in enumerate(line))
        for line in scaled.T.tolist()
    )


def _visible(token: str) -> str:
    """Characters that would not be seen, by their names."""
    return {" ": "space", "\n": "newline", "\t": "tab"}.get(token, token)

"""Metrics of dense prediction and of detection."""

import numpy as np
import torch
from torch import Tensor

from dllab.metrics.classification import mean_of_ratios
from dllab.metrics.intervals import Counts, Values, Weights
from dllab.metrics.metric import Groups, Items, Weighted, metric
from dllab.metrics.ranking import area_under_precision

OVERLAP = 0.5  # of a box with the truth, from which on it has found it


@metric("miou", scores="float32 [N, C, ...]", direction="max", interval="weights")
def miou(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Mean over classes of (places in both) / (places in either), over all items together.

    `label` int64 `[N, …]` holds a class for each place, -1 where none is asked. Classes that occur
    neither as truth nor as prediction are left out (Everingham et al. 2010, IJCV 88, 303-338).
    """
    said, truth = scores.argmax(1).flatten(1), items["label"].flatten(1)
    both, either = _overlaps(said, truth, scores.shape[1])

    def statistic(weights: Weights) -> Values:
        return mean_of_ratios(weights @ both, weights @ either)

    return Weighted.each(statistic, len(scores), groups)


def _overlaps(said: Tensor, truth: Tensor, classes: int) -> tuple[Weights, Weights]:
    """Places of each class in both, and in either, of each item: `[N, C]` from `[N, P]`."""
    asked = truth >= 0
    both, either = (np.zeros((len(said), classes)) for _ in range(2))
    for one in range(classes):  # one class at a time: C masks at once could be any size
        of_said, of_truth = (said == one) & asked, truth == one
        both[:, one] = (of_said & of_truth).sum(1).numpy()
        either[:, one] = (of_said | of_truth).sum(1).numpy()
    return both, either


@metric("box_ap", scores="float32 [N, K, 6]", direction="max", interval="weights")
def box_ap(scores: Tensor, items: Items, groups: Groups) -> Weighted:
    """Mean over classes of the area under the precision-recall curve of found boxes.

    Each item has K places for boxes, `(left, top, right, bottom, class, confidence)`; those of a
    confidence of 0 or less are empty. Of a class the nearest whole number counts: official grading
    adds a little noise to scores that rounding made differ. The truth is `boxes` float32
    `[N, M, 4]` with `classes` int64 `[N, M]`, of which `count` int64 `[N]` are there. A box is
    right when it overlaps one of the truth of its class by half or more (intersection over union)
    that none of a higher confidence has found (Everingham et al. 2010, IJCV 88, 303-338; the curve
    is not interpolated).
    """
    present = torch.arange(items["classes"].shape[1]) < items["count"][:, None]
    classes = sorted(set(items["classes"][present].tolist()))
    found = [_found(scores, items, present, one) for one in classes]

    def statistic(weights: Weights) -> Values:
        areas = np.stack([_area(weights, *one) for one in found])
        with np.errstate(invalid="ignore"):
            mean: Values = np.nansum(areas, 0) / np.isfinite(areas).sum(0)
        return mean

    boxes = max((len(of_item) for of_item, _, _ in found), default=0)
    return Weighted.each(statistic, len(scores), groups, width=boxes)


def _found(
    scores: Tensor, items: Items, present: Tensor, one: int
) -> tuple[Counts, Values, Weights]:
    """Of a class: the item of each said box, the surest first; whether right; boxes by item."""
    rows: list[tuple[float, int, bool]] = []
    wanted = (present & (items["classes"] == one)).sum(1).double().numpy()
    for item, said in enumerate(scores):
        mine = said[(said[:, 5] > 0) & (said[:, 4].round() == one)]
        truth = items["boxes"][item][present[item] & (items["classes"][item] == one)]
        mine = mine[mine[:, 5].argsort(descending=True, stable=True)]
        hits = _matched(overlap(mine[:, :4], truth))
        rows += [(float(c), item, hit) for c, hit in zip(mine[:, 5], hits, strict=True)]
    rows.sort(key=lambda row: -row[0])
    of_item = np.array([item for _, item, _ in rows], dtype=np.int64)
    return of_item, np.array([float(hit) for _, _, hit in rows]), wanted


def _area(weights: Weights, of_item: Counts, hit: Values, wanted: Weights) -> Values:
    """The area under the curve of one class, for each row of weights; nan where none is wanted."""
    said = np.concatenate([weights[:, of_item], np.zeros((len(weights), 1))], axis=1)
    return area_under_precision(said * np.append(hit, 0), said, weights @ wanted)


def _matched(overlaps: Tensor) -> list[bool]:
    """Whether each said box, the surest first, is the first to find its best box of the truth."""
    taken: set[int] = set()
    hits = []
    for row in overlaps:
        free = [place for place in range(len(row)) if place not in taken and row[place] >= OVERLAP]
        best = max(free, key=lambda place: float(row[place]), default=None)
        hits.append(best is not None)
        taken |= {best} if best is not None else set()
    return hits


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of boxes `[A, 4]` and `[B, 4]`, float `[A, B]`; 0 for empty ones."""
    low = torch.maximum(one[:, None, :2], other[None, :, :2])
    high = torch.minimum(one[:, None, 2:], other[None, :, 2:])
    both = (high - low).clamp(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) for boxes in (one, other)]
    return both / (areas[0][:, None] + areas[1][None] - both).clamp(min=1e-12)

"""Series of unequal length: `series` float32 `[T,D]`, padded with zeros, and `lengths`."""

from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.tensors import Tensors

GRAIN = 0.02  # sd of what is added, once a series and once a step: in sds of the dimension


class Series(Kind):
    """All are as long as the longest at hand, or as the set declares; none is cut."""

    columns: ClassVar = {
        "series": Column(dtype="float32", shape=("T", "D"), lengths="lengths"),
        "lengths": Column(dtype="int64"),
    }
    content: ClassVar = ("series",)

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """A line for each dimension."""
        return Shown(lines=polylines(item["series"][: int(item["lengths"])]))

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Each dimension a little higher or lower, and each step once more."""
        series = items["series"]
        valid = torch.arange(series.shape[1]) < items["lengths"][:, None]
        spread = series[valid].std(0, correction=0)
        whole = torch.randn(len(series), 1, series.shape[2], generator=rng)
        moved = series + GRAIN * spread * (whole + torch.randn(series.shape, generator=rng))
        return {**items, "series": torch.where(valid[..., None], moved, series)}


def polylines(series: Tensor) -> tuple[str, ...]:
    """A series `[T,D]` as D polylines in a box of 100 by 40, all on one scale."""
    low, high = float(series.min()), float(series.max())
    scaled = 38 - 36 * (series - low) / max(high - low, 1e-9)
    width = 100 / max(len(series) - 1, 1)
    return tuple(
        " ".join(f"{t * width:.1f},{y:.1f}" for t, y in enumerate(line))
        for line in scaled.T.tolist()
    )


KIND = Series()

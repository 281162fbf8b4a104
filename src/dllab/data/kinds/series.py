"""Series of unequal length: `series` float32 `[T,D]`, padded with zeros, and `lengths`."""

from typing import ClassVar

from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.tensors import Tensors


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

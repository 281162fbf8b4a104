"""Tables: `features` float32 `[F]`, and, where there are categories, `codes` int64 `[C]`.

The columns' `names` say what the numbers are, `categories` what the codes stand for. The label is a
class (int64) or a number (float32).
"""

from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.tensors import Tensors, joined

NEAR_DEVIATIONS = 0.01
GRAIN = 0.05  # sd of what is added, in sds of the column
_BLOCK = 512


class Tables(Kind):
    """Near copies differ in no number by more than a hundredth of its standard deviation."""

    columns: ClassVar = {"features": Column(dtype="float32", shape=("F",))}
    content: ClassVar = ("features", "codes")

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """Every value by its name."""
        cells = []
        for name in dataset.inputs:
            column, values = dataset.columns[name], item[name].tolist()
            names = column.names or tuple(f"{name}[{i}]" for i in range(len(values)))
            known = column.categories or ((),) * len(values)
            for label, value, among in zip(names, values, known, strict=True):
                cells.append(f"{label} {among[value] if among else f'{value:.4g}'}")
        return Shown(text=" · ".join(cells))

    def near(self, dataset: DataSet, items: Tensors, others: Tensors) -> Tensor:
        """The same codes, and numbers that hardly differ."""
        rows = self.vectors(dataset, joined(dataset, items, others))
        count = len(items["features"])
        found = [
            (torch.cdist(block, rows[count:], p=torch.inf) <= NEAR_DEVIATIONS).any(1)
            for block in torch.split(rows[:count], _BLOCK)
        ]
        return torch.cat(found)

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Each number a little more or less; whole numbers stay whole, and codes as they are."""
        features = items["features"]
        noise = torch.randn(features.shape, generator=rng)
        moved = features + GRAIN * features.std(0, correction=0) * noise
        whole = (features == features.round()).all(0)
        return {**items, "features": torch.where(whole, moved.round(), moved)}

    def vectors(self, dataset: DataSet, items: Tensors) -> Tensor:
        """Numbers in standard deviations; codes as they are, so that two differ by 1 at least."""
        features = items["features"].double()
        scaled = features / features.std(0).clamp(min=1e-12)
        return torch.cat([scaled, *(items[n].double() for n in dataset.inputs if n == "codes")], 1)


KIND = Tables()

"""Pictures with things to find: targets are `boxes` float32 `[K,4]` and `classes` int64 `[K]`.

A box is (left, top, right, bottom) in pixels. An item has `count` of them, which may be none; what
lies behind in `boxes` and `classes` is padding.
"""

from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Shown
from dllab.data.kinds.image import Images
from dllab.data.png import data_uri
from dllab.data.tensors import Tensors

FRAME = torch.tensor([255, 64, 0], dtype=torch.uint8)


class Boxes(Images):
    """As pictures are, with boxes drawn in."""

    columns: ClassVar = {
        **Images.columns,
        "boxes": Column(dtype="float32", shape=("K", 4), role="target", lengths="count"),
        "classes": Column(dtype="int64", shape=("K",), role="target", lengths="count"),
        "count": Column(dtype="int64", role="target"),
    }

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """The picture with a frame around each thing."""
        image = item["image"]
        drawn = image.expand(3, *image.shape[1:]).clone()
        for box in item["boxes"][: int(item["count"])]:
            _frame(drawn, box)
        return Shown(image=data_uri(drawn))


def _frame(image: Tensor, box: Tensor) -> None:
    """Draw one box into an image `[3,H,W]`, one pixel wide."""
    height, width = image.shape[1:]
    left, right = (int(x.round().clamp(0, width - 1)) for x in box[[0, 2]])
    top, bottom = (int(y.round().clamp(0, height - 1)) for y in box[[1, 3]])
    colour = FRAME[:, None]
    for row in (top, bottom):
        image[:, row, left : right + 1] = colour
    for column in (left, right):
        image[:, top : bottom + 1, column] = colour


KIND = Boxes()

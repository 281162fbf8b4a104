"""Pictures of one size: `image` uint8 `[C,H,W]`, with a label, a mask, or nothing at all."""

from typing import ClassVar

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.png import data_uri
from dllab.data.tensors import Tensors


class Images(Kind):
    """Near copies have the same pixels up to brightness and contrast."""

    columns: ClassVar = {"image": Column(dtype="uint8", shape=("C", "H", "W"))}
    content: ClassVar = ("image",)

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """The picture; a dark grey one, such as digits that go up to 16, is brightened."""
        image = item["image"]
        if len(image) == 1:
            image = (image.float() * (255 / image.max().clamp(min=1))).round().byte()
        return Shown(image=data_uri(image))


KIND = Images()

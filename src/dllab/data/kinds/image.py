"""Pictures of one size: `image` uint8 `[C,H,W]`, with a label, a mask, or nothing at all."""

from typing import ClassVar

import torch

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.png import data_uri
from dllab.data.tensors import Tensors

GAIN, GRAIN = 0.05, 0.02  # of a pixel's value: the most for a whole picture, the sd for each pixel
LEVELS = 0.5  # sd for each pixel that is not black, besides: some pictures have few levels


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

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Each picture a little lighter or darker, and each pixel once more; black stays black."""
        image = items["image"].float()
        light = 2 * torch.rand(len(image), 1, 1, 1, generator=rng) - 1
        grain = GRAIN * image + LEVELS * (image > 0)
        moved = image * (1 + GAIN * light) + grain * torch.randn(image.shape, generator=rng)
        brightest = float(image.max())  # 16 in a set of digits
        return {**items, "image": moved.round().clamp(0, brightest).byte()}


KIND = Images()

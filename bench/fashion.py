"""Fashion-MNIST as torchvision has it: a data set of pictures, made float one by one.

The rows are those that dllab's labs train on, written in the files that torchvision reads.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dllab.data import load

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
from torchvision.datasets import FashionMNIST
from torchvision.transforms import v2

MEAN, STD = 0.286, 0.353  # of the training pixels, as every tutorial has them
_TAKES_PLACE_OF = {"train": "train", "val": "t10k"}


def pictures(split: str, augmentations: Sequence[Any] = ()) -> FashionMNIST:
    """The split `train` or `val`: (float32 [1, 28, 28], int) by index."""
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([MEAN], [STD])]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name, place in _TAKES_PLACE_OF.items():
            tensors = load("fashion_mnist", name)
            _write_idx(raw / f"{place}-images-idx3-ubyte", tensors["image"].squeeze(1))
            _write_idx(raw / f"{place}-labels-idx1-ubyte", tensors["label"].to(torch.uint8))
        transform = v2.Compose([*augmentations, *to_float])
        return FashionMNIST(folder, train=split == "train", transform=transform)  # read at once


def _write_idx(path: Path, values: Tensor) -> None:
    """The format of the original files: type and number of dimensions, sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(bytes([0, 0, 8, values.dim()]) + sizes + values.numpy().tobytes())

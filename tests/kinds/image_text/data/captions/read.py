"""Red, green or blue pictures; a caption names a colour (ids 2 to 4) among other words (5 to 7)."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.rows import Rows


def read(_: Path) -> Rows:
    rng = np.random.default_rng(0)
    image, said = rng.integers(0, 100, (600, 3, 4, 4)), rng.integers(0, 3, 600)
    label, captions = rng.integers(0, 2, 600), []
    for picture, colour, true in zip(image, said, label, strict=True):
        shown = colour if true else (colour + rng.integers(1, 3)) % 3
        picture[shown] += 120
        words = rng.integers(5, 8, rng.integers(1, 7))
        words[rng.integers(0, len(words))] = colour + 2
        captions.append(torch.from_numpy(words))
    return {
        "image": torch.from_numpy(image.astype(np.uint8)),
        "tokens": captions,
        "label": torch.from_numpy(label),
    }

"""Up to three squares of 3 x 3 a picture: full ones, and frames around a dark pixel."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.rows import Rows

CORNERS = [(0, 0), (5, 1), (1, 5), (6, 6)]  # apart, wherever they are moved by one


def read(_: Path) -> Rows:
    rng = np.random.default_rng(0)
    images, boxes, classes = rng.integers(0, 136, (600, 1, 10, 10)), [], []
    for image in images:
        count, kinds, moved = rng.integers(0, 4), rng.integers(0, 2, 3), rng.integers(0, 2, (3, 2))
        places = np.array(CORNERS)[rng.permutation(4)[:count]] + moved[:count]
        for (x, y), kind in zip(places, kinds, strict=False):
            image[0, y : y + 3, x : x + 3] += 120
            image[0, y + 1, x + 1] -= 120 * kind
        boxes.append(torch.from_numpy(np.concatenate([places, places + 3], 1)).float())
        classes.append(torch.from_numpy(kinds[:count].astype(np.int64)))
    image = torch.from_numpy(images.astype(np.uint8))
    return {"image": image, "boxes": boxes, "classes": classes}

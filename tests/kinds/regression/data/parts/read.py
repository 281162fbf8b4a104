"""A weighted sum of columns of unlike scale, and noise."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.rows import Rows


def read(_: Path) -> Rows:
    rng = np.random.default_rng(0)
    whole = rng.integers(-100, 101, (500, 5)) / 50
    label = whole @ np.array([1.0, -2.0, 0.5, 0.0, 0.6])
    features = whole[:, :4] * np.array([1.0, 100.0, 10.0, 1.0]) + np.array([0.0, 500.0, 40.0, 70.0])
    return {
        "features": torch.from_numpy(features).float(),
        "label": torch.from_numpy(label).float(),
    }

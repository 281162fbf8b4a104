"""Windows of one series with a season of 12: a history of unequal length, and the 4 steps after."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.rows import Rows

SEASON = np.array([0, 5, 9, 12, 9, 5, 0, -5, -9, -12, -9, -5])
TIMES = range(40, 440)


def read(_: Path) -> Rows:
    rng = np.random.default_rng(0)
    drift, noise = rng.integers(-1, 2, 500).cumsum(), rng.integers(-3, 4, 500)
    whole = torch.from_numpy((SEASON[np.arange(500) % 12] + drift + noise) / 10).float()
    history = [int(n) for n in rng.integers(14, 41, len(TIMES))]
    return {
        "series": [whole[t - n : t, None] for t, n in zip(TIMES, history, strict=True)],
        "label": torch.stack([whole[t : t + 4] for t in TIMES]),
        "time": torch.tensor(list(TIMES)),
    }

"""A block model: most edges stay in a village, and features hardly tell where a node lives."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.rows import Rows

NODES = 300


def read(_: Path) -> Rows:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, NODES)
    features = np.eye(3)[label] + rng.integers(-100, 101, (NODES, 3)) / 50
    pairs = rng.integers(0, NODES, (2, 12_000))
    alike = label[pairs[0]] == label[pairs[1]]
    kept = rng.integers(0, 100, pairs.shape[1]) < np.where(alike, 50, 5)
    edges = np.concatenate([pairs[:, kept], pairs[::-1, kept]], axis=1)
    return {
        "features": torch.from_numpy(features).float(),
        "edges": torch.from_numpy(edges),
        "node": torch.arange(NODES),
        "label": torch.from_numpy(label),
    }

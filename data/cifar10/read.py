"""CIFAR-10 as PNGs of one image a row (32·32·3 values), labels in two JSON files (spelt so)."""

import json
from pathlib import Path

import torch

from dllab.data.png import decode_png
from dllab.data.readers import find_file
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All images, training rows before test rows, and their labels."""
    batches = [*(f"data_batch_{i}.png" for i in range(1, 6)), "test_batch.png"]
    flat = torch.cat([decode_png(find_file(folder, name).read_bytes()) for name in batches], dim=1)
    labels = [
        label
        for name in ("train_lables.json", "test_lables.json")
        for label in json.loads(find_file(folder, name).read_text(encoding="utf-8"))
    ]
    image = flat.reshape(3, -1, 32, 32).transpose(0, 1).contiguous()
    return {"image": image, "label": torch.tensor(labels)}

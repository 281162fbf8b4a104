"""JapaneseVowels in the `.ts` format: dimensions split by `:`, the speaker comes last."""

from pathlib import Path

import torch

from dllab.data.readers import find_file
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All utterances, training rows before test rows, and their speakers from 0."""
    series, labels = [], []
    for split in ("TRAIN", "TEST"):
        text = find_file(folder, f"JapaneseVowels_{split}.ts").read_text(encoding="utf-8")
        for line in text.partition("@data")[2].split():
            *dimensions, speaker = line.split(":")
            series.append(torch.tensor([[float(x) for x in d.split(",")] for d in dimensions]).T)
            labels.append(int(speaker) - 1)
    return {"series": [s.contiguous() for s in series], "label": torch.tensor(labels)}

"""Diabetes as scikit-learn keeps it: ten measurements a line, and the progression apart."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dllab.data.readers import find_file
from dllab.data.rows import Rows

SEX = 1


def read(folder: Path) -> Rows:
    """All patients, not scaled: a scale would know of every row. Sex counts from 0."""
    table = _table(folder, "diabetes_data_raw.csv.gz")
    numbers = torch.cat([table[:, :SEX], table[:, SEX + 1 :]], dim=1)
    return {
        "features": numbers.float(),
        "codes": table[:, SEX : SEX + 1].long() - 1,
        "label": _table(folder, "diabetes_target.csv.gz").float(),
    }


def _table(folder: Path, name: str) -> Tensor:
    with gzip.open(find_file(folder, name), "rt") as lines:
        return torch.from_numpy(np.loadtxt(lines))

"""Digits as scikit-learn keeps them: 64 pixels and the digit in each line."""

import gzip
from pathlib import Path

import numpy as np
import torch

from dllab.data.readers import find_file
from dllab.data.rows import Rows


def read(folder: Path) -> Rows:
    """All digits; pixels from 0 to 16."""
    with gzip.open(find_file(folder, "digits.csv.gz"), "rt") as lines:
        table = torch.from_numpy(np.loadtxt(lines, delimiter=",")).long()
    return {"image": table[:, :64].byte().reshape(-1, 1, 8, 8), "label": table[:, 64]}

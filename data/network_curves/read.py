"""Curves as make.py writes them: in a line a number, a configuration, a seed and two curves."""

from pathlib import Path

import numpy as np
import torch

from dllab.data.readers import find_file
from dllab.data.rows import Rows

NUMBERS, EPOCHS = 8, 9


def read(folder: Path) -> Rows:
    """All trainings, in the order of the file."""
    lines = np.loadtxt(find_file(folder, "curves.csv"), delimiter=",", skiprows=1)
    table = torch.from_numpy(lines).float()
    return {
        "features": table[:, 1:NUMBERS],
        "val": table[:, NUMBERS : NUMBERS + EPOCHS],
        "test": table[:, NUMBERS + EPOCHS :],
        "number": table[:, 0].long(),
    }

"""What learner code may see of data sets: what describes them, and rows for a training only."""

import os
from dataclasses import dataclass
from pathlib import Path

from dllab.data.catalog import DATASET, VOCABULARY, data_folders
from dllab.data.fetch import installed_data
from dllab.data.weights import WEIGHTS

OPEN = (DATASET, VOCABULARY, WEIGHTS, "LICENSE")


@dataclass(frozen=True)
class DataView:
    """Paths to show, paths to hide among them, and the value of DLLAB_LABS that finds them."""

    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    labs: str


def view_of(root: Path, *, released: bool) -> DataView:
    """What is seen of the project's data and of that beside other labs.

    When a model is scored, all rows are out of reach: it may not look its answers up. A training
    gets the rows that are `released`, and what was fetched of pretrained weights. What scikit-learn
    brings along holds reserved rows, and is never seen.
    """
    folders = [folder for folder in data_folders(root) if folder.is_dir()]
    files = (path for folder in folders for path in folder.glob("*/*"))
    rows = () if released else tuple(path for path in files if path.name not in OPEN)
    weights = _fetched_weights(root, folders) if released else ()
    elsewhere = (str(folder.parent) for folder in folders if folder != root / "data")
    return DataView((*folders, *weights), (*rows, installed_data()), os.pathsep.join(elsewhere))


def _fetched_weights(root: Path, folders: list[Path]) -> tuple[Path, ...]:
    """Those alone: the downloads beside them hold rows that are reserved."""
    downloads = root / ".cache" / "downloads"
    names = (path.parent.name for folder in folders for path in folder.glob(f"*/{WEIGHTS}"))
    return tuple(downloads / name for name in names)

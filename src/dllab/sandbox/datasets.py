"""What learner code may see of data sets: what describes them, and rows for a training only."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from dllab.data.catalog import DATASET, VOCABULARY, data_folders
from dllab.data.fetch import installed_data
from dllab.data.weights import WEIGHTS


@dataclass(frozen=True)
class DataView:
    """Paths to show, folders of which names will do, and paths to hide where they would be seen.

    `labs` is the DLLAB_LABS that finds them.
    """

    readable: tuple[Path, ...]
    searched: tuple[Path, ...]
    hidden: tuple[Path, ...]
    labs: str


def view_of(root: Path, *, released: bool) -> DataView:
    """What is seen of the project's data and of that beside other labs.

    When a model is scored, all rows are out of reach: it may not look its answers up. A training
    gets the rows that are `released`, and what was fetched of pretrained weights. What scikit-learn
    brings along holds reserved rows, and is never seen.
    """
    folders = [folder for folder in data_folders(root) if folder.is_dir()]
    labs = os.pathsep.join(str(folder.parent) for folder in folders if folder != root / "data")
    if released:
        shown = (*folders, *_fetched_weights(root, folders))
        return DataView(shown, (), (installed_data(),), labs)
    files = [path for folder in folders for path in folder.glob("*/*")]
    told = tuple(path for path in files if path.name in (DATASET, VOCABULARY))
    rows = (path for path in files if path not in told and _is_installed(path))
    return DataView(told, tuple(folders), (*rows, installed_data()), labs)


def _is_installed(path: Path) -> bool:
    """Whether a path lies where programs and packages are, all of which can be seen."""
    return any(path.is_relative_to(place) for place in (sys.prefix, sys.base_prefix, "/usr"))


def _fetched_weights(root: Path, folders: list[Path]) -> tuple[Path, ...]:
    """Those alone: the downloads beside them hold rows that are reserved."""
    downloads = root / ".cache" / "downloads"
    names = (path.parent.name for folder in folders for path in folder.glob(f"*/{WEIGHTS}"))
    return tuple(downloads / name for name in names)

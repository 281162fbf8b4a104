"""Where processes share no memory, loaders read their items in the process itself.

A DataLoader's workers hand tensors over in `/dev/shm`, at names that the C library fixes. Where no
wall can mount one of its own, they could not even start. What a loader yields does not depend on
them, so honest code loses time and no point.
"""

import copy
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


def read_in_process() -> None:
    """From now on no DataLoader of this process starts workers, whatever it is asked for. It still
    tells what it was asked for: a check may look there.
    """
    plain = DataLoader.__iter__

    def iterate(loader: DataLoader[Any]) -> Iterator[Any]:
        alone = copy.copy(loader)
        alone.num_workers, alone.timeout = 0, 0
        return plain(alone)

    DataLoader.__iter__ = iterate  # type: ignore[method-assign,assignment]

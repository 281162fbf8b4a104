"""A place in the epoch for loaders that have none: PyTorch's own, or one that a lab has written."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dllab.data.loader import place_seed, seeded


class FixedBatches:
    """The first batches of another's loader, the very same in each epoch: can it learn at all?

    What is drawn for them, their rows and their augmentation, is drawn once.
    """

    def __init__(self, loader: Any, count: int) -> None:
        self._loader = loader
        self._count = min(count, len(loader))
        self._batches: list[Any] = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """Hand them out; at first they come from the loader."""
        if not self._batches:
            self._batches = list(islice(self._loader, self._count))
        return iter(self._batches)


class Resumable:
    """Another's loader, whose place in an epoch is saved and restored with a checkpoint.

    What had been handed out is drawn again and passed over. PyTorch's random numbers for the order
    of an epoch and for each of its batches come from the seed, the epoch and the batch's number
    alone, so that a resumed run sees what an uninterrupted one does. All else of the loader, its
    `sampler` for one, is as it was.
    """

    def __init__(self, loader: Any, seed: int) -> None:
        self._loader = loader
        self._seed = seed
        self._epoch = -1
        self._position = 0
        self._resuming = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """Hand out the next epoch, or what was left of one after `load_state_dict`."""
        if not (self._resuming and self._position < len(self)):
            self._epoch, self._position = self._epoch + 1, 0
        passed, self._resuming = self._position, False
        with seeded(place_seed(self._seed, self._epoch)):
            batches = iter(self._loader)
        for number in range(len(self)):
            with seeded(place_seed(self._seed, self._epoch, number)):
                batch = next(batches)
            if number >= passed:
                # Counted before it is handed out: Lightning saves while it holds the last batch.
                self._position = number + 1
                yield batch

    def state_dict(self) -> dict[str, int]:
        """The place, to be saved with a checkpoint."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a saved place."""
        self._epoch, self._position, self._resuming = state["epoch"], state["position"], True

"""The data module of a lab whose subject lies elsewhere: a data set's splits, in batches."""

from collections.abc import Callable

from lightning import LightningDataModule

from dllab.data.catalog import find
from dllab.data.loader import Batch, BatchLoader
from dllab.data.sets import load


class SplitData(LightningDataModule):
    """The two splits that training may see, as tensors in memory: `self.train` and `self.val`.

    `batch_size` is the global one; `load` is a parameter so that a test can bring its own splits.
    """

    name: str

    def __init__(
        self,
        *,
        name: str,
        size: str = "small",
        batch_size: int = 128,
        seed: int = 0,
        load: Callable[[str, str, str], Batch] = load,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.seed = batch_size, seed
        self.load = load

    def setup(self, stage: str | None = None) -> None:
        """Load both splits, as the data set stores them."""
        self.train = self.load(self.name, "train", self.size)
        self.val = self.load(self.name, "val", self.size)
        self.shared = find(self.name).shared if self.load is load else ()

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch."""
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, shared=self.shared
        )

    def val_dataloader(self) -> BatchLoader:
        """Batches in the order of the split."""
        return BatchLoader(self.val, self.batch_size, shared=self.shared)

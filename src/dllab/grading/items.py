"""Where scored items come from; inputs and labels are read apart, labels when all code is dead."""

from typing import Protocol

from torch import Tensor

from dllab import data
from dllab.result import EvaluatedOn

Arrays = dict[str, Tensor]


class ItemSource(Protocol):
    """The items of data sets that a mode scores on."""

    @property
    def kind(self) -> EvaluatedOn:
        """What the result says of them."""
        ...

    def inputs(self, name: str) -> Arrays:
        """What `predict` gets: raw items without labels."""
        ...

    def labels(self, name: str) -> Tensor:
        """The labels, int64 `[N]`, in the order of the inputs."""
        ...


class PublicTest:
    """The public test split of each data set: for practice."""

    kind: EvaluatedOn = "public-test"

    def inputs(self, name: str) -> Arrays:
        """Everything but the label."""
        items = data.items(name, "test")
        return {key: value for key, value in items.items() if key != "label"}

    def labels(self, name: str) -> Tensor:
        """The label alone."""
        return data.items(name, "test")["label"]

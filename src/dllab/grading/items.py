"""Where scored items come from; inputs and labels are read apart, labels when all code is dead."""

from typing import Protocol

from dllab import data
from dllab.lab.layout import Arrays, Layout
from dllab.result import EvaluatedOn

__all__ = ["Arrays", "EvaluatedOn", "ItemSource", "PublicTest"]


class ItemSource(Protocol):
    """The items of data sets that a mode scores on."""

    @property
    def kind(self) -> EvaluatedOn:
        """What the result says of them."""
        ...

    def layout(self, name: str) -> Layout:
        """Which of a set's columns are inputs, padded, or shared."""
        ...

    def inputs(self, name: str) -> Arrays:
        """What a model may see: raw items without labels, and what they share."""
        ...

    def labels(self, name: str) -> Arrays:
        """What it may not see, in the order of the inputs: every target and group."""
        ...


class PublicTest:
    """The public test split of each data set: for practice."""

    kind: EvaluatedOn = "public-test"

    def layout(self, name: str) -> Layout:
        """As the set declares it."""
        return Layout.of(name)

    def inputs(self, name: str) -> Arrays:
        """Everything but the labels."""
        return self.layout(name).inputs(data.items(name, "test"))

    def labels(self, name: str) -> Arrays:
        """The labels alone."""
        return self.layout(name).secrets(data.items(name, "test"))

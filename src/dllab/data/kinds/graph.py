"""One graph, shared by all items: `features` float32 `[V,F]` and `edges` int64 `[2,E]`.

An item is `node`, a number from 0 to V - 1, with its label: the nodes of a split are its mask. A
row is a node as well, so a partition divides nodes. All splits see the whole graph and the features
of all nodes, and each the labels of its own nodes only.
"""

from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.kinds import Kind, Shown
from dllab.data.tensors import Tensors

SHOWN_NEIGHBOURS = 12


class Graphs(Kind):
    """A node is a copy of none but itself, and near to none."""

    columns: ClassVar = {
        "features": Column(dtype="float32", shape=("V", "F"), shared=True),
        "edges": Column(dtype="int64", shape=(2, "E"), shared=True),
        "node": Column(dtype="int64"),
    }
    content: ClassVar = ("node",)

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """The node's number and those of its neighbours."""
        node, edges = int(item["node"]), item["edges"]
        touching = edges[:, (edges == node).any(0)].flatten().tolist()
        ends = sorted(set(touching) - {node})
        more = " …" * (len(ends) > SHOWN_NEIGHBOURS)
        among = ", ".join(map(str, ends[:SHOWN_NEIGHBOURS]))
        return Shown(text=f"node {node}, {len(ends)} neighbours: {among}{more}")

    def near(self, dataset: DataSet, items: Tensors, others: Tensors) -> Tensor:
        """None: likeness of neighbours is what a graph is about."""
        return torch.zeros(len(items["node"]), dtype=torch.bool)


KIND = Graphs()

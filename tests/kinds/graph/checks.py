import torch

from dllab.checks import check


def graph(rng):
    edges = torch.randint(0, 7, (2, 15), generator=rng)
    edges[1] = edges[1].clamp(max=5)  # node 6 hears nobody
    edges[1, :2] = torch.tensor([0, 0])
    return {"features": torch.randn(7, 3, generator=rng), "edges": edges}


def by_hand(given):
    features, (sent, heard) = given["features"], given["edges"]
    rows = [features[sent[heard == node]] for node in range(7)]
    return torch.stack([row.mean(0) if len(row) else torch.zeros(3) for row in rows])


def the_other_way(given):
    return by_hand({**given, "edges": given["edges"].flip(0)})


@check(
    "neighbours",
    "What neighbours say",
    given=graph,
    expect=by_hand,
    mistakes={"edges are read the other way": the_other_way},
)
def neighbours(lab, given):
    """A node hears the mean of those with an edge to it."""
    return lab.mean_of_neighbours(given["features"], given["edges"])

import torch

from dllab.checks import check, normal, timing


def by_loop(_, given):
    """The yardstick, which learners see: a loop over one of the sides."""
    rows = [(one - given["other"]).square().sum(1).sqrt() for one in given["one"]]
    return torch.stack(rows)


@check(
    "distances",
    "Distances",
    given={"one": normal(4, 3), "other": normal(5, 3)},
    expect=lambda g: torch.cdist(g["one"], g["other"]),
    mistakes={"the square root is missing": lambda g: torch.cdist(g["one"], g["other"]) ** 2},
)
def distances(lab, given):
    """`distances` is the length of the difference of each pair."""
    return lab.distances(given["one"], given["other"])


@timing(
    "against-a-loop",
    given={"one": normal(4000, 3), "other": normal(20, 3)},
    against=by_loop,
    rounds=9,
    atol=1e-4,
)
def against_a_loop(lab, given):
    """`distances` takes a fraction of the time of a loop."""
    return lab.distances(given["one"], given["other"])

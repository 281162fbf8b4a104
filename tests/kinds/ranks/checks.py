import torch

from dllab.checks import check, normal
from dllab.checks.ranks import run_ranks

CUTS = (0, 1, 7, 7)


def mean_probe(lab, given):
    def work(rank):
        return {"mean": lab.mean_over_ranks(given["values"][CUTS[rank] : CUTS[rank + 1]])}

    return torch.stack([got["mean"] for got in run_ranks(3, work)])


@check(
    "mean",
    "A mean over ranks",
    given={"values": normal(7)},
    probe=mean_probe,
    mistakes={
        "the means of ranks are averaged": lambda g: (
            (g["values"][0] + g["values"][1:].mean()) / 2
        ).expand(3)
    },
)
def mean(given):
    """Every rank gets the mean of all values, however unequally they are spread."""
    return given["values"].mean().expand(3)

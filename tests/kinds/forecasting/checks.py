import torch

from dllab.checks import check
from dllab.metrics import metric


def series(rng):
    return {
        "series": torch.randn(5, 20, generator=rng),
        "lengths": torch.randint(12, 21, (5,), generator=rng),
    }


@check(
    "last",
    "The last steps",
    given=series,
    expect=lambda g: torch.stack(
        [row[n - 12 : n] for row, n in zip(g["series"], g["lengths"].tolist(), strict=True)]
    ),
    mistakes={"padding is taken for steps": lambda g: g["series"][:, -12:]},
)
def last(lab, given):
    """`last_steps` ends where each series does."""
    return lab.last_steps(given["series"], given["lengths"])


@metric("mase", scores="float32 [N, 4]", direction="min")
def mase(scores, items):
    """Mean absolute error, in units of the error of repeating the last step."""
    ends = items["series"][torch.arange(len(scores)), items["lengths"] - 1]
    naive = (ends - items["label"]).abs().mean()
    return (scores - items["label"]).abs().mean(1) / naive

import torch

from dllab.checks import check


def table(rng):
    features = 100 * torch.randn(7, 4, generator=rng) + 30
    features[:, 2] = 5.0
    features[:, 3] /= 1000  # a deviation below 1
    return {"features": features}


def by_hand(given):
    columns = [column.double() for column in given["features"].T]
    mean = torch.stack([column.sum() / 7 for column in columns])
    square = torch.stack([(c - m).square().sum() / 6 for c, m in zip(columns, mean, strict=True)])
    scale = square.sqrt()
    scale[2] = 1
    return {"mean": mean.float(), "scale": scale.float()}


@check("standardise", "Mean and deviation", given=table, expect=by_hand)
def standardise(lab, given):
    """`moments` gives each column's mean and deviation, 1 where it never varies."""
    mean, scale = lab.moments(given["features"])
    return {"mean": mean, "scale": scale}

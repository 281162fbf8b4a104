import torch

from dllab.checks import check, driver, normal


@check(
    "full",
    "Full rows",
    given={"x": normal(3, 4)},
    expect=lambda given: given["x"].mean(1),
    hint="mean",
)
def full(lab, given):
    """`masked_mean` of rows without padding is their mean."""
    return lab.masked_mean(given["x"], torch.full((3,), 4))


@driver(
    "mean",
    given={"x": "float32 [*, *]", "lengths": "int64 [*]"},
    returns="float32 [*]",
)
def mean(lab, given):
    return lab.masked_mean(given["x"], given["lengths"])

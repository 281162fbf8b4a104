import torch

from dllab.checks import check, close


def numbers(rng):
    return {"x": torch.randn(3, generator=rng)}


def quadruple_probe(lab, given):
    return {"y": lab.quadruple(given["x"])}


@check(
    "quadruple",
    "Four times",
    given=numbers,
    probe=quadruple_probe,
    returns={"y": "float32 [3]"},
)
def quadruple(given, got):
    """`quadruple` is four times its argument."""
    return close(got["y"], 4 * given["x"])

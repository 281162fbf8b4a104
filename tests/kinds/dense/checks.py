import torch
import torch.nn.functional as F

from dllab.checks import check, integers, normal


def weighted(given):
    weight = torch.tensor([1.0, 3.0])
    return F.cross_entropy(given["scores"], given["label"], weight=weight)


@check(
    "pixel-loss",
    "A loss for every pixel",
    given={"scores": normal(3, 2, 4, 5), "label": integers(0, 2, 3, 4, 5)},
    expect=weighted,
    mistakes={"all pixels count alike": lambda g: F.cross_entropy(g["scores"], g["label"])},
)
def pixel_loss(lab, given):
    """`pixel_loss` is the weighted mean over all pixels."""
    return lab.pixel_loss(given["scores"], given["label"])

import torch

from dllab.checks import check, integers


@check(
    "parameters",
    "Parameters of a network",
    given={"widths": integers(1, 50, 5)},
    expect=lambda given: ((given["widths"][:-1] + 1) * given["widths"][1:]).sum(),
)
def parameters(lab, given):
    """`parameters` counts the weights and biases of all layers."""
    return torch.tensor(lab.parameters(given["widths"].tolist()))

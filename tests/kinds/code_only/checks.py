import torch

from dllab.checks import check, close


def numbers(rng):
    return {"x": torch.rand(2, generator=rng).double() + 1}


def grads_probe(lab, given):
    a, b = (lab.Value(float(x)) for x in given["x"])
    top = a * a * b
    top.backward()
    return {"grad": torch.tensor([a.grad, b.grad, top.grad], dtype=torch.float64)}


@check(
    "backward",
    "Gradients",
    given=numbers,
    probe=grads_probe,
    returns={"grad": "float64 [3]"},
)
def backward(given, got):
    """`backward` adds up the gradients of all paths."""
    a, b = given["x"]
    return close(got["grad"], torch.stack([2 * a * b, a * a, torch.ones_like(a)]))

import torch

from dllab.checks import check, normal, play


@check(
    "loss",
    "The loss",
    given={"x": normal(6, 1), "y": normal(6, 1), "weight": normal(1, 1), "bias": normal(1)},
    expect=lambda given: (
        (given["x"] @ given["weight"] + given["bias"] - given["y"]).square().mean()
    ),
)
def loss(lab, given):
    """`loss` is the mean squared error of a batch."""
    model = lab.Model()
    model.line.load_state_dict({name: given[name] for name in ("weight", "bias")})
    return model.loss(given["x"], given["y"])


@play("error", returns="float32 [N, 1]")
def error(player, rng):
    """How far the line lies from the true one, at 500 places."""
    x = 2 * torch.rand(500, 1, generator=rng) - 1
    return (player.act(x) - (3 * x - 1)).abs().flatten()

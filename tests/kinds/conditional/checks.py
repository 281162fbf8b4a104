import torch

from dllab.checks import check, integers, normal, play


def sample_probe(lab, given):
    model = lab.Model()
    model.load_state_dict({name: given[name] for name in ("mean", "log_scale")})
    return model.sample(6, 3, given["kind"])


def by_hand(given):
    noise = torch.randn(6, generator=torch.Generator().manual_seed(3))
    kind = given["kind"]
    return (given["mean"][kind] + given["log_scale"][kind].exp() * noise)[:, None]


@check(
    "sample",
    "Samples of a kind",
    given={"mean": normal(3), "log_scale": normal(3), "kind": integers(0, 3, 6)},
    probe=sample_probe,
)
def sample(given):
    """`sample` draws from the normal distribution of each kind."""
    return by_hand(given)


@play("distance", returns="float32 [N, 1]", items=True)
def distance(player, rng, items):
    """Mean distance of the quantiles of samples from those of the hidden numbers, by kind."""
    seed, grid = int(torch.randint(1 << 30, (), generator=rng)), torch.linspace(0.1, 0.9, 9)
    made = [player.sample(500, seed, kind=torch.full((500,), kind))[:, 0] for kind in range(3)]
    hidden, label = items.inputs["features"][:, 0], items.labels()["label"]
    gaps = [
        (samples.quantile(grid) - hidden[label == kind].quantile(grid)).abs()
        for kind, samples in enumerate(made)
    ]
    return torch.cat(gaps)

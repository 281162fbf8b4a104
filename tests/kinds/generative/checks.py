import torch

from dllab.checks import check, close, every, play


def samples(rng):
    numbers = torch.randn(2, 5, 1, generator=rng)
    return {
        "real": numbers[0] + 2,
        "fake": numbers[1],
        "weight": torch.randn(1, 1, generator=rng) + 3,
        "bias": torch.randn(1, generator=rng),
    }


def player(lab, given):
    """A model with the critic of the given numbers, and samples that want their gradient."""
    model = lab.Model()
    model.critic.load_state_dict({name: given[name] for name in ("weight", "bias")})
    return model, given["fake"].requires_grad_()


def critic_probe(lab, given):
    model, fake = player(lab, given)
    loss = model.critic_loss(given["real"], fake)
    loss.backward()
    grad = torch.zeros_like(fake) if fake.grad is None else fake.grad
    return {"loss": loss, "to_weight": model.critic.weight.grad, "to_fake": grad}


@check(
    "critic",
    "The critic's loss",
    given=samples,
    probe=critic_probe,
    returns={"loss": "float32 []", "to_weight": "float32 [1, 1]", "to_fake": "float32 [5, 1]"},
)
def critic(given, got):
    """The critic's loss is the gap of its verdicts and its weight's square, for itself alone."""
    gap = given["fake"].mean() - given["real"].mean()
    weight = given["weight"]
    return every(
        close(got["loss"], (weight * gap + weight.square()).sum(), what="the loss"),
        close(got["to_weight"], gap + 2 * weight, what="the gradient of the critic's weight"),
        close(got["to_fake"], torch.zeros(5, 1), what="the gradient of the samples"),
    )


def generator_probe(lab, given):
    model, fake = player(lab, given)
    loss = model.generator_loss(fake)
    loss.backward()
    return {"loss": loss, "to_fake": fake.grad}


@check(
    "generator",
    "The generator's loss",
    given=samples,
    probe=generator_probe,
    returns={"loss": "float32 []", "to_fake": "float32 [5, 1]"},
)
def generator(given, got):
    """The generator's loss is low where the critic's verdict on its samples is high."""
    weight = given["weight"]
    return every(
        close(got["loss"], -(weight * given["fake"] + given["bias"]).mean(), what="the loss"),
        close(got["to_fake"], (-weight / 5).expand(5, 1), what="the gradient of the samples"),
    )


@play("distance", returns="float32 [N, 1]")
def distance(player, rng):
    """How far each sample lies from the middle of the data: 0.80 on average for the data."""
    seed = int(torch.randint(1 << 30, (), generator=rng))
    return (player.sample(2000, seed) - 2).abs().flatten()

import torch

from dllab.checks import check, close, dream, exhibits, play

STEP = 0.1


def carts(rng):
    return {
        "state": 4 * torch.rand(50, 2, generator=rng) - 2,
        "weight": torch.randn(1, 2, generator=rng),
    }


def model_of(lab, given, steps):
    model = lab.Model(steps=steps)
    model.policy.load_state_dict({"weight": given["weight"]})
    return model


def step(state, push):
    """The world: where carts are and how fast they go, after a push."""
    speed = state[:, 1] + STEP * push
    return torch.stack([state[:, 0] + STEP * speed, speed], dim=1)


def act_probe(lab, given):
    model = model_of(lab, given, 3)
    return {"push": model.act(given["state"]), "alone": model.act(given["state"][:1])}


@check(
    "act",
    "A push",
    given=carts,
    probe=act_probe,
    returns={"push": "float32 [50]", "alone": "float32 [1]"},
)
def act(given, got):
    """`act` squashes what the policy says, so that it lies between -1 and 1."""
    return close(got["push"], torch.tanh(given["state"] @ given["weight"].T)[:, 0])


def cost_probe(lab, given):
    return {"cost": model_of(lab, given, 3).cost(given["state"])}


@check(
    "cost",
    "The cost of an episode",
    given=carts,
    probe=cost_probe,
    returns={"cost": "float32 []"},
    depends_on=("act",),
)
def cost(given, got):
    """`cost` is the mean of place² + speed² over the steps of an episode and all carts."""
    state, total = given["state"], torch.zeros(())
    for _ in range(3):
        state = step(state, torch.tanh(state @ given["weight"].T)[:, 0])
        total += state.square().sum(1).mean() / 3
    return close(got["cost"], total, what="the cost")


@play("rest", returns="float32 [N]")
def rest(player, rng):
    """How near each of 500 carts is to rest in the middle after 60 pushes: 1 is there."""
    state = 2 * torch.rand(500, 2, generator=rng) - 1
    for _ in range(60):
        state = step(state, player.act(state).clamp(-1, 1))
    return 1 - state.abs().amax(1)


@dream("A ride", returns="float32 [N]")
def ride(player, rng):
    """One cart that starts anywhere, pushed six times."""
    state, rows = 2 * torch.rand(1, 2, generator=rng) - 1, []
    frames = torch.zeros(6, 1, 8, 16)
    for number in range(6):
        push = player.act(state)
        state = step(state, push)
        rows.append([number + 1, push[0], state[0, 0], state[0, 1]])
        frames[number, 0, 4, int(8 + 4 * state[0, 0].clamp(-1, 1))] = 1
    yield exhibits.table("Step by step", ["step", "push", "place", "speed"], rows)
    yield exhibits.pictures("As seen", frames, [f"step {row[0]}" for row in rows])
    path = torch.tensor([row[2:] for row in rows])
    yield exhibits.points("Place and speed", path, torch.arange(6) // 3, ["begins", "ends"])

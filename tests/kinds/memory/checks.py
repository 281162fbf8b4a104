import torch
from torch import nn

from dllab.checks import check, normal, play


def act_probe(lab, given):
    model = lab.Model()
    model.cell.load_state_dict({k[5:]: v for k, v in given.items() if k.startswith("cell.")})
    model.head.load_state_dict({k[5:]: v for k, v in given.items() if k.startswith("head.")})
    model.reset()
    return {str(step): model.act(seen) for step, seen in enumerate(given["seen"])}


@check(
    "act",
    "A remembered cue",
    given={
        "seen": normal(3, 4),
        "cell.weight_ih": normal(24, 1),
        "cell.weight_hh": normal(24, 8),
        "cell.bias_ih": normal(24),
        "cell.bias_hh": normal(24),
        "head.weight": normal(1, 8),
        "head.bias": normal(1),
    },
    probe=act_probe,
)
def act(given):
    """`act` carries its state from one observation to the next."""
    cell, head, state, actions = nn.GRUCell(1, 8), nn.Linear(8, 1), None, {}
    cell.load_state_dict({k[5:]: v for k, v in given.items() if k.startswith("cell.")})
    head.load_state_dict({k[5:]: v for k, v in given.items() if k.startswith("head.")})
    for step, seen in enumerate(given["seen"]):
        state = cell(seen[:, None], state)
        actions[str(step)] = torch.tanh(head(state))[:, 0].detach()
    return actions


@play("recall", returns="float32 [N]")
def recall(player, rng):
    """Share of the episodes in which the last action is the first cue."""
    right = []
    for episodes in (200, 100):
        player.reset()
        cue = 2.0 * torch.randint(2, (episodes,), generator=rng) - 1
        action = player.act(cue + torch.randn(episodes, generator=rng) / 2)
        for _ in range(5):
            action = player.act(torch.randn(episodes, generator=rng) / 2)
        right.append(action.sign() == cue)
    return torch.cat(right)

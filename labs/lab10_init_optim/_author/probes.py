"""The halves of lab 10's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given

RULES = ("SGD", "RMSProp", "AdamW")


def two_groups(lab: ModuleType, given: Given) -> Arrays:
    """Take steps with a rate for each of two groups, and a parameter that has no gradient."""
    found = {}
    for name in RULES:
        params = [row.clone().requires_grad_() for row in given.p]
        groups = [
            {"params": params[:1], "lr": float(given.lr)},
            {"params": params[1:], "lr": float(given.lr) / 10},
        ]
        optimizer = getattr(lab, name)(groups, lr=1.0)
        for g in given.g:
            params[0].grad, params[1].grad = g[0].clone(), g[1].clone()
            optimizer.step()
        found[name] = torch.stack([p.detach() for p in params])
    return found


def race(lab: ModuleType, given: Given) -> Arrays:
    """The losses of 60 steps with the learner's rules and schedule, from weights that are given."""
    torch.manual_seed(0)
    model = lab.Model(features=16, width=32, depth=8, classes=4, lr=0.02, adamw_lr=0.01, warmup=4)
    model.load_state_dict({name: given[name] for name in model.state_dict()})
    optimizers = model.divided()
    losses = []
    for step in range(60):
        loss = F.cross_entropy(model(given.image), given.label)
        losses.append(loss.detach())
        model.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            lab.set_rates(optimizer, model.share(step, 60))
            optimizer.step()
    return {"loss": torch.stack(losses)}


def never_exploding(lab: ModuleType, given: Given) -> Tensor:
    """Try all the rates of a test."""
    losses = iter(given.loss.tolist())
    rates, _ = lab.range_test(lambda _rate: next(losses), 1e-3, 1.0, len(given.loss))
    return torch.tensor(rates, dtype=torch.float64)

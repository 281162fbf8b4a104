"""The halves of lab 04's hidden checks that enter the sandbox."""

from itertools import pairwise
from types import ModuleType

import torch
from torch import Tensor, nn

from dllab.checks import Arrays
from dllab.checks.tools import fit
from dllab.data import BatchLoader
from labs.lab04_transfer.checks import STAGES, learning, model, rates


def other_labels(lab: ModuleType, given: Arrays) -> Arrays:
    """Choose five of each class with two seeds, and with the first one again."""
    label, seed = given["label"], int(given["seed"])
    return {
        "first": lab.few_labels(label, 5, seed),
        "other": lab.few_labels(label, 5, seed + 1),
        "again": lab.few_labels(label, 5, seed),
    }


def colour(lab: ModuleType, given: Arrays) -> Arrays:
    """Prepare colour images; note what the model remembers of its backbone."""
    net = model(lab)
    return {
        "x": lab.preprocess(given["image"], 7, given["mean"], given["std"]),
        "mean": net.mean,
        "std": net.std,
    }


def all_or_none(lab: ModuleType, _given: Arrays) -> Arrays:
    """Let all stages learn, then none."""
    stages = nn.ModuleList(nn.Linear(2, 2) for _ in range(STAGES))
    lab.unfreeze_last(stages, STAGES)
    every_stage = learning(stages)
    lab.unfreeze_last(stages, 0)
    return {"all": every_stage, "none": learning(stages)}


def frozen_groups(lab: ModuleType, given: Arrays) -> Tensor:
    """Build the groups of a backbone of four stages, all of them frozen."""
    return rates(lab, given, frozen=4, count=4)


def snapshot(net: nn.Module) -> list[Tensor]:
    """Every stage's parameters, the head's, and every stage's running averages: long vectors."""
    stages = list(net.backbone.stages)
    parts = [list(m.parameters()) for m in (*stages, net.head)] + [
        list(s.buffers()) for s in stages
    ]
    return [torch.cat([t.detach().flatten().clone() for t in part]) for part in parts]


def two_epochs(lab: ModuleType, given: Arrays) -> Arrays:
    """Train for an epoch as a probe and one with two stages thawed; see what each one changed."""
    net = model(lab, probe_epochs=1, thawed=2, lr=0.01)
    nn.init.normal_(net.head.weight)  # a head of zeros would pass no gradient on to the stages
    states = [snapshot(net)]
    net.on_train_epoch_end = lambda: states.append(snapshot(net))
    batches = BatchLoader({"image": given["image"], "label": torch.arange(8) % 7}, 4)
    fit(net, batches, epochs=2)
    changed = [
        [not torch.equal(before, after) for before, after in zip(one, two, strict=True)]
        for one, two in pairwise(states)
    ]
    parameters, averages = torch.tensor(changed).long().split([STAGES + 1, STAGES], dim=1)
    return {"parameters": parameters, "averages": averages}

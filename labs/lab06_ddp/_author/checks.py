"""The hidden checks of lab 06: what they draw, how they judge. None of this enters the sandbox."""

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Outcome, check, close, every, holds
from labs.lab06_ddp._author import probes
from labs.lab06_ddp.checks import (
    NUMBERS,
    all_reduce_given,
    batch_given,
    filled,
    flat,
    network_given,
    same_shards,
)


@check(
    "unused",
    "A parameter that one rank did not use",
    given=all_reduce_given,
    probe=probes.unused_probe,
    returns={"a": "float32 [3, 5]", "b": "float32 [3, 2, 3]"},
    depends_on=("all-reduce",),
    hint="all-reduce",
)
def unused(given: Arrays, got: Arrays) -> Outcome:
    """A missing gradient counts as zeros, and no rank waits for ever."""
    a = torch.stack([given["a"][0], torch.zeros(5), given["a"][2]]).mean(dim=0)
    return every(
        close(got["a"], a.expand(3, -1), atol=1e-6, what="the gradient that rank 1 lacks"),
        close(got["b"], given["b"].mean(dim=0).expand(3, -1, -1), atol=1e-6, what="the other one"),
    )


@check(
    "overlap",
    "Communication under way while gradients come",
    given=batch_given,
    probe=probes.overlap_probe,
    returns={"counts": "int64 [2, 3]"},
    depends_on=("finish",),
    hint="launch",
)
def overlap(_given: Arrays, got: Arrays) -> Outcome:
    """Buckets are under way before the backward pass ends, and each costs one call."""
    buckets, flying, calls = got["counts"][0].tolist()
    return every(
        holds(flying > 0, "no bucket was under way when the first layer's gradient came"),
        holds(calls == buckets, f"{buckets} buckets were sent by {calls} calls of all_reduce"),
    )


def whole_run_given(rng: torch.Generator) -> Arrays:
    """Draw weights, and 50 items: three global batches of 16, and one of 2."""
    return {
        **network_given(rng),
        "x": torch.randn(50, 6, generator=rng),
        "label": torch.randint(4, (50,), generator=rng),
        "seed": torch.randint(1000, (), generator=rng),
    }


@check(
    "whole-run",
    "Four processes train like one",
    given=whole_run_given,
    probe=probes.whole_run_probe,
    returns={
        "final": f"float32 [4, {NUMBERS}]",
        "loss": "float32 [4, 8]",
        "order": "int64 [4, 2, 50]",
    },
    depends_on=("finish", "order", "shard", "uneven"),
    hint="finish",
)
def whole_run(given: Arrays, got: Arrays) -> Outcome:
    """Two epochs end with the weights and losses of one process on the same global batches."""
    net, losses = filled(given), []
    optimizer = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
    for order in got["order"][0]:
        for chosen in order.clamp(0, 49).split(16):
            loss = F.cross_entropy(net(given["x"][chosen]), given["label"][chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    replicas = holds((got["final"] == got["final"][:1]).all(), "the replicas are not equal")
    expected = flat(list(net.parameters())).expand(4, -1)
    return every(
        replicas,
        close(got["loss"].mean(dim=0), torch.stack(losses), atol=1e-4, what="the loss of a step"),
        close(got["final"], expected, atol=1e-4, what="a weight in the end (first index: rank)"),
    )


def other_shards_given(rng: torch.Generator) -> Arrays:
    """Draw an order of 23 items."""
    return {"order": torch.randperm(23, generator=rng)}


@check(
    "other-shards",
    "Other worlds",
    given=other_shards_given,
    probe=probes.other_shards_probe,
    returns={"four": "int64 [4, *, 6]", "one": "int64 [1, *, 6]"},
    depends_on=("shard",),
    hint="shard",
)
def other_shards(given: Arrays, got: Arrays) -> Outcome:
    """Shards are even, disjoint and complete in a world of four and in a world of one."""
    return every(*(same_shards(got[name], given["order"], 6) for name in ("four", "one")))

"""The hidden checks of lab 06: what they draw, what is right. None of this enters the sandbox."""

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Given, Outcome, check, close, every, holds, integers, normal
from labs.lab06_ddp import checks
from labs.lab06_ddp._author import probes


@check(
    "unused",
    "A parameter that one rank did not use",
    given={"a": normal(3, 5), "b": normal(3, 2, 3)},
    probe=probes.unused,
    mistakes={
        "the mean is over the ranks that used it: a missing gradient is zeros": lambda g: {
            "a": checks.alike((g.a[0] + g.a[2]) / 2)
        }
    },
    atol=1e-6,
    depends_on=("all-reduce",),
    hint="all-reduce",
)
def unused(given: Given) -> Arrays:
    """A missing gradient counts as zeros, and no rank waits for ever."""
    return {"a": checks.alike((given.a[0] + given.a[2]) / 3), "b": checks.alike(given.b.mean(0))}


@check(
    "overlap",
    "Communication under way while gradients come",
    given=checks.BATCHES,
    probe=probes.overlap,
    returns={"counts": "int64 [2, 3]"},
    depends_on=("finish",),
    hint="launch",
)
def overlap(_given: Given, got: Arrays) -> Outcome:
    """Buckets are under way before the backward pass ends, and each costs one call."""
    buckets, flying, calls = got["counts"][0].tolist()
    return every(
        holds(flying > 0, "no bucket was under way when the first layer's gradient came"),
        holds(calls == buckets, f"{buckets} buckets were sent by {calls} calls of all_reduce"),
    )


@check(
    "whole-run",
    "Four processes train like one",
    given={  # three global batches of 16, and one of 2
        **checks.WEIGHTS,
        "x": normal(50, 6),
        "label": integers(0, 4, 50),
        "seed": integers(0, 1000),
    },
    probe=probes.whole_run,
    returns={
        "final": f"float32 [4, {checks.NUMBERS}]",
        "loss": "float32 [4, 8]",
        "order": "int64 [4, 2, 50]",
    },
    depends_on=("finish", "order", "shard", "uneven"),
    hint="finish",
)
def whole_run(given: Given, got: Arrays) -> Outcome:
    """Two epochs end with the weights and losses of one process on the same global batches."""
    net, losses = checks.filled(given), []
    optimizer = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
    for order in got["order"][0]:
        for chosen in order.clamp(0, 49).split(16):
            loss = F.cross_entropy(net(given.x[chosen]), given.label[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    expected = checks.alike(checks.flat(*net.parameters()), 4)
    return every(
        holds((got["final"] == got["final"][:1]).all(), "the replicas are not equal"),
        close(got["loss"].mean(dim=0), torch.stack(losses), atol=1e-4, what="the loss of a step"),
        close(got["final"], expected, atol=1e-4, what="a weight in the end (first index: rank)"),
    )


@check(
    "other-shards",
    "Other worlds",
    given={"order": lambda rng: torch.randperm(23, generator=rng)},
    probe=probes.other_shards,
    returns={f"{name} {w}": form for w in (4, 1) for name, form in checks.DEALT.items()},
    depends_on=("shard",),
    hint="shard",
)
def other_shards(given: Given, got: Arrays) -> Outcome:
    """Shards are even, disjoint and complete in a world of four and in a world of one."""
    worlds = ({name: got[f"{name} {world}"] for name in checks.DEALT} for world in (4, 1))
    return every(*(checks.same_shards(world, given.order, 6) for world in worlds))

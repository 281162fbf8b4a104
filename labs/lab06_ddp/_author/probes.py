"""The halves of lab 06's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from dllab.checks import Arrays
from dllab.checks.ranks import run_ranks
from labs.lab06_ddp.checks import dealt, filled, flat, stacked


def unused_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Average where the second rank has not used the first parameter."""

    def work(rank: int) -> Arrays:
        a, b = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(2, 3))
        a.grad = None if rank == 1 else given["a"][rank].clone()
        b.grad = given["b"][rank].clone()
        lab.average_gradients([a, b])
        return {"a": a.grad, "b": b.grad}

    return stacked(run_ranks(3, work))


def overlap_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Count what is under way when the first layer's gradient comes, and the calls of a step."""

    def work(rank: int) -> Arrays:
        net, flying, calls, real = filled(given), [], [], dist.all_reduce
        parallel = lab.DataParallel(net, most_bytes=160)

        def noted(*args: object, **named: object) -> object:
            calls.append(1)
            return real(*args, **named)

        dist.all_reduce = noted
        net[0].weight.register_hook(lambda _gradient: flying.append(len(parallel.flights)))
        F.cross_entropy(net(given["x"][0][rank::2]), given["label"][0][rank::2]).backward()
        parallel.finish()
        return {"counts": torch.tensor([len(parallel.buckets), flying[0], len(calls)])}

    return stacked(run_ranks(2, work))


def other_shards_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Deal to 4 ranks a number of items that nothing divides; and to one rank alone."""
    return {
        "four": dealt(lab, given["order"], 6, 4),
        "one": dealt(lab, given["order"], 6, 1),
    }


def whole_run_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Two epochs on four ranks; the last global batch is too short for all of them."""

    def work(rank: int) -> Arrays:
        net, losses = filled(given), []
        net[0].weight.data.mul_(1 + rank)  # until rank 0 has spoken
        parallel = lab.DataParallel(net, most_bytes=200)
        shards = lab.Shards(len(given["x"]), 16, seed=int(given["seed"]), rank=rank, world=4)
        optimizer = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
        for epoch in range(2):
            shards.set_epoch(epoch)
            for chosen in shards:
                logits, label = net(given["x"][chosen]), given["label"][chosen]
                loss = lab.share_of_mean(F.cross_entropy(logits, label, reduction="none"))
                optimizer.zero_grad()
                loss.backward()
                parallel.finish()
                optimizer.step()
                losses.append(loss.detach())
        shards.set_epoch(0)
        first = shards.order()
        shards.set_epoch(1)
        return {
            "final": flat(list(net.parameters())),
            "loss": torch.stack(losses),
            "order": torch.stack([first, shards.order()]),
        }

    return stacked(run_ranks(4, work, seconds=45))

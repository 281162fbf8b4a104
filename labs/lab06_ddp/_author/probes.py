"""The halves of lab 06's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Given
from labs.lab06_ddp.checks import Noted, averaged, dealt, filled, flat, on_ranks


def unused(lab: ModuleType, given: Given) -> Arrays:
    """Average where the second rank has not used the first parameter."""

    def work(rank: int) -> Arrays:
        return averaged(lab, {"a": None if rank == 1 else given.a[rank], "b": given.b[rank]})

    return on_ranks(3, work)


def overlap(lab: ModuleType, given: Given) -> Arrays:
    """Count what is under way when the first layer's gradient comes, and the calls of a step."""

    def work(rank: int) -> Arrays:
        net, flying = filled(given), []
        parallel, noted = lab.DataParallel(net, most_bytes=160), Noted()
        net[0].weight.register_hook(lambda _gradient: flying.append(len(parallel.flights)))
        F.cross_entropy(net(given.x[0][rank::2]), given.label[0][rank::2]).backward()
        parallel.finish()
        return {"counts": torch.tensor([len(parallel.buckets), flying[0], noted.calls])}

    return on_ranks(2, work)


def whole_run(lab: ModuleType, given: Given) -> Arrays:
    """Two epochs on four ranks; the last global batch is too short for all of them."""

    def work(rank: int) -> Arrays:
        net, losses, orders = filled(given), [], []
        net[0].weight.data.mul_(1 + rank)  # until rank 0 has spoken
        parallel = lab.DataParallel(net, most_bytes=200)
        shards = lab.Shards(len(given.x), 16, seed=int(given.seed), rank=rank, world=4)
        optimizer = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
        for epoch in range(2):
            shards.set_epoch(epoch)
            orders.append(shards.order())
            for chosen in shards:
                logits, label = net(given.x[chosen]), given.label[chosen]
                loss = lab.share_of_mean(F.cross_entropy(logits, label, reduction="none"))
                optimizer.zero_grad()
                loss.backward()
                parallel.finish()
                optimizer.step()
                losses.append(loss.detach())
        final = flat(*net.parameters())
        return {"final": final, "loss": torch.stack(losses), "order": torch.stack(orders)}

    return on_ranks(4, work, seconds=45)


def other_shards(lab: ModuleType, given: Given) -> Arrays:
    """Deal to 4 ranks a number of items that nothing divides; and to one rank alone."""
    worlds = {world: dealt(lab, given.order, 6, world) for world in (4, 1)}
    return {f"{name} {world}": v for world, got in worlds.items() for name, v in got.items()}

"""Given to you: torch.distributed in a process by itself."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join_world() -> bool:
    """Make this process a world of one, unless it is part of a larger one; True if it did."""
    if dist.is_initialized():
        return False
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return True


@torch.no_grad()
def farthest_from_rank_0(module: nn.Module) -> Tensor:
    """The largest difference between a weight of any rank and that of rank 0, float32 []."""
    farthest = torch.zeros((), device=next(module.parameters()).device)
    for weight in module.parameters():
        first = weight.clone()
        dist.broadcast(first, src=0)
        farthest = torch.maximum(farthest, (weight - first).abs().max().float())
    dist.all_reduce(farthest, dist.ReduceOp.MAX)
    return farthest

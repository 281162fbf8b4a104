"""Given to you: torch.distributed in a process by itself."""

import os

import torch.distributed as dist


def join_world() -> bool:
    """Make this process a world of one, unless it is part of a larger one; True if it did."""
    if dist.is_initialized():
        return False
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return True

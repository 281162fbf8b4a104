"""A mean over processes of which each has seen another number of items."""

import torch
import torch.distributed as dist


def mean_over_ranks(values):
    # BEGIN SOLUTION mean: return the mean of all values of all ranks, [].
    # Ranks hold unequally many: float32 [N], and N may be zero on some.
    pair = torch.stack([values.sum(), torch.tensor(float(len(values)))])
    dist.all_reduce(pair)
    return pair[0] / pair[1]
    # END SOLUTION

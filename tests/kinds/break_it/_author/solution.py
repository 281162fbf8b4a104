"""A function, and the tests of it: the tests are graded, too."""

import torch

from dllab.checks import Case


def masked_mean(x_BT, lengths_B):
    """The mean of each row's valid entries, float32 `[B]`."""
    # BEGIN SOLUTION mean: return the mean of the first lengths_B entries of each row, float32 [B].
    # A row of length 0 has the mean 0.
    valid_BT = torch.arange(x_BT.shape[1]) < lengths_B[:, None]
    total_B = (x_BT * valid_BT).sum(1)
    return total_B / lengths_B.clamp(min=1)
    # END SOLUTION


def cases():
    """Tests of `masked_mean`, as data."""
    # BEGIN SOLUTION cases: return at most four cases that wrong means fail and right ones pass.
    # It is given {"x": float32 [B, T], "lengths": int64 [B]}, and expects the means, float32 [B].
    uneven = {
        "x": torch.tensor([[1.0, 5.0, 9.0], [2.0, 4.0, 7.0]]),
        "lengths": torch.tensor([2, 1]),
    }
    short = {"x": torch.tensor([[3.0, 8.0]]), "lengths": torch.tensor([0])}
    return [Case(uneven, torch.tensor([3.0, 2.0])), Case(short, torch.zeros(1))]
    # END SOLUTION

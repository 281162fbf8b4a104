"""Given to you: the slopes of an image, and the best single split of a table."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    """How steep every pixel of uint8 images [B, 1, H, W] is, and which way: float32 [B, H, W] each.

    Central differences; an image goes on at its border as it ends there. The angle is in [0, π):
    from dark to light and from light to dark are one direction.
    """
    x_BHW = F.pad(image.float(), (1, 1, 1, 1), mode="replicate")[:, 0]
    right_BHW = x_BHW[:, 1:-1, 2:] - x_BHW[:, 1:-1, :-2]
    down_BHW = x_BHW[:, 2:, 1:-1] - x_BHW[:, :-2, 1:-1]
    angle_BHW = torch.atan2(down_BHW, right_BHW) % torch.pi  # a remainder may round up to π
    return torch.hypot(right_BHW, down_BHW), angle_BHW.where(angle_BHW < torch.pi, 0)


class Stump(NamedTuple):
    """A tree with one question: is column `feature` above `threshold`?"""

    feature: int
    threshold: float
    below: float
    above: float

    def __call__(self, x_NF: Tensor) -> Tensor:
        """`above` or `below` for each row, float32 [N]."""
        high_N = x_NF[:, self.feature] > self.threshold
        return torch.where(high_N, self.above, self.below)


def best_stump(x_NF: Tensor, y_N: Tensor) -> Stump:
    """The stump with the least squared error on rows float32 [N, F] and numbers float32 [N].

    For a split of N rows into n and N - n, the squared error falls by n·m² + (N - n)·M², up to a
    constant, where m and M are the means on both sides of y less its mean. All splits of all
    columns are tried at once, by running sums over each column in its own order.
    """
    rows, mean = len(x_NF), y_N.double().mean()
    sorted_NF, order_NF = x_NF.sort(dim=0)
    sums_NF = (y_N.double() - mean)[order_NF].cumsum(dim=0)[:-1]
    below_N = torch.arange(1, rows, device=x_NF.device)[:, None]
    gain_NF = sums_NF.square() * (1 / below_N + 1 / (rows - below_N))
    gain_NF[sorted_NF[1:] == sorted_NF[:-1]] = -1  # equal values cannot be parted
    best, feature = divmod(int(gain_NF.argmax()), x_NF.shape[1])
    total, count = float(sums_NF[best, feature]), best + 1
    return Stump(
        feature,
        float(sorted_NF[best : best + 2, feature].mean()),
        float(mean) + total / count,
        float(mean) - total / (rows - count),
    )

"""Lab 22: a vision transformer, and the convolutional networks that it is measured against.

Work through the TODOs from top to bottom. `pytest labs/lab22_vit` checks them, `dllab hint 22 TASK`
helps, `dllab train 22` trains the transformer and grades the run.

Shapes stand in the names: B pictures, C channels, H rows, W columns; N patches; T tokens, one for
the class and N for the patches, of D features each; Q heads.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .given import (
    Attention,
    Classifier,
    Data,
    Parallel,
    Residual,
    head,
    network,
    small_resnet,
    unit,
)

__all__ = ["Data", "Model"]

# 1. A vision transformer --------------------------------------------------------------------------


def patches(image_BCHW: Tensor, size: int) -> Tensor:
    """Cut pictures into squares of `size` by `size` pixels: [B, N, C·size·size].

    Patches come row by row, from the left, as one reads. A patch's numbers are its first channel,
    row by row, then the next channel. H and W are multiples of `size`.
    """
    # BEGIN SOLUTION patches: return the patches, [B, N, C·size·size].
    # unflatten splits H into rows of patches and rows within a patch, W likewise. permute brings
    # what belongs to one patch together.
    cut = image_BCHW.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # B, C, row, y, column, x
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    # END SOLUTION


def tokens(patch_BND: Tensor, class_D: Tensor, place_TD: Tensor) -> Tensor:
    """What the first block reads: float [B, T, D], with T = N + 1 (Dosovitskiy et al., 2021)."""
    # BEGIN SOLUTION tokens: return the tokens, float [B, T, D].
    # The class token, one for all pictures, stands before the patches. Then a position is added to
    # each token, the class token included.
    first_B1D = class_D.expand(len(patch_BND), 1, -1)
    return torch.cat([first_B1D, patch_BND], dim=1) + place_TD
    # END SOLUTION


class Block(nn.Module):
    """A pre-norm block: what is normalised goes through a part, and is added to what was there."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(features), Attention(features, heads)
        self.outer_norm, self.network = nn.LayerNorm(features), network(features)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        # BEGIN SOLUTION block: return the block's output, [B, T, D].
        # First self.attention of self.norm, then self.network of self.outer_norm. The sum itself
        # is never normalised: that way stays free from the first block to the last.
        y_BTD = x_BTD + self.attention(self.norm(x_BTD))
        return y_BTD + self.network(self.outer_norm(y_BTD))
        # END SOLUTION


class ViT(nn.Module):
    """Patches → embedding → tokens → blocks → norm → the class token's logits."""

    def __init__(
        self,
        side: int,
        channels: int,
        patch: int,
        *,
        features: int,
        depth: int,
        heads: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.patch, self.rows = patch, side // patch
        self.embed = nn.Linear(channels * patch**2, features)
        self.first = nn.Parameter(torch.zeros(features))
        self.place = nn.Parameter(0.02 * torch.randn(self.rows**2 + 1, features))
        self.blocks = nn.ModuleList(Block(features, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(features), nn.Linear(features, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The logits, float32 [B, classes], of pictures of `side` by `side` pixels."""
        # BEGIN SOLUTION logits: return the logits, float32 [B, classes].
        # patches, self.embed, tokens with self.first and self.place, self.blocks, self.norm, and
        # self.head of the class token.
        x_BTD = tokens(self.embed(patches(x_BCHW, self.patch)), self.first, self.place)
        for block in self.blocks:
            x_BTD = block(x_BTD)
        return self.head(self.norm(x_BTD)[:, 0])
        # END SOLUTION

    def looks(self, x_BCHW: Tensor) -> list[Tensor]:
        """The attention of each block, float [B, Q, T, T]: row t tells what token t looks at."""
        x_BTD = tokens(self.embed(patches(x_BCHW, self.patch)), self.first, self.place)
        seen = []
        for block in self.blocks:
            seen.append(block.attention.weights(block.norm(x_BTD)))
            x_BTD = block(x_BTD)
        return seen


def rollout(looks: Sequence[Tensor]) -> Tensor:
    """How much of each patch reaches the class token, float [B, N]; adds up to 1 for each picture.

    `looks` has a tensor [B, Q, T, T] for each block, the first one first. This is attention rollout
    (Abnar and Zuidema, 2020): a rough account, which takes no notice of what the values say.
    """
    # BEGIN SOLUTION rollout: return the shares of the patches, float [B, N].
    # Of a block, the mean over the heads, A. Half of a token comes by the shortcut: (A + 1) / 2,
    # where 1 is torch.eye(T). Multiply, later blocks from the left. The class token's row, without
    # its own share, is divided by its sum.
    whole_BTT = torch.eye(looks[0].shape[-1], device=looks[0].device)
    for look_BQTT in looks:
        mean_BTT = look_BQTT.mean(dim=1)
        whole_BTT = (
            (mean_BTT + torch.eye(mean_BTT.shape[-1], device=mean_BTT.device)) / 2 @ whole_BTT
        )
    share_BN = whole_BTT[:, 0, 1:]
    return share_BN / share_BN.sum(dim=1, keepdim=True)
    # END SOLUTION


class Model(Classifier):
    """The transformer; or, with network="conv", lab 02's network in its place."""

    def __init__(
        self,
        *,
        network: str = "vit",
        side: int = 28,
        channels: int = 1,
        patch: int = 7,
        features: int = 64,
        depth: int = 2,
        heads: int = 4,
        classes: int = 10,
        lr: float = 0.004,
        weight_decay: float = 0.05,
    ) -> None:
        if network == "conv":
            net: nn.Module = small_resnet(channels, classes)
        else:
            how = {"features": features, "depth": depth, "heads": heads, "classes": classes}
            net = ViT(side, channels, patch, **how)
        super().__init__(net, lr, weight_decay)

    def maps(self, image_BCHW: Tensor) -> Tensor:
        """Where the class token looks, float [B, rows, rows]."""
        share_BN = rollout(self.net.looks(self.scaled(image_BCHW)))
        return share_BN.unflatten(1, (self.net.rows, -1))

    def places(self) -> Tensor:
        """The patches' learned positions, float [N, D]."""
        return self.net.place[1:]


# 2. What a network costs --------------------------------------------------------------------------


def multiply_adds(layer: nn.Module, out: Sequence[int]) -> int:
    """Multiplications, each with an addition, by which a layer makes an output of shape `out`.

    Papers count those of nn.Conv2d and nn.Linear, without biases; all other layers count as 0.
    """
    # BEGIN SOLUTION multiply-adds: return their number, an int.
    # Each output number is an inner product. How long it is, the weight tells: [O, C / groups, K,
    # L] of a convolution, [O, I] of a linear layer.
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        return 0
    return math.prod(out) * math.prod(layer.weight.shape[1:])
    # END SOLUTION


def frontier(cost_N: Tensor, accuracy_N: Tensor) -> Tensor:
    """Which networks are worth their cost, bool [N]: those that no other one beats.

    One beats another if it costs no more and is at least as accurate, and is better in one of both.
    """
    # BEGIN SOLUTION frontier: return which are not beaten, bool [N].
    # Compare each with each, [N, N]. Networks with equal figures do not beat each other.
    no_dearer_NN = cost_N <= cost_N[:, None]
    no_worse_NN = accuracy_N >= accuracy_N[:, None]
    better_NN = (cost_N < cost_N[:, None]) | (accuracy_N > accuracy_N[:, None])
    return ~(no_dearer_NN & no_worse_NN & better_NN).any(dim=1)
    # END SOLUTION


# 3. Famous networks, rebuilt ----------------------------------------------------------------------


def vgg16(classes: int = 1000) -> nn.Sequential:
    """VGG-16: configuration D of Simonyan and Zisserman (2015), for pictures [B, 3, 224, 224].

    Convolutions are 3 x 3 with a bias, keep the sides, and have a ReLU behind them. 2 of 64
    channels, 2 of 128, 3 of 256, 3 of 512, again 3 of 512; after each group a 2 x 2 max pool.
    """
    # BEGIN SOLUTION vgg: return the network, an nn.Sequential.
    # After the groups: nn.Flatten, two linear layers of 4,096 with a ReLU each, and one of
    # `classes` without. (Dropout, which the paper has there, is left out.)
    layers, fan_in = list[nn.Module](), 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.ReLU()]
            fan_in = width
        layers.append(nn.MaxPool2d(2))
    wide = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *wide, nn.Linear(4096, classes))
    # END SOLUTION


def inception(
    fan_in: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
) -> Parallel:
    """A module of GoogLeNet (Szegedy et al., 2015, figure 2b): four ways, side by side.

    1 x 1 to `one` channels; 1 x 1 to three[0], then 3 x 3 to three[1]; the same with 5 x 5 and
    `five`; a 3 x 3 max pool of stride 1, then 1 x 1 to `pool`. All keep the sides.
    """

    def conv(a: int, b: int, size: int) -> nn.Sequential:
        """A convolution with a bias, and its ReLU."""
        return nn.Sequential(nn.Conv2d(a, b, size, padding=size // 2), nn.ReLU())

    # BEGIN SOLUTION inception: return Parallel of the four ways, in this order.
    # A way is a module; nn.Sequential makes one of several.
    return Parallel(
        conv(fan_in, one, 1),
        nn.Sequential(conv(fan_in, three[0], 1), conv(*three, 3)),
        nn.Sequential(conv(fan_in, five[0], 1), conv(*five, 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(fan_in, pool, 1)),
    )
    # END SOLUTION


def bottleneck(fan_in: int, width: int, stride: int) -> Residual:
    """A block of ResNet-50 (He et al., 2016, figure 5): down to `width`, across, up to 4·`width`.

    `resnet50` in given.py stacks sixteen of them.
    """
    # BEGIN SOLUTION bottleneck: return Residual(long, short, nn.ReLU()).
    # long: `unit`s of 1 x 1 with the stride, 3 x 3, and 1 x 1 without ReLU, since the ReLU comes
    # after the sum. short: nn.Identity() where the shape stays, else a 1 x 1 `unit` without ReLU.
    fan_out = 4 * width
    down, across = unit(fan_in, width, 1, stride), unit(width, width, 3)
    long = nn.Sequential(down, across, unit(width, fan_out, 1, act=False))
    same = stride == 1 and fan_in == fan_out
    short = nn.Identity() if same else unit(fan_in, fan_out, 1, stride, act=False)
    return Residual(long, short, nn.ReLU())
    # END SOLUTION


def separable(fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    """A depthwise separable convolution of MobileNet (Howard et al., 2017, figure 3)."""
    # BEGIN SOLUTION separable: return two `unit`s in an nn.Sequential.
    # 3 x 3 with the stride, each channel by itself (groups=), then 1 x 1 to fan_out.
    return nn.Sequential(unit(fan_in, fan_in, 3, stride, groups=fan_in), unit(fan_in, fan_out, 1))
    # END SOLUTION


def mobilenet(width: float = 1.0, classes: int = 1000) -> nn.Sequential:
    """MobileNet (Howard et al., 2017, table 1), every number of channels times `width`.

    A 3 x 3 `unit` of stride 2 to 32 channels; then 13 separable convolutions.
    """
    # BEGIN SOLUTION mobilenet: return the network, an nn.Sequential.
    # Channels of the 13: 64, twice 128, twice 256, six times 512, twice 1,024. The first 128, 256,
    # 512 and 1,024 have stride 2. At the end `head`. int() of a product cuts it off.
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    fan_in = int(32 * width)
    layers = [unit(3, fan_in, 3, 2)]
    for channels, stride in [*rows, (1024, 2), (1024, 1)]:
        layers.append(separable(fan_in, int(channels * width), stride))
        fan_in = int(channels * width)
    return nn.Sequential(*layers, *head(fan_in, classes))
    # END SOLUTION


def shuffle(x_BCHW: Tensor, groups: int) -> Tensor:
    """Let the groups of the next convolution see all groups of the last (ShuffleNet, Zhang et al.).

    With C = groups · n, channel i of group g goes to place i · groups + g.
    """
    # BEGIN SOLUTION shuffle: return the channels in their new order, [B, C, H, W].
    return x_BCHW.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
    # END SOLUTION


def scaled(channels: int, repeats: int, width: float, depth: float) -> tuple[int, int]:
    """A stage of EfficientNet, scaled (Tan and Le, 2019): channels · width and repeats · depth.

    Channels are rounded to the nearest multiple of 8, halves upwards, and get 8 more where that
    took more than a tenth of them. Repeats are rounded upwards.
    """
    # BEGIN SOLUTION scaled: return channels and repeats, two ints.
    # int(x + 4) // 8 * 8 is the nearest multiple of 8. math.ceil rounds upwards.
    exact = channels * width
    near = int(exact + 4) // 8 * 8
    if near < 0.9 * exact:
        near += 8
    return near, math.ceil(repeats * depth)
    # END SOLUTION

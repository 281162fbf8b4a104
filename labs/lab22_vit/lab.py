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
    # TODO patches: return the patches, [B, N, C·size·size].
    # unflatten splits H into rows of patches and rows within a patch, W likewise. permute brings
    # what belongs to one patch together.
    raise NotImplementedError("TODO patches: return the patches, [B, N, C·size·size].")


def tokens(patch_BND: Tensor, class_D: Tensor, place_TD: Tensor) -> Tensor:
    """What the first block reads: float [B, T, D], with T = N + 1 (Dosovitskiy et al., 2021)."""
    # TODO tokens: return the tokens, float [B, T, D].
    # The class token, one for all pictures, stands before the patches. Then a position is added to
    # each token, the class token included.
    raise NotImplementedError("TODO tokens: return the tokens, float [B, T, D].")


class Block(nn.Module):
    """A pre-norm block: what is normalised goes through a part, and is added to what was there."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(features), Attention(features, heads)
        self.outer_norm, self.network = nn.LayerNorm(features), network(features)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        # TODO block: return the block's output, [B, T, D].
        # First self.attention of self.norm, then self.network of self.outer_norm. The sum itself
        # is never normalised: that way stays free from the first block to the last.
        raise NotImplementedError("TODO block: return the block's output, [B, T, D].")


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
        # TODO logits: return the logits, float32 [B, classes].
        # patches, self.embed, tokens with self.first and self.place, self.blocks, self.norm, and
        # self.head of the class token.
        raise NotImplementedError("TODO logits: return the logits, float32 [B, classes].")

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
    # TODO rollout: return the shares of the patches, float [B, N].
    # Of a block, the mean over the heads, A. Half of a token comes by the shortcut: (A + 1) / 2,
    # where 1 is torch.eye(T). Multiply, later blocks from the left. The class token's row, without
    # its own share, is divided by its sum.
    raise NotImplementedError("TODO rollout: return the shares of the patches, float [B, N].")


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
    # TODO multiply-adds: return their number, an int.
    # Each output number is an inner product. How long it is, the weight tells: [O, C / groups, K,
    # L] of a convolution, [O, I] of a linear layer.
    raise NotImplementedError("TODO multiply-adds: return their number, an int.")


def frontier(cost_N: Tensor, accuracy_N: Tensor) -> Tensor:
    """Which networks are worth their cost, bool [N]: those that no other one beats.

    One beats another if it costs no more and is at least as accurate, and is better in one of both.
    """
    # TODO frontier: return which are not beaten, bool [N].
    # Compare each with each, [N, N]. Networks with equal figures do not beat each other.
    raise NotImplementedError("TODO frontier: return which are not beaten, bool [N].")


# 3. Famous networks, rebuilt ----------------------------------------------------------------------


def vgg16(classes: int = 1000) -> nn.Sequential:
    """VGG-16: configuration D of Simonyan and Zisserman (2015), for pictures [B, 3, 224, 224].

    Convolutions are 3 x 3 with a bias, keep the sides, and have a ReLU behind them. 2 of 64
    channels, 2 of 128, 3 of 256, 3 of 512, again 3 of 512; after each group a 2 x 2 max pool.
    """
    # TODO vgg: return the network, an nn.Sequential.
    # After the groups: nn.Flatten, two linear layers of 4,096 with a ReLU each, and one of
    # `classes` without. (Dropout, which the paper has there, is left out.)
    raise NotImplementedError("TODO vgg: return the network, an nn.Sequential.")


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

    # TODO inception: return Parallel of the four ways, in this order.
    # A way is a module; nn.Sequential makes one of several.
    raise NotImplementedError("TODO inception: return Parallel of the four ways, in this order.")


def bottleneck(fan_in: int, width: int, stride: int) -> Residual:
    """A block of ResNet-50 (He et al., 2016, figure 5): down to `width`, across, up to 4·`width`.

    `resnet50` in given.py stacks sixteen of them.
    """
    # TODO bottleneck: return Residual(long, short, nn.ReLU()).
    # long: `unit`s of 1 x 1 with the stride, 3 x 3, and 1 x 1 without ReLU, since the ReLU comes
    # after the sum. short: nn.Identity() where the shape stays, else a 1 x 1 `unit` without ReLU.
    raise NotImplementedError("TODO bottleneck: return Residual(long, short, nn.ReLU()).")


def separable(fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    """A depthwise separable convolution of MobileNet (Howard et al., 2017, figure 3)."""
    # TODO separable: return two `unit`s in an nn.Sequential.
    # 3 x 3 with the stride, each channel by itself (groups=), then 1 x 1 to fan_out.
    raise NotImplementedError("TODO separable: return two `unit`s in an nn.Sequential.")


def mobilenet(width: float = 1.0, classes: int = 1000) -> nn.Sequential:
    """MobileNet (Howard et al., 2017, table 1), every number of channels times `width`.

    A 3 x 3 `unit` of stride 2 to 32 channels; then 13 separable convolutions.
    """
    # TODO mobilenet: return the network, an nn.Sequential.
    # Channels of the 13: 64, twice 128, twice 256, six times 512, twice 1,024. The first 128, 256,
    # 512 and 1,024 have stride 2. At the end `head`. int() of a product cuts it off.
    raise NotImplementedError("TODO mobilenet: return the network, an nn.Sequential.")


def shuffle(x_BCHW: Tensor, groups: int) -> Tensor:
    """Let the groups of the next convolution see all groups of the last (ShuffleNet, Zhang et al.).

    With C = groups · n, channel i of group g goes to place i · groups + g.
    """
    # TODO shuffle: return the channels in their new order, [B, C, H, W].
    raise NotImplementedError("TODO shuffle: return the channels in their new order, [B, C, H, W].")


def scaled(channels: int, repeats: int, width: float, depth: float) -> tuple[int, int]:
    """A stage of EfficientNet, scaled (Tan and Le, 2019): channels · width and repeats · depth.

    Channels are rounded to the nearest multiple of 8, halves upwards, and get 8 more where that
    took more than a tenth of them. Repeats are rounded upwards.
    """
    # TODO scaled: return channels and repeats, two ints.
    # int(x + 4) // 8 * 8 is the nearest multiple of 8. math.ceil rounds upwards.
    raise NotImplementedError("TODO scaled: return channels and repeats, two ints.")

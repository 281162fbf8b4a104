"""Given to you: backbones that can be pretrained, all of one shape.

    backbone = build("efficientnet_lite0")
    features_BF = backbone(x_BCHW)              # float32 [B, backbone.features]
    load_pretrained(backbone)                   # ImageNet weights: cached, hub or package

A backbone is a stack of stages, from the pixels up. Each was trained on images that were normalised
in one certain way: (RGB - backbone.mean) / backbone.std, with RGB from 0 to 255.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.data import pretrained


class Backbone(nn.Module):
    """Stages from the pixels up, then the mean over all positions: float32 [B, features].

    `mean` and `std` are the constants, one for each of R, G and B, that the weights know.
    """

    def __init__(
        self,
        name: str,
        stages: Iterable[nn.Module],
        features: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.name, self.features = name, features
        self.mean, self.std = mean, std
        self.stages = nn.ModuleList(stages)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The features of normalised RGB images, float32 [B, 3, H, W]."""
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU
        for stage in self.stages:
            x_BCHW = stage(x_BCHW)
        return x_BCHW.mean(dim=(2, 3))


def build(name: str) -> Backbone:
    """An untrained backbone: efficientnet_lite0, or a ResNet of torchvision such as resnet18."""
    return efficientnet_lite0() if name == "efficientnet_lite0" else torchvision_resnet(name)


def load_pretrained(backbone: Backbone) -> None:
    """Fill a backbone with weights learned on ImageNet-1k.

    Raises DataError when neither the cache, nor a hub, nor a package registry has them.
    """
    theirs = pretrained(backbone.name)
    # Both list convolutions and norms from the pixels up; the classifier comes last, and stays out.
    own = backbone.state_dict()
    backbone.load_state_dict(dict(zip(own, theirs.values(), strict=False)))


# EfficientNet-Lite0: 3.4 million weights, 0.39 billion products for an image of 224 x 224 ---------

# blocks, kernel size, stride, expansion, channels (Tan & Le, 2019, table 1; Lite0 keeps them)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0() -> Backbone:
    """EfficientNet-B0 without attention and with ReLU6, made for small devices (Liu, 2020)."""
    channels, stages = 32, [convolution(3, 32, 3, stride=2)]
    for blocks, size, stride, expansion, width in STAGES:
        stage = [InvertedResidual(channels, width, size, stride, expansion)]
        stage += [InvertedResidual(width, width, size, 1, expansion) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(*stage))
        channels = width
    stages.append(convolution(channels, 1280, 1))
    return Backbone("efficientnet_lite0", stages, 1280, (127.0,) * 3, (128.0,) * 3)


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow does, where the weights come from.

    What does not divide evenly goes to the right and below; PyTorch would pad both sides alike.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, O, ⌈H / stride⌉, ⌈W / stride⌉]."""
        (size, _), (stride, _) = self.kernel_size, self.stride
        height, width = (
            max((-(-n // stride) - 1) * stride + size - n, 0) for n in x_BCHW.shape[2:]
        )
        edges = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(F.pad(x_BCHW, edges))


def convolution(
    fan_in: int, fan_out: int, size: int, *, stride: int = 1, groups: int = 1, bend: bool = True
) -> nn.Sequential:
    """Convolution → batch norm → ReLU6 (left out if not `bend`)."""
    parts = [
        SameConv2d(fan_in, fan_out, size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(fan_out, eps=1e-3),
    ]
    return nn.Sequential(*parts, nn.ReLU6(inplace=True)) if bend else nn.Sequential(*parts)


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; plus the input where the shape stays."""

    def __init__(self, fan_in: int, fan_out: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = fan_in * expansion
        self.body = nn.Sequential(
            *([convolution(fan_in, wide, 1)] if expansion > 1 else []),
            convolution(wide, wide, size, stride=stride, groups=wide),
            convolution(wide, fan_out, 1, bend=False),
        )
        self.adds = stride == 1 and fan_in == fan_out

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, fan_in, H, W] to [B, fan_out, ⌈H / stride⌉, ⌈W / stride⌉]."""
        y_BCHW = self.body(x_BCHW)
        return x_BCHW + y_BCHW if self.adds else y_BCHW


# torchvision --------------------------------------------------------------------------------------


def torchvision_resnet(name: str) -> Backbone:
    """A ResNet as torchvision builds it, in stages: stem, layer1 to layer4."""
    from torchvision.models import get_model

    net = get_model(name)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    stages = [stem, net.layer1, net.layer2, net.layer3, net.layer4]
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Backbone(
        name,
        stages,
        net.fc.in_features,
        tuple(255 * m for m in mean),
        tuple(255 * s for s in std),
    )

"""The numbers that lab 22's page lets one guess, from the reference and its config."""

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import torch

from labs.lab22_vit import given as parts

Config = Mapping[str, Any]
LAB = ModuleType
# Of a landmark: how lab.py builds it, the side of its pictures, its published accuracy and where.
LANDMARKS: dict[str, tuple[Callable[[LAB], Callable[[], Any]], int, float, str]] = {
    "AlexNet, 2012": (lambda _: parts.alexnet, 227, 57.2, "a"),
    "VGG-16, 2014": (lambda lab: lab.vgg16, 224, 71.5, "a"),
    "ResNet-50, 2015": (lambda lab: partial(parts.resnet50, lab.bottleneck), 224, 76.0, "b"),
    "MobileNet, 2017": (lambda lab: lab.mobilenet, 224, 70.6, "a"),
    "EfficientNet-B0, 2019": (
        lambda lab: partial(parts.efficientnet, 0, lab.scaled),
        224,
        77.1,
        "b",
    ),
    "EfficientNet-B3, 2019": (
        lambda lab: partial(parts.efficientnet, 3, lab.scaled),
        300,
        81.6,
        "b",
    ),
}


def row(at: int, lab: LAB, _config: Config) -> str:
    """A landmark's line: parameters, multiply-adds, published accuracy, whether it is kept."""
    sizes = [
        parts.cost(build(lab), (3, side, side), lab.multiply_adds)
        for build, side, *_ in LANDMARKS.values()
    ]
    best = [accuracy for *_, accuracy, _ in LANDMARKS.values()]
    work = torch.tensor([float(steps) for _, steps in sizes])
    kept = "yes" if lab.frontier(work, torch.tensor(best))[at] else "no"
    source = list(LANDMARKS.values())[at][-1]
    learned, steps = sizes[at]
    return f"{learned:,} | {steps / 1e6:,.0f} M | {best[at]} ({source}) | {kept}"


alexnet, vgg, resnet, mobilenet, b0, b3 = (partial(row, at) for at in range(len(LANDMARKS)))


def parameters(lab: LAB, config: Config) -> int:
    """Learned numbers of the transformer."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def tokens(_lab: LAB, config: Config) -> int:
    """How many tokens the first block reads."""
    return (config["model"]["side"] // config["model"]["patch"]) ** 2 + 1


def millions(lab: LAB, net: Callable[[], Any]) -> float:
    """Millions of multiply-adds of a small grey picture."""
    return parts.cost(net, (1, 28, 28), lab.multiply_adds)[1] / 1e6


def vit_millions(lab: LAB, config: Config) -> float:
    """Those of the transformer's layers."""
    return millions(lab, lambda: lab.Model(**config["model"]).net)


def conv_millions(lab: LAB, _config: Config) -> float:
    """Those of lab 02's network."""
    return millions(lab, partial(parts.small_resnet, 1, 10))


def vgg_dense_share(lab: LAB, _config: Config) -> float:
    """Per cent of VGG-16's parameters that stand in its linear layers."""
    with torch.device("meta"):
        layers = list(lab.vgg16().parameters())
    return 100 * sum(p.numel() for p in layers[-6:]) / sum(p.numel() for p in layers)

"""Handed out with lab 22: attention, how a classifier is trained, and parts of famous networks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, load

Batch = dict[str, Tensor]

# For the transformer ------------------------------------------------------------------------------


class Attention(nn.Module):
    """What you wrote in lab 19, without masks: every token looks at every token."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(features, 3 * features), nn.Linear(features, features)

    def split(self, x_BTD: Tensor) -> Tensor:
        """Queries, keys and values, float [3, B, H, T, K]."""
        return self.qkv(x_BTD).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def weights(self, x_BTD: Tensor) -> Tensor:
        """How much each token looks at each, float [B, H, T, T]; a row adds up to 1."""
        q, k, _ = self.split(x_BTD)
        return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        y_BTHK = F.scaled_dot_product_attention(*self.split(x_BTD)).transpose(1, 2)
        return self.out(y_BTHK.flatten(2))


def network(features: int) -> nn.Sequential:
    """Two layers that each token goes through alone."""
    wide = nn.Linear(features, 2 * features)
    return nn.Sequential(wide, nn.GELU(), nn.Linear(2 * features, features))


class Data(LightningDataModule):
    """The first `items` training pictures, again and again: an epoch has as many steps whatever
    their number. None takes all.
    """

    def __init__(
        self,
        *,
        name: str = "fashion_mnist",
        size: str = "small",
        items: int | None = None,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.size, self.items = name, size, items
        self.batch_size, self.seed = batch_size, seed

    def setup(self, stage: str | None = None) -> None:
        """Load what training may see."""
        whole = load(self.name, "train", self.size)
        count = len(whole["label"])
        place = torch.arange(count) % min(self.items or count, count)
        self.train = {name: column[place] for name, column in whole.items()}
        self.val = load(self.name, "val", self.size)

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch."""
        return BatchLoader(self.train, self.batch_size, shuffle=True, seed=self.seed)

    def val_dataloader(self) -> BatchLoader:
        """The validation pictures in their own order."""
        size = self.batch_size
        return BatchLoader(self.val, size)


class Classifier(LightningModule):
    """A network of pictures, and how it is trained; pixels come to it with mean 0, deviation 1."""

    def __init__(self, net: nn.Module, lr: float, weight_decay: float) -> None:
        super().__init__()
        self.net, self.lr, self.weight_decay = net, lr, weight_decay
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def scaled(self, image_BCHW: Tensor) -> Tensor:
        """Pixels as the network wants them, float32."""
        return (image_BCHW.float() - self.mean) / self.std

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, classes], of raw pictures: what the lab is graded on."""
        return self.net(self.scaled(batch["image"]))

    def on_fit_start(self) -> None:
        """Take the training pictures' mean and deviation."""
        std, mean = torch.std_mean(self.trainer.datamodule.train["image"].float())
        self.mean.copy_(mean)
        self.std.copy_(std)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = F.cross_entropy(self.predict(batch), batch["label"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=steps, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


# For the networks before --------------------------------------------------------------------------


def unit(
    fan_in: int, fan_out: int, size: int, stride: int = 1, *, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """A convolution without bias, batch norm and, with `act`, a ReLU."""
    conv = nn.Conv2d(fan_in, fan_out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(fan_out), *[nn.ReLU()] * act)


class Parallel(nn.Module):
    """Branches that see the same input; their channels are put one behind the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """All branches' channels."""
        return torch.cat([branch(x_BCHW) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """act(long(x) + short(x)), as in lab 02."""

    def __init__(self, long: nn.Module, short: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.long, self.short, self.act = long, short, act

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The sum of both ways."""
        return self.act(self.long(x_BCHW) + self.short(x_BCHW))


def head(fan_in: int, classes: int) -> list[nn.Module]:
    """From maps to logits: mean over the positions, one linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, classes)]


def small_resnet(channels: int, classes: int) -> nn.Sequential:
    """Lab 02's network, with its 16, 32 and 64 channels."""
    net, fan_in = nn.Sequential(unit(channels, 16, 3, 2)), 16
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        long = nn.Sequential(unit(fan_in, width, 3, stride), unit(width, width, 3, act=False))
        changes = stride > 1 or fan_in != width
        short = unit(fan_in, width, 1, stride, act=False) if changes else nn.Identity()
        net.append(Residual(long, short, nn.ReLU()))
        fan_in = width
    return net.extend(head(fan_in, classes))


def alexnet() -> nn.Sequential:
    """Krizhevsky, Sutskever and Hinton (2012), for pictures of 227 pixels, without its response
    normalisation. Three convolutions see half of the channels each: it was spread over two GPUs.
    """
    net = nn.Sequential()
    rows = [(3, 96, 11, 4, 0, 1), (96, 256, 5, 1, 2, 2), (256, 384, 3, 1, 1, 1)]
    for *row, groups in [*rows, (384, 384, 3, 1, 1, 2), (384, 256, 3, 1, 1, 2)]:
        net.extend([nn.Conv2d(*row, groups=groups), nn.ReLU()])
        if row[1] in {96, 256}:
            net.append(nn.MaxPool2d(3, 2))
    net.append(nn.Flatten())
    for size in (9216, 4096):
        net.extend([nn.Linear(size, 4096), nn.ReLU()])
    return net.append(nn.Linear(4096, 1000))


def resnet50(bottleneck: Callable[[int, int, int], nn.Module]) -> nn.Sequential:
    """He et al. (2016), table 1; each stage but the first halves the sides in its first block."""
    net, fan_in = nn.Sequential(unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)), 64
    for width, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for place in range(count):
            net.append(bottleneck(fan_in, width, 2 if width > 64 and place == 0 else 1))
            fan_in = 4 * width
    return net.extend(head(fan_in, 1000))


class Squeeze(nn.Module):
    """Weigh each channel by what all of them are on average (Hu et al., 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        narrow, wide = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), narrow, nn.SiLU(), wide, nn.Sigmoid())

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The weighed channels."""
        return x_BCHW * self.gate(x_BCHW)


# EfficientNet-B0's stages (Tan and Le, 2019, table 1): channels and repeats, which are scaled, and
# expansion, kernel size and stride of the first block, which stay.
STAGES = [(16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 4), (320, 1)]
KINDS = [(1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 2), (6, 5, 1), (6, 5, 2), (6, 3, 1)]
# Of B0, B1, …: width, depth, side of the pictures.
VERSIONS = [(1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300), (1.4, 1.8, 380)]


def mbconv(fan_in: int, fan_out: int, kind: tuple[int, int, int]) -> nn.Module:
    """Wider by 1 x 1, around in each channel alone, weighed, and narrow again."""
    expansion, size, stride = kind
    wide, long = expansion * fan_in, nn.Sequential()
    if expansion > 1:
        long.extend([unit(fan_in, wide, 1, act=False), nn.SiLU()])
    long.extend([unit(wide, wide, size, stride, groups=wide, act=False), nn.SiLU()])
    long.extend([Squeeze(wide, max(1, fan_in // 4)), unit(wide, fan_out, 1, act=False)])
    if stride > 1 or fan_in != fan_out:
        return long
    return Residual(long, nn.Identity(), nn.Identity())


def efficientnet(number: int, scaled: Callable[..., tuple[int, int]]) -> nn.Sequential:
    """EfficientNet-B0 … B4, of what lab.py's `scaled` makes of each stage."""
    width, depth, _ = VERSIONS[number]
    fan_in, top = (scaled(channels, 1, width, depth)[0] for channels in (32, 1280))
    net = nn.Sequential(unit(3, fan_in, 3, 2, act=False), nn.SiLU())
    for stage, (expansion, size, stride) in zip(STAGES, KINDS, strict=True):
        fan_out, count = scaled(*stage, width, depth)
        for place in range(count):
            net.append(mbconv(fan_in, fan_out, (expansion, size, 1 if place else stride)))
            fan_in = fan_out
    net.extend([unit(fan_in, top, 1, act=False), nn.SiLU()])
    return net.extend(head(top, 1000))


Counted = Callable[[nn.Module, Sequence[int]], int]


def cost(build: Callable[[], nn.Module], size: Sequence[int], counted: Counted) -> tuple[int, int]:
    """Parameters, and what `counted` adds up to over all layers, for one input of this size.

    Nothing is computed: the meta device knows shapes alone.
    """
    total = 0

    def hook(layer: nn.Module, _: Any, out: Any) -> None:
        nonlocal total
        if isinstance(out, Tensor) and not list(layer.children()):
            total += counted(layer, tuple(out.shape))

    with torch.device("meta"):
        net = build()
        for layer in net.modules():
            layer.register_forward_hook(hook)
        net.eval()(torch.empty(1, *size))
    return sum(math.prod(p.shape) for p in net.parameters()), total

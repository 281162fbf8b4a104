"""Handed out with lab 27: views of pictures, an encoder, and batches that hold no labels."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Generator, Tensor, nn

from dllab.data import BatchLoader
from dllab.data.module import SplitData

WHITE = 16  # the digits' pixels are from 0 to 16


class LabelReadError(RuntimeError):
    """Pre-training asked for a label."""


class Unlabelled(dict[str, Tensor]):
    """A batch without labels, which says so to who asks for one."""

    def __missing__(self, key: str) -> Tensor:
        """Refuse what is not there."""
        raise LabelReadError(f"pre-training reads no {key!r}: a batch holds {sorted(self)} alone")


class Data(SplitData):
    """Pictures alone: the labels of both splits are dropped as soon as they are loaded."""

    def setup(self, stage: str | None = None) -> None:
        """Load the pictures of both splits, uint8 [N, 1, 8, 8]."""
        super().setup(stage)
        self.train = {"image": self.train["image"]}
        self.val = {"image": self.val["image"]}

    def train_dataloader(self) -> BatchLoader:
        """Whole batches in a new order each epoch: each view is to have as many others."""
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, drop_last=True
        )


def pixels(image: Tensor) -> Tensor:
    """The pixels of uint8 pictures as float32 from 0 to 1."""
    return image.float() / WHITE


def draw(size: int, low: float, high: float, rng: Generator) -> Tensor:
    """Draw float32 [size] from [low, high), on the generator's device."""
    return low + (high - low) * torch.rand(size, generator=rng, device=rng.device)


def look(image_BCHW: Tensor, strength: float, flip: bool, rng: Generator) -> Tensor:
    """A view of each picture: part of it, turned, in another light; half are mirrored with `flip`.

    At strength 1 a view shows half of the picture or more, turned by at most 0.2 in radians; at 0
    it is the picture itself.
    """
    B = len(image_BCHW)
    least = max(0.1, 1 - 0.5 * strength)
    angle_B = draw(B, -0.2 * strength, 0.2 * strength, rng)
    side_B = draw(B, least, 1.0, rng).sqrt()
    x_B, y_B = ((1 - side_B) * draw(B, -1.0, 1.0, rng) for _ in range(2))
    mirror_B = torch.where(draw(B, 0.0, 1.0, rng) < 0.5 * flip, -1.0, 1.0)
    cos_B, sin_B = angle_B.cos() * side_B, angle_B.sin() * side_B
    rows = (
        torch.stack([cos_B * mirror_B, -sin_B, x_B], 1),
        torch.stack([sin_B * mirror_B, cos_B, y_B], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(image_BCHW.shape), align_corners=False)
    seen = F.grid_sample(image_BCHW, grid, align_corners=False)
    light_B = draw(B, 1 - 0.4 * strength, 1 + 0.4 * strength, rng)
    return (seen * light_B[:, None, None, None]).clamp(0, 1)


class Encoder(nn.Module):
    """Three convolutions, then the mean over all places: 4 · width features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [(1, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 1)]
        body: list[nn.Module] = []
        for fan_in, fan_out, stride in sizes:
            conv = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)
            body += [conv, nn.GroupNorm(8, fan_out), nn.ReLU()]
        self.body = nn.Sequential(*body)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Features, float32 [B, 4 · width], of float pictures."""
        return self.body(image_BCHW).mean(dim=(2, 3))


def make_head(pretext: str, features: int) -> nn.Module:
    """What stands on the encoder in pre-training, and is thrown away: it answers the pretext task.

    contrast: a projection to 64 numbers; turn: four logits; mask: the 64 pixels of a picture.
    """
    if pretext == "turn":
        return nn.Linear(features, 4)
    return nn.Sequential(nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 64))


class Pretraining(LightningModule):
    """Trains whatever `loss(batch, rng)` says, and logs it over the validation pictures."""

    def __init__(self, *, lr: float, weight_decay: float) -> None:
        super().__init__()
        self.lr, self.weight_decay = lr, weight_decay

    def loss(self, batch: Unlabelled, rng: Generator) -> Tensor:
        """What training makes small, float32 []."""
        raise NotImplementedError

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch, whose views are drawn anew."""
        rank, step = self.global_rank, self.trainer.global_step
        seed = (torch.initial_seed() * 1_000_003 + rank) * 1_000_003 + step
        loss = self.loss(Unlabelled(batch), Generator(self.device).manual_seed(seed % 2**63))
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, its rate on one cycle over the training."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, steps, pct_start=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def spread(h_ND: Tensor) -> Tensor:
    """The deviation of features of length 1, float32 []: 0 is a collapse, 1/√D an even sphere.

    It is what Chen and He (2021) watch. The effective rank asks how many directions vary, not how
    much.
    """
    return F.normalize(h_ND, dim=1).std(dim=0).mean()


def patch_grid(chosen_BP: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """From bool [B, P], one for each patch in reading order, to its pixels, bool [B, 1, H, W]."""
    H, W = size
    grid = chosen_BP.view(-1, 1, H // patch, W // patch)
    return grid.repeat_interleave(patch, 2).repeat_interleave(patch, 3)


def whole_patches(size: tuple[int, int], patch: int) -> int:
    """How many patches a picture has; its sides must be multiples of `patch`."""
    H, W = size
    if H % patch or W % patch:
        raise ValueError(f"pictures of {H} x {W} pixels have no whole patches of {patch} x {patch}")
    return math.prod((H // patch, W // patch))

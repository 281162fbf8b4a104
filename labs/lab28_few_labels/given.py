"""Handed out with lab 28: a network for pictures of 8 by 8 pixels, two ways to look at them, a
classifier that learns in a moment, and words that tell how a review is meant.
"""

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Generator, Tensor, nn

Batch = dict[str, Tensor]
WHITE = 16  # the digits' pixels are from 0 to 16
KEYWORDS = (  # a labelling function each: its class, and the words that make it vote
    (1, ("love", "perfect", "great", "favorite")),
    (1, ("comfortable", "flattering", "compliments", "soft")),
    (0, ("return", "returned", "returning", "back")),
    (0, ("disappointed", "unfortunately", "cheap", "poor")),
    (0, ("huge", "weird", "itchy", "shapeless")),
)


def pixels(image: Tensor, white: float = WHITE) -> Tensor:
    """The pixels of uint8 pictures as float32 from 0 to 1."""
    return image.float() / white


def draw(size: int, low: float, high: float, rng: Generator) -> Tensor:
    """Draw float32 [size] from [low, high), on the generator's device."""
    return low + (high - low) * torch.rand(size, generator=rng, device=rng.device)


def moved(image_BCHW: Tensor, turn: float, zoom: float, shift: float, rng: Generator) -> Tensor:
    """Each picture turned, enlarged and shifted by amounts of its own, at most these."""
    B = len(image_BCHW)
    angle_B = draw(B, -turn, turn, rng)
    size_B = draw(B, -zoom, zoom, rng).exp()
    x_B, y_B = draw(B, -shift, shift, rng), draw(B, -shift, shift, rng)
    cos_B, sin_B = angle_B.cos() * size_B, angle_B.sin() * size_B
    rows = torch.stack([cos_B, -sin_B, x_B], 1), torch.stack([sin_B, cos_B, y_B], 1)
    grid = F.affine_grid(torch.stack(rows, 1), list(image_BCHW.shape), align_corners=False)
    return F.grid_sample(image_BCHW, grid, align_corners=False)


def weak_view(image_BCHW: Tensor, rng: Generator) -> Tensor:
    """A look that changes little: shifted by at most half a pixel, turned by at most 3 degrees."""
    return moved(image_BCHW, 0.05, 0.03, 0.125, rng)


def strong_view(image_BCHW: Tensor, rng: Generator) -> Tensor:
    """A look that changes much: turned, enlarged, shifted, in other contrast, a box covered."""
    B = len(image_BCHW)
    image_BCHW = moved(image_BCHW, 0.35, 0.15, 0.25, rng)
    image_BCHW = image_BCHW * draw(B, 0.6, 1.2, rng)[:, None, None, None]
    sides = []
    for length in image_BCHW.shape[2:]:  # the box has three eighths of either side
        place, begin_B1 = torch.arange(length, device=rng.device), draw(B, 0, 0.7, rng)[:, None]
        sides.append((place >= begin_B1 * length) & (place < begin_B1 * length + 0.375 * length))
    box_BHW = sides[0][:, :, None] & sides[1][:, None, :]
    return image_BCHW.masked_fill(box_BHW[:, None], 0.0)


def fit_linear(x_ND: Tensor, target_NC: Tensor, ridge: float = 1.0) -> Tensor:
    """The weights [D + 1, C] of least squares with a ridge, the last row being the bias."""
    one_ND = F.pad(x_ND, (0, 1), value=1.0)
    gram = one_ND.T @ one_ND + ridge * torch.eye(one_ND.shape[1], dtype=x_ND.dtype)
    return torch.linalg.solve(gram, one_ND.T @ target_NC)


def ask_linear(weight_DC: Tensor, x_ND: Tensor) -> Tensor:
    """Its probabilities of the classes, [N, C]: softmax(6 · what least squares says)."""
    return (6 * (F.pad(x_ND, (0, 1), value=1.0) @ weight_DC)).softmax(dim=1)


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        conv = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
        norm = [nn.GroupNorm(8, width) for _ in range(2)]
        self.body = nn.Sequential(norm[0], nn.ReLU(), conv[0], norm[1], nn.ReLU(), conv[1])

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] in and out."""
        return x + self.body(x)


class Classifier(LightningModule):
    """Three convolutions with group norm, a mean over places, and a linear layer.

    Pictures have `channels` of pixels from 0 to `white`. With `blocks` each of three stages adds so
    many residual blocks: width 32 and 4 blocks make a wide residual network of 28 layers.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        classes: int = 10,
        channels: int = 1,
        white: float = WHITE,
        blocks: int = 0,
        lr: float = 0.003,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__()
        self.classes, self.white = classes, white
        self.lr, self.weight_decay = lr, weight_decay
        sizes = [(channels, width, 1), (width, 2 * width, 2), (2 * width, 2 * width, 2)]
        body: list[nn.Module] = []
        for fan_in, fan_out, stride in sizes:
            conv = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)
            body += [conv, nn.GroupNorm(8, fan_out), nn.ReLU()]
            body += [Residual(fan_out) for _ in range(blocks)]
        head = nn.Linear(8 * width, classes)
        self.net = nn.Sequential(*body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), head)

    def pixels(self, image: Tensor) -> Tensor:
        """The pixels of uint8 pictures as float32 from 0 to 1."""
        return pixels(image, self.white)

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, classes], of float pictures [B, channels, H, W]."""
        return self.net(image)

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, classes], of a batch of raw items: what the lab is graded on."""
        return self(self.pixels(batch["image"]))

    def generator(self) -> Generator:
        """A generator on the model's device, its seed made of the run's, the rank and the step."""
        rank, step = self.global_rank, self.trainer.global_step
        seed = (torch.initial_seed() * 1_000_003 + rank) * 1_000_003 + step
        return Generator(self.device).manual_seed(seed % 2**63)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, its rate on one cycle over the training."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, steps)
        schedule = {"scheduler": cycle, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self.predict(batch), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)

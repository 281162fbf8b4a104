"""Lab 02: a residual network, from the convolution to the schedule that trains it.

Work through the TODOs from top to bottom. `pytest labs/lab02_cnn` checks them, `dllab hint 02 TASK`
helps, `dllab train 02` trains the network and grades the run.

Shapes stand in the names: B images, C channels, H rows, W columns; `x_BCHW` is [B, C, H, W].
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, load


def conv2d(
    x_BCHW: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """Slide `weight` [O, C, K, L] over the images [B, C, H, W]: float32 [B, O, H', W'].

    Each output is the inner product of a filter with the patch it covers, plus the filter's bias
    [O]. H' = (H + 2·padding - K) // stride + 1, and W' likewise with L. F.conv2d must agree.
    """
    # BEGIN SOLUTION conv2d: return all inner products, [B, O, H', W'].
    # F.unfold makes a column of every patch, [B, C·K·L, H'·W']; a matrix product does the rest. You
    # may call anything but PyTorch's own convolutions. Images and filters may be oblong.
    _, _, K, L = weight.shape
    patches = F.unfold(x_BCHW, (K, L), padding=padding, stride=stride)
    y = weight.flatten(1) @ patches
    if bias is not None:
        y = y + bias[:, None]
    return y.unflatten(2, ((x_BCHW.shape[2] + 2 * padding - K) // stride + 1, -1))
    # END SOLUTION


class UnfoldConv2d(nn.Conv2d):
    """An nn.Conv2d that computes with your `conv2d`."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Convolve float32 [B, C, H, W]."""
        return conv2d(x_BCHW, self.weight, self.bias, self.stride[0], self.padding[0])


class BatchNorm2d(nn.Module):
    """Batch normalisation (Ioffe & Szegedy, 2015): every channel to mean 0 and variance 1.

    In training mode by the statistics of the batch, which the layer also remembers as running
    averages; in evaluation mode by those averages, so that an image is never judged by its company.
    """

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def batch_statistics(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel, float32 [C] each."""
        # BEGIN SOLUTION batch-statistics: return mean and variance, [C] each.
        # Both run over batch, rows and columns. The variance divides by their number, not one less.
        return x_BCHW.mean(dim=(0, 2, 3)), x_BCHW.var(dim=(0, 2, 3), correction=0)
        # END SOLUTION

    @torch.no_grad()
    def remember(self, mean_C: Tensor, var_C: Tensor, count: int) -> None:
        """Take a batch's statistics, over `count` numbers a channel, into the running averages."""
        mean_C, var_C = mean_C.float(), var_C.float()  # mixed precision has them in 16 bits
        # BEGIN SOLUTION running-statistics: update both running buffers in place.
        # running ← (1 - momentum) · running + momentum · new. The new variance is the estimate for
        # unseen data, so it is corrected by count / (count - 1).
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(var_C * count / (count - 1), self.momentum)
        # END SOLUTION

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise, then scale by `weight` and shift by `bias`; the shape stays."""
        # BEGIN SOLUTION batch-norm: return the normalised images, [B, C, H, W].
        # self.training tells the mode: batch statistics, which you also remember (their count is
        # that of the numbers in a channel, B·H·W), or the running ones.
        # y = (x - mean) / √(var + eps) · weight + bias, each [C] along dimension 1.
        mean_C, var_C = self.running_mean, self.running_var
        if self.training:
            mean_C, var_C = self.batch_statistics(x_BCHW)
            self.remember(mean_C, var_C, x_BCHW.numel() // len(mean_C))
        scale_C = self.weight / (var_C + self.eps).sqrt()
        shift_C = self.bias - mean_C * scale_C
        return x_BCHW * scale_C[:, None, None] + shift_C[:, None, None]
        # END SOLUTION


def conv(fan_in: int, fan_out: int, size: int, stride: int) -> nn.Conv2d:
    """A convolution without bias (the batch norm behind it has one) that keeps H and W at stride 1.

    It is PyTorch's own: the same function as yours, with kernels several times as fast.
    """
    return nn.Conv2d(fan_in, fan_out, size, stride, padding=size // 2, bias=False)


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + norm2(conv2(relu(norm1(conv1(x)))))), after He et al. (2016).

    The first convolution has the stride and changes the number of channels.
    """

    def __init__(self, fan_in: int, fan_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(fan_in, fan_out, 3, stride), BatchNorm2d(fan_out)
        self.conv2, self.norm2 = conv(fan_out, fan_out, 3, 1), BatchNorm2d(fan_out)
        # BEGIN SOLUTION shortcut: set self.shortcut, a module.
        # nn.Identity() where the block keeps the shape. Else a 1 x 1 conv with the block's stride,
        # then a BatchNorm2d: the sum needs two summands of one shape.
        self.shortcut = nn.Identity()
        if stride != 1 or fan_in != fan_out:
            self.shortcut = nn.Sequential(conv(fan_in, fan_out, 1, stride), BatchNorm2d(fan_out))
        # END SOLUTION

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, fan_in, H, W] to [B, fan_out, H / stride, W / stride]."""
        # BEGIN SOLUTION residual: return the block's output.
        # The formula is in the docstring of the class. Mind which ReLU comes after the sum.
        y_BCHW = F.relu(self.norm1(self.conv1(x_BCHW)))
        y_BCHW = self.norm2(self.conv2(y_BCHW))
        return F.relu(y_BCHW + self.shortcut(x_BCHW))
        # END SOLUTION


def shift(image_BCHW: Tensor, most: int = 1) -> Tensor:
    """Move each image by up to `most` pixels, down or up and right or left; black moves in.

    Every image draws its own two offsets. dtype and shape stay.
    """
    # BEGIN SOLUTION shift: return the moved images, [B, C, H, W].
    # Pad by `most` on all sides: a window of the old size then has 2·most + 1 places to begin at
    # in each direction. Draw a row and a column for each image, anew in each call; no loop is
    # needed, tensor.unfold(dim, size, 1) views all windows along a dimension.
    B, _, H, W = image_BCHW.shape
    windows = F.pad(image_BCHW, [most] * 4).unfold(2, H, 1).unfold(3, W, 1)
    top_B, left_B = torch.randint(2 * most + 1, (2, B), device=image_BCHW.device)
    return windows[torch.arange(B), :, top_B, left_B]
    # END SOLUTION


def mirror(image_BCHW: Tensor) -> Tensor:
    """Swap left and right in about half of the images; each image draws for itself."""
    # BEGIN SOLUTION mirror: return the images, half of them mirrored.
    # Toss a coin for each image, anew in each call. The images that are handed in stay as they are.
    coin_B = torch.rand(len(image_BCHW), device=image_BCHW.device) < 0.5
    return torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW)
    # END SOLUTION


def augment(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Another look at the same things: the images shifted and mirrored, the labels as they were."""
    return {**batch, "image": mirror(shift(batch["image"]))}


class Data(LightningDataModule):
    """Fashion-MNIST: augmented batches to learn from, plain ones to be judged by.

    `load` is a parameter so that a test can bring its own small splits.
    """

    def __init__(
        self,
        *,
        name: str = "fashion_mnist",
        size: str = "small",
        batch_size: int = 128,
        seed: int = 0,
        load: Callable[..., dict[str, Tensor]] = load,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.seed = batch_size, seed
        self.load = load

    def setup(self, stage: str | None = None) -> None:
        """Load the two splits that training may see, uint8 images and int64 labels."""
        # BEGIN SOLUTION splits: set self.train and self.val.
        # self.load(self.name, SPLIT, self.size) knows "train", "val" and "test". What is kept in
        # the end is the checkpoint that does best on self.val: a choice, so a part of training.
        self.train = self.load(self.name, "train", self.size)
        self.val = self.load(self.name, "val", self.size)
        # END SOLUTION

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch."""
        # BEGIN SOLUTION train-loader: return a BatchLoader of self.train.
        # It takes the tensors, self.batch_size, shuffle=, seed= (self.seed) and transform=, a
        # function from batch to batch.
        return BatchLoader(
            self.train, self.batch_size, shuffle=True, seed=self.seed, transform=augment
        )
        # END SOLUTION

    def val_dataloader(self) -> BatchLoader:
        """The validation images in their own order, as they are."""
        # BEGIN SOLUTION val-loader: return a BatchLoader of self.val.
        # In batches of self.batch_size; the same images in the same order, each time.
        return BatchLoader(self.val, self.batch_size)
        # END SOLUTION


def one_cycle(step: int, steps: int, warmup: float = 0.3) -> float:
    """The share of the peak learning rate at `step` of `steps`, two half cosines.

    It climbs from 1/25 at step 0 to 1 at step warmup·steps, then falls to 1e-4 at the last,
    steps. Between a and b, with p from 0 to 1: a + (b - a) · (1 - cos πp) / 2. One cycle is from
    Smith (2018); this form of two phases is fastai's, and that of PyTorch's OneCycleLR.
    """
    # BEGIN SOLUTION one-cycle: return the factor of this step, a float.
    peak = warmup * steps
    if step < peak:
        start, end, p = 1 / 25, 1.0, step / peak
    else:
        start, end, p = 1.0, 1e-4, (step - peak) / (steps - peak)
    return start + (end - start) * (1 - math.cos(math.pi * p)) / 2
    # END SOLUTION


class Model(LightningModule):
    """Stem → ReLU → one residual block a width → mean over the positions → logits.

    The stem, your own convolution, and each block after the first halve the image's sides.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (16, 32, 64),
        classes: int = 10,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
    ) -> None:
        super().__init__()
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        first, last = widths[0], widths[-1]
        self.net = nn.Sequential(
            UnfoldConv2d(1, first, 3, stride=2, padding=1, bias=False),
            BatchNorm2d(first),
            nn.ReLU(),
            ResidualBlock(first, first),
            *(ResidualBlock(fan_in, fan_out, 2) for fan_in, fan_out in pairwise(widths)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, classes),
        )
        # Buffers are saved with the weights: whoever loads them can predict, without any data.
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """The logits, float32 [B, classes], of uint8 images [B, 1, H, W]."""
        return self.net((image_BCHW.float() - self.mean) / self.std)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, classes], of a batch of raw items: what the lab is graded on."""
        return self(batch["image"])

    def configure_optimizers(self) -> dict[str, Any]:
        """Gradient descent with Nesterov momentum, its rate on one cycle over the training."""
        optimizer = torch.optim.SGD(
            self.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=True
        )
        steps = int(self.trainer.estimated_stepping_batches)
        # BEGIN SOLUTION schedule: return the optimizer with its schedule.
        # torch.optim.lr_scheduler.LambdaLR multiplies the rate by a function of the step. Lightning
        # wants {"optimizer": …, "lr_scheduler": {"scheduler": …, "interval": …}} and moves the
        # schedule once an epoch unless the interval says otherwise.
        cycle = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
        # END SOLUTION

    def on_fit_start(self) -> None:
        """Take the training images' mean and deviation into the model's buffers."""
        std, mean = torch.std_mean(self.trainer.datamodule.train["image"].float())
        self.mean.copy_(mean)
        self.std.copy_(std)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch, float32 []; Lightning differentiates it and moves the weights."""
        loss = F.cross_entropy(self(batch["image"]), batch["label"])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss` and `val/accuracy` over the whole split."""
        logits_BC, label_B = self(batch["image"]), batch["label"]
        hits_B = (logits_BC.argmax(dim=1) == label_B).float()
        curves = {"val/loss": F.cross_entropy(logits_BC, label_B), "val/accuracy": hits_B.mean()}
        self.log_dict(curves, batch_size=len(label_B), sync_dist=True)

"""Lab 01: a multilayer perceptron, from the first weight to its macro-F1.

Work through the TODOs from top to bottom. `pytest labs/lab01_mlp` checks them, `dllab hint 01 TASK`
helps, `dllab train 01` trains the network and grades the run.

Shapes stand in the names: B items in a batch, F features (pixels), C classes; `x_BF` is [B, F].
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, load


class Linear(nn.Module):
    """A linear layer, `y = x Wᵀ + b`, initialised for ReLU networks (He et al., 2015).

    `weight` is a float32 parameter [fan_out, fan_in], `bias` one of [fan_out].
    """

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        # TODO he-init: set self.weight and self.bias.
        # Both are nn.Parameters, [fan_out, fan_in] and [fan_out]. The weights are drawn from a
        # normal distribution with mean 0 and variance 2 / fan_in; the biases start at 0.
        raise NotImplementedError("TODO he-init: set self.weight and self.bias.")

    def forward(self, x: Tensor) -> Tensor:
        """Map `x`, float32 [B, fan_in], to float32 [B, fan_out]."""
        # TODO linear: return x Wᵀ + b, float32 [B, fan_out].
        raise NotImplementedError("TODO linear: return x Wᵀ + b, float32 [B, fan_out].")


def log_softmax(logits_BC: Tensor) -> Tensor:
    """The logarithm of the softmax over the classes, float32 [B, C], finite for any finite logits.

    log softmax(z)_c = z_c - log Σ_k exp(z_k), and nothing changes when a constant is taken off z.
    """
    # TODO log-softmax: return log softmax of each row, [B, C].
    # exp(89) is already inf in float32, so take each row's largest logit off first.
    raise NotImplementedError("TODO log-softmax: return log softmax of each row, [B, C].")


def cross_entropy(logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """The mean over the batch of -log p(label), float32 []. `label_B` is int64 in [0, C)."""
    # TODO cross-entropy: return the loss of the batch, float32 [].
    # It is the mean of -log_softmax at the labels.
    raise NotImplementedError("TODO cross-entropy: return the loss of the batch, float32 [].")


def pixel_statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every pixel over N images, uint8 [N, 1, H, W].

    Returns two float32 tensors [F], F = H·W. No deviation is below 1 grey level, so that a pixel
    which is the same in all images can be divided by it.
    """
    # TODO pixel-statistics: return mean and std, float32 [F] each.
    # Both run over the images. A deviation below 1 becomes 1. Mind the dtype: uint8 has no mean.
    raise NotImplementedError("TODO pixel-statistics: return mean and std, float32 [F] each.")


def confusion_matrix(logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Count how often class t was taken for class p: int64 [C, C], row t, column p."""
    # TODO confusion-matrix: count the pairs (t, p), int64 [C, C].
    # The predicted class p has the largest logit. No loop is needed: number the pairs.
    raise NotImplementedError("TODO confusion-matrix: count the pairs (t, p), int64 [C, C].")


def accuracy(confusion_CC: Tensor) -> Tensor:
    """The share of items on the diagonal, float32 []."""
    # TODO accuracy-score: return correct items / all items, float32 [].
    raise NotImplementedError("TODO accuracy-score: return correct items / all items, float32 [].")


def macro_f1(confusion_CC: Tensor) -> Tensor:
    """The mean over the classes of F1 = 2 TP / (2 TP + FP + FN), float32 [].

    Every class counts the same, however rare. A class that neither occurs nor is predicted has no
    F1 and is left out of the mean.
    """
    # TODO macro-f1-score: return the mean F1, float32 [].
    # The mean runs over the classes that occur or are predicted. For class c, TP is on the
    # diagonal, TP + FN is the sum of row c, and TP + FP that of column c.
    raise NotImplementedError("TODO macro-f1-score: return the mean F1, float32 [].")


class Data(LightningDataModule):
    """Fashion-MNIST in shuffled batches, and the statistics that standardise its pixels.

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
        """Load both splits, uint8 images and int64 labels, and fit `mean` and `std`, [F] each."""
        self.train = self.load(self.name, "train", self.size)
        self.val = self.load(self.name, "val", self.size)
        # TODO standardize: set self.mean and self.std, [F] each.
        # pixel_statistics finds them, but over which images? The validation split stands for data
        # that nobody has seen yet.
        raise NotImplementedError("TODO standardize: set self.mean and self.std, [F] each.")

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch."""
        return BatchLoader(self.train, self.batch_size, shuffle=True, seed=self.seed)

    def val_dataloader(self) -> BatchLoader:
        """Batches in the order of the split."""
        return BatchLoader(self.val, self.batch_size, shuffle=False)


class Model(LightningModule):
    """Pixels, standardised → (Linear → ReLU → Dropout) for each hidden size → Linear → logits."""

    def __init__(
        self,
        *,
        features: int = 784,
        hidden: Sequence[int] = (256, 128),
        classes: int = 10,
        dropout: float = 0.3,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # training_step moves the weights itself
        self.lr, self.weight_decay = lr, weight_decay
        # Buffers are saved with the weights: whoever loads them can predict, without any data.
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.register_buffer("confusion", torch.zeros(classes, classes).long(), persistent=False)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([features, *hidden]):
            layers += [Linear(fan_in, fan_out), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*layers, Linear([features, *hidden][-1], classes))

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, C], of uint8 images [B, 1, H, W]."""
        # TODO forward: return the logits, float32 [B, C].
        # Flatten the images, standardise the pixels by self.mean and self.std, apply self.net. The
        # logits stay raw: the loss takes the softmax.
        raise NotImplementedError("TODO forward: return the logits, float32 [B, C].")

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on."""
        return self(batch["image"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The rule that moves the weights along their gradients."""
        # TODO optimizer: return a torch.optim.AdamW.
        # It moves all parameters of the model, with self.lr and self.weight_decay.
        raise NotImplementedError("TODO optimizer: return a torch.optim.AdamW.")

    def on_fit_start(self) -> None:
        """Take the statistics that Data has fitted into the model's buffers."""
        self.mean.copy_(self.trainer.datamodule.mean)
        self.std.copy_(self.trainer.datamodule.std)

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Lower the rate along a line, from `lr` at the first step to 0 behind the last."""
        left = 1 - self.trainer.global_step / self.trainer.estimated_stepping_batches
        for group in self.optimizers(use_pl_optimizer=False).param_groups:
            group["lr"] = left * group.setdefault("initial_lr", group["lr"])

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Take one step of gradient descent on a batch and log its loss as `train/loss`."""
        optimizer = self.optimizers()
        # TODO training-step: set loss [] and move the weights one step.
        # Gradients add up in .grad until you clear them. Where plain PyTorch says loss.backward(),
        # Lightning says self.manual_backward(loss), which also serves several devices.
        raise NotImplementedError("TODO training-step: set loss [] and move the weights one step.")
        self.log("train/loss", loss)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log `val/loss` and add the batch to the confusion matrix.

        Counts may be summed over batches; F1 scores of batches may not be averaged.
        """
        logits_BC, label_B = self(batch["image"]), batch["label"]
        loss = cross_entropy(logits_BC, label_B)
        self.log("val/loss", loss, batch_size=len(label_B), sync_dist=True)
        self.confusion += confusion_matrix(logits_BC, label_B)

    def on_validation_epoch_end(self) -> None:
        """Log `val/accuracy` and `val/macro_f1` of the whole split, over all devices."""
        total_CC = self.trainer.strategy.reduce(self.confusion, reduce_op="sum")
        self.log("val/accuracy", accuracy(total_CC), sync_dist=True)
        self.log("val/macro_f1", macro_f1(total_CC), sync_dist=True)
        self.confusion.zero_()

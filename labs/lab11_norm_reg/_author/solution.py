"""Lab 11: what keeps a network steady, and what keeps it from learning 500 pictures by heart.

Work through the TODOs from top to bottom. `pytest labs/lab11_norm_reg` checks them, `dllab hint 11
TASK` helps, `dllab train 11` trains on 50 pictures of each class and grades the run.

What is derived by hand comes in two halves. The first returns its result, and with it what the
second will need. The second gets g, the gradient of the loss with respect to the result, and all
that the first returned; it returns the gradient with respect to the input. `by_hand` joins them.
B is items in a batch, C channels or classes, F features; * is any number of dimensions.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Case

from .given import Batch, FewLabels, Watched, by_hand

Data = FewLabels

# 1. Tests first -----------------------------------------------------------------------------------


def cases() -> list[Case]:
    """Tests of `group_norm` (see 2), as data: before you write it, say how a wrong one is found."""
    # BEGIN SOLUTION cases: return at most six cases that find wrong norms.
    # Case(given, expected, atol=…, rtol=…): given is {"x": float32 [B, C, T], "groups": int64 [],
    # "weight": float32 [C], "bias": float32 [C], "eps": float32 []}, expected is y, float32
    # [B, C, T]. F.group_norm may compute what is expected; to think of the inputs is the task. The
    # mistakes show at unusual sizes and values. Right norms must pass, and each rounds in its own
    # way: allow atol=0.01 and rtol=0.01, and keep inputs below 100,000.
    rows = torch.tensor([[1.0, 5.0, 3.0], [2.0, 2.0, 8.0], [0.0, 7.0, 1.0]])
    six = torch.cat([rows, 3 * rows])[None]
    tried = [
        (torch.cat([six, -six]), 3, 1e-5),  # C / groups is not groups
        (six, 2, 1.0),  # eps is not negligible
        (six / 1000, 2, 1e-5),  # the variance is about eps
        (six + 30_000, 3, 1e-5),  # the spread is far below the mean
        (torch.full((1, 4, 3), 2.0), 2, 1e-5),  # all numbers are the same
    ]
    found = []
    for x, groups, eps in tried:
        weight = torch.arange(1.0, x.shape[1] + 1)
        right = F.group_norm(x.double(), groups, weight.double(), -weight.double(), eps).float()
        given = {"x": x, "groups": torch.tensor(groups), "weight": weight, "bias": -weight}
        found.append(Case({**given, "eps": torch.tensor(eps)}, right, atol=0.01, rtol=0.01))
    return found
    # END SOLUTION


# 2. Norms -----------------------------------------------------------------------------------------


def standardize(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Shift and scale each row of x, float [*, F], to mean 0 and variance 1 (Ba et al., 2016)."""
    # BEGIN SOLUTION standardize: return y [*, F] and r [*, 1].
    # r = 1 / √(var + eps), y = (x - mean) · r. Mean and variance run over the last dimension; the
    # variance divides by F, not by F - 1.
    centred = x - x.mean(-1, keepdim=True)
    r = (centred.square().mean(-1, keepdim=True) + eps).rsqrt()
    return centred * r, r
    # END SOLUTION


def standardize_backward(g: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """The gradient with respect to x, [*, F], from that with respect to y; without autograd."""
    # BEGIN SOLUTION standardize-backward: return the gradient for x, [*, F].
    # A number moves its own y, and through mean and variance all others of its row. The page
    # derives what comes of it: g, less two means over the row, times r.
    common = g.mean(-1, keepdim=True)
    along = (g * y).mean(-1, keepdim=True)
    return r * (g - common - y * along)
    # END SOLUTION


def rms(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Scale each row of x, float [*, F], to mean square 1 (Zhang and Sennrich, 2019)."""
    # BEGIN SOLUTION rms: return y [*, F] and r [*, 1].
    # r = 1 / √(mean of x² + eps), y = x · r. No mean is subtracted.
    r = (x.square().mean(-1, keepdim=True) + eps).rsqrt()
    return x * r, r
    # END SOLUTION


def rms_backward(g: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """The gradient with respect to x, [*, F], from that with respect to y; without autograd."""
    # BEGIN SOLUTION rms-backward: return the gradient for x, [*, F].
    # As before, but there is no mean through which a number could move the others.
    return r * (g - y * (g * y).mean(-1, keepdim=True))
    # END SOLUTION


standardized = by_hand(standardize, standardize_backward)
root_mean_square = by_hand(rms, rms_backward)


def group_norm(x: Tensor, groups: int, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
    """Standardise each item's groups of channels, then scale and shift (Wu and He, 2018).

    x is float [B, C, *]. A group is C / groups channels that stand side by side, with all their
    places; each has a mean and a variance of its own.
    """
    # BEGIN SOLUTION group-norm: return y · weight + bias, float [B, C, *].
    # standardized(…, eps) standardises rows: make each group a row, and turn it back afterwards.
    # weight and bias, [C], belong to channels, not to groups. * may be empty: x is [B, C] then.
    y = standardized(x.reshape(len(x), groups, -1), eps).reshape(x.shape)
    per_channel = [-1] + [1] * (x.dim() - 2)
    return y * weight_C.view(per_channel) + bias_C.view(per_channel)
    # END SOLUTION


class Norm(nn.Module):
    """One of three norms, of float [B, F]; then each feature gets a weight, and a bias."""

    def __init__(self, kind: str, features: int, groups: int) -> None:
        super().__init__()
        self.kind, self.groups, self.eps = kind, groups, 1e-5
        self.weight = nn.Parameter(torch.ones(features))
        if kind != "rms":  # which goes without, as it goes without the mean
            self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        if self.kind == "rms":
            return root_mean_square(x_BF, self.eps) * self.weight
        if self.kind == "group":
            return group_norm(x_BF, self.groups, self.weight, self.bias, self.eps)
        return standardized(x_BF, self.eps) * self.weight + self.bias


# 3. Noise -----------------------------------------------------------------------------------------


def dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """In training, set each number to 0 with probability p, 0 ≤ p < 1 (Srivastava et al., 2014)."""
    # BEGIN SOLUTION dropout: return x, in training with numbers dropped.
    # Every number draws for itself, anew in each call. What stays is divided by 1 - p, so that the
    # expected value is x, and nothing is left to do when training is over.
    if not training:
        return x
    return x * (torch.rand_like(x) >= p) / (1 - p)
    # END SOLUTION


def drop_path(x: Tensor, p: float, *, training: bool) -> Tensor:
    """In training, set whole items of float [B, *] to 0 with probability p (Huang et al., 2016)."""
    # BEGIN SOLUTION drop-path: return x, in training with items dropped.
    # As dropout, but all numbers of an item are dropped together: draw one number an item.
    if not training:
        return x
    keep = torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device) >= p
    return x * keep / (1 - p)
    # END SOLUTION


class Block(nn.Module):
    """x + drop_path(outer(dropout(relu(inner(norm(x))))))."""

    def __init__(self, features: int, norm: nn.Module, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm = norm
        self.inner, self.outer = nn.Linear(features, features), nn.Linear(features, features)
        self.dropout, self.drop_path = dropout, drop_path

    def forward(self, x_BF: Tensor) -> Tensor:
        """Map float [B, F] to float [B, F]."""
        # BEGIN SOLUTION block: return the block's output, float [B, F].
        # The formula is in the docstring of the class, your functions are dropout and drop_path;
        # self.training tells the mode.
        y_BF = self.inner(self.norm(x_BF)).relu()
        y_BF = self.outer(dropout(y_BF, self.dropout, training=self.training))
        return x_BF + drop_path(y_BF, self.drop_path, training=self.training)
        # END SOLUTION


# 4. Loss and weights ------------------------------------------------------------------------------


def smooth_loss(
    logits_BC: Tensor, label_B: Tensor, smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy with labels that are a little unsure (Szegedy et al., 2016)."""
    # BEGIN SOLUTION smoothing: return the loss [], p and the targets, [B, C] each.
    # p is softmax(logits). A target is 1 - smoothing at the label, and smoothing / C is added
    # everywhere, there too. The loss is the mean over the batch of -Σ target · log p, the sum over
    # classes. F.log_softmax stays finite where log does not.
    C = logits_BC.shape[1]
    target_BC = (1 - smoothing) * F.one_hot(label_B, C).to(logits_BC.dtype) + smoothing / C
    log_p_BC = F.log_softmax(logits_BC, dim=1)
    return -(target_BC * log_p_BC).sum(1).mean(), log_p_BC.exp(), target_BC
    # END SOLUTION


def smooth_loss_backward(g: Tensor, _loss: Tensor, p_BC: Tensor, target_BC: Tensor) -> Tensor:
    """The gradient with respect to the logits, [B, C]; g is that with respect to the loss, []."""
    # BEGIN SOLUTION smoothing-backward: return the logits' gradient, [B, C].
    # That of one item's loss is p - target. The loss is a mean over items, and g may not be 1.
    return g * (p_BC - target_BC) / len(p_BC)
    # END SOLUTION


smoothed = by_hand(smooth_loss, smooth_loss_backward)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters of a model, in two groups for an optimiser: those that decay, and the rest."""
    # BEGIN SOLUTION decay-groups: return the two groups, a list of dicts.
    # Each has "params" and "weight_decay". Weights of layers decay: they have two dimensions or
    # more. Biases, and weights and biases of norms, have one; their weight_decay is 0. Each
    # parameter is in one group.
    params = list(model.parameters())
    return [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0},
    ]
    # END SOLUTION


def soft_threshold(weight: Tensor, by: float) -> Tensor:
    """Pull every number towards 0 by `by`, and no further: the step of an L1 penalty."""
    # BEGIN SOLUTION l1-step: return the new numbers, of weight's shape.
    # What is nearer to 0 than `by` becomes exactly 0; the others keep their sign.
    return weight.sign() * (weight.abs() - by).clamp(min=0)
    # END SOLUTION


# 5. When to stop ----------------------------------------------------------------------------------


class EarlyStopping:
    """Watches the validation loss: keeps the best weights, and says when it is time to stop."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.least, self.waited = float("inf"), 0
        self.best: dict[str, Tensor] = {}

    def update(self, loss: float, weights: dict[str, Tensor]) -> bool:
        """Take note of an epoch; True means stop. `weights` will change as training goes on."""
        # BEGIN SOLUTION early-stopping: keep the best, and return whether to stop.
        # A loss below self.least is better: keep it there, copies of the weights in self.best, and
        # set self.waited to 0. Any other adds 1 to self.waited. Stop when `patience` epochs in a
        # row were no better. A patience of 0 never stops.
        if loss < self.least:
            self.least, self.waited = loss, 0
            self.best = {name: value.clone() for name, value in weights.items()}
        else:
            self.waited += 1
        return 0 < self.patience <= self.waited
        # END SOLUTION


def gap(model: Any, train: Batch, val: Batch) -> Tensor:
    """By how many nats a model knows new items less well than those it learned from, float32 []."""
    # BEGIN SOLUTION gap: return the loss on val minus that on train, float32 [].
    # model.predict(split) gives logits, split["label"] the labels; the loss is
    # F.cross_entropy. Put the model into evaluation mode, record no gradients, and put it back into
    # the mode in which it came.
    was_training = model.training
    model.eval()
    with torch.no_grad():
        losses = [F.cross_entropy(model.predict(some), some["label"]) for some in (train, val)]
    model.train(was_training)
    return losses[1] - losses[0]
    # END SOLUTION


class Model(Watched):
    """Pixels → Linear → `depth` blocks → norm → Linear → logits.

    Dropout acts on the pixels, on what the blocks begin with, and within each of them.
    """

    def __init__(
        self,
        *,
        features: int = 784,
        width: int = 128,
        depth: int = 4,
        classes: int = 10,
        norm: str = "layer",
        groups: int = 8,
        dropout: float = 0.5,
        drop_path: float = 0.2,
        smoothing: float = 0.1,
        weight_decay: float = 1.0,
        l1: float = 0.0,
        patience: int = 10,
        lr: float = 0.001,
    ) -> None:
        super().__init__(EarlyStopping(patience), gap)
        self.dropout, self.smoothing = dropout, smoothing
        self.weight_decay, self.l1, self.lr = weight_decay, l1, lr

        def make_norm() -> nn.Module:
            return nn.Identity() if norm == "none" else Norm(norm, width, groups)

        # Early blocks, on which all others build, are dropped less often; the last at drop_path.
        rates = [drop_path * (block + 1) / depth for block in range(depth)]
        self.stem = nn.Linear(features, width)
        self.blocks = nn.Sequential(*(Block(width, make_norm(), dropout, p) for p in rates))
        self.head = nn.Sequential(make_norm(), nn.Linear(width, classes))

    def forward(self, image: Tensor) -> Tensor:
        """The logits, float32 [B, C], of uint8 images [B, 1, H, W]."""
        noisy = partial(dropout, p=self.dropout, training=self.training)
        x_BF = (image.flatten(1).float() - self.mean) / self.std
        return self.head(self.blocks(noisy(self.stem(noisy(x_BF)))))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, whose decay is decoupled: it shrinks weights by lr · decay each step."""
        return torch.optim.AdamW(decay_groups(self, self.weight_decay), lr=self.lr)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The smoothed loss of a batch, float32 []; Lightning differentiates it and steps."""
        loss = smoothed(self(batch["image"]), batch["label"], self.smoothing)
        self.log("train/loss", loss)
        return loss

    def optimizer_step(self, *step: Any) -> None:
        """Take the step; with `l1`, then pull the layers' weights towards 0."""
        super().optimizer_step(*step)
        if self.l1:
            self.shrink(p for p in self.parameters() if p.dim() > 1)

    @torch.no_grad()
    def shrink(self, weights: Iterable[Tensor]) -> None:
        """Take an L1 step of lr · l1."""
        for weight in weights:
            weight.copy_(soft_threshold(weight, self.lr * self.l1))

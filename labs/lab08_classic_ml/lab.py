"""Lab 08: classic machine learning in tensors: regression, margins, clusters, columns and chance.

Work through the TODOs from top to bottom. `pytest labs/lab08_classic_ml` checks them, `dllab hint
08 TASK` helps, `dllab train 08` fits both arms and grades the run.

Shapes stand in the names: N items, F features (the columns of a table), C classes or numbers to
predict, K clusters or components; `x_NF` is [N, F]. Images are [B, 1, H, W].
"""

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn

from dllab.data.module import SplitData
from labs.lab08_classic_ml.given import Stump, best_stump, slopes

Batch = dict[str, Tensor]
FLAT = 100.0  # grey levels

# ------------------------------------------------------------------ arrays


def squared_distances(x_NF: Tensor, center_KF: Tensor) -> Tensor:
    """How far each item is from each center: Σ_f (x_nf - c_kf)², float32 [N, K]."""
    # TODO distances: return Σ_f (x_nf - c_kf)², float32 [N, K].
    # No loop and no torch.cdist: give each of the two the dimension that it lacks, and broadcast.
    raise NotImplementedError("TODO distances: return Σ_f (x_nf - c_kf)², float32 [N, K].")


def windows(x_BHWD: Tensor, size: int) -> Tensor:
    """All squares of `size` by `size` places: [B, H - size + 1, W - size + 1, size, size, D].

    Entry [b, i, j, u, v] is x[b, i + u, j + v]. It is a view, so overlapping squares share memory.
    """
    # TODO windows: return the view by x_BHWD.as_strided(shape, strides).
    # A stride says how many numbers to go on in memory for one step along a dimension: ask
    # x_BHWD.stride(). i and u both step down, j and v both step right. No loop, no unfold.
    raise NotImplementedError("TODO windows: return the view by x_BHWD.as_strided(shape, strides).")


def expand(number_NF: Tensor, code_N: Tensor, kinds: int, *, crossed: bool = False) -> Tensor:
    """The columns of a table that a linear model can use, float32 [N, F + kinds + …].

    First `number_NF`, float32, as it is; then code_N, int64 in [0, kinds), as a one-hot row. If
    `crossed`, then also the product of each pair of numbers, a number with itself included.
    """
    # TODO expand: return the columns side by side, float32.
    # The products stand in the order (0, 0), (0, 1), …, (1, 1), …, as in torch.triu_indices(F, F).
    raise NotImplementedError("TODO expand: return the columns side by side, float32.")


# ------------------------------------------------------------------ linear models


def ridge(x_NF: Tensor, y_NC: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """The weight [F, C] and bias [C] that minimise Σ (y - x W - b)² + penalty · Σ W².

    The bias is not penalised. In closed form: W = (Xᵀ X + penalty · I)⁻¹ Xᵀ Y, where the columns of
    X and Y are centered, and b = mean of y - (mean of x) W.
    """
    # TODO ridge: return weight [F, C] and bias [C].
    # torch.linalg.solve(A, B) is A⁻¹ B, and steadier than an inverse. All in the dtype of x_NF.
    raise NotImplementedError("TODO ridge: return weight [F, C] and bias [C].")


def objective(
    score_NC: Tensor, target_NC: Tensor, weight_FC: Tensor, penalty: float, kind: str
) -> Tensor:
    """What a linear model minimises: mean over items of Σ_c loss, + penalty / 2 · Σ W², [].

    `kind` names the loss. `squares`: (target - score)² / 2. The others have targets of -1 and 1,
    and the margin m = target · score. `logistic`: log(1 + exp(-m)). `hinge`: max(0, 1 - m)², the
    squared hinge: an item with m ≥ 1 costs nothing.
    """
    # TODO objective: return loss + penalty, float32 [].
    # exp(89) is inf: F.softplus(x) is log(1 + exp(x)), and stable. The loss sums over the C scores
    # of an item and averages over the items; the penalty does neither.
    raise NotImplementedError("TODO objective: return loss + penalty, float32 [].")


def histograms(image: Tensor, bins: int = 8, cell: int = 4) -> Tensor:
    """Which ways the edges run in each cell: [B, H / cell, W / cell, bins].

    `image` is uint8 [B, 1, H, W]; a cell is `cell` by `cell` pixels, and divides H and W. A pixel
    votes with its magnitude for the directions near its own (Dalal and Triggs, 2005).
    """
    # TODO histograms: return the summed votes of each cell, float32.
    # slopes(image) gives each pixel's magnitude and angle, [B, H, W] each. Bin k stands for the
    # angle k·π/bins. A pixel at place p = angle·bins/π gives bin k the share max(0, 1 - distance)
    # of its magnitude. The distance is round the circle: |p - k| or bins - |p - k|, whichever is
    # less. Then reshape, to sum over each cell's pixels.
    raise NotImplementedError("TODO histograms: return the summed votes of each cell, float32.")


def hog(image: Tensor) -> Tensor:
    """Histograms of oriented gradients, float32 [B, F]: each block of 2 by 2 cells in units of its
    own length, so that contrast does not count. FLAT keeps noise in plain cloth small.
    """
    block_BIJD = windows(histograms(image), 2).flatten(3)
    return (block_BIJD / (block_BIJD.norm(dim=3, keepdim=True) + FLAT)).flatten(1)


# ------------------------------------------------------------------ clusters


def seeds(x_NF: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Choose `count` items to be the first centers, float32 [count, F], by k-means++.

    The first is any item; each further one is drawn with a probability proportional to its
    *squared* distance from the nearest center so far (Arthur and Vassilvitskii, 2007).
    """
    # TODO seeds: return the chosen items, float32 [count, F].
    # torch.multinomial(weights_N, 1, generator=rng) draws a number from 0 to N - 1; the weights
    # need not sum to 1. All chance comes from rng. Here a loop is fine.
    raise NotImplementedError("TODO seeds: return the chosen items, float32 [count, F].")


def lloyd(x_NF: Tensor, center_KF: Tensor) -> tuple[Tensor, Tensor]:
    """One round of k-means: the moved centers, float32 [K, F], and each item's label, int64 [N].

    An item belongs to the nearest center, which then moves to the mean of its items. Centers
    without items move to the items that are farthest from their own, still unmoved, center: the
    first such center to the farthest item, the second to the next.
    """
    # TODO lloyd: return the moved centers and the labels.
    # A one-hot matrix [N, K] sums each cluster's items by one matrix product. Make new centers.
    raise NotImplementedError("TODO lloyd: return the moved centers and the labels.")


def kmeans(x_NF: Tensor, count: int, rng: torch.Generator, rounds: int = 100) -> Tensor:
    """Centers that Lloyd's rounds no longer move, float32 [count, F]."""
    center_KF = seeds(x_NF, count, rng)
    for _ in range(rounds):
        before_KF, center_KF = center_KF, lloyd(x_NF, center_KF)[0]
        if torch.equal(before_KF, center_KF):
            break
    return center_KF


# ------------------------------------------------------------------ columns


def pca(x_NF: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components: the mean [F], `count` directions [count, F], the variances [count].

    The directions have length 1; the variance of the items along the first is the largest there is.
    """
    # TODO pca: return the mean, the directions and the variances.
    # X, centered, is U S Vᵀ. torch.linalg.svd(x, full_matrices=False) returns U, S and Vᵀ, largest
    # first. The variance along a direction is s² / (N - 1).
    raise NotImplementedError("TODO pca: return the mean, the directions and the variances.")


def mutual_information(code_N: Tensor, label_N: Tensor) -> Tensor:
    """What a column tells of the label, in nats, float32 []; both are int64 from 0 on.

    Σ_ab p(a, b) log(p(a, b) / (p(a) p(b))): the Kullback-Leibler divergence of the joint
    distribution from what it would be if the two were independent. Pairs that never occur add 0.
    """
    # TODO mutual-information: return the sum, float32 [].
    # The shares of all pairs are one matrix product of two one-hot matrices; its sums along rows
    # and columns are p(a) and p(b). 0 · log 0 is nan: take only the pairs that occur.
    raise NotImplementedError("TODO mutual-information: return the sum, float32 [].")


def choose(code_NF: Tensor, label_N: Tensor, most: int) -> Tensor:
    """The numbers of the `most` columns that tell most of the label, best first, int64 [≤ most].

    A column that tells 99 % or more of all there is to know was made from the label. It leaks the
    answer, will be missing when it counts, and is left out.
    """
    # TODO choose: return the columns' numbers, int64.
    # All there is to know is the label's entropy: what it tells of itself. Equally good columns may
    # come in any order. A loop over the columns is fine.
    raise NotImplementedError("TODO choose: return the columns' numbers, int64.")


def boost(x_NF: Tensor, y_N: Tensor, rounds: int, rate: float) -> tuple[Tensor, list[Stump]]:
    """Gradient boosting: the mean of y, float32 [], and `rounds` stumps (Friedman, 2001).

    A row's prediction is mean + rate · Σ_r stump_r(row).
    """
    # TODO boost: return the mean and the list of stumps.
    # Each stump fits what the prediction so far still lacks: best_stump(x_NF, rest_N) finds it, and
    # stump(x_NF) is what it says of each row, float32 [N].
    raise NotImplementedError("TODO boost: return the mean and the list of stumps.")


# ------------------------------------------------------------------ chance


def fit_gaussians(x_NF: Tensor, label_N: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """The most likely prior [C], means [C, F] and covariances [C, F, F] of classes that are normal.

    Maximum likelihood: shares and means as they are, and covariances that divide by the number of
    items of the class, not by one less. Each class occurs.
    """
    # TODO fit-gaussians: return prior, means and covariances.
    # Σ_cij = (1 / N_c) Σ_n [label_n = c] d_ni d_nj, with d_n = x_n - the mean of its own class, is
    # one torch.einsum of three factors.
    raise NotImplementedError("TODO fit-gaussians: return prior, means and covariances.")


def posterior(x_NF: Tensor, prior_C: Tensor, mean_CF: Tensor, cov_CFF: Tensor) -> Tensor:
    """Bayes' rule: how probable each class is, given the item, float32 [N, C].

    p(c | x) = p(c) p(x | c) / Σ_k p(k) p(x | k), where log p(x | c), but for a constant, is
    -(dᵀ Σ_c⁻¹ d + log det Σ_c) / 2 with d = x - mean_c.
    """
    # TODO posterior: return the probabilities, float32 [N, C].
    # Densities underflow: add logs, then take a softmax. Matrix products, torch.linalg.solve and
    # torch.logdet do all C classes at once, on arrays [C, F, F] and [C, F, N].
    raise NotImplementedError("TODO posterior: return the probabilities, float32 [N, C].")


def interval(value_N: Tensor, rng: torch.Generator, draws: int = 1000) -> Tensor:
    """How far the mean of N numbers can be trusted: its 95 % bootstrap interval, float32 [2].

    Draw N of the N numbers *with* replacement, take their mean, and do so again and again; 95 % of
    these means lie between the quantiles at 0.025 and 0.975 (Efron, 1979).
    """
    # TODO interval: return the two quantiles, float32 [2].
    # torch.randint(…, generator=rng) draws all places at once, [draws, N]. No loop.
    raise NotImplementedError("TODO interval: return the two quantiles, float32 [2].")


# ------------------------------------------------------------------ data and model


def columns(batch: Batch, *, crossed: bool = False) -> Tensor:
    """The columns, float32 [B, F], of images (HOG) or of a table's rows (`expand`)."""
    if "image" in batch:
        return torch.cat([hog(image) for image in batch["image"].split(500)])  # to save memory
    return expand(batch["features"], batch["codes"][:, 0], 2, crossed=crossed)


class Data(SplitData):
    """Both splits with their columns, which are computed once."""

    def __init__(self, *, crossed: bool = False, **how: Any) -> None:
        super().__init__(**how)
        self.crossed = crossed

    def setup(self, stage: str | None = None) -> None:
        """Load both splits and compute their columns."""
        super().setup(stage)
        for split in (self.train, self.val):
            split["columns"] = columns(split, crossed=self.crossed)


class Model(LightningModule):
    """Columns, standardised → principal components, if asked for → a linear model → scores.

    `kind` is the loss of `objective`. Squares are fitted by `ridge` before training begins; the
    other losses go down along their gradients.
    """

    def __init__(
        self,
        *,
        features: int = 1152,
        outputs: int = 10,
        components: int = 0,
        kind: str = "hinge",
        crossed: bool = False,
        penalty: float = 0.01,
        lr: float = 3e-3,
    ) -> None:
        super().__init__()
        self.kind, self.crossed, self.components, self.outputs = kind, crossed, components, outputs
        self.penalty, self.lr = penalty, lr
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.register_buffer("direction", torch.zeros(components, features))
        self.weight = nn.Parameter(torch.zeros(components or features, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.hits: list[Tensor] = []  # of each batch that was validated

    def forward(self, x_BF: Tensor) -> Tensor:
        """The scores, float32 [B, outputs], of columns [B, F]."""
        return self.prepare(x_BF) @ self.weight + self.bias

    def prepare(self, x_BF: Tensor) -> Tensor:
        """The columns in units of their deviation, or where they lie along the components."""
        x_BF = (x_BF - self.mean) / self.std
        return x_BF @ self.direction.T if self.components else x_BF

    def predict(self, batch: Batch) -> Tensor:
        """What the lab is graded on: float32 [B, classes] of images, float32 [B] of rows."""
        score_BC = self(columns(batch, crossed=self.crossed))
        return score_BC[:, 0] if self.kind == "squares" else score_BC

    def target(self, label_B: Tensor) -> Tensor:
        """Numbers as a column [B, 1]; of a class 1 in its own column and -1 in all others."""
        if self.kind == "squares":
            return label_B[:, None]
        return 2 * F.one_hot(label_B, self.outputs).float() - 1

    @torch.no_grad()
    def on_fit_start(self) -> None:
        """Fit what has a closed form, on the training split alone."""
        train = self.trainer.datamodule.train
        x_NF, label_N = train["columns"].to(self.device), train["label"].to(self.device)
        self.mean.copy_(x_NF.mean(dim=0))
        self.std.copy_(x_NF.std(dim=0).clamp_min(1e-3))
        if self.components:
            standard_NF = (x_NF - self.mean) / self.std
            self.direction.copy_(pca(standard_NF, self.components)[1])
        if self.kind == "squares":  # a sum over N items where `objective` has their mean
            penalty = self.penalty * len(label_N)
            weight_FC, bias_C = ridge(self.prepare(x_NF), self.target(label_N), penalty)
            self.weight.copy_(weight_FC)
            self.bias.copy_(bias_C)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The scores [B, outputs] of a batch, and the objective []."""
        score_BC, target_BC = self(batch["columns"]), self.target(batch["label"])
        return score_BC, objective(score_BC, target_BC, self.weight, self.penalty, self.kind)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The objective of a batch; logged as `train/loss`."""
        _, loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam under a one-cycle schedule: warm up, then cool down to nearly nothing."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss`, and keep which images were named right."""
        score_BC, loss = self.loss(batch)
        self.log("val/loss", loss, batch_size=len(score_BC), sync_dist=True)
        if self.kind != "squares":
            self.hits.append((score_BC.argmax(dim=1) == batch["label"]).float().cpu())

    def on_validation_epoch_end(self) -> None:
        """Log the accuracy and its bootstrap interval, `val/low` and `val/high`."""
        if self.hits:
            hit_N = torch.cat(self.hits)
            low, high = interval(hit_N, torch.Generator().manual_seed(0)).tolist()
            curves = {"val/accuracy": float(hit_N.mean()), "val/low": low, "val/high": high}
            self.log_dict(curves, sync_dist=True)
            self.hits.clear()

"""Lab 13: learn from a long tail, measure what accuracy hides, and decide by what mistakes cost.

Work through the TODOs from top to bottom. `pytest labs/lab13_imbalance` checks them, `dllab hint 13
TASK` helps, `dllab train 13` trains the network and grades the run.

Shapes stand in the names: B or N items, C classes, K levels. A *score* is a number from 0 to 1 that
says how sure somebody is, a *hit* is 1 where it came true, else 0. Measures are float64.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.checks import Case
from dllab.data import BatchLoader, load
from labs.lab13_imbalance.given import CLASSES, long_tail, pixels, take

Batch = dict[str, Tensor]

# ------------------------------------------------------------------ before the code


def cases() -> list[Case]:
    """Tests of three measures: they must find mistakes in code that you do not see."""
    # TODO cases: return at most five cases that wrong measures fail.
    # Case(given, expected), both dicts. `given` has "score", float64 [N], and "hit", int64 [N];
    # `expected` has "roc_auc", "average_precision" and "calibration_error" (ten bins), float64 []
    # each, worked out by hand from the docstrings below. Left open, so keep out of it: columns
    # without a hit or without a miss, and scores at the border of a bin (0, 0.1, 0.2, ...).
    raise NotImplementedError("TODO cases: return at most five cases that wrong measures fail.")


# ------------------------------------------------------------------ measures of an order


def levels(score_N: Tensor, hit_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every place at which a ranking can be cut: three columns [K], from the highest score down.

    The distinct scores, in the dtype of score_N; how many hits score at least that, int64; how many
    misses do, int64. Nobody can part equal scores, so they are one level.
    """
    # TODO levels: return score, hits and misses at each level, [K] each.
    # `hit_N` is int64. Sort by score, sum up along the order, and keep the last of equal scores.
    raise NotImplementedError("TODO levels: return score, hits and misses at each level, [K] each.")


def roc_auc(score_N: Tensor, hit_N: Tensor) -> Tensor:
    """The chance that a hit scores above a miss, equal scores counting half, float64 [].

    It is the area under the ROC curve: the share of the hits that are found over the share of the
    misses that are taken for hits (Hanley and McNeil, 1982).
    """
    # TODO roc-auc: return the area under the ROC curve, float64 [].
    # The curve goes in straight lines from (0, 0) through all levels to (1, 1).
    raise NotImplementedError("TODO roc-auc: return the area under the ROC curve, float64 [].")


def average_precision(score_N: Tensor, hit_N: Tensor) -> Tensor:
    """The mean precision over the hits, as they are found one after the other, float64 [].

    Σ over levels of (recall - recall one level higher) · precision: steps, no straight lines
    between them, which would promise a precision that no threshold has.
    """
    # TODO average-precision: return the average precision, float64 [].
    # Precision is hits / (hits + misses) at a level, recall is hits / all hits.
    raise NotImplementedError("TODO average-precision: return the average precision, float64 [].")


def best_threshold(score_N: Tensor, hit_N: Tensor) -> Tensor:
    """The score from which on to say "hit", so that F1 is largest, in the dtype of score_N, [].

    Of several such scores it is the highest. Tune it on validation items, never on test items.
    """
    # TODO threshold: return the level whose F1 is largest.
    # F1 = 2 · hits / (hits + misses + all hits) at each level.
    raise NotImplementedError("TODO threshold: return the level whose F1 is largest.")


# ------------------------------------------------------------------ measures of classes


def class_scores(said_N: Tensor, label_N: Tensor, classes: int) -> Tensor:
    """Precision, recall and F1 of each class, the rows of float64 [3, C]; 0 where it is 0 / 0.

    The mean of the last row is macro-F1.
    """
    # TODO class-scores: return precision, recall and F1, float64 [3, C].
    # For class c: right items / items said to be c, right items / items of c, and twice the right
    # items / the sum of both. A class may never occur, or never be said.
    raise NotImplementedError("TODO class-scores: return precision, recall and F1, float64 [3, C].")


# ------------------------------------------------------------------ measures of probabilities


def proper_scores(p_NC: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor]:
    """Brier's score and the log score of probabilities float64 [N, C], float64 [] each.

    Σ_c (p_c - [c = label])² (Brier, 1950) and -log p_label, means over the items. Both are
    *proper*: nobody expects a better score by saying anything but what they believe.
    """
    # TODO proper-scores: return both scores, float64 [] each.
    # [c = label] is 1 for the label, else 0. The squares are summed over C, averaged over N.
    raise NotImplementedError("TODO proper-scores: return both scores, float64 [] each.")


def calibration_error(score_N: Tensor, hit_N: Tensor, bins: int = 10) -> Tensor:
    """The gap between how sure one is and how often one is right, ECE, float64 [].

    Equal bins part the scores from 0 to 1. In each, the mean score is held against the share of
    hits; the absolute gaps are averaged, each weighted by its bin's share of the items.
    """
    # TODO calibration-error: return the error, float64 [].
    # A score at a border belongs to the bin below it. torch.bucketize says which bin a score is in,
    # torch.bincount adds up `weights=` by bin. An empty bin counts nothing.
    raise NotImplementedError("TODO calibration-error: return the error, float64 [].")


def temperature(logits_NC: Tensor, label_N: Tensor) -> Tensor:
    """The T from 0.05 to 20 for which softmax(logits / T) has the best log score, float64 [].

    Dividing by T > 1 makes a network less sure, and never changes its first choice (Guo et al.,
    2017).
    """
    # TODO temperature: return the best temperature, float64 [].
    # With b = 1 / T the score's slope is the mean of Σ_c p_c z_c - z_label, where z are the logits
    # and p = softmax(b z). It grows with b, so halve an interval of b until its ends agree to ten
    # digits. Compute in float64.
    raise NotImplementedError("TODO temperature: return the best temperature, float64 [].")


def decide(p_NC: Tensor, cost_CC: Tensor) -> Tensor:
    """What to say of each item so that it is expected to cost least, int64 [N].

    `cost_CC` [t, d], of the dtype of p_NC, is the cost of saying d where t is true.
    """
    # TODO decide: return the cheapest decision for each item, int64 [N].
    # Σ_t p_t · cost[t, d] is what d is expected to cost.
    raise NotImplementedError("TODO decide: return the cheapest decision for each item, int64 [N].")


# ------------------------------------------------------------------ remedies


def class_weights(count_C: Tensor) -> Tensor:
    """The weight of an item of each class, so that all classes weigh the same, float32 [C].

    From the number of items of each class, int64 [C]. The mean weight of the items is 1. A class
    without items weighs 0.
    """
    # TODO class-weights: return the weights, float32 [C].
    # Weights are proportional to 1 / count; N / (K · count) has the mean 1 over N items, where K is
    # the number of classes that occur.
    raise NotImplementedError("TODO class-weights: return the weights, float32 [C].")


def focal_loss(logits_BC: Tensor, label_B: Tensor, weight_C: Tensor, gamma: float) -> Tensor:
    """Cross-entropy in which items count by their class and by how wrong they are, float32 [].

    The weighted mean of (1 - p)^gamma · (-log p), p being the label's probability: Σ w · loss / Σ w
    with w = weight_C[label]. At weights of 1 and gamma = 0 it is cross-entropy (Lin et al., 2017).
    """
    # TODO focal-loss: return the loss of the batch, float32 [].
    # It must stay finite for any logits. F.log_softmax and gather help; divide by the sum of the
    # batch's weights, as F.cross_entropy(weight=...) does.
    raise NotImplementedError("TODO focal-loss: return the loss of the batch, float32 [].")


def adjust(logits_BC: Tensor, from_C: Tensor, to_C: Tensor) -> Tensor:
    """Logits for a world where classes are as frequent as `to_C`, learnt where they are `from_C`.

    Both are shares, float32 [C] > 0. By Bayes' rule p(c | x) changes by the factor to_c / from_c,
    up to one constant for the item; the softmax takes care of that (Menon et al., 2021).
    """
    # TODO adjust: return the adjusted logits, float32 [B, C].
    # A factor of the probability is a summand of the logit.
    raise NotImplementedError("TODO adjust: return the adjusted logits, float32 [B, C].")


def draw_evenly(label_N: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Draw `count` items with replacement, each class as often as any other: places, int64 [count].

    Within a class, all items are equally likely.
    """
    # TODO draw-evenly: return the drawn places, int64 [count].
    # torch.multinomial draws places by their weights; hand it `generator=rng`. What must an item
    # weigh so that its class weighs 1 in all?
    raise NotImplementedError("TODO draw-evenly: return the drawn places, int64 [count].")


# ------------------------------------------------------------------ data and model


class Data(LightningDataModule):
    """Fashion-MNIST whose training split has a long tail; the validation split is even."""

    def __init__(
        self,
        *,
        name: str = "fashion_mnist",
        size: str = "small",
        batch_size: int = 128,
        seed: int = 0,
        ratio: float = 50.0,
        resample: bool = False,
        load: Callable[..., Batch] = load,
    ) -> None:
        super().__init__()
        self.name, self.size, self.batch_size, self.seed = name, size, batch_size, seed
        self.ratio, self.resample, self.load = ratio, resample, load

    def setup(self, stage: str | None = None) -> None:
        """Load both splits, and count the classes of what is trained on, `count_C`, int64 [C]."""
        # TODO setup: set self.train, self.val and self.count_C.
        # self.load(self.name, "train" or "val", self.size) loads a split. Of the training split
        # keep long_tail(labels, self.ratio). If self.resample, then draw as many items as are kept
        # from these, evenly, with a generator of seed self.seed. `take` picks items by place. Count
        # what is then in self.train.
        raise NotImplementedError("TODO setup: set self.train, self.val and self.count_C.")

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch."""
        return BatchLoader(self.train, self.batch_size, shuffle=True, seed=self.seed)

    def val_dataloader(self) -> BatchLoader:
        """Batches in the order of the split."""
        return BatchLoader(self.val, self.batch_size)


class Model(LightningModule):
    """A multilayer perceptron whose scores hold where all classes are equally frequent.

    `method` is what is done about the tail: nothing (plain), class weights (weighted), the focal
    loss (focal), logits adjusted in the loss (adjusted) or behind the training (afterwards).
    """

    def __init__(
        self,
        *,
        method: str = "adjusted",
        gamma: float = 2.0,
        features: int = 784,
        hidden: int = 256,
        dropout: float = 0.3,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__()
        self.method, self.gamma, self.lr, self.weight_decay = method, gamma, lr, weight_decay
        # Buffers are saved with the weights: whoever loads them can predict, without any data.
        self.register_buffer("count", torch.ones(CLASSES, dtype=torch.int64))
        self.register_buffer("temperature", torch.ones(()))
        self.net = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden // 2, CLASSES),
        )
        self.seen: list[Batch] = []  # logits and labels of each batch that was validated

    def forward(self, image: Tensor) -> Tensor:
        """The network's logits, float32 [B, C], of uint8 images [B, 1, H, W]."""
        return self.net(pixels(image))

    def shares(self) -> tuple[Tensor, Tensor]:
        """How frequent the classes are in training, and in an even world: float32 [C] each."""
        return self.count / self.count.sum(), torch.full_like(
            self.count, 1 / CLASSES, dtype=torch.float32
        )

    def loss(self, logits_BC: Tensor, label_B: Tensor) -> Tensor:
        """What training makes small, by `method`, float32 []."""
        # TODO method: return the loss of the batch, float32 [].
        # Always a focal_loss. "weighted": class_weights of self.count, else weights of 1. "focal":
        # self.gamma, else 0. "adjusted": the logits are meant for an even world, and the labels
        # come from the tail: adjust them from the one to the other first. self.shares() has both.
        raise NotImplementedError("TODO method: return the loss of the batch, float32 [].")

    def scores(self, image: Tensor) -> Tensor:
        """The logits for an even world, float32 [B, C], before the temperature."""
        # TODO scores: return even-world logits, float32 [B, C].
        # They are those of self(image). Only with the method "afterwards" were they learnt for the
        # tail, as if nothing were to be done about it, and must be adjusted.
        raise NotImplementedError("TODO scores: return even-world logits, float32 [B, C].")

    def predict(self, batch: Batch) -> Tensor:
        """Calibrated logits, float32 [B, C], of raw items: what the lab is graded on."""
        return self.scores(batch["image"]) / self.temperature

    def decide(self, image: Tensor, cost_CC: Tensor) -> Tensor:
        """What to say of uint8 images [B, 1, H, W] at costs float32 [C, C], int64 [B]."""
        return decide(self.predict({"image": image}).softmax(dim=1), cost_CC)

    def on_fit_start(self) -> None:
        """Take the counts of the training items into the model's buffer."""
        self.count.copy_(self.trainer.datamodule.count_C)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = self.loss(self(batch["image"]), batch["label"])
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW at a constant rate."""
        return torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep what the network says of a batch."""
        self.seen.append({"logits": self.scores(batch["image"]), "label": batch["label"]})

    def on_validation_epoch_end(self) -> None:
        """Fit the temperature on the validation split, and log what that split says.

        Of several processes each looks at its own share; what they find is averaged.
        """
        z_NC = torch.cat([part["logits"] for part in self.seen]).cpu().double()
        label_N = torch.cat([part["label"] for part in self.seen]).cpu()
        self.seen.clear()
        found = temperature(z_NC, label_N).to(self.temperature)
        self.temperature.copy_(self.trainer.strategy.reduce(found, reduce_op="mean"))
        self.log_dict(measures(z_NC, label_N, float(self.temperature)), sync_dist=True)


def measures(z_NC: Tensor, label_N: Tensor, t: float) -> dict[str, Tensor]:
    """What the validation split says of logits [N, C] and their temperature; class 0 is rarest."""
    p_NC = (z_NC / t).softmax(dim=1)
    sure_N, said_N = p_NC.max(dim=1)
    hit_N, rare_N = (said_N == label_N).long(), (label_N == 0).long()
    brier, log_score = proper_scores(p_NC, label_N)
    found = {
        "loss": log_score,
        "brier": brier,
        "accuracy": hit_N.double().mean(),
        "macro_f1": class_scores(said_N, label_N, CLASSES)[2].mean(),
        "calibration": calibration_error(sure_N, hit_N),
        "calibration_raw": calibration_error(z_NC.softmax(dim=1).amax(dim=1), hit_N),
        "rare_auc": roc_auc(p_NC[:, 0], rare_N),
        "rare_precision": average_precision(p_NC[:, 0], rare_N),
    }
    return {f"val/{name}": value.float() for name, value in found.items()}

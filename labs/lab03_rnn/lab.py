"""Lab 03: recurrent networks that read sequences of unequal length, step by step.

Work through the TODOs from top to bottom. `pytest labs/lab03_rnn` checks them, `dllab hint 03 TASK`
helps, `dllab train 03` trains both arms and grades the run.

Shapes stand in the names: B sequences in a batch, T steps, D numbers per step, H hidden units, G
numbers of all gates (H, 3H or 4H), V tokens of a vocabulary, C classes; `x_BTD` is [B, T, D].
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn

from dllab.data.module import SplitData

Batch = dict[str, Tensor]
State = tuple[Tensor, ...]  # what a layer remembers, float32 [B, H] each: (h,), an LSTM's (h, c)

# ------------------------------------------------------------------ recurrent layers

# A cell takes the state one step further. `read_BG` is W_ih x + b_ih, what the step reads, and
# `recalled_BG` is W_hh h + b_hh, what it remembers of the steps before: float32 [B, G].


def rnn_cell(read_BH: Tensor, recalled_BH: Tensor, _state: State) -> State:
    """One step of a plain recurrent network; the new state, `(h,)`."""
    # TODO rnn-cell: return the new state, the tuple (h,).
    # h', float32 [B, H], is tanh(W_ih x + b_ih + W_hh h + b_hh): recalled_BH holds all that it
    # needs of the state.
    raise NotImplementedError("TODO rnn-cell: return the new state, the tuple (h,).")


def gru_cell(read_BG: Tensor, recalled_BG: Tensor, state: State) -> State:
    """One step of a gated recurrent unit; the new state, `(h,)`.

    G = 3H: both halves hold three blocks side by side, before any squashing: the reset gate r, the
    update gate z and the candidate n, in this order.
    """
    # TODO gru-cell: return the new state, the tuple (h,).
    # h is float32 [B, H]. r and z are sigmoids of the sums of their blocks. n = tanh(read + r *
    # recalled) of the third blocks, and h' = (1 - z) * n + z * h: an update gate that is wide open
    # keeps everything.
    raise NotImplementedError("TODO gru-cell: return the new state, the tuple (h,).")


def lstm_cell(read_BG: Tensor, recalled_BG: Tensor, state: State) -> State:
    """One step of long short-term memory; the new state, `(h, c)`.

    G = 4H: the sum of both halves holds four blocks side by side, before any squashing: the input
    gate i, the forget gate f, the candidate g and the output gate o, in this order.
    """
    # TODO lstm-cell: return the new state, (h, c), float32 [B, H] each.
    # A sigmoid squashes i, f and o, a tanh squashes g. Then c' = f * c + i * g, and
    # h' = o * tanh(c'). Make new tensors: the backward pass still needs the old ones.
    raise NotImplementedError("TODO lstm-cell: return the new state, (h, c), float32 [B, H] each.")


# Each cell, how many blocks of gates it has, and how many tensors its state.
CELLS = {"rnn": (rnn_cell, 1, 1), "gru": (gru_cell, 3, 1), "lstm": (lstm_cell, 4, 2)}


class Recurrent(nn.Module):
    """One layer, a drop-in for `torch.nn.RNN`, `GRU` or `LSTM` with `batch_first=True`.

    Parameters have torch's names, shapes and order of gates, so weights can be copied either way.
    States are tuples of [B, H]: torch's leading dimension of layers is left out.
    """

    def __init__(self, cell: str, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell, blocks, self.remembered = CELLS[cell]
        bound, gates = hidden**-0.5, blocks * hidden
        self.weight_ih_l0 = nn.Parameter(torch.empty(gates, inputs).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(gates, hidden).uniform_(-bound, bound))
        bias_G = torch.zeros(gates)
        if cell == "lstm":
            bias_G[hidden : 2 * hidden] = 1  # forget gates start open (Jozefowicz et al., 2015)
        self.bias_ih_l0 = nn.Parameter(bias_G)
        self.bias_hh_l0 = nn.Parameter(torch.zeros(gates))

    def forward(self, x_BTD: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read T steps; return h of every step, float32 [B, T, H], and the state after the last.

        `state` is what the layer remembers of the steps before; None stands for zeros.
        """
        if state is None:
            zeros_BH = x_BTD.new_zeros(len(x_BTD), self.weight_hh_l0.shape[1])
            state = (zeros_BH,) * self.remembered
        # TODO layer: return every h, [B, T, H], and the last state.
        # W_ih x + b_ih is known for all steps beforehand: one multiplication. In the loop compute
        # W_hh h + b_hh, where h is state[0], and let self.cell make the next state of the two.
        raise NotImplementedError("TODO layer: return every h, [B, T, H], and the last state.")


def gradient_by_step(layer: nn.Module, x_BTD: Tensor) -> Tensor:
    """How strongly the layer's last output hangs on what it read at each step, float32 [T].

    Entry t is the norm of the gradient of y[:, -1].sum() with respect to x[:, t], over all
    sequences and numbers of the step. Where it is next to nothing, the layer cannot learn from it.
    """
    # TODO fading: return the gradient's norm at each step, float32 [T].
    # Give x_BTD a place in the graph (detach, then requires_grad_), run the layer, and let
    # torch.autograd.grad differentiate the sum of the last outputs. The layer's own .grad stay.
    raise NotImplementedError("TODO fading: return the gradient's norm at each step, float32 [T].")


# ------------------------------------------------------------------ unequal lengths


def valid_steps(length_B: Tensor, steps: int) -> Tensor:
    """Which of `steps` positions hold data: bool [B, T], True before each sequence's length."""
    # TODO mask: return a bool [B, T], True where t < length.
    # Compare the positions 0 … T-1, as a row, with the lengths, as a column. No loop.
    raise NotImplementedError("TODO mask: return a bool [B, T], True where t < length.")


def last_valid(y_BTH: Tensor, length_B: Tensor) -> Tensor:
    """The output at the last valid step of each sequence, float32 [B, H]."""
    # TODO last-valid: return y at step length - 1, [B, H].
    # y_BTH[:, -1] is wrong: for all but the longest sequence it has read padding.
    raise NotImplementedError("TODO last-valid: return y at step length - 1, [B, H].")


def masked_mean(y_BTH: Tensor, length_B: Tensor) -> Tensor:
    """The mean output over the valid steps of each sequence, float32 [B, H]."""
    # TODO masked-mean: return the mean of the valid steps, [B, H].
    # Padding must count neither in the sum nor in the number that divides it.
    raise NotImplementedError("TODO masked-mean: return the mean of the valid steps, [B, H].")


def series_statistics(x_BTD: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each of the D numbers over all valid steps, [D] each."""
    # TODO series-statistics: return (mean, std) over the valid steps.
    # A mask picks the steps that count from all sequences at once: x_BTD[valid_BT] is [steps, D].
    # The deviation may divide by their number or by one less. A 0 may be data: only lengths tell.
    raise NotImplementedError("TODO series-statistics: return (mean, std) over the valid steps.")


# ------------------------------------------------------------------ losses and gradients


def balanced_weights(label_N: Tensor, classes: int) -> Tensor:
    """A weight for each class, float32 [C], that gives all classes equal weight in the loss.

    weight_c = N / (C · N_c), where N_c of the N items are of class c: the mean weight of an item
    is 1, and the weights of the items of each class sum to N / C.
    """
    # TODO balanced-weights: return N / (C · N_c), float32 [C].
    # label_N is int64 and holds every class at least once.
    raise NotImplementedError("TODO balanced-weights: return N / (C · N_c), float32 [C].")


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm before clipping, float32 []. Parameters whose `.grad` is None are passed over.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    # TODO clip: scale `gradients` in place, return their norm.
    # The norm is over all of them together, as if they were one long vector, so that the step
    # keeps its direction. Smaller gradients stay as they are. Return the norm before clipping.
    raise NotImplementedError("TODO clip: scale `gradients` in place, return their norm.")


# ------------------------------------------------------------------ data and model

REACH = 20  # how many steps back `train/reach` looks


class Data(SplitData):
    """Labelled sequences: in a new order each epoch, for validation in their own."""


class Standardize(nn.Module):
    """(x - mean) / std for each of D numbers. Buffers travel with the weights."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Standardise float32 [B, T, D]."""
        return (x_BTD - self.mean) / self.std


class Model(LightningModule):
    """Numbers or tokens → recurrent layer → one vector per sequence → logits.

    `vocabulary` 0 reads series of `features` numbers a step, else ids below `vocabulary`, embedded
    in `features` numbers. `readout` makes one vector of the steps: the `last` or the `mean`.
    """

    def __init__(
        self,
        *,
        cell: str = "lstm",
        vocabulary: int = 0,
        features: int = 12,
        hidden: int = 64,
        classes: int = 9,
        readout: str = "last",
        dropout: float = 0.0,
        balanced: bool = False,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        clip: float = 1.0,
    ) -> None:
        super().__init__()
        self.readout = {"last": last_valid, "mean": masked_mean}[readout]
        self.balanced = balanced
        self.lr, self.weight_decay, self.clip = lr, weight_decay, clip
        self.encoder = (
            self.make_embedding(vocabulary, features) if vocabulary else Standardize(features)
        )
        self.layer = Recurrent(cell, features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)
        self.register_buffer("class_weight", torch.ones(classes))
        self.sums: list[tuple[Tensor, ...]] = []  # of each batch that was validated

    @staticmethod
    def make_embedding(vocabulary: int, features: int) -> nn.Embedding:
        """A table of one vector per token, float32 [V, D]; token 0 is padding."""
        # TODO embedding: return an nn.Embedding whose row 0 stays zero.
        # padding_idx does both: a padded step says nothing, and learns nothing.
        raise NotImplementedError("TODO embedding: return an nn.Embedding whose row 0 stays zero.")

    def forward(self, batch: Batch) -> Tensor:
        """The logits of whole sequences, float32 [B, C]; see `predict`."""
        length_B = batch["lengths"]
        x = batch["series"] if "series" in batch else batch["tokens"]
        x = x[:, : int(length_B.max())]  # steps that are padding for all need not be computed
        y_BTH, _ = self.layer(self.dropout(self.encoder(x)))
        return self.head(self.dropout(self.readout(y_BTH, length_B)))

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on.

        A batch holds `lengths`, int64 [B], and `series`, float32 [B, T, D], or `tokens`, int64
        [B, T]. Positions past the length may hold anything.
        """
        return self(batch)

    def item_loss(self, logits_BC: Tensor, label_B: Tensor) -> Tensor:
        """The cross-entropy of labelled sequences, float32 []; `class_weight` weighs each item."""
        return F.cross_entropy(logits_BC, label_B, weight=self.class_weight)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch; logged as `train/loss`."""
        loss = self.item_loss(self(batch), batch["label"])
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule: warm up, then cool down to nearly nothing."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=steps, pct_start=0.1
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(self, *_: object, **__: object) -> None:
        """Lightning's place for clipping: after the backward pass, before the optimiser's step."""
        clip_gradients(self.parameters(), self.clip)

    def on_fit_start(self) -> None:
        """Fit what depends on the training split, and only on it, into the model's buffers."""
        train = self.trainer.datamodule.train
        if "series" in train:
            mean_D, std_D = series_statistics(train["series"], train["lengths"])
            self.encoder.mean.copy_(mean_D)
            self.encoder.std.copy_(std_D)
        if self.balanced:
            self.class_weight.copy_(balanced_weights(train["label"], len(self.class_weight)))

    def on_train_epoch_end(self) -> None:
        """Log, for series, how much of a gradient is left REACH steps back: 1 is all of it."""
        train = self.trainer.datamodule.train
        if "series" in train:
            long_BTD = train["series"][train["lengths"] > REACH][:, : REACH + 1].to(self.device)
            norm_T = gradient_by_step(self.layer, self.encoder(long_BTD))
            self.log("train/reach", norm_T[0] / norm_T[-1], sync_dist=True)  # alike on all devices

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the sums that the metrics of the whole split are made of."""
        logits_BC, label_B = self(batch), batch["label"]
        hit_B, classes = logits_BC.argmax(dim=1) == label_B, logits_BC.shape[1]
        hits_C = torch.bincount(label_B[hit_B], minlength=classes)
        items_C = torch.bincount(label_B, minlength=classes)
        weight = (self.class_weight * items_C).sum()
        self.sums.append((self.item_loss(logits_BC, label_B) * weight, weight, hits_C, items_C))

    def on_validation_epoch_end(self) -> None:
        """Log the loss and two kinds of accuracy of the whole split, over all devices.

        Sums may be added over batches and devices; means may not be averaged.
        """
        loss, weight, hits_C, items_C = (
            self.trainer.strategy.reduce(torch.stack(parts).sum(dim=0), reduce_op="sum")
            for parts in zip(*self.sums, strict=True)
        )
        curves = {
            "val/loss": loss / weight,
            "val/accuracy": hits_C.sum() / items_C.sum(),
            "val/balanced_accuracy": (hits_C / items_C)[items_C > 0].mean(),
        }
        self.log_dict(curves, sync_dist=True)  # equal on all devices, and so is their mean
        self.sums.clear()

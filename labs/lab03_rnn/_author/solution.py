"""Lab 03: sequences of unequal length, and a language model that writes character by character.

Work through the TODOs from top to bottom. `pytest labs/lab03_rnn` checks them, `dllab hint 03 TASK`
helps, `dllab train 03` trains the three arms and grades the run.

Shapes stand in the names: B sequences in a batch, T steps, D numbers per step, H hidden units,
G = 4H gates, V tokens of a vocabulary, C classes; `x_BTD` is [B, T, D].
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import BatchLoader, StreamLoader, load

Batch = dict[str, Tensor]
State = tuple[Tensor, Tensor]  # what an LSTM remembers: h and c, float32 [B, H] each

# ------------------------------------------------------------------ the recurrent layer


def lstm_cell(gates_BG: Tensor, c_BH: Tensor) -> State:
    """Take the memory `c_BH` one step further; return the new `(h, c)`, float32 [B, H] each.

    `gates_BG`, float32 [B, 4H], holds four blocks side by side, before any squashing: the input
    gate i, the forget gate f, the candidate g and the output gate o, in this order.
    """
    # BEGIN SOLUTION lstm-cell: return the new h and c, float32 [B, H] each.
    # A sigmoid squashes i, f and o, a tanh squashes g. Then c' = f * c + i * g, and
    # h' = o * tanh(c'). Make new tensors: the backward pass still needs the old ones.
    i_BH, f_BH, g_BH, o_BH = gates_BG.chunk(4, dim=1)
    c_BH = f_BH.sigmoid() * c_BH + i_BH.sigmoid() * g_BH.tanh()
    return o_BH.sigmoid() * c_BH.tanh(), c_BH
    # END SOLUTION


class LSTM(nn.Module):
    """One layer of long short-term memory, a drop-in for `torch.nn.LSTM(..., batch_first=True)`.

    Parameters have torch's names, shapes and gate order (i, f, g, o), so weights can be copied
    either way. States are [B, H]: torch's leading dimension of layers is left out.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        bias_G = torch.zeros(4 * hidden)
        bias_G[hidden : 2 * hidden] = 1  # forget gates start open (Jozefowicz et al., 2015)
        self.bias_ih_l0 = nn.Parameter(bias_G)
        self.bias_hh_l0 = nn.Parameter(torch.zeros(4 * hidden))

    def forward(self, x_BTD: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read T steps; return h of every step, float32 [B, T, H], and the state after the last.

        `state` is what the layer remembers of the steps before; None stands for zeros.
        """
        if state is None:
            zeros_BH = x_BTD.new_zeros(len(x_BTD), self.weight_hh_l0.shape[1])
            state = zeros_BH, zeros_BH
        # BEGIN SOLUTION lstm-loop: return every h, [B, T, H], and the last (h, c).
        # Begin with h and c of `state`. A step's gates are W_ih x + b_ih + W_hh h + b_hh. All x are
        # known beforehand: project them in one multiplication, and leave W_hh h to the loop.
        h_BH, c_BH = state
        gates_BTG = F.linear(x_BTD, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        steps = []
        for gates_BG in gates_BTG.unbind(dim=1):
            h_BH, c_BH = lstm_cell(torch.addmm(gates_BG, h_BH, self.weight_hh_l0.T), c_BH)
            steps.append(h_BH)
        return torch.stack(steps, dim=1), (h_BH, c_BH)
        # END SOLUTION


# ------------------------------------------------------------------ unequal lengths


def valid_steps(length_B: Tensor, steps: int) -> Tensor:
    """Which of `steps` positions hold data: bool [B, T], True before each sequence's length."""
    # BEGIN SOLUTION mask: return a bool [B, T], True where t < length.
    # Compare the positions 0 … T-1, as a row, with the lengths, as a column. No loop.
    return torch.arange(steps, device=length_B.device) < length_B[:, None]
    # END SOLUTION


def last_valid(y_BTH: Tensor, length_B: Tensor) -> Tensor:
    """The output at the last valid step of each sequence, float32 [B, H]."""
    # BEGIN SOLUTION last-valid: return y at step length - 1, [B, H].
    # y_BTH[:, -1] is wrong: for all but the longest sequence it has read padding.
    return y_BTH[torch.arange(len(y_BTH), device=y_BTH.device), length_B - 1]
    # END SOLUTION


def masked_mean(y_BTH: Tensor, length_B: Tensor) -> Tensor:
    """The mean output over the valid steps of each sequence, float32 [B, H]."""
    # BEGIN SOLUTION masked-mean: return the mean of the valid steps, [B, H].
    # Padding must count neither in the sum nor in the number that divides it.
    valid_BT1 = valid_steps(length_B, y_BTH.shape[1]).unsqueeze(2)
    return y_BTH.where(valid_BT1, 0).sum(dim=1) / length_B[:, None]
    # END SOLUTION


def series_statistics(x_BTD: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each of the D numbers over all valid steps, [D] each."""
    # BEGIN SOLUTION series-statistics: return (mean, std) over the valid steps.
    # A mask picks the steps that count from all sequences at once: x_BTD[valid_BT] is [steps, D].
    # The deviation may divide by their number or by one less. A 0 may be data: only lengths tell.
    steps_SD = x_BTD[valid_steps(length_B, x_BTD.shape[1])]
    return steps_SD.mean(dim=0), steps_SD.std(dim=0)
    # END SOLUTION


# ------------------------------------------------------------------ losses and gradients


def balanced_weights(label_N: Tensor, classes: int) -> Tensor:
    """A weight for each class, float32 [C], that gives all classes equal weight in the loss.

    weight_c = N / (C · N_c), where N_c of the N items are of class c: the mean weight of an item
    is 1, and the weights of the items of each class sum to N / C.
    """
    # BEGIN SOLUTION balanced-weights: return N / (C · N_c), float32 [C].
    # label_N is int64 and holds every class at least once.
    count_C = torch.bincount(label_N, minlength=classes)
    return len(label_N) / (classes * count_C.float())
    # END SOLUTION


def nats(logits_BTV: Tensor, token_BT: Tensor) -> Tensor:
    """The mean of -log p(token) over all B·T positions, float32 []: the loss of a language model.

    Logarithms are natural, so the unit is the nat.
    """
    # BEGIN SOLUTION nats: return the mean cross-entropy, float32 [].
    # F.cross_entropy wants the classes in dimension 1; it takes the log-softmax itself.
    return F.cross_entropy(logits_BTV.flatten(0, 1), token_BT.flatten())
    # END SOLUTION


def perplexity(nats_N: Tensor, tokens_N: Tensor) -> Tensor:
    """The perplexity of a text that was scored in N chunks, float32 [].

    `nats_N` holds each chunk's mean nats per token, `tokens_N` its number of tokens. Perplexity is
    exp(mean nats of all tokens): as unsure as a choice among that many equally likely tokens.
    """
    # BEGIN SOLUTION perplexity: return exp(mean nats of all tokens), [].
    # A chunk twice as long counts twice; and the exponential comes last, after the mean.
    return ((nats_N * tokens_N).sum() / tokens_N.sum()).exp()
    # END SOLUTION


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm before clipping, float32 []. Parameters whose `.grad` is None are passed over.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    # BEGIN SOLUTION clip: scale `gradients` in place, return their norm.
    # The norm is over all of them together, as if they were one long vector, so that the step
    # keeps its direction. Smaller gradients stay as they are. Return the norm before clipping.
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    scale = (max_norm / (norm + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale)
    return norm
    # END SOLUTION


# ------------------------------------------------------------------ data and model


class Data(LightningDataModule):
    """Labelled sequences in shuffled batches, or one long text in chunks that follow each other.

    `load` is a parameter so that a test can bring its own small splits.
    """

    def __init__(
        self,
        *,
        name: str = "japanese_vowels",
        size: str = "small",
        batch_size: int = 32,
        steps: int = 64,
        seed: int = 0,
        load: Callable[..., Batch] = load,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.load = load

    def setup(self, stage: str | None = None) -> None:
        """Load both splits as the data set stores them."""
        self.train = self.load(self.name, "train", self.size)
        self.val = self.load(self.name, "val", self.size)

    def train_dataloader(self) -> BatchLoader | StreamLoader:
        """Items in a new order each epoch; a text from a new starting point."""
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> BatchLoader | StreamLoader:
        """All items, or the whole text, in their own order."""
        return self._loader(self.val, shuffle=False)

    def _loader(self, split: Batch, *, shuffle: bool) -> BatchLoader | StreamLoader:
        if "label" in split:
            return BatchLoader(split, self.batch_size, shuffle=shuffle, seed=self.seed)
        # [batch_size, steps + 1] tokens at a time; each lane goes on where the batch before ended
        return StreamLoader(
            split["tokens"], self.batch_size, self.steps, shuffle=shuffle, seed=self.seed
        )


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
    """Numbers or tokens → LSTM → one vector per sequence → logits; or logits at every step.

    `vocabulary` 0 reads series of `features` numbers a step, else ids below `vocabulary`, embedded
    in `features` numbers. `readout` makes one vector of the steps: the `last` or the `mean`.
    """

    def __init__(
        self,
        *,
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
        self.lstm = LSTM(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)
        self.register_buffer("class_weight", torch.ones(classes))
        self.carried: dict[str, State] = {}  # what the LSTM remembers of "train" and "val" text
        self.sums: list[tuple[Tensor, ...]] = []  # of each batch that was validated

    @staticmethod
    def make_embedding(vocabulary: int, features: int) -> nn.Embedding:
        """A table of one vector per token, float32 [V, D]; token 0 is padding."""
        # BEGIN SOLUTION embedding: return an nn.Embedding whose row 0 stays zero.
        # padding_idx does both: a padded step says nothing, and learns nothing.
        return nn.Embedding(vocabulary, features, padding_idx=0)
        # END SOLUTION

    def forward(self, batch: Batch) -> Tensor:
        """The logits of whole sequences, float32 [B, C]; see `predict`."""
        length_B = batch["lengths"]
        x = batch["series"] if "series" in batch else batch["tokens"]
        x = x[:, : int(length_B.max())]  # steps that are padding for all need not be computed
        y_BTH, _ = self.lstm(self.dropout(self.encoder(x)))
        return self.head(self.dropout(self.readout(y_BTH, length_B)))

    def predict(self, batch: Batch) -> Tensor:
        """The logits, float32 [B, C], of a batch of raw items: what the lab is graded on.

        A batch holds `lengths`, int64 [B], and `series`, float32 [B, T, D], or `tokens`, int64
        [B, T]. Positions past the length may hold anything. A language model's classes are the
        tokens that may come next.
        """
        return self(batch)

    def item_loss(self, logits_BC: Tensor, label_B: Tensor) -> Tensor:
        """The cross-entropy of labelled sequences, float32 []; `class_weight` weighs each item."""
        return F.cross_entropy(logits_BC, label_B, weight=self.class_weight)

    def stream_loss(self, batch: Batch, stage: str) -> Tensor:
        """The nats of the next chunk of a text, float32 [], by truncated back-propagation.

        `tokens`, int64 [B, T + 1], go on where the chunk before ended, unless `start`, one bool []
        for all B lanes, is True. `self.carried[stage]` is the state after that chunk; stages
        ("train", "val") read different texts and must not share one.
        """
        token_BT, next_BT = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
        # BEGIN SOLUTION truncated-bptt: carry the state on, return the nats.
        # Begin with the state carried from the chunk before (None at the start of a text), apply
        # encoder, dropout, lstm, dropout and head, and keep the new state, detached: memory flows
        # on from chunk to chunk, gradients stop at the border.
        state = None if batch["start"] else self.carried[stage]
        y_BTH, (h_BH, c_BH) = self.lstm(self.dropout(self.encoder(token_BT)), state)
        self.carried[stage] = h_BH.detach(), c_BH.detach()
        return nats(self.head(self.dropout(y_BTH)), next_BT)
        # END SOLUTION

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of items, or of a chunk of text; logged as `train/loss`."""
        if "label" in batch:
            loss = self.item_loss(self(batch), batch["label"])
        else:
            loss = self.stream_loss(batch, "train")
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

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the sums that the metrics of the whole split are made of.

        First the loss times its weight, and the weight: that of the batch's items, or its tokens.
        """
        if "label" in batch:
            logits_BC, label_B = self(batch), batch["label"]
            hit_B, classes = logits_BC.argmax(dim=1) == label_B, logits_BC.shape[1]
            hits_C = torch.bincount(label_B[hit_B], minlength=classes)
            items_C = torch.bincount(label_B, minlength=classes)
            weight = (self.class_weight * items_C).sum()
            self.sums.append((self.item_loss(logits_BC, label_B) * weight, weight, hits_C, items_C))
        else:
            loss = self.stream_loss(batch, "val")
            weight = loss.new_tensor(batch["tokens"][:, 1:].numel())
            self.sums.append((loss * weight, weight))

    def on_validation_epoch_end(self) -> None:
        """Log the loss, and two kinds of accuracy or the perplexity, over all devices.

        Sums may be added over batches and devices; means may not be averaged.
        """
        total, weight, *counts = (
            self.trainer.strategy.reduce(torch.stack(parts).sum(dim=0), reduce_op="sum")
            for parts in zip(*self.sums, strict=True)
        )
        curves = {"val/loss": total / weight}
        if counts:
            hits_C, items_C = counts
            curves["val/accuracy"] = hits_C.sum() / items_C.sum()
            curves["val/balanced_accuracy"] = (hits_C / items_C)[items_C > 0].mean()
        else:
            curves["val/perplexity"] = perplexity(curves["val/loss"][None], weight[None])
        self.log_dict(curves, sync_dist=True)  # equal on all devices, and so is their mean
        self.sums.clear()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the carried state, so that a resumed run goes on in the middle of the text."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the carried state up again."""
        self.carried = checkpoint["carried"]

    def on_train_start(self) -> None:
        """Bring a state that came with a checkpoint to where the weights are."""
        device = self.device
        self.carried = {k: (h.to(device), c.to(device)) for k, (h, c) in self.carried.items()}

"""Lab 20: a language model that reads Shakespeare's plays character by character, and writes on.

Work through the TODOs from top to bottom. `pytest labs/lab20_language_model` checks them,
`dllab hint 20 TASK` helps, `dllab train 20` trains the model and grades the run, `dllab dream 20`
has it write.

Shapes stand in the names: B texts side by side, T characters of each, V characters that there are,
H hidden units; `token_BT` is [B, T]. A token is the id of a character.
"""

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn

from dllab.data import StreamLoader, load

Batch = dict[str, Tensor]
State = tuple[Tensor, Tensor]  # what the LSTM remembers: h and c, float32 [1, B, H] each

# ------------------------------------------------------------------ how good is a guess?


def nats(logits_BTV: Tensor, token_BT: Tensor) -> Tensor:
    """The mean of -log p(token) over all B·T positions, float32 []: the loss of a language model.

    Logarithms are natural, so the unit is the nat.
    """
    # TODO cross-entropy: return the mean cross-entropy, float32 [].
    # F.cross_entropy wants the classes in dimension 1; it takes the log-softmax itself.
    raise NotImplementedError("TODO cross-entropy: return the mean cross-entropy, float32 [].")


def bits_per_character(nats_N: Tensor, tokens_N: Tensor) -> Tensor:
    """Bits per character of a text that was scored in N chunks, float32 [].

    `nats_N` holds each chunk's mean nats per character, `tokens_N` its number of characters. A bit
    is log 2 nats: so many yes-or-no answers would tell a character.
    """
    # TODO bits: return the text's mean bits per character, float32 [].
    # A chunk twice as long counts twice. Then turn nats into bits: divide by log 2.
    raise NotImplementedError("TODO bits: return the text's mean bits per character, float32 [].")


def perplexity(nats_N: Tensor, tokens_N: Tensor) -> Tensor:
    """The perplexity of a text that was scored in N chunks, float32 []; see `bits_per_character`.

    It is exp(mean nats of all tokens): as unsure as a choice among that many equally likely tokens.
    """
    # TODO perplexity: return exp(mean nats of all tokens), [].
    # A chunk twice as long counts twice; and the exponential comes last, after the mean.
    raise NotImplementedError("TODO perplexity: return exp(mean nats of all tokens), [].")


# ------------------------------------------------------------------ which character is drawn?


def probabilities(logits_BV: Tensor, temperature: float) -> Tensor:
    """How probable each token is at a temperature, float32 [B, V].

    1 leaves the model's own probabilities, less makes them sharper, more makes them flatter. At 0
    the most probable token is certain.
    """
    # TODO temperature: return probabilities, float32 [B, V].
    # The softmax of logits / temperature, over the tokens. Nothing can be divided by 0: there the
    # token with the largest logit has probability 1 (F.one_hot, as float).
    raise NotImplementedError("TODO temperature: return probabilities, float32 [B, V].")


def keep_top_k(p_BV: Tensor, k: int) -> Tensor:
    """The same probabilities with all but the k largest of each row at 0, float32 [B, V]."""
    # TODO top-k: return probabilities that sum to 1, float32 [B, V].
    # What is kept is divided by its sum. k may exceed V; then everything is kept.
    raise NotImplementedError("TODO top-k: return probabilities that sum to 1, float32 [B, V].")


def keep_top_p(p_BV: Tensor, mass: float) -> Tensor:
    """The nucleus: as few tokens as hold at least `mass` together, the others at 0; [B, V]."""
    # TODO top-p: return probabilities that sum to 1, float32 [B, V].
    # Sort each row, largest first. A token is kept if those before it hold less than `mass`: so
    # the first always is. Put 0 for the others (scatter undoes the sort), and divide by the sum.
    raise NotImplementedError("TODO top-p: return probabilities that sum to 1, float32 [B, V].")


# ------------------------------------------------------------------ data and model


class Data(LightningDataModule):
    """One long text in `batch_size` lanes, cut into chunks of `steps` that follow each other."""

    def __init__(
        self,
        *,
        name: str = "shakespeare",
        size: str = "small",
        batch_size: int = 64,
        steps: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.batch_size, self.steps, self.seed = batch_size, steps, seed

    def setup(self, stage: str | None = None) -> None:
        """Load both texts."""
        self.train = load(self.name, "train", self.size)
        self.val = load(self.name, "val", self.size)

    def train_dataloader(self) -> StreamLoader:
        """The text from another starting point in each epoch."""
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> StreamLoader:
        """The whole text."""
        return self._loader(self.val, shuffle=False)

    def _loader(self, split: Batch, *, shuffle: bool) -> StreamLoader:
        # [batch_size, steps + 1] tokens at a time; each lane goes on where the batch before ended
        return StreamLoader(
            split["tokens"], self.batch_size, self.steps, shuffle=shuffle, seed=self.seed
        )


class Model(LightningModule):
    """Tokens → embedding → LSTM → logits of the next token, at every step."""

    def __init__(
        self,
        *,
        tokens: int = 75,
        features: int = 64,
        hidden: int = 192,
        dropout: float = 0.0,
        lr: float = 0.015,
        weight_decay: float = 0.0,
        clip: float = 1.0,
    ) -> None:
        super().__init__()
        self.lr, self.weight_decay, self.clip = lr, weight_decay, clip
        self.encoder = nn.Embedding(tokens, features, padding_idx=0)
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, tokens)
        with torch.no_grad():
            self.lstm.bias_hh_l0.zero_()
            self.lstm.bias_ih_l0.zero_()[hidden : 2 * hidden] = 1  # forget gates start open
        self.carried: dict[str, State] = {}  # what the LSTM remembers of "train" and "val" text
        self.sums: list[tuple[Tensor, Tensor]] = []  # of each batch that was validated

    def read(self, token_BT: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits of what follows each token, float32 [B, T, V], and the state after the last.

        `state` is what the LSTM remembers of the tokens before; None: nothing came before.
        """
        y_BTH, state = self.lstm(self.dropout(self.encoder(token_BT)), state)
        return self.head(self.dropout(y_BTH)), state

    def predict(self, batch: Batch) -> Tensor:
        """The logits of the token that follows, float32 [B, V]: what the lab is graded on.

        A batch holds `tokens`, int64 [B, T], and `lengths`, int64 [B]. Positions past the length
        may hold anything.
        """
        logits_BTV, _ = self.read(batch["tokens"])
        row_B = torch.arange(len(logits_BTV), device=logits_BTV.device)
        return logits_BTV[row_B, batch["lengths"] - 1]

    def stream_loss(self, batch: Batch, stage: str) -> Tensor:
        """The nats of the next chunk of a text, float32 [], by truncated back-propagation.

        `tokens`, int64 [B, T + 1], go on where the chunk before ended, unless `start`, one bool []
        for all B lanes, is True. `self.carried[stage]` is the state after that chunk; stages
        ("train", "val") read different texts and must not share one.
        """
        token_BT, next_BT = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
        # TODO truncated-bptt: carry the state on, return the nats.
        # Begin with the state carried from the chunk before (None at the start of a text), call
        # self.read, and keep the new state, detached: memory flows on from chunk to chunk,
        # gradients stop at the border. Then compare the logits with next_BT.
        raise NotImplementedError("TODO truncated-bptt: carry the state on, return the nats.")

    @torch.no_grad()
    def write(
        self,
        token_BT: Tensor,
        steps: int,
        *,
        temperature: float = 1.0,
        k: int = 75,
        mass: float = 1.0,
        seed: int = 0,
    ) -> Tensor:
        """Write on: `steps` tokens for each of B beginnings of T tokens, int64 [B, steps].

        Each is drawn from the model's probabilities at a temperature, then cut to the `k` most
        probable, then to the nucleus of this `mass`. The same seed gives the same text.
        """
        generator = torch.Generator(token_BT.device).manual_seed(seed)
        # TODO write: return the drawn tokens alone, int64 [B, steps].
        # Read the beginning. Then, again and again: take the logits after the last token read, draw
        # from probabilities, keep_top_k and keep_top_p with torch.multinomial(p, 1,
        # generator=generator), and read what was drawn, with the state so far. No token is read
        # twice.
        raise NotImplementedError("TODO write: return the drawn tokens alone, int64 [B, steps].")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a chunk; logged as `train/loss`."""
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
        """Lightning's place for clipping: by the joint norm, as in lab 03."""
        nn.utils.clip_grad_norm_(self.parameters(), self.clip)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the loss of each chunk, times its tokens, and their number."""
        loss = self.stream_loss(batch, "val")
        tokens = loss.new_tensor(batch["tokens"][:, 1:].numel())
        self.sums.append((loss * tokens, tokens))

    def on_validation_epoch_end(self) -> None:
        """Log nats, bits per character and perplexity of the whole text, over all devices.

        Sums may be added over batches and devices; means may not be averaged.
        """
        total, tokens = (
            self.trainer.strategy.reduce(torch.stack(parts).sum(dim=0), reduce_op="sum")
            for parts in zip(*self.sums, strict=True)
        )
        loss_1, tokens_1 = (total / tokens)[None], tokens[None]
        curves = {
            "val/loss": total / tokens,
            "val/bits": bits_per_character(loss_1, tokens_1),
            "val/perplexity": perplexity(loss_1, tokens_1),
        }
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

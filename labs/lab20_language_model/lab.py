"""Lab 20: two language models that read Shakespeare's plays character by character, and write on.

Work through the TODOs from top to bottom. `pytest labs/lab20_language_model` checks them,
`dllab hint 20 TASK` helps, `dllab train 20` trains an LSTM and a GPT and grades the run,
`dllab dream 20` has both write.

Shapes stand in the names: B texts side by side, T characters of each, V characters that there are,
H hidden units of the LSTM; D features of the GPT, in heads of K; `token_BT` is [B, T]. A token is
the id of a character, a place its index in what the GPT reads at once.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .given import Batch, Network, Plays, Reader, State, last

Data = Plays

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


# ------------------------------------------------------------------ a GPT


def sees(network: Callable[[Tensor], Tensor], x_BTD: Tensor) -> Tensor:
    """Which places of what `network` returns depend on which places of x, bool [T, T].

    Row t, column s: whether anything at place t changes with x at place s. `network` maps float
    [B, T, D] to [B, T, E].
    """
    # TODO sees: return who sees whom, bool [T, T].
    # Put new random numbers at one place of a copy of x, all else as it was, and look which places
    # of the output differ, by more than rounding (1e-6). To add 1 to all numbers would not do: a
    # norm takes it off again.
    raise NotImplementedError("TODO sees: return who sees whom, bool [T, T].")


class Attention(nn.Module):
    """Causal self-attention with H heads: that of lab 19, by the library's kernel."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Let each place look at itself and at those before it, float [B, T, D]."""
        # TODO attention: return self.out of the merged heads, [B, T, D].
        # self.qkv makes queries, keys and values, in this order, D numbers each. Head 0 gets the
        # first K numbers of each. F.scaled_dot_product_attention wants [B, H, T, K]; it scales by
        # 1/√K itself, and is causal if it is told so.
        raise NotImplementedError("TODO attention: return self.out of the merged heads, [B, T, D].")


class Block(nn.Module):
    """What is known at each place, twice added to: by looking around, then by thinking alone."""

    def __init__(self, features: int, heads: int, *, norm: bool) -> None:
        super().__init__()
        self.norm, self.outer_norm = normed(features, norm), normed(features, norm)
        self.attention = Attention(features, heads)
        self.network = Network(features)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        # TODO block: return both sums, float [B, T, D].
        # x plus attention of self.norm of x; then that plus self.network of self.outer_norm of
        # that. x itself passes no norm: gradients reach the first block undivided.
        raise NotImplementedError("TODO block: return both sums, float [B, T, D].")


def normed(features: int, norm: bool) -> nn.Module:
    """A layer norm, or nothing at all."""
    return nn.LayerNorm(features) if norm else nn.Identity()


@torch.no_grad()
def start(model: nn.Module, depth: int) -> None:
    """Begin as GPT-2 does (Radford et al., 2019); `depth` is its number of blocks."""
    # TODO start: set all of model.named_parameters() in place.
    # Matrices are normal with deviation 0.02, but those of layers called out, of which 2·depth add
    # to x one after the other: 0.02 / √(2·depth). Biases are 0. The weights of norms, the only
    # other vectors, stay 1.
    raise NotImplementedError("TODO start: set all of model.named_parameters() in place.")


class GPT(nn.Module):
    """Blocks over the last `window` places. It is called as nn.LSTM is: y, state = gpt(x, state).

    It remembers nothing but what it reads again: its state is a tuple of one, the x of the last
    places as they came in.
    """

    def __init__(self, features: int, depth: int, heads: int, window: int, *, norm: bool) -> None:
        super().__init__()
        self.window = window
        self.places = nn.Embedding(window, features)
        self.blocks = nn.ModuleList(Block(features, heads, norm=norm) for _ in range(depth))
        self.norm = normed(features, norm)

    def forward(self, x_BTD: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """T more places: y, float [B, T, D], and the state after them.

        Of more than `window` new places it answers the last ones alone.
        """
        # TODO window: return y [B, T, D] and the state, (x [B, S, D],).
        # Put what the state holds before the new places, and keep the last self.window of them:
        # that is the new state. Add self.places.weight, the oldest that is left being place 0; go
        # through self.blocks and self.norm; return the new places alone.
        raise NotImplementedError("TODO window: return y [B, T, D] and the state, (x [B, S, D],).")


# ------------------------------------------------------------------ a model


class Model(Reader):
    """Tokens → embedding → LSTM or GPT → logits of the next token, at every step."""

    def __init__(
        self,
        *,
        network: str = "lstm",
        tokens: int = 75,
        features: int = 64,
        hidden: int = 192,
        depth: int = 2,
        heads: int = 4,
        window: int = 32,
        norm: bool = True,
        places: bool = True,
        dropout: float = 0.0,
        lr: float = 0.015,
        schedule: str = "one-cycle",
        weight_decay: float = 0.0,
        clip: float = 1.0,
    ) -> None:
        super().__init__(lr, weight_decay, clip, schedule)
        self.encoder = nn.Embedding(tokens, features, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.core: nn.Module
        if network == "gpt":
            self.window = window
            self.core = GPT(features, depth, heads, window, norm=norm)
            self.head = nn.Linear(features, tokens)
            start(self, depth)
            self.core.places.weight.requires_grad_(places).data.mul_(places)
        else:
            self.core = nn.LSTM(features, hidden, batch_first=True)
            self.head = nn.Linear(hidden, tokens)
            self.core.bias_hh_l0.data.zero_()
            self.core.bias_ih_l0.data.zero_()[hidden : 2 * hidden] = 1  # forget gates start open

    def read(self, token_BT: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits of what follows each token, float32 [B, T, V], and the state after the last.

        `state` is what is remembered of the tokens before; None: nothing came before.
        """
        y_BTH, state = self.core(self.dropout(self.encoder(token_BT)), state)
        return self.head(self.dropout(y_BTH)), state

    def predict(self, batch: Batch) -> Tensor:
        """The logits of the token that follows, float32 [B, V]: what the lab is graded on.

        A batch holds `tokens`, int64 [B, T], and `lengths`, int64 [B]. Positions past the length
        may hold anything.
        """
        token_BT, length_B = batch["tokens"], batch["lengths"]
        if self.window:
            token_BT, length_B = last(token_BT, length_B, self.window)
        logits_BTV, _ = self.read(token_BT)
        row_B = torch.arange(len(logits_BTV), device=logits_BTV.device)
        return logits_BTV[row_B, length_B - 1]

    def stream_loss(self, batch: Batch, stage: str) -> Tensor:
        """The nats of the next chunk of a text, float32 [], by truncated back-propagation.

        `tokens`, int64 [B, T + 1], go on where the chunk before ended, unless `start`, one bool []
        for all B lanes, is True. `self.carried[stage]` is the state after that chunk; stages
        ("train", "val") read different texts and must not share one.
        """
        token_BT, next_BT = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
        # TODO truncated-bptt: carry the state on, return the nats.
        # Begin with the state carried from the chunk before (None at the start of a text), call
        # self.read, and keep the new state, each of its tensors detached: memory flows on from
        # chunk to chunk, gradients stop at the border. Then compare the logits with next_BT.
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

    def on_validation_epoch_end(self) -> None:
        """Log nats, bits per character and perplexity of the whole text."""
        total, tokens = self.validated()
        loss_1, tokens_1 = (total / tokens)[None], tokens[None]
        curves = {
            "val/loss": total / tokens,
            "val/bits": bits_per_character(loss_1, tokens_1),
            "val/perplexity": perplexity(loss_1, tokens_1),
        }
        self.log_dict(curves, sync_dist=True)  # equal on all devices, and so is their mean

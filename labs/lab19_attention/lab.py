"""Lab 19: attention, forward and backward by hand, in tiles, and with a cache.

Work through the TODOs from top to bottom. `pytest labs/lab19_attention` checks them,
`dllab hint 19 TASK` helps, `dllab train 19` trains a small transformer and grades the run.

Shapes stand in the names: B texts, H heads, T queries, S keys, K numbers of a query or a key,
V numbers of a value, D = H·K features. A text's keys and values have G heads, which H / G heads of
queries share each. A token's *place* is its index in its text.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dllab.checks import Case

from .given import Batch, Block, Plays, Reader, last

Data = Plays
Keep = Callable[[Tensor], Tensor]  # from places of keys [S] to a mask, bool [B, 1, T, S]
LOWEST = -1e30  # stands in for -∞ where -∞ minus -∞ would be nan

# 1. Tests first -----------------------------------------------------------------------------------


def cases() -> list[Case]:
    """Tests of `attention` (see 2), as data: before you write it, say how a wrong one is found."""
    # TODO cases: return at most six cases that find wrong attention.
    # Case(given, expected, atol=…, rtol=…): given is {"q": float32 [B, H, T, K], "k": float32
    # [B, H, S, K], "v": float32 [B, H, S, V], "length": int64 [B], "causal": bool []}, expected is
    # y, float32 [B, H, T, V]. The queries are the last T of S places. A query that sees no key gets
    # zeros. F.scaled_dot_product_attention may compute what is expected, in float64; to think of
    # the inputs is the task. Right code rounds: allow atol=0.001, keep q · k below 10,000.
    raise NotImplementedError("TODO cases: return at most six cases that find wrong attention.")


# 2. Attention -------------------------------------------------------------------------------------


def keep_mask(place_T: Tensor, place_S: Tensor, length_B: Tensor, *, causal: bool) -> Tensor:
    """Which keys count for which query, by their places: bool [B, 1, T, S], True to keep."""
    # TODO keep: return the mask, bool [B, 1, T, S].
    # A key counts if its place is below the length of its text; the rest is padding. With `causal`,
    # its place must also not be above the query's. Compare places, not indices: behind a cache, or
    # in a tile, they differ.
    raise NotImplementedError("TODO keep: return the mask, bool [B, 1, T, S].")


def scores(q_BHTK: Tensor, k_BHSK: Tensor, keep_B1TS: Tensor) -> Tensor:
    """How well each query fits each key, float [B, H, T, S] (Vaswani et al., 2017)."""
    # TODO scores: return q · k / √K, float [B, H, T, S].
    # Where the mask is False the score is -∞ (-torch.inf): the softmax comes later.
    raise NotImplementedError("TODO scores: return q · k / √K, float [B, H, T, S].")


def softmax(score_BHTS: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of each query, and the logarithm of what they were divided by."""
    # TODO softmax: return p [B, H, T, S] and lse [B, H, T, 1].
    # p = exp(s - top) / total, where top is the row's largest score, total = Σ exp(s - top), and
    # lse = top + log total. In a row that is all -∞, every p is 0: raise top to LOWEST at least,
    # and total to 1, which is what the largest score adds to it in any other row.
    raise NotImplementedError("TODO softmax: return p [B, H, T, S] and lse [B, H, T, 1].")


def attention(q: Tensor, k: Tensor, v: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Mean values, weighted by how well query and key fit: y [B, H, T, V] and lse [B, H, T, 1]."""
    p_BHTS, lse_BHT1 = softmax(scores(q, k, keep))
    return p_BHTS @ v, lse_BHT1


class Known(NamedTuple):
    """What the forward pass leaves to the backward pass: all that it got, and all that it made."""

    q: Tensor  # [B, H, T, K]
    k: Tensor  # [B, H, S, K]
    v: Tensor  # [B, H, S, V]
    y: Tensor  # [B, H, T, V]
    lse: Tensor  # [B, H, T, 1]


def attention_backward(g: Tensor, known: Known, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v from g, that of y; without autograd, and without a stored p."""
    # TODO backward: return dq, dk and dv, shaped like q, k and v.
    # p = exp(scores - lse). Then dv = pᵀ g, and ds = p · (g vᵀ - Σ g y), where the sum runs over a
    # query's V numbers; dq = ds k / √K and dk = dsᵀ q / √K. The page derives it.
    raise NotImplementedError("TODO backward: return dq, dk and dv, shaped like q, k and v.")


# 3. In tiles --------------------------------------------------------------------------------------

# What is known of each query after some of the keys: its largest score `top` and the sum `total` of
# all exp(s - top), [B, H, T, 1] each, and the sum `y` of all exp(s - top) · v, [B, H, T, V].
State = tuple[Tensor, Tensor, Tensor]


def online(state: State, score_BHTS: Tensor, v_BHSV: Tensor) -> State:
    """Take S more keys into account (Milakov and Gimelshein, 2018)."""
    # TODO online: return the new state (top, total, y).
    # The new top is the larger of the old one and the new scores'. Old sums are too large by
    # exp(old top - new top) then: multiply both by that, and add what the new keys bring.
    raise NotImplementedError("TODO online: return the new state (top, total, y).")


def tiled(q: Tensor, k: Tensor, v: Tensor, keep: Keep, size: int) -> tuple[Tensor, Tensor]:
    """What `attention` returns, with scores for no more than `size` keys at a time."""
    # TODO tiled: return y [B, H, T, V] and lse [B, H, T, 1].
    # Begin with top = LOWEST, total = 0 and y = 0, and go through places 0 … S-1 by `size`: keep
    # makes the mask of a tile's places. In the end raise total to 1 at least, divide y by it, and
    # take lse as softmax does.
    raise NotImplementedError("TODO tiled: return y [B, H, T, V] and lse [B, H, T, 1].")


def tiled_backward(g: Tensor, known: Known, keep: Keep, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `attention_backward` returns, with scores for no more than `size` keys at a time."""
    # TODO tiled-backward: return dq, dk and dv.
    # y and lse are those of whole rows: attention_backward does one tile as it does all keys, and
    # known._replace(k=…, v=…) is `known` with a tile's keys and values. Its dk and dv belong to the
    # tile's keys, and are joined; each tile adds to dq.
    raise NotImplementedError("TODO tiled-backward: return dq, dk and dv.")


class Tiled(torch.autograd.Function):
    """`tiled`, with `tiled_backward` for its gradient: Tiled.apply(q, k, v, keep, size) is y."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *options: Any) -> Tensor:
        """Keep for `backward` what it needs, and nothing of T · S numbers."""
        # TODO save: return y; save what `backward` below asks for.
        # `options` are keep and size; hand them to tiled, and put them into ctx.options.
        # ctx.save_for_backward takes tensors, and gives them back as ctx.saved_tensors. Scores and
        # weights are not kept: they are computed again.
        raise NotImplementedError("TODO save: return y; save what `backward` below asks for.")

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients for q, k and v, and none for keep and size."""
        return *tiled_backward(g, Known(*ctx.saved_tensors), *ctx.options), None, None


# 4. Heads, places and a cache ---------------------------------------------------------------------


def rope(x_BHTK: Tensor, place_T: Tensor, base: float = 10_000.0) -> Tensor:
    """Turn queries or keys by their places, so that their products know how far apart they are.

    Su et al. (2021). Numbers i and i + K/2 are the coordinates of a point, for i from 0 to K/2 - 1.
    """
    # TODO rope: return the turned numbers, float [B, H, T, K].
    # Point i turns by the angle place · base^(-2i / K), anticlockwise: (a, b) becomes
    # (a cos - b sin, a sin + b cos).
    raise NotImplementedError("TODO rope: return the turned numbers, float [B, H, T, K].")


def split_heads(x_BTD: Tensor, heads: int) -> Tensor:
    """Cut each token's D numbers into heads, float [B, H, T, K]; `merge_heads` puts them back."""
    # TODO heads: return the heads, float [B, H, T, K].
    # Head 0 gets the first K = D / H numbers of each token, head 1 the next. Tokens must not mix.
    raise NotImplementedError("TODO heads: return the heads, float [B, H, T, K].")


def merge_heads(x_BHTK: Tensor) -> Tensor:
    """Put each token's heads side by side, float [B, T, D]."""
    return x_BHTK.transpose(1, 2).flatten(2)


def share(x_BGSK: Tensor, heads: int) -> Tensor:
    """Give each of H heads the keys, or values, of its group (Ainslie et al., 2023)."""
    # TODO share: return float [B, H, S, K]; heads is H, a multiple of G.
    # The first H / G heads share group 0, the next group 1.
    raise NotImplementedError("TODO share: return float [B, H, S, K]; heads is H, a multiple of G.")


class Cache:
    """Keys and values of one layer, of all tokens that were read so far."""

    def __init__(self) -> None:
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def __len__(self) -> int:
        """How many tokens there are: the place of the next one."""
        return 0 if self.k is None else self.k.shape[2]

    def append(self, k_BGTK: Tensor, v_BGTK: Tensor) -> tuple[Tensor, Tensor]:
        """Take in T more tokens, and return all that there are."""
        # TODO cache: keep and return all keys and values, [B, G, S, K].
        # New tokens come after the old ones. At first self.k and self.v are None.
        raise NotImplementedError("TODO cache: keep and return all keys and values, [B, G, S, K].")


class Attention(nn.Module):
    """Causal self-attention with H heads of queries, and G of keys and values.

    `size` is that of a tile; with 0, all scores are there at once. Without `rotary`, nobody knows
    the order of the tokens before.
    """

    def __init__(self, features: int, heads: int, groups: int, *, rotary: bool, size: int) -> None:
        super().__init__()
        self.heads, self.groups, self.rotary, self.size = heads, groups, rotary, size
        shared = features // heads * groups
        self.query, self.out = nn.Linear(features, features), nn.Linear(features, features)
        self.key, self.value = nn.Linear(features, shared), nn.Linear(features, shared)

    def turn(self, x_BHTK: Tensor, place_T: Tensor) -> Tensor:
        """`rope`, unless this layer does without."""
        return rope(x_BHTK, place_T) if self.rotary else x_BHTK

    def attend(self, q: Tensor, k: Tensor, v: Tensor, keep: Keep) -> Tensor:
        """`attention` or `Tiled` over all keys; all three have H heads."""
        if self.size:
            return Tiled.apply(q, k, v, keep, self.size)
        return attention(q, k, v, keep(torch.arange(k.shape[2], device=k.device)))[0]

    def forward(self, x_BTD: Tensor, length_B: Tensor, cache: Cache) -> Tensor:
        """Let T tokens look at themselves, and at those in the cache, which come before them."""
        past, T = len(cache), x_BTD.shape[1]
        place_T = torch.arange(past, past + T, device=x_BTD.device)
        keep = partial(keep_mask, place_T, length_B=length_B, causal=True)
        # TODO layer: return self.out of the merged heads, [B, T, D].
        # self.query makes H heads, self.key and self.value make self.groups. self.turn turns
        # queries and keys by place_T, not values. The cache takes keys and values in before they
        # are shared, so that it stays small. self.attend does the rest.
        raise NotImplementedError("TODO layer: return self.out of the merged heads, [B, T, D].")


# 5. A transformer ---------------------------------------------------------------------------------


def likeliest(logits_BV: Tensor) -> Tensor:
    """The most probable token, int64 [B]."""
    return logits_BV.argmax(dim=-1)


class Model(Reader):
    """Tokens → embedding → `depth` blocks → norm → logits of the next token, at every place."""

    def __init__(
        self,
        *,
        tokens: int = 75,
        features: int = 64,
        depth: int = 2,
        heads: int = 4,
        groups: int = 2,
        rotary: bool = True,
        tile: int = 0,
        window: int = 32,
        lr: float = 0.004,
        weight_decay: float = 0.1,
        clip: float = 1.0,
    ) -> None:
        super().__init__(lr, weight_decay, clip)
        self.window = window  # it was trained on so many tokens, and goes astray beyond
        self.encoder = nn.Embedding(tokens, features)
        nn.init.normal_(self.encoder.weight, std=0.02)

        def layer() -> Attention:
            return Attention(features, heads, groups, rotary=rotary, size=tile)

        self.blocks = nn.ModuleList(Block(features, layer()) for _ in range(depth))
        self.head = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, tokens))

    def caches(self) -> list[Cache]:
        """An empty cache for each block."""
        return [Cache() for _ in self.blocks]

    def read(
        self,
        token_BT: Tensor,
        caches: list[Cache] | None = None,
        length_B: Tensor | None = None,
    ) -> Tensor:
        """The logits of what follows each token, float32 [B, T, V].

        The tokens go on where those in the caches ended. Without `length_B` nothing is padding.
        """
        caches = self.caches() if caches is None else caches
        if length_B is None:
            length_B = token_BT.new_full((len(token_BT),), len(caches[0]) + token_BT.shape[1])
        x_BTD = self.encoder(token_BT)
        for block, cache in zip(self.blocks, caches, strict=True):
            x_BTD = block(x_BTD, length_B, cache)
        return self.head(x_BTD)

    def predict(self, batch: Batch) -> Tensor:
        """The logits of the token that follows, float32 [B, V]: what the lab is graded on.

        A batch holds `tokens`, int64 [B, T], and `lengths`, int64 [B]. Positions past the length
        may hold anything.
        """
        token_BT, length_B = last(batch["tokens"], batch["lengths"], self.window)
        logits_BTV = self.read(token_BT, length_B=length_B)
        row_B = torch.arange(len(logits_BTV), device=logits_BTV.device)
        return logits_BTV[row_B, length_B - 1]

    @torch.no_grad()
    def write(
        self, token_BT: Tensor, steps: int, choose: Callable[[Tensor], Tensor] = likeliest
    ) -> Tensor:
        """Write on: `steps` tokens for each of B beginnings, int64 [B, steps].

        `choose` turns the logits of the next token, [B, V], into the token, [B].
        """
        # TODO write: return the chosen tokens alone, int64 [B, steps].
        # self.caches() makes new ones. Read the beginning with them, then each chosen token alone,
        # with the same caches: no token is read twice. The last place's logits are what counts.
        raise NotImplementedError("TODO write: return the chosen tokens alone, int64 [B, steps].")

    def say(self, token_BT: Tensor, steps: int, *, temperature: float, seed: int) -> Tensor:
        """Write on with drawn tokens, int64 [B, steps]; the same seed gives the same text."""
        generator = torch.Generator(token_BT.device).manual_seed(seed)

        def draw(logits_BV: Tensor) -> Tensor:
            p_BV = (logits_BV / temperature).softmax(dim=-1)
            return torch.multinomial(p_BV, 1, generator=generator)[:, 0]

        return self.write(token_BT, steps, draw)

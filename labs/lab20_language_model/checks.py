"""The visible checks of lab 20, in the order of its tasks; right answers are PyTorch's own."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Given, check, dream, exhibits, integers, normal, uniform
from dllab.data import vocabulary

HIDDEN, TOKENS = 4, 7  # of a toy language
LN2 = torch.tensor(2.0).log()


def cost(g, logits: Tensor | None = None, **how: str) -> Tensor:
    """The mean cross-entropy over all positions, of the given logits or others."""
    scores = g.logits if logits is None else logits
    return F.cross_entropy(scores.flatten(0, 1), g.token.flatten(), **how)


@check(
    "cross-entropy",
    "Nats per token",
    given={"logits": normal(2, 5, TOKENS, std=3), "token": integers(0, TOKENS, 2, 5)},
    expect=cost,
    mistakes={
        "softmax was applied twice: cross_entropy wants raw logits": lambda g: cost(
            g, g.logits.softmax(2)
        ),
        "these are bits: nats have natural logarithms": lambda g: cost(g) / LN2,
        "divided by log 2 the wrong way: nats need no factor": lambda g: cost(g) * LN2,
        "this is the sum over all positions, not the mean": lambda g: cost(g, reduction="sum"),
        "summed over the steps: the mean is over all B·T positions": lambda g: 5 * cost(g),
        "the softmax runs over the steps, not over the tokens": lambda g: F.nll_loss(
            g.logits.log_softmax(1).flatten(0, 1), g.token.flatten()
        ),
        "view does not move the tokens to dimension 1: transpose(1, 2)": lambda g: F.cross_entropy(
            g.logits.reshape(2, TOKENS, 5), g.token
        ),
        "this is the perplexity: leave the exp out": lambda g: cost(g).exp(),
    },
    grad=("logits",),
)
def cross_entropy(lab, given):
    """The nats are the mean of -log p(token) over all positions, straight from the raw logits."""
    return lab.nats(given.logits, given.token)


def weighted(g, values: Tensor) -> Tensor:
    """The mean over all tokens of what each chunk has."""
    return (values * g.tokens).sum() / g.tokens.sum()


CHUNKS = {
    "nats": lambda rng: 1 + 2 * torch.rand(3, generator=rng),
    "tokens": torch.tensor([400.0, 50.0, 7.0]),
}


@check(
    "bits",
    "Bits per character",
    given=CHUNKS,
    expect=lambda g: weighted(g, g.nats) / LN2,
    mistakes={
        "these are nats: divide by log 2": lambda g: weighted(g, g.nats),
        "multiplied by log 2: a bit is less than a nat, so there are more of them": lambda g: (
            weighted(g, g.nats) * LN2
        ),
        "a short chunk counts as much as a long one": lambda g: g.nats.mean() / LN2,
        "this is the sum over the text: divide by its characters": lambda g: (
            (g.nats * g.tokens).sum() / LN2
        ),
        "this is log2 of the nats: change the logarithm's base": lambda g: weighted(
            g, g.nats
        ).log2(),
        "this is a perplexity": lambda g: 2 ** weighted(g, g.nats),
    },
    rtol=1e-4,
)
def bits(lab, given):
    """Bits per character are the text's mean nats, divided by log 2, however it was cut."""
    return lab.bits_per_character(given.nats, given.tokens)


@check(
    "perplexity",
    "Perplexity of a text in chunks",
    given=CHUNKS,
    expect=lambda g: weighted(g, g.nats).exp(),
    mistakes={
        "the mean of exponentials is not the exponential of the mean": lambda g: weighted(
            g, g.nats.exp()
        ),
        "a short chunk counts as much as a long one": lambda g: g.nats.mean().exp(),
        "both: every chunk counts alike, and exp comes first": lambda g: g.nats.exp().mean(),
        "the exp is missing": lambda g: weighted(g, g.nats),
        "2 to the power of nats: that is for bits": lambda g: 2 ** weighted(g, g.nats),
    },
    rtol=1e-4,
)
def perplexity(lab, given):
    """The perplexity is exp(mean nats of all tokens), however the text was cut into chunks."""
    return lab.perplexity(given.nats, given.tokens)


HALF, ZERO = "at temperature 0.5", "at temperature 0"


def heated(g, soft=lambda x: x.softmax(1), cold=None, by=torch.div) -> Arrays:
    """Probabilities at two temperatures."""
    cold = F.one_hot(g.logits.argmax(1), TOKENS).float() if cold is None else cold
    return {HALF: soft(by(g.logits, 0.5)), ZERO: cold}


@check(
    "temperature",
    "Probabilities at a temperature",
    given={"logits": normal(3, TOKENS, std=2)},
    expect=heated,
    mistakes={
        "the temperature is ignored": lambda g: {HALF: g.logits.softmax(1)},
        "multiplied by the temperature: divide": lambda g: {HALF: heated(g, by=torch.mul)[HALF]},
        "the softmax is divided by the temperature: divide the logits": lambda g: {
            HALF: g.logits.softmax(1) / 0.5
        },
        "the softmax runs over the batch, not over the tokens": lambda g: {
            HALF: heated(g, soft=lambda x: x.softmax(0))[HALF]
        },
        "these are logarithms: probabilities are wanted": lambda g: {
            HALF: heated(g, soft=lambda x: x.log_softmax(1))[HALF]
        },
        "these are the logits: the softmax is missing": lambda g: {HALF: g.logits / 0.5},
        "temperature 0 is not 1: the most probable token is certain": lambda g: {
            ZERO: g.logits.softmax(1)
        },
        "temperature 0 does not mean equally probable": lambda g: {
            ZERO: torch.full_like(g.logits, 1 / TOKENS)
        },
        "at temperature 0 the least probable token was taken": lambda g: {
            ZERO: F.one_hot(g.logits.argmin(1), TOKENS).float()
        },
    },
)
def temperature(lab, given):
    """It is softmax(logits / temperature), and at 0 the most probable token is certain."""
    found = {HALF: lab.probabilities(given.logits, 0.5)}
    return {**found, ZERO: lab.probabilities(given.logits, 0)}


def some_probabilities(rng: torch.Generator) -> Arrays:
    """Draw probabilities of seven tokens, three times; no two are alike."""
    return {"p": (2 * torch.randn(3, TOKENS, generator=rng)).softmax(1)}


def rank(p: Tensor) -> Tensor:
    """How many of its row are larger."""
    return p.argsort(dim=1, descending=True).argsort(dim=1)


def share(kept: Tensor) -> Tensor:
    """Each row divided by its sum."""
    return kept / kept.sum(1, keepdim=True)


THREE, MANY = "of the 3 largest", "of the 20 largest, which are all"


def topped(g, keep=lambda p: p * (rank(p) < 3), scale=share) -> Arrays:
    """What is left of the largest three, and of more than there are."""
    return {THREE: scale(keep(g.p)), MANY: g.p}


@check(
    "top-k",
    "The k most probable",
    given=some_probabilities,
    expect=topped,
    mistakes={
        "what is kept does not sum to 1": lambda g: topped(g, scale=lambda p: p),
        "the k smallest are kept": lambda g: topped(g, lambda p: p * (rank(p) >= TOKENS - 3)),
        "one too many is kept": lambda g: topped(g, lambda p: p * (rank(p) < 4)),
        "one too few is kept": lambda g: topped(g, lambda p: p * (rank(p) < 2)),
        "the first k tokens are kept, not the most probable": lambda g: topped(
            g, lambda p: p * (torch.arange(TOKENS) < 3)
        ),
        "the rows are sorted: each token keeps its place": lambda g: {
            THREE: share(g.p.sort(1, descending=True).values * (torch.arange(TOKENS) < 3))
        },
        "a softmax of probabilities flattens them: divide by the sum": lambda g: {
            THREE: torch.where(rank(g.p) < 3, g.p, -torch.inf).softmax(1)
        },
        "all rows share one sum: each has its own": lambda g: {
            THREE: topped(g, scale=lambda p: p / p.sum())[THREE]
        },
        "the k largest of all rows together are kept: of each row": lambda g: topped(
            g, lambda p: p * (p >= p.flatten().sort(descending=True).values[2])
        ),
    },
)
def top_k(lab, given):
    """keep_top_k keeps the k largest of each row, in their places, so that they sum to 1."""
    return {THREE: lab.keep_top_k(given.p, 3), MANY: lab.keep_top_k(given.p, 20)}


def nucleus(p: Tensor, mass: float, more: int = 0) -> Tensor:
    """The fewest tokens that hold `mass`, and `more`; scaled."""
    value, token = p.sort(dim=1, descending=True)
    enough = (value.cumsum(1) < mass).sum(1, keepdim=True) + 1 + more
    return share(torch.zeros_like(p).scatter(1, token, value * (torch.arange(TOKENS) < enough)))


LITTLE, MOST, ALL = "of mass 0.01", "of mass 0.8", "of mass 1"
MASSES = {LITTLE: 0.01, MOST: 0.8, ALL: 1.0}


def nuclei(g, change: Callable[[Tensor, float], Tensor] = nucleus) -> Arrays:
    """The nuclei of three masses."""
    return {name: change(g.p, mass) for name, mass in MASSES.items()}


def held_by_smaller(p: Tensor) -> Tensor:
    """What the less probable tokens of its row hold together."""
    value, token = p.sort(dim=1)
    return torch.zeros_like(p).scatter(1, token, value.cumsum(1) - value)


@check(
    "top-p",
    "The nucleus",
    given=some_probabilities,
    expect=nuclei,
    mistakes={
        "the first token is dropped: the most probable is always kept": lambda g: {
            MOST: nucleus(g.p, 0.8, -1)
        },
        "one too many is kept": lambda g: {MOST: nucleus(g.p, 0.8, 1)},
        "what is kept does not sum to 1": lambda g: {MOST: g.p * (nucleus(g.p, 0.8) > 0)},
        "tokens below 1 - mass are dropped one by one: add them up": lambda g: {
            MOST: share(g.p * (g.p >= 0.2))
        },
        "the rows are not sorted: largest first": lambda g: {
            MOST: share(g.p * (g.p.cumsum(1) - g.p < 0.8))
        },
        "sorted the wrong way: the least probable are kept": lambda g: {
            MOST: share(g.p * (held_by_smaller(g.p) < 0.8))
        },
        "the rows are sorted: each token keeps its place": lambda g: {
            MOST: nucleus(g.p, 0.8).sort(1, descending=True).values
        },
        "all rows share one sum: each has its own": lambda g: {
            MOST: g.p * (nucleus(g.p, 0.8) > 0) / g.p[nucleus(g.p, 0.8) > 0].sum()
        },
    },
)
def top_p(lab, given):
    """keep_top_p keeps as few tokens as hold the mass, never none, so that they sum to 1."""
    return {name: lab.keep_top_p(given.p, mass) for name, mass in MASSES.items()}


PLACES, WIDE, WINDOW = 5, 4, 4


def mixing(rng: torch.Generator) -> Arrays:
    """Draw two texts and who sees whom in each: no row sees all or nothing, nor does a column."""
    while True:
        kept = torch.rand(2, PLACES, PLACES, generator=rng) < 0.3
        both = kept.any(0)
        told = [both, kept.all(0), kept[0], kept[1], both.T, both.cumsum(1) > 0, ~both]
        if kept.all(0).any() and not any(torch.equal(both, other) for other in told[1:]):
            mix = kept * (0.5 + torch.rand(kept.shape, generator=rng))
            return {"mix": mix, "x": torch.randn(2, PLACES, WIDE, generator=rng)}


def seen(g: Given) -> Tensor:
    """Who sees whom, in either text."""
    return (g.mix != 0).any(0)


@check(
    "sees",
    "Who sees whom",
    given=mixing,
    expect=seen,
    mistakes={
        "rows and columns are exchanged: a row is a place of the output": lambda g: seen(g).T,
        "nothing is seen: behind a norm, 1 more everywhere changes nothing, nor does a sum over "
        "the features": lambda g: seen(g) & False,
        "True stands where nothing depends": lambda g: ~seen(g),
        "changes add up: change each place in a fresh copy": lambda g: seen(g).cumsum(1) > 0,
        "rounding counts as a change: allow for 1e-6": lambda g: seen(g) | True,
        "it must be seen in all texts: one is enough": lambda g: (g.mix != 0).all(0),
        "only the first text counts": lambda g: g.mix[0] != 0,
        "only the last text counts": lambda g: g.mix[1] != 0,
    },
)
def sees(lab, given):
    """`sees` finds which places of an output depend on which places of the input."""

    def network(x_BTD: Tensor) -> Tensor:
        y_BTD = F.layer_norm(given.mix @ F.layer_norm(x_BTD, [WIDE]), [WIDE])
        noise = 4e-7 * torch.rand(y_BTD.shape)  # as of a kernel that adds in any order
        return torch.cat([y_BTD, torch.ones_like(y_BTD)], dim=2) + torch.cat([noise, noise], dim=2)

    return lab.sees(network, given.x)


ATTENTION = {
    "qkv.weight": normal(18, 6, std=0.7),
    "qkv.bias": normal(18),
    "out.weight": normal(6, 6, std=0.5),
    "out.bias": normal(6),
}


def attended(
    g: Given, *, order=(0, 1, 2), cut="rows", merge="right", out=True, causal=True, scale=None
) -> Tensor:
    """Causal attention with two heads, right or wrong in a classic way."""
    parts = F.linear(g.x, g["qkv.weight"], g["qkv.bias"]).chunk(3, dim=2)
    split = {
        "rows": lambda x: x.unflatten(2, (2, 3)).transpose(1, 2),
        "mixed": lambda x: x.reshape(len(x), 2, -1, 3),
        "strided": lambda x: x.unflatten(2, (3, 2)).permute(0, 3, 1, 2),
        "one": lambda x: x[:, None],
        "heads": lambda x: x.unflatten(2, (2, 3)),
    }[cut]
    q, k, v = (split(parts[i]) for i in order)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    y = y if merge == "wrong" or cut == "heads" else y.transpose(1, 2)
    y = y.reshape(g.x.shape)
    return F.linear(y, g["out.weight"], g["out.bias"]) if out else y


@check(
    "attention",
    "Causal attention",
    given={"x": normal(2, 4, 6), **ATTENTION},
    expect=attended,
    mistakes={
        "a place sees what comes after it: is_causal=True": partial(attended, causal=False),
        "self.out is missing": partial(attended, out=False),
        "queries, keys and values come in another order": partial(attended, order=(1, 0, 2)),
        "keys and values are exchanged": partial(attended, order=(0, 2, 1)),
        "values come first: the order is queries, keys, values": partial(attended, order=(2, 1, 0)),
        "heads and tokens are mixed: cut D into heads, then exchange two dimensions": partial(
            attended, cut="mixed"
        ),
        "a head gets every H-th number, not K in a row": partial(attended, cut="strided"),
        "there is one head: cut D into H heads": partial(attended, cut="one"),
        "heads look at each other, not places: [B, H, T, K]": partial(attended, cut="heads"),
        "exchange heads and places again before they are merged": partial(attended, merge="wrong"),
        "scaled twice: the library divides by √K": partial(attended, scale=1 / 3),
        "not scaled: by 1/√K": partial(attended, scale=1.0),
    },
    atol=1e-5,
)
def attention(lab, given):
    """`Attention` lets each place look at itself and at those before it, in every head."""
    layer = lab.Attention(6, 2)
    layer.load_state_dict({name: given[name] for name in ATTENTION})
    return layer(given.x)


class Blend(nn.Module):
    """Stands in for attention or a block: a place's share of those before it, in other features."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map float [B, T, D] to the same shape."""
        return torch.tanh(x_BTD.cumsum(1) @ self.weight)


NORMS = {name: uniform(WIDE, low=0.5, high=2.0) for name in ("norm", "outer_norm")}
STEPS = {"attention": normal(WIDE, WIDE), "network": normal(WIDE, WIDE)}


def blocked(g: Given, *, way="right") -> Tensor:
    """A block, right or wrong in a classic way."""
    norm, outer = (partial(F.layer_norm, normalized_shape=[WIDE], weight=g[n]) for n in NORMS)
    look, think = (Blend(g[name]) for name in STEPS)
    x, first = g.x, g.x + look(norm(g.x))
    return {
        "right": lambda: first + think(outer(first)),
        "after": lambda: outer((x1 := norm(x + look(x))) + think(x1)),
        "no first sum": lambda: (x1 := look(norm(x))) + think(outer(x1)),
        "no second sum": lambda: think(outer(first)),
        "no sum": lambda: think(outer(look(norm(x)))),
        "no first norm": lambda: (x1 := x + look(x)) + think(outer(x1)),
        "no second norm": lambda: first + think(first),
        "one norm": lambda: first + think(norm(first)),
        "exchanged": lambda: (x1 := x + look(outer(x))) + think(norm(x1)),
        "side by side": lambda: first + think(outer(x)),
        "only x": lambda: x + think(outer(first)),
        "normed sum": lambda: (x1 := (n := norm(x)) + look(n)) + think(outer(x1)),
        "normed twice": lambda: (n := outer(first)) + think(n),
        "thinks first": lambda: (x1 := x + think(outer(x))) + look(norm(x1)),
    }[way]()


@check(
    "block",
    "A block",
    given={"x": normal(2, 3, WIDE), **NORMS, **STEPS},
    expect=blocked,
    mistakes={
        "the norms come after the sums: they belong before attention and network": partial(
            blocked, way="after"
        ),
        "x is not added to what attention finds": partial(blocked, way="no first sum"),
        "what was known is not added to what the network makes": partial(
            blocked, way="no second sum"
        ),
        "nothing is added: both steps add to x": partial(blocked, way="no sum"),
        "self.norm is missing before attention": partial(blocked, way="no first norm"),
        "self.outer_norm is missing before the network": partial(blocked, way="no second norm"),
        "self.norm is taken twice: the network has self.outer_norm": partial(
            blocked, way="one norm"
        ),
        "the norms are exchanged": partial(blocked, way="exchanged"),
        "the network does not see what attention found": partial(blocked, way="side by side"),
        "what attention found is lost: add to the first sum": partial(blocked, way="only x"),
        "the norm's output is added: x itself passes no norm": partial(blocked, way="normed sum"),
        "the second norm's output is added: the sum passes no norm": partial(
            blocked, way="normed twice"
        ),
        "attention comes first, then the network": partial(blocked, way="thinks first"),
    },
    atol=1e-5,
)
def block(lab, given):
    """`Block` adds to x what attention finds, then what the network makes, each behind a norm."""
    made = lab.Block(WIDE, 2, norm=True)
    made.attention, made.network = Blend(given["attention"]), Blend(given["network"])
    for name in NORMS:
        getattr(made, name).weight.data = given[name]
    return made(given.x)


DEEP = 3
OUT, OTHER, MEAN = "deviation of layers called out", "deviation of other matrices", "mean"
BIAS, NORM = "largest bias", "weights of norms"


def begun(out: float = 0.02 / (2 * DEEP) ** 0.5, other: float = 0.02, **more: float) -> Arrays:
    """How the numbers of a fresh GPT lie."""
    found = {OUT: out, OTHER: other, MEAN: 0.0, BIAS: 0.0, NORM: 1.0} | more
    return {name: torch.tensor(value) for name, value in found.items()}


def only(name: str, value: float) -> Arrays:
    """One of these that is wrong."""
    return {name: torch.tensor(value)}


@check(
    "start",
    "How it begins",
    given={"seed": integers(0, 10_000)},
    expect=lambda g: begun(),
    mistakes={
        "layers called out begin as large as the others: divide by √(2·depth)": only(OUT, 0.02),
        "divided by √depth: each block adds twice": only(OUT, 0.02 / DEEP**0.5),
        "divided by 2·depth: take the root": only(OUT, 0.02 / (2 * DEEP)),
        "multiplied by √(2·depth): divide": only(OUT, 0.02 * (2 * DEEP) ** 0.5),
        "all matrices are divided: only those of layers called out": only(
            OTHER, 0.02 / (2 * DEEP) ** 0.5
        ),
        "0.02 is the deviation, not the variance": only(OTHER, 0.02**0.5),
        "the deviation is 1: normal_(0.02) sets the mean": only(OTHER, 1.0),
        "numbers are uniform between -0.02 and 0.02: normal with deviation 0.02": only(
            OTHER, 0.02 / 3**0.5
        ),
        "matrices keep their numbers": only(OTHER, 0.5),
        "biases keep their numbers": only(BIAS, 0.5),
        "weights of norms are 0: they stay 1": only(NORM, 0.0),
    },
    atol=0.001,
    rtol=0.02,
)
def start(lab, given):
    """`start` draws small matrices, smaller ones for layers that add to x, and no biases."""
    torch.manual_seed(int(given.seed))
    gpt = lab.GPT(48, DEEP, 4, 64, norm=True)
    named = dict(gpt.named_parameters())
    for name, p in named.items():
        p.data = torch.full_like(p, 0.5) if name.endswith("bias") else p.data
        p.data = 0.5 * torch.randn(p.shape) if p.dim() == 2 else p.data
    lab.start(gpt, DEEP)
    matrices = {name: p.detach() for name, p in named.items() if p.dim() == 2}
    out, other = (
        torch.cat([p.flatten() for name, p in matrices.items() if (".out." in name) is kind])
        for kind in (True, False)
    )
    biases = [p.detach().abs().max() for name, p in named.items() if name.endswith("bias")]
    norms = [p.detach() for name, p in named.items() if name.endswith("norm.weight")]
    found = {OUT: out.std(), OTHER: other.std(), MEAN: other.mean()}
    return {**found, BIAS: torch.stack(biases).max(), NORM: torch.cat(norms).mean()}


ONCE, MORE, FULL, LONG = "the first 3 places", "2 more", "1 more", "6 places at once"
HELD = "the state at last"
GIVEN = {
    "x": normal(2, 6, WIDE),
    "places": normal(WINDOW, WIDE),
    "norm": uniform(WIDE, low=0.5, high=2.0),
    "blocks": normal(2, WIDE, WIDE),
}


def gone_through(
    g: Given, *, turn=1, norm=True, place="oldest", keep="last", held="x", new=True, order=1
) -> Arrays:
    """What a window of four places answers, right or wrong in a classic way."""

    def read(x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        count = x.shape[1]
        both = x if past is None else torch.cat([past, x][::order], 1)
        both = both[:, -WINDOW:] if keep == "last" else both[:, :WINDOW]
        first = (both.shape[1] - count) % WINDOW if place == "anew" else 0
        where = (torch.arange(both.shape[1]) - first) % WINDOW
        where = where.flip(0) if place == "backwards" else where
        told = both if place == "none" else both + g.places[where]
        y = told
        for weight in g.blocks.unbind(0)[::turn]:
            y = Blend(weight)(y)
        kept = {"x": both, "told": told, "y": y, "new": x[:, -WINDOW:]}[held]
        y = F.layer_norm(y, [WIDE], g.norm) if norm else y
        return (y[:, -count:] if new else y), kept

    state, found = None, {}
    for name, x in zip((ONCE, MORE, FULL), g.x.split((3, 2, 1), dim=1), strict=True):
        found[name], state = read(x, state)
    return {**found, LONG: read(g.x, None)[0], HELD: state}


def off(*names: str, **how: object) -> Callable[[Given], Arrays]:
    """Some of what a wrong window answers."""
    return lambda g: {name: gone_through(g, **how)[name] for name in names}


@check(
    "window",
    "A window on the text",
    given=GIVEN,
    expect=gone_through,
    mistakes={
        "places are missing: nobody knows which token came first": off(ONCE, place="none"),
        "new tokens begin at place 0 again: the oldest that is left does": off(
            ONCE, MORE, place="anew"
        ),
        "places run backwards: the oldest is place 0": off(ONCE, place="backwards"),
        "self.norm is missing": off(ONCE, norm=False),
        "the blocks run backwards": off(ONCE, turn=-1),
        "old places are returned as well: the new ones alone": lambda g: {
            MORE: gone_through(g, new=False)[MORE]
        },
        "the first places are kept, not the last": off(LONG, keep="first"),
        "what was read is forgotten: put the state before x": lambda g: {
            MORE: gone_through(Given({**g, "x": g.x[:, [3, 4, 5, 3, 4, 5]]}))[ONCE][:, :2]
        },
        "the state holds the new places alone": off(FULL, HELD, held="new"),
        "the state holds what the blocks made: x as it came in": off(MORE, HELD, held="y"),
        "the state has places added to it: x as it came in": off(MORE, HELD, held="told"),
        "new places come after those of the state": off(MORE, order=-1),
    },
    atol=1e-5,
)
def window(lab, given):
    """`GPT` reads a text in pieces as it does at once, and no more than its window."""
    gpt = lab.GPT(WIDE, 2, 2, WINDOW, norm=True)
    gpt.places.weight.data, gpt.norm.weight.data = given.places, given.norm
    gpt.blocks = nn.ModuleList(Blend(weight) for weight in given.blocks)
    state, found = None, {}
    for name, x in zip((ONCE, MORE, FULL), given.x.split((3, 2, 1), dim=1), strict=True):
        found[name], state = gpt(x, state)
    return {**found, LONG: gpt(given.x)[0], HELD: state[0]}


CHUNK = 4
CELL = ("core.weight_ih_l0", "core.weight_hh_l0", "core.bias_ih_l0", "core.bias_hh_l0")
LANGUAGE = {
    "encoder.weight": normal(TOKENS, 3),
    "core.weight_ih_l0": normal(4 * HIDDEN, 3),
    "core.weight_hh_l0": normal(4 * HIDDEN, HIDDEN),
    "core.bias_ih_l0": normal(4 * HIDDEN),
    "core.bias_hh_l0": normal(4 * HIDDEN),
    "head.weight": normal(TOKENS, HIDDEN, std=3),
    "head.bias": normal(TOKENS),
}
TEXTS = {**LANGUAGE, "token": integers(1, TOKENS, 2, 2 * CHUNK + 1)}


class Half(nn.Module):
    """A dropout that halves every number, so that it shows where it was applied."""

    def forward(self, x: Tensor) -> Tensor:
        """Half of each number."""
        return x / 2


class Packed(nn.Module):
    """An LSTM whose state is a single tensor, as a GPT's is."""

    def __init__(self, lstm: nn.Module) -> None:
        super().__init__()
        self.lstm = lstm

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple:
        """What the LSTM makes of x and its state."""
        y, state = self.lstm(x, state and tuple(part.contiguous() for part in state[0].chunk(2)))
        return y, (torch.cat(state),)


def language_model(lab, g, dropout: nn.Module | None = None) -> nn.Module:
    """The learner's Model in toy size, with the drawn parameters."""
    model = lab.Model(tokens=TOKENS, features=3, hidden=HIDDEN).eval()
    model.load_state_dict({name: g[name] for name in LANGUAGE})
    model.dropout = dropout or nn.Identity()
    return model


def read(g, token_BT: Tensor, state=None, kept: float = 1.0) -> tuple[Tensor, tuple]:
    """Logits of what follows each token, and the last state, by PyTorch's own cell."""
    empty = torch.zeros(len(token_BT), HIDDEN)
    state, logits = state or (empty, empty), []
    for token_B in token_BT.unbind(1):
        x = F.embedding(token_B, g["encoder.weight"]) * kept
        state = torch.lstm_cell(x, state, *(g[name] for name in CELL))
        logits.append(F.linear(state[0] * kept, g["head.weight"], g["head.bias"]))
    return torch.stack(logits, 1), state


def chunk(g, number: int, *, start: bool) -> Arrays:
    """Chunk 0 or 1 of the drawn texts, as StreamLoader hands it out."""
    first = number * CHUNK
    return {"tokens": g.token[:, first : first + CHUNK + 1], "start": torch.tensor(start)}


def scored(g, number: int, state=None, kept: float = 0.5, ahead: int = 1):
    """Loss and next state of a chunk."""
    tokens = chunk(g, number, start=False)["tokens"]
    logits, state = read(g, tokens[:, :-1], state, kept)
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, ahead:][:, :CHUNK].flatten()), state


FIRST, NEXT, ANEW = "loss of the first chunk", "loss of the next", "loss where a text starts"
BACK, OF_ONE = "gradient of the next chunk", "loss of the next, by a state of one tensor"


def two_chunks(g, keep=lambda h, c: (h.detach(), c.detach()), **how: float) -> Arrays:
    """Both chunks in turn, with what is kept of the state, and the second as a text's first."""
    weight = g["core.weight_hh_l0"].requires_grad_()
    first, state = scored(g, 0, **how)
    second, later = scored(g, 1, keep(*state), **how)
    (gradient,) = torch.autograd.grad(second, weight, retain_graph=True)
    anew, _ = scored(g, 1, **how)
    losses = {FIRST: first.detach(), NEXT: second.detach(), ANEW: anew.detach()}
    losses[OF_ONE] = losses[NEXT]
    return {**losses, BACK: gradient, "leaked": scored(g, 1, later)[0].detach()}


def part(*names: str, **how: object):
    """Some of what two chunks give, when something about them is wrong."""
    return lambda g: {name: two_chunks(g, **how)[name] for name in names}


@check(
    "truncated-bptt",
    "Truncated back-propagation",
    given=TEXTS,
    expect=part(FIRST, NEXT, ANEW, BACK, OF_ONE),
    mistakes={
        "the next chunk began with an empty memory: carry the state over": lambda g: {
            NEXT: two_chunks(g)[ANEW]
        },
        "a new text began with the memory of the one before: see `start`": lambda g: {
            ANEW: two_chunks(g)["leaked"]
        },
        "h is carried on, c is not": part(NEXT, keep=lambda h, c: (h.detach(), 0 * c.detach())),
        "c is carried on, h is not": part(NEXT, keep=lambda h, c: (0 * h.detach(), c.detach())),
        "the next chunk's gradient reaches back into the first: detach the state": part(
            BACK, keep=lambda h, c: (h, c)
        ),
        "the dropout is skipped: self.read has it": part(FIRST, kept=1.0),
        "each token is asked for itself, not for the next": part(FIRST, ahead=0),
        "softmax was applied twice: nats wants raw logits": lambda g: {
            FIRST: F.cross_entropy(
                read(g, g.token[:, :CHUNK], kept=0.5)[0].softmax(2).flatten(0, 1),
                g.token[:, 1 : CHUNK + 1].flatten(),
            )
        },
    },
    depends_on=("cross-entropy",),
)
def truncated_bptt(lab, given):
    """Memory flows from chunk to chunk, gradients stop at the border, a new text starts empty."""
    model = language_model(lab, given, Half())
    first = model.stream_loss(chunk(given, 0, start=True), "train")
    second = model.stream_loss(chunk(given, 1, start=False), "train")
    (gradient,) = torch.autograd.grad(second, [model.core.weight_hh_l0], retain_graph=True)
    anew = model.stream_loss(chunk(given, 1, start=True), "train")
    model = language_model(lab, given, Half())
    model.core = Packed(model.core)
    model.stream_loss(chunk(given, 0, start=True), "train")
    packed = model.stream_loss(chunk(given, 1, start=False), "train")
    return {FIRST: first, NEXT: second, ANEW: anew, BACK: gradient, OF_ONE: packed}


GREEDY, K, MASS = "at temperature 0", "with k = 1", "with a mass of next to nothing"
SAME = "the same seed gives the same text"
# How one may go astray between two draws, and what a learner is told.
ASTRAY: dict[str, dict[str, object]] = {
    "each token was read as if nothing came before: hand the state on": {"remember": False},
    "what was drawn is not read: the same token comes again and again": {"on": False},
    "the last token of the beginning is read twice": {"begin": (0, 1, 2, 2)},
    "only the last token of the beginning was read": {"begin": (2,)},
    "the logits after the first token were taken, not those after the last": {"after": 0},
}


def continued(g, begin=(0, 1, 2), after=-1, remember: bool = True, on: bool = True) -> Tensor:
    """Six tokens, each the most probable, int64 [3, 6]."""
    logits, state = read(g, g.token[:, list(begin)])
    token = logits[:, after].argmax(1, keepdim=True)
    drawn = [token]
    for _ in range(5):
        if on:
            logits, state = read(g, token, state if remember else None)
            token = logits[:, -1].argmax(1, keepdim=True)
        drawn.append(token)
    return torch.cat(drawn, 1)


def telling_texts(rng: torch.Generator) -> Arrays:
    """Draw a model and three beginnings with which each way to go astray shows."""
    while True:
        drawn = Given({name: draw(rng) for name, draw in LANGUAGE.items()})
        drawn["token"] = torch.randint(1, TOKENS, (3, 3), generator=rng)
        right = continued(drawn)
        if not any(torch.equal(right, continued(drawn, **how)) for how in ASTRAY.values()):
            return dict(drawn)


@check(
    "write",
    "Writing on",
    given=telling_texts,
    expect=lambda g: dict.fromkeys((GREEDY, K, MASS), continued(g)) | {SAME: torch.tensor(True)},
    mistakes={
        "the beginning is returned as well: the drawn tokens alone": lambda g: {
            GREEDY: torch.cat([g.token, continued(g)], 1)
        },
        **{
            words: (lambda g, how=how: {GREEDY: continued(g, **how)})
            for words, how in ASTRAY.items()
        },
        "texts stand in rows: this is [steps, B]": lambda g: {GREEDY: continued(g).T},
        "the seed is ignored: draw with generator=generator": {SAME: torch.tensor(False)},
    },
    depends_on=("temperature", "top-k", "top-p"),
)
def write(lab, given):
    """Each token is read once, and the next drawn by temperature, k and mass, from the seed."""
    model = language_model(lab, given)
    one, other = (model.write(given.token, 12, temperature=2.0, seed=3) for _ in range(2))
    return {
        GREEDY: model.write(given.token, 6, temperature=0.0),
        K: model.write(given.token, 6, k=1),
        MASS: model.write(given.token, 6, mass=1e-6),
        SAME: torch.tensor(torch.equal(one, other)),
    }


BEGINNING = "HAMLET:\n"


def written(player, rng):
    """Four texts from one seed, in a nucleus of 0.95."""
    characters = vocabulary("shakespeare")
    begin_1T = torch.tensor([[characters.index(sign) for sign in BEGINNING]])
    seed = int(torch.randint(2**31, (), generator=rng))
    for temperature in (0.0, 0.5, 0.8, 1.2):
        how = {"temperature": temperature, "mass": 0.95, "seed": seed}
        token_1T = player.call("write", begin_1T, 400, **how, returns="int64 [N, 400]")
        said = "".join(characters[token] for token in token_1T[0].tolist())
        yield exhibits.text(f"temperature {temperature}", BEGINNING + said)


@dream("What the LSTM writes", arm="lstm")
def lstm_writes(player, rng):
    """Four texts from one seed, in a nucleus of 0.95: cold, it runs in circles; hot, it spells."""
    yield from written(player, rng)


@dream("What the GPT writes", arm="gpt")
def gpt_writes(player, rng):
    """The same, by the GPT: what left its window is forgotten."""
    yield from written(player, rng)

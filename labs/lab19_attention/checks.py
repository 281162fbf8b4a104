"""The visible checks of lab 19, in the order of its tasks, the driver of its break-it, a dream."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    check,
    close,
    dream,
    driver,
    every,
    exhibits,
    holds,
    integers,
    normal,
)
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import words_in
from dllab.data import vocabulary

Drawer = Callable[[torch.Generator], Tensor]
exact = partial(check, atol=1e-9, rtol=1e-9)
LIBRARY = {
    *("softmax", "log_softmax", "logsumexp", "logaddexp", "scaled_dot_product_attention"),
    *("MultiheadAttention", "autograd", "vjp", "requires_grad_", "flex_attention"),
}


def doubles(*shape: int, std: float = 1.0) -> Drawer:
    """Draw float64 numbers from a normal distribution."""
    return lambda rng: std * torch.randn(shape, generator=rng, dtype=torch.float64)


def own(function: Callable, *, but: str = "") -> Callable:
    """A learner's function, if it does not hand its task to the library."""
    if used := LIBRARY.intersection(words_in(function)) - {but}:
        raise ReturnedError(f"{min(used)} does the task for you: write it by hand")
    return function


def part(name: str, way: Callable[..., Arrays], **wrong: object) -> Callable[[Given], Arrays]:
    """What goes wrong in a way, as far as the array of that name is concerned."""
    return lambda given: {name: way(given, **wrong)[name]}


# Attention ----------------------------------------------------------------------------------------

PLAIN, CAUSAL = "without causal", "with causal"


def placed(rng: torch.Generator) -> Arrays:
    """Draw three queries behind a cache, the keys of a tile, and two texts of unequal length."""
    past = torch.randint(3, 5, (), generator=rng)
    return {
        "place_T": past + torch.arange(3),
        "place_S": torch.arange(1, 9),
        "length": torch.stack([past - 1, torch.tensor(7)]),
    }


def kept(
    g: Given, *, end=0, own_place=True, after=False, by="place", padding=True, first=False
) -> Arrays:
    """Both masks, right or wrong in a classic way."""
    place_T, place_S = g.place_T, g.place_S
    length = g.length[:1].expand(2) if first else g.length
    keys = torch.arange(8) if by == "index" else place_S
    queries = torch.arange(3)[:, None] if by == "index" else place_T[:, None]
    plain = (place_S < length[:, None, None, None] + end).expand(2, 1, 3, 8)
    past = keys <= queries if own_place else keys < queries
    past = keys >= queries if after else past
    return {PLAIN: plain, CAUSAL: past & plain if padding else past.expand(2, 1, 3, 8)}


@check(
    "keep",
    "Which keys count",
    given=placed,
    expect=kept,
    mistakes={
        "the place after the last token is padding: length 3 means places 0, 1, 2": partial(
            kept, end=1
        ),
        "the last token of a text is taken for padding": partial(kept, end=-1),
        "a query must see its own place, too": part(CAUSAL, kept, own_place=False),
        "a query sees what comes after it, not what came before": part(CAUSAL, kept, after=True),
        "indices are compared where places should be": part(CAUSAL, kept, by="index"),
        "with causal, padding counts": part(CAUSAL, kept, padding=False),
        "causal changes nothing": lambda g: {CAUSAL: kept(g)[PLAIN]},
        "all texts have the length of the first": part(PLAIN, kept, first=True),
        "queries are masked where they are padding: mask keys": lambda g: {
            PLAIN: kept(g)[PLAIN] & (g.place_T < g.length[:, None])[:, None, :, None]
        },
        "True and False are swapped: True is to keep": lambda g: {PLAIN: ~kept(g)[PLAIN]},
    },
)
def keep(lab, given) -> Arrays:
    """`keep_mask` keeps what is not padding, and with `causal` what does not come later."""
    places = given.place_T, given.place_S, given.length
    return {
        PLAIN: lab.keep_mask(*places, causal=False),
        CAUSAL: lab.keep_mask(*places, causal=True),
    }


def masks(rng: torch.Generator, T: int = 3, S: int = 5) -> Tensor:
    """Draw a mask by which each query sees the first key, and something is hidden."""
    keep = torch.rand(2, 1, T, S, generator=rng) < 0.6
    keep[..., 0], keep[0, 0, 0, 2:], keep[0, 0, :, 1] = True, True, False
    return keep


KEPT, MASKED = "scores that are kept", "where the score is -∞"


def fits(g: Given, *, power=0.5, by=4) -> Arrays:
    """The scores where the mask keeps them, with another divisor when it is wrong."""
    score = g.q @ g.k.mT / by**power
    return {KEPT: score.where(g.keep, 0), MASKED: (~g.keep).expand_as(score)}


@exact(
    "scores",
    "How well they fit",
    given={"q": doubles(2, 2, 3, 4), "k": doubles(2, 2, 5, 4), "keep": masks},
    expect=fits,
    mistakes={
        "the scores are divided by K, not by √K": partial(fits, power=1),
        "the division by √K is missing": partial(fits, power=0),
        "the division is by √(H · K), not by √K of one head": partial(fits, by=8),
        "where the mask is True the score is kept, where False it is -∞": lambda g: {
            MASKED: fits(g)[MASKED].logical_not()
        },
        "what is masked must be -torch.inf: 0 is a score like others": lambda g: {
            MASKED: torch.zeros(2, 2, 3, 5, dtype=torch.bool)
        },
    },
)
def scores(lab, given) -> Arrays:
    """`scores` are q · k / √K, and -∞ where the mask is False."""
    score = own(lab.scores)(given.q, given.k, given.keep)
    return {KEPT: score.where(given.keep & (score != -torch.inf), 0), MASKED: score == -torch.inf}


LOWEST = -1e30


def weighed(g: Given, *, dim=-1, divide=True, top=True, log=True, whole=False, plus=0) -> Arrays:
    """The weights and lse of `g.score` under `g.keep`, right or wrong in a classic way."""
    score = g.score.masked_fill(~g.keep, -torch.inf)
    most = (score.amax() if whole else score.amax(dim, keepdim=True)).clamp(min=LOWEST)
    weight = (score - most).exp()
    total = weight.sum(dim, keepdim=True).clamp(min=1) + plus
    lse = total.log() if log else total
    return {"p": weight / total if divide else weight, "lse": most + lse if top else lse}


@exact(
    "softmax",
    "Weights that add up to 1",
    given={"score": doubles(2, 2, 3, 5, std=2.0), "keep": masks},
    expect=weighed,
    mistakes={
        "the sum runs over the queries, not over a query's keys": part("p", weighed, dim=-2),
        "p is not divided by the total": part("p", weighed, divide=False),
        "top is the largest of all scores, not of each row": part("p", weighed, whole=True),
        "1 is added to the total: raise it to 1 where it is less": part("p", weighed, plus=1),
        "lse lacks the row's largest score": part("lse", weighed, top=False),
        "lse lacks the logarithm of the total": part("lse", weighed, log=False),
        "lse is the total, not top + log total": part("lse", weighed, top=False, log=False),
    },
)
def softmax(lab, given) -> Arrays:
    """`softmax` returns weights, and the logarithm of the sum of all exp(score)."""
    score = given.score.masked_fill(~given.keep, -torch.inf)
    return dict(zip(("p", "lse"), own(lab.softmax)(score), strict=True))


def attended(g: Given) -> Arrays:
    """The output and lse, as the forward leaves them."""
    score = fits(g, by=g.q.shape[-1])[KEPT].masked_fill(~g.keep, -torch.inf)
    lse = score.logsumexp(-1, keepdim=True).clamp(min=LOWEST)
    return {"y": (score - lse).exp() @ g.v, "lse": lse}


def drawn(rng: torch.Generator, S: int = 5) -> Arrays:
    """Draw queries, keys, values, a mask and a gradient, with what the forward makes of them."""
    shapes = {"q": (3, 4), "k": (S, 4), "v": (S, 2), "g": (3, 2)}
    numbers = {name: doubles(2, 2, *shape)(rng) for name, shape in shapes.items()}
    keep = masks(rng, S=S)
    keep[1, 0, 2, 1:] = False  # a query that sees one key alone, which does not fit
    numbers["q"][1, :, 2] = -numbers["k"][1, :, 0]
    given = {**numbers, "keep": keep}
    return {**given, **attended(Given(given))}


def back(g: Given, *, along=True, p=True, root=2.0, masked=True, of="p") -> Arrays:
    """The three gradients, right or wrong in a classic way."""
    score = g.q @ g.k.mT / 2
    score = score.masked_fill(~g.keep, -torch.inf) if masked else score
    weight = (score - g.lse).exp()
    dp = g.g @ g.v.mT
    ds = dp - (g.g * g.y).sum(-1, keepdim=True) if along else dp
    ds = (ds * weight if p else ds.where(g.keep, 0)) / root
    return {"dq": ds @ g.k, "dk": ds.mT @ g.q, "dv": (weight if of == "p" else ds).mT @ g.g}


WRONG_BACK = {
    "the total is taken for constant: subtract Σ g y": part("dq", back, along=False),
    "ds lacks the factor p": part("dq", back, p=False),
    "dk is not divided by √K": part("dk", back, root=1.0),
    "dq is not divided by √K": part("dq", back, root=1.0),
    "dq is divided by K, not by √K": part("dq", back, root=4.0),
    "masked keys have weights: take the scores under the mask": part("dv", back, masked=False),
    "dv comes of ds, not of p": part("dv", back, of="ds"),
}
GRADIENTS = ("dq", "dk", "dv")


def known_of(lab, given: Given) -> tuple[Tensor, ...]:
    """What the forward pass leaves, as lab.py calls it."""
    return lab.Known(*(given[name] for name in ("q", "k", "v", "y", "lse")))


@exact(
    "backward",
    "Its gradients",
    given=drawn,
    expect=back,
    mistakes=WRONG_BACK,
    depends_on=("scores",),
)
def backward(lab, given) -> Arrays:
    """`attention_backward` finds the gradients of q, k and v by lse, without stored weights."""
    function, known = own(lab.attention_backward, but="softmax"), known_of(lab, given)
    return dict(zip(GRADIENTS, function(given.g, known, given.keep), strict=True))


FLOATS = dict.fromkeys(("q", "k", "v"), "float32 [*, *, *, *]")


@driver(
    "attend",
    given={**FLOATS, "length": "int64 [*]", "causal": "bool []"},
    returns="float32 [*, *, *, *]",
)
def attend(lab, given) -> Tensor:
    """How a case is fed to `keep_mask` and `attention`."""
    S = given["k"].shape[2]
    places = torch.arange(S - given["q"].shape[2], S), torch.arange(S)
    keep = lab.keep_mask(*places, given["length"], causal=bool(given["causal"]))
    return lab.attention(given["q"], given["k"], given["v"], keep)[0]


# In tiles -----------------------------------------------------------------------------------------


def halfway(rng: torch.Generator) -> Arrays:
    """Draw a state whose top the new scores exceed in every second row, and those scores."""
    top = doubles(1, 2, 2, 1)(rng) + torch.tensor([[3.0], [-3.0]])
    total = 1.5 + torch.rand(1, 2, 2, 1, generator=rng, dtype=torch.float64)
    score = doubles(1, 2, 2, 3, std=0.5)(rng)
    more = {"score": score, "v": doubles(1, 2, 3, 2)(rng)}
    return {"top": top, "total": total, "y": doubles(1, 2, 2, 2, std=2.0)(rng), **more}


def continued(g: Given, *, new="both", fade=1, fade_y=True, weight="new") -> Arrays:
    """The state after more keys, right or wrong in a classic way."""
    highest = g.score.amax(-1, keepdim=True)
    top = {"both": torch.maximum(g.top, highest), "scores": highest, "old": g.top}[new]
    old = ((g.top - top) * fade).exp()
    raised = (g.score - {"new": top, "tile": highest, "old": g.top}[weight]).exp()
    total = old * g.total + raised.sum(-1, keepdim=True)
    return {"top": top, "total": total, "y": (old if fade_y else 1) * g.y + raised @ g.v}


@exact(
    "online",
    "More keys",
    given=halfway,
    expect=continued,
    mistakes={
        "the old sums are not multiplied by exp(old top - new top)": part(
            "total", continued, fade=0
        ),
        "the old y is not multiplied, only the old total": part("y", continued, fade_y=False),
        "the factor is upside down: exp(old top - new top)": part("total", continued, fade=-1),
        "the new top is that of the new scores alone": part("top", continued, new="scores"),
        "the top stays as it was, though a score is larger": part("top", continued, new="old"),
        "the new weights are relative to their own top": part("total", continued, weight="tile"),
        "the new weights are relative to the old top": part("total", continued, weight="old"),
        "y is divided by the total: it stays a sum until the end": lambda g: {
            "y": continued(g)["y"] / continued(g)["total"]
        },
    },
)
def online(lab, given) -> Arrays:
    """`online` brings the largest score and both sums up to date with more keys."""
    state = own(lab.online)((given.top, given.total, given.y), given.score, given.v)
    return dict(zip(("top", "total", "y"), state, strict=True))


AT_ONCE = "keys at once"


def in_tiles(g: Given, *, until=None, divide=True, top=True, log=True, mean=False) -> Arrays:
    """y, lse and how many keys were looked at at once, right or wrong in a classic way."""
    size, S = int(g.size), g.k.shape[2]
    score = fits(g)[KEPT].masked_fill(~g.keep, -torch.inf)[..., :until]
    lse = score.logsumexp(-1, keepdim=True).clamp(min=LOWEST)
    y = (score - lse).exp() @ g.v[:, :, :until]
    if mean:
        tiles = [score[..., i : i + size].softmax(-1).nan_to_num() for i in range(0, S, size)]
        y = torch.cat(tiles, -1) @ g.v / len(tiles)
    most = score.amax(-1, keepdim=True).clamp(min=LOWEST)
    y = y if divide else y * (lse - most).exp()
    lse = lse if top else lse - most
    return {"y": y, "lse": lse if log else most, AT_ONCE: torch.tensor(size)}


def tiles(rng: torch.Generator) -> Arrays:
    """Draw five keys, to be taken two at a time."""
    return {**drawn(rng), "size": torch.tensor(2)}


class Asked:
    """A mask by places of keys, that notes for how many at once it was asked."""

    def __init__(self, keep: Tensor) -> None:
        self.keep, self.most = keep, 0

    def __call__(self, place_S: Tensor) -> Tensor:
        """The columns of the mask at those places."""
        self.most = max(self.most, len(place_S))
        return self.keep[..., place_S]


@exact(
    "tiled",
    "Tile by tile",
    given=tiles,
    expect=in_tiles,
    mistakes={
        "all keys are taken at once: take no more than `size`": {AT_ONCE: 5},
        "one key is taken at a time: take `size`": {AT_ONCE: 1},
        "the last tile is left out: it may be shorter": part("y", in_tiles, until=4),
        "y is not divided by the total": part("y", in_tiles, divide=False),
        "lse lacks the largest score": part("lse", in_tiles, top=False),
        "lse lacks the logarithm of the total": part("lse", in_tiles, log=False),
        "each tile has a softmax of its own": part("y", in_tiles, mean=True),
        "each tile has the first one's mask: hand keep the places of this one": lambda g: {
            "y": in_tiles(g | {"keep": g.keep[..., torch.arange(g.k.shape[2]) % int(g.size)]})["y"]
        },
    },
    depends_on=("scores", "online"),
)
def tiled(lab, given) -> Arrays:
    """`tiled` returns what `attention` does, and never looks at more than `size` keys at once."""
    keep = Asked(given.keep)
    y, lse = own(lab.tiled, but="softmax")(given.q, given.k, given.v, keep, int(given.size))
    return {"y": y, "lse": lse, AT_ONCE: torch.tensor(keep.most)}


def back_in_tiles(g: Given, *, tile=slice(None), by_tile=False) -> Arrays:
    """The gradients, with dq of some of the keys, or of rows that end with the tile, when wrong."""
    right = {**back(g), AT_ONCE: torch.tensor(int(g.size))}

    def one(some: slice) -> Arrays:
        few = g | {"k": g.k[:, :, some], "v": g.v[:, :, some], "keep": g.keep[..., some]}
        return back(few | attended(few) if by_tile else few)

    if by_tile:
        return {"dv": torch.cat([one(slice(i, i + 2))["dv"] for i in (0, 2, 4)], 2)}
    return {**right, "dq": one(tile)["dq"]}


@exact(
    "tiled-backward",
    "Back, tile by tile",
    given=tiles,
    expect=back_in_tiles,
    mistakes={
        "all keys are taken at once: take no more than `size`": {AT_ONCE: 5},
        "dq is that of the last tile alone: add all up": part(
            "dq", back_in_tiles, tile=slice(4, None)
        ),
        "dq is that of the first tile alone: add all up": part(
            "dq", back_in_tiles, tile=slice(0, 2)
        ),
        "dq is the mean over tiles: add them up": lambda g: {"dq": back(g)["dq"] / 3},
        "lse is made anew of each tile: it is the whole row's": partial(
            back_in_tiles, by_tile=True
        ),
    },
    depends_on=("backward",),
)
def tiled_backward(lab, given) -> Arrays:
    """`tiled_backward` returns what `attention_backward` does, from a tile at a time."""
    keep = Asked(given.keep)
    found = own(lab.tiled_backward)(given.g, known_of(lab, given), keep, int(given.size))
    return {**dict(zip(GRADIENTS, found, strict=True)), AT_ONCE: torch.tensor(keep.most)}


def bytes_in(kept: object) -> int:
    """The bytes of a tensor, or of all that are in a list, tuple or dict."""
    if torch.is_tensor(kept):
        return kept.nbytes
    parts = kept.values() if isinstance(kept, dict) else kept
    return sum(map(bytes_in, parts)) if isinstance(kept, list | tuple | dict) else 0


def saved(call: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """What is returned, and the bytes that are kept for its backward pass."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(bytes_in(tensor))
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        y = call()
    return y, sum(sizes) + bytes_in(vars(y.grad_fn) if hasattr(y.grad_fn, "__dict__") else {})


SHORT, LONG, TILE = 32, 64, 8


def save_probe(lab, given: Given) -> Arrays:
    """Output and gradients by `Tiled`, and the bytes that it keeps for T and for twice as many."""
    leaves = [given[name].clone().requires_grad_() for name in ("q", "k", "v")]
    apply, keep = lab.Tiled.apply, Asked(torch.ones(1, 1, 1, LONG, dtype=torch.bool))
    found = []
    for length in (SHORT, LONG):
        some = [leaf[:, :, :length] for leaf in leaves]
        y, size = saved(lambda some=some: apply(*some, keep, TILE))
        found.append(size)
    if not y.requires_grad:
        raise ReturnedError("no gradient flows: return what tiled returned, from forward")
    gradients = torch.autograd.grad(y, leaves, given.g)
    named = dict(zip(GRADIENTS, gradients, strict=True))
    kept = {"bytes": torch.tensor(found), "keys": torch.tensor(keep.most)}
    return {"y": y.detach(), **named, **kept}


WIDE = "float32 [1, 2, 64, 4]"


@check(
    "save",
    "What is kept",
    given=dict.fromkeys(("q", "k", "v", "g"), normal(1, 2, LONG, 4)),
    probe=save_probe,
    returns={**dict.fromkeys(("y", *GRADIENTS), WIDE), "bytes": "int64 [2]", "keys": "int64 []"},
    depends_on=("tiled", "tiled-backward"),
)
def save(given: Given, got: Arrays) -> Outcome:
    """`Tiled` keeps numbers in proportion to the tokens, and its gradients are right."""
    leaves = [given[name].clone().requires_grad_() for name in ("q", "k", "v")]
    y = F.scaled_dot_product_attention(*leaves)
    right = dict(zip(GRADIENTS, torch.autograd.grad(y, leaves, given.g), strict=True))
    few, many = got["bytes"].tolist()
    grown = f"{few:,} bytes are kept for {SHORT} tokens, {many:,} for {LONG}"
    near = partial(torch.allclose, rtol=1e-4, atol=1e-5)
    return every(
        holds(many <= 2.2 * few, f"{grown}: what is kept grows with T · S, as scores do"),
        holds(got["keys"] <= TILE, f"{got['keys']} keys are taken at once: hand options to tiled"),
        holds(near(got["y"], y.detach()), "y is not what tiled returns first"),
        *(
            holds(
                near(got[name], value),
                f"{name} is wrong: save q, k, v, y, lse in this order, and keep, size in options",
            )
            for name, value in right.items()
        ),
    )


# Heads, places and a cache ------------------------------------------------------------------------


def turned(
    g: Given, *, sign=1, pairs="halves", power=2.0, shift=0, base=10_000.0, mirror=1
) -> Tensor:
    """The numbers turned by their places, right or wrong in a classic way."""
    K = g.x.shape[-1]
    rate = base ** (-power / 2 * torch.arange(K // 2) / (K // 2))
    angle = sign * (g.place[:, None] + shift) * rate
    cos, sin = angle.cos(), angle.sin()
    a, b = g.x.chunk(2, -1) if pairs == "halves" else (g.x[..., ::2], g.x[..., 1::2])
    both = a * cos - b * sin, a * sin + mirror * b * cos
    return torch.stack(both, -1).flatten(-2) if pairs == "neighbours" else torch.cat(both, -1)


def further(rng: torch.Generator) -> Tensor:
    """Draw three places that follow each other, from 2, 3 or 4 on."""
    return torch.randint(2, 5, (), generator=rng) + torch.arange(3)


@check(
    "rope",
    "Turned by places",
    given={"x": normal(2, 2, 3, 6), "place": further},
    expect=turned,
    mistakes={
        "it turns clockwise: the sign of sin": partial(turned, sign=-1),
        "numbers 2i and 2i + 1 are paired, not i and i + K/2": partial(turned, pairs="neighbours"),
        "numbers 2i and 2i + 1 are paired, and put back as i and i + K/2": partial(
            turned, pairs="torn"
        ),
        "points are mirrored: the second number is a sin + b cos": partial(turned, mirror=-1),
        "the exponent is -i / K, not -2i / K": partial(turned, power=1.0),
        "the exponent is positive: later points turn more slowly": partial(turned, power=-2.0),
        "all points turn at one rate": partial(turned, power=0.0),
        "the exponent is -4i / K: i runs to K/2 already": partial(turned, power=4.0),
        "places are a place too high: they begin with 0": partial(turned, shift=1),
        "a place off: the first of these is not turned enough": partial(turned, shift=-1),
        "the queries' index is taken for their place": lambda g: turned(
            g | {"place": torch.arange(3)}
        ),
        "the base is not the one that is given, 10,000": partial(turned, base=1000.0),
    },
)
def rope(lab, given) -> Tensor:
    """`rope` turns each pair of numbers by an angle that grows with the place."""
    return lab.rope(given.x, given.place)


def cut(g: Given, *, way="right") -> Tensor:
    """Two heads, right or wrong in a classic way."""
    return {
        "right": lambda x: x.unflatten(-1, (2, -1)).transpose(1, 2),
        "mixed": lambda x: x.reshape(len(x), 2, x.shape[1], -1),
        "strided": lambda x: x.unflatten(-1, (-1, 2)).permute(0, 3, 1, 2),
        "left": lambda x: x.unflatten(-1, (2, -1)),
    }[way](g.x)


@check(
    "heads",
    "Cut into heads",
    given={"x": normal(2, 4, 6)},
    expect=cut,
    mistakes={
        "tokens are mixed: cut D into heads first, then change places": partial(cut, way="mixed"),
        "a head gets every H-th number, not K in a row": partial(cut, way="strided"),
        "heads must come before tokens: [B, H, T, K]": partial(cut, way="left"),
    },
)
def heads(lab, given) -> Tensor:
    """`split_heads` gives each head K numbers in a row of every token."""
    return lab.split_heads(given.x, 2)


@check(
    "share",
    "Shared keys",
    given={"x": normal(2, 2, 3, 4)},
    expect=lambda g: g.x[:, [0, 0, 1, 1]],
    mistakes={
        "groups take turns: heads that share a group stand side by side": lambda g: g.x.repeat(
            1, 2, 1, 1
        ),
        "all heads have the first group": lambda g: g.x[:, [0, 0, 0, 0]],
        "nothing is repeated: there must be H heads": lambda g: g.x,
        "each group is repeated H times, not H / G": lambda g: g.x.repeat_interleave(4, 1),
    },
)
def share(lab, given) -> Tensor:
    """`share` gives the first H / G heads group 0, the next ones group 1."""
    return lab.share(given.x, 4)


LEARNS = "what is returned hangs in the graph"


def gathered(g: Given, *, order=(0, 1, 2), v="v") -> Arrays:
    """What the third append returns, and how many tokens there are after each."""
    pieces = {name: g[name].split((2, 1, 3), dim=2) for name in ("k", "v")}
    k = torch.cat([pieces["k"][i] for i in order], 2)
    all_v = torch.cat([pieces[v][i] for i in order], 2)
    return {"k": k, "v": all_v, "len": [2, 3, 6], LEARNS: True}


def lengths(*count: int) -> Arrays:
    """How many tokens a cache says that it has, after each of three."""
    return {"len": torch.tensor(count)}


@check(
    "cache",
    "What was read before",
    given=dict.fromkeys(("k", "v"), normal(2, 2, 6, 3)),
    expect=lambda g: {n: torch.as_tensor(value) for n, value in gathered(g).items()},
    mistakes={
        "nothing is kept: set self.k and self.v": lengths(0, 0, 0),
        "only the newest tokens are kept": lengths(2, 1, 3),
        "only the first tokens are kept": lengths(2, 2, 2),
        "new tokens must come after the old ones": part("k", gathered, order=(2, 1, 0)),
        "only the newest tokens are returned": part("k", gathered, order=(2,)),
        "values are lost: keys stand in their place": part("v", gathered, v="k"),
        "tokens are cut off from the graph, so keys never learn: is there a detach()?": {
            LEARNS: False
        },
    },
)
def cache(lab, given) -> Arrays:
    """`append` returns all keys and values so far, old ones first, and keeps them."""
    store, sizes, learns = lab.Cache(), [], True
    leaves = [given[name].requires_grad_() for name in ("k", "v")]
    for k, v in zip(*(leaf.split((2, 1, 3), dim=2) for leaf in leaves), strict=True):
        all_k, all_v = store.append(k, v)
        sizes.append(len(store))
        learns = learns and all_k.requires_grad and all_v.requires_grad
    return {"k": all_k, "v": all_v, "len": torch.tensor(sizes), LEARNS: torch.tensor(learns)}


WHOLE, PIECES, CACHED = "at once", "piece by piece", "heads in the cache"
PLAIN_LAYER, ATTENDS = "at once, without rotary", "calls of self.attend"
LAYERS = {"query": 16, "key": 8, "value": 8, "out": 16}


def layered(
    g: Given, *, turn="qk", out=True, forgets=False, groups=(0, 0, 1, 1), mixed=False, added=0
) -> Arrays:
    """The layer's output for a text read at once and in pieces, right or wrong in a classic way."""
    made = {name: F.linear(g.x, g[name]) for name in ("query", "key", "value")}
    split = {name: value.unflatten(-1, (-1, 4)).transpose(1, 2) for name, value in made.items()}
    place = torch.arange(5)
    q, k, v = (
        turned(Given(x=x, place=place)) if name[0] in turn else x for name, x in split.items()
    )
    k, v = k[:, list(groups)], v[:, list(groups)]
    keep = (place < g.length[:, None, None, None]) & (place <= place[:, None])
    piece = torch.tensor([0, 0, 0, 1, 2])
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
    alone = F.scaled_dot_product_attention(
        q, k, v, attn_mask=keep & (piece == piece[:, None]) if forgets else keep
    )
    merged = (y if mixed else y.transpose(1, 2) for y in (y, alone))
    whole, parts = (some.reshape(2, 5, 16) for some in merged)
    whole, parts = (F.linear(some, g.out) if out else some for some in (whole, parts))
    return {WHOLE: whole + added * g.x, PIECES: parts, CACHED: torch.tensor(2)}


def both_layers(g: Given) -> Arrays:
    """The same, with what a layer without rotary says, and how often each called attend."""
    plain = layered(g, turn="")[WHOLE]
    return {**layered(g), PLAIN_LAYER: plain, ATTENDS: torch.tensor([4, 1])}


def layer_of(lab, given: Given, *, rotary: bool) -> tuple[torch.nn.Module, list[None]]:
    """A layer with the drawn weights, and a list that grows with each call of its `attend`."""
    made, calls = lab.Attention(16, 4, 2, rotary=rotary, size=0), list[None]()
    for name in LAYERS:
        getattr(made, name).weight.data = given[name]
        getattr(made, name).bias.data.zero_()
    attend = made.attend

    def counted(*values: object) -> Tensor:
        calls.append(None)
        return attend(*values)

    made.attend = counted
    return made, calls


@check(
    "layer",
    "A layer",
    given={
        "x": normal(2, 5, 16),
        **{name: normal(rows, 16, std=0.4) for name, rows in LAYERS.items()},
        "length": torch.tensor([5, 4]),
    },
    expect=both_layers,
    mistakes={
        "self.out is missing": part(WHOLE, layered, out=False),
        "values are turned: only queries and keys are": part(WHOLE, layered, turn="qkv"),
        "keys are not turned": part(WHOLE, layered, turn="q"),
        "queries are not turned": part(WHOLE, layered, turn="k"),
        "neither queries nor keys are turned": part(WHOLE, layered, turn=""),
        "heads get the wrong group: use share": part(WHOLE, layered, groups=(0, 1, 0, 1)),
        "the cache is not used: a piece sees itself alone": part(PIECES, layered, forgets=True),
        "keys are shared before they are cached: it could be smaller": {CACHED: 4},
        "heads are not merged: merge_heads puts a token's side by side": part(
            WHOLE, layered, mixed=True
        ),
        "x is added: the block around the layer does that": part(WHOLE, layered, added=1),
        "it turns without rotary, too: self.turn knows whether to": lambda g: {
            PLAIN_LAYER: layered(g)[WHOLE]
        },
        "self.attend is not called: without it, tiles are never used": {ATTENDS: [0, 0]},
    },
    depends_on=("keep", "softmax", "rope", "heads", "share", "cache"),
    atol=1e-4,
    rtol=1e-4,
)
def layer(lab, given) -> Arrays:
    """The layer reads a text in pieces as it does at once, and caches unshared keys."""
    (made, calls), (plain, plain_calls) = (layer_of(lab, given, rotary=r) for r in (True, False))
    with torch.no_grad():
        whole, store = made(given.x, given.length, lab.Cache()), lab.Cache()
        pieces = [made(x, given.length, store) for x in given.x.split((3, 1, 1), dim=1)]
        unturned = plain(given.x, given.length, lab.Cache())
    heads = 0 if store.k is None else store.k.shape[1]
    found = {WHOLE: whole, PIECES: torch.cat(pieces, 1), CACHED: torch.tensor(heads)}
    return {**found, PLAIN_LAYER: unturned, ATTENDS: torch.tensor([len(calls), len(plain_calls)])}


# A transformer ------------------------------------------------------------------------------------

BEGIN, STEPS = 3, 4


def write_probe(lab, given: Given) -> Arrays:
    """What `write` returns and reads, the logits that it offers, and those of a whole reading."""
    torch.manual_seed(int(given.seed))
    model = lab.Model(tokens=9, features=8, heads=4, groups=2).eval()
    read, counts, offered = model.read, [], []

    def counting(token_BT: Tensor, *more: object, **named: object) -> Tensor:
        counts.append(token_BT.shape[1])
        return read(token_BT, *more, **named)

    def prescribed(logits_BV: Tensor) -> Tensor:
        offered.append(logits_BV)
        if len(offered) > STEPS:
            raise ReturnedError(f"choose is called more often than the {STEPS} steps asked for")
        return given.token[:, BEGIN + len(offered) - 1]

    model.read = counting
    written = model.write(given.token[:, :BEGIN], STEPS, prescribed)
    with torch.no_grad():
        whole = read(given.token)[:, BEGIN - 1 : -1]
    if len(offered) != STEPS:
        raise ReturnedError(f"choose is called {len(offered)} times, and {STEPS} steps asked for")
    counts = (counts + [0] * STEPS)[:STEPS]  # one more, of the last token, does no harm
    offered = torch.stack(offered, 1)
    return {"token": written, "offered": offered, "whole": whole, "read": torch.tensor(counts)}


LOGITS = f"float32 [2, {STEPS}, 9]"


@check(
    "write",
    "Writing on",
    given={"token": integers(0, 9, 2, BEGIN + STEPS), "seed": integers(0, 10_000)},
    probe=write_probe,
    returns={
        "token": f"int64 [2, {STEPS}]",
        "offered": LOGITS,
        "whole": LOGITS,
        "read": f"int64 [{STEPS}]",
    },
    depends_on=("layer",),
)
def write(given: Given, got: Arrays) -> Outcome:
    """`write` chooses by the logits of a whole reading, though it reads no token twice."""
    read = got["read"].tolist()
    again = f"{read} tokens were read: after the beginning, read the chosen one alone"
    near, first = partial(torch.allclose, rtol=1e-4, atol=1e-4), got["offered"][:, 0]
    return every(
        holds(read == [BEGIN] + [1] * (STEPS - 1), again),
        holds(near(first, got["whole"][:, 0]), "choose gets the last place's logits"),
        holds(near(got["offered"], got["whole"]), "what was read is forgotten: keep the caches"),
        close(got["token"], given.token[:, BEGIN:]),
    )


BEGINNING = "ROMEO. But soft, what light"


@dream("What it writes, and where it looks", arm="main")
def writes(player, rng):
    """Three texts from one seed; then where each head of the first block looks."""
    characters = vocabulary("shakespeare")
    begin_1T = torch.tensor([[characters.index(sign) for sign in BEGINNING]])
    seed = int(torch.randint(2**31, (), generator=rng))
    for temperature in (0.3, 0.7, 1.0):
        how = {"temperature": temperature, "seed": seed}
        token_1T = player.call("say", begin_1T, 200, **how, returns="int64 [N, 200]")
        said = "".join(characters[token] for token in token_1T[0].tolist())
        yield exhibits.text(f"temperature {temperature}", BEGINNING + said)

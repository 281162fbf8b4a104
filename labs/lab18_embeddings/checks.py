"""The visible checks of lab 18, in the order of its tasks, the cloze pairs, and a dream."""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import (
    Arrays,
    Given,
    Player,
    PlayItems,
    check,
    dream,
    exhibits,
    integers,
    normal,
    play,
    uniform,
)
from dllab.checks.calls import Way, check_calls
from dllab.checks.tools import instance
from dllab.data import find
from labs.lab18_embeddings.given import ASIDE, END, WORD, pack, plays, speeches, unpack

# Words and their pieces ---------------------------------------------------------------------------

NAMES = ("yew", "ash", "box", "fir", "oak", "elm")


def shuffled(rng: torch.Generator) -> Arrays:
    """Draw an order of six words."""
    return {"order": torch.randperm(len(NAMES), generator=rng)}


def some_speeches(g: Given) -> list[tuple[Any, ...]]:
    """Speeches in which two words are equally frequent, at three places of the ranking."""
    a, b, c, d, e, f = (NAMES[i] for i in g.order.tolist())
    said = [[a, b, d, d, d], [], [b, c, a, e, e, e], [f, c, a], [b, c, a], [f]]
    return [(said, 5), (said, 9)]


def ranked(said: list[list[str]], size: int, key: Way = lambda w, n: (-n, w)) -> list[str]:
    """Words by a key of themselves and their counts."""
    times = Counter(chain(*said))
    return sorted(times, key=lambda word: key(word, times[word]))[:size]


@check_calls(
    "top-words",
    "The vocabulary",
    given=shuffled,
    calls=some_speeches,
    expect=ranked,
    mistakes={
        "equally frequent words stand in the order of the text": lambda s, n: ranked(
            s, n, lambda w, k: -k
        ),
        "equally frequent words stand from z to a": lambda s, n: sorted(
            [*reversed(ranked(s, 9))], key=lambda w: -Counter(chain(*s))[w]
        )[:n],
        "the rarest words come first": lambda s, n: ranked(s, n, lambda w, k: (k, w)),
        "words are sorted by the alphabet alone": lambda s, n: ranked(s, n, lambda w, k: w),
        "each speech counts a word once": lambda s, n: ranked([[*{*one}] for one in s], n),
        "all words are kept: the first `size` of them": lambda s, n: ranked(s, 99),
        "these are pairs of word and count": lambda s, n: [
            (word, Counter(chain(*s))[word]) for word in ranked(s, n)
        ],
    },
)
def top_words(lab: ModuleType) -> Way:
    """`top_words` takes the most frequent words, of equally frequent ones the first by alphabet."""
    return lambda said, size: [*instance(lab.top_words(said, size), Sequence)]


def some_words(g: Given) -> list[tuple[Any, ...]]:
    """Words of several lengths, the shortest of all among them."""
    word = "".join(NAMES[i] for i in g.order[:2].tolist())
    return [(word, (3, 4)), ("o", (3, 4)), (word, (4, 2)), (word, ())]


def pieces(word: str, lengths: Sequence[int], begin: str = "<", end: str = ">") -> list[str]:
    """All pieces of a marked word."""
    marked = begin + word + end
    return [marked[i : i + n] for n in lengths for i in range(len(marked)) if i + n <= len(marked)]


@check_calls(
    "ngrams",
    "Pieces of a word",
    given=shuffled,
    calls=some_words,
    expect=pieces,
    mistakes={
        "the marks < and > are missing": lambda w, ns: pieces(w, ns, "", ""),
        "the mark > is missing, or the last piece of each length": lambda w, ns: pieces(
            w, ns, "<", ""
        ),
        "the mark < is missing": lambda w, ns: pieces(w, ns, "", ">"),
        "pieces at the end are cut short": lambda w, ns: [
            f"<{w}>"[i : i + n] for n in ns for i in range(len(w) + 2)
        ],
        "pieces stand by place, then by length": lambda w, ns: [
            f"<{w}>"[i : i + n] for i in range(len(w) + 2) for n in ns if i + n <= len(w) + 2
        ],
        "only the first length is used": lambda w, ns: pieces(w, ns[:1]),
        "each piece begins where the last one ended": lambda w, ns: [
            f"<{w}>"[i : i + n] for n in ns for i in range(0, len(w) + 3 - n, n)
        ],
    },
)
def ngrams(lab: ModuleType) -> Way:
    """`ngrams` gives all pieces of the marked word, length by length."""
    return lambda word, lengths: [*instance(lab.ngrams(word, lengths), Sequence)]


def some_bags(g: Given) -> list[tuple[Any, ...]]:
    """A known word and an unknown one, with pieces and without."""
    known = {NAMES[i]: id for id, i in enumerate(g.order[:4].tolist())}
    new, old = NAMES[int(g.order[5])] + "en", NAMES[int(g.order[2])]
    return [(old, known, (3, 4), 500), (new, known, (3,), 500), (new, known, (), 9)]


def rows(word: str, ids: Any, ns: Any, buckets: int, *, begin: int | None = None, **how: Any):
    """A bag of rows."""
    first = len(ids) if begin is None else begin
    code = how.get("code", lambda piece: zlib.crc32(piece.encode()) % buckets)
    own = [ids[word]] if word in ids and how.get("own", True) else []
    return own + [first + code(piece) for piece in how.get("cut", pieces)(word, ns)]


@check_calls(
    "bag",
    "The bag of a word",
    given=shuffled,
    calls=some_bags,
    expect=rows,
    mistakes={
        "the rows of pieces begin behind those of the words: add V": lambda *a: rows(*a, begin=0),
        "the word's own row is missing": lambda *a: rows(*a, own=False),
        "a word that is not known has no row of its own": lambda w, ids, *a: (
            ([] if w in ids else [0]) + rows(w, ids, *a)
        ),
        "the pieces of a known word are missing": lambda w, ids, ns, b: rows(
            w, ids, () if w in ids else ns, b
        ),
        "a hash is taken modulo `buckets`": lambda *a: rows(
            *a, code=lambda p: zlib.crc32(p.encode())
        ),
        "modulo V + buckets: modulo `buckets`": lambda w, ids, ns, b: rows(
            w, ids, ns, b, code=lambda p: zlib.crc32(p.encode()) % (b + len(ids))
        ),
        "each row stands once: a set forgets order and repeats": lambda *a: sorted({*rows(*a)}),
        "adler32 is another hash": lambda w, ids, ns, b: rows(
            w, ids, ns, b, code=lambda p: zlib.adler32(p.encode()) % b
        ),
    },
    depends_on=("ngrams",),
)
def bag(lab: ModuleType) -> Way:
    """`bag` has the word's own row, if there is one, and those of its pieces."""
    return lambda *call: [*instance(lab.bag(*call), Sequence)]


# What stands beside what --------------------------------------------------------------------------


def counts(rng: torch.Generator) -> Arrays:
    """Draw how often six words occur, from rarely to very often."""
    count = torch.tensor([1.0, 4.0, 30.0, 200.0, 1000.0, 6000.0])
    return {"count": (count + integers(0, 9, 6)(rng))[torch.randperm(6, generator=rng)]}


def shares(g: Given) -> Tensor:
    """Each word's share of all."""
    return g.count / g.count.sum()


@check(
    "keep-share",
    "Fewer of the frequent words",
    given=counts,
    expect=lambda g: (0.01 / shares(g)).sqrt().clamp(max=1),
    mistakes={
        "a share above 1: at most everything stays": lambda g: (0.01 / shares(g)).sqrt(),
        "this is what goes, not what stays": lambda g: 1 - (0.01 / shares(g)).sqrt().clamp(max=1),
        "the root is missing": lambda g: (0.01 / shares(g)).clamp(max=1),
        "counts are no shares: divide by their sum": lambda g: (0.01 / g.count).sqrt().clamp(max=1),
        "f / threshold: frequent words are kept, rare ones are not": lambda g: (
            (shares(g) / 0.01).sqrt().clamp(max=1)
        ),
        "this is word2vec's code, √(t/f) + t/f; the task says √(t/f)": lambda g: (
            (0.01 / shares(g)).sqrt() + 0.01 / shares(g)
        ).clamp(max=1),
    },
)
def keep_share(lab, given):
    """`keep_share` keeps rare words whole, and of frequent ones the root of threshold / f."""
    return lab.keep_share(given.count, 0.01)


WINDOW = 2


def text(rng: torch.Generator) -> Arrays:
    """Draw a text of four speeches, with a word in it that is not known."""
    token = torch.randperm(90, generator=rng)[:12]
    token[int(integers(4, 7)(rng))] = -1
    # The first and the last speech have the same words as neighbours of both ends of the text.
    return {"token": token, "speech": torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 3, 3])}


def around(g: Given, steps: Sequence[int] = (-2, -1, 1, 2), **how: Any) -> Tensor:
    """The words around every place, one at a time."""
    size = len(g.token)
    found = []
    for centre in how.get("centres", range(size)):
        for step in steps:
            place = centre + step
            there = 0 <= place < size or how.get("round", False)
            place = min(max(place, 0), size - 1) if how.get("clamp") else place % size
            same = how.get("across", False) or g.speech[place] == g.speech[centre]
            ok = (there or how.get("clamp", False)) and same
            found.append(int(g.token[place]) if ok else how.get("none", -1))
    return torch.tensor(found).view(-1, len(steps))


@check(
    "contexts",
    "Words around a place",
    given=text,
    expect=around,
    mistakes={
        "the window reaches into another speech": lambda g: around(g, across=True),
        "the centre is among its own neighbours": lambda g: around(g, (-2, -1, 0, 1, 2)),
        "behind the text comes its beginning: leave out what is beyond": lambda g: around(
            g, round=True, across=True
        ),
        "beyond the text, its last word is repeated": lambda g: around(g, clamp=True),
        "the words before come behind the words after": lambda g: around(g, (1, 2, -2, -1)),
        "from right to left: the order is that of the text": lambda g: around(g, (2, 1, -1, -2)),
        "only the words before the centre": lambda g: around(g, (-2, -1)),
        "only the words behind the centre": lambda g: around(g, (1, 2)),
        "the window is one word too narrow": lambda g: around(g, (-1, 1)),
        "0 is a word: what is missing is -1": lambda g: around(g, none=0),
        "these are places, not the ids of their words": lambda g: around(
            g | {"token": torch.arange(len(g.token))}
        ),
    },
)
def contexts(lab, given):
    """`contexts` gives two words before and two behind each centre, of the same speech."""
    centre = torch.arange(len(given.token))
    return lab.contexts(given.token, given.speech, centre, WINDOW)


@check(
    "noise",
    "How probable a negative is",
    given=counts,
    expect=lambda g: g.count**0.75 / (g.count**0.75).sum(),
    mistakes={
        "all words are equally probable": lambda g: torch.full_like(g.count, 1 / len(g.count)),
        "the power 0.75 is missing": shares,
        "the power comes after the sum: divide last": lambda g: shares(g) ** 0.75,
        "these do not sum to 1": lambda g: g.count**0.75,
        "the power is 0.5": lambda g: g.count.sqrt() / g.count.sqrt().sum(),
        "a softmax is for logits": lambda g: (g.count**0.75).softmax(0),
        "the rare words are the probable ones": lambda g: g.count**-0.75 / (g.count**-0.75).sum(),
    },
)
def noise(lab, given):
    """`noise` is in proportion to the counts to the power of 0.75, and sums to 1."""
    return lab.noise(given.count)


# The loss -----------------------------------------------------------------------------------------


def some_pairs(rng: torch.Generator) -> Arrays:
    """Draw vectors of three centres, four context words of each, two negatives of each."""
    there = torch.ones(3, 4, dtype=torch.bool)
    there[0, int(integers(0, 4)(rng))] = False
    there[1, :3] = False
    drawn = {"z": normal(3, 5), "u": normal(3, 4, 5), "negative": normal(3, 2, 5)}
    return {name: draw(rng) for name, draw in drawn.items()} | {"there": there}


def costs(g: Given, near: float = -1, far: float = 1, **how: Any) -> Tensor:
    """What each pair costs, [B, C]; softplus(x) is -log sigmoid(-x)."""
    positive = F.softplus(near * torch.einsum("bd,bcd->bc", g.z, g.u))
    negative = F.softplus(far * torch.einsum("bd,bkd->bk", g.z, g.negative))
    return positive + how.get("over", torch.sum)(negative, 1)[:, None] * how.get("weight", 1)


def mean_cost(g: Given, **how: Any) -> Tensor:
    """The mean of the pairs that are there."""
    return costs(g, **how)[g.there].mean()


@check(
    "sgns-loss",
    "The loss",
    given=some_pairs,
    expect=mean_cost,
    mistakes={
        "pairs that are not there are counted": lambda g: costs(g).mean(),
        "what is not there is in the number of pairs: divide by those that are": lambda g: (
            costs(g) * g.there
        ).mean(),
        "this is the sum over the pairs, not their mean": lambda g: costs(g)[g.there].sum(),
        "negatives are pulled near: -log sigmoid(-z·n)": lambda g: mean_cost(g, far=-1),
        "context words are pushed away: -log sigmoid(z·u)": lambda g: mean_cost(g, near=1),
        "near and far are exchanged": lambda g: mean_cost(g, near=1, far=-1),
        "the negatives are averaged: add up the K of them": lambda g: mean_cost(g, over=torch.mean),
        "the negatives are left out": lambda g: mean_cost(g, weight=0),
        "each centre counts once: each pair has its negatives": lambda g: (
            ((costs(g, weight=0) * g.there).sum() + (costs(g) - costs(g, weight=0))[:, 0].sum())
            / g.there.sum()
        ),
        "each centre's mean is taken first: a pair is a pair": lambda g: (
            (costs(g) * g.there).sum(1) / g.there.sum(1)
        ).mean(),
        "sigmoid without its logarithm": lambda g: (
            -(
                torch.einsum("bd,bcd->bc", g.z, g.u).sigmoid()
                + torch.einsum("bd,bkd->bk", g.z, -g.negative).sigmoid().sum(1, keepdim=True)
            )[g.there].mean()
        ),
    },
    grad=("z", "u", "negative"),
)
def sgns_loss(lab, given):
    """`sgns_loss` is the mean cost of the pairs that are there, and has the right gradients."""
    return lab.sgns_loss(given.z, given.u, given.negative, given.there)


PAIR = {"z": normal(5), "u": normal(5), "negative": normal(3, 5)}
PARTS = ("by z", "by u", "by the negatives")


def slopes(g: Given) -> Arrays:
    """The gradients of one pair's cost, by autograd."""
    leaves = [g[name].clone().requires_grad_() for name in PAIR]
    z, u, negative = leaves
    with torch.enable_grad():
        cost = F.softplus(-z @ u) + F.softplus(negative @ z).sum()
        return dict(zip(PARTS, torch.autograd.grad(cost, leaves), strict=True))


def slope(part: int, form: Callable[[Given, Tensor, Tensor], Tensor]) -> Callable[[Given], Arrays]:
    """One of the gradients by a wrong formula of g, sigmoid(z·u) and sigmoid(z·n)."""
    return lambda g: {
        PARTS[part]: form(g, torch.sigmoid(g.z @ g.u), torch.sigmoid(g.negative @ g.z))
    }


@check(
    "sgns-gradient",
    "The gradient by hand",
    given=PAIR,
    expect=slopes,
    mistakes={
        "uphill: the sign of all three": lambda g: {n: -v for n, v in slopes(g).items()},
        "the gradient by z lacks the negatives": slope(0, lambda g, a, b: (a - 1) * g.u),
        "the gradient by z lacks the context word": slope(0, lambda g, a, b: b @ g.negative),
        "sigmoid(z·u) in place of sigmoid(z·u) - 1": slope(
            0, lambda g, a, b: a * g.u + b @ g.negative
        ),
        "sigmoid - 1 for the negatives too: theirs is sigmoid": slope(
            0, lambda g, a, b: (a - 1) * g.u + (b - 1) @ g.negative
        ),
        "by u there is z, not u": slope(1, lambda g, a, b: (a - 1) * g.u),
        "by u, sigmoid(z·u) in place of sigmoid(z·u) - 1": slope(1, lambda g, a, b: a * g.z),
        "by the negatives, sigmoid - 1 in place of sigmoid": slope(
            2, lambda g, a, b: (b - 1)[:, None] * g.z
        ),
        "by the negatives there is z, not the negatives": slope(
            2, lambda g, a, b: b[:, None] * g.negative
        ),
        "each negative has a gradient of its own: this is their sum": slope(
            2, lambda g, a, b: b.sum() * g.z
        ),
    },
)
def sgns_gradient(lab, given):
    """`sgns_gradient` is what autograd finds for one pair, with three negatives."""
    return dict(zip(PARTS, lab.sgns_gradient(given.z, given.u, given.negative), strict=True))


# Near is similar ----------------------------------------------------------------------------------


def some_vectors(rng: torch.Generator) -> Arrays:
    """Draw nine vectors of very unequal length, until every way to go astray shows."""
    while True:
        vector = normal(9, 4)(rng) * torch.tensor([0.2, 5.0, 1.0] * 3)[:, None]
        g = Given({"vector": vector, "id": torch.randperm(9, generator=rng)[:3]})
        wrong = [found[0].tolist() for found in (*map(neighbours, [g] * 1), *astray(g).values())]
        wrong += [found.tolist() for found in (related(g), *unrelated(g).values())]
        if len({tuple(one) for one in wrong}) == len(wrong):
            return dict(g)


def order(score: Tensor, without: Sequence[int], k: int = 3, *, largest: bool = True) -> Tensor:
    """The k best."""
    best = score.argsort(descending=largest).tolist()
    return torch.tensor([one for one in best if one not in without][:k])


def cosines(g: Given, query: Tensor) -> Tensor:
    """Of all vectors with a query."""
    return torch.stack([torch.cosine_similarity(v, query, dim=0) for v in g.vector])


def neighbours(g: Given) -> Tensor:
    """Of the first drawn word, the word and another one left out."""
    a, b, _ = g.id.tolist()
    return torch.stack([order(cosines(g, g.vector[a]), [a, b]), order(cosines(g, g.vector[b]), [])])


def astray(g: Given) -> dict[str, Tensor]:
    """Wrong neighbours, by what is wrong."""
    a, b, _ = g.id.tolist()
    ways: dict[str, tuple[Way, Way, bool]] = {
        "a word is its own nearest neighbour: `without`": (
            lambda v: cosines(g, v),
            lambda w: [],
            True,
        ),
        "the nearest comes last, or the farthest are taken": (
            lambda v: cosines(g, v),
            lambda w: w,
            False,
        ),
        "long vectors win: the cosine divides by the length": (
            lambda v: g.vector @ v,
            lambda w: w,
            True,
        ),
        "the distance is not the cosine": (
            lambda v: -(g.vector - v).norm(dim=1),
            lambda w: w,
            True,
        ),
        "only the first of `without` is left out": (lambda v: cosines(g, v), lambda w: w[:1], True),
    }
    return {
        words: torch.stack(
            [
                order(score(g.vector[one]), without(left), largest=largest)
                for one, left in ((a, [a, b]), (b, []))
            ]
        )
        for words, (score, without, largest) in ways.items()
    }


def related(
    g: Given, signs: Sequence[int] = (-1, 1, 1), *, unit: bool = True, out: int = 3
) -> Tensor:
    """What is to c as b is to a."""
    vector = F.normalize(g.vector, dim=1) if unit else g.vector
    query = sum(sign * vector[one] for sign, one in zip(signs, g.id.tolist(), strict=True))
    return order(cosines(g, query), g.id.tolist()[:out])


def unrelated(g: Given) -> dict[str, Tensor]:
    """Wrong analogies, by what is wrong."""
    return {
        "a - b + c: it is b - a + c": related(g, (1, -1, 1)),
        "b + a - c: it is b - a + c": related(g, (1, 1, -1)),
        "b + a + c: it is b - a + c": related(g, (1, 1, 1)),
        "long vectors decide: take unit vectors": related(g, unit=False),
        "the three words of the question are not left out": related(g, out=0),
        "c is not left out": related(g, out=2),
    }


@check(
    "nearest",
    "Nearest neighbours",
    given=some_vectors,
    expect=neighbours,
    mistakes={
        words: (lambda g, words=words: astray(g)[words])
        for words in (
            "a word is its own nearest neighbour: `without`",
            "the nearest comes last, or the farthest are taken",
            "long vectors win: the cosine divides by the length",
            "the distance is not the cosine",
            "only the first of `without` is left out",
        )
    },
)
def nearest(lab, given):
    """`nearest` ranks by cosine, whatever the lengths are, and leaves out what it is told to."""
    a, b, _ = given.id.tolist()
    return torch.stack(
        [
            lab.nearest(given.vector, given.vector[a], 3, [a, b]),
            lab.nearest(given.vector, given.vector[b], 3, []),
        ]
    )


@check(
    "analogy",
    "Analogies",
    given=some_vectors,
    expect=related,
    mistakes={
        words: (lambda g, words=words: unrelated(g)[words])
        for words in (
            "a - b + c: it is b - a + c",
            "b + a - c: it is b - a + c",
            "b + a + c: it is b - a + c",
            "long vectors decide: take unit vectors",
            "the three words of the question are not left out",
            "c is not left out",
        )
    },
    depends_on=("nearest",),
)
def analogy(lab, given):
    """`analogy` gives what is nearest to b - a + c, of all words but these three."""
    return lab.analogy(given.vector, *given.id.tolist(), 3)


# Without a network --------------------------------------------------------------------------------


def some_counts(rng: torch.Generator) -> Arrays:
    """Draw how often six words met, of which one met nobody."""
    count = integers(0, 40, 6, 6)(rng).float() * (uniform(6, 6)(rng) > 0.3)
    count[2], count[:, 2], count[4], count[:, 5] = 0, 0, 0, 0
    count[0, 1] = count[3, 3] = 60
    count[4, 5] = 4  # two that met each other alone
    return {"count": count}


def information(g: Given, **how: Any) -> Tensor:
    """Shifted positive mutual information, pair by pair."""
    n = g.count
    found = torch.zeros(len(n), len(n))
    for i, j in (n > 0).nonzero().tolist():
        down = how.get("down", lambda n, i, j: n[:, j].sum())(n, i, j)
        pmi = math.log(n[i, j] * how.get("total", torch.sum)(n) / (n[i].sum() * down))
        found[i, j] = max(how.get("least", 0), pmi - how.get("shift", math.log(3)))
    return found


@check(
    "ppmi",
    "Mutual information of pairs",
    given=some_counts,
    expect=information,
    mistakes={
        "negative values are left: max(0, …)": lambda g: information(g, least=-99),
        "the shift by log negatives is missing": lambda g: information(g, shift=0),
        "shifted by negatives, not by their logarithm": lambda g: information(g, shift=3),
        "shifted the wrong way": lambda g: information(g, shift=-math.log(3)),
        "cut at 0 before the shift": lambda g: (
            (information(g, shift=0) - math.log(3)) * (g.count > 0)
        ),
        "n_j sums a column": lambda g: information(g, down=lambda n, i, j: max(n[j].sum(), 1)),
        "n is the number of all pairs, not that of words": lambda g: information(g, total=len),
        "this is log2": lambda g: information(g) / math.log(2),
        "this is a ratio, without its logarithm": lambda g: (
            information(g).exp() * (information(g) > 0)
        ),
    },
)
def ppmi(lab, given):
    """`ppmi` is max(0, PMI - log 3), and 0 where two words never met."""
    return lab.ppmi(given.count, 3)


NEAR, LENGTHS = "the products z·u", "sums of squares of z's and u's columns"


def factors(g: Given, power: tuple[float, float] = (0.5, 0.5), keep: slice = slice(2)) -> Arrays:
    """Products and column norms of the two factors."""
    left, value, right = torch.linalg.svd(g.matrix)
    z = left[:, keep] * value[keep] ** power[0]
    u = right.T[:, keep] * value[keep] ** power[1]
    return products(z, u)


def products(z: Tensor, u: Tensor) -> Arrays:
    """What does not depend on signs."""
    return {NEAR: z @ u.T, LENGTHS: torch.stack([z.square().sum(0), u.square().sum(0)])}


def spread(rng: torch.Generator) -> Arrays:
    """Draw a matrix that is not symmetric, with singular values that lie apart."""
    left, right = (torch.linalg.qr(normal(6, 6)(rng))[0] for _ in range(2))
    value = torch.tensor([9.0, 6.0, 4.0, 2.5, 1.5, 0.7]) + uniform(6)(rng) / 4
    return {"matrix": left * value @ right}


@check(
    "svd-vectors",
    "Vectors by singular values",
    given=spread,
    expect=factors,
    mistakes={
        "the singular values are missing": lambda g: factors(g, (0, 0)),
        "S on both sides: √S": lambda g: factors(g, (1, 1)),
        "all of S is in z: √S on both sides": lambda g: factors(g, (1, 0)),
        "all of S is in u: √S on both sides": lambda g: factors(g, (0, 1)),
        "the smallest singular values are kept": lambda g: factors(g, keep=slice(4, 6)),
        "u is z: it is V √S": lambda g: products(
            *[torch.linalg.svd(g.matrix)[0][:, :2] * torch.linalg.svd(g.matrix)[1][:2].sqrt()] * 2
        ),
        "rows of Vᵀ are columns of V": lambda g: products(
            torch.linalg.svd(g.matrix)[0][:, :2] * torch.linalg.svd(g.matrix)[1][:2].sqrt(),
            torch.linalg.svd(g.matrix)[2][:, :2] * torch.linalg.svd(g.matrix)[1][:2].sqrt(),
        ),
    },
    atol=1e-4,
    rtol=1e-4,
)
def svd_vectors(lab, given):
    """`svd_vectors` splits the best matrix of rank 2 evenly into z and u."""
    return products(*lab.svd_vectors(given.matrix, 2))


# The model ----------------------------------------------------------------------------------------

BUCKETS, FEATURES, LENGTHS_OF = 40, 3, (3, 4)
TABLES = {
    "order": shuffled,
    "inputs.weight": normal(4 + BUCKETS, FEATURES),
    "outputs.weight": normal(4, FEATURES),
}


def tables(rng: torch.Generator) -> Arrays:
    """Draw both tables, and which of six words are known."""
    return {**shuffled(rng), **{n: draw(rng) for n, draw in TABLES.items() if "." in n}}


def words_of(g: Given) -> list[str]:
    """The drawn words; the first four are known."""
    return [NAMES[i] for i in g.order.tolist()]


def toy(lab: ModuleType, g: Given, grams: Sequence[int] = LENGTHS_OF) -> Any:
    """The learner's Model in toy size, with the drawn tables."""
    model = lab.Model(words=4, buckets=BUCKETS, features=FEATURES, grams=grams)
    parameters = {name: g[name] for name in g if "." in name}
    model.load_state_dict(parameters | {"spelling": pack(words_of(g)[:4])})
    return model


def vector(g: Given, word: str, grams: Sequence[int] = LENGTHS_OF, **how: Any) -> Tensor:
    """A word's vector."""
    ids = {word: i for i, word in enumerate(words_of(g)[:4])}
    bag_of = rows(word, ids, grams, BUCKETS, **how)
    if not bag_of:
        return torch.zeros(FEATURES)
    return how.get("over", torch.mean)(g["inputs.weight"][bag_of], 0)


def all_vectors(g: Given, **how: Any) -> Arrays:
    """Vectors of all six words, with pieces and without."""
    known, new = "of known and new words", "without pieces"
    found = {known: torch.stack([vector(g, w, **how) for w in words_of(g)])}
    return found | {new: torch.stack([vector(g, w, (), **how) for w in words_of(g)])}


def only_pieces(g: Given, **how: Any) -> Arrays:
    """The part with pieces of `all_vectors`."""
    return dict([next(iter(all_vectors(g, **how).items()))])


@check(
    "vectors",
    "Vectors of words",
    given=tables,
    expect=all_vectors,
    mistakes={
        "the sum of a bag, not its mean": lambda g: only_pieces(g, over=torch.sum),
        "the word's own row is left out": lambda g: only_pieces(g, own=False),
        "the pieces are left out": lambda g: only_pieces(g, cut=lambda w, ns: []),
        "the largest of a bag, not its mean": lambda g: only_pieces(
            g, over=lambda x, dim: x.amax(dim)
        ),
        "all words are taken for unknown, or for known": lambda g: {
            "without pieces": torch.zeros(6, FEATURES)
        },
        "the rows of `outputs` are those of contexts": lambda g: {
            "without pieces": torch.cat([g["outputs.weight"], torch.zeros(2, FEATURES)])
        },
    },
    depends_on=("ngrams", "bag"),
)
def vectors(lab, given):
    """A word's vector is the mean of its bag, also that of a word nobody has seen; else 0."""
    words = words_of(given)
    return {
        "of known and new words": toy(lab, given).vectors(words),
        "without pieces": toy(lab, given, ()).vectors(words),
    }


GAPS = 4


def gaps(g: Given) -> tuple[list[list[str]], list[list[str]]]:
    """Words around four gaps, and two words to choose from for each."""
    a, b, c, d, e, f = words_of(g)
    return [[a, b, e], [c, a, d, b], [d], [e, f]], [[c, e], [f, d], [b, a], [a, c]]


def fits(g: Given, **how: Any) -> Tensor:
    """How well each word fits into each gap."""
    found = torch.zeros(GAPS, 2)
    known = words_of(g)[:4]
    table = g[how.get("table", "outputs.weight")]
    of = how.get("of", lambda word: vector(g, word))
    for i, (near, two) in enumerate(zip(*gaps(g), strict=True)):
        context = [table[known.index(w)] for w in near if w in known]
        context += [table[0] for w in near if w not in known and how.get("unknown")]
        for j, word in enumerate(two):
            score = [how.get("by", torch.dot)(of(word), u) for u in context]
            found[i, j] = how.get("over", torch.sum)(torch.stack(score)) if score else 0.0
    return found


@check(
    "cloze",
    "Which word fits",
    given=tables,
    expect=fits,
    mistakes={
        "the mean over the words around, not their sum": lambda g: fits(g, over=torch.mean),
        "words that are not known count as word 0": lambda g: fits(g, unknown=True),
        "u are rows of `outputs`, these are of `inputs`": lambda g: fits(g, table="inputs.weight"),
        "the choice has vectors u: it has z, by self.vectors": lambda g: fits(
            g,
            of=lambda w: (
                g["outputs.weight"][words_of(g).index(w)]
                if w in words_of(g)[:4]
                else torch.zeros(FEATURES)
            ),
        ),
        "cosines in place of products": lambda g: fits(
            g, by=lambda z, u: torch.cosine_similarity(z, u, dim=0)
        ),
        "the two words are exchanged": lambda g: fits(g).flip(1),
        "only the nearest word around counts": lambda g: fits(g, over=torch.max),
        "sigmoid of each product: add up the products": lambda g: fits(
            g, by=lambda z, u: torch.sigmoid(z @ u)
        ),
    },
    depends_on=("vectors",),
)
def cloze(lab, given):
    """A word fits by the sum of z·u over the known words around; where none is known, by 0."""
    return toy(lab, given).cloze(*gaps(given))


# What the vectors are worth -----------------------------------------------------------------------

SHORTEST, SIDE = 3, 2
Place = tuple[str, tuple[str, ...]]  # a word, and the words around it


@cache
def seen() -> Counter[str]:
    """How often each word occurs in the training plays."""
    return Counter(word for speech in speeches(plays()) for word in speech)


def rare_places(windows: Sequence[str]) -> list[Place]:
    """Each place of a word that training plays have once or never, with what stands around it."""
    found = {}
    for window in windows:
        parts = [WORD.findall(part.lower()) for part in END.split(ASIDE.sub(" ", window))]
        parts[0], parts[-1] = parts[0][1:], parts[-1][:-1]  # words at the ends may be cut
        for said in parts:
            for i, word in enumerate(said):
                near = (*said[max(0, i - SIDE) : i], *said[i + 1 : i + 1 + SIDE])
                if len(word) >= SHORTEST and seen()[word] <= 1 and len(near) >= 2 * SIDE - 1:
                    found[word, near] = None
    return [*found]


def matched(places: Sequence[Place], rng: torch.Generator) -> list[tuple[Place, Place]]:
    """Places two by two, of words that are equally frequent; no place is in two pairs."""
    pairs = []
    for times in (0, 1):
        same = [place for place in places if seen()[place[0]] == times]
        drawn = [same[i] for i in torch.randperm(len(same), generator=rng).tolist()]
        pairs += [(a, b) for a, b in zip(drawn[::2], drawn[1::2], strict=False) if a[0] != b[0]]
    return pairs


@play("cloze-pairs", items=True)
def cloze_pairs(player: Player, rng: torch.Generator, items: PlayItems) -> Tensor:
    """Two rare words, each torn out of its place: which share is put back where it was?

    Both places offer both words, so whoever prefers one of them, whatever stands around, is right
    once and wrong once. A tie counts one half.
    """
    characters = find("shakespeare").vocabulary()
    windows = ["".join(characters[i] for i in row) for row in items.inputs["tokens"].tolist()]
    pairs = matched(rare_places(windows), rng)
    asked = [(near, a[0], b[0]) for a, b in pairs for _, near in (a, b)]
    order_N = torch.randperm(len(asked), generator=rng)
    lines = [f"{' '.join(near)} | {one} {other}" for near, one, other in asked]
    shuffled_lines = "\n".join(lines[i] for i in order_N.tolist())
    score_N2 = player.call("answer", shuffled_lines, returns=f"float32 [{len(asked)}, 2]")
    lead_N = torch.empty(len(asked))
    lead_N[order_N] = (score_N2[:, 0] - score_N2[:, 1]).sign()
    lead_P2 = lead_N.view(-1, 2) * torch.tensor([1.0, -1.0])  # the second place wants the second
    return ((lead_P2 + 1) / 2).mean(1)


ASKED = "king daughter sword thou love france walking unkingly"


@dream("Neighbours", arm="plays")
def neighbourhood(player, rng):
    """The known words that lie nearest to some, one of which no play has."""
    byte_NKL = player.call("near", ASKED, 6, returns=f"uint8 [{len(ASKED.split())}, 6, 24]")
    table = [
        [word, ", ".join(unpack(near))] for word, near in zip(ASKED.split(), byte_NKL, strict=True)
    ]
    yield exhibits.table("What lies nearest, by cosine", ["word", "nearest"], table)

"""The visible checks of lab 28, in the order of its tasks, and the plays: worlds, voters and an
oracle that the scorer owns.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    Player,
    check,
    dream,
    every,
    exhibits,
    holds,
    integers,
    normal,
    play,
    uniform,
)
from dllab.data import load, vocabulary
from dllab.metrics import Measured
from dllab.metrics.intervals import Interval
from labs.lab28_few_labels.given import KEYWORDS, ask_linear, fit_linear, pixels

SEED = integers(0, 10**6)

# Pseudo-labels and consistency --------------------------------------------------------------------

DRAWS = 40


def chosen_probe(lab, given) -> Arrays:
    """Draws of forty seeds, and the first one again."""
    seeds = int(given.seed) + torch.arange(DRAWS)
    pick = lambda s: lab.choose_few(given.label, 2, torch.Generator().manual_seed(int(s)))  # noqa: E731
    torch.manual_seed(0)
    again = pick(seeds[0])
    return {"place": torch.stack([pick(s) for s in seeds]), "again": again}


@check(
    "choose-few",
    "Which items keep their labels",
    given={
        "label": lambda rng: torch.tensor([0] * 5 + [1] * 9 + [2] * 4)[
            torch.randperm(18, generator=rng)
        ],
        "seed": SEED,
    },
    probe=chosen_probe,
    returns={"place": f"int64 [{DRAWS}, 6]", "again": "int64 [6]"},
)
def choose_few(given: Given, got: Arrays) -> Outcome:
    """`choose_few` draws equally many items of each class by rng, any of them."""
    place = got["place"]
    inside = bool(((place >= 0) & (place < 18)).all())
    if not inside:
        return Outcome(0.0, "some places are not between 0 and N - 1")
    label = given.label[place]
    return every(
        holds((F.one_hot(label, 3).sum(1) == 2).all(), "not `per_class` items of each class"),
        holds((place.sort(1).values.diff() > 0).all(), "an item is drawn twice"),
        holds((place.diff() > 0).all(), "the places do not rise: sort them"),
        holds(torch.equal(place[0], got["again"]), "the same seed draws others: use rng"),
        holds((place != place[0]).any(), "every seed draws the same items: shuffle by rng"),
        holds(len(place.unique()) == 18, "some items are never drawn"),
    )


def half_sure(rng: torch.Generator) -> Tensor:
    """Draw logits [8, 4], every other row of them sure; large logits need not be."""
    logits = 2 + 0.3 * torch.randn(8, 4, generator=rng)
    logits[torch.arange(0, 8, 2), torch.randint(4, (4,), generator=rng)] += 4
    logits[0] -= 9
    return logits


def sure(g: Given, *, dim: int = 1) -> Arrays:
    """First choices and whether they count."""
    best = g.logits.softmax(dim).max(1)
    return {"label": best.indices, "counts": best.values >= g.threshold}


@check(
    "pseudo-labels",
    "What the network is sure of",
    given={"logits": half_sure, "threshold": uniform(low=0.65, high=0.75)},
    expect=sure,
    mistakes={
        "the threshold is held against logits: take the softmax": lambda g: {
            "counts": g.logits.amax(1) >= g.threshold
        },
        "the softmax runs over the batch": partial(sure, dim=0),
        "what is unsure counts, what is sure does not": lambda g: {"counts": ~sure(g)["counts"]},
        "everything counts: the threshold is ignored": lambda g: {"counts": g.logits[:, 0] < 99},
        "this is the last choice, not the first": lambda g: {"label": g.logits.argmin(1)},
    },
)
def pseudo_labels(lab, given) -> Arrays:
    """`pseudo_labels` takes first choices, which count from the threshold on."""
    label, counts = lab.pseudo_labels(given.logits, float(given.threshold))
    return {"label": label, "counts": counts}


def agreement(g: Given, *, label="weak", judge="weak", teach="strong", mean="all") -> Tensor:
    """FixMatch's loss, right or wrong in a classic way."""
    label = g.weak.softmax(1) if label == "soft" else g[label].argmax(1)
    counts = (g[judge].softmax(1).amax(1) >= g.threshold).float()
    loss = F.cross_entropy(g[teach], label, reduction="none") * counts
    return {"all": loss.mean(), "sure": loss.sum() / counts.sum(), "sum": loss.sum()}[mean]


@check(
    "consistency",
    "Consistency of two views",
    given=lambda rng: {
        "weak": half_sure(rng),
        "strong": half_sure(rng).roll(1, 0) + normal(8, 4)(rng),
        "threshold": uniform(low=0.65, high=0.75)(rng),
    },
    expect=agreement,
    mistakes={
        "the strong view's confidence decides: take the weak's": partial(agreement, judge="strong"),
        "the strong view tells its own labels: it is to learn the weak view's": partial(
            agreement, label="strong", judge="strong"
        ),
        "the weak view learns: the strong one must": partial(agreement, teach="weak"),
        "the mean runs over those that count: divide by all U": partial(agreement, mean="sure"),
        "this is a sum over the batch: take the mean": partial(agreement, mean="sum"),
        "there is no threshold: unsure labels count": lambda g: agreement(g | {"threshold": 0.0}),
        "soft labels: the first choice is the label": partial(agreement, label="soft"),
    },
    depends_on=("pseudo-labels",),
    grad=("strong",),
)
def consistency(lab, given) -> Tensor:
    """`consistency` teaches the strong view what the weak one is sure of."""
    return lab.consistency(given.weak, given.strong, float(given.threshold))


def blobs(rng: torch.Generator, classes: int, width: int, count: int, few: int) -> Arrays:
    """Draw a world: long clouds of points, `few` labelled ones of each class; "label" is hidden."""
    mean = 2.2 * F.normalize(torch.randn(classes, width, generator=rng), dim=1)
    turn = torch.linalg.qr(torch.randn(width, width, generator=rng)).Q
    size = torch.full((width,), 0.6)
    size[:3] *= 2

    def drawn(label: Tensor) -> Tensor:
        return (mean[label] + size * torch.randn(len(label), width, generator=rng)) @ turn

    label = torch.randint(classes, (count,), generator=rng)
    known = torch.arange(classes).repeat_interleave(few)
    return {"x": drawn(label), "label": label, "few": drawn(known), "known": known}


def small_world(rng: torch.Generator) -> Arrays:
    """Draw a small world, float64, and when to stop."""
    drawn = blobs(rng, 3, 4, 30, 2)
    points = {name: drawn[name].double() for name in ("x", "few")}
    return {**points, "known": drawn["known"], "threshold": uniform(low=0.55, high=0.65)(rng)}


def taught(g: Given, rounds: int = 4, *, way: str = "") -> Tensor:
    """Probabilities after self-training, right or wrong in a classic way."""
    hot = lambda label: F.one_hot(label, 3).double()  # noqa: E731
    p = ask_linear(fit_linear(g.few, hot(g.known)), g.x)
    first = p
    for _ in range(rounds):
        by = first if way == "once" else p
        best = by.max(1)
        keep = best.values >= g.threshold
        keep = torch.ones_like(keep) if way == "all" else ~keep if way == "unsure" else keep
        target = by[keep] if way == "soft" else hot(best.indices[keep])
        x, target = torch.cat([g.few, g.x[keep]]), torch.cat([hot(g.known), target])
        x, target = (x[6:], target[6:]) if way == "alone" else (x, target)
        p = ask_linear(fit_linear(x, target), g.x)
    return p


@check(
    "self-train",
    "Self-training",
    given=small_world,
    expect=taught,
    mistakes={
        "chosen once: choose afresh in every round": partial(taught, way="once"),
        "there is no threshold: unsure labels count": partial(taught, way="all"),
        "the unsure are learnt from, not the sure": partial(taught, way="unsure"),
        "soft targets: first choices are labels": partial(taught, way="soft"),
        "the labelled items are forgotten: fit them together": partial(taught, way="alone"),
        "no round is done: the unlabelled teach nothing": partial(taught, rounds=0),
        "one round too few": partial(taught, rounds=3),
        "one round too many": partial(taught, rounds=5),
    },
)
def self_train(lab, given) -> Tensor:
    """`self_train` fits again and again what it is sure of, beside the labelled items."""
    return lab.self_train(
        given.few, given.known, given.x, 3, threshold=float(given.threshold), rounds=4
    )


# Labelling functions ------------------------------------------------------------------------------


def texts(rng: torch.Generator) -> Arrays:
    """Draw short texts of ids below 14; what stands behind their ends are words, too."""
    label = torch.tensor([[1, 2, 0], [2, 0, 1]])[int(torch.randint(2, (), generator=rng))]
    return {
        "token": torch.randint(2, 14, (20, 7), generator=rng),
        "length": torch.randint(0, 8, (20,), generator=rng),
        "word": 2 + torch.randperm(12, generator=rng)[:6].reshape(3, 2),
        "label": label,
    }


def read(g: Given, *, says=None, none=-1, padding=False, words=slice(None), by=any) -> Tensor:
    """The votes, text by text."""
    votes, says = torch.full((20, 3), none), g.label if says is None else says
    for n, token in enumerate(g.token):
        seen = token.tolist() if padding else token[: g.length[n]].tolist()
        for f, word in enumerate(g.word[:, words].tolist()):
            if by(w in seen for w in word):
                votes[n, f] = says[f]
    return votes


@check(
    "keyword-votes",
    "Votes of keywords",
    given=texts,
    expect=read,
    mistakes={
        "padding is read, too: stop at the length": partial(read, padding=True),
        "only the first word of each function counts": partial(read, words=slice(1)),
        "all words must occur: one is enough": partial(read, by=all),
        "who has nothing to say votes for class 0: abstain by -1": partial(read, none=0),
        "functions vote for their own number, not for label_F": partial(read, says=range(3)),
        "they say 1 for a word found, not their label": partial(read, says=[1, 1, 1]),
    },
)
def keyword_votes(lab, given) -> Tensor:
    """`keyword_votes` says a function's label where one of its words stands."""
    return lab.keyword_votes(given.token, given.length, given.word, given.label)


def votes(rng: torch.Generator) -> Tensor:
    """Draw votes [12, 5] of four classes, some abstaining; on item 0 all do."""
    vote = torch.randint(-1, 4, (12, 5), generator=rng)
    vote[0], vote[1] = -1, torch.tensor([0, 0, 2, 1, -1])
    return vote


def said(vote: Tensor, classes: int = 4) -> Tensor:
    """Who says what, float64 [N, F, C]; zeros for who abstains."""
    return F.one_hot(vote.clamp(min=0), classes) * (vote >= 0)[:, :, None].double()


def shares(g: Given, *, silent: float | None = None, of: str = "votes") -> Tensor:
    """The votes' shares, right or wrong in a classic way."""
    count = said(g.vote).sum(1)
    total = count.sum(1, keepdim=True)
    share = count / (total.clamp(min=1) if of == "votes" else 5)
    return share.where(total > 0, 0.25 if silent is None else silent)


@check(
    "majority",
    "Majority",
    given={"vote": votes},
    expect=shares,
    mistakes={
        "where all abstain 0 / 0 is nan: say 1 / C": partial(shares, silent=torch.nan),
        "where all abstain there is no belief: say 1 / C": partial(shares, silent=0.0),
        "divide by the votes, not by all functions": partial(shares, of="functions"),
        "abstaining counts as a vote for the last class": lambda g: said(g.vote % 4).mean(1),
        "abstaining counts as a vote for class 0": lambda g: said(g.vote.clamp(min=0)).mean(1),
        "the winner takes all: return shares": lambda g: F.one_hot(shares(g).argmax(1), 4).double(),
        "these are counts: divide by their sum": lambda g: said(g.vote).sum(1),
    },
)
def majority(lab, given) -> Tensor:
    """`majority` is the share of each class in the votes on an item."""
    return lab.majority(given.vote, 4)


def two_annotators(rng: torch.Generator) -> Arrays:
    """Draw what two people say of forty items: the second agrees on more than half of them."""
    first, other = (
        torch.multinomial(torch.tensor([3.0, 2, 1]), 40, True, generator=rng) for _ in "ab"
    )
    return {"first": first, "second": torch.where(torch.arange(40) < 24, first, other)}


def cohen(g: Given) -> Tensor:
    """Cohen's kappa by scikit-learn."""
    from sklearn.metrics import cohen_kappa_score  # slow to import

    return torch.tensor(float(cohen_kappa_score(g.first.numpy(), g.second.numpy())))


def agree(g: Given) -> Tensor:
    """The share on which both agree."""
    return (g.first == g.second).double().mean()


@check(
    "kappa",
    "Agreement beyond chance",
    given=two_annotators,
    expect=lambda g: cohen(g).double(),
    mistakes={
        "this is plain agreement: chance agrees as well": agree,
        "chance is not 1 / C: annotators have their habits": lambda g: (agree(g) * 3 - 1) / 2,
        "divide by 1 - e: perfect agreement is 1": lambda g: (
            agree(g) - (agree(g) - cohen(g)) / (1 - cohen(g))
        ),
    },
    atol=1e-6,
)
def kappa(lab, given) -> Tensor:
    """`kappa` is scikit-learn's cohen_kappa_score."""
    return lab.kappa(given.first, given.second, 3)


def chances(rng: torch.Generator) -> Tensor:
    """Draw probabilities, float64 [12, 4]."""
    return (1.5 * torch.randn(12, 4, generator=rng, dtype=torch.float64)).softmax(1)


SMOOTH, EVEN = uniform(low=0.3, high=0.6), torch.full((4,), 0.25).double()


def judged(g: Given, *, smooth=True, over=2, silent=False) -> Arrays:
    """Prior and confusions, right or wrong in a classic way."""
    count = torch.einsum("nt,nfv->ftv", g.belief, said(g.vote)) + float(g.smooth) * smooth
    total = g.belief.sum(0)[:, None] + 4 * g.smooth if silent else count.sum(over, keepdim=True)
    return {"prior": g.belief.mean(0), "confusion": count / total}


@check(
    "annotators",
    "What annotators are worth",
    given={"vote": votes, "belief": chances, "smooth": SMOOTH},
    expect=judged,
    mistakes={
        "beliefs are made hard: count by their probabilities": lambda g: {
            "confusion": judged(g | {"belief": said(g.belief.argmax(1, True))[:, 0]})["confusion"]
        },
        "`smooth` is not added": partial(judged, smooth=False),
        "divide by the sum over v: rows are of the true class": partial(judged, over=1),
        "confusion[f, t, v] has the true class first": lambda g: {
            "confusion": judged(g)["confusion"].mT
        },
        "those who abstain count: divide by their votes alone": partial(judged, silent=True),
        "the prior is a sum: take the mean": lambda g: {"prior": g.belief.sum(0)},
        "the prior is even: take the mean belief": lambda _: {"prior": EVEN},
    },
    atol=1e-6,
)
def annotators(lab, given) -> Arrays:
    """`annotators` counts, by beliefs, what each voter says of each true class."""
    prior, confusion = lab.annotators(given.vote, given.belief, float(given.smooth))
    return {"prior": prior, "confusion": confusion}


def confusions(rng: torch.Generator) -> Tensor:
    """Draw confusions, float64 [5, 4, 4]."""
    return torch.randn(5, 4, 4, generator=rng, dtype=torch.float64).softmax(2)


VOTED = {"vote": votes, "prior": lambda rng: chances(rng)[0], "confusion": confusions}


def logs(g: Given) -> Tensor:
    """The logarithms of prior times chances, [N, C]."""
    return torch.einsum("nfv,ftv->nt", said(g.vote), g.confusion.log()) + g.prior.log()


def believed(g: Given) -> Tensor:
    """Beliefs by Bayes' rule."""
    return logs(g).softmax(1)


@check(
    "beliefs",
    "Beliefs by Bayes' rule",
    given=VOTED,
    expect=believed,
    mistakes={
        "the prior is missing": lambda g: believed(g | {"prior": EVEN}),
        "who abstains is counted as the last class": lambda g: believed(g | {"vote": g.vote % 4}),
        "chances are added, not multiplied": lambda g: F.normalize(
            torch.einsum("nfv,ftv->nt", said(g.vote), g.confusion) + g.prior, p=1.0, dim=1
        ),
        "true class and vote are swapped": lambda g: believed(g | {"confusion": g.confusion.mT}),
        "an item's beliefs must add up to 1": lambda g: logs(g).exp(),
        "these are logarithms: softmax them": logs,
    },
    atol=1e-6,
)
def beliefs(lab, given) -> Tensor:
    """`beliefs` weighs each vote by how its voter votes where a class is true."""
    return lab.beliefs(given.vote, given.prior, given.confusion)


def crowd(rng: torch.Generator, count: int) -> Arrays:
    """Draw votes of a crowd on items of four classes: few know much, one confuses two pairs."""
    label = torch.multinomial(torch.tensor([0.4, 0.3, 0.2, 0.1]), count, True, generator=rng)
    right = torch.tensor([0.85, 0.8, 0.5, 0.4, 0.35, 0.35, 0.35])[:, None, None]
    chance = torch.eye(4) * right + (1 - torch.eye(4)) * (1 - right) / 3
    swaps = 0.8 * torch.eye(4)[[1, 0, 3, 2]] + 0.05
    chance = torch.cat([chance, swaps[None]])[torch.randperm(8, generator=rng)]
    vote = torch.stack([torch.multinomial(c[label], 1, generator=rng)[:, 0] for c in chance], 1)
    silent = torch.rand(vote.shape, generator=rng) < 0.3
    return {"vote": vote.where(~silent, -1), "label": label}


def maximised(g: Given, rounds: int = 5, *, start: str = "") -> Tensor:
    """Beliefs after rounds of expectation and maximisation."""
    belief = shares(g)
    if start == "even":
        belief = torch.full_like(belief, 0.25)
    for _ in range(rounds):
        told = judged(g | {"belief": belief, "smooth": torch.tensor(0.2)})
        if start == "prior":
            told["prior"] = EVEN
        belief = believed(g | told)
    return belief


@check(
    "dawid-skene",
    "Dawid and Skene",
    given=lambda rng: {"vote": crowd(rng, 60)["vote"]},
    expect=maximised,
    mistakes={
        "this is the majority still: repeat both steps": shares,
        "one round is not enough: do `rounds`": partial(maximised, rounds=1),
        "one round too few": partial(maximised, rounds=4),
        "one round too many": partial(maximised, rounds=6),
        "even beliefs stay as they are: begin with the majority": partial(maximised, start="even"),
        "the prior is not learnt": partial(maximised, start="prior"),
    },
    depends_on=("majority", "annotators", "beliefs"),
    atol=1e-4,
)
def dawid_skene(lab, given) -> Tensor:
    """`dawid_skene` begins with the majority, and judges items and annotators in turns."""
    return lab.dawid_skene(given.vote, 4, rounds=5, smooth=0.2)


# Questions ----------------------------------------------------------------------------------------


def gap(p: Tensor) -> Tensor:
    """The first choice less the second."""
    best = p.sort(1, descending=True).values
    return best[:, 0] - best[:, 1]


@check(
    "margins",
    "Margins",
    given={"p": lambda rng: torch.randn(6, 4, generator=rng).softmax(1)},
    expect=lambda g: gap(g.p),
    mistakes={
        "this is the first choice's probability": lambda g: g.p.amax(1),
        "first less last: the second choice is wanted": lambda g: g.p.amax(1) - g.p.amin(1),
        "this is the entropy": lambda g: -(g.p * g.p.log()).sum(1),
    },
)
def margins(lab, given) -> Tensor:
    """`margins` is the first choice's lead over the second."""
    return lab.margins(given.p)


def pool(rng: torch.Generator) -> Arrays:
    """Draw eighty items in the plane, in pairs of near twins, six asked; and their probabilities.

    The most doubtful item was asked, and its twin was not.
    """
    x = torch.randn(40, 2, generator=rng, dtype=torch.float64).repeat(2, 1)
    logits = (2 * torch.randn(40, 4, generator=rng)).repeat(2, 1)
    p = (logits + 1e-3 * torch.randn(80, 4, generator=rng)).softmax(1)
    asked = torch.zeros(80, dtype=torch.bool)
    order = gap(p).argsort()
    asked[order[0]] = asked[order[20:][torch.randperm(60, generator=rng)[:5]]] = True
    return {
        "p": p,
        "x": x + 0.02 * torch.randn(80, 2, generator=rng, dtype=x.dtype),
        "asked": asked,
    }


def doubtful(g: Given, count: int = 5) -> Tensor:
    """The unasked items with the smallest margins."""
    return gap(g.p).masked_fill(g.asked, 9).sort(stable=True).indices[:count]


def least(g: Given, what: Tensor) -> Tensor:
    """The unasked items where something is smallest."""
    return what.masked_fill(g.asked, 99).argsort()[:5]


@check(
    "query-margin",
    "The most doubtful",
    given=pool,
    expect=doubtful,
    mistakes={
        "items that were asked are asked again: each answer is paid": lambda g: gap(g.p).argsort()[
            :5
        ],
        "the surest come first: small margins are wanted": lambda g: least(g, -gap(g.p)),
        "the same by position: look at p": lambda g: (~g.asked).nonzero()[:5, 0],
        "places among the unasked: return those in the pool": lambda g: gap(
            g.p[~g.asked]
        ).argsort()[:5],
        "smallest first choices, not smallest margins": lambda g: least(g, g.p.amax(1)),
        "one item, again and again": lambda g: doubtful(g)[:1].expand(5),
    },
    depends_on=("margins",),
)
def query_margin(lab, given) -> Tensor:
    """`query_margin` asks for the items with the smallest margins that were not asked."""
    return lab.query_margin(given.p, given.asked, 5)


def distances(g: Given) -> Tensor:
    """From each item to those asked, [N, K]."""
    return torch.cdist(g.x, g.x[g.asked])


def spread(x: Tensor, asked: Tensor, count: int) -> Tensor:
    """Farthest first."""
    apart = (x[:, None] - x).square().sum(2).sqrt()
    near, found = apart[:, asked].amin(1), []
    for _ in range(count):
        found.append(int(near.argmax()))
        near = near.minimum(apart[:, found[-1]])
    return torch.tensor(found)


@check(
    "query-core-set",
    "A core set",
    given=pool,
    expect=lambda g: spread(g.x, g.asked, 5),
    mistakes={
        "the farthest are taken at once: after each, distances shrink": lambda g: least(
            g, -distances(g).amin(1)
        ),
        "the nearest are taken: the farthest are wanted": lambda g: least(g, distances(g).amin(1)),
        "what was asked is not kept away from": lambda g: spread(g.x, torch.arange(80) == 0, 5),
        "one item, again and again": lambda g: spread(g.x, g.asked, 1).expand(5),
        "the mean distance counts, not the nearest": lambda g: (-distances(g).mean(1)).argsort()[
            :5
        ],
        "by the largest of the distances to those chosen": lambda g: (
            -distances(g).amax(1)
        ).argsort()[:5],
    },
)
def query_core_set(lab, given) -> Tensor:
    """`query_core_set` asks, one by one, for what is farthest from all that is chosen."""
    return lab.query_core_set(given.x, given.asked, 5)


def both(g: Given, widen: int = 8, *, away: bool = True, inner: bool = False) -> Tensor:
    """A core set of the doubtful items, in rising order; `inner`: its places among these."""
    doubt = doubtful(g, 5 * widen)
    known = g.asked.nonzero()[:, 0] if away else doubt[:1]
    part = torch.cat([known, doubt])
    chosen = spread(g.x[part], torch.arange(len(part)) < len(known), 5)
    return (chosen if inner else part[chosen]).sort().values


@check(
    "query",
    "Doubtful and not all alike",
    given=pool,
    expect=both,
    mistakes={
        "the most doubtful alone: they may be all alike": lambda g: doubtful(g).sort()[0],
        "`widen` is ignored": partial(both, widen=4),
        "a core set alone: it asks for what is sure": lambda g: spread(g.x, g.asked, 5).sort()[0],
        "places among the doubtful: return those in the pool": partial(both, inner=True),
        "it does not keep away from what was asked": partial(both, away=False),
    },
    depends_on=("query-margin", "query-core-set"),
)
def query(lab, given) -> Tensor:
    """`query` asks for a core set of the items with the smallest margins."""
    return lab.query(given.p, given.x, given.asked, 5, 8).sort().values


# The training -------------------------------------------------------------------------------------

SIZES = {"train": 60, "val": 20, "test": 30}


def prepared(lab, given) -> Arrays:
    """What the learner's Data makes of pictures that hold their own numbers."""

    def split(_name: str, part: str, _size: str) -> Arrays:
        number = torch.arange(SIZES[part]) + (
            100 if part == "val" else 200 if part == "test" else 0
        )
        return {"image": number.byte()[:, None, None, None], "label": given.label[: SIZES[part]]}

    def made(seed: int) -> Arrays:
        data = lab.Data(name="digits", per_class=2, draw=seed, batch_size=8, load=split)
        data.setup()
        return {**data.train, "val": data.val["image"], "columns": torch.tensor(len(data.train))}

    found, other = made(int(given.seed)), made(int(given.seed) + 1)
    first = {name: found[name].flatten().long() for name in ("image", "few", "label", "val")}
    return {**first, "columns": found["columns"], "other": other["few"].flatten().long()}


@check(
    "setup",
    "Few labels, and no others",
    given={"label": lambda rng: torch.randperm(60, generator=rng) % 3, "seed": SEED},
    probe=prepared,
    returns={
        **dict.fromkeys(("image", "few", "label", "other"), "int64 [60]"),
        "val": "int64 [20]",
        "columns": "int64 []",
    },
    depends_on=("choose-few",),
)
def setup(given: Given, got: Arrays) -> Outcome:
    """`Data` trains on all pictures and 2 labels a class; the other labels are gone."""
    few, seen = got["few"], got["few"].unique()
    if bool(((few < 0) | (few >= 60)).any()):
        return Outcome(0.0, "items of another split are in self.train")
    label = given.label
    return every(
        holds(len(seen) <= 6, f"{len(seen)} items have labels, where 2 of each class may"),
        holds(torch.equal(got["image"], torch.arange(60)), '"image" holds all items, in order'),
        holds(len(seen) == 6 and (torch.bincount(label[seen]) == 2).all(), "not 2 of each class"),
        holds(torch.equal(label[few], got["label"]), "labels and pictures of the few do not match"),
        holds(torch.equal(few, seen.repeat(10)), "item n stands beside number n % L of the few"),
        holds(got["columns"] == 3, "a column too many: are other labels kept?"),
        holds(torch.equal(got["val"], 100 + torch.arange(20)), "self.val is not the whole split"),
        holds((few != got["other"]).any(), "another draw keeps the same labels: use self.draw"),
    )


MATCHED = {
    **dict.fromkeys(("image", "few"), integers(0, 17, 8, 1, 4, 4, dtype=torch.uint8)),
    "label": integers(0, 3, 8),
    "head": normal(16, 3, std=1.2),
    "weight": uniform(low=0.5, high=0.8),
    "threshold": uniform(low=0.65, high=0.75),
}
WEAK = lambda image, _rng=None: image.roll(1, 3)  # noqa: E731
STRONG = lambda image, _rng=None: 0.7 * image.flip(2)  # noqa: E731


def matched(
    g: Given, *, by=WEAK, to=STRONG, few=WEAK, weight=None, threshold=None, scale=pixels, of="image"
) -> Tensor:
    """FixMatch's loss of a batch, right or wrong in a classic way."""
    logits = lambda image: image.flatten(1) @ g.head  # noqa: E731
    known = F.cross_entropy(logits(few(scale(g.few))), g.label)
    pair = Given(
        weak=logits(by(scale(g[of]))),
        strong=logits(to(scale(g[of]))),
        threshold=g.threshold if threshold is None else threshold,
    )
    return known + (g.weight if weight is None else weight) * agreement(pair)


@check(
    "fixmatch",
    "FixMatch",
    given=MATCHED,
    expect=matched,
    mistakes={
        "the strong view tells labels to the weak one": partial(matched, by=STRONG, to=WEAK),
        "two weak views: the strong one has to learn": partial(matched, to=WEAK),
        "two strong views: confidence is the weak view's": partial(matched, by=STRONG),
        "the plain picture tells the label, not its weak view": partial(matched, by=lambda x: x),
        "the labelled pictures are seen strongly": partial(matched, few=STRONG),
        "the labelled pictures are not varied": partial(matched, few=lambda x: x),
        "self.weight is ignored": partial(matched, weight=1.0),
        "the unlabelled pictures teach nothing": partial(matched, weight=0.0),
        "self.threshold is ignored: unsure labels count": partial(matched, threshold=0.0),
        "raw pixels: self.pixels comes before a view": partial(matched, scale=torch.Tensor.float),
        "the unlabelled pictures are `image`, not `few`": partial(matched, of="few"),
    },
    depends_on=("consistency",),
    atol=1e-4,
)
def fixmatch(lab, given) -> Tensor:
    """`Model.loss` adds the loss of the few labels and the consistency of all pictures."""
    model = lab.Model(threshold=float(given.threshold), weight=float(given.weight))
    model.forward = lambda image: image.flatten(1) @ given.head
    batch = {name: given[name] for name in ("image", "few", "label")}
    return model.loss(batch, torch.Generator(), WEAK, STRONG)


# The scorer's worlds: nothing in them is public, and nothing is taken on trust --------------------


def worth(told: Tensor, label: Tensor) -> Tensor:
    """What labels are worth by item: a right one earns 1, a wrong one costs 4, none is nothing."""
    right = told == label
    return (right.float() - 4 * ((told >= 0) & ~right).float()).mean()


@play("worlds")
def worlds(player: Player, rng: torch.Generator) -> Tensor:
    """How much more the model's labels are worth than those of the few alone, in 60 drawn worlds.

    The few alone tell what they are sure of, from a probability of 0.8 on.
    """
    gains = []
    for _ in range(60):
        g = Given(blobs(rng, 5, 12, 300, 3))
        told = player.call("learn", g.x, g.few, g.known, 5, returns="int64 [N]")
        alone = ask_linear(fit_linear(g.few, F.one_hot(g.known, 5).float()), g.x).max(1)
        sure = alone.indices.where(alone.values >= 0.8, -1)
        gains.append(worth(told, g.label) - worth(sure, g.label))
    return torch.stack(gains)


@play("crowd")
def crowd_play(player: Player, rng: torch.Generator) -> Tensor:
    """How often beliefs are right about items of five drawn crowds."""
    right = []
    for _ in range(5):
        g = crowd(rng, 400)
        belief = player.call("annotate", g["vote"], 4, returns="float64 [N, 4]")
        right.append(belief.argmax(1) == g["label"])
    return torch.cat(right)


START, STEP, ROUNDS, TRIES = 16, 8, 8, 3
Rule = Callable[[Tensor, Tensor, Tensor], Tensor]


def lopsided(rng: torch.Generator) -> tuple[Arrays, Arrays]:
    """Draw a pool of digits in which some are ten times as rare as others, and an even test set.

    Pixels are made noisy and turned in their space at random, so that no table of public pictures
    finds them.
    """
    parts = [load("digits", part) for part in ("train", "val")]
    label = torch.cat([part["label"] for part in parts])
    x = torch.cat([part["image"] for part in parts]).flatten(1).float() / 16
    x = (x + 0.05 * torch.randn(x.shape, generator=rng) - 0.3) / 0.4
    x = x @ torch.linalg.qr(torch.randn(64, 64, generator=rng)).Q
    order = torch.randperm(len(label), generator=rng)
    many = (80 * 0.1 ** (torch.randperm(10, generator=rng) / 9)).round().int().tolist()
    by_class = [order[label[order] == c] for c in range(10)]
    item = torch.cat([one[:count] for one, count in zip(by_class, many, strict=True)])
    item = item[torch.randperm(len(item), generator=rng)]
    test = torch.cat([one[-25:] for one in by_class])
    return {"x": x[item], "label": label[item]}, {"x": x[test], "label": label[test]}


def taught_by(x: Tensor, label: Tensor) -> Tensor:
    """The scorer's own classifier."""
    return fit_linear(x, F.one_hot(label, 10).float(), 5.0)


def asking(rule: Rule, items: Arrays, test: Arrays) -> Tensor:
    """The accuracy after each round of questions, [ROUNDS]; what is asked twice is paid twice.

    An item that was asked keeps the probabilities from before its answer: it was doubtful then.
    """
    x, label = items["x"], items["label"]
    asked, p = torch.arange(len(x)) < START, torch.full((len(x), 10), 0.1)
    curve = []
    for _ in range(ROUNDS):
        now = ask_linear(taught_by(x[asked], label[asked]), x)
        p = torch.where(asked[:, None], p, now)
        item = rule(x, p, asked)
        asked = asked.clone()
        asked[item[(item >= 0) & (item < len(x))]] = True
        told = ask_linear(taught_by(x[asked], label[asked]), test["x"])
        curve.append((told.argmax(1) == test["label"]).float().mean())
    return torch.stack(curve)


def at_random(rng: torch.Generator) -> Rule:
    """Ask for items at random, none of them twice."""
    return lambda _x, _p, asked: torch.multinomial((~asked).float(), STEP, generator=rng)


def asks(player: Player) -> Rule:
    """Ask what the learner's rule asks, of which the first STEP count."""
    form = f"int64 [{STEP}]"
    return lambda x, p, asked: player.call("ask", x, p, asked, STEP, returns=form)


def curves(rule: Rule, rng: torch.Generator) -> Tensor:
    """Accuracy by a rule and at random in one world, the latter of three tries, [2, ROUNDS]."""
    world = lopsided(rng)
    tries = [asking(at_random(rng), *world) for _ in range(3)]
    return torch.stack([asking(rule, *world), torch.stack(tries).mean(0)])


@play("queries")
def queries(player: Player, rng: torch.Generator) -> Measured:
    """By how much the rule beats random questions, at least: the lower end of a 95 % interval."""
    gains = []
    for _ in range(5):
        pairs = torch.stack([curves(asks(player), rng) for _ in range(TRIES)])
        gains.append(float((pairs[:, 0] - pairs[:, 1]).mean()))
    mean, half = statistics.mean(gains), 2.776 * statistics.stdev(gains) / 5**0.5
    low = mean - half
    return Measured(low, 5, Interval(low, mean + half), Interval(low, low), counted="seeds")


@dream("What questions are worth")
def questions(player: Player, rng: torch.Generator) -> Iterator[exhibits.Exhibit]:
    """Accuracy on an even test set after so many labels: by your rule, and at random."""
    by_rule, random = curves(asks(player), rng)
    labels = (START + STEP * (1 + torch.arange(ROUNDS))).tolist()
    rows = zip(labels, by_rule.tolist(), random.tolist(), strict=True)
    yield exhibits.table("Accuracy by labels", ("labels", "your rule", "random"), rows)


@dream("What five rules know of reviews")
def reviews(player: Player, _rng: torch.Generator) -> Iterator[exhibits.Exhibit]:
    """Rules of four words each vote on real reviews; then the majority's and your beliefs."""
    place = {word: n for n, word in enumerate(vocabulary("clothing_reviews"))}
    word = torch.tensor([[place[one] for one in words] for _, words in KEYWORDS])
    text, says = load("clothing_reviews", "val"), torch.tensor([label for label, _ in KEYWORDS])
    inputs = (text["tokens"], text["lengths"], word, says)
    vote = player.call("vote", *inputs, returns=f"int64 [N, {len(says)}]")
    spoken, right = vote >= 0, vote == text["label"][:, None]
    share = (right.sum(0) / spoken.sum(0)).tolist()
    names = [f"{words[0]} …" for _, words in KEYWORDS]
    rows = zip(names, says.tolist(), spoken.double().mean(0).tolist(), share, strict=True)
    yield exhibits.table("The rules", ("words", "says", "speaks", "right"), rows)
    found = {
        "majority": said(vote, 2).sum(1),
        "your beliefs": player.call("annotate", vote, 2, returns="float64 [N, 2]"),
    }
    some = spoken.any(1)
    rows = [
        (
            name,
            *(
                float((p[some & (text["label"] == c)].argmax(1) == c).double().mean())
                for c in (0, 1)
            ),
        )
        for name, p in found.items()
    ]
    yield exhibits.table("Right where a rule speaks", ("by", "of the bad", "of the fine"), rows)

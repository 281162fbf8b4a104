"""The visible checks of lab 13, in the order of its tasks; what scikit-learn computes, too, must be
equal to nine digits.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import (
    Arrays,
    Given,
    check,
    driver,
    integers,
    normal,
    play,
    uniform,
)
from labs.lab13_imbalance.given import long_tail

EXACT = {"atol": 1e-9, "rtol": 1e-9}
MEASURES = ("roc_auc", "average_precision", "calibration_error")


def doubles(*shape: int, low: float = 0.0, high: float = 1.0) -> Callable[..., Tensor]:
    """Draw float64 numbers from [low, high)."""
    return lambda rng: low + (high - low) * torch.rand(shape, generator=rng, dtype=torch.float64)


def sklearn(metric: str, *columns: Tensor) -> Tensor:
    """What a metric of scikit-learn says of columns, float64 []."""
    from sklearn import metrics  # slow to import

    found = getattr(metrics, metric)(*(column.numpy() for column in columns))
    return torch.tensor(float(found), dtype=torch.float64)


# Measures of an order -----------------------------------------------------------------------------


@driver(
    "measures",
    given={"score": "float64 [*]", "hit": "int64 [*]"},
    returns=dict.fromkeys(MEASURES, "float64 []"),
)
def measures(lab, given) -> Arrays:
    """The three measures of a column of scores, by the learner's code or by a variant."""
    return {name: getattr(lab, name)(given["score"], given["hit"]) for name in MEASURES}


def cuts(g: Given) -> Given:
    """Every threshold, one by one, and what it is worth to cut there."""
    score = g.score.unique().flip(0)
    above = g.score >= score[:, None]
    hits, misses = (above & (g.hit == 1)).sum(1), (above & (g.hit == 0)).sum(1)
    precision, recall = hits.double() / (hits + misses), hits.double() / g.hit.sum()
    f1, alarms = 2 * hits.double() / (hits + misses + g.hit.sum()), misses.double() / misses[-1]
    worth = {"precision": precision, "recall": recall, "f1": f1, "alarms": alarms}
    return Given({"score": score, "hits": hits, "misses": misses, **worth})


def counts(g: Given) -> Arrays:
    """The three columns that `levels` returns."""
    return {name: cuts(g)[name] for name in ("score", "hits", "misses")}


def item_by_item(g: Given) -> Arrays:
    """Hits and misses behind each item, equal scores or not."""
    order = g.score.argsort(descending=True, stable=True)
    hit = g.hit[order]
    return {"score": g.score[order], "hits": hit.cumsum(0), "misses": (1 - hit).cumsum(0)}


def rises(x: Tensor) -> Tensor:
    """By how much a column rises from level to level, from 0 on."""
    return F.pad(x, (1, 0)).diff()


def with_ties(rng: torch.Generator) -> Arrays:
    """Draw twelve scores, many of them equal, also of a hit and a miss."""
    score = torch.randint(1, 6, (12,), generator=rng).double() / 6
    score[:2] = score[2]
    return {"score": score, "hit": torch.tensor([0, 1] * 6)}


@check(
    "levels",
    "Levels of a ranking",
    given=with_ties,
    expect=counts,
    mistakes={
        "each item is a level of its own: equal scores are one": item_by_item,
        "the lowest score comes first": lambda g: {n: x.flip(0) for n, x in counts(g).items()},
        "hits are those of one level: sum them up": lambda g: {"hits": rises(cuts(g).hits)},
        "the misses count all items": lambda g: {"misses": cuts(g).hits + cuts(g).misses},
    },
)
def levels(lab, given) -> Arrays:
    """`levels` counts the hits and misses that reach each score, from the highest on."""
    return dict(zip(("score", "hits", "misses"), lab.levels(given.score, given.hit), strict=True))


def auc(g: Given) -> Tensor:
    """The area by its meaning: how often a hit scores above a miss."""
    hit, miss = g.score[g.hit == 1][:, None], g.score[g.hit == 0]
    return ((hit > miss).double() + (hit >= miss)).mean() / 2


def ranking(rng: torch.Generator) -> Arrays:
    """Draw twelve scores that all differ, and hits that do not score worse than misses.

    The highest score is a hit, the lowest a miss.
    """
    score = (torch.randperm(1000, generator=rng)[:12].double() / 1000).sort(descending=True).values
    hit = torch.cat([torch.tensor([1]), torch.randint(2, (10,), generator=rng), torch.tensor([0])])
    if float(auc(Given({"score": score, "hit": hit}))) < 0.5:
        hit[1:-1] = hit[1:-1].flip(0)
    order = torch.randperm(12, generator=rng)
    return {"score": score[order], "hit": hit[order]}


RANKED = {"given": ranking, "depends_on": ("levels",), **EXACT}


def steps(g: Given) -> Tensor:
    """The average precision."""
    return (cuts(g).precision * rises(cuts(g).recall)).sum()


@check(
    "roc-auc",
    "Area under the ROC curve",
    expect=lambda g: sklearn("roc_auc_score", g.hit, g.score),
    mistakes={
        "this is the area over the curve: x and y are swapped": lambda g: 1 - auc(g),
        "the misses are not divided by their number": lambda g: auc(g) * (1 - g.hit).sum(),
        "this is the average precision": lambda g: 1.0 * steps(g),
    },
    **RANKED,
)
def roc_auc(lab, given) -> Tensor:
    """`roc_auc` is the area that scikit-learn's roc_auc_score finds."""
    return lab.roc_auc(given.score, given.hit)


def straight(g: Given) -> Tensor:
    """The area under straight lines between precision and recall."""
    precision, recall = F.pad(cuts(g).precision, (1, 0), value=1), F.pad(cuts(g).recall, (1, 0))
    return torch.trapezoid(precision, recall)


@check(
    "average-precision",
    "Average precision",
    expect=lambda g: sklearn("average_precision_score", g.hit, g.score),
    mistakes={
        "straight lines between levels promise too much: take steps": straight,
        "precision is averaged over levels, not over hits": lambda g: cuts(g).precision.mean(),
        "recall begins at 0, before the first level": lambda g: steps(g) - cuts(g).recall[0],
        "this is the ROC area": auc,
    },
    **RANKED,
)
def average_precision(lab, given) -> Tensor:
    """`average_precision` is what scikit-learn's average_precision_score finds."""
    return lab.average_precision(given.score, given.hit)


def best(g: Given, what: Callable[[Given], Tensor]) -> Tensor:
    """The score at which something is largest."""
    return cuts(g).score[what(cuts(g)).argmax()]


@check(
    "threshold",
    "Best threshold",
    expect=lambda g: best(g, lambda c: c.f1),
    mistakes={
        "this is the level's place: return its score": lambda g: cuts(g).f1.argmax(),
        "this is the largest F1: return where it is reached": lambda g: cuts(g).f1.max(),
        "this has the best precision, not the best F1": lambda g: best(g, lambda c: c.precision),
        "this is Youden's best, not F1's": lambda g: best(g, lambda c: c.recall - c.alarms),
    },
    **RANKED,
)
def threshold(lab, given) -> Tensor:
    """`best_threshold` is the highest score from which on saying "hit" gives the largest F1."""
    return lab.best_threshold(given.score, given.hit)


# Measures of classes and of probabilities ---------------------------------------------------------


def five_classes(rng: torch.Generator) -> Arrays:
    """Draw items of classes 0 to 3; class 3 is never said, class 4 neither occurs nor is said."""
    label = torch.cat([torch.arange(4), torch.randint(4, (36,), generator=rng)])
    said = torch.where(torch.rand(40, generator=rng) < 0.6, label, 0).clamp(max=2)
    return {"said": said, "label": label}


def of_classes(g: Given, empty: float = 0.0, classes: int = 5) -> Tensor:
    """Precision, recall and F1 by scikit-learn, float64 [3, C]."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = g.label.numpy(), g.said.numpy()
    how = {"labels": range(classes), "zero_division": empty}
    found = precision_recall_fscore_support(*columns, **how)
    return torch.stack([torch.from_numpy(row) for row in found[:3]])


@check(
    "class-scores",
    "Precision, recall and F1 of classes",
    given=five_classes,
    expect=of_classes,
    mistakes={
        "precision and recall are swapped": lambda g: of_classes(g)[[1, 0, 2]],
        "0 / 0 must count as 0: here it is nan": partial(of_classes, empty=torch.nan),
        "F1 is the harmonic mean of precision and recall": lambda g: torch.stack(
            [*of_classes(g)[:2], of_classes(g)[:2].mean(0)]
        ),
    },
    **EXACT,
)
def class_scores(lab, given) -> Tensor:
    """`class_scores` holds precision, recall and F1 of each class, as scikit-learn has them."""
    return lab.class_scores(given.said, given.label, 5)


def chances(items: int, classes: int) -> Callable[[torch.Generator], Tensor]:
    """Draw probabilities, float64 [items, classes]."""
    return lambda rng: doubles(items, classes, low=-3, high=3)(rng).softmax(1)


def squares(g: Given) -> Tensor:
    """Squared distances from the one-hot label, float64 [N, C]."""
    return (g.p - F.one_hot(g.label, g.p.shape[1])).square()


def told(g: Given) -> Tensor:
    """The probability of each label, float64 [N]."""
    return g.p[torch.arange(len(g.p)), g.label]


def of_each_class(g: Given) -> Tensor:
    """Brier's score, by scikit-learn: of each class by itself, then summed."""
    scores = [sklearn("brier_score_loss", (g.label == c).long(), g.p[:, c]) for c in range(4)]
    return torch.stack(scores).sum()


@check(
    "proper-scores",
    "Proper scores",
    given={"p": chances(6, 4), "label": lambda rng: torch.randperm(6, generator=rng) % 4},
    expect=lambda g: {"brier": of_each_class(g), "log": sklearn("log_loss", g.label, g.p)},
    mistakes={
        "Brier's score comes first": lambda g: {"brier": -told(g).log().mean()},
        "the squares are averaged over the classes": lambda g: {"brier": squares(g).mean()},
        "only the label's square counts": lambda g: {"brier": (1 - told(g)).square().mean()},
        "this is the log of the mean: average the logs": lambda g: {"log": -told(g).mean().log()},
        "these are bits: take the natural log": lambda g: {"log": -told(g).log2().mean()},
        "the log score is negative: it is a cost": lambda g: {"log": told(g).log().mean()},
        "p went through another softmax": lambda g: {"log": F.cross_entropy(g.p, g.label)},
    },
    **EXACT,
)
def proper_scores(lab, given) -> Arrays:
    """`proper_scores` are Brier's score, summed over the classes, and the log score in nats."""
    return dict(zip(("brier", "log"), lab.proper_scores(given.p, given.label), strict=True))


BINS = 10


def four_a_bin(rng: torch.Generator) -> Arrays:
    """Draw four scores in each bin, from 0 to 1; who says them is too sure in every other bin."""
    bin_ = torch.arange(40) // 4
    score = (bin_ + 0.05 + 0.9 * torch.rand(40, generator=rng)).double() / BINS
    score[0], score[-1] = 0, 1
    hit = (torch.rand(40, generator=rng) < torch.where(bin_ % 2 == 0, 0.2, 0.8)).long()
    hit[:2] = torch.tensor([0, 1])
    order = torch.randperm(40, generator=rng)
    return {"score": score[order], "hit": hit[order]}


def gaps(g: Given, bins: int = BINS, *, middle: bool = False) -> tuple[Tensor, Tensor]:
    """The share of the items in each bin that holds any; its mean score less its share of hits."""
    member = F.one_hot((g.score * bins).ceil().long().clamp(1, bins) - 1, bins).double()
    middles = ((torch.arange(bins) + 0.5) / bins)[member.any(0)]
    member = member[:, member.any(0)]
    n = member.sum(0)
    score = middles if middle else g.score @ member / n
    return n / n.sum(), score - g.hit.double() @ member / n


def error(g: Given, bins: int = BINS, **how: bool) -> Tensor:
    """The expected calibration error."""
    share, gap = gaps(g, bins, **how)
    return (share * gap.abs()).sum()


@check(
    "calibration-error",
    "Calibration error",
    given=four_a_bin,
    expect=error,
    mistakes={
        "this is the largest gap, not the mean": lambda g: gaps(g)[1].abs().max(),
        "the middle of a bin stands for its mean score": lambda g: error(g, middle=True),
        "a bin that is too sure makes good for one that is too shy": lambda g: (
            (gaps(g)[0] * gaps(g)[1]).sum().abs()
        ),
        "each item is a bin of its own": lambda g: (g.score - g.hit).abs().mean(),
        "there are 9 bins: is a border missing?": lambda g: error(g, BINS - 1),
    },
    **EXACT,
)
def calibration_error(lab, given) -> Tensor:
    """`calibration_error` averages, over ten bins, how far scores and hits are apart."""
    return lab.calibration_error(given.score, given.hit)


def warm(rng: torch.Generator) -> Arrays:
    """Draw logits of one who is too sure or too shy by a drawn factor, and labels."""
    z = 1.5 * torch.randn(60, 4, generator=rng)
    label = torch.multinomial(z.softmax(1), 1, generator=rng)[:, 0]
    return {"logits": (0.5 + 2 * torch.rand((), generator=rng)) * z, "label": label}


def coolest(g: Given) -> Tensor:
    """The temperature from 0.05 to 20 with the best log score, float64 []."""
    from scipy.optimize import minimize_scalar

    def cost(log_t: float) -> float:
        return float(F.cross_entropy(g.logits.double() / math.exp(log_t), g.label))

    ends = math.log(0.05), math.log(20)
    found = minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-10})
    return torch.tensor(math.exp(found.x), dtype=torch.float64)


@check(
    "temperature",
    "Temperature",
    given=warm,
    expect=coolest,
    mistakes={
        "this is 1 / T: the logits are divided by the temperature": lambda g: 1 / coolest(g),
        "the temperature grows to its end: is the slope's sign lost?": 20.0,
        "the temperature falls to its end: is the slope's sign lost?": 0.05,
    },
)
def temperature(lab, given) -> Tensor:
    """`temperature` is the one for which the log score of softmax(logits / T) is best."""
    return lab.temperature(given.logits, given.label)


def costs(classes: int) -> Callable[[torch.Generator], Tensor]:
    """Draw what each mistake costs, float64 [C, C]: a tenth to ten, and nothing for the truth."""
    powers = doubles(classes, classes, low=-1, high=1)
    return lambda rng: 10 ** powers(rng) * (1 - torch.eye(classes))


@check(
    "decide",
    "The cheapest decision",
    given={"p": chances(40, 4), "cost": costs(4)},
    expect=lambda g: (g.p @ g.cost).argmin(1),
    mistakes={
        "the most probable class is said, whatever it costs": lambda g: g.p.argmax(1),
        "the costs are transposed: the row is the truth": lambda g: (g.p @ g.cost.T).argmin(1),
        "the dearest decision is taken": lambda g: (g.p @ g.cost).argmax(1),
    },
)
def decide(lab, given) -> Tensor:
    """`decide` takes, for each item, the decision with the least expected cost."""
    return lab.decide(given.p, given.cost)


# Remedies -----------------------------------------------------------------------------------------


def balanced(g: Given) -> Tensor:
    """scikit-learn's balanced class weights, float32 [C]; 0 for a class without items."""
    from sklearn.utils.class_weight import compute_class_weight

    label = torch.arange(len(g.count)).repeat_interleave(g.count)
    found = compute_class_weight("balanced", classes=label.unique().numpy(), y=label.numpy())
    return torch.zeros(len(g.count)).masked_scatter(g.count > 0, torch.from_numpy(found).float())


def one_class_missing(rng: torch.Generator) -> Arrays:
    """Draw how frequent five classes are; one of them does not occur."""
    count = torch.randint(2, 90, (5,), generator=rng)
    count[torch.randint(5, (), generator=rng)] = 0
    return {"count": count}


@check(
    "class-weights",
    "Class weights",
    given=one_class_missing,
    expect=balanced,
    mistakes={
        "K is the number of classes that occur": lambda g: balanced(g) * 4 / 5,
        "the weights are not scaled": lambda g: torch.where(g.count > 0, 1 / g.count, 0),
        "rare classes must weigh more, not less": lambda g: g.count / g.count.sum(),
        "a class without items weighs 0, not inf": lambda g: g.count.sum() / (4 * g.count),
        "the items' mean weight must be 1": lambda g: balanced(g) * 4 / balanced(g).sum(),
    },
)
def class_weights(lab, given) -> Tensor:
    """`class_weights` are scikit-learn's "balanced" ones, and 0 for a class without items."""
    return lab.class_weights(given.count)


def focal(g: Given, *, total: bool = True, detach: bool = False, easy: bool = False) -> Tensor:
    """The weighted focal loss, right or wrong in one way."""
    log_p = -F.cross_entropy(g.logits, g.label, reduction="none")
    p = log_p.exp().detach() if detach else log_p.exp()
    weight = g.weight[g.label]
    summed = (weight * (p if easy else 1 - p) ** g.gamma * -log_p).sum()
    return summed / (weight.sum() if total else len(weight))


@check(
    "focal-loss",
    "Weighted focal loss",
    given={
        "logits": normal(6, 4, std=2),
        "label": integers(0, 4, 6),
        "weight": uniform(4, low=0.2, high=4),
        "gamma": uniform(low=1, high=3),
    },
    expect=focal,
    mistakes={
        "the weights are missing": lambda g: focal(g | {"weight": torch.ones(4)}),
        "divide by the sum of the weights, not by the number of items": partial(focal, total=False),
        "gamma is missing: this is cross-entropy": lambda g: focal(g | {"gamma": torch.tensor(0)}),
        "p^gamma favours what is easy: take (1 - p)^gamma": partial(focal, easy=True),
        "(1 - p)^gamma is detached: it has a gradient as well": partial(focal, detach=True),
        "the softmax is taken twice": lambda g: focal(g | {"logits": g.logits.softmax(1)}),
    },
    grad=("logits",),
)
def focal_loss(lab, given) -> Tensor:
    """`focal_loss` is the weighted mean of (1 - p)^gamma · -log p, with the right gradient."""
    return lab.focal_loss(given.logits, given.label, given.weight, float(given.gamma))


def shares(rng: torch.Generator) -> Tensor:
    """Draw the shares of five classes, float32 [5]."""
    return torch.randn(5, generator=rng).softmax(0)


@check(
    "adjust",
    "Adjusted logits",
    given={"logits": normal(4, 5), "from_C": shares, "to_C": shares},
    expect=lambda g: (g.logits + (g.to_C / g.from_C).log()).softmax(1),
    mistakes={
        "from_C and to_C are swapped": lambda g: (g.logits + (g.from_C / g.to_C).log()).softmax(1),
        "a factor of p adds its log to the logit: take log(to / from)": lambda g: (
            g.logits + g.to_C / g.from_C
        ).softmax(1),
        "from_C is left out": lambda g: (g.logits + g.to_C.log()).softmax(1),
        "to_C is left out": lambda g: (g.logits - g.from_C.log()).softmax(1),
    },
    grad=("logits",),
)
def adjust(lab, given) -> Tensor:
    """The softmax of adjusted logits is what Bayes' rule says of the other world."""
    return lab.adjust(given.logits, given.from_C, given.to_C).softmax(1)


def sizes(*sizes: int) -> Callable[[torch.Generator], Arrays]:
    """Draw the order of the items of some classes, and a seed."""
    label = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return lambda rng: {
        "label": label[torch.randperm(len(label), generator=rng)],
        "seed": torch.randint(10_000, (), generator=rng),
    }


SHARES, COMMONEST, SAME = (
    "the share of each class in 6,000",
    "the share of the commonest item of the last class",
    "how often the same seed gives the same",
)


@check(
    "draw-evenly",
    "Drawing evenly",
    given=sizes(100, 20, 5),
    expect=lambda g: {
        "0 * draw_evenly(label, 30, rng)": [0] * 30,
        SHARES: [1 / 3] * 3,
        COMMONEST: 1 / int((g.label == 2).sum()),
        SAME: 1.0,
    },
    mistakes={
        "every item is equally likely: each class must be": {SHARES: [0.8, 0.16, 0.04]},
        "the same item stands for its whole class": {COMMONEST: 1.0},
        "the numbers do not come from rng": {SAME: 0.0},
    },
    atol={SHARES: 0.04, COMMONEST: 0.06},
)
def draw_evenly(lab, given) -> Arrays:
    """`draw_evenly` draws each class as often as any other, and its items alike."""

    def draw(count: int) -> Tensor:
        return lab.draw_evenly(given.label, count, torch.Generator().manual_seed(int(given.seed)))

    place = draw(6000)
    rare = torch.bincount(place[given.label[place] == 2], minlength=1)
    return {
        "0 * draw_evenly(label, 30, rng)": 0 * draw(30),
        SHARES: torch.bincount(given.label[place], minlength=3) / len(place),
        COMMONEST: rare.max() / rare.sum(),
        SAME: (draw(6000) == place).float().mean().round(),
    }


# Data and model -----------------------------------------------------------------------------------

SPLITS = {"train": (0, 400), "val": (1000, 60), "test": (2000, 50)}  # first number, items
RATIO = 8.0


TRAIN, VAL, COUNT = "self.train, by number", "self.val, by number", "self.count_C"
DRAWN, KNOWN, EVEN_VAL, COUNTED = (
    f"with resample: {what}"
    for what in (
        "self.train is what draw_evenly draws",
        "self.train is of the tail",
        "self.val, by number",
        "self.count_C counts self.train",
    )
)


def numbered(split: Arrays) -> Tensor:
    """Which items a split holds: numbers stand in the pixels."""
    high, low = split["image"].flatten(1).long().T
    return 256 * high + low


def prepared(g: Given) -> Arrays:
    """What setup must do, without and with resampling."""
    kept, val = long_tail(g.train, RATIO), torch.arange(1000, 1060)
    right = {TRAIN: kept, VAL: val, COUNT: torch.bincount(g.train[kept], minlength=10)}
    return right | {DRAWN: True, KNOWN: True, EVEN_VAL: val, COUNTED: True}


@check(
    "setup",
    "The long tail, and nothing but training items",
    given={
        name: lambda rng, items=items: torch.randperm(items, generator=rng) % 10
        for name, (_, items) in SPLITS.items()
    },
    expect=prepared,
    mistakes={
        "the tail is not cut: keep long_tail(labels, self.ratio)": {TRAIN: torch.arange(400)},
        "test items in self.val: nothing is left to test with": {VAL: torch.arange(2000, 2050)},
        "the validation split is cut, too": lambda g: {VAL: 1000 + long_tail(g.val, RATIO)},
        "count the tail, not the whole split": lambda g: {COUNT: torch.bincount(g.train)},
        "count after the drawing: what is balanced needs no balance": {COUNTED: False},
        "draw from the tail: the rest is not known": {KNOWN: False},
        "with resample, draw as many as are kept, with self.seed": {DRAWN: False},
    },
    depends_on=("draw-evenly",),
)
def setup(lab, given) -> Arrays:
    """Data.setup trains on the tail, or on draws from it, and leaves the validation split alone."""

    def load(_name: str, split: str, _size: str = "small") -> Arrays:
        number = torch.arange(SPLITS[split][1]) + SPLITS[split][0]
        image = torch.stack([number // 256, number % 256], 1).byte()
        return {"image": image[:, None, None], "label": given[split]}

    plain, even = (lab.Data(load=load, ratio=RATIO, resample=r, seed=7) for r in (False, True))
    plain.setup("fit")
    even.setup("fit")
    number, kept = numbered(even.train), long_tail(given.train, RATIO)
    rng = torch.Generator().manual_seed(7)
    drawn = kept[lab.draw_evenly(given.train[kept], len(kept), rng)]
    counted = torch.bincount(even.train["label"], minlength=10)
    return {
        TRAIN: numbered(plain.train),
        VAL: numbered(plain.val),
        COUNT: plain.count_C,
        DRAWN: torch.tensor(torch.equal(number, drawn)),
        KNOWN: torch.isin(number, kept).all(),
        EVEN_VAL: numbered(even.val),
        COUNTED: torch.tensor(torch.equal(even.count_C, counted)),
    }


METHODS = ("plain", "weighted", "focal", "adjusted", "afterwards")
EVEN = METHODS[0], METHODS[3], METHODS[4]
WORLD = {
    "logits": normal(12, 10, std=2),
    "label": integers(0, 10, 12),
    "count": integers(3, 300, 10),
}


def toy_model(lab, method: str, given):
    """The learner's Model, whose network says what is given."""
    model = lab.Model(method=method, gamma=2.5, features=12, hidden=6).eval()
    model.count.copy_(given.count)
    model.temperature.fill_(2)
    model.forward = lambda _image: given.logits
    return model


def adjusted(g: Given, sign: float = 1.0) -> Tensor:
    """The adjusted loss, with the shares to the power of `sign`."""
    return F.cross_entropy(g.logits + sign * g.count.float().log(), g.label)


def focused(g: Given, weight: Tensor) -> Tensor:
    """The loss of the focal method."""
    return focal(g | {"weight": weight, "gamma": torch.tensor(2.5)})


def losses(g: Given) -> Arrays:
    """The loss by every method."""
    plain, weighted = (F.cross_entropy(g.logits, g.label, w) for w in (None, balanced(g)))
    found = plain, weighted, focused(g, torch.ones(10)), adjusted(g), plain
    return dict(zip(METHODS, found, strict=True))


@check(
    "method",
    "A loss for each method",
    given=WORLD,
    expect=losses,
    mistakes={
        "adjusted: from even to tail, not back": lambda g: {"adjusted": adjusted(g, -1)},
        "adjusted: the logits are not adjusted": lambda g: {"adjusted": adjusted(g, 0)},
        "afterwards: the training is plain": lambda g: {"afterwards": adjusted(g)},
        "weighted: the weights are missing": lambda g: {"weighted": losses(g)["plain"]},
        "focal: self.gamma is missing": lambda g: {"focal": losses(g)["plain"]},
        "focal: class weights are another method": lambda g: {"focal": focused(g, balanced(g))},
        "self.gamma is for the focal method alone": lambda g: {"plain": losses(g)["focal"]},
    },
    depends_on=("class-weights", "focal-loss", "adjust"),
)
def method(lab, given) -> Arrays:
    """`Model.loss` is the loss that the method asks for."""
    return {m: toy_model(lab, m, given).loss(given.logits, given.label) for m in METHODS}


def turned(g: Given, sign: float = 0.0) -> Tensor:
    """The given logits, with the training shares to the power of `sign`."""
    return (g.logits + sign * g.count.float().log()).log_softmax(1)


@check(
    "scores",
    "Scores for an even world",
    given=WORLD,
    expect=lambda g: dict(zip(EVEN, [turned(g), turned(g), turned(g, -1)], strict=True)),
    mistakes={
        "afterwards: from the tail to the even world, not back": lambda g: {EVEN[2]: turned(g, 1)},
        "afterwards: the logits are not adjusted": lambda g: {EVEN[2]: turned(g)},
        "adjusted: the loss has made up for the tail": lambda g: {EVEN[1]: turned(g, -1)},
        "predict divides by the temperature": lambda g: {EVEN[0]: (g.logits / 2).log_softmax(1)},
    },
    atol=1e-4,
    depends_on=("adjust",),
)
def scores(lab, given) -> Arrays:
    """`Model.scores` are logits for an even world, whatever the method."""
    return {m: toy_model(lab, m, given).scores(given.count).log_softmax(1) for m in EVEN}


# What the trained model is worth ------------------------------------------------------------------


@play("cost", items=True)
def cost(player, rng: torch.Generator, items) -> Tensor:
    """What the model's decisions cost at twenty drawn matrices, as a share of a blind choice's."""
    drawn = [costs(10)(rng).float() for _ in range(20)]
    said = [player.call("decide", items.inputs["image"], c, returns="int64 [N]") for c in drawn]
    label = items.labels()["label"]
    paid = [c[label, d.clamp(0, 9)] / c.mean() for c, d in zip(drawn, said, strict=True)]
    return torch.stack(paid).mean(0)

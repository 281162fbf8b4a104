"""The visible checks of lab 08, in the order of its tasks."""

import math
from collections.abc import Callable
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import MultivariateNormal

from dllab.checks import Arrays, Given, check, integers, normal, uniform
from dllab.checks.tools import words_in
from labs.lab08_classic_ml.given import best_stump, slopes

# Arrays -------------------------------------------------------------------------------------------


def banned(function: Callable[..., Tensor], *names: str) -> Tensor:
    """Whether a loop or one of the names stands in a function: 1 or 0."""
    return torch.tensor(
        int(not {"for", "while", "map", "vmap", *names}.isdisjoint(words_in(function)))
    )


NO_DISTANCE = "having a loop, or torch.cdist"


@check(
    "distances",
    "Squared distances",
    given={"x": normal(4, 3), "center": normal(2, 3)},
    expect=lambda g: {"distances": torch.cdist(g.x, g.center).square(), NO_DISTANCE: 0},
    mistakes={
        "these are the distances: leave out the square root": lambda g: {
            "distances": torch.cdist(g.x, g.center)
        },
        "the differences are summed before they are squared": lambda g: {
            "distances": (g.x.sum(1)[:, None] - g.center.sum(1)).square()
        },
        "these are sums of absolute differences": lambda g: {
            "distances": torch.cdist(g.x, g.center, p=1)
        },
        "the matrix is [K, N]: items are its rows": lambda g: {
            "distances": torch.cdist(g.center, g.x).square()
        },
        "the numbers are right, but a loop or torch.cdist made them: broadcast": lambda g: {
            "distances": torch.cdist(g.x, g.center).square(),
            NO_DISTANCE: 1,
        },
    },
    atol={"distances": 1e-4},
)
def distances(lab: ModuleType, given: Given) -> Arrays:
    """`squared_distances` broadcasts: no loop, no torch.cdist."""
    got = lab.squared_distances(given.x, given.center)
    return {
        "distances": got,
        NO_DISTANCE: banned(lab.squared_distances, "cdist"),
    }


NO_UNFOLD = "having a loop, or a function that unfolds"


def unfolded(x: Tensor, size: int) -> Tensor:
    """All windows of x [B, H, W, D], by the function that is banned."""
    return x.unfold(1, size, 1).unfold(2, size, 1).permute(0, 1, 2, 4, 5, 3)


@check(
    "windows",
    "Windows by strides",
    given={"x": normal(2, 5, 4, 3)},
    expect=lambda g: {
        "windows(x, 2)": unfolded(g.x, 2),
        "windows(x.transpose(1, 2)[1:], 3)": unfolded(g.x.transpose(1, 2)[1:], 3),
        "being views of x": [True, True],
        NO_UNFOLD: 0,
    },
    mistakes={
        "the strides are those of a contiguous array: ask x_BHWD.stride()": lambda g: {
            "windows(x.transpose(1, 2)[1:], 3)": unfolded(g.x[1:].reshape(1, 4, 5, 3), 3)
        },
        "rows and columns are swapped inside each window": lambda g: {
            "windows(x, 2)": unfolded(g.x, 2).transpose(3, 4)
        },
        "the windows' own rows and columns come before their places": lambda g: {
            "windows(x, 2)": unfolded(g.x, 2).permute(0, 3, 4, 1, 2, 5)
        },
        "the numbers are right, but copied: as_strided makes a view": lambda g: {
            "windows(x, 2)": unfolded(g.x, 2),
            "being views of x": [False, False],
        },
        "the numbers are right, but a loop or an unfold made them: use as_strided": lambda g: {
            "windows(x, 2)": unfolded(g.x, 2),
            NO_UNFOLD: 1,
        },
    },
)
def windows(lab: ModuleType, given: Given) -> Arrays:
    """`windows` is a view by `as_strided`, right for any strides of x."""
    crossed = given.x.transpose(1, 2)[1:]
    plain, other = lab.windows(given.x, 2), lab.windows(crossed, 3)
    views = [plain.data_ptr() == given.x.data_ptr(), other.data_ptr() == crossed.data_ptr()]
    names = ("unfold", "Unfold", "unfold_copy", "sliding_window_view")
    return {
        "windows(x, 2)": plain,
        "windows(x.transpose(1, 2)[1:], 3)": other,
        "being views of x": torch.tensor(views),
        NO_UNFOLD: banned(lab.windows, *names),
    }


def products(x: Tensor, pairs: Callable[[int], list[tuple[int, int]]]) -> Tensor:
    """The products of pairs of columns."""
    return torch.stack([x[:, i] * x[:, j] for i, j in pairs(x.shape[1])], dim=1)


def expanded(
    g: Given,
    pairs: Callable[[int], list[tuple[int, int]]] = lambda f: [
        (i, j) for i in range(f) for j in range(i, f)
    ],
) -> Arrays:
    """The plain columns, and those with products."""
    plain = torch.cat([g.number, torch.eye(4)[g.code]], dim=1)
    return {"plain": plain, "crossed": torch.cat([plain, products(g.number, pairs)], dim=1)}


@check(
    "expand",
    "Columns, one-hot and crossed",
    given={"number": normal(5, 3), "code": integers(0, 3, 5)},  # of 4 kinds one never occurs
    expect=expanded,
    mistakes={
        "the code is a number here: make it a one-hot row": lambda g: {
            "plain": torch.cat([g.number, g.code[:, None].float()], dim=1)
        },
        "the one-hot rows have a place only for kinds that occur": lambda g: {
            "plain": torch.cat([g.number, F.one_hot(g.code).float()], dim=1)
        },
        "the one-hot row comes before the numbers": lambda g: {
            "plain": expanded(g)["plain"].roll(4, 1)
        },
        "the products of a number with itself are missing": lambda g: expanded(
            g, lambda f: [(i, j) for i in range(f) for j in range(i + 1, f)]
        ),
        "each product of two different numbers is there twice": lambda g: expanded(
            g, lambda f: [(i, j) for i in range(f) for j in range(f)]
        ),
        "the products come in another order": lambda g: expanded(
            g, lambda f: [(i, j) for i in range(f) for j in range(i + 1)]
        ),
        "the plain columns are missing": lambda g: {"crossed": expanded(g)["crossed"][:, 7:]},
    },
)
def expand(lab: ModuleType, given: Given) -> Arrays:
    """`expand` puts numbers, a one-hot row of the code and, if asked, products side by side."""
    return {
        "plain": lab.expand(given.number, given.code, 4),
        "crossed": lab.expand(given.number, given.code, 4, crossed=True),
    }


# Linear models ------------------------------------------------------------------------------------


def uneven_table(rng: torch.Generator) -> Arrays:
    """Draw columns of different means and scales, and two numbers to predict, far from 0."""
    scale, shift = torch.tensor([[1.0, 3, 0.5], [0, 4, -2]])
    x = scale * torch.randn(8, 3, generator=rng) + shift
    return {
        "x": x,
        "y": 9 + x[:, :2] + torch.randn(8, 2, generator=rng),
        "penalty": 2.0 + rand(rng),
    }


def rand(rng: torch.Generator) -> Tensor:
    """A number from [0, 1)."""
    return torch.rand((), generator=rng)


def ridged(g: Given, penalty: float | None = None, bias_penalty: float = 0.0) -> Arrays:
    """Ridge with the bias as the weight of an extra column of ones, in float64."""
    x, y = g.x.double(), g.y.double()
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    diagonal = torch.full((x.shape[1],), float(g.penalty) if penalty is None else penalty).double()
    diagonal[-1] = bias_penalty
    solution = torch.linalg.lstsq(x.T @ x + diagonal.diag(), x.T @ y).solution.float()
    return {"weight": solution[:-1], "bias": solution[-1]}


def by_scale(g: Given) -> Arrays:
    """Ridge on columns that were standardised on the way."""
    std = g.x.std(0)
    got = ridged(g | {"x": g.x / std})
    return {"weight": got["weight"] / std[:, None]}


@check(
    "ridge",
    "Ridge regression",
    given=uneven_table,
    expect=ridged,
    mistakes={
        "the penalty is not added": lambda g: ridged(g, 0.0),
        "the bias is penalised as well": lambda g: ridged(g, bias_penalty=float(g.penalty)),
        "the columns are not centered": lambda g: {
            "weight": ridged(g, bias_penalty=1e12)["weight"]
        },
        "the bias is missing: it is 0": {"bias": [0.0, 0.0]},
        "the bias is the mean of y alone: take off (mean of x) W": lambda g: {"bias": g.y.mean(0)},
        "the penalty is taken times N": lambda g: ridged(g, 8 * float(g.penalty)),
        "the penalty is divided by N": lambda g: ridged(g, float(g.penalty) / 8),
        "the penalty is subtracted": lambda g: {"weight": ridged(g, -float(g.penalty))["weight"]},
        "the columns are scaled on the way: center them, no more": by_scale,
    },
    atol=1e-3,
    rtol=1e-3,
)
def ridge(lab: ModuleType, given: Given) -> Arrays:
    """`ridge` minimises squared errors plus the penalty on the weights, the bias left free."""
    weight, bias = lab.ridge(given.x, given.y, float(given.penalty))
    return {"weight": weight, "bias": bias}


KINDS = ("squares", "logistic", "hinge")


def scored(rng: torch.Generator) -> Arrays:
    """Draw scores on both sides of the margin, one of them far on the wrong side."""
    target = 2.0 * torch.randint(2, (4, 3), generator=rng) - 1
    score = 1.5 * torch.randn(4, 3, generator=rng)
    score[0] = target[0] * torch.tensor([-200.0, 2, 0.5])  # its losses: huge, none, some
    weight = 1 + torch.randn(5, 3, generator=rng)
    return {"score": score, "target": target, "weight": weight, "penalty": 0.5 + rand(rng)}


def losses(
    g: Given,
    reduce: Callable[[Tensor], Tensor] = lambda loss: loss.sum(1).mean(),
    penalty: Callable[[Tensor], Tensor] = lambda w: w.square().sum() / 2,
    **wrong: Callable[[Tensor], Tensor],
) -> Arrays:
    """The objective of each kind, or wrong ones, as functions of the margin."""
    margin = g.target * g.score
    loss = {
        "squares": (g.target - g.score).square() / 2,
        "logistic": F.softplus(-margin),
        "hinge": (1 - margin).relu().square(),
        **{kind: function(margin) for kind, function in wrong.items()},
    }
    return {kind: reduce(value) + g.penalty * penalty(g.weight) for kind, value in loss.items()}


@check(
    "objective",
    "Squares, logistic loss and hinge",
    given=scored,
    expect=losses,
    mistakes={
        "the penalty is not added": lambda g: losses(g, penalty=lambda w: 0 * w.sum()),
        "the penalty is not halved": lambda g: losses(g, penalty=lambda w: w.square().sum()),
        "the penalty is a mean over the weights: it is their sum": lambda g: losses(
            g, penalty=lambda w: w.square().mean() / 2
        ),
        "the penalty counts sizes, not squares": lambda g: losses(
            g, penalty=lambda w: w.abs().sum() / 2
        ),
        "the loss averages over the scores of an item: sum them": lambda g: losses(
            g, reduce=Tensor.mean
        ),
        "the loss sums over the items: average them": lambda g: losses(g, reduce=Tensor.sum),
        "the hinge is not squared": lambda g: losses(g, hinge=lambda m: (1 - m).relu()),
        "the squares are not halved": lambda g: losses(
            g, squares=lambda _: (g.target - g.score).square()
        ),
        "the margin of the logistic loss has the wrong sign": lambda g: losses(
            g, logistic=F.softplus
        ),
        "the margin of the hinge has the wrong sign": lambda g: losses(
            g, hinge=lambda m: (1 + m).relu().square()
        ),
        "exp overflows from 89 on: use F.softplus": lambda g: losses(
            g, logistic=lambda m: (1 + (-m).exp()).log()
        ),
    },
    rtol=1e-4,
    grad=("score", "weight"),
)
def objective(lab: ModuleType, given: Given) -> Arrays:
    """`objective` is the mean loss of an item plus half the penalty times the squared weights."""
    arrays = given.score, given.target, given.weight
    return {kind: lab.objective(*arrays, float(given.penalty), kind) for kind in KINDS}


def voted(
    g: Given,
    bins: int,
    cell: int,
    share: Callable[[Tensor], Tensor] | None = None,
    *,
    circle: bool = True,
    weigh: bool = True,
) -> Tensor:
    """Histograms by adding two votes for each pixel, [B, H/cell, W/cell, bins]."""
    magnitude, angle = slopes(g.image)
    place = angle * bins / math.pi
    low = place.floor()
    up = place - low if share is None else share(place - low)
    size = magnitude if weigh else torch.ones_like(magnitude)
    votes = torch.zeros(*place.shape, bins + 1)
    votes.scatter_add_(3, low.long()[..., None], (size * (1 - up))[..., None])
    votes.scatter_add_(3, low.long()[..., None] + 1, (size * up)[..., None])
    if circle:
        votes[..., 0] += votes[..., bins]
    batch, height, width = place.shape
    cells = votes[..., :bins].reshape(batch, height // cell, cell, width // cell, cell, bins)
    return cells.sum((2, 4))


def both_votes(g: Given, share: Callable[[Tensor], Tensor] | None = None, **how: bool) -> Arrays:
    """With the usual bins and cells, and with others."""
    return {
        "histograms(image)": voted(g, 8, 4, share, **how),
        "histograms(image, 3, 2)": voted(g, 3, 2, share, **how),
    }


@check(
    "histograms",
    "Histograms of directions",
    given={"image": integers(0, 256, 2, 1, 8, 12, dtype=torch.uint8)},
    expect=both_votes,
    mistakes={
        "each pixel votes for one direction alone, the one below": lambda g: both_votes(
            g, torch.zeros_like
        ),
        "each pixel votes for one direction alone, the nearest": lambda g: both_votes(
            g, torch.round
        ),
        "directions just below π do not vote for bin 0: go round the circle": lambda g: both_votes(
            g, circle=False
        ),
        "all pixels have the same vote: weigh it by the magnitude": lambda g: both_votes(
            g, weigh=False
        ),
        "this is the mean over the pixels of a cell: sum them": lambda g: {
            "histograms(image)": voted(g, 8, 4) / 16
        },
    },
    atol=0.05,
    rtol=1e-4,
)
def histograms(lab: ModuleType, given: Given) -> Arrays:
    """`histograms` shares each pixel's magnitude between the two directions next to its own."""
    return {
        "histograms(image)": lab.histograms(given.image),
        "histograms(image, 3, 2)": lab.histograms(given.image, 3, 2),
    }


# Clusters -----------------------------------------------------------------------------------------

PLACES = torch.tensor([0.0, 1, 3, 7])
DRAWN = 2000


def spread_points(rng: torch.Generator) -> Arrays:
    """Draw an order of four points on a line through the plane, and a seed."""
    order = torch.randperm(4, generator=rng)
    shift = torch.randn(2, generator=rng)
    x = PLACES[order, None] * torch.tensor([0.6, 0.8]) + shift
    return {"x": x, "seed": torch.randint(10_000, (), generator=rng)}


def chances(g: Given, weight: Callable[[Tensor], Tensor]) -> Arrays:
    """How often each point comes second, when the row's point came first."""
    weights = weight(torch.cdist(g.x, g.x))
    return {"second": weights / weights.sum(1, keepdim=True)}


@check(
    "seeds",
    "k-means++",
    given=spread_points,
    expect=lambda g: {
        **chances(g, torch.square),
        "first": [0.25] * 4,
        "all different": 1.0,
        "the same again": True,
    },
    mistakes={
        "the second center is any point: the farther, the more probable": lambda g: chances(
            g, lambda d: (d > 0).float()
        ),
        "the distance is not squared": lambda g: chances(g, lambda d: d),
        "the distance is squared twice": lambda g: chances(g, lambda d: d**4),
        "the farthest point is always taken: draw it": lambda g: chances(
            g, lambda d: (d == d.amax(1, keepdim=True)).float()
        ),
        "the second center may be the first one again": lambda g: chances(g, torch.ones_like),
        "what is drawn does not come from rng": {"the same again": False},
    },
    atol={"second": 0.12, "first": 0.06, "all different": 1e-3},
    depends_on=("distances",),
)
def seeds(lab: ModuleType, given: Given) -> Arrays:
    """`seeds` draws each further center by its squared distance from the nearest one so far."""
    rng = torch.Generator().manual_seed(int(given.seed))
    pairs = torch.stack([lab.seeds(given.x, 2, rng) for _ in range(DRAWN)])
    chosen = (pairs[:, :, None] == given.x).all(dim=3).float()  # [draws, which of 2, point]
    counts = chosen[:, 0].T @ chosen[:, 1]
    fours = torch.stack([lab.seeds(given.x, 4, rng) for _ in range(100)])
    different = (fours[:, :, None] == fours[:, None]).all(dim=3).sum((1, 2)) == 4
    again = [lab.seeds(given.x, 4, rng.manual_seed(7)) for _ in range(8)]
    return {
        "second": counts / counts.sum(1, keepdim=True).clamp_min(1),
        "first": chosen[:, 0].mean(0),
        "all different": different.float().mean(),
        "the same again": torch.tensor(all(torch.equal(again[0], one) for one in again)),
    }


def lonely_centers(rng: torch.Generator) -> Arrays:
    """Draw seven items, and four centers of which the last two are far from all items."""
    center = torch.randn(4, 2, generator=rng)
    center[2:] += 50
    x = torch.randn(7, 2, generator=rng)
    x[:2] = center[:2]  # so that neither of the others is empty
    return {"x": x + 0.1, "center": center}


def moved(
    g: Given, empty: Callable[[Tensor, Tensor], Tensor] = lambda far, _: far, near: int = 1
) -> Arrays:
    """One round, cluster by cluster; `empty` makes centers of the farthest items and the old."""
    distance = torch.cdist(g.x, g.center) * near
    label, center = distance.argmin(1), g.center.clone()
    for k in label.unique():
        center[k] = g.x[label == k].mean(0)
    alone = [k for k in range(4) if not bool((label == k).any())]
    far = g.x[distance.amin(1).argsort(descending=True)[: len(alone)]]
    center[alone] = empty(far, center[alone])
    return {"center": center, "label": label}


@check(
    "lloyd",
    "A round of k-means",
    given=lonely_centers,
    expect=lambda g: {**moved(g), "the old centers": g.center},
    mistakes={
        "an empty cluster has no mean: 0 / 0": lambda g: moved(g, lambda far, _: far / 0 * 0),
        "centers of empty clusters fall to 0": lambda g: moved(g, lambda far, _: 0 * far),
        "centers of empty clusters stay where they were": lambda g: moved(g, lambda _, old: old),
        "all empty clusters get the same item": lambda g: moved(
            g, lambda far, _: far[:1].expand_as(far)
        ),
        "empty clusters get the farthest items in the wrong order": lambda g: moved(
            g, lambda far, _: far.flip(0)
        ),
        "items go to the farthest center": lambda g: {"label": moved(g, near=-1)["label"]},
        "the old centers were changed: make a new tensor": lambda g: {
            "the old centers": moved(g)["center"]
        },
    },
    depends_on=("distances",),
)
def lloyd(lab: ModuleType, given: Given) -> Arrays:
    """`lloyd` moves centers to the mean of their items; empty ones go to the farthest items."""
    center, label = lab.lloyd(given.x, given.center)
    return {"center": center, "label": label, "the old centers": given.center}


# Columns ------------------------------------------------------------------------------------------


def stretched(rng: torch.Generator) -> Arrays:
    """Draw items whose spread differs by direction, away from 0."""
    scale = torch.tensor([4.0, 2, 1, 0.5])
    turn = torch.linalg.qr(torch.randn(4, 4, generator=rng)).Q
    return {"x": (scale * torch.randn(7, 4, generator=rng)) @ turn + 3}


def components(
    g: Given, *, center: bool = True, less: int = 1, power: float = 1, flip: bool = False
) -> Arrays:
    """Two principal components by the eigenvectors of the covariance, in float64."""
    x = g.x.double()
    x = x - x.mean(0) if center else x
    variance, vector = torch.linalg.eigh(x.T @ x / (len(x) - less))
    order = [0, 1] if flip else [-1, -2]
    return {
        "mean": g.x.mean(0),
        "directions": same_sign(vector.T[order]).float(),
        "variances": variance[order].float() ** power,
    }


def same_sign(direction: Tensor) -> Tensor:
    """A direction and its opposite are one: let each row's largest number be positive."""
    largest = direction.gather(1, direction.abs().argmax(1, keepdim=True))
    return direction * largest.sign()


@check(
    "pca",
    "Principal components",
    given=stretched,
    expect=components,
    mistakes={
        "the items are not centered": lambda g: {
            "directions": components(g, center=False)["directions"]
        },
        "these are the directions of least variance": lambda g: {
            "directions": components(g, flip=True)["directions"]
        },
        "these are columns of Vᵀ: the directions are its rows": lambda g: {
            "directions": same_sign(torch.linalg.svd(g.x - g.x.mean(0)).Vh.T[:2])
        },
        "the variance divides by N: take N - 1": lambda g: components(g, less=0),
        "these are deviations: square them": lambda g: components(g, power=0.5),
        "these are sums of squares: divide by N - 1": lambda g: components(g, less=len(g.x) - 1),
        "these are shares of the whole variance": lambda g: {
            "variances": components(g)["variances"] / g.x.var(0).sum()
        },
    },
    atol=1e-4,
    rtol=1e-4,
)
def pca(lab: ModuleType, given: Given) -> Arrays:
    """`pca` gives the mean, the directions of largest variance, and these variances."""
    mean, direction, variance = lab.pca(given.x, 2)
    return {"mean": mean, "directions": same_sign(direction), "variances": variance}


def coupled(rng: torch.Generator) -> Arrays:
    """Draw a column with the values 0, 2 and 4 that tells something of a label with 3 classes."""
    label = torch.cat([torch.arange(3), torch.randint(3, (17,), generator=rng)])
    kept = torch.rand(20, generator=rng) < 0.6
    code = torch.where(kept, label, torch.randint(3, (20,), generator=rng))
    return {"code": 2 * code, "label": label}


def shares(g: Given) -> tuple[Tensor, Tensor]:
    """The share of each pair of values, and what it would be of independent ones; float64."""
    joint = torch.zeros(5, 3).double()
    joint.index_put_((g.code, g.label), torch.tensor(1 / len(g.code)).double(), accumulate=True)
    return joint, joint.sum(1, keepdim=True) * joint.sum(0)


def xlogy(x: Tensor, y: Tensor) -> Tensor:
    """Σ x log y, where 0 log 0 is 0; float32 []."""
    return torch.special.xlogy(x, y).sum().float()


def information(g: Given) -> Tensor:
    """H(a) + H(b) - H(a, b), in nats."""
    joint, _ = shares(g)
    sides = joint.sum(1), joint.sum(0)
    return xlogy(joint, joint) - sum(xlogy(side, side) for side in sides)


@check(
    "mutual-information",
    "Mutual information",
    given=coupled,
    expect=information,
    mistakes={
        "these are bits: take the natural logarithm": lambda g: information(g) / math.log(2),
        "a pair that never occurs is 0 · log 0, nan: leave it out": torch.nan,
        "this is minus the entropy of the pairs": lambda g: xlogy(*2 * (shares(g)[0],)),
        "the logarithm is of the joint share alone: divide by p(a) p(b)": lambda g: xlogy(
            shares(g)[0], shares(g)[0]
        ),
        "these are counts: divide by N for shares": lambda g: (
            20 * information(g) - 20 * math.log(20)
        ),
        "the logs are weighted by p(a) p(b): weigh them by p(a, b)": lambda g: (
            (shares(g)[1] * (shares(g)[0] / shares(g)[1]).log())[shares(g)[0] > 0].sum().float()
        ),
    },
    atol=1e-5,
)
def mutual_information(lab: ModuleType, given: Given) -> Tensor:
    """`mutual_information` is Σ p(a, b) log(p(a, b) / (p(a) p(b))), in nats."""
    return lab.mutual_information(given.code, given.label)


def leaking_table(rng: torch.Generator) -> Arrays:
    """Draw six columns: the more often one repeats the label, the more it tells; one always does.

    That one gives the classes other names.
    """
    label = torch.cat([torch.arange(3), torch.randint(3, (57,), generator=rng)])
    order = torch.randperm(6, generator=rng)
    kept = torch.rand(60, 6, generator=rng) < torch.tensor([1.0, 0.9, 0.7, 0.5, 0.3, 0.0])
    noise = torch.randint(3, (60, 6), generator=rng)
    code = torch.where(kept, label[:, None], noise)
    code[:, 0] = (code[:, 0] + 1) % 3
    code[:3, 1] = code[:3, 0]  # the next best is wrong about three items at least
    return {"code": code[:, order], "label": label}


def ranked(g: Given) -> Tensor:
    """All columns, the one that tells most first."""
    pair = [information_of(column, g.label) for column in g.code.T]
    return torch.stack(pair).argsort(descending=True)


def information_of(code: Tensor, label: Tensor) -> Tensor:
    """Mutual information from a table of counts, in nats."""
    joint = F.one_hot(code, 3).T.double() @ F.one_hot(label, 3).double() / len(label)
    entropies = [-xlogy(p, p) for p in (joint.sum(0), joint.sum(1), joint)]
    return entropies[0] + entropies[1] - entropies[2]


@check(
    "choose",
    "Columns that tell most",
    given=leaking_table,
    expect=lambda g: {"choose(code, label, 3)": ranked(g)[1:4], "choose(…, 9)": ranked(g)[1:]},
    mistakes={
        "the column that leaks the label comes first: leave it out": lambda g: {
            "choose(code, label, 3)": ranked(g)[:3]
        },
        "the columns that tell least come first": lambda g: {
            "choose(code, label, 3)": ranked(g).flip(0)[:3]
        },
        "the leak takes one of the places: drop it before you count": lambda g: {
            "choose(code, label, 3)": ranked(g)[1:3]
        },
        "these are the numbers of the columns in rising order: best first": lambda g: {
            "choose(code, label, 3)": ranked(g)[1:4].sort().values
        },
    },
    depends_on=("mutual-information",),
)
def choose(lab: ModuleType, given: Given) -> Arrays:
    """`choose` numbers the columns that tell most of the label, and drops the one that leaks it."""
    return {
        "choose(code, label, 3)": lab.choose(given.code, given.label, 3),
        "choose(…, 9)": lab.choose(given.code, given.label, 9),
    }


ROUNDS, RATE = 3, 0.5


def boosted(g: Given, fitted: float = RATE, *, rest: bool = True, mean: bool = True) -> Arrays:
    """What is predicted after each round, [rounds + 1, N]: right, or wrong in a classic way."""
    base = g.y.mean()
    believed = base.expand(len(g.y)) if mean else torch.zeros(len(g.y))
    said = [base.expand(len(g.y))]
    for _ in range(ROUNDS):
        stump = best_stump(g.x, g.y - believed if rest else g.y)
        believed = believed + fitted * stump(g.x)
        said.append(said[-1] + RATE * stump(g.x))
    return {"the predictions after each round": torch.stack(said), "the number of stumps": ROUNDS}


@check(
    "boost",
    "Gradient boosting",
    given={"x": normal(8, 2), "y": normal(8, mean=4, std=2)},
    expect=boosted,
    mistakes={
        "each stump fits y itself: fit what is still missing": lambda g: boosted(g, rest=False),
        "what is missing ignores the rate": lambda g: boosted(g, 1.0),
        "the first stump fits y, the mean included": lambda g: boosted(g, mean=False),
        "the errors grow: the stump's prediction has the wrong sign": lambda g: boosted(g, -RATE),
        "all stumps are the first one": lambda g: boosted(g, 0.0),
    },
    atol=1e-4,
    rtol=1e-4,
)
def boost(lab: ModuleType, given: Given) -> Arrays:
    """`boost` lets each stump fit what the prediction so far still lacks."""
    mean, stumps = lab.boost(given.x, given.y, ROUNDS, RATE)
    said = [mean.expand(len(given.y))]
    for stump in stumps[:ROUNDS]:
        said.append(said[-1] + RATE * stump(given.x))
    return {
        "the predictions after each round": torch.stack(said),
        "the number of stumps": torch.tensor(len(stumps)),
    }


# Chance -------------------------------------------------------------------------------------------


def three_clouds(rng: torch.Generator) -> Arrays:
    """Draw items of three classes, of unequal numbers and spreads."""
    label = torch.tensor([0] * 3 + [1] * 4 + [2] * 6)[torch.randperm(13, generator=rng)]
    x = (1.0 + label[:, None]) * torch.randn(13, 2, generator=rng) + 3 * label[:, None]
    return {"x": x, "label": label}


def likeliest(g: Given, correction: int = 0) -> Arrays:
    """Share, mean and covariance, class by class."""
    parts = [g.x[g.label == c] for c in range(3)]
    return {
        "prior": torch.tensor([len(part) / 13 for part in parts]),
        "mean": torch.stack([part.mean(0) for part in parts]),
        "covariance": torch.stack([part.T.cov(correction=correction) for part in parts]),
    }


def from_the_middle(g: Given) -> Tensor:
    """Covariances about the mean of all items."""
    parts = [g.x[g.label == c] - g.x.mean(0) for c in range(3)]
    return torch.stack([part.T @ part / len(part) for part in parts])


@check(
    "fit-gaussians",
    "Maximum likelihood",
    given=three_clouds,
    expect=likeliest,
    mistakes={
        "the covariance divides by one less: maximum likelihood takes N_c": lambda g: likeliest(
            g, 1
        ),
        "the covariance divides by all N items: take the class's own number": lambda g: {
            "covariance": likeliest(g)["covariance"] * likeliest(g)["prior"][:, None, None]
        },
        "the covariance is not divided by the number of items": lambda g: {
            "covariance": likeliest(g)["covariance"] * 13 * likeliest(g)["prior"][:, None, None]
        },
        "d is the distance from the mean of all items: take the class's own": lambda g: {
            "covariance": from_the_middle(g)
        },
        "x is not centered": lambda g: {
            "covariance": likeliest(g)["covariance"]
            + likeliest(g)["mean"][:, :, None] * likeliest(g)["mean"][:, None]
        },
        "all classes have the same covariance": lambda g: {
            "covariance": (likeliest(g)["covariance"] * likeliest(g)["prior"][:, None, None])
            .sum(0)
            .expand(3, 2, 2)
        },
        "the prior is a count: divide by N": lambda g: {"prior": 13 * likeliest(g)["prior"]},
        "the prior is uniform": {"prior": [1 / 3] * 3},
    },
    atol=1e-4,
    rtol=1e-4,
)
def fit_gaussians(lab: ModuleType, given: Given) -> Arrays:
    """`fit_gaussians` gives each class's share, mean and covariance, as likelihood has them."""
    prior, mean, covariance = lab.fit_gaussians(given.x, given.label, 3)
    return {"prior": prior, "mean": mean, "covariance": covariance}


def gaussians(rng: torch.Generator) -> Arrays:
    """Draw three normal classes in the plane, items among them, and one far from all."""
    root = torch.randn(3, 2, 2, generator=rng)
    prior = torch.rand(3, generator=rng) + torch.tensor([0.2, 0.5, 2])
    x = torch.randn(5, 2, generator=rng)
    x[4] += 60
    return {
        "x": x,
        "prior": prior / prior.sum(),
        "mean": torch.randn(3, 2, generator=rng),
        "covariance": root @ root.mT + torch.eye(2),
    }


def joint(
    g: Given, *, prior: bool = True, volume: float = 1.0, scale: float = 1.0, invert: bool = True
) -> Tensor:
    """The logarithm of p(c) p(x | c) in float64, or what comes of leaving something out."""
    mean, covariance = g.mean.double(), g.covariance.double()
    shape = covariance if invert else covariance.inverse()
    log_p = MultivariateNormal(mean, shape).log_prob(g.x[:, None].double()) + shape.logdet() / 2
    log_p = scale * log_p - volume * covariance.logdet() / 2
    return log_p + g.prior.double().log() * prior


def bayes(g: Given, **how: float) -> Tensor:
    """The posterior, right or wrong."""
    return joint(g, **how).softmax(1).float()


@check(
    "posterior",
    "Bayes' rule",
    given=gaussians,
    expect=bayes,
    mistakes={
        "the prior is left out": lambda g: bayes(g, prior=False),
        "the determinant is left out: a wide class is less dense": lambda g: bayes(g, volume=0.0),
        "log det is not halved": lambda g: bayes(g, volume=2.0),
        "log det has the wrong sign": lambda g: bayes(g, volume=-1.0),
        "dᵀ Σ⁻¹ d is not halved": lambda g: bayes(g, scale=2.0),
        "neither of the two is halved": lambda g: bayes(g, scale=2.0, volume=2.0),
        "the covariance is not inverted": lambda g: bayes(g, invert=False),
        "these are log-probabilities": lambda g: bayes(g).log(),
        "the densities of a far item are 0, and 0 / 0 is nan: add logs": lambda g: bayes(g).where(
            joint(g).amax(1, keepdim=True) > -300, torch.nan
        ),
        "the sum runs over the items: each item's probabilities sum to 1": lambda g: (
            joint(g).softmax(0).float()
        ),
    },
    atol=1e-4,
    rtol=1e-3,
)
def posterior(lab: ModuleType, given: Given) -> Tensor:
    """`posterior` weighs each class's density by its prior, in logs, so that nothing underflows."""
    return lab.posterior(given.x, given.prior, given.mean, given.covariance)


MANY = 10_000


def resampled(
    g: Given, low: float = 0.025, high: float = 0.975, size: int = 30, *, means: bool = True
) -> Arrays:
    """Quantiles of means of values drawn with replacement, in standard errors from the mean."""
    rng = torch.Generator().manual_seed(0)
    place = torch.randint(30, (40_000, size), generator=rng)
    of = g.value[place].mean(1) if means else g.value[place[:1000]].flatten()
    return {"in standard errors": in_errors(g, of.quantile(torch.tensor([low, high])))}


def in_errors(g: Given, ends: Tensor) -> Tensor:
    """Ends of an interval, in standard errors from the mean."""
    return (ends - g.value.mean()) / (g.value.std(correction=0) / 30**0.5)


@check(
    "interval",
    "Bootstrap interval",
    given={"value": uniform(30, high=4), "seed": integers(0, 10_000)},
    expect=lambda g: {**resampled(g), "the same again": True},
    mistakes={
        "drawn without replacement, every mean is the same": {"in standard errors": [0.0, 0.0]},
        "this is the interval of the values, not of their mean": lambda g: resampled(
            g, means=False
        ),
        "5 % lie below, and 5 % above: the interval holds 90 %": lambda g: resampled(g, 0.05, 0.95),
        "half of the means lie outside": lambda g: resampled(g, 0.25, 0.75),
        "this interval holds 99 %": lambda g: resampled(g, 0.005, 0.995),
        "each mean is of all draws: it should be of N numbers": lambda g: {
            "in standard errors": resampled(g)["in standard errors"] * (30 / MANY) ** 0.5
        },
        "what is drawn does not come from rng": {"the same again": False},
    },
    atol={"in standard errors": 0.17},
)
def interval(lab: ModuleType, given: Given) -> Arrays:
    """`interval` is where 95 % of the means of N numbers lie, drawn with replacement."""
    rng = torch.Generator().manual_seed(int(given.seed))
    ends = lab.interval(given.value, rng, MANY)
    again = [lab.interval(given.value, rng.manual_seed(7), 50) for _ in range(2)]
    return {
        "in standard errors": in_errors(given, ends),
        "the same again": torch.tensor(torch.equal(*again)),
    }

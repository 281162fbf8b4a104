"""The visible checks of lab 12, in the order of its tasks, and the loop it is timed against."""

import math
from collections.abc import Callable
from functools import partial, wraps
from itertools import product
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    check,
    every,
    holds,
    integers,
    normal,
    timing,
    uniform,
)
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance

Way = Callable[[Given], Any]
Made = TypeVar("Made")
SEED = integers(0, 10_000)


def pictures(count: int, height: int = 5, width: int = 6) -> Callable[[torch.Generator], Tensor]:
    """Draw float pictures of two channels without a pixel that is 0, [count, 2, height, width]."""
    return uniform(count, 2, height, width, low=0.1, high=0.9)


def by_first(way: Way, *names: str) -> Way:
    """A way in which all items have the first one's numbers."""
    return lambda g: way(g | {name: g[name][:1].expand_as(g[name]) for name in names})


def exchanged(way: Way, one: str, other: str) -> Way:
    """A way in which two of what is given have changed places."""
    return lambda g: way(g | {one: g[other], other: g[one]})


def pure(function: Callable[..., Made], *values: Any) -> Made:
    """What a function returns of values.

    Raises ReturnedError, in the learner's words, when it has changed one of the tensors.
    """
    tensors = [value for value in values if isinstance(value, Tensor)]
    before = [value.clone() for value in tensors]
    made = function(*values)
    if not all(map(torch.equal, tensors, before)):
        raise ReturnedError("what it was given has changed: inputs stay as they are")
    return made


# What is drawn ------------------------------------------------------------------------------------


def drawn(draw: Callable[[Any, Given, torch.Generator], Tensor]) -> Callable[..., Arrays]:
    """A probe: two draws of one generator, the first again by its seed, and if others stirred."""

    @wraps(draw)
    def probe(lab, g: Given) -> Arrays:
        rng, twin = (torch.Generator().manual_seed(int(g.seed)) for _ in range(2))
        torch.manual_seed(int(g.seed) + 1)
        before = torch.get_rng_state()
        order = {"first": rng, "second": rng, "again": twin}
        found = {name: instance(draw(lab, g, by), Tensor) for name, by in order.items()}
        return {**found, "stirred": (before != torch.get_rng_state()).any()}

    return probe


def form(kind: str) -> dict[str, str]:
    """What `drawn` returns of draws of this form."""
    return {**dict.fromkeys(("first", "second", "again"), kind), "stirred": "bool []"}


def by_rng(got: Arrays) -> Outcome:
    """Equal seeds give equal draws, and the next draw is another."""
    same = torch.equal(got["first"], got["again"])
    return every(
        holds(same or not got["stirred"], "rng is ignored: PyTorch's global generator draws"),
        holds(same, "the same seed gives other results: draw from rng alone"),
        holds(not got["stirred"], "part of it is drawn from PyTorch's global generator, not rng"),
        holds(not torch.equal(got["first"], got["second"]), "each call draws the same"),
    )


# Places -------------------------------------------------------------------------------------------


def flipped(g: Given, dim: int = 3) -> Tensor:
    """The pictures, those whose coin shows True flipped along a dimension."""
    return torch.where(g.coin.view(-1, 1, 1, 1), g.image.flip(dim), g.image)


@check(
    "flip",
    "Left and right",
    given={"image": pictures(6), "coin": torch.tensor([True, False, False, True, True, False])},
    expect=flipped,
    mistakes={
        "top and bottom are swapped": partial(flipped, dim=2),
        "the pictures of the batch are swapped, not left and right": partial(flipped, dim=0),
        "the channels are swapped": partial(flipped, dim=1),
        "those whose coin shows False are flipped": lambda g: flipped(g | {"coin": ~g.coin}),
        "all pictures are flipped: each has a coin": lambda g: g.image.flip(3),
    },
)
def flip(lab, given) -> Tensor:
    """`flip` swaps left and right of the pictures whose coin shows True."""
    return pure(lab.flip, given.image, given.coin)


def windows(g: Given, *, fill=None, mode="constant", way=1) -> Arrays:
    """The windows of float and of whole pictures, right or wrong in a classic way."""
    pad, (H, W), found = int(g.pad), g.image.shape[2:], {}
    value = {"value": float(g.fill) if fill is None else fill} if mode == "constant" else {}
    for name in ("image", "whole"):
        padded = F.pad(g[name].double(), [pad] * 4, mode=mode, **value).to(g[name].dtype)
        corners = (pad + way * (torch.stack([g.top, g.left], 1) - pad)).tolist()
        cuts = [x[:, i : i + H, j : j + W] for x, (i, j) in zip(padded, corners, strict=True)]
        found[name] = torch.stack(cuts)
    return found


@check(
    "crop",
    "Pad and crop",
    given=lambda rng: {
        "image": pictures(5)(rng),
        "whole": integers(1, 17, 5, 1, 5, 6, dtype=torch.uint8)(rng),
        "top": torch.randperm(5, generator=rng),
        "left": torch.randperm(5, generator=rng),
        "pad": torch.tensor(2),
        "fill": torch.tensor(7.0),
    },
    expect=windows,
    mistakes={
        "black moves in: the padding is `fill`": partial(windows, fill=0.0),
        "the edge is repeated: the padding is `fill`": partial(windows, mode="replicate"),
        "what leaves comes back in on the other side": partial(windows, mode="circular"),
        "the edge is mirrored: the padding is `fill`": partial(windows, mode="reflect"),
        "all pictures are cut at the first one's place": by_first(windows, "top", "left"),
        "top and left are swapped": exchanged(windows, "top", "left"),
        "top serves as left, too": lambda g: windows(g | {"left": g.top}),
        "left serves as top, too": lambda g: windows(g | {"top": g.left}),
        "the picture moves the other way: top is where its window begins": partial(windows, way=-1),
    },
)
def crop(lab, given) -> Arrays:
    """`crop` cuts each picture at its own place of the padded one, and keeps the dtype."""
    numbers = given.top, given.left, int(given.pad), float(given.fill)
    return {name: pure(lab.crop, given[name], *numbers) for name in ("image", "whole")}


def places(before: Tensor, after: Tensor, pad: int, fill: float) -> Tensor:
    """Where in its padded original each picture's window begins, -1 if nowhere. [B, 2]"""
    padded = F.pad(before, [pad] * 4, value=fill)
    found = torch.full((len(before), 2), -1)
    for top, left in product(range(2 * pad + 1), repeat=2):
        window = padded[:, :, top : top + before.shape[2], left : left + before.shape[3]]
        found[(window == after).flatten(1).all(1)] = torch.tensor([top, left])
    return found


filled = partial(
    check,
    given={"image": pictures(600), "fill": uniform(low=2.0, high=3.0), "seed": SEED},
    returns=form("float32 [600, 2, 5, 6]"),
)


@drawn
def cropping(lab, g, rng) -> Tensor:
    """Crops by up to two pixels."""
    return pure(lab.random_crop, g.image, 2, float(g.fill), rng)


@filled("random-crop", "A place for each picture", probe=cropping, depends_on=("crop",))
def random_crop(given: Given, got: Arrays) -> Outcome:
    """`random_crop` gives each picture one of all places, by rng."""
    fill = float(given.fill)
    place, black = (places(given.image, got["first"], 2, value) for value in (fill, 0.0))
    lost, kinds = int((place < 0).any(1).sum()), len(place.unique(dim=0))
    return every(
        holds(not lost or (black < 0).any(), "black moves in: hand `fill` on"),
        holds(not lost, f"{lost} of 600 pictures are not cut out of the padded ones"),
        holds(kinds > 1, "one place for all pictures: draw one for each"),
        holds((place[:, 0] != place[:, 1]).any(), "one number serves as row and column: draw two"),
        holds(place.max() == 4, "no window begins at 2 · pad, the last place"),
        holds(kinds == 25, f"of 25 places {kinds} occurred among 600 pictures"),
        by_rng(got),
    )


def box(at: tuple[int, int], sides: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """True in a box around a pixel, cut off at the border, bool [H, W]."""
    (row, column), (height, width) = at, sides
    i = torch.arange(size[0])[:, None] - row + height // 2
    j = torch.arange(size[1]) - column + width // 2
    return (i >= 0) & (i < height) & (j >= 0) & (j < width)


def around(middle: Tensor, length: Tensor, _size: int) -> tuple[Tensor, Tensor]:
    """Where boxes begin and end along a dimension, the end left out."""
    start = middle - length // 2
    return start, start + length


EDGES = {
    "one too many: a box ends before start + length": lambda m, n, _: (
        m - n // 2,
        m - n // 2 + n + 1,
    ),
    "one too few: a box ends at start + length": lambda m, n, _: (m - n // 2, m - n // 2 + n - 1),
    "a box begins at its middle, not around it": lambda m, n, _: (m, m + n),
    "a box ends at its start + length, not at middle + length // 2": lambda m, n, _: (
        m - n // 2,
        m + n // 2,
    ),
    "length / 2 is rounded, length // 2 goes down": lambda m, n, size: around(
        (m - n / 2).round() + n // 2, n, size
    ),
    "a box may begin before 0: what is cut off there is lost": lambda m, n, _: (
        (m - n // 2).clamp(min=0),
        (m - n // 2).clamp(min=0) + n,
    ),
    "boxes are moved into the picture: cut them off": lambda m, n, size: around(
        (m - n // 2).minimum(size - n).clamp(min=0) + n // 2, n, size
    ),
}


def boxed(g: Given, *, rows=around, columns=around, joined=torch.logical_and) -> Tensor:
    """The masks, right or with edges that are wrong in a classic way."""

    def within(way: Callable, middle: Tensor, length: Tensor, size: int) -> Tensor:
        start, end = (edge[:, None] for edge in way(middle, length, size))
        return (torch.arange(size) >= start) & (torch.arange(size) < end)

    row = within(rows, g.row, g.height, 6)[:, :, None]
    return joined(row, within(columns, g.column, g.width, 7)[:, None])[:, None]


def wrong_edges() -> dict[str, Way]:
    """Mistakes at the edges of boxes: of both dimensions, then of one alone."""
    both = {words: partial(boxed, rows=way, columns=way) for words, way in EDGES.items()}
    rows = {f"rows: {words}": partial(boxed, rows=way) for words, way in EDGES.items()}
    columns = {f"columns: {words}": partial(boxed, columns=way) for words, way in EDGES.items()}
    return both | rows | columns


def shuffled(*lengths: int) -> Callable[[torch.Generator], Tensor]:
    """Draw an order of lengths, of which the first two stay in front: theirs are cut off."""
    first, rest = torch.tensor(lengths[:2]), torch.tensor(lengths[2:])
    order = lambda values, rng: values[torch.randperm(len(values), generator=rng)]  # noqa: E731
    return lambda rng: torch.cat([order(first, rng), order(rest, rng)])


BOXES = {
    "row": lambda rng: torch.cat([torch.tensor([0, 5]), integers(0, 6, 4)(rng)]),
    "column": lambda rng: torch.cat([torch.tensor([6, 0]), integers(0, 7, 4)(rng)]),
    "height": shuffled(3, 4, 0, 1, 2, 5),
    "width": shuffled(3, 4, 1, 2, 5, 6),
}


@check(
    "boxes",
    "Boxes",
    given=BOXES,
    expect=boxed,
    mistakes={
        **wrong_edges(),
        "row and column are swapped": exchanged(boxed, "row", "column"),
        "height and width are swapped": exchanged(boxed, "height", "width"),
        "all pictures have the first one's box": by_first(boxed, *BOXES),
        "a box is where its rows and its columns meet: `and`": partial(
            boxed, joined=torch.logical_or
        ),
        "the mask is False inside the box": lambda g: ~boxed(g),
    },
)
def boxes(lab, given) -> Tensor:
    """`boxes` marks each picture's own box, cut off at the border."""
    return lab.boxes(given.row, given.column, given.height, given.width, (6, 7))


@drawn
def covering(lab, g, rng) -> Tensor:
    """Squares of three pixels a side."""
    return pure(lab.cutout, g.image, 3, float(g.fill), rng)


@filled("cutout", "Cutout", probe=covering, depends_on=("boxes",))
def cutout(given: Given, got: Arrays) -> Outcome:
    """`cutout` covers a square in each picture, around a pixel of its own, with `fill`."""
    fill, first = float(given.fill), got["first"]
    changed = first != given.image
    covered = changed[:, 0]
    squares = torch.stack([box(at, (3, 3), (5, 6)) for at in product(range(5), range(6))])
    at = (covered[:, None] == squares[None]).flatten(2).all(2)  # [600, 30]
    kinds = int(at.any(0).sum())
    return every(
        holds(changed.any(), "nothing is covered"),
        holds((changed[:, 0] == changed[:, 1]).all(), "all channels of a pixel must be covered"),
        holds(not (first[changed] == 0).all(), "it is covered with 0: the value is `fill`"),
        holds(torch.allclose(first[changed], torch.tensor(fill)), "what is covered is not `fill`"),
        holds((covered != covered[:1]).any(), "one square for all pictures: draw one for each"),
        holds(at.any(1).all(), "some do not show a square of 3 by 3 pixels, cut off at the border"),
        holds(kinds == 30, f"the middle is any of 30 pixels, but only {kinds} occurred in 600"),
        by_rng(got),
    )


# Looks --------------------------------------------------------------------------------------------


def counting(kind: int) -> Callable[[Tensor, Tensor], Tensor]:
    """An op that leaves a trace: in its own column, 1 in row 0, and its amount in row 1."""

    def op(image: Tensor, amount_B: Tensor) -> Tensor:
        marked = image.clone()
        marked[:, 0, 0, kind] += 1
        marked[:, 0, 1, kind] += amount_B
        return marked

    return op


@drawn
def traced(lab, g, rng) -> Tensor:
    """Two rounds of three ops that leave traces."""
    ops = [counting(kind) for kind in range(3)]
    return pure(lab.rand_augment, g.image, ops, 2, float(g.strength), rng)


@check(
    "rand-augment",
    "An op for each picture",
    given={"image": pictures(300, 2, 3), "seed": SEED, "strength": uniform(low=0.4, high=0.6)},
    probe=traced,
    returns=form("float32 [300, 2, 2, 3]"),
)
def rand_augment(given: Given, got: Arrays) -> Outcome:
    """`rand_augment` draws an op and an amount for each picture, in each round."""
    trace = (got["first"] - given.image)[:, 0]
    count, amount, s = trace[:, 0].round(), trace[:, 1], float(given.strength)
    total, once = count.sum(1), count == 1
    twice = float((count == 2).any(1).float().mean())
    sizes = torch.cat([amount[once].abs(), torch.zeros(1)])
    apart = amount.where(once, -9).amax(1) - amount.where(once, 9).amin(1)
    return every(
        holds(total.sum() > 0, "no op was done"),
        holds(not (total == 1).all(), "there was one round: each must go on from the last"),
        holds((total == 2).all(), "each of 2 rounds does one op to each picture"),
        holds((count != count[:1]).any(), "one draw of an op for all pictures: draw one for each"),
        holds((count.sum(0) > 100).all(), "some op is hardly ever drawn: all are equally likely"),
        holds(twice < 0.99, "both rounds do the same op: draw anew in each"),
        holds(twice > 0.1, "no op comes twice: draw anew in each round, with repetition"),
        holds(len(sizes.unique()) > 20, "one amount for all pictures: draw one for each"),
        holds((apart > 1e-3).any(), "both rounds use the same amount: draw anew in each"),
        holds(amount.amin() < 0, "amounts are never negative: from -strength to strength"),
        holds(sizes.amax() <= s, "amounts go beyond strength"),
        holds(sizes.amax() > 0.85 * s, f"amounts stay far below a strength of {s:.3g}"),
        by_rng(got),
    )


# Pictures and labels that are mixed ---------------------------------------------------------------


def targets(rng: torch.Generator) -> Tensor:
    """Draw probabilities of classes, float32 [4, 3]."""
    return torch.randn(4, 3, generator=rng).softmax(1)


ORDERS = torch.tensor([[2, 0, 3, 1], [1, 3, 0, 2]])  # neither rolls or reverses a batch of four

MIXED = {
    "image": pictures(4, 6, 7),
    "target": targets,
    "share": lambda rng: torch.randperm(4, generator=rng) / 5 + uniform(4, low=0.1, high=0.15)(rng),
    "partner": lambda rng: ORDERS[torch.randint(2, (), generator=rng)],
}


def labelled(kept: Tensor, g: Given, labels: str) -> Tensor:
    """Targets mixed by what each picture kept, or wrong in a classic way."""
    kept = {"swapped": 1 - kept, "half": kept.clamp(min=0.5)}.get(labels, kept)
    its = g.target[g.partner.argsort() if labels == "other" else g.partner]
    return g.target if labels == "none" else kept[:, None] * g.target + (1 - kept[:, None]) * its


def mixes(g: Given, *, labels: str = "") -> Arrays:
    """Mixup, right or wrong in a classic way."""
    share = g.share.view(-1, 1, 1, 1)
    image = share * g.image + (1 - share) * g.image[g.partner]
    return {"image": image, "target": labelled(g.share, g, labels)}


def wrong_mixes(way: Callable[..., Arrays]) -> dict[str, Callable[[Given], Arrays]]:
    """Mistakes of both ways to mix."""
    order = torch.arange(4)
    with_labels = lambda how: lambda g: {"target": way(g, labels=how)["target"]}  # noqa: E731
    return {
        "share is the partner's, not its own": lambda g: way(g | {"share": 1 - g.share}),
        "one share for all items: each has its own": by_first(way, "share"),
        "the next in the batch is the partner": lambda g: way(g | {"partner": order.roll(1)}),
        "the batch in reverse is the partner": lambda g: way(g | {"partner": order.flip(0)}),
        "the labels are not mixed, the pictures are": with_labels("none"),
        "the labels are mixed with another partner than the pictures": with_labels("other"),
        "the label's shares are swapped": with_labels("swapped"),
        "the label's share is raised to a half": with_labels("half"),
    }


@check("mixup", "Mixup", given=MIXED, expect=mixes, mistakes=wrong_mixes(mixes))
def mixup(lab, given) -> Arrays:
    """`mixup` mixes each picture and its label with its partner's, by the same share."""
    image, target = pure(lab.mixup, given.image, given.target, given.share, given.partner)
    return {"image": image, "target": target}


def pasted(
    g: Given, *, labels="", kept_by="mask", root=True, rounded=Tensor.round, inside=False
) -> Arrays:
    """Cutmix picture by picture, right or wrong in a classic way."""
    image, kept = g.image.clone(), g.share.clone()
    area = g.image[0, 0].numel()
    sizes = torch.tensor(image.shape[2:]) * (1 - g.share[:, None]) ** (0.5 if root else 1)
    for b, sides in enumerate(rounded(sizes).long().tolist()):
        mask = box((int(g.row[b]), int(g.column[b])), sides, image.shape[2:])
        mask = ~mask if inside else mask
        image[b, :, mask] = g.image[g.partner[b]][:, mask]
        counts = {"mask": mask.sum() / area, "sides": math.prod(sides) / area, "share": 1 - kept[b]}
        kept[b] = 1 - counts[kept_by]
    return {"image": image, "target": labelled(kept, g, labels)}


@check(
    "cutmix",
    "Cutmix",
    given={
        **MIXED,
        "row": lambda rng: torch.tensor([0, 5, 1, 4])[torch.randperm(4, generator=rng)],
        "column": integers(0, 2, 4),
    },
    expect=pasted,
    mistakes={
        "the box was cut off: count the pixels that were kept": partial(pasted, kept_by="share"),
        "its area is not height · width where the box was cut off: count the pixels": partial(
            pasted, kept_by="sides"
        ),
        "the sides are rounded, not cut down": partial(pasted, rounded=Tensor.floor),
        "the sides shrink by √(1 - share), not by 1 - share": partial(pasted, root=False),
        "the partner surrounds the box, and does not fill it": lambda g: {
            "image": pasted(g, inside=True)["image"]
        },
        "row and column are swapped": exchanged(pasted, "row", "column"),
        **wrong_mixes(pasted),
    },
    depends_on=("boxes",),
)
def cutmix(lab, given) -> Arrays:
    """`cutmix` pastes a box of the partner, and mixes the labels by the pixels that it kept."""
    numbers = given.share, given.partner, (given.row, given.column)
    image, target = pure(lab.cutmix, given.image, given.target, *numbers)
    return {"image": image, "target": target}


@check(
    "soft-loss",
    "A loss for mixed labels",
    given={"logits": normal(4, 3, std=2.0), "target": targets},
    expect=lambda g: F.cross_entropy(g.logits, g.target),
    mistakes={
        "the target is made hard": lambda g: F.cross_entropy(g.logits, g.target.argmax(1)),
        "the softmax is taken twice": lambda g: F.cross_entropy(g.logits.softmax(1), g.target),
        "softmax and logarithm run over the batch": lambda g: (
            -(g.target * g.logits.log_softmax(0)).sum() / 4
        ),
        "the mean runs over classes as well: sum over them": lambda g: F.cross_entropy(
            g.logits, g.target / 3
        ),
        "logits and target have changed places": lambda g: F.cross_entropy(g.target, g.logits),
    },
    grad=("logits",),
)
def soft_loss(lab, given) -> Tensor:
    """`soft_cross_entropy` sums over the classes and averages over the batch."""
    return lab.soft_cross_entropy(given.logits, given.target)


# Series and texts ---------------------------------------------------------------------------------

STEPS = 200


def waves(rng: torch.Generator) -> Arrays:
    """Draw 12 series of very different sizes and lengths, the first feature small, about a mean,
    padded by what is larger than they are.
    """
    lengths = torch.randint(120, 180, (12,), generator=rng)
    size = torch.logspace(-1, 1, 12)[:, None, None]
    feature = torch.tensor([0.2, 1.0, 1.0, 1.0])
    series = size * feature * (1 + torch.randn(12, STEPS, 4, generator=rng))
    real = torch.arange(STEPS) < lengths[:, None]
    snr = 30 * torch.rand(12, generator=rng)
    series = series.where(real[:, :, None], 4 * size)
    return {"series": series, "lengths": lengths, "snr": snr, "seed": SEED(rng)}


@drawn
def noised(lab, g, rng) -> Tensor:
    """Noisy series."""
    return pure(lab.add_noise, g.series, g.lengths, g.snr, rng)


WAVES = form("float32 [12, 200, 4]")


@check("noise", "Noise of a given strength", given=waves, probe=noised, returns=WAVES)
def noise(given: Given, got: Arrays) -> Outcome:
    """`add_noise` reaches each series' signal-to-noise ratio on its real steps, and only there."""
    real = (torch.arange(STEPS) < given.lengths[:, None])[:, :, None].expand(-1, -1, 4)
    added = (got["first"] - given.series).double()
    count = real.sum((1, 2))
    power, spread = ((x.square() * real).sum((1, 2)) / count for x in (given.series, added))
    off = 10 * (power / spread.clamp(min=1e-30)).log10() - given.snr
    unit = added / spread.sqrt().view(-1, 1, 1).clamp(min=1e-30)
    everything, steps = given.series.square().sum((1, 2)), 4 * STEPS
    padded = (power * count / steps, everything / steps, everything / count)
    variance = power - ((given.series * real).sum((1, 2)) / count).square()
    of = lambda wrong: 10 * (power / wrong).log10()  # noqa: E731
    near = lambda what, by=0.45: bool((off - what).abs().mean() < by)  # noqa: E731
    heard = bool(spread.min() > 0)
    alike = heard and torch.allclose(unit[0, :100], unit[1, :100], atol=0.3)
    flat = heard and bool(((unit[:, :100, 0] - unit[:, :100, 1]).abs() < 1e-2).all())
    loud = (unit.square() * real).mean((0, 1))
    return every(
        holds(got["first"][~real].any(), "the padding was set to 0: it stays as it is"),
        holds(not added[~real].any(), "noise was added to the padding"),
        holds(heard, "nothing was added"),
        holds(
            not any(near(of(wrong), 0.3) for wrong in padded),
            "padding counts in the power: mean over real steps alone",
        ),
        holds(not near(of(variance), 0.3), "P is the mean of squares, not the variance"),
        holds(not near(given.snr), "decibels of power are 10 · log10, not 20: too calm"),
        holds(not near(-2 * given.snr), "the noise grows with snr: it must shrink"),
        holds(not near(-given.snr / 2), "decibels of power are 10 · log10, not 20: too loud"),
        holds(
            not heard or loud.amax() < 2 * loud.amin(),
            "each feature has noise of another strength: P is the mean over all of them",
        ),
        holds(off.abs().max() < 1.5, f"a ratio is {float(off.abs().max()):.3g} dB off"),
        holds(off.mean().abs() < 0.35, f"the ratios are {float(off.mean()):.2g} dB off on average"),
        holds(not alike, "one draw of noise for all series: each number draws for itself"),
        holds(not flat, "one draw of noise for all features: each number draws for itself"),
        by_rng(got),
    )


def warped(g: Given, *, line=True, way=1, whole=False, cut=True, swapped=False) -> Tensor:
    """Each series warped by itself, right or wrong in a classic way."""
    found = g.series.clone()
    for b, length in enumerate(g.lengths.tolist()):
        last = (g.series.shape[1] if whole else length) - 1
        bend = way * float(g.bend[b])
        for t in range(length if cut else g.series.shape[1]):
            place = last * min(1.0, t / max(1, last)) ** math.exp(bend)
            low = math.floor(place)
            part = place - low if line else float(place - low >= 0.5)
            part = 1 - part if swapped else part
            high = min(low + 1, last)
            found[b, t] = (1 - part) * g.series[b, low] + part * g.series[b, high]
    return found


@check(
    "time-warp",
    "Time warp",
    given=lambda rng: {
        "series": 5 + normal(4, 8, 2)(rng),
        "lengths": torch.tensor([8, 6, 5, 1]),
        "bend": uniform(4, low=0.3, high=0.6)(rng) * torch.tensor([1, -1, 1, 1]),
    },
    expect=warped,
    mistakes={
        "the nearest step is taken, not a straight line between two": partial(warped, line=False),
        "it bends the other way": partial(warped, way=-1),
        "all series bend like the first": by_first(warped, "bend"),
        "the last step is the length - 1, not T - 1": partial(warped, whole=True),
        "padding is overwritten": partial(warped, cut=False),
        "a step weighs the more, the nearer it is: the weights are swapped": partial(
            warped, swapped=True
        ),
    },
    atol=1e-4,
)
def time_warp(lab, given) -> Tensor:
    """`time_warp` bends each series' own time, from its first to its last real step."""
    return pure(lab.time_warp, given.series, given.lengths, given.bend)


PAD = 3


def texts(rng: torch.Generator) -> Arrays:
    """Draw 60 texts, half of them short; each token says where it stood; 3 pads."""
    lengths = torch.cat([integers(1, 3, 30)(rng), torch.randint(20, 40, (30,), generator=rng)])
    token = 10 + torch.arange(40).expand(60, 40)
    real = torch.arange(40) < lengths[:, None]
    numbers = {"p": uniform(low=0.6, high=0.7)(rng), "seed": SEED(rng)}
    return {"token": token.where(real, torch.tensor(PAD)), "lengths": lengths, **numbers}


@drawn
def dropped(lab, g, rng) -> Tensor:
    """Lengths, tokens, and the lengths if none is dropped, but `pad` is every first word."""
    token, length = pure(lab.drop_words, g.token, g.lengths, float(g.p), PAD, rng)
    _, whole = lab.drop_words(g.token.clone(), g.lengths, 0.0, 10, rng)
    return torch.cat([length[:, None], token, whole[:, None]], 1)


@check("drop-words", "Word dropout", given=texts, probe=dropped, returns=form("int64 [60, 42]"))
def drop_words(given: Given, got: Arrays) -> Outcome:
    """`drop_words` leaves out words by rng, closes the gaps, and never empties a text."""
    length, token, whole = got["first"][:, 0], got["first"][:, 1:41], got["first"][:, 41]
    words = token != PAD
    kept = words.sum(1)
    long = given.lengths > 2
    share = 1 - float(kept[long].sum() / given.lengths[long].sum())
    p = float(given.p)
    front = torch.arange(40) < kept[:, None]
    ahead = (token[:, 1:] > token[:, :-1]) | ~words[:, 1:]
    original = given.token[:, None, :] == token[:, :, None]
    once = (token[:, :, None] == 10 + torch.arange(40)).sum(1)
    common = once[long][:, :20]
    return every(
        holds((kept > 0).all(), "a text is empty: at least one word must stay"),
        holds((words == front).all(), "there are gaps: what is kept moves to the front"),
        holds((ahead.all(1)).all(), "the words have changed their order"),
        holds((original.any(2) | ~words).all(), "there are words that the text had not"),
        holds(torch.equal(length, kept), "the lengths are not the numbers of words that are left"),
        holds((once <= 1).all(), "a word stands there twice"),
        holds((common != common[:1]).any(), "one draw for all texts: each word draws for itself"),
        holds(
            not once[long][:, 0].all(),
            "the first word always stays: that of the largest number does",
        ),
        holds(abs(share - 1 + p) > 0.08, "p is the probability to go, not to stay"),
        holds(abs(share - p) < 0.08, f"for p = {p:.3g} a share of {share:.3g} of the words went"),
        holds(
            torch.equal(whole, given.lengths), "a word may equal `pad`: lengths tell the padding"
        ),
        by_rng(got),
    )


# The training -------------------------------------------------------------------------------------


@check(
    "training-batch",
    "Only in training",
    given={"image": integers(0, 17, 3, 1, 8, 8), "by": integers(1, 100)},
    expect=lambda g: {
        "in training": g.image + g.by,
        "in evaluation": g.image,
        "the training batch itself": g.image,
    },
    mistakes={
        "evaluation is augmented, too": lambda g: {"in evaluation": g.image + g.by},
        "training is not augmented": lambda g: {"in training": g.image},
        "the rng is not self.generator()": lambda g: {"in training": g.image - 1},
        "the batch that was given has changed: return another": lambda g: {
            "the training batch itself": g.image + g.by
        },
    },
)
def training_batch(lab, given) -> Arrays:
    """Batches are varied in training, by this step's generator, and left alone in evaluation."""
    model, found = lab.Model(), {}
    step = lambda rng: rng if isinstance(rng, Tensor) else -1  # noqa: E731
    model.generator = lambda: given.by
    model.vary = lambda batch, rng: {**batch, "image": batch["image"] + step(rng)}
    for name, training in (("in evaluation", False), ("in training", True)):
        batch = {"image": given.image.clone(), "label": torch.arange(3)}
        found[name] = model.train(training).on_after_batch_transfer(batch, 0)["image"]
    return {**found, "the training batch itself": batch["image"]}


# Speed --------------------------------------------------------------------------------------------


def item_by_item(_, given: Arrays) -> Tensor:
    """The yardstick: crop, flip and cover, one picture after the other, as a DataLoader does it."""
    found, names = [], ("image", "top", "left", "row", "column", "coin")
    for image, top, left, row, column, coin in zip(*(given[name] for name in names), strict=True):
        window = F.pad(image, [1] * 4)[:, top : top + 8, left : left + 8]
        window = window.flip(2) if coin else window.clone()
        window[:, (row - 1).clamp(0) : row + 2, (column - 1).clamp(0) : column + 2] = 0
        found.append(window)
    return torch.stack(found)


SIZE = 4000


@timing(
    "batch-speed",
    given={
        "image": uniform(SIZE, 1, 8, 8),
        **dict.fromkeys(("top", "left"), integers(0, 3, SIZE)),
        **dict.fromkeys(("row", "column"), integers(0, 8, SIZE)),
        "coin": lambda rng: torch.rand(SIZE, generator=rng) < 0.5,
    },
    against=item_by_item,
    rounds=9,
)
def batch_speed(lab, given: Arrays) -> Tensor:
    """`crop`, `flip` and `boxes` take a tenth of the time of a loop over pictures, or less."""
    image = lab.crop(given["image"], given["top"], given["left"], 1, 0.0)
    image = lab.flip(image, given["coin"])
    side = torch.full((SIZE,), 3)
    return image.masked_fill(lab.boxes(given["row"], given["column"], side, side, (8, 8)), 0.0)

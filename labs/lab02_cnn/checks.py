"""The visible checks of lab 02, in the order of its tasks; most right answers are PyTorch's."""

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dllab.checks import Arrays, Outcome, check, every, holds, integers, normal, uniform
from dllab.checks.tools import fit, instance
from dllab.data import BatchLoader

OWN = "calls of PyTorch's own convolution"


class Convolutions(TorchFunctionMode):
    """Count how often PyTorch convolves."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None) -> object:
        self.count += func.__name__.startswith("conv")
        return func(*args, **(kwargs or {}))


def convolved(g, convolve=F.conv2d, **other: object) -> Arrays:
    """A plain convolution with a bias, and one without that has stride and padding."""
    how = {"stride": int(g.stride), "padding": int(g.padding), **other}
    return {
        "conv2d(x, weight, bias)": convolve(g.x, g.weight, g.bias),
        "conv2d(x, weight, None, stride, padding)": convolve(g.x, g.weight, None, **how),
    }


def filtered(g, weight: Tensor) -> Arrays:
    """The same with other filters."""
    return convolved(g | {"weight": weight.reshape(g.weight.shape)})


FILTERS = {"weight": normal(3, 2, 3, 2, std=0.5), "bias": normal(3)}


@check(
    "conv2d",
    "Convolution by unfolding",
    given={"x": normal(2, 2, 4, 5), **FILTERS, "stride": 2, "padding": 1},
    expect=lambda g: {**convolved(g), OWN: 0},
    mistakes={
        "F.conv2d did the work: multiply filters and patches": lambda g: {**convolved(g), OWN: 2},
        "the bias is not added": lambda g: convolved(g | {"bias": 0 * g.bias}),
        "the bias is subtracted": lambda g: convolved(g | {"bias": -g.bias}),
        "the filters are flipped": lambda g: filtered(g, g.weight.flip(2, 3)),
        "each filter is a row of flatten(1)": lambda g: filtered(g, g.weight.reshape(-1, 3).T),
        "the stride is ignored": lambda g: convolved(g, stride=1),
        "the padding is ignored": lambda g: convolved(g, padding=0),
        "stride and padding are swapped": lambda g: convolved(g, stride=1, padding=2),
        "the stride is F.unfold's dilation": lambda g: convolved(g, stride=1, dilation=2),
        "H' and W' are swapped": lambda g: {
            name: y.reshape(*y.shape[:2], *y.shape[:1:-1]) for name, y in convolved(g).items()
        },
    },
    grad=("weight", "bias"),
)
def conv2d(lab, given):
    """`conv2d` gives what F.conv2d gives, without calling it, whatever is oblong or left out."""
    try:
        with Convolutions() as own:
            got = convolved(given, lab.conv2d)
    except RuntimeError as error:
        error.args = (f"{error} (images and filters may be oblong)",)
        raise
    return {**got, OWN: torch.tensor(own.count)}


EPS = 0.1  # large enough to be missed
SPREAD = torch.tensor([1.0, 2, 3, 4])[:, None, None]
STATE = {name: normal(4) for name in ("weight", "bias", "running_mean")}
STATE["running_var"] = uniform(4, low=1, high=2)
NORM = {"x": lambda rng: SPREAD * (1 + torch.randn(3, 4, 2, 4, generator=rng)), **STATE}


def norm_layer(g, make) -> nn.Module:
    """A BatchNorm2d in the given state."""
    layer = make(4, momentum=0.2, eps=EPS)
    layer.load_state_dict({name: g[name] for name in STATE}, strict=False)
    return layer


def moments(x: Tensor, dims: tuple[int, ...] = (0, 2, 3), correction: int = 0) -> Arrays:
    """Mean and variance over some dimensions."""
    return {"mean": x.mean(dims), "var": x.var(dims, correction=correction)}


@check(
    "batch-statistics",
    "Statistics of a batch",
    given={"x": NORM["x"]},
    expect=lambda g: moments(g.x),
    mistakes={
        "the variance divides by n - 1 here: correction=0": lambda g: moments(g.x, correction=1),
        "this is the deviation, not the variance": lambda g: {"var": moments(g.x)["var"].sqrt()},
        "each image has its own (instance norm)": lambda g: moments(g.x, (2, 3)),
        "each image has its own (layer norm)": lambda g: moments(g.x, (1, 2, 3)),
        "rows and columns count as well as images": lambda g: moments(g.x, (0,)),
        "this is of the first image alone": lambda g: moments(g.x[:1]),
        "a mean of variances": lambda g: {"var": moments(g.x, (2, 3))["var"].mean(0)},
    },
    rtol={"var": 1e-4},
)
def batch_statistics(lab, given):
    """`batch_statistics` gives each channel's mean and variance, divided by the full count."""
    return dict(zip(("mean", "var"), lab.BatchNorm2d(4).batch_statistics(given.x), strict=True))


def moved_mean(g, share: float = 0.2, kept: float = 0.8) -> Arrays:
    """The running mean after one batch."""
    return {"running_mean": kept * g.running_mean + share * g.mean}


def moved_var(g, factor: float = 18 / 17) -> Arrays:
    """The running variance after one batch of 18 numbers a channel."""
    return {"running_var": 0.8 * g.running_var + 0.2 * factor * g.var}


def unmoved(g) -> Arrays:
    """The running averages as they are."""
    return {name: g[name] for name in ("running_mean", "running_var")}


@check(
    "running-statistics",
    "Running averages",
    given={**STATE, "mean": normal(4), "var": uniform(4, low=1, high=3)},
    expect=lambda g: moved_mean(g) | moved_var(g),
    mistakes={
        "the averages did not change: lerp_, mul_ and copy_ work in place": unmoved,
        "momentum is the new value's share, not the old one's": lambda g: moved_mean(g, 0.8, 0.2),
        "the share is always 0.1: use self.momentum": lambda g: moved_mean(g, 0.1, 0.9),
        "the old average is replaced": lambda g: moved_mean(g, 1, 0),
        "the old average keeps its full weight": lambda g: moved_mean(g, kept=1),
        "the mean needs no correction": lambda g: moved_mean(g, 0.2 * 18 / 17),
        "the variance lacks its factor count / (count - 1)": lambda g: moved_var(g, 1),
        "count / (count - 1) is upside down": lambda g: moved_var(g, 17 / 18),
    },
)
def running_statistics(lab, given):
    """`remember` moves the running averages by `momentum` towards the batch's statistics."""
    layer = norm_layer(given, lab.BatchNorm2d)
    layer.remember(given.mean, given.var, 18)
    return unmoved(layer.state_dict())


def two_modes(g, make=nn.BatchNorm2d) -> Arrays:
    """What a layer makes of a batch in either mode, how x learns, and what it remembers."""
    layer, x = norm_layer(g, make).train(), g.x.requires_grad_()
    y = layer(x)
    learns = y.requires_grad and torch.autograd.grad(y, x, g.pull, materialize_grads=True)
    return {
        "evaluated": norm_layer(g, make).eval()(x),
        "trained": y,
        "gradient.x": learns[0] if learns else torch.zeros_like(x),
        **unmoved(layer.state_dict()),
    }


def by_hand(g, root=lambda var: (var + EPS).sqrt(), line=lambda t: t[:, None, None]) -> Arrays:
    """The output in training mode, wrong in a classic way."""
    mean, var = (t[:, None, None] for t in moments(g.x).values())
    return {"trained": (g.x - mean) / root(var) * line(g.weight) + line(g.bias)}


def told(count: int):
    """What is remembered of a batch when `remember` is told this count."""
    return lambda g: moved_var(g | moments(g.x), count / (count - 1))


ONE, ZERO = torch.ones(4), torch.zeros(4)


@check(
    "batch-norm",
    "Batch norm and its two modes",
    given={**NORM, "pull": normal(3, 4, 2, 4)},
    expect=two_modes,
    mistakes={
        "the batch's statistics in evaluation mode: ask self.training": lambda g: {
            "evaluated": two_modes(g)["trained"]
        },
        "the running averages in training mode": lambda g: {"trained": two_modes(g)["evaluated"]},
        "the running averages, just moved, in training mode": lambda g: {
            "trained": two_modes(g | unmoved(two_modes(g)))["evaluated"]
        },
        "nothing is remembered of a training batch": unmoved,
        "remember's count is B·H·W; it got B": told(3),
        "remember's count is B·H·W; it got H·W": told(8),
        "remember's count is B·H·W; it got B·C·H·W": told(96),
        "eps is left out": lambda g: by_hand(g, torch.sqrt),
        "eps goes under the root": lambda g: by_hand(g, lambda var: var.sqrt() + EPS),
        "divided by the variance: take its root": lambda g: by_hand(g, lambda var: var + EPS),
        "weight and bias are left out": lambda g: by_hand(g | {"weight": ONE, "bias": ZERO}),
        "the bias is not added": lambda g: by_hand(g | {"bias": ZERO}),
        "[C] lines up with the columns: [:, None, None]": lambda g: by_hand(g, line=lambda t: t),
        "mean and variance are cut off from the graph: they depend on x": lambda g: {
            "gradient.x": g.pull * (g.weight / (moments(g.x)["var"] + EPS).sqrt())[:, None, None]
        },
    },
    atol=1e-4,
    rtol=1e-4,
    depends_on=("batch-statistics", "running-statistics"),
)
def batch_norm(lab, given):
    """Batch norm uses the batch's statistics to train, and the running averages to evaluate."""
    return two_modes(given, lab.BatchNorm2d)


LEARNED = "parameters learned from 3 to 3 and from 3 to 5 channels"


def shortcuts(g, stride: int = 2) -> Arrays:
    """What three shortcuts give in training mode: of the same shape, wider, and smaller."""
    wider, smaller = F.conv2d(g.x, g.wider), F.conv2d(g.x, g.kept, stride=stride)
    normed = (F.batch_norm(x, None, None, training=True) for x in (wider, smaller))
    return dict(zip(("same", "wider", "smaller"), (g.x, *normed), strict=True))


@check(
    "shortcut",
    "The shortcut",
    given={"x": normal(2, 3, 4, 5), "wider": normal(5, 3, 1, 1), "kept": normal(3, 3, 1, 1)},
    expect=lambda g: shortcuts(g) | {LEARNED: torch.tensor([0, 25])},
    mistakes={
        "it is always the identity: more channels need a convolution": {LEARNED: [0, 0]},
        "it is projected even where the shape stays: nn.Identity() there": {LEARNED: [15, 25]},
        "the batch norm is missing": {LEARNED: [0, 15]},
        "`conv` has no bias: the norm behind it has one": {LEARNED: [0, 30]},
        "the norm comes after the convolution": {LEARNED: [0, 21]},
        "the convolution is 1 x 1": {LEARNED: [0, 145]},
        "it is the identity although the stride is 2": lambda g: {"smaller": g.x},
        "the stride is forgotten": lambda g: shortcuts(g, stride=1),
        "there is no ReLU on the shortcut": lambda g: {"wider": shortcuts(g)["wider"].relu()},
    },
    atol=1e-4,
)
def shortcut(lab, given):
    """The shortcut is the identity where the shape stays, else a 1 x 1 convolution and a norm."""
    blocks = [lab.ResidualBlock(3, 3), lab.ResidualBlock(3, 5), lab.ResidualBlock(3, 3, 2)]
    paths = [block.train().shortcut for block in blocks]
    for path, weight in zip(paths, (given.kept, given.wider, given.kept), strict=True):
        for p in path.parameters():
            p.data.copy_(weight if p.shape == weight.shape else p)
    learned = torch.tensor([sum(p.numel() for p in path.parameters()) for path in paths[:2]])
    outputs = (path(given.x) for path in paths)
    return {**dict(zip(("same", "wider", "smaller"), outputs, strict=True)), LEARNED: learned}


BLOCK = {f"conv{i}.weight": normal(3, 3, 3, 3, std=0.3) for i in (1, 2)}
BLOCK |= {f"norm{i}.{name}": normal(3) for i in (1, 2) for name in ("weight", "bias")}


def through(g, *, convs=(1, 2), norms=(1, 2), acts=(F.relu, None, F.relu), short=1) -> Tensor:
    """The block's formula: right, or wrong in a classic way. A norm called 0 is left out."""
    y = g.x
    for conv, norm, act in zip(convs, norms, acts[:2], strict=True):
        y = F.conv2d(y, g[f"conv{conv}.weight"], padding=1)
        if norm:
            y = F.batch_norm(y, ZERO[:3], ONE[:3], g[f"norm{norm}.weight"], g[f"norm{norm}.bias"])
        y = act(y) if act else y
    y = y + short * F.conv2d(g.x, g.short)
    return acts[2](y) if acts[2] else y


@check(
    "residual",
    "Residual block",
    given={**BLOCK, "x": normal(2, 3, 4, 5), "short": normal(3, 3, 1, 1)},
    expect=through,
    mistakes={
        "the shortcut is missing from the sum": lambda g: through(g, short=0),
        "the last ReLU comes after the sum": lambda g: through(g, acts=(F.relu, F.relu, None)),
        "norm2 goes into the sum as it is": lambda g: through(g, acts=(F.relu, F.relu, F.relu)),
        "the ReLU after the sum is missing": lambda g: through(g, acts=(F.relu, None, None)),
        "the ReLU after norm1 is missing": lambda g: through(g, acts=(None, None, F.relu)),
        "x is added, not self.shortcut(x)": lambda g: through(g | {"short": EYE}),
        "conv1 stands where conv2 should": lambda g: through(g, convs=(1, 1)),
        "norm1 stands where norm2 should": lambda g: through(g, norms=(1, 1)),
        "norm1 is missing": lambda g: through(g, norms=(0, 2)),
        "norm2 is missing": lambda g: through(g, norms=(1, 0)),
    },
    atol=1e-4,
    grad=("x",),
    depends_on=("batch-norm", "shortcut"),
)
def residual(lab, given):
    """The block returns relu(long way + shortcut): the sum first, the ReLU after it."""
    block = lab.ResidualBlock(3, 3).eval()
    block.load_state_dict({name: given[name] for name in BLOCK}, strict=False)
    block.shortcut = nn.Conv2d(3, 3, 1, bias=False)
    block.shortcut.weight.data.copy_(given.short)
    return block(given.x)


EYE = torch.eye(3)[:, :, None, None]
SEED = integers(0, 10_000)
BORDERS = {"circular": "what leaves comes back in", "replicate": "the edge is repeated"}


def images(count: int, height: int = 6, width: int = 5):
    """Draw images without a black pixel, uint8 [count, 1, height, width]."""
    return integers(1, 256, count, 1, height, width, dtype=torch.uint8)


def places(before: Tensor, after: Tensor, most: int, border: str = "constant") -> Tensor:
    """The corner of the window of its padded original that each image is, -1 if none. [B, 2]"""
    padded = F.pad(before.float(), [most] * 4, mode=border)
    found = torch.full((len(before), 2), -1)
    for top, left in product(range(2 * most + 1), repeat=2):
        window = padded[:, :, top : top + before.shape[2], left : left + before.shape[3]]
        found[(window == after).flatten(1).all(1)] = torch.tensor([top, left])
    return found


def twice(given, function) -> Arrays:
    """Call a random function two times, which must not draw alike."""
    torch.manual_seed(int(given.seed))
    return {name: function(given.image.clone()) for name in ("image", "again")}


def shift_twice(lab, given) -> Arrays:
    """By at most two pixels."""
    return twice(given, lambda image: lab.shift(image, 2))


@check(
    "shift",
    "Random shift",
    given={"image": images(400), "seed": SEED},
    probe=shift_twice,
    returns=dict.fromkeys(("image", "again"), "uint8 [400, 1, 6, 5]"),
)
def shift(given, got):
    """Every image moves by its own offsets of up to `most` pixels, and black moves in."""
    place, again = (places(given.image, got[name], 2) for name in ("image", "again"))
    lost, kinds = int((place < 0).any(1).sum()), len(place.unique(dim=0))
    for border, name in BORDERS.items():
        if lost and bool((places(given.image, got["image"], 2, border) >= 0).all()):
            return Outcome(0.0, f"{name} at the border: black must move in")
    return every(
        holds(not lost, f"{lost} of 400 images are not shifted by at most 2 pixels"),
        holds(kinds > 1, "all images move alike: each draws its own offsets"),
        holds((place[:, 0] != place[:, 1]).any(), "one offset serves rows and columns: draw two"),
        holds(place.max() == 4, "none moves by `most` up or left: randint leaves out its end"),
        holds(kinds == 25, f"of the 25 possible moves by up to 2 pixels {kinds} occurred in 400"),
        holds(not torch.equal(place, again), "each call moves the images alike: draw anew"),
    )


def mirror_twice(lab, given) -> Arrays:
    """Left and right."""
    return twice(given, lab.mirror)


@check(
    "mirror",
    "Random mirror",
    given={"image": images(200), "seed": SEED},
    probe=mirror_twice,
    returns=dict.fromkeys(("image", "again"), "uint8 [200, 1, 6, 5]"),
)
def mirror(given, got):
    """About half of the images have left and right swapped, the others stay as they are."""

    def equal(name: str, *dims: int) -> Tensor:
        return (got[name] == given.image.flip(dims)).flatten(1).all(1)

    kept, swapped = equal("image"), equal("image", 3)
    count, upright = int(swapped.sum()), bool((kept | swapped).all())
    anew = not torch.equal(swapped, equal("again", 3))
    return every(
        holds(upright or not (kept | equal("image", 2)).all(), "top and bottom are swapped"),
        holds(upright or not (kept | equal("image", 2, 3)).all(), "the images are turned"),
        holds(upright, "some images are neither as they were nor mirrored"),
        # 200 fair coins show fewer than 60 or more than 140 heads once in 10⁸ times.
        holds(60 <= count <= 140, f"{count} of 200 images were mirrored: toss a coin for each"),
        holds(anew, "each call mirrors the same images: toss the coins anew"),
    )


SPLITS = {split: images(20) for split in ("train", "val", "test")}


def toy_data(lab, g, seed: int = 0):
    """The learner's Data on the drawn splits, 8 images a batch; the small data are darker."""

    def load(_name: str, split: str, size: str = "small") -> Arrays:
        return {"image": g[split] if size == "full" else g[split] // 2, "label": torch.arange(20)}

    data = lab.Data(size="full", batch_size=8, seed=seed, load=load)
    data.train, data.val = (load("", split, "full") for split in ("train", "val"))
    return data


@check(
    "splits",
    "Which split serves what",
    given=SPLITS,
    expect=lambda g: {"self.train": g.train, "self.val": g.val},
    mistakes={
        "the test split would choose the checkpoint: no honest score": lambda g: {
            "self.val": g.test
        },
        "it would learn from the test split": lambda g: {"self.train": g.test},
        "it would learn from the images that choose": lambda g: {"self.train": g.val},
        "the training images would choose the checkpoint": lambda g: {"self.val": g.train},
        "self.size is not handed on": lambda g: {"self.train": g.train // 2},
    },
)
def splits(lab, given):
    """Data learns from the training split, chooses by the validation split, and leaves the test."""
    data = toy_data(lab, given)
    del data.train, data.val
    data.setup("fit")
    return {"self.train": data.train["image"], "self.val": data.val["image"]}


def epoch(loader: object) -> Arrays:
    """All batches of one epoch, one behind the other, and how long each of them is."""
    batches = list(instance(loader, BatchLoader))
    whole = {name: torch.cat([batch[name] for batch in batches]) for name in ("image", "label")}
    return {**whole, "sizes": torch.tensor([len(batch["label"]) for batch in batches])}


def two_epochs(lab, given):
    """Two epochs of training batches, and the order in which another seed begins."""
    loader, other = (toy_data(lab, given, seed).train_dataloader() for seed in (0, 1))
    first, again = epoch(loader), {f"{name} again": value for name, value in epoch(loader).items()}
    return {**first, **again, "other": epoch(other)["label"]}


BATCHES = {"image": "uint8 [*, 1, 6, 5]", "label": "int64 [*]", "sizes": "int64 [*]"}


def complete(got: Arrays) -> Outcome:
    """Each of 20 items is there once, in batches of 8."""
    once = torch.equal(got["label"].sort().values, torch.arange(20))
    return every(
        holds(len(got["label"]) > 16, "drop_last leaves images out of an epoch"),
        holds(once, "an epoch holds each image of the split once"),
        holds(got["sizes"].tolist() == [8, 8, 4], "the batches are not of self.batch_size"),
    )


@check(
    "train-loader",
    "Training batches",
    given=SPLITS,
    probe=two_epochs,
    returns=BATCHES | {f"{n} again": form for n, form in BATCHES.items()} | {"other": "int64 [*]"},
    depends_on=("shift", "mirror"),
)
def train_loader(given, got):
    """An epoch holds every training image once, augmented anew, in an order of its own."""
    label, image, again = got["label"], got["image"], got["label again"]
    if not (found := complete(got)).ok:
        return found
    raw = given.train[label]
    own = (torch.cat([places(raw, image, 1), places(raw, image.flip(3), 1)], 1) >= 0).any(1)
    changed = int((raw != image).flatten(1).any(1).sum())
    fixed = torch.equal(image[label.argsort()], got["image again"][again.argsort()])
    return every(
        holds(changed >= 10, f"only {changed} of 20 training images were augmented: transform="),
        holds(own.all(), "these are not shifted or mirrored images of self.train"),
        holds(not fixed, "augmented once and for all: each epoch draws anew"),
        holds(not torch.equal(label, again), "two epochs came in the same order"),
        holds(not torch.equal(label, got["other"]), "self.seed is not handed on"),
    )


def val_epoch(lab, given):
    """One epoch of validation batches."""
    return epoch(toy_data(lab, given).val_dataloader())


@check("val-loader", "Validation batches", given=SPLITS, probe=val_epoch, returns=BATCHES)
def val_loader(given, got):
    """The validation images come in their own order and exactly as they are."""
    label, image = got["label"], got["image"]
    if not (found := complete(got)).ok:
        return found
    kept = torch.equal(image, given.val[label])
    return every(
        holds(not torch.equal(image, given.train[label]), "these are the training images"),
        holds(kept, "validation images were changed: augmentation is for training alone"),
        holds(torch.equal(label, torch.arange(20)), "validation images were shuffled"),
    )


def bend(p: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * p)) / 2


def cycle(step, steps, warmup=0.3, *, first=1 / 25, last=1e-4, way=bend, since=1) -> float:
    """What `one_cycle` must return, or what it gives when a part of it is another."""
    top = steps * warmup
    if step < top:
        return first + (1 - first) * way(step / top)
    return 1 + (last - 1) * way((step - since * top) / (steps - since * top))


def factors(g, warmup: float | None = None, **wrong: object) -> Tensor:
    """The factor of every step."""
    steps, warmup = int(g.steps), float(g.warmup) if warmup is None else warmup
    return torch.tensor([cycle(step, steps, warmup, **wrong) for step in range(steps + 1)])


@check(
    "one-cycle",
    "One-cycle schedule",
    given={"steps": integers(50, 100), "warmup": 0.3},
    expect=factors,
    mistakes={
        "these are straight lines: follow half a cosine": lambda g: factors(g, way=lambda p: p),
        "half a cosine is halved": lambda g: factors(g, way=lambda p: 2 * bend(p)),
        "1 + cos should be 1 - cos": lambda g: factors(g, way=lambda p: 1 - bend(p)),
        "π is missing": lambda g: factors(g, way=lambda p: bend(p / math.pi)),
        "the rate climbs and stays": lambda g: factors(g, last=1),
        "it climbs from 1/25, not from 0": lambda g: factors(g, first=0),
        "it falls to 1e-4, not to 0": lambda g: factors(g, last=0),
        "it falls to 1e-4, not to a 25th of that": lambda g: factors(g, last=1e-4 / 25),
        "the warm-up is the climb, not the fall": lambda g: factors(g, 1 - float(g.warmup)),
        "p of the fall is counted from the peak": lambda g: factors(g, since=0),
    },
)
def one_cycle(lab, given):
    """The factor climbs from 1/25 to 1 in the first 30 % of the steps, then falls to 1e-4."""
    steps, warmup = int(given.steps), float(given.warmup)
    return torch.tensor([lab.one_cycle(step, steps, warmup) for step in range(steps + 1)])


def rates(g, a_step: float = 1) -> Tensor:
    """The learning rate of 8 steps, when each moves the schedule by so much."""
    return g.lr * torch.tensor([cycle(math.floor(step * a_step), 8) for step in range(8)])


@check(
    "schedule",
    "The schedule moves with every step",
    given={"lr": uniform(low=0.01, high=0.1), "image": images(16)},
    expect=rates,
    mistakes={
        "the rate stood still within an epoch: what is the interval?": lambda g: rates(g, 1 / 4),
        "the rate never changes: the schedule is missing": lambda g: g.lr.expand(8),
        "the schedule is not handed over": lambda g: g.lr.expand(8) / 25,
        "LambdaLR multiplies by the rate itself: return the factor": lambda g: g.lr * rates(g),
    },
    depends_on=("conv2d", "residual", "one-cycle"),
)
def schedule(lab, given):
    """During training every step has the learning rate that `one_cycle` gives it."""
    model = lab.Model(widths=[4], classes=2, lr=float(given.lr))
    seen: list[float] = []
    model.on_fit_start = lambda: None  # no statistics are needed
    model.on_train_batch_start = lambda *_: seen.append(
        model.trainer.optimizers[0].param_groups[0]["lr"]
    )
    fit(model, BatchLoader({"image": given.image, "label": torch.arange(16) % 2}, 4), epochs=2)
    return torch.tensor(seen)

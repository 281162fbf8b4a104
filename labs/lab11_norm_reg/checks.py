"""The visible checks of lab 11, in the order of its tasks, and the driver of its break-it."""

import math
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Given, Outcome, check, driver, every, holds, integers, uniform
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance, words_in

Drawer = Callable[[torch.Generator], Tensor]
exact = partial(check, atol=1e-9, rtol=1e-9)
LIBRARY = {
    *("layer_norm", "group_norm", "rms_norm", "batch_norm", "instance_norm", "normalize"),
    *("LayerNorm", "GroupNorm", "RMSNorm", "dropout", "alpha_dropout", "Dropout"),
    *("cross_entropy", "CrossEntropyLoss", "autograd", "vjp", "requires_grad_"),
}
SHARE = uniform(low=0.2, high=0.4)


def doubles(*shape: int, mean: float = 0.0, std: float = 1.0) -> Drawer:
    """Draw float64 numbers from a normal distribution."""
    return lambda rng: mean + std * torch.randn(shape, generator=rng, dtype=torch.float64)


def own(function: Callable, *, but: str = "") -> Callable:
    """A learner's function, if it does not hand its task to the library."""
    if used := LIBRARY.intersection(words_in(function)) - {but}:
        raise ReturnedError(f"{min(used)} does the task for you: write it by hand")
    return function


def part(name: str, way: Callable[..., Arrays], **wrong: object) -> Callable[[Given], Arrays]:
    """What goes wrong in a way, as far as the array of that name is concerned."""
    return lambda given: {name: way(given, **wrong)[name]}


# Norms --------------------------------------------------------------------------------------------


def norm_of(given: Given, *, centred=True, n_less=0, eps="inside", dims=(-1,)) -> Arrays:
    """The norm y of `given.x` and its r, right or wrong in a classic way."""
    x, small = given.x, given.eps
    x = x - x.mean(dims, keepdim=True) if centred else x
    count = math.prod(x.shape[dim] for dim in dims) - n_less
    var = x.square().sum(dims, keepdim=True) / count
    sizes = {"inside": (var + small).sqrt(), "outside": var.sqrt() + small, "none": var.sqrt()}
    return {"y": x / sizes[eps], "r": 1 / sizes[eps]}


def wrong_norms(*, centred: bool) -> dict[str, Callable[[Given], Arrays]]:
    """Mistakes of both norms."""
    way = partial(norm_of, centred=centred)
    return {
        "eps is added to the root, not under it": partial(way, eps="outside"),
        "eps is missing": partial(way, eps="none"),
        "the statistics run over the batch, not along a row": part("y", way, dims=(0,)),
    }


ROWS = {"x": doubles(2, 2, 4, mean=2.0, std=1.5), "eps": uniform(low=0.1, high=0.5)}


@exact(
    "standardize",
    "Mean 0, variance 1",
    given=ROWS,
    expect=norm_of,
    mistakes={
        "the variance divides by F - 1, not by F": partial(norm_of, n_less=1),
        "the mean is not subtracted": lambda g: {"y": g.x * norm_of(g)["r"]},
        **wrong_norms(centred=True),
    },
)
def standardize(lab, given) -> Arrays:
    """`standardize` brings each row to mean 0 and variance 1, and returns what it scaled by."""
    return dict(zip(("y", "r"), own(lab.standardize)(given.x, float(given.eps)), strict=True))


def normed(rng: torch.Generator, *, centred: bool) -> Arrays:
    """Draw g, and y and r as the forward leaves them."""
    rows = Given({name: draw(rng) for name, draw in ROWS.items()})
    return {"g": doubles(2, 2, 4, mean=1.0)(rng), **norm_of(rows, centred=centred)}


def back(given: Given, *, common=True, along=1, by_y=True, r=True, total=False) -> Tensor:
    """The gradient of a norm with respect to x, right or wrong in a classic way."""
    g, y = given.g, given.y
    mean = partial(torch.sum if total else torch.mean, dim=-1, keepdim=True)
    found = g - mean(g) if common else g
    found = found - along * mean(g * y) * (y if by_y else 1)
    return found * given.r if r else found


def wrong_backs(*, common: bool) -> dict[str, Callable[[Given], Tensor]]:
    """Mistakes of both gradients."""
    way = partial(back, common=common)
    return {
        "r is missing": partial(way, r=False),
        "r is taken for constant: it depends on x, too": partial(way, along=0),
        "mean(g y) is not multiplied by y": partial(way, by_y=False),
        "the part along y is added: take it off": partial(way, along=-1),
        "sums stand where means should": partial(way, total=True),
    }


@exact(
    "standardize-backward",
    "Its gradient",
    given=partial(normed, centred=True),
    expect=back,
    mistakes={
        "the mean is taken for constant: it depends on x, too": partial(back, common=False),
        "mean and variance are taken for constants": partial(back, common=False, along=0),
        **wrong_backs(common=True),
    },
)
def standardize_backward(lab, given) -> Tensor:
    """`standardize_backward` takes a gradient back through mean and variance."""
    return own(lab.standardize_backward)(given.g, given.y, given.r)


@exact(
    "rms",
    "Mean square 1",
    given=ROWS,
    expect=partial(norm_of, centred=False),
    mistakes={
        "the mean is subtracted, which RMSNorm leaves out": norm_of,
        "the mean square is about 0, not about the mean": part("r", norm_of),
        "the sum of x² is not divided by F": partial(norm_of, centred=False, n_less=3),
        **wrong_norms(centred=False),
    },
)
def rms(lab, given) -> Arrays:
    """`rms` brings each row to mean square 1, and leaves its mean alone."""
    return dict(zip(("y", "r"), own(lab.rms)(given.x, float(given.eps)), strict=True))


@exact(
    "rms-backward",
    "Its gradient",
    given=partial(normed, centred=False),
    expect=partial(back, common=False),
    mistakes={
        "mean(g) is subtracted: there is no mean here to go back through": back,
        **wrong_backs(common=False),
    },
)
def rms_backward(lab, given) -> Tensor:
    """`rms_backward` takes a gradient back through the mean square."""
    return own(lab.rms_backward)(given.g, given.y, given.r)


PLACES, VECTORS = "x [B, C, T]", "x [B, C]"


def pictures(rng: torch.Generator) -> Arrays:
    """Draw float32 items with and without places, a mean for each channel, and an affine map."""
    draw = partial(torch.randn, generator=rng)
    items = {
        "x": draw(2, 4, 3) + draw(4, 1),
        "flat": torch.rand(2, 4, generator=rng) + torch.tensor([0.0, 2.0, 5.0, 3.0]),
    }
    numbers = {"groups": torch.tensor(2), "eps": torch.tensor(1e-5)}
    return {**items, "weight": draw(4), "bias": draw(4), **numbers}


def grouped(given: Given, *, by="groups", n_less=0, affine="both") -> Arrays:
    """Group norm of both inputs, right or wrong in a classic way."""
    groups = int(given.groups)

    def one(x: Tensor) -> Tensor:
        order = torch.arange(x.shape[1])
        order = order.view(-1, groups).T.flatten() if by == "strides" else order
        rows = x[:, order].reshape(len(x), groups, -1)
        dims = (0, 2) if by == "batch" else (2,)
        if by in ("channels", "items"):
            rows = x.reshape(len(x), x.shape[1] if by == "channels" else 1, -1)
        y = rows - rows.mean(dims, keepdim=True)
        count = math.prod(rows.shape[dim] for dim in dims) - n_less
        y = y / (y.square().sum(dims, keepdim=True) / count + given.eps).sqrt()
        y = y.reshape(x.shape)[:, order.argsort()]
        weight, bias = (v.view(-1, *[1] * (x.dim() - 2)) for v in (given.weight, given.bias))
        ways = {"both": y * weight + bias, "neither": y, "weight": y * weight}
        return {**ways, "bias first": (y + bias) * weight}[affine]

    return {PLACES: one(given.x), VECTORS: one(given.flat)}


@check(
    "group-norm",
    "Groups of channels",
    given=pictures,
    expect=grouped,
    mistakes={
        "a group is channels side by side, not every second one": partial(grouped, by="strides"),
        "the statistics run over the batch, too": partial(grouped, by="batch"),
        "each channel has statistics of its own": part(PLACES, grouped, by="channels"),
        "all channels are one group": partial(grouped, by="items"),
        "the variance divides by n - 1": part(PLACES, grouped, n_less=1),
        "weight and bias are missing": partial(grouped, affine="neither"),
        "the bias is missing": partial(grouped, affine="weight"),
        "the weight scales the bias, too: add the bias last": partial(grouped, affine="bias first"),
    },
    depends_on=("standardize",),
    atol=1e-3,
    rtol=1e-3,
)
def group_norm(lab, given) -> Arrays:
    """`group_norm` standardises each item's groups of channels, of pictures and of vectors."""
    function = own(lab.group_norm)
    numbers = int(given.groups), given.weight, given.bias, float(given.eps)
    return {PLACES: function(given.x, *numbers), VECTORS: function(given.flat, *numbers)}


FORM = "float32 [*, *, *]"
FLOATS = {"x": FORM, "weight": "float32 [*]", "bias": "float32 [*]", "eps": "float32 []"}


@driver("norm", given={**FLOATS, "groups": "int64 []"}, returns=FORM)
def norm(lab, given) -> Tensor:
    """How a case is fed to `group_norm`."""
    groups, eps = int(given["groups"]), float(given["eps"])
    return lab.group_norm(given["x"], groups, given["weight"], given["bias"], eps)


# Noise --------------------------------------------------------------------------------------------


def dropping(call: Callable[[], Tensor], tries: int = 20) -> Tensor:
    """The first call that drops anything: one draw for a whole batch may keep all of it."""
    outputs = (call() for _ in range(tries))
    first = next(outputs)
    return next((output for output in (first, *outputs) if (output == 0).any()), first)


def noise(function: Callable, given: Given) -> Arrays:
    """Two trainings' worth of noise, what is left in evaluation, and the first one's gradient."""
    p = float(given.p)
    torch.manual_seed(int(given.seed))
    x = given.x.requires_grad_()
    first, again = (dropping(partial(function, x, p, training=True)) for _ in range(2))
    calm = function(x, p, training=False)
    (gradient,) = torch.autograd.grad(first.sum(), x, allow_unused=True)
    gradient = torch.zeros_like(x) if gradient is None else gradient
    return {"training": first, "again": again, "evaluation": calm, "gradient": gradient}


def judge_noise(given: Given, got: Arrays, *, what: str) -> Outcome:
    """What is dropped is a share p, drawn anew, and what stays is scaled; faults by their name."""
    x, p = given.x, float(given.p)
    first, calm = got["training"], got["evaluation"]
    kept = first != 0
    share = float(kept.float().mean())
    near = partial(torch.allclose, rtol=1e-4, atol=1e-6)
    sizes = {
        "what stays is not divided by 1 - p": x,
    }
    dropped = f"for p = {p:.3g} a share of {1 - share:.3g} of the {what} is dropped"
    return every(
        holds(not near(calm, x * (1 - p)), "evaluation scales: training has divided by 1 - p"),
        holds(near(calm, x), "in evaluation nothing is dropped or scaled: return x"),
        holds(not kept.all(), "in training nothing is dropped"),
        holds(abs(share - p) > 0.05, "p is the share to drop, not to keep"),
        holds(abs(share - (1 - p)) < 0.05, dropped),
        *(holds(not near(first[kept], size[kept]), words) for words, size in sizes.items()),
        holds(near(first[kept], x[kept] / (1 - p)), "what stays must be x / (1 - p)"),
        holds(not torch.equal(kept, got["again"] != 0), "each call drops the same"),
        holds(near(got["gradient"], kept / (1 - p)), "the gradient is not that of what stays"),
    )


NOISE = {
    "x": lambda rng: 1 + torch.rand(1500, 2, 2, generator=rng),
    "p": SHARE,
    "seed": integers(0, 10_000),
}
NOISY = dict.fromkeys(("training", "again", "evaluation", "gradient"), "float32 [1500, 2, 2]")


def dropout_noise(lab, given) -> Arrays:
    """The noise of single numbers."""
    return noise(own(lab.dropout), given)


def path_noise(lab, given) -> Arrays:
    """The noise of whole items, for which a learner may call their own dropout."""
    return noise(own(lab.drop_path, but="dropout"), given)


@check("dropout", "Dropout", given=NOISE, probe=dropout_noise, returns=NOISY)
def dropout(given: Given, got: Arrays) -> Outcome:
    """`dropout` drops a share p of all numbers in training, keeps their mean, and rests after."""
    kept = got["training"] != 0
    alike = (kept == kept[:, :1, :1]).all() or (kept == kept[:1]).all()
    return every(
        holds(not alike or kept.all(), "each number must draw for itself"),
        judge_noise(given, got, what="numbers"),
    )


@check("drop-path", "Stochastic depth", given=NOISE, probe=path_noise, returns=NOISY)
def drop_path(given: Given, got: Arrays) -> Outcome:
    """`drop_path` drops a share p of the items in training, each of them whole or not at all."""
    kept = got["training"] != 0
    return every(
        holds((kept == kept[:1]).all() <= kept.all(), "all items are dropped, or none: draw B"),
        holds((kept == kept[:, :1, :1]).all(), "the numbers of an item must be dropped together"),
        judge_noise(given, got, what="items"),
    )


TRAINING, EVALUATION = "in training", "in evaluation"
STAND_INS = {
    "dropout": lambda x, p, *, training: x + p if training else x,
    "drop_path": lambda x, p, *, training: x * p if training else x,
}


def blocked(
    g: Given, *, p=None, rate=None, skip="x", norm="before", off=False, on=False, bend=F.relu
) -> Arrays:
    """A block's output with these stand-ins for noise, right or wrong in a classic way."""

    def mode(training: bool) -> Tensor:
        drop = (g.p if p is None else p) if training else 0
        scale = (g.rate if rate is None else rate) if training else 1
        n = F.layer_norm(g.x, g.x.shape[1:])
        inner = F.linear(n if norm == "before" else g.x, g.inner)
        y = F.linear(bend(inner) + drop, g.outer)
        if skip == "dropped":
            return scale * (g.x + y)
        y = scale * y + {"x": g.x, "none": 0, "normed": n}[skip]
        return F.layer_norm(y, y.shape[1:]) if norm == "after" else y

    return {TRAINING: mode(not off), EVALUATION: mode(on)}


@exact(
    "block",
    "A residual block",
    given={**dict.fromkeys(("x", "inner", "outer"), doubles(5, 5)), "p": SHARE, "rate": SHARE},
    expect=blocked,
    mistakes={
        "x is not added": partial(blocked, skip="none"),
        "drop_path takes x, too: drop the branch alone": partial(blocked, skip="dropped"),
        "x is added as the norm left it: add it as it came": partial(blocked, skip="normed"),
        "the ReLU is missing": partial(blocked, bend=lambda inner: inner),
        "the rates of dropout and drop_path are swapped": lambda g: blocked(g, p=g.rate, rate=g.p),
        "the norm comes after the sum, not first in the branch": partial(blocked, norm="after"),
        "the norm is missing": partial(blocked, norm="none"),
        "dropout is missing": partial(blocked, p=0),
        "drop_path is missing": partial(blocked, rate=1),
        "in training it is calm: pass training=self.training": partial(blocked, off=True),
        **{
            f"in evaluation {noisy} noisy: pass training=self.training": part(
                EVALUATION, blocked, on=True, **calm
            )
            for noisy, calm in {
                "it is": {},
                "dropout is": {"rate": 1},
                "drop_path is": {"p": 0},
            }.items()
        },
    },
)
def block(lab, given) -> Arrays:
    """A block adds to x what its branch makes of norm(x), with noise in training alone."""
    made = lab.Block(5, nn.LayerNorm(5), float(given.p), float(given.rate)).double()
    for name in ("inner", "outer"):
        layer = getattr(made, name)
        layer.weight.data, layer.bias.data = given[name], torch.zeros(5).double()
    with patch.multiple(lab, **STAND_INS):
        return {TRAINING: made.train()(given.x), EVALUATION: made.eval()(given.x)}


# Loss and weights ---------------------------------------------------------------------------------


def smooth(given: Given, *, total=False, targets="all", dim=1) -> Arrays:
    """The smoothed loss with p and targets, right or wrong in a classic way."""
    classes = given.logits.shape[1]
    hot, s = F.one_hot(given.label, classes).double(), float(given.smoothing)
    target = {
        "all": (1 - s) * hot + s / classes,
        "none": hot,
        "others": (1 - s) * hot + s / classes * (1 - hot),
        "spared": (1 - s) * hot + s / (classes - 1) * (1 - hot),
        "added": hot + s / classes,
    }[targets]
    log_p = given.logits.log_softmax(dim)
    loss = -(target * log_p).sum(1)
    loss = loss.sum() if total else loss.mean()
    return {"loss": loss.float(), "p": log_p.exp(), "target": target}


@check(
    "smoothing",
    "Smoothed labels",
    given={"logits": doubles(3, 4, std=2.0), "label": integers(0, 4, 3), "smoothing": SHARE},
    expect=smooth,
    mistakes={
        **{
            words: part("target", smooth, targets=targets)
            for targets, words in {
                "none": "the targets are not smoothed",
                "others": "smoothing / C is missing at the label: targets must add up to 1",
                "spared": "smoothing / (C - 1) goes to the others: add smoothing / C everywhere",
                "added": "the label's 1 must become 1 - smoothing: targets must add up to 1",
            }.items()
        },
        "the loss is summed over the batch, not averaged": partial(smooth, total=True),
        "the softmax runs over the batch, not over the classes": partial(smooth, dim=0),
    },
)
def smoothing(lab, given) -> Arrays:
    """`smooth_loss` is the cross-entropy with targets that are mixed with the uniform one."""
    loss, p, target = own(lab.smooth_loss)(given.logits, given.label, float(given.smoothing))
    return {"loss": loss.float(), "p": p, "target": target}


def probabilities(rng: torch.Generator) -> Arrays:
    """Draw g, the loss, p and targets, as the forward leaves them."""
    p, target = (doubles(3, 4)(rng).softmax(1) for _ in range(2))
    g, loss = 1.5 + torch.rand(2, generator=rng, dtype=torch.float64)
    return {"g": g, "loss": loss, "p": p, "target": target}


@exact(
    "smoothing-backward",
    "Its gradient",
    given=probabilities,
    expect=lambda g: g.g * (g.p - g.target) / 3,
    mistakes={
        "g is missing": lambda g: (g.p - g.target) / 3,
        "the target is missing": lambda g: g.g * g.p / 3,
        "the mean is over items, not over classes": lambda g: g.g * (g.p - g.target) / 4,
        "g is the gradient that comes, not the loss": lambda g: g.loss * (g.p - g.target) / 3,
    },
)
def smoothing_backward(lab, given) -> Tensor:
    """`smooth_loss_backward` is g times p - target, averaged over the batch."""
    return own(lab.smooth_loss_backward)(given.g, given.loss, given.p, given.target)


# Weight and bias of a layer, of a norm, of a convolution; the weight of a norm without bias.
TIMES = "times in a group"
MATRIX = torch.tensor([1, 0, 0, 0, 1, 0, 0], dtype=torch.bool)
WEIGHT = torch.tensor([1, 0, 1, 0, 1, 0, 1], dtype=torch.bool)


def decays(which: Tensor) -> Callable[[Given], Arrays]:
    """The decay of the seven parameters, where `which` are those that decay."""
    return lambda g: {"decay": g.decay * which}


@check(
    "decay-groups",
    "What decays",
    given={"decay": uniform(low=0.1)},
    expect=lambda g: {"decay": g.decay * MATRIX, TIMES: torch.ones(7)},
    mistakes={
        "everything decays: biases and norms must not": decays(MATRIX | True),
        "weights of norms decay: they have one dimension": decays(WEIGHT),
        "weights of convolutions do not decay": decays(torch.arange(7) == 0),
        "the two groups are swapped": decays(~MATRIX),
        "some parameters are in no group, and never learn": {TIMES: MATRIX.float()},
    },
)
def decay_groups(lab, given) -> Arrays:
    """`decay_groups` lets layers' weights decay, and spares biases and norms."""
    model = nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Conv1d(4, 2, 3), nn.RMSNorm(2))
    groups = instance(lab.decay_groups(model, float(given.decay)), list)
    if any({"params", "weight_decay"} - dict(group).keys() for group in groups):
        raise ReturnedError('each group is a dict with "params" and "weight_decay"')
    listed = [(id(p), group["weight_decay"]) for group in groups for p in group["params"]]
    found = [[decay for which, decay in listed if which == id(p)] for p in model.parameters()]
    return {
        "decay": torch.tensor([max(decays, default=-1.0) for decays in found]),
        TIMES: torch.tensor([float(len(decays)) for decays in found]),
    }


@exact(
    "l1-step",
    "A step towards 0",
    given={"weight": doubles(3, 4), "by": uniform(low=0.4, high=0.8)},
    expect=lambda g: F.softshrink(g.weight, float(g.by)),
    mistakes={
        "numbers near 0 must stop there": lambda g: g.weight - g.by * g.weight.sign(),
        "all must come nearer to 0, also large numbers": lambda g: (
            g.weight * (g.weight.abs() > g.by)
        ),
        "negative numbers must rise: step against the sign": lambda g: F.relu(g.weight - g.by),
        "that is decay, in proportion: all step by as much": lambda g: g.weight * (1 - g.by),
    },
)
def l1_step(lab, given) -> Tensor:
    """`soft_threshold` moves all numbers towards 0 by the same amount, none beyond it."""
    return lab.soft_threshold(given.weight, float(given.by))


# When to stop -------------------------------------------------------------------------------------


PATH = (0, -1, 1, 0.5, -2, 1, -2, 2, 1, 3, 4, 5)
EPOCHS = len(PATH)


def bumpy(rng: torch.Generator) -> Arrays:
    """Draw losses: better, worse twice, best, worse, as good, then never again."""
    start, step = 2 + torch.rand((), generator=rng), 0.1 + 0.1 * torch.rand((), generator=rng)
    return {"loss": start + step * torch.tensor(PATH), "patience": torch.tensor(3)}


STOP, KEPT = "stop after each epoch", "epoch of the kept weights"


def stopped(given: Given, *, reset=True, equal=False, late=0, before=False) -> Arrays:
    """When it stops and what it keeps, right or wrong in a classic way."""
    least, waited, best, stop, patience = math.inf, 0, -1.0, [], int(given.patience)
    for epoch, loss in enumerate(given.loss.tolist()):
        better = loss < least or (equal and loss == least)
        least = loss if before else min(least, loss)
        waited = (0 if reset else waited) if better else waited + 1
        best = float(epoch) if better else best
        stop.append(0 < patience <= waited - late)
    return {STOP: torch.tensor(stop), KEPT: torch.tensor(best)}


@check(
    "early-stopping",
    "When to stop",
    given=bumpy,
    expect=stopped,
    mistakes={
        "an equal loss is no better: compare with <": part(STOP, stopped, equal=True),
        "self.waited is not set to 0 when a loss is better": part(STOP, stopped, reset=False),
        "it stops an epoch late": part(STOP, stopped, late=1),
        "it stops an epoch early": part(STOP, stopped, late=-1),
        "a loss is held against the one before, not the least": part(STOP, stopped, before=True),
        "it never stops": {STOP: torch.zeros(EPOCHS, dtype=torch.bool)},
        "the kept weights change as training goes on: clone() them": {KEPT: float(EPOCHS)},
        "the last weights are kept, not the best": {KEPT: EPOCHS - 1.0},
    },
)
def early_stopping(lab, given) -> Arrays:
    """It stops when `patience` epochs in a row were no better, and has the best one's weights."""
    stopping = lab.EarlyStopping(int(given.patience))
    weights, stop = {"w": torch.zeros(2)}, []
    for epoch, loss in enumerate(given.loss.tolist()):
        weights["w"].fill_(epoch)  # in place, as training does
        stop.append(bool(stopping.update(loss, weights)))
    weights["w"].fill_(len(stop))
    if "w" not in stopping.best:
        raise ReturnedError("self.best is empty: keep copies of the weights there, by name")
    return {STOP: torch.tensor(stop), KEPT: stopping.best["w"][0]}


LABEL = integers(0, 3, 6)


class Moody(nn.Module):
    """A model whose logits come out upside down in training mode."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def predict(self, batch: Arrays) -> Tensor:
        """The logits of a batch."""
        return batch["image"] @ self.weight * (-1 if self.training else 1)


def gap_of(g: Given, *, mood=1) -> Tensor:
    """The loss on val minus that on train, where training mode's mood is -1."""
    val = F.cross_entropy(mood * g.val @ g.weight, g.label.flip(0))
    return (val - F.cross_entropy(mood * g.train @ g.weight, g.label)).float()


NO_TRACE = {
    "stays in training mode": "the model is left in evaluation mode, and trains on without noise",
    "stays in evaluation mode": "the model is left in training mode, though it came in evaluation",
    "has no graph": "gradients are recorded: use torch.no_grad()",
}


def surprises(rng: torch.Generator) -> Arrays:
    """Draw two splits of which the model knows the second better, so that the gap is negative."""
    splits = {"train": doubles(6, 4)(rng), "val": doubles(6, 4)(rng)}
    drawn = {**splits, "weight": doubles(4, 3)(rng), "label": LABEL(rng)}
    if gap_of(Given(drawn)) < 0:
        return drawn
    return {**drawn, "train": splits["val"].flip(0), "val": splits["train"].flip(0)}


@check(
    "gap",
    "The gap",
    given=surprises,
    expect=lambda g: {
        "gap": gap_of(g),
        **dict.fromkeys(NO_TRACE, True),
    },
    mistakes={
        "a gap can be negative: no abs": lambda g: {"gap": gap_of(g).abs()},
        "the model is in training mode: call model.eval()": lambda g: {"gap": gap_of(g, mood=-1)},
        **{words: {name: False} for name, words in NO_TRACE.items()},
    },
)
def gap(lab, given) -> Arrays:
    """`gap` is the loss on val minus that on train, in evaluation mode, and leaves no trace."""
    train = {"image": given.train, "label": given.label}
    val = {"image": given.val, "label": given.label.flip(0)}
    model = Moody(given.weight).train()
    found, stays = instance(lab.gap(model, train, val), Tensor), model.training
    lab.gap(model.eval(), train, val)
    traces = stays, not model.training, not found.requires_grad
    return {"gap": found.float(), **dict(zip(NO_TRACE, map(torch.tensor, traces), strict=True))}

"""The visible checks of lab 05, in the order of its tasks.

A precision is told by its fraction bits: 23 in float32, 10 in float16, 7 in bfloat16.
"""

import math
from collections.abc import Callable, Collection
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Given, check, integers, normal, uniform

LOW: Literal["low"] = "low"  # whichever lower precision is asked for
LOWS = (torch.bfloat16, torch.float16)
Cast = torch.dtype | Literal["low"] | None
Answer = Callable[[Given], Arrays]


def fraction_bits(dtype: torch.dtype | None) -> int:
    """The bits behind the point; 0 where there is no dtype."""
    return 0 if dtype is None else round(-math.log2(torch.finfo(dtype).eps))


# What computes in which precision -----------------------------------------------------------------

PRODUCTS = ["linear", "matmul", "bmm", "conv2d"]
NORMS = ["layer_norm", "batch_norm"]
LOSSES = ["cross_entropy", "nll_loss", "mse_loss"]
SUMS = ["softmax", "log_softmax", "exp", "log", "sum"]
OTHERS = ["relu", "add", "reshape", "dropout", ""]


def precisions(choose: Callable[[str, torch.dtype], torch.dtype | None]) -> Arrays:
    """The fraction bits of what is chosen for each operation, with either lower precision."""
    chosen = {
        f"precision_of({name!r}, {low})": choose(name, low)
        for low, name in product(LOWS, PRODUCTS + SUMS + NORMS + LOSSES + OTHERS)
    }
    return {
        f"the fraction bits (None has 0) of {call}": torch.tensor(fraction_bits(dtype))
        for call, dtype in chosen.items()
    }


def listed(
    products: Cast = LOW, low: Collection[str] = (), none: Collection[str] = OTHERS
) -> Arrays:
    """The choices when products compute so, these operations in 16 bits, and those as they come."""

    def choose(name: str, lower: torch.dtype) -> torch.dtype | None:
        if name in PRODUCTS:
            return lower if products == LOW else products
        return lower if name in low else None if name in none else torch.float32

    return precisions(choose)


@check(
    "keep-list",
    "What computes in which precision",
    expect=listed(),
    mistakes={
        "this is bfloat16 always: return `low`": listed(torch.bfloat16),
        "this is float16 always: return `low`": listed(torch.float16),
        "products of matrices stay in float32: nothing is gained": listed(torch.float32),
        "losses compute in 16 bits: they are on the keep-list": listed(low=LOSSES),
        "norms compute in 16 bits: they are on the keep-list": listed(low=NORMS),
        "exponentials, logarithms and sums overflow in 16 bits: keep them": listed(low=SUMS),
        "what is on neither list gets None": listed(low=OTHERS),
        "the losses are missing from the keep-list": listed(none=OTHERS + LOSSES),
        "the norms are missing from the keep-list": listed(none=OTHERS + NORMS),
        "nothing is kept in float32": listed(none=OTHERS + SUMS + NORMS + LOSSES),
        "None is missing: what is on neither list takes what it gets": listed(none=()),
    },
)
def keep_list(lab, _given):
    """Products of matrices compute in the lower precision; softmax, norms and losses in float32."""
    return precisions(lab.precision_of)


def to(dtype: torch.dtype | None, *values: Tensor) -> list[Tensor]:
    """The values in a dtype; as they are for None."""
    return [value if dtype is None else value.to(dtype) for value in values]


def operations(
    given: Given, low: torch.dtype, product: Cast = None, kept: Cast = None, rest: Cast = None
) -> Arrays:
    """An operation of each kind, what it reads being cast first."""
    product, kept, rest = (low if dtype == LOW else dtype for dtype in (product, kept, rest))
    logits = given[f"logits ({low})"]
    (x, weight), (z,) = to(product, given.x, given.weight), to(kept, logits)
    found = {
        "linear": F.linear(x, weight),
        "linear with keywords": F.linear(input=x, weight=weight),
        "softmax": F.softmax(z, dim=1),
        "cross_entropy": F.cross_entropy(z, given.label),
        "relu of 16 bits": torch.relu(*to(rest, logits)),
        "relu of float32": torch.relu(*to(rest, given.x)),
        "a sum of whole numbers": given.label.sum(),
    }
    return {f"{name} ({low})": value for name, value in found.items()}


def computed(
    product: Cast = LOW, kept: Cast = torch.float32, rest: Cast = None, only: str = ""
) -> Answer:
    """The operations in both lower precisions, or those whose names hold a word."""
    return lambda given: {
        name: value
        for low in LOWS
        for name, value in operations(given, low, product, kept, rest).items()
        if only in name
    }


def ninth_bit(*shape: int) -> Callable[[torch.Generator], Tensor]:
    """Draw numbers of nine bits: bfloat16 must round them, and float32 adds up their products."""
    return lambda rng: (2 * torch.randint(-255, 256, shape, generator=rng) + 1) / 256


@check(
    "autocast",
    "Inputs are cast as they are read",
    given={
        "x": ninth_bit(5, 8),
        "weight": ninth_bit(4, 8),
        "label": integers(0, 4, 5),
        "logits (torch.bfloat16)": lambda rng: normal(5, 4)(rng).bfloat16(),
        "logits (torch.float16)": lambda rng: normal(5, 4)(rng).half(),
    },
    expect=computed(),
    mistakes={
        "nothing is cast": computed(None, None),
        "the result is cast in place of the inputs": lambda g: {
            "linear (torch.bfloat16)": F.linear(g.x, g.weight).bfloat16()
        },
        "the keep-list is cast down as well: cast to what precision_of says": computed(kept=None),
        "all is cast to float32: cast to what precision_of says": computed(torch.float32),
        "this is bfloat16 always: the lower precision is self.dtype": computed(torch.bfloat16),
        "this is float16 always: the lower precision is self.dtype": computed(torch.float16),
        "None says to cast nothing": computed(rest=LOW, only="relu of float32"),
        "the values of kwargs are not cast": computed(None, None, only="keywords"),
        "args are not cast": computed(None, None, only="softmax"),
    },
    depends_on=("keep-list",),
)
def autocast(lab, given):
    """In the block each operation's float inputs are cast, whole numbers and the rest are not."""
    found = {}
    for low in LOWS:
        with lab.Autocast(low):
            found |= operations(given, low)
    return found


# Where it goes ------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    """A perceptron with a norm: float32 [B, 96] to [B, 10]."""
    layers = nn.Linear(96, 128), nn.ReLU(), nn.Linear(128, 64), nn.LayerNorm(64), nn.Linear(64, 10)
    return nn.Sequential(*layers)


def batches(*counts: int) -> Callable[[torch.Generator], Arrays]:
    """Draw the network's parameters, and batches of 32 whose labels can be learned."""

    def draw(rng: torch.Generator) -> Arrays:
        state = network().state_dict()
        for name, value in state.items():
            if value.dim() > 1:
                value.normal_(std=value.shape[1] ** -0.5, generator=rng)
            else:
                value.fill_(name == "3.weight")
        x, rule = (torch.randn(shape, generator=rng) for shape in ((*counts, 32, 96), (96, 10)))
        return {**state, "x": x, "label": (x @ rule).argmax(-1)}

    return draw


def with_parameters(given: Given) -> nn.Sequential:
    """The network with the given parameters."""
    net = network()
    net.load_state_dict({name: given[name] for name in net.state_dict()})
    return net


def loss_in(low: torch.dtype, given: Given) -> Tensor:
    """The network's loss: products in the lower precision, norm and loss in float32."""

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(*to(low, x, given[f"{name}.weight"], given[f"{name}.bias"]))

    x = linear("2", linear("0", given.x).relu()).float()
    x = F.layer_norm(x, (64,), given["3.weight"], given["3.bias"])
    return F.cross_entropy(linear("4", x).float(), given.label)


WIDTHS = "the fraction bits of five layers' results, of the loss and of a weight"


def widths(pattern: Callable[[int], list[int]]) -> Arrays:
    """The fraction bits, with either lower precision: `pattern` is told how many that has."""
    return {f"{WIDTHS} ({low})": torch.tensor(pattern(fraction_bits(low))) for low in LOWS}


def losses(given: Given, factor: float = 1) -> Arrays:
    """The loss in either lower precision, times a factor."""
    return {f"the loss ({low})": factor * loss_in(low, given) for low in LOWS}


@check(
    "region",
    "Where autocast goes",
    given=batches(),
    expect=lambda g: {**losses(g), **widths(lambda low: [low, low, low, 23, low, 23, 23])},
    mistakes={
        "the network stands outside of the block": widths(lambda low: 7 * [23]),
        "the loss stands behind the block": widths(lambda low: [low, low, low, 23, low, low, 23]),
        "the network itself is cast, for good: no float32 weights are left": widths(
            lambda low: [low, low, low, low, low, 23, low]
        ),
        "this is bfloat16 always": widths(lambda low: [7, 7, 7, 23, 7, 23, 23]),
        "this is float16 always": widths(lambda low: [10, 10, 10, 23, 10, 23, 23]),
        "this is the sum over the batch, not its mean": lambda g: losses(g, 32),
    },
    rtol=0.02,
    grad=True,
    depends_on=("autocast",),
)
def region(lab, given):
    """Linear layers give 16 bits, the norm and the loss float32; the weights stay float32."""
    found = {}
    for low in LOWS:
        net, seen = with_parameters(given), []
        for layer in net:
            layer.register_forward_hook(lambda _layer, _x, y, seen=seen: seen.append(y.dtype))
        loss = lab.mixed_loss(net, given.x, given.label, low)
        bits = [fraction_bits(dtype) for dtype in (*seen, loss.dtype, net[0].weight.dtype)]
        found |= {f"the loss ({low})": loss.float(), f"{WIDTHS} ({low})": torch.tensor(bits)}
    return found


# The loss scaler ----------------------------------------------------------------------------------

FINITE, FAR = "the answer to finite gradients", "the answer to finite gradients of 3e38"
STREAM = "the answer to a nan, when the parameters come from a generator"
OVERFLOWS = {
    f"the answer to {word} in the {('first', 'last')[index]} gradient": (index, value)
    for word, value in {"an inf": math.inf, "a minus inf": -math.inf, "a nan": math.nan}.items()
    for index in (0, 1)
}
DIVIDED = ("the first gradient", "the last gradient", "a gradient from a generator")


def taken(word: str) -> dict[str, bool]:
    """The answers of one who takes overflows for finite whose description holds a word."""
    return {name: word in name for name in OVERFLOWS}


@check(
    "unscale",
    "Unscaling, and finding an overflow",
    given={"a": normal(3, 4), "b": normal(5), "power": integers(3, 12), "place": integers(0, 5)},
    expect=lambda g: {
        **dict(zip(DIVIDED, (g.a / 2**g.power, g.b / 2**g.power, g.b / 2**g.power), strict=True)),
        FINITE: True,
        FAR: True,
        STREAM: False,
        **taken("nothing"),
    },
    mistakes={
        "multiplied by the scale once more": lambda g: {DIVIDED[0]: g.a * 2**g.power},
        "as they were: divide them in place": lambda g: {DIVIDED[0]: g.a},
        "only the first gradient is divided": lambda g: {DIVIDED[1]: g.b},
        "True stands for an overflow: it should stand for none": {FINITE: False, **taken("")},
        "only the last gradient is looked at": taken("first"),
        "only the first gradient is looked at": taken("last"),
        "one finite number is taken for all of them": taken(""),
        "inf is not looked for": taken("inf"),
        "nan is not looked for": taken("nan"),
        "a minus inf goes through": taken("minus"),
        "numbers may be finite and their sum not: look at each": {FAR: False},
        "pass over `parameters` only once: make a list first": {STREAM: True},
        "pass over `parameters` only once: none was left to divide": lambda g: {DIVIDED[2]: g.b},
    },
    atol=0,
)
def unscale(lab, given):
    """`unscale` divides every gradient by the scale and notices a single inf, -inf or nan."""
    a, b, idle = (nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (5,), (2,)))

    def said(*gradients: Tensor, among=list):
        a.grad, b.grad = (gradient.clone() for gradient in gradients)
        answer = lab.LossScaler(scale=float(2**given.power)).unscale(among([idle, a, b]))
        return answer if answer is None else torch.tensor(bool(answer))

    def spoilt(value, bad):
        return value.flatten().index_fill(0, given.place, bad).view_as(value)

    found = {FAR: said(torch.full((3, 4), 3e38), given.b)}
    found |= {STREAM: said(spoilt(given.a, math.nan), given.b, among=iter), DIVIDED[2]: b.grad}
    found |= {FINITE: said(given.a, given.b), DIVIDED[0]: a.grad, DIVIDED[1]: b.grad}
    for name, (index, bad) in OVERFLOWS.items():
        pair = (spoilt(given.a, bad), given.b), (given.a, spoilt(given.b, bad))
        found[name] = said(*pair[index])
    return found


NUMBERS = ("scale", "growth", "backoff", "interval")


def scales(
    given: Given, *, late: int = 0, ends: str = "both", many: bool = False, **numbers: object
):
    """The scale at first and after each step; `numbers` replace those that are given.

    `ends` says what ends a row of good steps; with `many` each step after a row grows as well.
    """
    scale, growth, backoff, interval = (float(numbers.get(n, given[n])) for n in NUMBERS)
    found, good = [scale], 0
    for finite in given.finite.tolist():
        good += finite
        if not finite:
            scale, good = scale * backoff, good if ends == "growth" else 0
        elif good == interval + late or (many and good > interval):
            scale, good = scale * growth, good if ends == "overflow" else 0
        found.append(scale)
    return torch.tensor(found, dtype=torch.float64)


def twenty_steps(rng: torch.Generator) -> Arrays:
    """Draw steps of which some overflow, and others are good for longer than an interval."""
    fixed = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1]).bool()
    finite = torch.cat([fixed, torch.rand(7, generator=rng) < 0.85])
    numbers = torch.tensor([1024, 2, 0.5, 3])
    return {"finite": finite, **dict(zip(NUMBERS, numbers, strict=True))}


@check(
    "update",
    "The scaler's state machine",
    given=twenty_steps,
    expect=scales,
    mistakes={
        "the scale never backs off": lambda g: scales(g, backoff=1),
        "the scale never grows": lambda g: scales(g, growth=1),
        "the scale never changes": lambda g: scales(g, growth=1, backoff=1),
        "the scale grows one good step late": lambda g: scales(g, late=1),
        "the scale grows one good step early": lambda g: scales(g, late=-1),
        "the scale grows after each good step": lambda g: scales(g, interval=1),
        "an overflow must end the row of good steps": lambda g: scales(g, ends="growth"),
        "growth must end the row: it grew once for all": lambda g: scales(g, ends="overflow"),
        "growth must end the row: it goes on and on": lambda g: scales(
            g, ends="overflow", many=True
        ),
        "growth and back-off are mixed up": lambda g: scales(g, growth=g.backoff, backoff=g.growth),
        "`finite` is taken for an overflow": lambda g: scales(g | {"finite": ~g.finite}),
    },
    atol=0,
)
def update(lab, given):
    """The scale backs off at each overflow, and grows after `interval` good steps in a row."""
    scaler = lab.LossScaler(*(float(given[n]) for n in NUMBERS[:3]), interval=int(given.interval))
    found = [scaler.scale]
    for sound in given.finite.tolist():
        scaler.update(sound)
        found.append(scaler.scale)
    return torch.tensor(found, dtype=torch.float64)


# The step -----------------------------------------------------------------------------------------

LR, SCALES = 0.5, (256.0, 256.0, 128.0, 128.0)  # the scale with which each step begins
MOVED, RETURNED, SCALED = "weights and biases after each step", "what it returned", "the scale"
WHOLE = "whether the weights are finite in the end"
Clip = Callable[[Tensor, float, float], Tensor]


def four_batches(rng: torch.Generator) -> Arrays:
    """Draw a layer, a tame batch, one whose scaled gradients overflow while its loss does not, one
    that needs clipping, and another.
    """
    x = torch.randn(4, 16, 6, generator=rng) * torch.tensor([0.2, 1, 20, 1])[:, None, None]
    label = torch.randint(4, (4, 16), generator=rng)
    x[1, :2], label[1, :2] = 3e37 * x[1, 0].sign(), torch.tensor([0, 1])
    layer = torch.randn(4, 7, generator=rng) / 100
    return {"layer": layer, "x": x, "label": label, "max_norm": torch.tensor(1.0)}


def shrunk(gradient: Tensor, most: float) -> Tensor:
    """The gradient, its norm at most `most`."""
    return gradient * (most / (gradient.norm() + 1e-6)).clamp(max=1)


def moved(clip: Clip = lambda g, s, c: shrunk(g, c)) -> Answer:
    """Weights and biases [4, 7] after each step; `clip` makes the optimiser's gradient of it."""

    def answer(given: Given) -> Arrays:
        layer, found = given.layer, []
        for x, label, scale in zip(given.x, given.label, SCALES, strict=True):
            leaf = layer.clone().requires_grad_()
            loss = F.cross_entropy(F.linear(x, leaf[:, :6], leaf[:, 6]), label)
            gradient = torch.autograd.grad(scale * loss, leaf)[0] / scale
            if gradient.isfinite().all():
                layer = layer - LR * clip(gradient, scale, float(given.max_norm))
            found.append(layer)
        return {MOVED: torch.stack(found)}

    return answer


CLIPS: dict[str, Clip] = {
    "the optimiser sees gradients of the scaled loss: unscale": lambda g, s, c: shrunk(s * g, c),
    "clipped before unscaling: the norm was too large": lambda g, s, c: shrunk(s * g, c) / s,
    "the gradients are not clipped": lambda g, s, c: g,
    "each parameter is clipped by itself: there is one norm, of all together": lambda g, s, c: (
        torch.cat([shrunk(g[:, :6], c), shrunk(g[:, 6:], c)], 1)
    ),
    "each number is clipped by itself: clip the norm": lambda g, s, c: g.clamp(-c, c),
    "divided by the scale once too often": lambda g, s, c: shrunk(g / s, c),
    "the parameters never move: let the optimiser step": lambda g, s, c: 0 * g,
}


@check(
    "step",
    "A step, and a step that is skipped",
    given=four_batches,
    expect=lambda g: {
        **moved()(g),
        RETURNED: [True, False, True, True],
        WHOLE: True,
        SCALED: [256.0, 128.0, 128.0, 256.0],
    },
    mistakes={
        **{words: moved(clip) for words, clip in CLIPS.items()},
        "a step with infinite gradients was taken: the weights are nan": {WHOLE: False},
        "the loss is not scaled: its scaled gradients would have overflowed": {
            RETURNED: [True] * 4,
            SCALED: [256.0, 512.0, 512.0, 1024.0],
        },
        "the skipped step is reported as taken": {RETURNED: [True] * 4},
        "True stands for a step that was skipped": {RETURNED: [False, True, False, False]},
        "the scaler is told nothing: update it after each step": {SCALED: [256.0] * 4},
        "the scaler is told of good steps alone": {SCALED: [256.0, 256.0, 512.0, 512.0]},
        "the scaler is told of overflows alone": {SCALED: [256.0, 128.0, 128.0, 128.0]},
    },
    depends_on=("unscale", "update"),
)
def step(lab, given):
    """A step moves the weights as without scaling; one that overflows changes only the scale."""
    net = nn.Linear(6, 4)
    net.load_state_dict({"weight": given.layer[:, :6], "bias": given.layer[:, 6]})
    parameters = list(net.parameters())
    optimizer, scaler = torch.optim.SGD(parameters, LR), lab.LossScaler(scale=256.0, interval=2)
    found, returned, scale = [], [], []
    for x, label in zip(given.x, given.label, strict=True):
        loss = F.cross_entropy(net(x), label)
        returned.append(lab.step(loss, parameters, optimizer, scaler, float(given.max_norm)))
        found.append(torch.cat([net.weight, net.bias[:, None]], 1).detach())
        scale.append(scaler.scale)
    said = None if None in returned else torch.tensor(returned)
    whole = found[-1].isfinite().all()
    return {MOVED: torch.stack(found), RETURNED: said, SCALED: torch.tensor(scale), WHOLE: whole}


# Parameters of 16 bits ----------------------------------------------------------------------------


@check(
    "master-copies",
    "Copies in float32",
    given={"weight": uniform(6, low=1, high=2)},
    expect=lambda g: {
        "the copy of a bfloat16 parameter": g.weight.bfloat16().float(),
        "the copy of a float32 parameter": g.weight,
        "that parameter after its copy was moved": g.weight,
        "the fraction bits of both copies": [23, 23],
        "whether they hang on the graph": [False, False],
    },
    mistakes={
        "copies are as narrow as the parameters": {"the fraction bits of both copies": [7, 23]},
        "both copies are 16 bits wide": {"the fraction bits of both copies": [7, 7]},
        "rounded on its way": lambda g: {"the copy of a float32 parameter": g.weight.bfloat16()},
        "copies carry their history: detach them": {"whether they hang on the graph": [True, True]},
        "this is the parameter itself, which float() does not copy": lambda g: {
            "that parameter after its copy was moved": g.weight + 1
        },
    },
    atol=0,
    rtol=0,
)
def master_copies(lab, given):
    """The copies are float32, equal the parameters, and share neither memory nor history."""
    low = [nn.Parameter(given.weight.bfloat16()), nn.Parameter(given.weight.clone())]
    high = lab.MasterWeights(low, lambda _copies: None).high
    copies = [copy.detach().clone().float() for copy in high]
    with torch.no_grad():
        high[1].add_(1)
    return {
        "the copy of a bfloat16 parameter": copies[0],
        "the copy of a float32 parameter": copies[1],
        "that parameter after its copy was moved": low[1].detach(),
        "the fraction bits of both copies": torch.tensor([fraction_bits(h.dtype) for h in high]),
        "whether they hang on the graph": torch.tensor([not h.is_leaf for h in high]),
    }


STEPS, SMALL, LAST = 200, 1e-3, 100
ONCE = "a parameter that has a gradient in the first step alone"


def ended(small: float = STEPS - 1, last: float = LAST, once: float = 1) -> Answer:
    """The parameters after so many small steps, a last one so large, and so many of the other."""
    return lambda g: {
        "the parameter": (g.weight.bfloat16() - SMALL * (small + last) * g.gradient).bfloat16(),
        ONCE: (1 - SMALL * LAST * once * torch.ones(2)).bfloat16(),
    }


@check(
    "master-step",
    "Small steps add up",
    given={"weight": uniform(6, low=1, high=2), "gradient": uniform(6, low=-1.5, high=1.5)},
    expect=ended(),
    mistakes={
        "the parameters never hear of their copies": ended(0, 0, 0),
        "small steps are rounded away: move the copies, and never round those": ended(small=0),
        "the parameters are a step behind: round them after the optimiser's": ended(last=0),
        "gradients pile up in the copies": lambda g: {
            "the parameter": ended(sum(range(STEPS)), STEPS - 1 + LAST)(g)["the parameter"]
        },
        "the copy keeps the last gradient of a parameter that has none": ended(once=STEPS),
    },
    atol=0,
    rtol=0.01,
    depends_on=("master-copies",),
)
def master_step(lab, given):
    """200 steps, each too small for bfloat16, move a parameter as far as they do in float32."""
    once = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    low, once.grad = nn.Parameter(given.weight.bfloat16()), LAST * torch.ones_like(once)
    master = lab.MasterWeights([once, low], lambda copies: torch.optim.SGD(copies, SMALL))
    for number in range(STEPS):
        low.grad = (given.gradient * (LAST if number == STEPS - 1 else 1)).bfloat16()
        master.step()
        once.grad = None
    return {"the parameter": low.detach(), ONCE: once.detach()}

"""The visible checks of lab 10, in the order of its tasks.

A rule is followed over a hundred steps along gradients that are drawn, in float64, and must arrive
where PyTorch's arrives. What wrong rules do is written out once more, with a switch a mistake.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given, Outcome, check, every, holds, integers, uniform
from dllab.checks.tools import fit, instance
from dllab.data import BatchLoader

EXACT = {"atol": 1e-9, "rtol": 1e-9}
Drawer = Callable[[torch.Generator], Tensor]
Move = Callable[[Tensor, Tensor, dict], Tensor]


def doubles(*shape: int) -> Drawer:
    """Draw float64 numbers from a normal distribution."""
    return lambda rng: torch.randn(shape, generator=rng, dtype=torch.float64)


def between(low: float, high: float) -> Drawer:
    """Draw one float64 number from [low, high)."""
    return lambda rng: low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64)


# Where the weights begin --------------------------------------------------------------------------


LINEAR, CONV, SERIES = "a linear layer", "a convolution of images", "a convolution of series"


@check(
    "fans",
    "Inputs and outputs of a weight",
    given={"linear": integers(2, 99, 2), "conv": integers(2, 9, 4), "signal": integers(2, 9, 3)},
    expect=lambda g: {
        LINEAR: g.linear.flip(0),
        CONV: g.conv[:2].flip(0) * g.conv[2:].prod(),
        SERIES: g.signal[:2].flip(0) * g.signal[2],
    },
    mistakes={
        "fan_in and fan_out are swapped: a weight is [out, in]": lambda g: {LINEAR: g.linear},
        "the kernel's places are not counted": lambda g: {CONV: g.conv[:2].flip(0)},
        "only fan_in counts the kernel's places": lambda g: {
            CONV: torch.stack([g.conv[1:].prod(), g.conv[0]])
        },
        "one side of the kernel is left out": lambda g: {CONV: g.conv[:2].flip(0) * g.conv[2]},
    },
)
def fans(lab, given) -> Arrays:
    """`fans` tells how many inputs an output sums over, and how many outputs an input goes to."""
    shapes = {LINEAR: given.linear, CONV: given.conv, SERIES: given.signal}
    return {name: torch.tensor(lab.fans(shape.tolist())) for name, shape in shapes.items()}


OUT, IN = 300, 500
UNIFORM, NORMAL = 3**-0.5, 0.6827  # of either, the share within one deviation


def filled(lab, given, *, by: str) -> Arrays:
    """What a weight [300, 500] looks like when it is filled, and one of a convolution."""
    torch.manual_seed(int(given.seed))
    weight, kernel = torch.full((OUT, IN), 7.0), torch.full((100, 60, 5, 5), 7.0)
    for one in (weight, kernel):
        getattr(lab, by)(one)
    return {
        "the mean": weight.mean(),
        "the deviation": weight.std(),
        "the share within one deviation": (weight.abs() < weight.std()).float().mean(),
        "the deviation in a convolution [100, 60, 5, 5]": kernel.std(),
    }


def looks(variance: float, variance_of_conv: float, share: float) -> dict[str, float]:
    """What a filled weight must look like."""
    return {
        "the mean": 0.0,
        "the deviation": variance**0.5,
        "the share within one deviation": share,
        "the deviation in a convolution [100, 60, 5, 5]": variance_of_conv**0.5,
    }


FILLED = {
    "atol": {"the mean": 0.001, "the share within one deviation": 0.02},
    "rtol": {"the deviation": 0.02, "the deviation in a convolution [100, 60, 5, 5]": 0.02},
}
SEED = {"seed": integers(0, 10_000)}


@check(
    "xavier",
    "Xavier's initialisation",
    given=SEED,
    expect=looks(2 / (OUT + IN), 2 / 4000, UNIFORM),
    mistakes={
        "the weight is as it was: fill it in place": {"the mean": 7.0},
        "6 / (fan_in + fan_out) is a²: a is its root": {"the deviation": 6 / (OUT + IN) / 3**0.5},
        "a is the deviation: from -a to a it is a / √3": {
            "the deviation": (2 / (OUT + IN) / 3) ** 0.5
        },
        "numbers go from 0 to a, not from -a to a": {"the mean": (6 / (OUT + IN)) ** 0.5 / 2},
        "1 / fan_in looks at the inputs alone": {"the deviation": (1 / IN) ** 0.5},
        "the numbers are normal, not uniform": {"the share within one deviation": NORMAL},
    },
    **FILLED,
    depends_on=("fans",),
)
def xavier(lab, given) -> Arrays:
    """`xavier` draws uniformly, with variance 2 / (fan_in + fan_out)."""
    return filled(lab, given, by="xavier")


@check(
    "he",
    "He's initialisation",
    given=SEED,
    expect=looks(2 / IN, 2 / 1500, NORMAL),
    mistakes={
        "the weight is as it was: fill it in place": {"the mean": 7.0},
        "2 / fan_in is the variance: normal_ wants its root": {"the deviation": 2 / IN},
        "2 / fan_out is for the way back": {"the deviation": (2 / OUT) ** 0.5},
        "1 / fan_in forgets that a ReLU takes half": {"the deviation": (1 / IN) ** 0.5},
        "the numbers are uniform, not normal": {"the share within one deviation": UNIFORM},
    },
    **FILLED,
    depends_on=("fans",),
)
def he(lab, given) -> Arrays:
    """`he` draws normally, with variance 2 / fan_in."""
    return filled(lab, given, by="he")


def through_twenty(lab, given) -> Arrays:
    """The deviation of what each of 20 layers of 1,024 hands to its ReLU."""
    torch.manual_seed(int(given.seed))
    x, weight, seen = torch.randn(32, 1024), torch.empty(1024, 1024), []
    for _ in range(20):
        lab.he(weight)
        x = x @ weight.T
        seen.append(x.std())
        x = x.relu()
    return {"deviation": torch.stack(seen)}


@check(
    "depth-20",
    "A signal through twenty layers",
    given=SEED,
    probe=through_twenty,
    returns={"deviation": "float32 [20]"},
    depends_on=("he",),
    hint="he",
)
def depth_20(_given: Given, got: Arrays) -> Outcome:
    """With `he`, a signal neither fades nor explodes in twenty layers of ReLUs."""
    out = (got["deviation"] < 0.5 * 2**0.5) | (got["deviation"] > 2 * 2**0.5)
    layer = int(out.int().argmax())
    came = f"behind layer {layer + 1} the deviation is {float(got['deviation'][layer]):.3g}"
    return holds(not out.any(), f"{came}, where about √2 is expected")


# Rules --------------------------------------------------------------------------------------------


STEPS, SHOWN = 100, (1, 2, 100)
PATH = {"p": doubles(2, 3), "g": doubles(STEPS, 2, 3), "lr": between(0.01, 0.1)}


def states(at: Callable[[int], Tensor]) -> Arrays:
    """Where the parameters stand after some of the steps."""
    return {f"p after {t} step{'s' * (t > 1)}": at(t) for t in SHOWN}


def followed(given: Given, make: Callable[..., torch.optim.Optimizer]) -> Arrays:
    """Where an optimiser leads two parameters of three numbers; what else is given are its numbers.

    After two steps it is saved, another one loads what was saved, and goes on at half the rate.
    """
    params = [row.clone().requires_grad_() for row in given.p]
    numbers = {name: value.tolist() for name, value in given.items() if value.dim() < 2}
    optimizer, seen = make(params, **numbers), {}
    for t, g in enumerate(given.g, start=1):
        for p, one in zip(params, g, strict=True):
            p.grad = one.clone()
        optimizer.step()
        seen[t] = torch.stack([p.detach().clone() for p in params])
        if t == SHOWN[1]:
            saved, optimizer = optimizer.state_dict(), make(params, **numbers)
            optimizer.load_state_dict(saved)
            optimizer.param_groups[0]["lr"] /= 2
    return states(seen.__getitem__)


def walked(
    given: Given, move: Move, *, lost: bool = False, late: bool = False, **wrong: Any
) -> Arrays:
    """Where a rule leads that is written as move(p, g, state, lr, given), with its mistakes.

    One is that what it remembers is lost where the optimiser is saved; another, that the rate is
    that of the start for ever.
    """
    p, state, lr, seen = given.p.clone(), {}, float(given.lr), {}
    for t, g in enumerate(given.g, start=1):
        p = move(p, g, state, lr, given, **wrong)
        seen[t] = p
        if t == SHOWN[1]:
            lr = lr if late else lr / 2
            state = {} if lost else state
    return states(seen.__getitem__)


STILL = "p did not move: use p -= …, since p = … makes another tensor"


def anyhow(
    move: Move, walk: Callable[..., Arrays] = walked
) -> dict[str, Callable[[Given], Arrays]]:
    """Mistakes that are the same whatever the rule."""
    return {
        STILL: lambda g: walk(g, lambda p, *_others: p),
        "p goes uphill: subtract": lambda g: walk(g | {"lr": -g.lr}, move),
        'the rate is that of the start: group["lr"] is today\'s': partial(
            walk, move=move, late=True
        ),
        "what is remembered is lost when the optimiser is saved": partial(
            walk, move=move, lost=True
        ),
        "nothing is remembered from step to step": lambda g: walk(
            g, lambda p, g, _state, *others: move(p, g, {}, *others)
        ),
    }


def early(path: Arrays) -> Arrays:
    """The same, before the optimiser is saved."""
    return {name: at for name, at in path.items() if name != f"p after {STEPS} steps"}


def remember(state: dict, name: str, beta: float, value: Tensor, weight: float = 1.0) -> Tensor:
    """What is kept under the name: beta times what it was, plus weight times the value."""
    state[name] = beta * state.get(name, torch.zeros_like(value)) + weight * value
    return state[name]


def sgd_move(p, g, state, lr, n, *, apart=False, damp=False, inside=False, ahead=None):
    """SGD with momentum, and what may be wrong with it; `ahead` is Nesterov's."""
    mu, decay = float(n.momentum), float(n.weight_decay)
    g = g if apart else g + decay * p
    v = remember(state, "v", mu, g, (1 - mu if damp else 1) * (lr if inside else 1))
    ahead = bool(n.nesterov) if ahead is None else ahead
    step = g + mu * v if ahead else v
    return p - (1 if inside else lr) * step - (lr * decay * p if apart else 0)


wrong_sgd = partial(partial, walked, move=sgd_move)
SGD = {**PATH, "momentum": between(0.6, 0.95), "weight_decay": between(0.1, 0.3)}
SGD_WRONG = {
    **anyhow(sgd_move),
    "g joins v times (1 - momentum): torch's SGD takes all of g": wrong_sgd(damp=True),
    "the rate is part of v, where it outlives its step": wrong_sgd(inside=True),
    "the decay is not part of g, and so has no momentum": wrong_sgd(apart=True),
    "the decay is missing": lambda g: walked(g | {"weight_decay": torch.tensor(0.0)}, sgd_move),
}


@check(
    "sgd",
    "Momentum",
    given={**SGD, "nesterov": False},
    expect=partial(followed, make=torch.optim.SGD),
    mistakes={
        **SGD_WRONG,
        "this is Nesterov's step, which was not asked for": wrong_sgd(ahead=True),
    },
    **EXACT,
)
def sgd(lab, given) -> Arrays:
    """SGD with momentum and decay goes torch.optim.SGD's way for a hundred steps."""
    return followed(given, lab.SGD)


@check(
    "nesterov",
    "Nesterov's momentum",
    given={**SGD, "nesterov": True},
    expect=partial(followed, make=torch.optim.SGD),
    mistakes={
        "this is plain momentum: go along g + momentum · v": wrong_sgd(ahead=False),
        **SGD_WRONG,
    },
    depends_on=("sgd",),
    hint="sgd",
    **EXACT,
)
def nesterov(lab, given) -> Arrays:
    """With `nesterov=True` it looks ahead, as torch.optim.SGD does."""
    return followed(given, lab.SGD)


def rmsprop_move(p, g, state, lr, n, *, inside=False, root=True, square=True, swap=False):
    """RMSProp, and what may be wrong with it."""
    alpha = 1 - float(n.alpha) if swap else float(n.alpha)
    s = remember(state, "s", alpha, g.square() if square else g.abs(), 1 - alpha)
    if inside:
        return p - lr * g / (s + float(n.eps)).sqrt()
    return p - lr * g / ((s.sqrt() if root else s) + float(n.eps))


wrong_rmsprop = partial(partial, walked, move=rmsprop_move)


@check(
    "rmsprop",
    "RMSProp",
    given={**PATH, "alpha": between(0.8, 0.95), "eps": between(0.1, 0.5)},
    expect=partial(followed, make=torch.optim.RMSprop),
    mistakes={
        **anyhow(rmsprop_move),
        "eps stands under the root: it is added to the root": wrong_rmsprop(inside=True),
        "the root is missing": wrong_rmsprop(root=False),
        "g is not squared": wrong_rmsprop(square=False),
        "alpha and 1 - alpha are swapped": wrong_rmsprop(swap=True),
    },
    **EXACT,
)
def rmsprop(lab, given) -> Arrays:
    """RMSProp goes torch.optim.RMSprop's way for a hundred steps."""
    return followed(given, lab.RMSProp)


def adamw_move(p, g, state, lr, n, *, bias="both", eps="last", decay="first", shared=False):
    """AdamW, and what may be wrong with it."""
    (beta1, beta2), wd, small = n.betas.tolist(), float(n.weight_decay), float(n.eps)
    t = state["t"] = state.get("t", 0) + 1
    t = 2 * t - torch.tensor([[1.0], [0.0]]).double() if shared else t  # of two parameters
    g = g + wd * p if decay == "coupled" else g
    m = remember(state, "m", beta1, g, 1 - beta1)
    s = remember(state, "s", beta2, g.square(), 1 - beta2)
    m_hat = m / (1 - beta1**t) if bias in ("both", "m") else m
    correct = 1 - beta2**t if bias in ("both", "s") else 1.0
    size = {
        "last": (s / correct).sqrt() + small,
        "inside": (s / correct + small).sqrt(),
        "early": (s.sqrt() + small) / correct**0.5,
    }[eps]
    shrink = {"first": lr * wd, "rateless": wd}.get(decay, 0.0)
    p = p - shrink * p - lr * m_hat / size
    return p - lr * wd * p if decay == "last" else p


wrong_adamw = partial(partial, walked, move=adamw_move)
ADAMW = {
    **PATH,
    "betas": lambda rng: torch.stack([between(0.8, 0.95)(rng), between(0.96, 0.99)(rng)]),
    "eps": between(0.1, 0.5),
    "weight_decay": between(0.1, 0.4),
}


@check(
    "adamw",
    "AdamW",
    given=ADAMW,
    expect=partial(followed, make=torch.optim.AdamW),
    mistakes={
        **anyhow(adamw_move),
        "neither m nor s is unbiased": wrong_adamw(bias="none"),
        "s is not unbiased: divide it by 1 - β₂ᵗ": wrong_adamw(bias="m"),
        "m is not unbiased: divide it by 1 - β₁ᵗ": wrong_adamw(bias="s"),
        "t grows with each parameter: count in state": lambda g: early(
            walked(g, adamw_move, shared=True)
        ),
        "the decay is part of g: that is Adam with L2": wrong_adamw(decay="coupled"),
        "the decay forgets the rate": wrong_adamw(decay="rateless"),
        "the decay comes after the step, and shrinks it too": wrong_adamw(decay="last"),
        "the decay is missing": wrong_adamw(decay="none"),
        "eps stands under the root: it is added to the root": wrong_adamw(eps="inside"),
        "eps is added before s is unbiased": wrong_adamw(eps="early"),
        "β₁ and β₂ are swapped": lambda g: walked(g | {"betas": g.betas.flip(0)}, adamw_move),
    },
    **EXACT,
)
def adamw(lab, given) -> Arrays:
    """AdamW goes torch.optim.AdamW's way for a hundred steps."""
    return followed(given, lab.AdamW)


def orthogonal(g: Tensor, count: int, *, bare=False, largest=False, cubic=False) -> Tensor:
    """The iteration of Newton and Schulz, and what may be wrong with it."""
    scale = torch.linalg.matrix_norm(g, 2) if largest else g.norm()
    x = g if bare else g / (scale + 1e-7)
    for _ in range(count):
        xx = x @ x.T
        x = 3.4445 * x - 4.7750 * xx @ x + (0 if cubic else 2.0315) * xx @ xx @ x
    return x


def both_ways(given: Given, **wrong: bool) -> Arrays:
    """Of a wide matrix after five iterations, of a tall one after one."""
    return {
        "a wide matrix": orthogonal(given.wide, 5, **wrong),
        "a tall one, after one iteration": orthogonal(given.tall, 1, **wrong),
    }


wrong_iteration = partial(partial, both_ways)


@check(
    "newton-schulz",
    "Orthogonal, nearly, and without an SVD",
    given={"wide": doubles(3, 5), "tall": doubles(5, 3)},
    expect=both_ways,
    mistakes={
        "g is not divided by its norm": lambda g: {
            "a tall one, after one iteration": orthogonal(g.tall, 1, bare=True)
        },
        "g is divided by its largest singular value": wrong_iteration(largest=True),
        "the term c (X Xᵀ)² X is missing": wrong_iteration(cubic=True),
        "`steps` is not looked at": lambda g: {
            "a tall one, after one iteration": orthogonal(g.tall, 5)
        },
        "this is the exact U Vᵀ: five iterations are cheaper": lambda g: {
            "a wide matrix": svd_product(g.wide)
        },
    },
    atol=1e-6,
)
def newton_schulz(lab, given) -> Arrays:
    """`newton_schulz` brings all singular values near 1, by the given polynomial."""
    return {
        "a wide matrix": lab.newton_schulz(given.wide),
        "a tall one, after one iteration": lab.newton_schulz(given.tall, steps=1),
    }


def svd_product(g: Tensor) -> Tensor:
    """U Vᵀ of g = U S Vᵀ."""
    u, _s, vh = torch.linalg.svd(g, full_matrices=False)
    return u @ vh


def muon_move(p, g, state, lr, n, *, scale="tall", ahead=True, decay="first"):
    """Muon, and what may be wrong with it; p is [out, in]."""
    mu, wd = float(n.momentum), float(n.weight_decay)
    g = g + wd * p if decay == "coupled" else g
    v = remember(state, "v", mu, g, 1 - mu)
    o = orthogonal((1 - mu) * g + mu * v if ahead else v, 5)
    out, in_ = p.shape
    scale = {"tall": max(1, out / in_), "none": 1, "in": max(1, in_ / out), "any": out / in_}[scale]
    shrink = {"first": lr * wd, "rateless": wd}.get(decay, 0.0)
    return p - shrink * p - lr * scale**0.5 * o


def by_way(given: Given, walk: Callable[[Given], Arrays]) -> Arrays:
    """Where a tall and a wide matrix are led."""
    found = {way: walk(given | {"p": given[way], "g": given[f"g_{way}"]}) for way in WAYS}
    return {f"a {way} matrix, {n}": at for way, path in found.items() for n, at in path.items()}


def muon_walked(given: Given, move: Move | None = None, **wrong: Any) -> Arrays:
    """Where Muon leads both of them, with its mistakes."""
    return by_way(given, lambda one: walked(one, move or muon_move, **wrong))


wrong_muon = partial(partial, muon_walked)
WAYS = {"tall": (4, 2), "wide": (2, 3)}


@check(
    "muon",
    "Muon",
    given={
        **{way: doubles(*shape) for way, shape in WAYS.items()},
        **{f"g_{way}": doubles(STEPS, *shape) for way, shape in WAYS.items()},
        "lr": between(0.01, 0.1),
        "momentum": between(0.6, 0.95),
        "weight_decay": between(0.1, 0.4),
    },
    expect=muon_walked,
    mistakes={
        **anyhow(muon_move, muon_walked),
        "v itself is made orthogonal, not (1 - μ) g + μ v": wrong_muon(ahead=False),
        "the factor √max(1, out / in) is missing": wrong_muon(scale="none"),
        "out and in are swapped: a weight is [out, in]": wrong_muon(scale="in"),
        "a wide matrix is scaled, too: max(1, …) is missing": wrong_muon(scale="any"),
        "the decay is part of g: it must bypass newton_schulz": wrong_muon(decay="coupled"),
        "the decay forgets the rate": wrong_muon(decay="rateless"),
        "the decay is missing": wrong_muon(decay="none"),
    },
    depends_on=("newton-schulz",),
    atol=1e-5,
)
def muon(lab, given) -> Arrays:
    """Muon's steps are orthogonalised momentum, of matrices of any shape."""

    def walk(one: Given) -> Arrays:
        alone = one | {"p": one.p[None], "g": one.g[:, None]}
        return {name: at[0] for name, at in followed(alone, lab.Muon).items()}

    return by_way(given, walk)


def remembered(rng: torch.Generator) -> Arrays:
    """Draw how long three memories are."""
    return {"sizes": 2 + torch.randperm(40, generator=rng)[:3]}


@check(
    "state-bytes",
    "What an optimiser remembers",
    given=remembered,
    expect=lambda g: g.sizes[0] * 4 + g.sizes[1] * 8 + g.sizes[2] * 2,
    mistakes={
        "every number is taken for one of 4 bytes": lambda g: 4 * g.sizes.sum(),
        "these are numbers, not bytes": lambda g: g.sizes.sum(),
        "only the first parameter counts": lambda g: g.sizes[0] * 4 + g.sizes[1] * 8,
        "these are the bytes of the parameters": 4 * 5,
        "the parameters count, too: they are the model's": lambda g: (
            g.sizes[0] * 4 + g.sizes[1] * 8 + g.sizes[2] * 2 + 4 * 5
        ),
        "numbers that are no tensors count": lambda g: (
            g.sizes[0] * 4 + g.sizes[1] * 8 + g.sizes[2] * 2 + 8
        ),
    },
)
def state_bytes(lab, given) -> Tensor:
    """`state_bytes` counts the bytes of all tensors in the state, whatever their dtype."""
    first, second = torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([first, second], lr=1.0)
    one, other, half = given.sizes.tolist()
    optimizer.state[first] = {
        "step": 7,
        "one": torch.zeros(one),
        "other": torch.zeros(other).double(),
    }
    optimizer.state[second] = {"half": torch.zeros(half, 1).bfloat16()}
    return torch.tensor(lab.state_bytes(optimizer))


# The learning rate --------------------------------------------------------------------------------


def cosine(p: Tensor) -> Tensor:
    """Half a cosine, from 1 at p = 0 to 0 at p = 1."""
    return (1 + (math.pi * p).cos()) / 2


def climbed(given: Given, *, first: int = 1, after: bool = True, squeeze: bool = False) -> Tensor:
    """The shares of all steps: right, or wrong in a classic way."""
    steps, warmup = int(given.steps), int(given.warmup)
    step = torch.arange(steps, dtype=torch.float64)
    behind = step - warmup if after else step
    falling = steps - warmup if after and not squeeze else steps
    return torch.where(step < warmup, (step + first) / warmup, cosine(behind / falling))


wrong_climb = partial(partial, climbed)


@check(
    "warm-up",
    "Warm-up and cosine",
    given={"steps": integers(20, 30), "warmup": integers(3, 9)},
    expect=climbed,
    mistakes={
        "the first step has rate 0": wrong_climb(first=0),
        "the cosine begins at 0: it must begin where the warm-up ends": wrong_climb(after=False),
        "the cosine takes all steps, not only those behind the warm-up": wrong_climb(squeeze=True),
        "there is no warm-up": lambda g: cosine(torch.arange(int(g.steps)).double() / g.steps),
        "the rate stays at its peak after the warm-up": lambda g: climbed(g).where(
            torch.arange(int(g.steps)) < g.warmup, 1.0
        ),
    },
    **EXACT,
)
def warm_up(lab, given) -> Tensor:
    """The share climbs along a line, then falls along half a cosine."""
    steps, warmup = int(given.steps), int(given.warmup)
    shares = [lab.warmup_cosine(step, steps, warmup) for step in range(steps)]
    return torch.tensor(shares, dtype=torch.float64)


def sawtooth(given: Given, *, grow: Callable[[int, int], int], short: int = 0) -> Tensor:
    """The shares of 40 steps, when each period follows from the one before by `grow`."""
    period, shares = int(given.period), []
    while len(shares) < 40:
        shares += cosine(torch.arange(period).double() / (period - short)).tolist()
        period = grow(period, int(given.growth))
    return torch.tensor(shares[:40], dtype=torch.float64)


@check(
    "restarts",
    "Restarts",
    given={"period": integers(3, 6), "growth": integers(2, 4)},
    expect=partial(sawtooth, grow=lambda period, growth: period * growth),
    mistakes={
        "the periods do not grow": partial(sawtooth, grow=lambda period, _growth: period),
        "growth is added to the period: multiply": partial(
            sawtooth, grow=lambda period, growth: period + growth
        ),
        "the last step of a period has rate 0": partial(
            sawtooth, grow=lambda period, growth: period * growth, short=1
        ),
        "it never restarts": lambda g: cosine(torch.arange(40).double() / g.period),
    },
    **EXACT,
)
def restarts(lab, given) -> Tensor:
    """Each period begins at the whole rate, and is `growth` times as long as the one before."""
    numbers = int(given.period), int(given.growth)
    shares = [lab.restarts(step, *numbers) for step in range(40)]
    return torch.tensor(shares, dtype=torch.float64)


@check(
    "set-rate",
    "Rates of the groups",
    given={"lr": uniform(2, low=0.1), "share": uniform(3, low=0.2, high=0.9)},
    expect=lambda g: {"lr in three calls": g.share[:, None] * g.lr, "initial_lr": g.lr},
    mistakes={
        "each share is taken of what the last one left": lambda g: {
            "lr in three calls": g.share.cumprod(0)[:, None] * g.lr
        },
        "lr is the share itself, not that share of the peak": lambda g: {
            "lr in three calls": g.share[:, None].expand(3, 2)
        },
        "all groups get the first one's rate": lambda g: {
            "lr in three calls": g.share[:, None] * g.lr[0].expand(2)
        },
        "only the first group's rate is set": lambda g: {
            "lr in three calls": torch.stack([g.share * g.lr[0], g.lr[1].expand(3)], 1)
        },
        "initial_lr is overwritten": lambda g: {"initial_lr": g.share[-1] * g.lr},
    },
)
def set_rate(lab, given) -> Arrays:
    """Each call sets each group's rate to a share of that group's peak."""
    groups = [{"params": [torch.zeros(1)], "lr": lr} for lr in given.lr.tolist()]
    optimizer, seen = torch.optim.SGD(groups), []
    for part in given.share.tolist():
        lab.set_rates(optimizer, part)
        seen.append([group["lr"] for group in optimizer.param_groups])
    peaks = [group.get("initial_lr", math.nan) for group in optimizer.param_groups]
    return {"lr in three calls": torch.tensor(seen), "initial_lr": torch.tensor(peaks)}


TRIED = 12


def explosion(rng: torch.Generator) -> Arrays:
    """Draw losses that fall, rise to less than four times the least one, and explode at the end."""
    fall = 2 - torch.rand(5, generator=rng, dtype=torch.float64).cumsum(0) / 4
    rise = fall[-1] * torch.tensor([1.5, 2.5, 3.9, 4.1, 9, 3, 9], dtype=torch.float64)
    return {"loss": torch.cat([fall, rise]), "low": torch.tensor(1e-4), "high": torch.tensor(1e1)}


def geometric(given: Given, count: int) -> Tensor:
    """The first rates of the test."""
    exponent = torch.arange(count, dtype=torch.float64) / (TRIED - 1)
    return float(given.low) * (float(given.high) / float(given.low)) ** exponent


def of_test(given: Given, kept: int = 8, stepped: int = 9) -> Arrays:
    """What a test returns that took so many steps and kept so many losses."""
    tried = geometric(given, stepped)
    return {"rates": tried[:kept], "losses": given.loss[:kept], "steps were taken with": tried}


wrong_test = partial(partial, of_test)


@check(
    "range-test",
    "Learning-rate range test",
    given=explosion,
    expect=of_test,
    mistakes={
        "the rates rise by equal steps, not by equal factors": lambda g: {
            "rates": torch.linspace(float(g.low), float(g.high), TRIED, dtype=torch.float64)[:8]
        },
        "the loss that ends the test is kept": wrong_test(kept=9),
        "the test does not end when the loss explodes": wrong_test(kept=12, stepped=12),
        "the loss is not held against the least one so far": wrong_test(kept=9, stepped=10),
        "the last rate is not `high`: i runs up to count - 1": lambda g: {
            "rates": float(g.low)
            * (float(g.high) / float(g.low)) ** (torch.arange(8, dtype=torch.float64) / TRIED)
        },
    },
    **EXACT,
)
def range_test(lab, given) -> Arrays:
    """The rates rise geometrically until the loss has exploded, and no step is taken after that."""
    tried: list[float] = []

    def loss_at(rate: float) -> float:
        tried.append(float(rate))
        return float(given.loss[len(tried) - 1])

    rates, losses = lab.range_test(loss_at, float(given.low), float(given.high), TRIED)
    found = {"rates": rates, "losses": losses, "steps were taken with": tried}
    return {name: torch.tensor(some, dtype=torch.float64) for name, some in found.items()}


def bumpy(rng: torch.Generator) -> Arrays:
    """Draw losses that fall and rise, with one low by chance, before the true low."""
    valley = (torch.arange(20.0, dtype=torch.float64) - 12).abs() / 6 + 1
    loss = valley + 0.05 * torch.rand(20, generator=rng, dtype=torch.float64)
    loss[torch.randint(4, 6, (), generator=rng)] = 0.9
    rate = 1e-4 * 1.5 ** torch.arange(20, dtype=torch.float64)
    return {"loss": loss, "rate": rate * (1 + torch.rand((), generator=rng).double())}


def least(given: Given, *, beta: float = 0.8, unbiased: bool = True) -> Tensor:
    """The rate at the least smoothed loss."""
    m, means = 0.0, []
    for t, loss in enumerate(given.loss.tolist(), start=1):
        m = m + (1 - beta) * (loss - m)
        means.append(m / (1 - beta**t) if unbiased else m)
    return given.rate[means.index(min(means))]


@check(
    "pick-rate",
    "The rate that the test speaks for",
    given=bumpy,
    expect=lambda g: least(g) / 10,
    mistakes={
        "this is the rate of the least loss: take a tenth": least,
        "the losses are not smoothed": lambda g: least(g, beta=0.0) / 10,
        "the mean is not divided by 1 - βᵗ": lambda g: least(g, unbiased=False) / 10,
        "β and 1 - β are swapped": lambda g: least(g, beta=0.2) / 10,
        "this is the last rate": lambda g: g.rate[-1] / 10,
    },
    **EXACT,
)
def pick_rate(lab, given) -> Tensor:
    """`pick_rate` smooths the losses, without bias, and takes a tenth of the best rate."""
    return torch.tensor(
        lab.pick_rate(given.rate.tolist(), given.loss.tolist()), dtype=torch.float64
    )


# The race -----------------------------------------------------------------------------------------


FEATURES, WIDTH, CLASSES = 12, 6, 3
TOY = {"features": FEATURES, "width": WIDTH, "depth": 3, "classes": CLASSES}
# weight, bias of the first layer, of two hidden ones, of the last
HIDDEN = torch.tensor([0, 0, 1, 0, 1, 0, 0, 0], dtype=torch.bool)
BIAS = torch.tensor([0, 1] * 4, dtype=torch.bool)
WEIGHT = ~BIAS


def shared_out(matrices: Tensor, others: Tensor) -> Arrays:
    """Who moves what: weight, bias, weight, bias … of four layers."""
    return {"Muon moves": matrices, "AdamW moves": others}


@check(
    "divided",
    "Who moves what",
    given={"lr": uniform(high=0.1), "adamw_lr": uniform(high=0.1), "decay": uniform()},
    expect=lambda g: {
        **shared_out(HIDDEN, ~HIDDEN),
        "lr of both": torch.stack([g.lr, g.adamw_lr]),
        "weight_decay of both": g.decay.expand(2),
    },
    mistakes={
        "Muon moves the first and the last weight": shared_out(WEIGHT, BIAS),
        "Muon moves the first weight": shared_out(
            HIDDEN | (torch.arange(8) == 0), ~HIDDEN & (torch.arange(8) > 0)
        ),
        "Muon moves the last weight": shared_out(
            HIDDEN | (torch.arange(8) == 6), ~HIDDEN & (torch.arange(8) != 6)
        ),
        "the biases are moved by nobody": {"AdamW moves": ~HIDDEN & WEIGHT},
        "the biases of hidden layers are moved by nobody": {
            "AdamW moves": ~HIDDEN & ~(BIAS & HIDDEN.roll(1))
        },
        "AdamW moves everything, the hidden matrices twice": {"AdamW moves": HIDDEN | True},
        "Muon and AdamW have each other's rate": lambda g: {
            "lr of both": torch.stack([g.adamw_lr, g.lr])
        },
        "both have the same rate": lambda g: {"lr of both": g.lr.expand(2)},
        "Muon does not decay": lambda g: {
            "weight_decay of both": torch.stack([torch.tensor(0.0), g.decay])
        },
    },
)
def divided(lab, given) -> Arrays:
    """Muon moves the hidden matrices, AdamW all else, each parameter once."""
    rates = {"lr": float(given.lr), "adamw_lr": float(given.adamw_lr)}
    model = lab.Model(**TOY, **rates, weight_decay=float(given.decay))
    muon, adamw = model.divided()
    instance(muon, lab.Muon)
    instance(adamw, lab.AdamW)
    held = [{id(p) for group in one.param_groups for p in group["params"]} for one in (muon, adamw)]
    moves = [torch.tensor([id(p) in some for p in model.parameters()]) for some in held]
    first = [one.param_groups[0] for one in (muon, adamw)]
    return {
        **shared_out(*moves),
        "lr of both": torch.tensor([group["lr"] for group in first]),
        "weight_decay of both": torch.tensor([group["weight_decay"] for group in first]),
    }


def toy_weights(rng: torch.Generator) -> Arrays:
    """Draw the toy network's weights, three batches of 8, and the shares of three steps."""
    sizes = [FEATURES, WIDTH, WIDTH, WIDTH, CLASSES]
    weights = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        weights[f"layers.{i}.weight"] = torch.randn(b, a, generator=rng) * (2 / a) ** 0.5
        weights[f"layers.{i}.bias"] = 0.1 * torch.randn(b, generator=rng)
    return {
        **weights,
        "image": torch.randint(256, (24, 1, 3, 4), generator=rng, dtype=torch.uint8),
        "label": torch.randint(CLASSES, (24,), generator=rng),
        "share": torch.tensor([1.0, 0.6, 0.3]) - 0.2 * torch.rand(3, generator=rng),
    }


def toy_batches(given: Given) -> BatchLoader:
    """The drawn items as three batches."""
    return BatchLoader({"image": given.image, "label": given.label}, 8)


def pair_of_rules(params: Sequence[Tensor]) -> list[torch.optim.Optimizer]:
    """The two optimisers of the toy race: one for the first layer, one for all others."""
    params = list(params)
    return [torch.optim.SGD(params[:2], lr=0.5), torch.optim.SGD(params[2:], lr=0.2)]


def raced(given: Given, *, clear=True, shares=(0, 1, 2), rules=2, squash=False) -> Arrays:
    """The toy weights after three steps: right, or wrong in a classic way."""
    state = {n: v.clone().requires_grad_() for n, v in given.items() if n.startswith("layers")}
    optimizers = pair_of_rules(state.values())[:rules]
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    for batch, place in zip(toy_batches(given), shares, strict=True):
        x = (batch["image"].flatten(1).float() - 127.5) / 64
        *hidden, (weight, bias) = zip(*[iter(state.values())] * 2, strict=True)
        for inner, shift in hidden:
            x = F.linear(x, inner, shift).relu()
        logits = F.linear(x, weight, bias)
        if clear:
            for one in optimizers:
                one.zero_grad()
        logits = logits.softmax(1) if squash else logits
        F.cross_entropy(logits, batch["label"]).backward()
        for optimizer, rate in zip(optimizers, rates, strict=True):
            if place is not None:
                optimizer.param_groups[0]["lr"] = rate * float(given.share[place])
            optimizer.step()
    return {name: value.detach() for name, value in state.items()}


wrong_race = partial(partial, raced)


@check(
    "training-step",
    "A step of the race",
    given=toy_weights,
    expect=raced,
    mistakes={
        "the weights did not move": lambda g: {n: g[n] for n in g if n.startswith("layers")},
        "old gradients are left: zero_grad is missing": wrong_race(clear=False),
        "the rates never change": wrong_race(shares=(None, None, None)),
        "the rates are set after the step, and serve the next one": wrong_race(shares=(None, 0, 1)),
        "the rates change once an epoch, not once a step": wrong_race(shares=(0, 0, 0)),
        "only the first optimiser steps": wrong_race(rules=1, shares=(0, 0, 1)),
        "softmax came before cross_entropy, which takes raw logits": wrong_race(squash=True),
    },
    depends_on=("set-rate",),
)
def training_step(lab, given) -> Arrays:
    """Each step clears the gradients, differentiates, and moves all weights at its rates."""
    model = lab.Model(**TOY)
    model.load_state_dict(
        {n: given[n] for n in given if n.startswith("layers")}
        | {"mean": torch.tensor(127.5), "std": torch.tensor(64.0)}
    )
    model.on_fit_start = lambda: None  # keep these statistics
    model.configure_optimizers = lambda: pair_of_rules(model.parameters())
    model.share = lambda step, _steps: float(given.share[step])
    fit(model, toy_batches(given))
    return dict(model.named_parameters())

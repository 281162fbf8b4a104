"""The visible checks of lab 25, in the order of its tasks, what scores its samples, and a dream.

The scorer has a classifier of its own: ridge regression on random features, fitted to the training
digits for each set of samples anew. Nobody can train against it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
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
from dllab.checks.tools import gradients, instance
from dllab.data import load

B, CLASSES, NOISE, SIDE, HIDDEN = 5, 2, 3, 2, 4  # of a toy
FEATURES = (1 + CLASSES) * SIDE**2
GAMES = ("wasserstein", "minimax")  # gradients are compared in this order
Way = Callable[[Given], Any]

# The generator's parts ----------------------------------------------------------------------------


@check(
    "scale",
    "Pixels for tanh",
    given={"image": integers(0, 17, 2, 1, 3, 2, dtype=torch.uint8), "white": 16.0},
    expect=lambda g: g.image.float() / g.white * 2 - 1,
    mistakes={
        "they run from 0 to 1: tanh has -1 to 1": lambda g: g.image.float() / g.white,
        "divided by 255: the brightest pixel here is `white`": lambda g: (
            g.image.float() / 255 * 2 - 1
        ),
        "black and white are swapped": lambda g: 1 - g.image.float() / g.white * 2,
    },
)
def scale(lab, given) -> Tensor:
    """`scale` makes black -1 and `white` 1."""
    return lab.scale(given.image, float(given.white))


SHAPE = {"weight": normal(2, 3, 4, 4), "x": normal(3, 2, 2, 3, mean=1)}


def doubled(g: Given, norm: bool = True, relu: bool = True) -> Tensor:
    """What the block makes of x."""
    x = F.conv_transpose2d(g.x, g.weight, stride=2, padding=1)
    x = F.batch_norm(x, None, None, training=True) if norm else x
    return x.relu() if relu else x


def settings(kernel: int = 4, stride: int = 2, padding: int = 1, bias: bool = False) -> Tensor:
    """Of a convolution, int64 [4]."""
    return torch.tensor([kernel, stride, padding, int(bias)])


SETTINGS = "kernel, stride, padding, bias"


@check(
    "up",
    "Twice as large",
    given=SHAPE,
    expect=lambda g: {SETTINGS: settings(), "what comes out": doubled(g)},
    mistakes={
        "the convolution has a bias, which batch norm takes away again": lambda g: {
            SETTINGS: settings(bias=True)
        },
        "a kernel of 3 cannot share out its pixels evenly at stride 2": lambda g: {
            SETTINGS: settings(kernel=3)
        },
        "stride 1 does not double": lambda g: {SETTINGS: settings(stride=1)},
        "without padding there are two pixels too many": lambda g: {SETTINGS: settings(padding=0)},
        "negative numbers come out: where is the ReLU?": lambda g: {
            "what comes out": doubled(g, relu=False)
        },
    },
    atol=1e-4,
)
def up(lab, given) -> Arrays:
    """`up` is a transposed convolution, batch norm and ReLU, which double height and width."""
    block = instance(lab.up(2, 3), nn.Sequential)
    conv = instance(block[0], nn.ConvTranspose2d)
    instance(block[1], nn.BatchNorm2d)
    if conv.weight.shape == given.weight.shape:
        conv.weight.data.copy_(given.weight)
    found = (conv.kernel_size[0], conv.stride[0], conv.padding[0], conv.bias is not None)
    return {SETTINGS: settings(*found), "what comes out": block(given.x)}


def hot(label: Tensor, like: Tensor, classes: int = CLASSES) -> Tensor:
    """One-hot planes of the labels, as many as there are classes."""
    planes = F.one_hot(label, classes).float().view(len(like), classes, *[1] * (like.dim() - 2))
    return planes.expand(-1, -1, *like.shape[2:])


def told(x: Tensor, label: Tensor, classes: int = CLASSES) -> Tensor:
    """With the labels as further channels."""
    return torch.cat([x, hot(label, x, classes)], 1)


def both(way: Callable[[Tensor, Tensor], Tensor]) -> Way:
    """What a way makes of noise and of pictures."""
    return lambda g: {"noise": way(g.noise, g.label), "pictures": way(g.image, g.label)}


@check(
    "condition",
    "The class, told",
    given={
        "noise": normal(4, 3),
        "image": normal(4, 1, 2, 3),
        "label": lambda rng: torch.tensor([2, 0, 1, 3])[torch.randperm(4, generator=rng)],
    },
    expect=both(partial(told, classes=5)),
    mistakes={
        "the label comes first: append it": both(lambda x, y: torch.cat([hot(y, x, 5), x], 1)),
        "the label's number is not a one-hot code: classes have no order": both(
            lambda x, y: torch.cat([x, hot(y, x, 5) * y.view(-1, *[1] * (x.dim() - 1))], 1)
        ),
        "all items are told the first one's class": both(
            lambda x, y: torch.cat([x, hot(y[:1].expand(4), x, 5)], 1)
        ),
        "nothing is told: all planes are 0": both(lambda x, y: torch.cat([x, 0 * hot(y, x, 5)], 1)),
    },
)
def condition(lab, given) -> Arrays:
    """`add_label` appends the one-hot label, to noise as numbers, to pictures as planes."""
    return both(lambda x, y: lab.add_label(x, y, 5))(given)


# Two games ----------------------------------------------------------------------------------------

VERDICTS = {"real": normal(B, mean=1, std=2), "fake": normal(4, mean=-0.5, std=2)}


def critics(g: Given, **other: Any) -> Arrays:
    """The critic's loss in both games."""
    g = g | other
    return {
        "wasserstein": g.fake.mean() - g.real.mean(),
        "minimax": F.softplus(-g.real).mean() + F.softplus(g.fake).mean(),
    }


def in_minimax(way: Way) -> Way:
    """A mistake in one of the games."""
    return lambda g: {"minimax": way(g)}


@check(
    "critic-loss",
    "The critic's loss",
    given=VERDICTS,
    expect=critics,
    mistakes={
        "the critic is rewarded for mistakes: real and made are swapped": lambda g: critics(
            g, real=g.fake, fake=g.real
        ),
        "log(1 - D) is taken of D: made pictures count as real": in_minimax(
            lambda g: F.softplus(-g.real).mean() + F.softplus(-g.fake).mean()
        ),
        "made pictures are left out": lambda g: {
            "minimax": F.softplus(-g.real).mean(),
            "wasserstein": -g.real.mean(),
        },
        "real pictures are left out": lambda g: {
            "minimax": F.softplus(g.fake).mean(),
            "wasserstein": g.fake.mean(),
        },
        "the sum over the batch: take the mean": lambda g: {
            "minimax": F.softplus(-g.real).sum() + F.softplus(g.fake).sum()
        },
        "minimax is played with Wasserstein's loss": in_minimax(
            lambda g: critics(g)["wasserstein"]
        ),
        "Wasserstein is played with minimax's loss": lambda g: {
            "wasserstein": critics(g)["minimax"]
        },
        "verdicts are made probabilities: Wasserstein's have no bounds": lambda g: {
            "wasserstein": critics(g, real=g.real.sigmoid(), fake=g.fake.sigmoid())["wasserstein"]
        },
        "sigmoid was taken twice: logits go straight in": in_minimax(
            lambda g: critics(g, real=g.real.sigmoid(), fake=g.fake.sigmoid())["minimax"]
        ),
    },
)
def critic(lab, given) -> Arrays:
    """It is -log D(real) - log(1 - D(fake)) in one game, the gap of mean verdicts in the other."""
    return {game: lab.critic_loss(given.real, given.fake, game) for game in GAMES}


def makers(g: Given) -> Arrays:
    """The generator's loss in both games."""
    return {"wasserstein": -g.fake.mean(), "minimax": F.softplus(-g.fake).mean()}


@check(
    "generator-loss",
    "The generator's loss",
    given={"fake": normal(B, mean=-1, std=2)},
    expect=makers,
    mistakes={
        "log(1 - D) is made small: it is flat where the critic is sure": in_minimax(
            lambda g: -F.softplus(g.fake).mean()
        ),
        "minimax is played with Wasserstein's loss": in_minimax(lambda g: -g.fake.mean()),
        "Wasserstein is played with minimax's loss": lambda g: {
            "wasserstein": makers(g)["minimax"]
        },
    },
)
def generator(lab, given) -> Arrays:
    """It is -log D(fake) in one game, minus the mean verdict in the other."""
    return {game: lab.generator_loss(given.fake, game) for game in GAMES}


PAIR = {"real": normal(3, 1, 2, 2), "fake": normal(3, 1, 2, 2, mean=3), "mix": uniform(3)}
FREE = "has a gradient"


def mixed(g: Given, mix: Tensor | None = None, free: int = 0) -> Arrays:
    """The points between, and whether they hang in a graph."""
    mix = (g.mix if mix is None else mix).view(-1, 1, 1, 1)
    return {"points": torch.lerp(g.fake, g.real, mix), FREE: torch.tensor(free)}


@check(
    "between",
    "Points between",
    given=PAIR,
    expect=mixed,
    mistakes={
        "real and made are swapped": lambda g: mixed(g, 1 - g.mix),
        "one number serves the whole batch": lambda g: mixed(g, g.mix[:1].expand(3)),
        "these are the real pictures": lambda g: {"points": g.real},
        "these are the made pictures": lambda g: {"points": g.fake},
        "halfway for each: mix by `mix_B`": lambda g: mixed(g, torch.full((3,), 0.5)),
        "this is the sum of both: their weights add up to 1": lambda g: {
            "points": g.real * g.mix.view(-1, 1, 1, 1) + g.fake
        },
        "it hangs in the generator's graph: detach": lambda g: {FREE: torch.tensor(1)},
    },
)
def between(lab, given) -> Arrays:
    """`between` takes mix of the real picture, the rest of the made one, and no gradient."""
    x = lab.between(given.real, given.fake.clone().requires_grad_(), given.mix)
    return {"points": x, FREE: torch.tensor(int(x.requires_grad))}


CRITIC = {
    "1.weight": normal(HIDDEN, FEATURES, std=0.7),
    "1.bias": normal(HIDDEN),
    "3.weight": normal(1, HIDDEN, std=2),
    "3.bias": normal(1),
}


def toy_critic(g: Given) -> nn.Module:
    """A critic with the drawn parameters; the sandbox and the scorer both make it."""
    layers = nn.Flatten(), nn.Linear(FEATURES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1)
    net = nn.Sequential(*layers, nn.Flatten(0))
    net.load_state_dict({name: g[name].detach() for name in CRITIC})
    return net


def slopes(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The gradient of the verdicts at x, which can be differentiated again."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(net(x).sum(), x, create_graph=True)[0]


def unit(slope: Tensor) -> Tensor:
    """The penalty of slopes."""
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


TO_CRITIC = "the critic's gradient"


def penalised(g: Given, way: Callable[[Tensor], Tensor] = unit) -> Arrays:
    """The penalty, and what the critic's first layer learns from it."""
    net = toy_critic(g)
    loss = way(slopes(net, g.x))
    loss.backward()
    return {"penalty": loss.detach(), TO_CRITIC: net[1].weight.grad}


def norms(s: Tensor) -> Tensor:
    """Of each picture's slope, [B]."""
    return s.flatten(1).norm(dim=1)


def slopes_around_one(rng: torch.Generator) -> Arrays:
    """A critic, and points where its slope is less than 1, and more."""
    while True:
        g = Given({name: draw(rng) for name, draw in CRITIC.items()})
        g = g | {"x": normal(B, 1 + CLASSES, SIDE, SIDE)(rng)}
        length = norms(slopes(toy_critic(g), g.x)).detach()
        if length.min() < 0.7 and length.max() > 1.5:
            return dict(g)


WRONG_PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "the norm is over the whole batch: each picture has one": lambda s: (s.norm() - 1).square(),
    "the norm is over one dimension: take all pixels of a picture": lambda s: (
        (s.norm(dim=1) - 1).square().mean()
    ),
    "the norm is squared before 1 is taken from it": lambda s: (norms(s) ** 2 - 1).square().mean(),
    "1 is not subtracted: the gradient should have length 1, not 0": lambda s: (
        norms(s).square().mean()
    ),
    "the distance from 1 is not squared": lambda s: (norms(s) - 1).abs().mean(),
    "short gradients cost nothing: both sides of 1 do": lambda s: (
        (norms(s) - 1).relu().square().mean()
    ),
    "the sum over the batch: take the mean": lambda s: (norms(s) - 1).square().sum(),
    "the mean norm is held to 1: each picture's is": lambda s: (norms(s).mean() - 1).square(),
}


@check(
    "penalty",
    "The gradient penalty",
    given=slopes_around_one,
    expect=penalised,
    mistakes={
        **{words: partial(penalised, way=way) for words, way in WRONG_PENALTIES.items()},
        "the critic learns nothing from it: create_graph=True is missing": lambda g: {
            TO_CRITIC: torch.zeros(HIDDEN, FEATURES)
        },
    },
    rtol=1e-4,
)
def penalty(lab, given) -> Arrays:
    """It is the mean of (norm - 1)² over pictures, and the critic learns from it."""
    net = toy_critic(given)
    loss = lab.gradient_penalty(net, given.x)
    if loss.requires_grad:
        loss.backward()
    first = gradients({TO_CRITIC: net[1].weight})
    return {"penalty": loss.detach(), **first}


# Are they any good? -------------------------------------------------------------------------------


def frechet(x: Tensor, y: Tensor, root: float = 2.0, correction: int = 1) -> Tensor:
    """The distance of two normal distributions, by the eigenvalues of symmetric matrices."""
    x, y = x.double(), y.double()
    A, C = x.T.cov(correction=correction), y.T.cov(correction=correction)
    value, vector = torch.linalg.eigh(A)
    half = vector * value.clamp(min=0).sqrt() @ vector.T
    roots = torch.linalg.eigvalsh(half @ C @ half).clamp(min=0).sqrt().sum()
    return (x.mean(0) - y.mean(0)).square().sum() + A.trace() + C.trace() - root * roots


def gap(g: Given) -> Tensor:
    """The squared distance of the means."""
    return (g.x.double().mean(0) - g.y.double().mean(0)).square().sum()


def diagonal(g: Given) -> Tensor:
    """The distance, if features were independent."""
    return gap(g) + (g.x.double().std(0) - g.y.double().std(0)).square().sum()


@check(
    "distance",
    "The Fréchet distance",
    given={"x": normal(9, 3), "y": lambda rng: normal(7, 3)(rng) @ normal(3, 3)(rng) + 1},
    expect=lambda g: frechet(g.x, g.y),
    mistakes={
        "this is the distance of the means alone": gap,
        "the means are left out": lambda g: frechet(g.x, g.y) - gap(g),
        "the means' distance is not squared": lambda g: frechet(g.x, g.y) - gap(g) + gap(g).sqrt(),
        "the root of A·B counts twice": lambda g: frechet(g.x, g.y, root=1.0),
        "the root of A·B is left out": lambda g: frechet(g.x, g.y, root=0.0),
        "it is added: subtract the root of A·B": lambda g: frechet(g.x, g.y, root=-2.0),
        "the covariance divides by N - 1": lambda g: frechet(g.x, g.y, correction=0),
        "features are taken for independent: use the whole covariance": diagonal,
    },
    rtol=1e-4,
)
def distance(lab, given) -> Tensor:
    """It is the squared distance of the means plus trace(A + B - 2·(A·B)^½)."""
    return lab.feature_distance(given.x, given.y)


def reach(by: Tensor, k: int) -> Tensor:
    """How far each point's k-th neighbour is, itself left out."""
    return torch.cdist(by, by).sort(1).values[:, k]


def inside(x: Tensor, by: Tensor, k: int) -> Tensor:
    """Which x lie in a ball around one of the points."""
    return (torch.cdist(x, by) <= reach(by, k)).any(1)


def told_apart(right: Tensor, wrong: list[Tensor]) -> bool:
    """Whether no two of these answers are the same, nor one the right one's opposite."""
    return len({tuple(one.tolist()) for one in [right, ~right, *wrong]}) == len(wrong) + 2


def some_points(rng: torch.Generator) -> Arrays:
    """Two clouds among which the usual mistakes show."""
    while True:
        g = Given(x=normal(12, 2, std=1.5)(rng), by=normal(10, 2)(rng), k=torch.tensor(2))
        if told_apart(inside(g.x, g.by, 2), [way(g) for way in COVER_MISTAKES.values()]):
            return dict(g)


COVER_MISTAKES: dict[str, Way] = {
    "a point counts as its own neighbour: the reach is that of k + 1": lambda g: inside(
        g.x, g.by, int(g.k) - 1
    ),
    "the balls stand around x: they stand around `by`": lambda g: (
        torch.cdist(g.x, g.by) <= reach(g.x, int(g.k))[:, None]
    ).any(1),
    "a point must lie in all balls: one is enough": lambda g: (
        torch.cdist(g.x, g.by) <= reach(g.by, int(g.k))
    ).all(1),
    "only the nearest point's ball counts: any will do": lambda g: (
        torch.cdist(g.x, g.by).min(1).values
        <= reach(g.by, int(g.k))[torch.cdist(g.x, g.by).argmin(1)]
    ),
}


@check("covered", "Precision and recall", given=some_points,
       expect=lambda g: inside(g.x, g.by, int(g.k)), mistakes=COVER_MISTAKES)  # fmt: skip
def covered(lab, given) -> Tensor:
    """`covered` says which x lie within the reach of one of the points, to its k-th neighbour."""
    return lab.covered(given.x, given.by, int(given.k))


def some_labels(rng: torch.Generator) -> Arrays:
    """Classes with one, few, hardly enough and many samples, in any order."""
    count = torch.tensor([1, 22, 26, 70, 181])[torch.randperm(5, generator=rng)]
    return {"label": torch.arange(5).repeat_interleave(count)}


def lacking(g: Given, way: Callable[[Tensor], Tensor]) -> Tensor:
    """What a way says of the number of samples of each class."""
    return way(g.label.bincount(minlength=5))


@check(
    "lost-modes",
    "Lost modes",
    given=some_labels,
    expect=partial(lacking, way=lambda n: n < 300 / 5 * 0.4),
    mistakes={
        "only classes without any sample are lost": partial(lacking, way=lambda n: n == 0),
        "the share is of all samples: an even share is 1 / classes": partial(
            lacking, way=lambda n: n < 0.4 * 300
        ),
        "the mean share is asked of each: `least` of it is enough": partial(
            lacking, way=lambda n: n < 60
        ),
    },
)
def lost_modes(lab, given) -> Tensor:
    """A class is lost if it has fewer samples than `least` of an even share."""
    return lab.lost_modes(given.label, 5, 0.4)


def near(x: Tensor, known: Tensor) -> Tensor:
    """Distances in ascending order, [N, M]."""
    return torch.cdist(x, known).sort(1).values


def judged(g: Given, to: int = 9) -> Tensor:
    """What is nearer to the nearest than half the way to another one, in ascending order."""
    return near(g.x, g.known)[:, 0] < 0.5 * near(g.x, g.known)[:, to]


COPY_MISTAKES: dict[str, Way] = {
    "only what is equal counts as a copy": lambda g: near(g.x, g.known)[:, 0] < 1e-3,
    "the second nearest is compared: take the tenth": partial(judged, to=1),
    "the farthest is compared: take the tenth": partial(judged, to=-1),
}


def some_copies(rng: torch.Generator) -> Arrays:
    """Known points and others, copies with more or less noise, among which mistakes show."""
    while True:
        known = normal(16, 2, std=2)(rng)
        noise = torch.linspace(0, 2, 12).view(-1, 1) * normal(12, 2)(rng)
        g = Given(x=known[:12] + noise, known=known)
        if told_apart(judged(g), [way(g) for way in COPY_MISTAKES.values()]):
            return dict(g)


@check("copied", "Copies", given=some_copies, expect=judged, mistakes=COPY_MISTAKES)
def copied(lab, given) -> Tensor:
    """What is much nearer to one known picture than to its tenth is a copy."""
    return lab.copied(given.x, given.known, 0.5)


# Two players --------------------------------------------------------------------------------------

PLAYERS = {
    **CRITIC,
    "maker": normal(SIDE**2, NOISE + CLASSES, std=0.7),
    "label": integers(0, CLASSES, B),
    "mix": uniform(B),
}
LAMBDA = 3.0


def toy(lab, g: Given, game: str = GAMES[0]) -> nn.Module:
    """The learner's Model with a toy critic, and a linear generator."""
    how = {"noise": NOISE, "side": 4, "classes": CLASSES, "penalty": LAMBDA, "game": game}
    model = lab.Model(width=2, critic_steps=2, **how)
    model.critic = toy_critic(g)
    first = nn.Linear(NOISE + CLASSES, SIDE**2, bias=False)
    first.weight.data.copy_(g.maker)
    model.generator = nn.Sequential(first, nn.Unflatten(1, (1, SIDE, SIDE)))
    return model


def whole_loss(
    net: nn.Module,
    g: Given,
    game: str = GAMES[0],
    weight: float = LAMBDA,
    at: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.lerp,
) -> Tensor:
    """The critic's loss with the penalty, which minimax does without."""
    fake, mix = g.fake.detach(), g.mix.view(-1, 1, 1, 1)
    verdicts = {"real": net(told(g.real, g.label)), "fake": net(told(fake, g.label))}
    loss = critics(Given(verdicts))[game]
    if game == GAMES[0]:
        slope = slopes(lambda x: net(told(x, g.label)), at(fake, g.real, mix))
        loss = loss + weight * unit(slope)
    return loss


LEAK = "the gradient of made pictures"


def critic_steps(g: Given, **how: Any) -> Arrays:
    """The loss in both games, what the critic learns, and what made pictures do."""
    found: Arrays = {}
    for game in GAMES:
        net = toy_critic(g)
        loss = whole_loss(net, g, game, **how)
        loss.backward()
        found |= {game: loss.detach(), f"{game}: {TO_CRITIC}": net[1].weight.grad}
    return found | {LEAK: torch.zeros_like(g.fake)}


def leaked(g: Given) -> Arrays:
    """What reaches made pictures that were not detached, in both games."""
    fake = g.fake.clone().requires_grad_()
    net = toy_critic(g)
    for game in GAMES:
        critics(Given(real=torch.zeros(B), fake=net(told(fake, g.label))))[game].backward()
    return {LEAK: fake.grad}


def step_without(*keys: str, **how: Any) -> Way:
    """Wrong in the Wasserstein game."""
    names = keys or (GAMES[0], f"{GAMES[0]}: {TO_CRITIC}")
    return lambda g: {name: critic_steps(g, **how)[name] for name in names}


PICTURES = {"real": normal(B, 1, SIDE, SIDE), "fake": normal(B, 1, SIDE, SIDE, mean=1)}


@check(
    "critic-step",
    "What the critic learns from",
    given={**PLAYERS, **PICTURES},
    expect=critic_steps,
    mistakes={
        "the gradient reaches the generator: detach the made pictures": leaked,
        "the penalty is left out": step_without(weight=0.0),
        "the penalty's weight is left out": step_without(weight=1.0),
        "the penalty is rewarded: add it": step_without(weight=-LAMBDA),
        "the penalty is taken at real pictures: take it at the points between": step_without(
            at=lambda _fake, real, _mix: real
        ),
        "the penalty is taken at made pictures: take it at the points between": step_without(
            at=lambda fake, _real, _mix: fake
        ),
        "minimax is played with a penalty": lambda g: {
            GAMES[1]: (
                critic_steps(g)[GAMES[1]]
                + critic_steps(g)[GAMES[0]]
                - critic_steps(g, weight=0.0)[GAMES[0]]
            )
        },
    },
    depends_on=("condition", "critic-loss", "between", "penalty"),
    rtol=1e-4,
)
def critic_step(lab, given) -> Arrays:
    """Real and detached made pictures make the loss, and the penalty between them Wasserstein's."""
    found, fake = {}, given.fake.clone().requires_grad_()
    for game in GAMES:
        model = toy(lab, given, game)
        loss = model.critic_step_loss(given.real, fake, given.label, given.mix)
        loss.backward()
        weight = {f"{game}: {TO_CRITIC}": model.critic[1].weight}
        found |= {game: loss.detach(), **gradients(weight)}
    return found | gradients({LEAK: fake})


RATE, ROUNDS = 0.1, 4
WEIGHTS = ("the critic's weight", "the generator's weight")


def played(
    g: Given,
    turns: tuple[int, ...] = (1, 3),
    clear: tuple[bool, bool] = (True, True),
    partner: bool = False,
    before: bool = False,
) -> Arrays:
    """Both players' weights after some rounds of descent.

    The generator moves at `turns`; gradients are cleared or not; the partner moves as well in the
    generator's step, or the generator moves before the critic.
    """
    net, maker = toy_critic(g), g.maker.clone().requires_grad_()
    real, weights = g.image.float() / 16 * 2 - 1, (list(net.parameters()), [maker])
    critic, generator = (torch.optim.SGD(w, RATE) for w in weights)

    def make() -> Tensor:
        return F.linear(told(g.noise, g.label), maker).view(-1, 1, SIDE, SIDE)

    def move(optimizer: torch.optim.Optimizer, loss: Tensor, cleared: bool) -> None:
        if cleared:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def fool(turn: int) -> None:
        if turn in turns:
            move(generator, -net(told(make(), g.label)).mean(), clear[1])
            if partner:
                critic.step()

    for turn in range(ROUNDS):
        if before:
            fool(turn)
        move(critic, whole_loss(net, g | {"real": real, "fake": make()}), clear[0])
        if not before:
            fool(turn)
    return dict(zip(WEIGHTS, (net[1].weight, maker), strict=True))


WRONG_TURNS: dict[str, dict[str, Any]] = {
    "the generator moves each time: the critic has `critic_steps`": {"turns": (0, 1, 2, 3)},
    "the generator comes too early: after `critic_steps` of the critic": {"turns": (0, 2)},
    "the generator never moves": {"turns": ()},
    "gradients of the generator's step are left at the critic: zero_grad": {"clear": (False, True)},
    "the generator's gradients pile up: zero_grad": {"clear": (True, False)},
    "the critic moves in the generator's step, to be fooled": {"partner": True},
    "the generator moves first: the critic's step comes before it": {"before": True},
}


@check(
    "alternate",
    "Taking turns",
    given={
        **PLAYERS,
        "noise": normal(B, NOISE),
        "image": integers(0, 17, B, 1, SIDE, SIDE, dtype=torch.uint8),
    },
    expect=played,
    mistakes={
        **{words: partial(played, **how) for words, how in WRONG_TURNS.items()},
        "the critic does not move": lambda g: {WEIGHTS[0]: g["1.weight"]},
    },
    depends_on=("scale", "generator-loss", "critic-step"),
    rtol=1e-3,
    atol=1e-5,
)
def alternate(lab, given) -> Arrays:
    """The critic moves in each step; the generator after each second one, and alone."""
    model = toy(lab, given)
    players = [torch.optim.SGD(p.parameters(), RATE) for p in (model.critic, model.generator)]
    model.draw = lambda _n: (given.noise, given.mix)
    model.optimizers, model.lr_schedulers = (lambda: players), (list)
    model.manual_backward, model.log = (lambda loss: loss.backward()), (lambda *_: None)
    for turn in range(ROUNDS):
        model.training_step({"image": given.image, "label": given.label}, turn)
    weights = model.critic[1].weight, model.generator[0].weight
    return dict(zip(WEIGHTS, weights, strict=True))


COUNT = 1200
SAMPLED = dict.fromkeys(("first", "again", "other", "told"), f"float32 [{COUNT}, {NOISE + 3}]")


def sample_probe(lab, given) -> Arrays:
    """Samples of a generator that shows its input: of one seed twice, of another, of a class."""
    model = lab.Model(noise=NOISE, width=2, side=4, classes=3)
    model.generator = nn.Identity()
    seeds = {"first": int(given.seed), "again": int(given.seed), "other": int(given.seed) + 1}
    kind = torch.full((COUNT,), 2)
    found = {name: model.sample(COUNT, seed) for name, seed in seeds.items()}
    return found | {"told": model.sample(COUNT, int(given.seed), kind)}


@check(
    "sample",
    "Pictures that nobody has drawn",
    given={"seed": integers(0, 10_000)},
    probe=sample_probe,
    returns=SAMPLED,
    depends_on=("condition",),
)
def sample(given: Given, got: Arrays) -> Outcome:
    """`sample` makes pictures of N(0, 1), by its seed, of the classes that are asked for."""
    z, kind = got["first"][:, :NOISE].double(), got["first"][:, NOISE:].double()
    sd, share = z.std(0), kind.mean(0)
    return every(
        holds((sd > 1e-3).all(), "all samples are alike: draw noise for each"),
        holds(torch.corrcoef(z.T)[0, 1].abs() < 0.5, "one number serves for all noise"),
        holds(
            (z.mean(0).abs() < 0.15).all() and ((sd > 0.85) & (sd < 1.15)).all(),
            f"noise has means {z.mean(0).tolist()} and deviations {sd.tolist()}, not 0 and 1",
        ),
        holds(torch.equal(got["first"], got["again"]), "the same seed draws others: use rng"),
        holds(not torch.equal(got["first"], got["other"]), "the seed is ignored"),
        holds((got["told"][:, NOISE:] == torch.eye(3)[2]).all(), "`kind` is not what is made"),
        holds((share > 0.25).all(), f"without kind, classes have shares {share.tolist()}"),
    )


# What samples are scored by -----------------------------------------------------------------------

FORM, SETS, MANY = "float32 [N, 1, 8, 8]", 5, 1000
UNITS, WIDEST, RIDGE = 256, 32, 3.0
NEAR, MOST_COPIES = 0.65, 0.15


def pixels(image: Tensor) -> Tensor:
    """Digits as float32 [N, 64] from -1 to 1."""
    return image.flatten(1).float() / 8 - 1


def known_digits() -> Tensor:
    """All digits that a learner may have seen, [M, 64]."""
    return torch.cat([pixels(load("digits", part)["image"]) for part in ("train", "val", "test")])


class Judge:
    """The scorer's classifier: random features, and the classes fitted to them by ridge regression.

    On test digits it is right in about 98 of 100 (`_author/answers.py` measures it).
    """

    def __init__(self, rng: torch.Generator) -> None:
        train = load("digits", "train")
        x = pixels(train["image"])
        self.weight, self.bias = torch.randn(64, UNITS, generator=rng) / 8, x.mean(0)
        self.offset = torch.randn(UNITS, generator=rng) / 2
        h = self.hidden(x)
        self.middle, one = h.mean(0), F.one_hot(train["label"], 10).double()
        self.axes = torch.linalg.svd(h - self.middle, full_matrices=False).Vh[:WIDEST].T
        h = F.pad(h, (0, 1), value=1.0)
        self.head = torch.linalg.solve(h.T @ h + RIDGE * torch.eye(UNITS + 1).double(), h.T @ one)

    def hidden(self, x: Tensor) -> Tensor:
        """The hidden layer, float64 [N, UNITS]."""
        return ((x - self.bias) @ self.weight + self.offset).relu().double()

    def features(self, x: Tensor) -> Tensor:
        """The hidden layer in its widest directions, float64 [N, WIDEST]."""
        return (self.hidden(x) - self.middle) @ self.axes

    def classes(self, x: Tensor) -> Tensor:
        """The class of each picture, int64 [N]."""
        return (F.pad(self.hidden(x), (0, 1), value=1.0) @ self.head).argmax(1)


def is_copy(x: Tensor, known: Tensor) -> Tensor:
    """Which pictures are much nearer to one known picture than to its tenth, bool [N]."""
    ranks = near(x, known)
    return ranks[:, 0] < NEAR * ranks[:, 9]


def made(player, n: int, rng: torch.Generator) -> Tensor:
    """New samples, float32 [n, 64]; those of a player that copies are not measured at all."""
    x = player.sample(n, int(torch.randint(2**31, (), generator=rng))).flatten(1)
    if x.abs().max() > 1.001:
        raise ValueError("sample: pixels run from -1 to 1")
    copies = float(is_copy(x, known_digits()).float().mean())
    if copies > MOST_COPIES:
        raise ValueError(f"sample: {copies:.0%} are copies of known digits, or mixed from them")
    return x


@play("feature-distance", returns=FORM, items=True)
def how_far(player, rng, items) -> Tensor:
    """Fréchet distance of samples from digits never seen, in features of the scorer's classifiers,
    as a share of how widely those digits are spread.
    """
    real, found = pixels(items.inputs["image"]), []
    for _ in range(SETS):
        judge = Judge(rng)
        features = judge.features(real)
        far = frechet(judge.features(made(player, MANY, rng)), features)
        found.append(far / features.var(0).sum())
    return torch.stack(found)


@play("modes", returns=FORM, items=True)
def modes(player, rng, items) -> Tensor:
    """Of digits never seen: whether the class has a third of an even share of samples, or more."""
    said = Judge(rng).classes(made(player, MANY, rng))
    enough = said.bincount(minlength=10) >= MANY / 10 / 3
    return enough[items.labels()["label"]]


@play("likeness", returns=FORM, items=True)
def likeness(player, rng, items) -> Tensor:
    """Harmonic mean of precision and recall: samples among digits never seen, those among them."""
    real = pixels(items.inputs["image"])
    found = []
    for _ in range(SETS):
        x = made(player, len(real), rng)
        precision, recall = (inside(a, b, 3).double().mean() for a, b in ((x, real), (real, x)))
        found.append(2 * precision * recall / (precision + recall).clamp(min=1e-9))
    return torch.stack(found)


@dream("What it makes", arm="main", returns=FORM)
def makes(player, rng) -> Iterator[exhibits.Exhibit]:
    """Samples of a seed, the known digits nearest to them, ways between, and shares of classes."""
    seed = int(torch.randint(2**31, (), generator=rng))
    x = player.sample(MANY, seed)
    yield exhibits.pictures(f"Samples of seed {seed}", (x[:32] + 1) / 2)
    known = known_digits()
    nearest = known[torch.cdist(x[:32].flatten(1), known).argmin(1)]
    yield exhibits.pictures("The known digits nearest to them", (nearest.view(-1, 1, 8, 8) + 1) / 2)
    ways = [
        player.call("interpolate", seed + i, 8, returns="float32 [8, 1, 8, 8]") for i in range(3)
    ]
    yield exhibits.pictures("Three ways between two draws of noise", (torch.cat(ways) + 1) / 2)
    share = Judge(rng).classes(x.flatten(1)).bincount(minlength=10) / MANY
    rows = [(str(digit), float(part)) for digit, part in enumerate(share)]
    copies = float(is_copy(x.flatten(1), known).float().mean())
    yield exhibits.table("What they are taken for", ("digit", "share"), [*rows, ("copies", copies)])

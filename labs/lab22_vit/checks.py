"""The visible checks of lab 22, in the order of its tasks.

Famous networks are built in their full size on the meta device, which knows shapes and computes
nothing, and are held against what their papers say.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import (
    Arrays,
    Given,
    Outcome,
    check,
    close,
    dream,
    every,
    exhibits,
    holds,
    integers,
    normal,
    uniform,
)
from labs.lab22_vit import given as parts

NEARLY = {"atol": 1e-4, "rtol": 1e-4}

# A vision transformer -----------------------------------------------------------------------------

PATCH = 2


def cut(g: Given, order: str = "bnmcyx") -> Tensor:
    """The patches: n and m are their row and column, y and x those of a pixel within."""
    split = g.image.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))
    return torch.einsum(f"bcnymx->{order}", split).reshape(
        len(split), split[0, 0, :, 0, :, 0].numel(), -1
    )


@check(
    "patches",
    "Patches",
    given={"image": normal(2, 3, 4, 6)},
    expect=cut,
    mistakes={
        "scrambled: this cuts rows, not squares": lambda g: g.image.reshape(cut(g).shape),
        "patches come column by column": partial(cut, order="bmncyx"),
        "channels come last within a patch": partial(cut, order="bnmyxc"),
        "rows and columns within a patch are swapped": partial(cut, order="bnmcxy"),
        "channels come before patches": partial(cut, order="bcnmyx"),
        "rows of patches and rows within are mixed up": partial(cut, order="bymcnx"),
    },
)
def patches(lab, given) -> Tensor:
    """`patches` cuts pictures into squares, row by row; a patch keeps its channels together."""
    return lab.patches(given.image, PATCH)


def joined(g: Given, place: Any = 1, first: Any = None) -> Tensor:
    """Class token, patches and positions."""
    first = g.first.expand(len(g.patch), 1, -1) if first is None else first
    return torch.cat([first, g.patch], 1) + place * g.place


FRONT = (torch.arange(5) == 0).float()[:, None]


@check(
    "tokens",
    "Class token and positions",
    given={"patch": normal(3, 4, 6), "first": normal(6), "place": normal(5, 6)},
    expect=joined,
    mistakes={
        "positions are forgotten: patches may come in any order": partial(joined, place=0),
        "the class token stands at the end": lambda g: joined(g, 0).roll(-1, 1) + g.place,
        "the class token has no position": partial(joined, place=1 - FRONT),
        "patches have no positions": partial(joined, place=FRONT),
        "all tokens have the first position": lambda g: joined(g, 0) + g.place[0],
        "positions are multiplied, not added": lambda g: joined(g, 0) * g.place,
        "the patches' mean is in front": lambda g: joined(g, first=g.patch.mean(1, keepdim=True)),
        "each position is the next token's": lambda g: joined(g, 0) + g.place.roll(-1, 0),
    },
    grad=("patch", "first", "place"),
)
def tokens(lab, given) -> Tensor:
    """`tokens` puts the class token in front, and adds to each token its position."""
    return lab.tokens(given.patch, given.first, given.place)


WIDE, HEADS, SIDE, CHANNELS, CLASSES = 8, 2, 4, 3, 5
MADE: dict[str, Callable[[], nn.Module]] = {
    "norm": partial(nn.LayerNorm, WIDE),
    "attention": partial(parts.Attention, WIDE, HEADS),
    "outer_norm": partial(nn.LayerNorm, WIDE),
    "network": partial(parts.network, WIDE),
}


def shapes(made: dict[str, Callable[[], nn.Module]]) -> dict[str, Callable[..., Tensor]]:
    """How the parameters of some modules are drawn, by name."""
    whole = nn.ModuleDict({name: make() for name, make in made.items()})
    return {name: normal(*value.shape, std=0.5) for name, value in whole.state_dict().items()}


def halves(g: Given, prefix: str = "") -> list[nn.Module]:
    """Norm, attention, norm and network of a block, as they were drawn."""
    modules = [make() for make in MADE.values()]
    for name, module in zip(MADE, modules, strict=True):
        module.load_state_dict({key: g[f"{prefix}{name}.{key}"] for key in module.state_dict()})
    return modules


def pre_norm(x: Tensor, n: nn.Module, a: nn.Module, m: nn.Module, f: nn.Module) -> Tensor:
    """A block as it is: norms n and m, attention a, network f."""
    x = x + a(n(x))
    return x + f(m(x))


def put(way: Callable[..., Tensor]) -> Callable[[Given], Tensor]:
    """A block whose halves are put together in this way."""
    return lambda g: way(g.x, *halves(g))


BLOCK = shapes(MADE)


@check(
    "block",
    "Pre-norm block",
    given={**BLOCK, "x": normal(2, 5, WIDE)},
    expect=put(pre_norm),
    mistakes={
        "norms come after the sums (post-norm)": put(
            lambda x, n, a, m, f: m(n(x + a(x)) + f(n(x + a(x))))
        ),
        "norms come behind the parts": put(lambda x, n, a, m, f: pre_norm(x, a, n, f, m)),
        "add to what came in, not to its norm": put(
            lambda x, n, a, m, f: m(n(x) + a(n(x))) + f(m(n(x) + a(n(x))))
        ),
        "both shortcuts are missing": put(lambda x, n, a, m, f: f(m(a(n(x))))),
        "attention has no shortcut": put(lambda x, n, a, m, f: a(n(x)) + f(m(a(n(x))))),
        "attention and network stand abreast": put(lambda x, n, a, m, f: x + a(n(x)) + f(m(x))),
        "self.norm is asked twice": put(lambda x, n, a, m, f: pre_norm(x, n, a, n, f)),
        "attention is missing": put(lambda x, n, a, m, f: x + f(m(x))),
        "the network is missing": put(lambda x, n, a, m, f: x + a(n(x))),
        "the network comes before attention": put(lambda x, n, a, m, f: pre_norm(x, m, f, n, a)),
        "nothing is normalised": put(lambda x, n, a, m, f: x + a(x) + f(x + a(x))),
    },
    **NEARLY,
)
def block(lab, given) -> Tensor:
    """A block adds attention of the normalised tokens, then the network of the normalised sum."""
    made = lab.Block(WIDE, HEADS)
    made.load_state_dict({name: given[name] for name in BLOCK})
    return made(given.x)


ENDS: dict[str, Callable[[], nn.Module]] = {
    "embed": partial(nn.Linear, CHANNELS * PATCH**2, WIDE),
    "norm": partial(nn.LayerNorm, WIDE),
    "head": partial(nn.Linear, WIDE, CLASSES),
}
VIT = {"first": normal(WIDE), "place": normal(5, WIDE), **shapes(ENDS)}
VIT |= {f"blocks.{i}.{name}": draw for i in range(2) for name, draw in BLOCK.items()}
SEEN = {**VIT, "image": normal(2, CHANNELS, SIDE, SIDE)}


def vit(lab, g: Given) -> nn.Module:
    """The learner's transformer in toy size, with the drawn parameters."""
    net = lab.ViT(SIDE, CHANNELS, PATCH, features=WIDE, depth=2, heads=HEADS, classes=CLASSES)
    net.load_state_dict({name: g[name] for name in VIT})
    return net


Reader = Callable[[Tensor], Tensor]


def scores(
    g: Given,
    read: Reader = lambda x: x[:, 0],
    blocks: Any = (0, 1),
    *,
    norm: int = 1,
    place: int = 1,
) -> Tensor:
    """The logits, right or wrong in a classic way."""
    x = joined(g | {"patch": F.linear(cut(g), g["embed.weight"], g["embed.bias"])}, place)
    for i in blocks:
        x = pre_norm(x, *halves(g, f"blocks.{i}."))
    x = F.layer_norm(x, (WIDE,), g["norm.weight"], g["norm.bias"]) if norm else x
    return F.linear(read(x), g["head.weight"], g["head.bias"])


@check(
    "logits",
    "From pictures to logits",
    given=SEEN,
    expect=scores,
    mistakes={
        "the mean of all tokens is classified": partial(scores, read=lambda x: x.mean(1)),
        "the mean of the patches is classified": partial(scores, read=lambda x: x[:, 1:].mean(1)),
        "the last token is classified": partial(scores, read=lambda x: x[:, -1]),
        "the norm before the head is missing": partial(scores, norm=0),
        "positions are forgotten": partial(scores, place=0),
        "the blocks are left out": partial(scores, blocks=()),
        "the blocks come in the wrong order": partial(scores, blocks=(1, 0)),
        "the first block does all the work": partial(scores, blocks=(0, 0)),
        "the first block alone was asked": partial(scores, blocks=(0,)),
        "the last block alone was asked": partial(scores, blocks=(1,)),
        "these are probabilities: the loss takes logits": lambda g: scores(g).softmax(1),
    },
    **NEARLY,
    depends_on=("patches", "tokens", "block"),
)
def logits(lab, given) -> Tensor:
    """The network classifies the class token, normalised, as it leaves the last block."""
    return vit(lab, given)(given.image)


ASKED = ("as they are", "patches moved", "patches and positions moved")


def moved_probe(lab, given) -> Arrays:
    """Logits of pictures; with their patches in another order; and with positions moved along."""
    net, order = vit(lab, given), torch.tensor([2, 3, 1, 0])
    there = F.fold(cut(given)[:, order].mT, (SIDE, SIDE), PATCH, stride=PATCH)
    got = [net(given.image), net(there)]
    with torch.no_grad():
        net.place[1:] = net.place[1:][order]
    return dict(zip(ASKED, [*got, net(there)], strict=True))


@check(
    "moved",
    "What positions are for",
    given=SEEN,
    probe=moved_probe,
    returns=dict.fromkeys(ASKED, f"float32 [2, {CLASSES}]"),
    depends_on=("patches", "tokens", "block"),
    hint="logits",
)
def moved(given: Given, got: Arrays) -> Outcome:
    """Moved patches get other scores; if their positions move along, they get the same."""
    here, there, both = (got[name] for name in ASKED)
    different = not torch.allclose(here, there, atol=1e-4)
    return every(
        holds(different, "patches in another order get the same scores: positions are forgotten"),
        close(both, here, atol=1e-3, rtol=1e-3),
    )


def learn_probe(lab, given) -> Arrays:
    """Eighty steps on one batch: what it costs then, and how many parameters have no gradient."""
    torch.manual_seed(int(given.seed))
    model = lab.Model(side=8, patch=2, features=16, depth=2, heads=2)
    model.mean, model.std = torch.tensor(128.0), torch.tensor(70.0)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    for _ in range(80):
        loss = F.cross_entropy(model.predict({"image": given.image}), torch.arange(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    still = sum(p.grad is None or not bool(p.grad.any()) for p in model.parameters())
    return {"last": loss.detach(), "still": torch.tensor(still)}


@check(
    "learns",
    "One batch by heart",
    given={"seed": integers(0, 999), "image": integers(0, 256, 8, 1, 8, 8, dtype=torch.uint8)},
    probe=learn_probe,
    returns={"last": "float32 []", "still": "int64 []"},
    depends_on=("logits",),
    hint="logits",
)
def learns(given: Given, got: Arrays) -> Outcome:
    """The transformer learns eight pictures by heart, and a gradient reaches all its parameters."""
    last, still = float(got["last"]), int(got["still"])
    return every(
        holds(still == 0, f"no gradient reaches {still} of its parameters: what cuts them off?"),
        holds(last < 0.2, f"after 80 steps eight pictures still cost {last:.3g} nats"),
    )


def rolled(
    g: Given,
    own: float = 0.5,
    *,
    way: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
    heads: Reader = lambda look: look.mean(1),
    row: Reader = lambda whole: whole[:, 0, 1:],
    blocks: slice = slice(None),
) -> Tensor:
    """Attention rollout; `way` joins a block with those before."""
    whole = torch.eye(5).expand(2, 5, 5)
    for look in g.look.softmax(-1)[blocks]:
        whole = way((1 - own) * heads(look) + own * torch.eye(5), whole)
    return F.normalize(row(whole), p=1, dim=1)


@check(
    "rollout",
    "Where the class token looks",
    given={"look": normal(3, 2, 2, 5, 5, std=1.5)},
    expect=rolled,
    mistakes={
        "the shortcut is forgotten": partial(rolled, own=0),
        "later blocks come from the left": partial(rolled, way=lambda late, early: early @ late),
        "this is how patches look at the class token": partial(rolled, row=lambda w: w[:, 1:, 0]),
        "one head alone was asked": partial(rolled, heads=lambda look: look[:, 0]),
        "the strongest head alone counts": partial(rolled, heads=lambda look: look.amax(1)),
        "the last block alone was asked": partial(rolled, blocks=slice(2, None)),
        "the first block alone was asked": partial(rolled, blocks=slice(1)),
        "the class token keeps its share": lambda g: rolled(g, row=lambda w: w[:, 0])[:, 1:],
        "this is the mean over all tokens": partial(rolled, row=lambda w: w[:, :, 1:].mean(1)),
        "blocks are added up: multiply them": partial(rolled, way=torch.add),
    },
)
def rollout(lab, given) -> Tensor:
    """`rollout` multiplies the blocks' attention, half of each token being itself."""
    return lab.rollout(list(given.look.softmax(-1)))


# What a network costs -----------------------------------------------------------------------------

Count = Callable[[nn.Module, Sequence[int]], int]


def counted(layer: nn.Module, out: Sequence[int], *, wrong: str = "") -> int:
    """Multiply-adds of a layer, right or wrong in a classic way."""
    weight = getattr(layer, "weight", None)
    if weight is None or weight.dim() < 2:
        return math.prod(out) if wrong == "all" else 0
    if wrong == "weights" or (wrong == "linear" and weight.dim() == 2):
        return weight.numel() if wrong == "weights" else 0
    factor = {"both": 2, "groups": getattr(layer, "groups", 1)}.get(wrong, 1)
    return factor * (weight[0].numel() + (wrong == "bias")) * math.prod(out)


def costs(g: Given, count: Count = counted, **wrong: str) -> Arrays:
    """Of single layers, and of all AlexNet."""
    size, count = g.size.tolist(), partial(count, **wrong)
    convs = nn.Conv2d(4, 6, (3, 5)), nn.Conv2d(4, 6, 3, 2, groups=2)
    layers = [count(layer, [1, 6, *size]) for layer in (*convs, nn.BatchNorm2d(6), nn.ReLU())]
    layers.append(count(nn.Linear(7, 5), [1, size[0], 5]))
    return {
        "two convolutions, a norm, a ReLU, a linear layer": torch.tensor(layers),
        "AlexNet": torch.tensor(parts.cost(parts.alexnet, (3, 227, 227), count)[1]),
    }


@check(
    "multiply-adds",
    "What a layer costs",
    given={"size": integers(3, 9, 2)},
    expect=costs,
    mistakes={
        "groups are ignored: a filter sees C / groups channels": partial(costs, wrong="groups"),
        "this counts weights: each serves at many places": partial(costs, wrong="weights"),
        "biases are not counted": partial(costs, wrong="bias"),
        "layers without products count as 0": partial(costs, wrong="all"),
        "linear layers cost, too": partial(costs, wrong="linear"),
        "a multiplication with its addition counts once": partial(costs, wrong="both"),
    },
)
def multiply_adds(lab, given) -> Arrays:
    """`multiply_adds` counts an output's numbers times the length of one inner product."""
    return costs(given, lab.multiply_adds)


def networks(rng: torch.Generator) -> Arrays:
    """Figures of twelve networks: all kinds of ties, two of them equal and unbeaten."""
    cost, accuracy = (torch.randint(2, 7, (6,), generator=rng).float() for _ in range(2))
    cost = torch.cat([cost, torch.tensor([3.0, 3, 3, 4, 1, 9])])
    accuracy = torch.cat([accuracy, torch.tensor([8.0, 8, 7, 8, 1, 9])])
    order = torch.randperm(12, generator=rng)
    return {"cost": cost[order], "accuracy": accuracy[order]}


Rule = Callable[[Tensor, Tensor], Tensor]


def unbeaten(
    g: Given, rule: Rule = lambda c, a: (c <= 0) & (a >= 0) & ((c < 0) | (a > 0))
) -> Tensor:
    """Networks that no other one beats; the rule sees what the other has more, and is of it."""
    return ~rule(g.cost - g.cost[:, None], g.accuracy - g.accuracy[:, None]).any(1)


@check(
    "frontier",
    "Worth its cost",
    given=networks,
    expect=unbeaten,
    mistakes={
        "each beats itself": partial(unbeaten, rule=lambda c, a: (c <= 0) & (a >= 0)),
        "as cheap and better beats, too": partial(unbeaten, rule=lambda c, a: (c < 0) & (a >= 0)),
        "cheaper and as good beats, too": partial(unbeaten, rule=lambda c, a: (c <= 0) & (a > 0)),
        "one better figure is enough": partial(unbeaten, rule=lambda c, a: (c < 0) & (a > 0)),
        "these are the beaten ones": lambda g: ~unbeaten(g),
        "this is the most accurate alone": lambda g: g.accuracy == g.accuracy.max(),
        "this is the cheapest alone": lambda g: g.cost == g.cost.min(),
    },
)
def frontier(lab, given) -> Tensor:
    """`frontier` keeps the networks that none beats in one figure without losing in the other."""
    return lab.frontier(given.cost, given.accuracy)


# Famous networks ----------------------------------------------------------------------------------

PARAMETERS, COST, OUT = "parameters", "multiply-adds", "what comes out"


def sized(build: Callable[[], nn.Module], size: Sequence[int], of: str = "") -> Arrays:
    """What a network costs, as the check counts it."""
    learned, work = parts.cost(build, size, counted)
    return {PARAMETERS + of: torch.tensor(learned), COST + of: torch.tensor(work)}


KINDS = {"convolutions": nn.Conv2d, "ReLUs": nn.ReLU, "max pools": nn.MaxPool2d}


@check(
    "vgg",
    "VGG-16",
    given={"classes": integers(2, 1000)},
    expect=lambda g: {
        PARAMETERS: 134_260_544 + 4097 * g.classes,
        COST: 15_466_168_320 + 4096 * g.classes,
        "convolutions": 13,
        "ReLUs": 15,
        "max pools": 5,
    },
    mistakes={
        "`classes` is ignored": {PARAMETERS: 138_357_544},
        "convolutions have a bias": lambda g: {PARAMETERS: 134_256_320 + 4097 * g.classes},
        "batch norm came a year later": lambda g: {PARAMETERS: 134_268_992 + 4097 * g.classes},
        "this is VGG-19: no group has four convolutions": {"convolutions": 16},
        "this is VGG-13: the last groups have three convolutions": {"convolutions": 10},
        "a linear layer of 4,096 is missing": lambda g: {
            PARAMETERS: 117_479_232 + 4097 * g.classes
        },
        "the logits go through a ReLU": {"ReLUs": 16},
        "linear layers of 4,096 have a ReLU, too": {"ReLUs": 13},
        "each convolution has a ReLU": {"ReLUs": 2},
        "one ReLU serves a whole group: each convolution has its own": {"ReLUs": 7},
        "groups end with a max pool": {"max pools": 0},
    },
)
def vgg(lab, given) -> Arrays:
    """`vgg16` has the published shapes: 138,357,544 parameters for a thousand classes."""
    build = partial(lab.vgg16, int(given.classes))
    with torch.device("meta"):
        layers = list(build().modules())
    found = {name: sum(isinstance(layer, kind) for layer in layers) for name, kind in KINDS.items()}
    return sized(build, (3, 224, 224)) | {name: torch.tensor(n) for name, n in found.items()}


def drawn(g: Given, *shape: int) -> Tensor:
    """Numbers that depend on the drawn seed and on the shape alone."""
    seed = int(g.seed) + zlib.crc32(repr(tuple(shape)).encode())
    return 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def answered(net: nn.Module, g: Given, x: Tensor) -> Tensor:
    """What a network answers in use when its parameters are those."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(drawn(g, *p.shape))
    return net.eval()(x)


def conv(
    g: Given, x: Tensor, out: int, size: int, *, relu: bool = True, norm: bool = False, **how: Any
):
    """A convolution with a bias or, in its place, a batch norm that has seen nothing."""
    weight = drawn(g, out, x.shape[1] // how.get("groups", 1), size, size)
    y, own = F.conv2d(x, weight, padding=size // 2, **how), drawn(g, out)[:, None, None]
    y = y / (1 + 1e-5) ** 0.5 * own + own if norm else y + own
    return y.relu() if relu else y


unit = partial(conv, norm=True)


def four(
    g: Given,
    pool: Callable[..., Tensor] = F.max_pool2d,
    *,
    late: bool = False,
    order: Any = range(4),
):
    """The four ways of an inception module."""
    pooled = partial(pool, kernel_size=3, stride=1, padding=1)
    ways = [
        conv(g, g.x, 3, 1),
        conv(g, conv(g, g.x, 4, 1), 6, 3),
        conv(g, conv(g, g.x, 2, 1), 7, 5),
    ]
    ways.append(pooled(conv(g, g.x, 8, 1)) if late else conv(g, pooled(g.x), 8, 1))
    return {OUT: torch.cat([ways[i] for i in order], 1)}


OF_3A, SEED = " of module 3a", {"seed": integers(0, 10_000)}


@check(
    "inception",
    "GoogLeNet's module",
    given={**SEED, "x": normal(2, 5, 4, 6)},
    expect=lambda g: four(g) | {PARAMETERS + OF_3A: 163_696, COST + OF_3A: 128_049_152},
    mistakes={
        "the pool takes the mean, not the largest": partial(four, pool=F.avg_pool2d),
        "the 1 x 1 convolution comes behind the pool": partial(four, late=True),
        "3 x 3 and 5 x 5 are swapped in the order": partial(four, order=(0, 2, 1, 3)),
        "the pool's way comes last": partial(four, order=(3, 0, 1, 2)),
        "3 x 3 and 5 x 5 have a 1 x 1 before them": {PARAMETERS + OF_3A: 393_472},
        "the third way has a 5 x 5": {PARAMETERS + OF_3A: 155_504},
    },
    **NEARLY,
)
def inception(lab, given) -> Arrays:
    """`inception` has four ways; module 3a has 159 · 1,024 weights, and takes 128 million steps."""
    build = partial(lab.inception, 192, 64, (96, 128), (16, 32), 32)
    out = answered(lab.inception(5, 3, (4, 6), (2, 7), 8), given, given.x)
    return {OUT: out} | sized(build, (192, 28, 28), OF_3A)


OF_50 = " of ResNet-50"


def necks(
    g: Given, *, late: bool = False, act: bool = False, short: bool = False, last: bool = True
):
    """What two bottlenecks answer, one that changes the shape, one that keeps it."""
    found = {}
    for name, x, stride in (("changed shape", g.x, 2), ("same shape", g.y, 1)):
        y = unit(g, x, 3, 1, stride=1 if late else stride)
        y = unit(g, unit(g, y, 3, 3, stride=stride if late else 1), 12, 1, relu=act)
        y = y + (x if stride == 1 else unit(g, x, 12, 1, stride=2, relu=short))
        found[name] = y.relu() if last else y
    return found


@check(
    "bottleneck",
    "ResNet's bottleneck",
    given={**SEED, "x": normal(2, 5, 4, 6), "y": normal(2, 12, 4, 6)},
    expect=lambda g: necks(g) | {PARAMETERS + OF_50: 25_557_032, COST + OF_50: 3_857_973_248},
    mistakes={
        "the stride stands in the 3 x 3, as libraries have it": partial(necks, late=True),
        "a ReLU stands before the sum": partial(necks, act=True),
        "the shortcut has no ReLU": partial(necks, short=True),
        "the ReLU after the sum is missing": partial(necks, last=False),
        "nn.Identity() where the shape stays": {PARAMETERS + OF_50: 40_128_552},
        "the 3 x 3 has `width` channels": {PARAMETERS + OF_50: 223_439_144},
        "the middle one is 3 x 3": {PARAMETERS + OF_50: 15_497_256},
    },
    **NEARLY,
)
def bottleneck(lab, given) -> Arrays:
    """Sixteen bottlenecks make ResNet-50: 25.6 million parameters, 3.8 billion multiply-adds."""
    changed = answered(lab.bottleneck(5, 3, 2), given, given.x)
    same = answered(lab.bottleneck(12, 3, 1), given, given.y)
    whole = sized(partial(parts.resnet50, lab.bottleneck), (3, 224, 224), OF_50)
    return {"changed shape": changed, "same shape": same} | whole


def deep(g: Given, *, act: bool = True, last: bool = True) -> Arrays:
    """A separable convolution."""
    y = unit(g, g.x, 4, 3, groups=4, stride=2, relu=act)
    return {OUT: unit(g, y, 7, 1, relu=last)}


@check(
    "separable",
    "Depthwise separable convolution",
    given={**SEED, "x": normal(2, 4, 4, 6)},
    expect=lambda g: deep(g) | {PARAMETERS: 86, COST: 384},
    mistakes={
        "every channel goes by itself: groups=fan_in": {PARAMETERS: 194},
        "the stride stands in the 1 x 1, which wastes three quarters": {COST: 1032},
        "the ReLU between is missing": partial(deep, act=False),
        "the last ReLU is missing": partial(deep, last=False),
        "the 1 x 1 comes behind": {PARAMETERS: 119},
        "the second is 1 x 1": {PARAMETERS: 310},
        "this is one whole convolution": {PARAMETERS: 266},
    },
    **NEARLY,
)
def separable(lab, given) -> Arrays:
    """`separable` looks around in each channel alone, then mixes the channels at each place."""
    out = answered(lab.separable(4, 7, 2), given, given.x)
    return {OUT: out} | sized(partial(lab.separable, 4, 7, 2), (4, 4, 6))


MOBILE = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2)]
MOBILE += [(1024, 1)]


def mobile(g: Given, rows: Sequence[tuple[int, int]] = MOBILE, **other: float) -> Arrays:
    """Parameters and multiply-adds of MobileNet, by its table."""
    share, classes = other.get("width", float(g.width)), int(other.get("classes", g.classes))
    widths = [int(32 * other.get("first", share)), *(int(width * share) for width, _ in rows)]
    side, learned, work = 112, 29 * widths[0], 27 * widths[0] * 112**2
    for (a, b), (_, stride) in zip(pairwise(widths), rows, strict=True):
        work += 9 * a * (side := -(-side // stride)) ** 2 + a * b * side**2
        learned += 11 * a + a * b + 2 * b
    last = widths[-1] * classes
    return {PARAMETERS: torch.tensor(learned + last + classes), COST: torch.tensor(work + last)}


@check(
    "mobilenet",
    "MobileNet",
    given={
        "width": lambda rng: 0.25 * torch.randint(1, 4, (), generator=rng),
        "classes": integers(2, 999),
    },
    expect=mobile,
    mistakes={
        "`classes` is ignored": partial(mobile, classes=1000),
        "`width` is ignored": partial(mobile, width=1),
        "the first unit is made narrower, too": partial(mobile, first=1),
        "512 channels come six times": partial(mobile, rows=MOBILE[:10] + MOBILE[11:]),
        "the last stride is 1": partial(mobile, rows=[*MOBILE[:-1], (1024, 2)]),
        "the first 1,024 has stride 2": partial(mobile, rows=[*MOBILE[:-2], *[(1024, 1)] * 2]),
        "1,024 channels come twice": partial(mobile, rows=MOBILE[:-1]),
        "separable ones need strides": partial(mobile, rows=[(width, 1) for width, _ in MOBILE]),
    },
    depends_on=("separable",),
)
def mobilenet(lab, given) -> Arrays:
    """`mobilenet` has the published cost: 4.2 million parameters and 569 million at width 1."""
    build = partial(lab.mobilenet, float(given.width), int(given.classes))
    return sized(build, (3, 224, 224))


@check(
    "shuffle",
    "ShuffleNet's shuffle",
    given={"x": normal(2, 6, 1, 2)},
    expect=lambda g: g.x[:, [0, 2, 4, 1, 3, 5]],
    mistakes={
        "nothing is moved": lambda g: g.x,
        "groups and channels are swapped": lambda g: g.x[:, [0, 3, 1, 4, 2, 5]],
        "the groups are turned round": lambda g: g.x[:, [4, 5, 2, 3, 0, 1]],
        "pixels are moved, not channels": lambda g: g.x.flip(3),
    },
)
def shuffle(lab, given) -> Tensor:
    """`shuffle` brings together the channels that have the same place in their groups."""
    return lab.shuffle(given.x, 3)


ROUND, HARD = "channels and repeats", [(3, 1), (11, 2), (52, 3), (27, 2)]
Rounding = Callable[[float], int]


def rows_of(g: Given) -> list[tuple[int, int, float, float]]:
    """Stages that are hard to round, and drawn ones; with width and depth."""
    how = float(g.width), float(g.depth)
    return [(*row, 1.0, 1.0) for row in HARD] + [
        (c, n + 1, *how) for n, c in enumerate(g.stage.tolist())
    ]


def stages(
    g: Given,
    near: Rounding = lambda x: int(x / 8 + 0.5) * 8,
    up: Rounding = math.ceil,
    keep: float = 0.9,
) -> Arrays:
    """Stages, scaled."""
    found = []
    for channels, repeats, width, depth in rows_of(g):
        got = near(channels * width)
        found.append((got + 8 * (got < keep * channels * width), up(repeats * depth)))
    return {ROUND: torch.tensor(found)}


@check(
    "scaled",
    "EfficientNet's scaling",
    given={
        "width": uniform(low=1.1, high=2),
        "depth": uniform(low=1.1, high=1.9),
        "stage": integers(20, 400, 6),
    },
    expect=lambda g: (
        stages(g) | {f"{PARAMETERS} of B3": 12_233_232, f"{COST} of B3": 1_827_141_392}
    ),
    mistakes={
        "channels are cut off: round them": partial(stages, near=lambda x: int(x / 8) * 8),
        "channels go to the nearest": partial(stages, near=lambda x: -int(-x // 8) * 8),
        "halves are rounded upwards": partial(stages, near=lambda x: round(x / 8) * 8),
        "channels are multiples of 8": partial(stages, near=int, keep=0),
        "8 more where rounding took over a tenth": partial(stages, keep=0),
        "repeats are rounded upwards, not to the nearest": partial(stages, up=round),
        "repeats are rounded upwards, not cut off": partial(stages, up=int),
        "width and depth are swapped": lambda g: stages(g | {"width": g.depth, "depth": g.width}),
    },
)
def scaled(lab, given) -> Arrays:
    """`scaled` rounds as the published networks do: B3 has 12 million parameters."""
    found = torch.tensor([lab.scaled(*row) for row in rows_of(given)])
    return {ROUND: found} | sized(
        partial(parts.efficientnet, 3, lab.scaled), (3, 300, 300), " of B3"
    )


# What the report shows ----------------------------------------------------------------------------


@dream("What it looks at", items=True)
def looks(player, rng, items):
    """Where the class token looks, and how alike the learned positions are."""
    some = items.inputs["image"][torch.randperm(len(items.inputs["image"]), generator=rng)[:16]]
    share = player.call("maps", some, returns="float32 [N, *, *]")
    large = F.interpolate((share / share.amax((1, 2), keepdim=True))[:, None], size=some.shape[2:])
    yield exhibits.pictures("Pictures", some)
    yield exhibits.pictures("What reaches the class token of them", large)
    place = F.normalize(player.call("places", returns="float32 [*, *]"), dim=1)
    alike = ((place @ place.T + 1) / 2).view(len(place), 1, math.isqrt(len(place)), -1)
    title = "How alike a patch's position is to all others (white: equal)"
    yield exhibits.pictures(title, F.interpolate(alike[:64], scale_factor=8.0))

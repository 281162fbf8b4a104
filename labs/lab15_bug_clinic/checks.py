"""The visible checks of lab 15: one for each planted fault, under its name, then the diagnosis.

Each looks at its own fault alone, whatever else the starter is ill with: the functions around the
one that is examined are replaced by right ones.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dllab.checks import Arrays, Check, Given, Outcome, Player, check, holds, integers, normal, play
from labs.lab15_bug_clinic.given import AILMENTS, CASES, FAULTS, TESTS, Patient, digits

SEED = {"seed": integers(0, 10_000)}


def fault(
    task: str, title: str, given: Any, expect: Any, mistakes: Any = None, **more: Any
) -> Callable[[Callable[[ModuleType, Given], Any]], Check]:
    """A check of one planted fault, by the name of its probe; `task` is what is ill."""

    def decorate(probe: Callable[[ModuleType, Given], Any]) -> Check:
        id, known = probe.__name__.replace("_", "-"), {"expect": expect, "mistakes": mistakes}
        return check(id, title, given=given, hint=task, **known, **more)(probe)

    return decorate


def told(found: Mapping[str, Any]) -> Arrays:
    """Numbers, lists and tensors, as arrays."""
    return {name: torch.as_tensor(value) for name, value in found.items()}


def rng_of(given: Given) -> Generator:
    """A generator with the seed that was drawn."""
    return torch.Generator().manual_seed(int(given.seed))


def numbered(count: int) -> Arrays:
    """Items all of whose columns are their number."""
    number = torch.arange(count)
    return {"image": number[:, None, None, None], "label": number, "weight": number.float()}


# Data ---------------------------------------------------------------------------------------------

LABELS, WEIGHTS, RANDOM = "labels of another image", "weights of another image", "shuffled"
AGAIN = "equal seeds alike"


@fault(
    "split", "An item's columns", SEED, {LABELS: 0, WEIGHTS: 0, RANDOM: True, AGAIN: True},
    {
        "nothing is shuffled any more": {RANDOM: False},
        "the order is not drawn from rng": {AGAIN: False},
    },
)  # fmt: skip
def labels_apart(lab: ModuleType, given: Given) -> Arrays:
    """After `split` each image has its own label and weight."""
    parts = lab.split(numbered(40), 10, rng_of(given))
    image, label, weight = (torch.cat([p[name] for p in parts]).flatten() for name in numbered(1))
    in_order = (image.diff() == 1).float().mean() > 0.5
    again = torch.cat(
        [part["image"].flatten() for part in lab.split(numbered(40), 10, rng_of(given))]
    )
    found = {LABELS: (image != label).sum(), WEIGHTS: (image != weight).sum(), RANDOM: ~in_order}
    return told(found | {AGAIN: again.equal(image)})


BOTH, NEITHER, HELD = "items in both parts", "items in neither part", "items held out"


@fault(
    "split", "Held out means held out", SEED, {BOTH: 0, NEITHER: 0, HELD: 10},
    {"the training part lost more than what is held out": {NEITHER: 10}},
)  # fmt: skip
def overlap(lab: ModuleType, given: Given) -> Arrays:
    """No item is both trained on and held out, and none is lost."""
    parts = lab.split(numbered(40), 10, rng_of(given))
    train, held = (set(part["image"].flatten().tolist()) for part in parts)
    return told({BOTH: len(train & held), NEITHER: 40 - len(train | held), HELD: len(held)})


def pictures(number: int, low: int = 0) -> Callable[[Generator], Tensor]:
    """Draw small images, uint8 [number, 1, 3, 4]."""
    return integers(low, 17, number, 1, 3, 4, dtype=torch.uint8)


MOVED = "the shift of training pixels when the other part is brighter"
UNLIKE = "the difference of an image from itself in the other part"


@fault(
    "standardise", "Statistics of the training part",
    {"train": pictures(30), "other": pictures(20, low=12)}, {MOVED: 0.0, UNLIKE: 0.0},
)  # fmt: skip
def leaky_statistics(lab: ModuleType, given: Given) -> Arrays:
    """The mean and deviation are those of the training part, and serve both parts."""
    train, _ = lab.standardise(given.train, given.train)
    beside, other = lab.standardise(given.train, torch.cat([given.other, given.train[:5]]))
    return {MOVED: (beside - train).abs().max(), UNLIKE: (other[-5:] - beside[:5]).abs().max()}


UPSIDE, MEAN, STD = "pixels above brighter ones", "the mean of training pixels", "their std"


def rest(given: Given) -> Tensor:
    """What is left of the mean when a whole number is taken off."""
    mean, std = given.train.float().mean(), given.train.float().std()
    return (mean - mean.round()) / std


@fault(
    "standardise", "Dark pixels", {"train": pictures(30)}, {UPSIDE: 0, MEAN: 0.0, STD: 1.0},
    {
        "pixels below the mean come out above all others": {UPSIDE: 1},
        "the mean is a whole number still": lambda g: {MEAN: rest(g)},
        "the deviation is not divided by": lambda g: {STD: g.train.float().std()},
    },
    atol=1e-4, rtol=1e-2,
)  # fmt: skip
def wraps_around(lab: ModuleType, given: Given) -> Arrays:
    """Pixels keep their order, and those of the training part get mean 0 and deviation 1."""
    x = lab.standardise(given.train, given.train)[0].flatten()
    by_grey = x[given.train.flatten().argsort(stable=True)]
    return {UPSIDE: (by_grey.diff() < 0).sum(), MEAN: x.mean(), STD: x.std()}


def passed(lab: ModuleType, rng: Generator, number: int, size: int) -> Tensor:
    """The numbers of the items of one pass, as they come."""
    batches = [b["image"].flatten() for b in lab.batches(numbered(number), size, rng)]
    return torch.cat([torch.zeros(0, dtype=torch.int64), *batches])


SAME, FILE = "two passes alike", "a pass in the file's order"


@fault(
    "batches", "A new order for each pass", SEED, {SAME: False, FILE: False, AGAIN: True},
    {"the order is not drawn from rng": {AGAIN: False}},
)  # fmt: skip
def same_order(lab: ModuleType, given: Given) -> Arrays:
    """Each pass has an order of its own, drawn from `rng`."""
    rng = rng_of(given)
    one, other, again = (passed(lab, r, 40, 5) for r in (rng, rng, rng_of(given)))
    in_order = bool((one.diff() == 1).all())
    return told({SAME: one.equal(other), FILE: in_order, AGAIN: one.equal(again)})


LOST, TWICE, LARGEST = "items never seen, of 10, 12 and 3", "items seen twice", "the largest batch"


@fault(
    "batches", "The end of the data", SEED, {LOST: [0, 0, 0], TWICE: [0, 0, 0], LARGEST: [4, 4, 3]},
    {
        "a last batch that is full is lost": {LOST: [0, 4, 0]},
        "a last batch that is short is lost": {LOST: [2, 0, 3]},
    },
)  # fmt: skip
def lost_batch(lab: ModuleType, given: Given) -> Arrays:
    """A pass hands out every item once, `size` at a time; the last batch may be short."""
    rng, lost, twice, largest = rng_of(given), [], [], []
    for number in (10, 12, 3):
        seen = passed(lab, rng, number, 4)
        lost.append(number - len(seen.unique()))
        twice.append(len(seen) - len(seen.unique()))
        sizes = [len(batch["label"]) for batch in lab.batches(numbered(number), 4, rng)]
        largest.append(max(sizes, default=0))
    return told({LOST: lost, TWICE: twice, LARGEST: largest})


# Network and loss ---------------------------------------------------------------------------------

BLOCKS, UNKNOWN = "hidden blocks", "hidden blocks that the network does not know of"


@fault("blocks", "Layers that the network knows", {}, {BLOCKS: 3, UNKNOWN: 0})
def python_list(lab: ModuleType, given: Given) -> Arrays:
    """A network knows all its blocks: the optimiser gets their weights, a checkpoint keeps them."""
    model = lab.Net(depth=3)
    unknown = sum(block not in set(model.modules()) for block in model.blocks)
    return told({BLOCKS: len(model.blocks), UNKNOWN: unknown})


DIFFERENT, ALIKE = "different blocks, of three", "two that begin with equal weights"


@fault(
    "blocks", "Layers of their own", {}, {DIFFERENT: 3, ALIKE: False},
    {"all blocks are one": {DIFFERENT: 1}, "copies of one begin alike": {ALIKE: True}},
)  # fmt: skip
def shared_layer(lab: ModuleType, given: Given) -> Arrays:
    """Each block has weights of its own, drawn for it."""
    blocks = list(lab.Net(depth=3).blocks)
    different, weight = len(set(map(id, blocks))), [next(b.parameters()) for b in blocks]
    return told({DIFFERENT: different, ALIKE: different > 2 and weight[0].equal(weight[-1])})


SHAPES = {"stem": (8, 6), "blocks.0": (8, 8), "blocks.1": (8, 8), "head": (3, 8)}
LAYERS = {f"{name}.weight": normal(*shape) for name, shape in SHAPES.items()}
LAYERS |= {f"{name}.bias": normal(shape[0]) for name, shape in SHAPES.items()}


def net_of(lab: ModuleType, given: Given) -> nn.Module:
    """The learner's network, with the given weights and two linear layers for blocks."""
    model = lab.Net(pixels=6, width=8, depth=0, classes=3)
    model.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
    model.load_state_dict({name: given[name] for name in LAYERS})
    return model


def logits(given: Given) -> Tensor:
    """What that network must answer."""
    x = F.linear(given.image.flatten(1), given["stem.weight"], given["stem.bias"]).relu()
    for block in ("blocks.0", "blocks.1", "head"):
        x = F.linear(x, given[f"{block}.weight"], given[f"{block}.bias"])
    return x


COMPANY = "the difference of outputs from those of each item alone"


@fault(
    "forward", "An item's own pixels", {**LAYERS, "image": normal(5, 1, 2, 3)}, {COMPANY: 0.0},
    atol=1e-4,
)  # fmt: skip
def scrambled(lab: ModuleType, given: Given) -> Arrays:
    """What the network says of an item does not depend on the items beside it."""
    model = net_of(lab, given)
    alone = torch.cat([model(image) for image in given.image.split(1)])
    return {COMPANY: (model(given.image) - alone).abs().max()}


@fault(
    "forward", "Raw logits", {**LAYERS, "image": normal(8, 1, 2, 3)}, logits,
    {
        "the outputs add up to 1, and logits need not": lambda g: logits(g).softmax(1),
        "these are log-probabilities: the loss takes them": lambda g: logits(g).log_softmax(1),
        "no output is below 0, and logits are": lambda g: logits(g).relu(),
    },
    atol=1e-3, rtol=1e-3,
)  # fmt: skip
def softmax_twice(lab: ModuleType, given: Given) -> Tensor:
    """The network's outputs are logits: any numbers."""
    model = net_of(lab, given)
    return torch.cat([model(image) for image in given.image.split(1)])


def item_losses(given: Given) -> Tensor:
    """Each item's loss, float32 [B]."""
    return F.cross_entropy(given.logits, given.label, reduction="none")


def trusted(rng: Generator) -> Arrays:
    """Draw six items, four of which have the weight 1, and two 0."""
    logits, label = 2 * torch.randn(6, 4, generator=rng), torch.randint(4, (6,), generator=rng)
    return {
        "logits": logits,
        "label": label,
        "weight": (torch.randperm(6, generator=rng) < 4).float(),
    }


@fault(
    "loss", "Each item by its own weight", trusted, lambda g: (item_losses(g) * g.weight).mean(),
    {
        "every loss meets every weight: look at the shapes":
            lambda g: item_losses(g).mean() * g.weight.mean(),
        "items of weight 0 count as well": lambda g: item_losses(g).mean(),
        "the mean is over the weights, not over the batch":
            lambda g: (item_losses(g) * g.weight).sum() / g.weight.sum(),
    },
    grad=("logits",),
)  # fmt: skip
def broadcast(lab: ModuleType, given: Given) -> Tensor:
    """The loss is the mean over the batch of each item's loss by that item's weight."""
    return lab.weighted_loss(given.logits, given.label, given.weight)


def sure(rng: Generator, scale: float = 300.0) -> Arrays:
    """Draw logits that are hundreds apart, all trusted; three are right and three are wrong."""
    logits = scale * torch.randn(6, 4, generator=rng)
    label = torch.cat([logits.argmax(1)[:3], logits.argmin(1)[3:]])
    return {"logits": logits, "label": label, "weight": torch.ones(6)}


@fault(
    "loss", "Sure mistakes", sure, lambda g: item_losses(g).mean(),
    {
        "the logarithm is taken of 0": math.inf,
        "the probability is kept away from 0, and a sure mistake costs too little":
            lambda g: torch.cat([item_losses(g)[:3], torch.full((3,), -math.log(1e-8))]).mean(),
    },
    atol=1e-2, rtol=1e-3, grad=("logits",),
)  # fmt: skip
def log_of_zero(lab: ModuleType, given: Given) -> Tensor:
    """A sure mistake costs what it should, and has a gradient."""
    return lab.weighted_loss(given.logits, given.label, given.weight)


# The loop -----------------------------------------------------------------------------------------


class Watched(torch.optim.SGD):
    """Gradient descent that keeps the gradient of its step."""

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move, and remember by what."""
        grads = [p.grad for p in self.param_groups[0]["params"]]
        none = any(grad is None for grad in grads)
        self.seen = torch.zeros(15) if none else torch.cat([g.flatten() for g in grads]).clone()
        super().step(closure)


STEP = {
    "weight": normal(3, 4), "bias": normal(3), "former": normal(15),
    "image": normal(5, 4), "label": integers(0, 3, 5),
}  # fmt: skip
CLIP = 0.05


def right_loss(logits_BC: Tensor, label_B: Tensor, weight_B: Tensor) -> Tensor:
    """The loss without its faults, for checks of what uses it."""
    return item_losses(Given(logits=logits_BC, label=label_B)) @ weight_B / len(weight_B)


def stepped(
    lab: ModuleType, given: Given, clip: float, *, former: bool = False
) -> tuple[Any, Tensor]:
    """What the learner's `update` returns, and the gradient of its step, float32 [15]."""
    model = nn.Linear(4, 3)
    model.load_state_dict({"weight": given.weight, "bias": given.bias})
    if former:
        left = given.former.split([12, 3])
        model.weight.grad, model.bias.grad = left[0].view(3, 4).clone(), left[1].clone()
    optimizer = Watched(model.parameters(), lr=0.1)
    batch = {"image": given.image, "label": given.label, "weight": torch.ones(5)}
    with patch.object(lab, "weighted_loss", right_loss), torch.enable_grad():
        said = lab.update(model, optimizer, batch, clip)
    return said, optimizer.seen


def gradient(given: Given) -> Tensor:
    """The gradient of the batch itself, float32 [15]."""
    weight, bias = (given[name].clone().requires_grad_() for name in ("weight", "bias"))
    with torch.enable_grad():
        loss = F.cross_entropy(F.linear(given.image, weight, bias), given.label)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (weight, bias))])


@fault(
    "update", "A step's own gradient", STEP, gradient,
    {
        "gradients of former steps are in the step": lambda g: gradient(g) + g.former,
        "the gradient is gone before the step": lambda g: torch.zeros(15),
        "the gradient is that of former steps alone": lambda g: g.former,
    },
)  # fmt: skip
def no_zero_grad(lab: ModuleType, given: Given) -> Tensor:
    """A step takes the gradient of its own batch, whatever was left from before."""
    return stepped(lab, given, 1e9, former=True)[1]


LARGE, SMALL = "the step's gradient", "a gradient below the bound"


def bounded(gradient: Tensor) -> Tensor:
    """The gradient, no longer than CLIP."""
    return gradient * min(1.0, CLIP / float(gradient.norm()))


def bounded_parts(given: Given) -> Tensor:
    """The same for weight and bias by themselves."""
    return torch.cat([bounded(part) for part in gradient(given).split([12, 3])])


@fault(
    "update", "Clipped before it is used", STEP,
    lambda g: {LARGE: bounded(gradient(g)), SMALL: gradient(g)},
    {
        "the gradient is as large as if nothing clipped it": lambda g: {LARGE: gradient(g)},
        "each number is clipped by itself": lambda g: {LARGE: gradient(g).clamp(-CLIP, CLIP)},
        "each tensor is clipped by itself": lambda g: {LARGE: bounded_parts(g)},
    },
    atol=1e-4,
)  # fmt: skip
def clip_late(lab: ModuleType, given: Given) -> Arrays:
    """No step takes a gradient with a norm above `clip`; a smaller one is left as it is."""
    return {LARGE: stepped(lab, given, CLIP)[1], SMALL: stepped(lab, given, 1e3)[1]}


FLOAT, GRAPH, LOSS = "isinstance(loss, float)", "loss.requires_grad", "the loss"


@fault(
    "update", "A plain number", STEP,
    lambda g: {
        FLOAT: True, GRAPH: False,
        LOSS: F.cross_entropy(F.linear(g.image, g.weight, g.bias), g.label),
    },
    {"the loss is a tensor still": {FLOAT: False}},
)  # fmt: skip
def graph_kept(lab: ModuleType, given: Given) -> Arrays:
    """`update` returns the batch's loss as a number, which keeps nothing alive."""
    said, _ = stepped(lab, given, 1e9)
    holds_on, loss = bool(getattr(said, "requires_grad", False)), torch.as_tensor(said).detach()
    return told({FLOAT: isinstance(said, float), GRAPH: holds_on, LOSS: loss.float()})


UNSEEN = {"image": normal(10, 1, 2, 3), "label": integers(0, 3, 10), "weight": normal(3, 6)}


def evaluated(
    lab: ModuleType, given: Given, number: int, *norms: nn.Module
) -> tuple[Any, nn.Module]:
    """What `evaluate` returns for some of the items, trusted in part, and the model then."""
    model = linear(given, *norms)
    items = {"image": given.image[:number], "label": given.label[:number]}
    return lab.evaluate(model, items | {"weight": torch.arange(number).float() % 2}, size=4), model


def linear(given: Given, *norms: nn.Module) -> nn.Sequential:
    """A linear model, of which `norms` are a part, in training mode."""
    model = nn.Sequential(nn.Flatten(), *norms, nn.Linear(6, 3, bias=False))
    model[-1].weight.data = given.weight.clone()
    return model


def part_losses(model: nn.Module, given: Given, number: int) -> Tensor:
    """The mean loss of each batch of 4 of the first items."""
    parts = zip(given.image[:number].split(4), given.label[:number].split(4), strict=True)
    return torch.stack([F.cross_entropy(model(image), label) for image, label in parts])


LEFT, STATISTICS = "model.training", "batches that changed the running statistics"


@fault(
    "evaluate", "Evaluation mode", UNSEEN,
    lambda g: {
        LOSS: part_losses(linear(g, nn.BatchNorm1d(6)).eval(), g, 8).mean(),
        LEFT: False, STATISTICS: 0,
    },
    {
        "what is said of an item depends on its batch":
            lambda g: {LOSS: part_losses(linear(g, nn.BatchNorm1d(6)), g, 8).mean()},
        "the model is put back into training mode": {LEFT: True},
    },
)  # fmt: skip
def train_mode(lab: ModuleType, given: Given) -> Arrays:
    """`evaluate` puts the model into evaluation mode, and leaves it there."""
    norm = nn.BatchNorm1d(6)
    loss, model = evaluated(lab, given, 8, norm)
    return told({LOSS: loss, LEFT: model.training, STATISTICS: norm.num_batches_tracked})


@fault(
    "evaluate", "A short last batch", UNSEEN,
    lambda g: F.cross_entropy(linear(g)(g.image), g.label),
    {
        "the items of a short batch count for more": lambda g: part_losses(linear(g), g, 10).mean(),
        "the short batch is left out": lambda g: part_losses(linear(g), g, 8).mean(),
        "items of weight 0 are left out":
            lambda g: F.cross_entropy(linear(g)(g.image[1::2]), g.label[1::2]),
    },
)  # fmt: skip
def mean_of_means(lab: ModuleType, given: Given) -> Tensor:
    """`evaluate` returns the mean over all items, however they fall into batches."""
    return torch.tensor(evaluated(lab, given, 10)[0])


VAL = [2.0, 1.0, 3.0, 1.5]  # validation losses of four epochs of two batches
RATES = [0.4, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1]


@contextmanager
def scripted(lab: ModuleType) -> Iterator[dict[str, list[float]]]:
    """Right stand-ins for what `fit` calls; they note modes and rates, and count the steps."""
    notes: dict[str, list[float]] = {"training": [], "rate": []}

    def update(
        model: nn.Module, optimizer: torch.optim.Optimizer, batch: int, clip: float
    ) -> float:
        notes["training"].append(model.training)
        notes["rate"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        model.weight.data += 1
        return float(model.weight.detach())

    def evaluate(model: nn.Module, *_: Any) -> float:
        model.eval()
        return VAL[len(notes["rate"]) // 2 - 1]

    with patch.multiple(lab, update=update, evaluate=evaluate, batches=lambda *_: iter([0, 1])):
        yield notes


def fitted(lab: ModuleType) -> tuple[dict[str, list[float]], Tensor, list[tuple[float, float]]]:
    """The notes of a scripted run, the weight in the end, and the history."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    with scripted(lab) as notes:
        history = lab.fit(model, {}, {}, epochs=4, lr=0.4)
    return notes, model.weight.detach()[0, 0], history


MODES, TRAINING, VALIDATION = "steps in training mode", "training losses", "validation losses"


@fault(
    "fit", "Training in training mode", {},
    {MODES: [True] * 8, TRAINING: [1.5, 3.5, 5.5, 7.5], VALIDATION: VAL},
    {
        "after the first evaluation no step is in training mode": {MODES: [True] * 2 + [False] * 6},
        "no step is in training mode": {MODES: [False] * 8},
        "this is the last batch's loss, not the epoch's mean": {TRAINING: [2.0, 4, 6, 8]},
    },
)  # fmt: skip
def left_in_eval(lab: ModuleType, given: Given) -> Arrays:
    """All steps are taken in training mode; `fit` returns both losses of each epoch."""
    notes, _, history = fitted(lab)
    train, val = torch.tensor(history).float().T
    return told({MODES: notes["training"], TRAINING: train, VALIDATION: val})


@fault(
    "fit", "The rate falls by epochs", {}, torch.tensor(RATES),
    {
        "the rate has fallen to 0 too early": torch.tensor([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0]),
        "the rate never falls": torch.full((8,), 0.4),
        "the rate falls before the first epoch": torch.tensor([*RATES[2:], 0, 0]),
    },
)  # fmt: skip
def rate_per_batch(lab: ModuleType, given: Given) -> Tensor:
    """The rate is the same for all batches of an epoch, and falls after each epoch."""
    return torch.tensor(fitted(lab)[0]["rate"])


@fault(
    "fit", "The best weights", {}, {"the step whose weights are kept": 4.0},
    {
        "the weights of the last step are kept": {"the step whose weights are kept": 8.0},
        "the weights of the first epoch are kept": {"the step whose weights are kept": 2.0},
        "the weights with the highest loss are kept": {"the step whose weights are kept": 6.0},
        "the weights from before the first step are kept": {"the step whose weights are kept": 0.0},
    },
)  # fmt: skip
def kept_by_reference(lab: ModuleType, given: Given) -> Arrays:
    """In the end the model has the weights of the epoch with the lowest validation loss."""
    return {"the step whose weights are kept": fitted(lab)[1]}


# Diagnosis ----------------------------------------------------------------------------------------

NAMELESS, UNHEARD = "cases without a name", "names that are not in given.FAULTS"


@fault("findings", "A name for each case", {}, {NAMELESS: 0, UNHEARD: 0, "faults named twice": 0})
def findings(lab: ModuleType, given: Given) -> Arrays:
    """Each case has the name of one fault. Whether it is the right one, the official grade says."""
    said = lab.findings()
    named = [said[case] for case in CASES if case in said]
    twice, unheard = len(named) - len(set(map(str, named))), sum(n not in FAULTS for n in named)
    found = {NAMELESS: len(CASES) - len(named), UNHEARD: unheard, "faults named twice": twice}
    return told(found)


def history(versions: int, skip: float = 0.0) -> Callable[[Generator], Arrays]:
    """Draw where a history of so many versions turns bad, and which of them cannot be told."""

    def draw(rng: Generator) -> Arrays:
        first = torch.randint(1, versions, (), generator=rng)
        skipped = torch.rand(versions, generator=rng) < skip
        skipped[0] = skipped[-1] = False
        if skip:  # next to the first bad version, too
            skipped[max(int(first) - 1, 1) : min(int(first) + 1, versions - 1)] = True
        return {"first": first, "skipped": skipped}

    return draw


def suspects(given: Given) -> Tensor:
    """Which versions may be the first bad one, bool [versions]."""
    number = torch.arange(len(given.skipped))
    good = number[(number < given.first) & ~given.skipped].max()
    bad = number[(number >= given.first) & ~given.skipped].min()
    return (number > good) & (number <= bad)


EARLY = "suspects when version 1 is bad already"
KNOWN, BEYOND = "tests of a version that was known", "answers beyond what halving needs"


def early(given: Given) -> Given:
    """The same history, turned bad at once."""
    return given | {"first": torch.tensor(1)}


def searched(lab: ModuleType, given: Given) -> Arrays:
    """Whom the learner's search suspects, and what it took."""
    asked: list[int] = []

    def test(version: int) -> str:
        asked.append(version)
        if len(asked) > 3 * len(given.skipped):
            raise RuntimeError("your first_bad calls test without an end")
        if given.skipped[version]:
            return "skip"
        return "bad" if version >= given.first else "good"

    last = len(given.skipped) - 1
    found = lab.first_bad(last + 1, test)
    mask = torch.zeros(last + 1, dtype=torch.bool)
    mask[torch.tensor(found, dtype=torch.int64)] = True
    answers = sum(not given.skipped[version] for version in asked)
    known = len(asked) - len(set(asked)) + sum(version in (0, last) for version in asked)
    most = math.ceil(math.log2(last)) * (2 if given.skipped.any() else 1)
    return told({"suspects": mask, KNOWN: known, BEYOND: max(0, answers - most)})


@check(
    "bisect", "The first bad version", given=history(50),
    expect=lambda g: {"suspects": suspects(g), KNOWN: 0, BEYOND: 0, EARLY: suspects(early(g))},
    mistakes={
        "this is the last good version": lambda g: {"suspects": suspects(g).roll(-1)},
        "this is the version behind the first bad one": lambda g: {"suspects": suspects(g).roll(1)},
        "versions are tested one after the other": lambda g: {BEYOND: max(0, int(g.first) - 6)},
    },
)  # fmt: skip
def bisect(lab: ModuleType, given: Given) -> Arrays:
    """`first_bad` finds the first bad of 50 versions with at most six tests."""
    return searched(lab, given) | {EARLY: searched(lab, early(given))["suspects"]}


@bisect.also("skips", "Versions that cannot be told")
def skips(rng: Generator) -> Arrays:
    """A version that is skipped stays a suspect, and is not tested again."""
    return history(40, skip=0.4)(rng)


@check(
    "trained-history",
    "A history of trainings",
    given=lambda rng: history(33)(rng) | {"seed": integers(0, 10_000)(rng)},
    expect=suspects,
    depends_on=("bisect",),
    hint="bisect",
)
def trained_history(lab: ModuleType, given: Given) -> Tensor:
    """From some commit on zero_grad is missing: found by training some of the 33 versions."""

    def test(version: int) -> str:
        ailment = "no-zero-grad" if version >= given.first else "healthy"
        return "good" if Patient(ailment, rng_of(given)).examine("curve") < 0.5 else "bad"

    mask = torch.zeros(33, dtype=torch.bool)
    mask[torch.tensor(lab.first_bad(33, test), dtype=torch.int64)] = True
    return mask


SOUND = {
    "curve": (0.02, 0.3), "accuracy": (0.9, 1.0), "again": (0.0, 0.0), "sum": (0.2, 2.0),
    "second": (0.85, 1.2), "moved": (1.0, 1.0), "company": (0.0, 0.0), "depth": (0.3, 1.0),
    "one-batch": (0.02, 0.2), "slower": (3.0, 20.0), "faster": (1.5, 99.0),
}  # fmt: skip
FLAT = {
    "curve": (0.96, 1.0), "accuracy": (0.05, 0.3), "slower": (0.99, 1.01), "faster": (0.98, 1.0),
}  # fmt: skip
TEXTBOOK = {  # what the tests find, where it is not what they find in the healthy
    "healthy": {},
    "rate-too-high": {"curve": (1.0, 10.0), "accuracy": (0.1, 0.3), "one-batch": (0.9, 10.0),
                      "slower": (1e-3, 0.2), "faster": (1.0, 9.0)},
    "rate-too-low": FLAT | {"one-batch": (0.9, 0.96), "faster": (0.5, 0.8)},
    "vanishing": FLAT | {"depth": (1e-4, 1e-3), "one-batch": (0.8, 1.0)},
    "labels-apart": FLAT | {"one-batch": (0.3, 0.7)},
    "python-list": {"curve": (0.5, 0.8), "accuracy": (0.6, 0.9), "moved": (0.3, 0.4),
                    "one-batch": (0.3, 0.8), "slower": (1.2, 1.7), "faster": (0.3, 0.5)},
    "scrambled": FLAT | {"company": (0.5, 0.8), "one-batch": (0.2, 0.5)},
    "softmax-twice": {"curve": (0.5, 1.0), "accuracy": (0.3, 1.0), "sum": (0.0, 1e-7),
                      "one-batch": (0.5, 0.9), "slower": (1.0, 1.7), "faster": (0.6, 1.0)},
    "no-zero-grad": {"curve": (1.0, 10.0), "accuracy": (0.1, 0.9), "second": (1.8, 1.95),
                     "one-batch": (1.0, 10.0), "slower": (5e-3, 0.2), "faster": (0.3, 3.0)},
    "train-mode": {"again": (0.3, 0.6), "company": (0.3, 0.6)},
}  # fmt: skip


def textbook(rng: Generator) -> Arrays:
    """Draw what the tests find in a patient of each ailment, float32 [10, 11]."""
    rows = [[(SOUND | TEXTBOOK[ailment])[test] for test in TESTS] for ailment in AILMENTS]
    low, high = torch.tensor(rows).unbind(2)
    return {"found": low + (high - low) * torch.rand(low.shape, generator=rng)}


def examined(lab: ModuleType, given: Given) -> Arrays:
    """The learner's verdicts, and what they cost."""
    said, spent = [], []
    for row in given.found.tolist():
        seen: dict[str, float] = {}
        word = lab.diagnose(dict(seen))
        while word in TESTS and word not in seen:
            seen[word] = row[list(TESTS).index(word)]
            word = lab.diagnose(dict(seen))
        said.append(AILMENTS.index(word) if word in AILMENTS else -1 - (word in TESTS))
        spent.append(float(sum(TESTS[test] for test in seen)))
    return {"said": torch.tensor(said), "spent": torch.tensor(spent)}


@check(
    "textbook",
    "Textbook patients",
    given=textbook,
    probe=examined,
    returns={"said": "int64 [10]", "spent": "float32 [10]"},
    hint="diagnose",
)
def textbook_patients(given: Given, got: Arrays) -> Outcome:
    """`diagnose` names the ailments of patients whose tests are as clear as can be."""
    called = [*AILMENTS, "a test that was done already", "neither a test nor an ailment"]
    for number, (said, ailment) in enumerate(zip(got["said"].tolist(), AILMENTS, strict=True)):
        if said != number:
            found = dict(zip(TESTS, given.found[number].tolist(), strict=True))
            shown = ", ".join(f"{test} {value:.3g}" for test, value in found.items())
            answer = called[said] if -2 <= said < len(AILMENTS) else said
            return Outcome(0.0, f"{ailment} is taken for {answer}; its tests: {shown}")
    dear = got["spent"].mean()
    return holds(dear < 15, f"a diagnosis costs {float(dear):.3g} on average, 15 are enough")


def worth(player: Player, patients: list[Patient], ailments: list[str]) -> Tensor:
    """What each patient's diagnosis is worth, float32 [N]: 1 - prices / 26, or 0 if it is wrong."""
    tests, prices = list(TESTS), torch.tensor(list(TESTS.values()))
    seen = torch.full((len(patients), len(tests)), math.nan)
    right = torch.zeros(len(patients), dtype=torch.bool)
    open_ = torch.arange(len(patients))
    while len(open_):
        word = player.call("consult", seen[open_], returns="int64 [N]")
        still = []
        for number, said in zip(open_.tolist(), word.tolist(), strict=True):
            if 0 <= said < len(tests) and seen[number, said].isnan():
                seen[number, said] = patients[number].examine(tests[said])
                still.append(number)
            else:
                right[number] = said == len(tests) + AILMENTS.index(ailments[number])
        open_ = torch.tensor(still, dtype=torch.int64)
    return right * (1 - (~seen.isnan() * prices).sum(1) / prices.sum())


@play("diagnosis")
def diagnosis(player: Player, rng: Generator) -> Tensor:
    """What the diagnoses of two new patients with each ailment are worth."""
    ailments = [*AILMENTS, *AILMENTS]
    return worth(player, [Patient(ailment, rng) for ailment in ailments], ailments)


@play("accuracy")
def accuracy(player: Player, rng: Generator) -> Tensor:
    """How often three networks, each trained by the mended project, are right about new digits."""
    right = []
    for _ in range(3):
        study, image, label = digits(rng)
        said = player.call("classify", image, returns="float32 [N, 10]", **study)
        right.append((said.argmax(1) == label).float())
    return torch.cat(right)

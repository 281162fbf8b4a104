"""The visible checks of lab 04, in the order of its tasks; none needs pretrained weights."""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Outcome, check, every, holds, integers, uniform

STAGES = 9


def images(count: int, channels: int = 1):
    """Draw images, uint8 [count, channels, 12, 10]."""
    return integers(0, 256, count, channels, 12, 10, dtype=torch.uint8)


def learning(stages: nn.ModuleList) -> Tensor:
    """For each stage: 1 if all of its parameters learn, 0 if none does, -1 if only some."""
    flags = [{p.requires_grad for p in stage.parameters()} for stage in stages]
    return torch.tensor([int(flag.pop()) if len(flag) == 1 else -1 for flag in flags])


def training(stages: nn.ModuleList) -> Tensor:
    """For each stage: 1 if all of its norms are in training mode, 0 if none is, -1 if only some."""
    modes = [
        {norm.training for norm in stage.modules() if isinstance(norm, nn.BatchNorm2d)}
        for stage in stages
    ]
    return torch.tensor([int(mode.pop()) if len(mode) == 1 else -1 for mode in modes])


def last(count: int | Tensor) -> Tensor:
    """What `learning` should say when the last `count` stages learn."""
    return (torch.arange(STAGES) >= STAGES - count).long()


def model(lab: ModuleType, **numbers: float) -> nn.Module:
    """The learner's model for images of 32 x 32, without pretrained weights."""
    return lab.Model(weights="none", size=32, classes=7, **numbers)


# few-labels ---------------------------------------------------------------------------------------


def sorted_labels(rng: torch.Generator) -> Arrays:
    """Draw sorted labels of 4 classes, one of them rare, and a seed."""
    label = torch.randint(3, (400,), generator=rng)
    label[:12] = 3
    return {"label": label.sort().values, "seed": torch.randint(10_000, (), generator=rng)}


def choose(lab: ModuleType, given: Arrays) -> Arrays:
    """Choose ten items of each class with a seed, with another one, and with the first again."""
    label, seed = given["label"], int(given["seed"])
    torch.manual_seed(seed)
    chosen = lab.few_labels(label, 10, seed)
    other = lab.few_labels(label, 10, seed + 1)
    return {"chosen": chosen, "other": other, "again": lab.few_labels(label, 10, seed)}


@check(
    "few-labels",
    "A few labels of each class",
    given=sorted_labels,
    probe=choose,
    returns=dict.fromkeys(("chosen", "other", "again"), "int64 [40]"),
)
def few_labels(given: Arrays, got: Arrays) -> Outcome:
    """`few_labels` chooses as many different items from every class, by its seed alone."""
    chosen, other = got["chosen"], got["other"]
    if chosen.min() < 0 or chosen.max() >= len(given["label"]):
        return Outcome(0.0, "a chosen number is not the number of an item of the split")
    counts = torch.bincount(given["label"][chosen], minlength=4).tolist()
    shared = len(set(chosen.tolist()) & set(other.tolist()))
    return every(
        holds(counts == [10] * 4, f"expected 10 items of each of 4 classes, got {counts}"),
        holds(len(chosen.unique()) == 40, "an item was chosen twice"),
        holds(
            torch.equal(chosen, got["again"]),
            "called again with the same seed, it chose other items: draw from a generator of your "
            "own that is seeded with `seed`",
        ),
        holds(
            shared < 36,
            f"two seeds chose {shared} of 40 items alike: does the order depend on `seed`?",
        ),
    )


# preprocess ---------------------------------------------------------------------------------------


def prepared(image: Tensor, size: int, mean: Tensor, std: Tensor, **how: object) -> Tensor:
    """What `preprocess` should return, or what it does when it resizes otherwise."""
    large = F.interpolate(image.float(), (size, size), **{"mode": "bilinear", **how})
    return (large.expand(-1, 3, -1, -1) - mean[:, None, None]) / std[:, None, None]


def by_itself(large: Tensor) -> Tensor:
    """What becomes of resized images that are normalised by their own statistics."""
    return ((large - large.mean()) / large.std()).expand(-1, 3, -1, -1)


def both(make):
    """`make(image, mean, std)` of the grey and of the colour images."""
    return lambda given: {
        name: make(given[name], given["mean"], given["std"]) for name in ("grey", "colour")
    }


@check(
    "preprocess",
    "What the pretrained network expects",
    given={
        "grey": images(2),
        "colour": images(2, channels=3),
        "mean": uniform(3, low=100, high=150),
        "std": uniform(3, low=50, high=100),
    },
    expect=both(lambda image, mean, std: prepared(image, 24, mean, std)),
    mistakes={
        "the image is enlarged into blocks: resize with mode='bilinear'": both(
            lambda image, mean, std: prepared(image, 24, mean, std, mode="nearest")
        ),
        "the corners are aligned: the constants were learned with align_corners=False": both(
            lambda image, mean, std: prepared(image, 24, mean, std, align_corners=True)
        ),
        "the pixels are divided by 255, but mean_3 and std_3 are grey levels, 0 to 255": both(
            lambda image, mean, std: prepared(image / 255, 24, mean, std)
        ),
        "uint8 was resized, which rounds every pixel: make it float first": both(
            lambda image, mean, std: prepared(
                F.interpolate(image, (24, 24), mode="bilinear"), 24, mean, std
            )
        ),
        "the mean is taken off, but nothing is divided by std_3": both(
            lambda image, mean, std: prepared(image, 24, mean, torch.ones(3))
        ),
        "divided by std_3, but mean_3 is not taken off": both(
            lambda image, mean, std: prepared(image, 24, torch.zeros(3), std)
        ),
        "divided by std_3 first: the mean must be taken off before": both(
            lambda image, mean, std: prepared(image, 24, mean * std, std)
        ),
        "mean_3 and std_3 are mixed up": both(
            lambda image, mean, std: prepared(image, 24, std, mean)
        ),
        "normalised by the batch's own statistics: use mean_3 and std_3": both(
            lambda image, mean, std: by_itself(
                F.interpolate(image.float(), (24, 24), mode="bilinear")
            )
        ),
        "red and blue are swapped (BGR)": both(
            lambda image, mean, std: prepared(image.flip(1), 24, mean, std)
        ),
        "the first channel's constants serve all three": both(
            lambda image, mean, std: prepared(image, 24, mean[:1].expand(3), std[:1].expand(3))
        ),
        "colour images became grey: expand leaves three channels as they are": both(
            lambda image, mean, std: prepared(image[:, :1], 24, mean, std)
        ),
    },
    atol=1e-4,
)
def preprocess(lab, given):
    """`preprocess` resizes, gives grey images three channels, and normalises by the constants."""
    return {
        name: lab.preprocess(given[name], 24, given["mean"], given["std"])
        for name in ("grey", "colour")
    }


# unfreeze -----------------------------------------------------------------------------------------


def counted(given: Arrays, count: Tensor) -> Tensor:
    """What learns when the last `count` stages do, for each of the calls."""
    return torch.stack([last(one) for one in count])


@check(
    "unfreeze",
    "Freezing and unfreezing",
    given={"all_learned_before": torch.tensor([False, True]), "count": torch.tensor([3, 2])},
    expect=lambda given: counted(given, given["count"]),
    mistakes={
        "the first stages learn, those at the pixels; the last `count` should": lambda given: (
            counted(given, given["count"]).flip(1)
        ),
        "one stage more than `count` learns": lambda given: counted(given, given["count"] + 1),
        "one stage less than `count` learns": lambda given: counted(given, given["count"] - 1),
        "it is the wrong way round: the last `count` stages are frozen, the others learn": (
            lambda given: 1 - counted(given, given["count"])
        ),
        "stages are unfrozen, but none is ever frozen": lambda given: counted(
            given, given["count"]
        ).maximum(given["all_learned_before"].long()[:, None]),
        "stages are frozen, but none is ever unfrozen": lambda given: counted(
            given, given["count"]
        ).minimum(given["all_learned_before"].long()[:, None]),
        "nothing has changed: is requires_grad set on the module in place of its parameters? "
        "module.requires_grad_(flag) reaches them": lambda given: (
            given["all_learned_before"].long()[:, None].expand(-1, STAGES)
        ),
    },
)
def unfreeze(lab, given):
    """`unfreeze_last` lets exactly the last `count` stages learn, whatever was frozen before."""
    found = []
    for learned, count in zip(given["all_learned_before"], given["count"], strict=True):
        stages = nn.ModuleList(nn.Linear(2, 2) for _ in range(STAGES))
        stages.requires_grad_(bool(learned))
        lab.unfreeze_last(stages, int(count))
        found.append(learning(stages))
    return torch.stack(found)


# parameter-groups ---------------------------------------------------------------------------------

RATE = {"lr": uniform(low=0.01, high=0.1), "decay": uniform(low=0.3, high=0.8)}
FROZEN = 5  # stages below those that learn when the groups are built


def falling(given: Arrays, depths: Tensor) -> Tensor:
    """The rate of the weight and the bias of each module at such a depth. float32 [10, 2]"""
    return (given["lr"] * given["decay"] ** depths)[:, None].repeat(1, 2)


DEPTHS = torch.arange(STAGES + 1)
UPSIDE_DOWN = torch.cat([DEPTHS[:1], DEPTHS[1:].flip(0)])


def without(rate: Tensor, rows: slice, columns: slice = slice(None)) -> Tensor:
    """The same rates, but some parameters are in no group."""
    left = rate.clone()
    left[rows, columns] = 0
    return left


MISTAKEN_RATES = {
    "every stage learns at the head's rate: the decay is missing": lambda given: falling(
        given, 0 * DEPTHS
    ),
    "all stages have one rate, lr·decay: each has decay times that above it": lambda given: falling(
        given, DEPTHS.clamp(max=1)
    ),
    "the last stage learns as fast as the head: it should have lr·decay": lambda given: falling(
        given, (DEPTHS - 1).clamp(min=0)
    ),
    "the head's rate is decayed too: it learns at lr": lambda given: falling(given, DEPTHS + 1),
    "the rates are upside down: the stages at the pixels should be the slowest": lambda given: (
        falling(given, UPSIDE_DOWN)
    ),
    "upside down, and the first stage learns as fast as the head": lambda given: falling(
        given, (UPSIDE_DOWN - 1).clamp(min=0)
    ),
    "rates grow with the depth: divide no rate by the decay": lambda given: falling(given, -DEPTHS),
    "the rate falls in a straight line: it is lr · decay to the power of the depth": lambda given: (
        (given["lr"] * given["decay"] * DEPTHS.clamp(min=1)).where(DEPTHS > 0, given["lr"])[:, None]
    ).repeat(1, 2),
    "frozen stages are in no group: they could never thaw": lambda given: without(
        falling(given, DEPTHS), slice(STAGES + 1 - FROZEN, None)
    ),
    "the biases are in no group": lambda given: without(
        falling(given, DEPTHS), slice(1, None), slice(1, 2)
    ),
    "the head is in no group": lambda given: without(falling(given, DEPTHS), slice(1)),
    "only the head is in a group": lambda given: without(falling(given, DEPTHS), slice(1, None)),
}


def rates(lab: ModuleType, given: Arrays, *, frozen: int, count: int = STAGES) -> Tensor:
    """The rate of the head and of each stage, from the last one down; 0 for one without a rate.

    The first `frozen` of the stages are frozen when the groups are built. float32 [1 + count, 2]
    """
    head, stages = nn.Linear(2, 2), nn.ModuleList(nn.Linear(2, 2) for _ in range(count))
    stages[:frozen].requires_grad_(requires_grad=False)
    groups = lab.parameter_groups(head, stages, float(given["lr"]), float(given["decay"]))
    optimizer = torch.optim.SGD(groups, lr=0.0)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    modules = [head, *reversed(stages)]
    return torch.tensor([[rate.get(id(p), 0.0) for p in module.parameters()] for module in modules])


@check(
    "parameter-groups",
    "Discriminative learning rates",
    given=RATE,
    expect=lambda given: falling(given, DEPTHS),
    mistakes=MISTAKEN_RATES,
    atol=1e-7,
    rtol=1e-4,
)
def parameter_groups(lab, given):
    """The head learns at `lr`, each stage at `decay` times the rate above it, frozen or not."""
    return rates(lab, given, frozen=FROZEN)


# head ---------------------------------------------------------------------------------------------


def new_head(lab: ModuleType, given: Arrays) -> Arrays:
    """Predict with a new head, and hand over its parameters."""
    net = model(lab).eval()
    found = {"logits": net(given["image"]), "weight": net.head.weight}
    bias = getattr(net.head, "bias", None)
    found["bias"] = torch.ones(0) if bias is None else bias
    found["learns"] = torch.tensor([p.requires_grad for p in net.head.parameters()])
    return found


@check(
    "head",
    "A new head",
    given={"image": images(4)},
    probe=new_head,
    returns={
        "logits": "float32 [4, *]",
        "weight": "float32 [*, *]",
        "bias": "float32 [*]",
        "learns": "bool [*]",
    },
    depends_on=("preprocess",),
)
def head(_given: Arrays, got: Arrays) -> Outcome:
    """The head maps features to classes, and begins with equal logits for all of them."""
    classes = got["weight"].shape[0]
    return every(
        holds(classes != 1000, "the head still has the 1,000 classes of ImageNet"),
        holds(classes == 7, f"the head should have `classes` outputs, here 7; it has {classes}"),
        holds(got["logits"].shape[1] == 7, "the logits should have a column for each class"),
        holds(len(got["bias"]) == 7, "the head has no bias"),
        holds(not got["weight"].any(), "the head's weights begin at random: let them begin at 0"),
        holds(not got["bias"].any(), "the head's bias begins at random: let it begin at 0"),
        holds(not got["logits"].any(), "with a head of zeros, every logit is 0; these are not"),
        holds(got["learns"].all(), "the head is frozen: requires_grad must stay True"),
    )


# frozen-norm --------------------------------------------------------------------------------------


def modes(in_training: Tensor) -> dict[str, Tensor]:
    """These modes after train(), and evaluation after eval()."""
    return {"training": in_training, "evaluation": last(0)}


@check(
    "frozen-norm",
    "Frozen batch norm stays frozen",
    expect=lambda _: modes(last(3)),
    mistakes={
        "frozen stages are in training mode: their running averages drift": lambda _: modes(
            last(STAGES)
        ),
        "every stage is in evaluation mode, also those that learn": lambda _: modes(last(0)),
        "it is the wrong way round: learning stages are in evaluation mode, frozen ones are not": (
            lambda _: modes(1 - last(3))
        ),
        "a stage is frozen when none of its parameters learns; one with a few that do is not": (
            lambda _: modes(last(2))
        ),
        "eval() does not reach every stage: pass `mode` on to super().train(mode)": lambda _: {
            "training": last(3),
            "evaluation": last(3),
        },
        "only the frozen stages follow eval(): pass `mode` on to super().train(mode)": lambda _: {
            "training": last(3),
            "evaluation": last(STAGES),
        },
    },
    depends_on=("head",),
)
def frozen_norm(lab, _given):
    """After train(), norms of stages of which nothing learns stay in evaluation mode, no others."""
    net = model(lab)
    stages = net.backbone.stages
    stages.requires_grad_(requires_grad=False)
    stages[-2:].requires_grad_(requires_grad=True)
    next(stages[-3].parameters()).requires_grad_(requires_grad=True)
    net.train()
    in_training = training(stages)
    net.eval()
    return {"training": in_training, "evaluation": training(stages)}


# thaw ---------------------------------------------------------------------------------------------


def epochs(given: Arrays) -> list[int]:
    """The first epoch of all, then the last before the thaw, the first after it, a later one."""
    first = int(given["probe_epochs"])
    return [0, first - 1, first, first + 2]


def schedule(given: Arrays, learns: object, modes: object = None) -> dict[str, Tensor]:
    """What learns, and whose norms train, around the thaw: `learns(epoch, first)` says whether."""
    thawed, first = int(given["thawed"]), int(given["probe_epochs"])
    flags = torch.stack([last(thawed * learns(epoch, first)) for epoch in epochs(given)])
    return {"learns": flags, "norms": flags if modes is None else modes(flags)}


@check(
    "thaw",
    "First the head, then the stages",
    given={"probe_epochs": integers(2, 5), "thawed": integers(1, 5)},
    expect=lambda given: schedule(given, lambda epoch, first: epoch >= first),
    mistakes={
        "the backbone never thaws": lambda given: schedule(given, lambda epoch, first: False),
        "the stages learn from the first epoch on: the head should be alone at first": (
            lambda given: schedule(given, lambda epoch, first: True)
        ),
        "the stages thaw one epoch late": lambda given: schedule(
            given, lambda epoch, first: epoch > first
        ),
        "the stages thaw one epoch early": lambda given: schedule(
            given, lambda epoch, first: epoch >= first - 1
        ),
        "the stages thaw for one epoch, then freeze again": lambda given: schedule(
            given, lambda epoch, first: epoch == first
        ),
        "it is the wrong way round: the stages learn first and freeze at the thaw": (
            lambda given: schedule(given, lambda epoch, first: epoch < first)
        ),
        "stages freeze, but their norms stay in training mode: call self.train() after it": (
            lambda given: schedule(given, lambda epoch, first: epoch >= first, torch.ones_like)
        ),
        "stages thaw, but their norms stay in evaluation mode: call self.train() after it": (
            lambda given: schedule(given, lambda epoch, first: epoch >= first, torch.zeros_like)
        ),
    },
    depends_on=("unfreeze", "frozen-norm"),
)
def thaw(lab, given):
    """All stages are frozen for `probe_epochs` epochs; after that the last `thawed` learn."""
    net = model(lab, probe_epochs=int(given["probe_epochs"]), thawed=int(given["thawed"]))
    stages, found = net.backbone.stages, []
    for epoch in epochs(given):
        net.thaw(epoch)
        found.append(torch.stack([learning(stages), training(stages)]))
    learns, norms = torch.stack(found).unbind(1)
    return {"learns": learns, "norms": norms}

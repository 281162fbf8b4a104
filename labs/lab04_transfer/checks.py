"""The visible checks of lab 04, in the order of its tasks; none needs pretrained weights."""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Outcome, check, close, every, holds

STAGES = 9


def images(rng: torch.Generator, count: int, channels: int = 1) -> Tensor:
    """Draw images, uint8 [count, channels, 12, 10]."""
    return torch.randint(0, 256, (count, channels, 12, 10), generator=rng, dtype=torch.uint8)


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


def last(count: int) -> Tensor:
    """What `learning` should say when the last `count` stages learn."""
    return (torch.arange(STAGES) >= STAGES - count).long()


def same_stages(got: Tensor, expected: Tensor, what: str) -> Outcome:
    """Compare two lists of stages, from the pixels up."""
    message = f"{what}, stage by stage: expected {expected.tolist()}, got {got.tolist()}"
    return holds(torch.equal(got, expected), message)


# few-labels ---------------------------------------------------------------------------------------


def few_labels_given(rng: torch.Generator) -> Arrays:
    """Draw sorted labels of 4 classes, one of them rare, and a seed."""
    label = torch.randint(3, (400,), generator=rng)
    label[:12] = 3
    return {"label": label.sort().values, "seed": torch.randint(10_000, (), generator=rng)}


def few_labels_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Choose ten items of each class."""
    return {"chosen": lab.few_labels(given["label"], 10, int(given["seed"]))}


@check(
    "few-labels",
    "A few labels of each class",
    given=few_labels_given,
    probe=few_labels_probe,
    returns={"chosen": "int64 [40]"},
)
def few_labels(given: Arrays, got: Arrays) -> Outcome:
    """`few_labels` chooses the same number of different items from every class, rare ones too."""
    chosen = got["chosen"]
    if chosen.min() < 0 or chosen.max() >= len(given["label"]):
        return Outcome(0.0, "a chosen number is no item of the split")
    counts = torch.bincount(given["label"][chosen], minlength=4).tolist()
    return every(
        holds(len(chosen.unique()) == 40, "an item was chosen twice"),
        holds(counts == [10] * 4, f"expected 10 items of each of 4 classes, got {counts}"),
    )


# preprocess ---------------------------------------------------------------------------------------


def preprocess_given(rng: torch.Generator) -> Arrays:
    """Draw grey images, and constants that differ from channel to channel."""
    return {
        "image": images(rng, 3),
        "mean": 100 + 50 * torch.rand(3, generator=rng),
        "std": 50 + 50 * torch.rand(3, generator=rng),
    }


def preprocess_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Prepare grey images."""
    return {"x": lab.preprocess(given["image"], 24, given["mean"], given["std"])}


def prepared(image: Tensor, size: int, mean: Tensor, std: Tensor) -> Tensor:
    """What `preprocess` should return."""
    large = F.interpolate(image.float(), (size, size), mode="bilinear")
    channels = [(large[:, c % large.shape[1]] - mean[c]) / std[c] for c in range(3)]
    return torch.stack(channels, dim=1)


@check(
    "preprocess",
    "What the pretrained network expects",
    given=preprocess_given,
    probe=preprocess_probe,
    returns={"x": "float32 [3, 3, 24, 24]"},
)
def preprocess(given: Arrays, got: Arrays) -> Outcome:
    """`preprocess` enlarges grey images, gives them three channels, normalises by the constants."""
    expected = prepared(given["image"], 24, given["mean"], given["std"])
    return close(got["x"], expected, atol=1e-4, what="preprocess(image, …)")


# unfreeze -----------------------------------------------------------------------------------------


def unfreeze_probe(lab: ModuleType, _given: Arrays) -> Arrays:
    """Leave three stages unfrozen, then one: what was unfrozen before must be frozen again."""
    stages = nn.ModuleList(nn.Linear(2, 2) for _ in range(STAGES))
    lab.unfreeze_last(stages, 3)
    three = learning(stages)
    lab.unfreeze_last(stages, 1)
    return {"three": three, "one": learning(stages)}


@check(
    "unfreeze",
    "Freezing and unfreezing",
    probe=unfreeze_probe,
    returns={"three": "int64 [9]", "one": "int64 [9]"},
)
def unfreeze(_given: Arrays, got: Arrays) -> Outcome:
    """`unfreeze_last` lets exactly the last `count` stages learn, whatever was frozen before."""
    return every(
        same_stages(got["three"], last(3), "learns after unfreeze_last(stages, 3)"),
        same_stages(got["one"], last(1), "learns after unfreeze_last(stages, 1)"),
    )


# parameter-groups ---------------------------------------------------------------------------------


def groups_given(rng: torch.Generator) -> Arrays:
    """Draw a rate and its decay."""
    return {
        "lr": 0.01 + 0.1 * torch.rand((), generator=rng),
        "decay": 0.3 + 0.5 * torch.rand((), generator=rng),
    }


def rates(lab: ModuleType, given: Arrays, *, frozen: bool) -> Arrays:
    """The rate of the head and of each stage, from the last one down; 0 for one without a rate."""
    head, stages = nn.Linear(2, 2), nn.ModuleList(nn.Linear(2, 2) for _ in range(STAGES))
    stages.requires_grad_(not frozen)
    groups = lab.parameter_groups(head, stages, float(given["lr"]), float(given["decay"]))
    optimizer = torch.optim.SGD(groups, lr=0.0)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    modules = [head, *reversed(stages)]
    found = [[rate.get(id(p), 0.0) for p in module.parameters()] for module in modules]
    return {"rate": torch.tensor(found)}


def groups_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Ask an optimiser for the rate of every weight and bias."""
    return rates(lab, given, frozen=False)


@check(
    "parameter-groups",
    "Discriminative learning rates",
    given=groups_given,
    probe=groups_probe,
    returns={"rate": "float32 [10, 2]"},
)
def parameter_groups(given: Arrays, got: Arrays) -> Outcome:
    """The head learns at `lr`, and each stage at `decay` times the rate of the one above it."""
    expected = given["lr"] * given["decay"] ** torch.arange(STAGES + 1)
    what = "the rate (row 0: head, row 1: last stage; columns: weight, bias)"
    return close(got["rate"], expected[:, None].expand(-1, 2), atol=1e-7, rtol=1e-4, what=what)


# head ---------------------------------------------------------------------------------------------


def model(lab: ModuleType, **numbers: float) -> nn.Module:
    """The learner's model for images of 32 x 32, without pretrained weights."""
    return lab.Model(weights="none", size=32, classes=7, **numbers)


def head_given(rng: torch.Generator) -> Arrays:
    """Draw images."""
    return {"image": images(rng, 4)}


def head_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Predict with a new head, and hand over its parameters."""
    net = model(lab).eval()
    logits = net(given["image"])
    return {
        "logits": logits.detach(),
        "weight": net.head.weight.detach(),
        "bias": net.head.bias.detach(),
    }


@check(
    "head",
    "A new head",
    given=head_given,
    probe=head_probe,
    returns={"logits": "float32 [4, 7]", "weight": "float32 [7, 1280]", "bias": "float32 [7]"},
    depends_on=("preprocess",),
)
def head(_given: Arrays, got: Arrays) -> Outcome:
    """The head maps features to classes, and begins with equal logits for all of them."""
    return every(
        *(close(got[n], torch.zeros_like(got[n]), what=f"the head's {n}") for n in got),
    )


# frozen-norm --------------------------------------------------------------------------------------


def frozen_norm_probe(lab: ModuleType, _given: Arrays) -> Arrays:
    """Freeze by hand, and ask for the norms' modes in training and in evaluation."""
    net = model(lab)
    stages = net.backbone.stages
    stages.requires_grad_(requires_grad=False)
    stages[-2:].requires_grad_(requires_grad=True)
    net.train()
    in_training = training(stages)
    net.eval()
    return {"training": in_training, "evaluation": training(stages)}


@check(
    "frozen-norm",
    "Frozen batch norm stays frozen",
    probe=frozen_norm_probe,
    returns={"training": "int64 [9]", "evaluation": "int64 [9]"},
    depends_on=("head",),
)
def frozen_norm(_given: Arrays, got: Arrays) -> Outcome:
    """In training mode the norms of frozen stages stay in evaluation mode, all others do not."""
    return every(
        same_stages(got["training"], last(2), "norms in training mode after train()"),
        same_stages(got["evaluation"], last(0), "norms in training mode after eval()"),
    )


# thaw ---------------------------------------------------------------------------------------------


def thaw_given(rng: torch.Generator) -> Arrays:
    """Draw the length of the probe and the number of stages that thaw."""
    return {
        "probe_epochs": torch.randint(1, 5, (), generator=rng),
        "thawed": torch.randint(1, 5, (), generator=rng),
    }


def thaw_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Go through the epochs around the thaw."""
    first = int(given["probe_epochs"])
    net = model(lab, probe_epochs=first, thawed=int(given["thawed"]))
    stages, found = net.backbone.stages, []
    for epoch in (0, first - 1, first, first + 1):
        net.thaw(epoch)
        found.append(torch.stack([learning(stages), training(stages)]))
    return {"stages": torch.stack(found), "head": learning(nn.ModuleList([net.head]))}


@check(
    "thaw",
    "First the head, then the stages",
    given=thaw_given,
    probe=thaw_probe,
    returns={"stages": "int64 [4, 2, 9]", "head": "int64 [1]"},
    depends_on=("unfreeze", "frozen-norm"),
)
def thaw(given: Arrays, got: Arrays) -> Outcome:
    """Stages and norms are frozen in the first `probe_epochs` epochs, `thawed` learn after that."""
    first, thawed = int(given["probe_epochs"]), int(given["thawed"])
    outcomes = [holds(got["head"] == 1, "the head must always learn")]
    for place, epoch in enumerate((0, first - 1, first, first + 1)):
        expected = last(thawed if epoch >= first else 0)
        when = f"after thaw({epoch}), with probe_epochs={first} and thawed={thawed}"
        flags, modes = got["stages"][place]
        outcomes.append(same_stages(flags, expected, f"learns {when}"))
        outcomes.append(same_stages(modes, expected, f"norms in training mode {when}"))
    return every(*outcomes)

"""The visible checks of lab 02, in the order of its tasks."""

import math
from types import ModuleType

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, holds
from dllab.checks.tools import fit
from dllab.data import BatchLoader


def images(rng: torch.Generator, count: int, height: int = 8, width: int = 8) -> Tensor:
    """Draw images, uint8 [count, 1, height, width], without a black pixel."""
    return torch.randint(1, 256, (count, 1, height, width), generator=rng, dtype=torch.uint8)


# conv2d -------------------------------------------------------------------------------------------


def conv2d_given(rng: torch.Generator) -> Arrays:
    """Draw images of 3 channels and 5 filters."""
    return {
        "x": torch.randn(2, 3, 9, 9, generator=rng),
        "weight": torch.randn(5, 3, 3, 3, generator=rng) / 5,
        "bias": torch.randn(5, generator=rng),
    }


def conv2d_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Convolve plainly, and with stride and padding."""
    x, weight, bias = given["x"], given["weight"], given["bias"]
    return {
        "plain": lab.conv2d(x, weight, bias),
        "strided": lab.conv2d(x, weight, bias, stride=2, padding=1),
    }


@check(
    "conv2d",
    "Convolution by unfolding",
    given=conv2d_given,
    probe=conv2d_probe,
    returns={"plain": "float32 [2, 5, 7, 7]", "strided": "float32 [2, 5, 5, 5]"},
)
def conv2d(given: Arrays, got: Arrays) -> Outcome:
    """`conv2d` gives what F.conv2d gives, within 1e-5, also with stride and padding."""
    x, weight, bias = given["x"], given["weight"], given["bias"]
    return every(
        close(got["plain"], F.conv2d(x, weight, bias), what="conv2d(x, weight, bias)"),
        close(
            got["strided"],
            F.conv2d(x, weight, bias, stride=2, padding=1),
            what="conv2d(x, weight, bias, stride=2, padding=1)",
        ),
    )


# batch-statistics, running-statistics, batch-norm -------------------------------------------------


def norm_given(rng: torch.Generator) -> Arrays:
    """Draw images of 4 channels, each with its own mean and deviation, and a layer's state."""
    scale = 1 + 3 * torch.rand(4, 1, 1, generator=rng)
    offset = 5 * torch.randn(4, 1, 1, generator=rng)
    return {
        "x": torch.randn(3, 4, 2, 3, generator=rng) * scale + offset,
        "weight": torch.randn(4, generator=rng),
        "bias": torch.randn(4, generator=rng),
        "running_mean": torch.randn(4, generator=rng),
        "running_var": 1 + torch.rand(4, generator=rng),
    }


def norm_layer(lab: ModuleType, given: Arrays) -> torch.nn.Module:
    """The learner's BatchNorm2d in the given state."""
    layer = lab.BatchNorm2d(4, momentum=0.2)
    names = ("weight", "bias", "running_mean", "running_var")
    layer.load_state_dict({name: given[name].clone() for name in names})
    return layer


def batch_statistics_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Ask for the statistics of a batch."""
    mean, var = lab.BatchNorm2d(4).batch_statistics(given["x"])
    return {"mean": mean, "var": var}


@check(
    "batch-statistics",
    "Statistics of a batch",
    given=norm_given,
    probe=batch_statistics_probe,
    returns={"mean": "float32 [4]", "var": "float32 [4]"},
)
def batch_statistics(given: Arrays, got: Arrays) -> Outcome:
    """`batch_statistics` gives each channel's mean and variance, divided by the full count."""
    x = given["x"].double().transpose(0, 1).flatten(1)
    return every(
        close(got["mean"], x.mean(dim=1), what="the mean"),
        close(got["var"], x.var(dim=1, correction=0), rtol=1e-4, what="the variance"),
    )


def running_statistics_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Remember one batch's statistics."""
    layer = norm_layer(lab, given)
    layer.remember(given["bias"], given["weight"].square(), 18)
    return {"mean": layer.running_mean, "var": layer.running_var}


@check(
    "running-statistics",
    "Running averages",
    given=norm_given,
    probe=running_statistics_probe,
    returns={"mean": "float32 [4]", "var": "float32 [4]"},
)
def running_statistics(given: Arrays, got: Arrays) -> Outcome:
    """`remember` moves the running averages by `momentum` towards the batch's statistics."""
    var = given["weight"].square() * 18 / 17
    return every(
        close(got["mean"], 0.8 * given["running_mean"] + 0.2 * given["bias"], what="running_mean"),
        close(got["var"], 0.8 * given["running_var"] + 0.2 * var, what="running_var"),
    )


def batch_norm_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Apply the layer in evaluation mode, and another in training mode."""
    evaluation = norm_layer(lab, given).eval()(given["x"])
    layer = norm_layer(lab, given).train()
    training = layer(given["x"])
    return {
        "evaluation": evaluation.detach(),
        "training": training.detach(),
        "running_mean": layer.running_mean,
        "running_var": layer.running_var,
    }


@check(
    "batch-norm",
    "Batch norm and its two modes",
    given=norm_given,
    probe=batch_norm_probe,
    returns={
        "evaluation": "float32 [3, 4, 2, 3]",
        "training": "float32 [3, 4, 2, 3]",
        "running_mean": "float32 [4]",
        "running_var": "float32 [4]",
    },
    depends_on=("batch-statistics", "running-statistics"),
)
def batch_norm(given: Arrays, got: Arrays) -> Outcome:
    """Batch norm uses the batch's statistics to train, and the running averages to evaluate."""
    x, affine = given["x"], (given["weight"], given["bias"])
    mean, var = given["running_mean"].clone(), given["running_var"].clone()
    evaluation = F.batch_norm(x, mean, var, *affine)
    training = F.batch_norm(x, mean, var, *affine, training=True, momentum=0.2)
    if bool(torch.isclose(got["evaluation"], training, atol=1e-4).all()):
        return Outcome(0.0, "in evaluation mode it used the batch's statistics: ask self.training")
    return every(
        close(got["training"], training, atol=1e-4, what="the output in training mode"),
        close(got["evaluation"], evaluation, atol=1e-4, what="the output in evaluation mode"),
        close(got["running_mean"], mean, what="running_mean after one training batch"),
        close(got["running_var"], var, rtol=1e-4, what="running_var after one training batch"),
    )


# shortcut, residual -------------------------------------------------------------------------------


def block_given(rng: torch.Generator) -> Arrays:
    """Draw positive and negative inputs, and a seed for the block's weights."""
    return {
        "x": torch.randn(2, 3, 6, 6, generator=rng),
        "seed": torch.randint(10_000, (), generator=rng),
    }


def shortcut_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Send an input down three shortcuts."""
    torch.manual_seed(int(given["seed"]))
    blocks = [lab.ResidualBlock(3, 3), lab.ResidualBlock(3, 5), lab.ResidualBlock(3, 3, 2)]
    same, wider, smaller = (block.eval().shortcut(given["x"]).detach() for block in blocks)
    learned = sum(p.numel() for p in blocks[1].shortcut.parameters())
    return {"same": same, "wider": wider, "smaller": smaller, "learned": torch.tensor(learned)}


@check(
    "shortcut",
    "The shortcut",
    given=block_given,
    probe=shortcut_probe,
    returns={
        "same": "float32 [2, 3, 6, 6]",
        "wider": "float32 [2, 5, 6, 6]",
        "smaller": "float32 [2, 3, 3, 3]",
        "learned": "int64 []",
    },
)
def shortcut(given: Arrays, got: Arrays) -> Outcome:
    """The shortcut is the identity where the shape stays, else a 1 x 1 convolution and a norm."""
    weights = 3 * 5 + 2 * 5
    return every(
        close(got["same"], given["x"], what="the shortcut that keeps the shape"),
        holds(
            got["learned"] == weights,
            f"expected {weights} parameters from 3 to 5 channels (1 x 1 convolution without bias, "
            f"batch norm), got {got['learned']}",
        ),
    )


def residual_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Apply a block, and its parts one by one."""
    torch.manual_seed(int(given["seed"]))
    block = lab.ResidualBlock(3, 5, 2).eval()
    x = given["x"]
    with torch.no_grad():
        inner = F.relu(block.norm1(block.conv1(x)))
        parts = {"long": block.norm2(block.conv2(inner)), "short": block.shortcut(x)}
        return {"y": block(x), **parts}


@check(
    "residual",
    "Residual block",
    given=block_given,
    probe=residual_probe,
    returns=dict.fromkeys(("y", "long", "short"), "float32 [2, 5, 3, 3]"),
    depends_on=("batch-norm", "shortcut"),
)
def residual(given: Arrays, got: Arrays) -> Outcome:
    """The block returns relu(long way + shortcut): the sum first, the ReLU after it."""
    if bool(torch.isclose(got["y"], F.relu(got["long"]), atol=1e-5).all()):
        return Outcome(0.0, "the shortcut is missing from the sum")
    return close(got["y"], F.relu(got["long"] + got["short"]), what="the block's output")


# shift, mirror ------------------------------------------------------------------------------------


def shift_given(rng: torch.Generator) -> Arrays:
    """Draw images and a seed for the learner's own draws."""
    return {"image": images(rng, 200), "seed": torch.randint(10_000, (), generator=rng)}


def shift_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Shift a batch by up to one pixel."""
    torch.manual_seed(int(given["seed"]))
    return {"image": lab.shift(given["image"], 1)}


@check(
    "shift",
    "Random shift",
    given=shift_given,
    probe=shift_probe,
    returns={"image": "uint8 [200, 1, 8, 8]"},
)
def shift(given: Arrays, got: Arrays) -> Outcome:
    """Every image moves by its own offsets of up to `most` pixels, and black moves in."""
    count = torch.zeros(9, dtype=torch.int64)
    padded = F.pad(given["image"], [1] * 4)
    unmatched = torch.ones(200, dtype=torch.bool)
    for place in range(9):
        top, left = divmod(place, 3)
        window = padded[:, :, top : top + 8, left : left + 8]
        equal = (window == got["image"]).flatten(1).all(dim=1)
        count[place] = equal.sum()
        unmatched &= ~equal
    return every(
        holds(
            not unmatched.any(),
            f"{unmatched.sum()} of 200 images are no shift of their original by at most 1 pixel",
        ),
        holds(
            (count > 0).all(),
            f"of the 9 possible shifts by at most 1 pixel {(count > 0).sum()} occurred among 200 "
            "images: each image draws both of its offsets by itself",
        ),
    )


def mirror_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Mirror a batch."""
    torch.manual_seed(int(given["seed"]))
    return {"image": lab.mirror(given["image"])}


@check(
    "mirror",
    "Random mirror",
    given=shift_given,
    probe=mirror_probe,
    returns={"image": "uint8 [200, 1, 8, 8]"},
)
def mirror(given: Arrays, got: Arrays) -> Outcome:
    """About half of the images have left and right swapped, the others stay as they are."""
    kept = (got["image"] == given["image"]).flatten(1).all(dim=1)
    swapped = (got["image"] == given["image"].flip(3)).flatten(1).all(dim=1)
    # 200 fair coins show fewer than 60 or more than 140 heads once in 10⁸ times.
    return every(
        holds((kept | swapped).all(), "some images are neither as they were nor mirrored"),
        holds(60 <= swapped.sum() <= 140, f"{swapped.sum()} of 200 images were mirrored, not half"),
    )


# splits, train-loader, val-loader -----------------------------------------------------------------


def splits_given(rng: torch.Generator) -> Arrays:
    """Draw three splits of different images; a label is the place of its image."""
    return {split: images(rng, 20) for split in ("train", "val", "test")}


def toy_data(lab: ModuleType, given: Arrays) -> LightningModule:
    """The learner's Data on the drawn splits, 8 images a batch."""

    def load(_name: str, split: str, _size: str = "small") -> Arrays:
        return {"image": given[split].clone(), "label": torch.arange(len(given[split]))}

    return lab.Data(batch_size=8, load=load)


def epoch(loader: BatchLoader) -> Arrays:
    """All batches of one epoch, one behind the other."""
    batches = list(loader)
    return {name: torch.cat([batch[name] for batch in batches]) for name in ("image", "label")}


def splits_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Set up the learner's Data."""
    data = toy_data(lab, given)
    data.setup("fit")
    return {"train": data.train["image"], "val": data.val["image"]}


@check(
    "splits",
    "Which split serves what",
    given=splits_given,
    probe=splits_probe,
    returns={"train": "uint8 [20, 1, 8, 8]", "val": "uint8 [20, 1, 8, 8]"},
)
def splits(given: Arrays, got: Arrays) -> Outcome:
    """Data learns from the training split, chooses by the validation split, and leaves the test."""
    if torch.equal(got["val"], given["test"]):
        return Outcome(
            0.0, "the checkpoint would be chosen on the test split: its score would mean nothing"
        )
    return every(
        holds(torch.equal(got["train"], given["train"]), "self.train is not the training split"),
        holds(torch.equal(got["val"], given["val"]), "self.val is not the validation split"),
    )


def train_loader_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take two epochs from the training loader."""
    data = toy_data(lab, given)
    data.train = {"image": given["train"], "label": torch.arange(20)}
    loader = data.train_dataloader()
    first, second = epoch(loader), epoch(loader)
    return {"image": first["image"], "label": first["label"], "again": second["label"]}


@check(
    "train-loader",
    "Training batches",
    given=splits_given,
    probe=train_loader_probe,
    returns={"image": "uint8 [20, 1, 8, 8]", "label": "int64 [20]", "again": "int64 [20]"},
    depends_on=("shift", "mirror"),
)
def train_loader(given: Arrays, got: Arrays) -> Outcome:
    """An epoch holds every training image once, augmented, in an order of its own."""
    raw = given["train"][got["label"].clamp(0, 19)]
    changed = (raw != got["image"]).flatten(1).any(dim=1).sum()
    return every(
        close(got["label"].sort().values, torch.arange(20), what="the sorted labels"),
        holds(not torch.equal(got["label"], got["again"]), "two epochs came in the same order"),
        holds(changed >= 10, f"only {changed} of 20 training images were augmented"),
    )


def val_loader_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take an epoch from the validation loader."""
    data = toy_data(lab, given)
    data.val = {"image": given["val"], "label": torch.arange(20)}
    return epoch(data.val_dataloader())


@check(
    "val-loader",
    "Validation batches",
    given=splits_given,
    probe=val_loader_probe,
    returns={"image": "uint8 [20, 1, 8, 8]", "label": "int64 [20]"},
)
def val_loader(given: Arrays, got: Arrays) -> Outcome:
    """The validation images come in their own order and exactly as they are."""
    ordered = torch.equal(got["label"], torch.arange(20))
    same = torch.equal(got["image"], given["val"][got["label"].clamp(0, 19)])
    return every(
        holds(same, "validation images were changed: augmentation is for training alone"),
        holds(ordered, "validation images were shuffled, or some are missing"),
    )


# one-cycle, schedule ------------------------------------------------------------------------------


def cycle(step: int, steps: int, warmup: float = 0.3) -> float:
    """What `one_cycle` must return."""
    top = steps * warmup
    if step < top:
        return 1 - 0.96 * (1 + math.cos(math.pi * step / top)) / 2
    return 1e-4 + 0.9999 * (1 + math.cos(math.pi * (step - top) / (steps - top))) / 2


def one_cycle_given(rng: torch.Generator) -> Arrays:
    """Draw the length of a training."""
    return {"steps": 10 * torch.randint(5, 20, (), generator=rng)}


def one_cycle_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Follow the schedule from its first step to its last."""
    steps = int(given["steps"])
    return {"factor": torch.tensor([lab.one_cycle(step, steps) for step in range(steps + 1)])}


@check(
    "one-cycle",
    "One-cycle schedule",
    given=one_cycle_given,
    probe=one_cycle_probe,
    returns={"factor": "float32 [*]"},
)
def one_cycle(given: Arrays, got: Arrays) -> Outcome:
    """The factor climbs from 1/25 to 1 in the first 30 % of the steps, then falls to 1e-4."""
    steps = int(given["steps"])
    expected = torch.tensor([cycle(step, steps) for step in range(steps + 1)])
    if len(got["factor"]) != len(expected):
        return Outcome(0.0, f"expected {len(expected)} factors, got {len(got['factor'])}")
    return close(got["factor"], expected, what=f"the factor of {steps} steps")


def schedule_given(rng: torch.Generator) -> Arrays:
    """Draw a peak rate and 16 images."""
    return {"lr": 0.01 + 0.1 * torch.rand((), generator=rng), "image": images(rng, 16)}


def schedule_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Let Lightning train for two epochs of four steps and note each step's learning rate."""
    model = lab.Model(widths=[4], classes=2, lr=float(given["lr"]))
    rates: list[float] = []
    model.on_fit_start = lambda: None  # no statistics are needed
    model.on_train_batch_start = lambda *_: rates.append(
        model.trainer.optimizers[0].param_groups[0]["lr"]
    )
    batches = BatchLoader({"image": given["image"], "label": torch.arange(16) % 2}, 4)
    fit(model, batches, epochs=2)
    return {"rate": torch.tensor(rates)}


@check(
    "schedule",
    "The schedule moves with every step",
    given=schedule_given,
    probe=schedule_probe,
    returns={"rate": "float32 [8]"},
    depends_on=("conv2d", "residual", "one-cycle"),
)
def schedule(given: Arrays, got: Arrays) -> Outcome:
    """During training every step has the learning rate that `one_cycle` gives it."""
    expected = given["lr"] * torch.tensor([cycle(step, 8) for step in range(8)])
    if bool((got["rate"][:4] == got["rate"][0]).all()):
        return Outcome(
            0.0, "the rate stood still within an epoch: what is the scheduler's interval?"
        )
    return close(got["rate"], expected, what="the learning rate")

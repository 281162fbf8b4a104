"""The visible checks of lab 01, in the order of its tasks.

The toy network has 12 pixels, one hidden layer of 5 and 3 classes: small enough to work out by hand
what it must do.
"""

from collections.abc import Callable, Iterator
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader

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
    uniform,
)
from dllab.checks.tools import fit
from dllab.data import BatchLoader, find

FEATURES, HIDDEN, CLASSES = 12, 5, 3
PARAMETERS = {
    "net.0.weight": normal(HIDDEN, FEATURES, std=0.5),
    "net.0.bias": normal(HIDDEN),
    "net.3.weight": normal(CLASSES, HIDDEN),
    "net.3.bias": normal(CLASSES),
}
TOY = {
    **PARAMETERS,
    "mean": uniform(FEATURES, low=100, high=150),
    "std": uniform(FEATURES, low=40, high=80),
}


def images(count: int, low: int = 0, high: int = 256) -> Callable[[torch.Generator], Tensor]:
    """Draw toy images, uint8 [count, 1, 3, 4]."""
    return integers(low, high, count, 1, 3, 4, dtype=torch.uint8)


def toy_model(lab: ModuleType, given: Given) -> nn.Module:
    """The learner's Model in toy size, with the given parameters and statistics."""
    model = lab.Model(features=FEATURES, hidden=[HIDDEN], classes=CLASSES, dropout=0.0)
    model.load_state_dict({name: given[name] for name in TOY})
    return model


def pixels(image: Tensor) -> Tensor:
    """Grey levels, float32 [N, 12]."""
    return image.flatten(1).float()


def toy_net(given: Given, x: Tensor) -> Tensor:
    """The logits that the toy network makes of the numbers [B, 12] it is handed."""
    hidden = F.linear(x, given["net.0.weight"], given["net.0.bias"]).relu()
    return F.linear(hidden, given["net.3.weight"], given["net.3.bias"])


def toy_logits(given: Given) -> Tensor:
    """What the toy network must answer: the whole of `forward`, written out once more."""
    return toy_net(given, (pixels(given.image) - given.mean) / given.std)


# The layer and its loss ---------------------------------------------------------------------------


@check(
    "he-init",
    "He initialisation",
    given={"seed": integers(0, 10_000)},
    expect={
        "the mean of Linear(300, 500).weight": 0.0,
        "its deviation": (2 / 300) ** 0.5,
        "the share within one deviation": 0.6827,
        "the bias": [0.0] * 500,
        "being parameters (weight, bias)": [True, True],
    },
    mistakes={
        "a plain tensor, not an nn.Parameter: no optimiser sees it, no checkpoint keeps it": {
            "being parameters (weight, bias)": [True, False]
        },
        "2 / fan_out is for the way back: the variance is 2 / fan_in": {
            "its deviation": (2 / 500) ** 0.5
        },
        "1 / fan_in is Xavier's variance: ReLU halves the signal, so it is 2 / fan_in": {
            "its deviation": (1 / 300) ** 0.5
        },
        "2 / fan_in is the variance: scale by its square root": {"its deviation": 2 / 300},
        "the weights are drawn, but not scaled": {"its deviation": 1.0},
        "the weights are uniform, not normal": {"the share within one deviation": 3**-0.5},
    },
    atol={"the mean of Linear(300, 500).weight": 1e-3, "the share within one deviation": 0.02},
    rtol={"its deviation": 0.02},
)
def he_init(lab: ModuleType, given: Given) -> Arrays:
    """A new Linear has weights with mean 0 and variance 2 / fan_in, and biases of 0."""
    torch.manual_seed(int(given.seed))
    layer = lab.Linear(300, 500)
    weight, named = layer.weight.detach(), dict(layer.named_parameters())
    return {
        "the mean of Linear(300, 500).weight": weight.mean(),
        "its deviation": weight.std(),
        "the share within one deviation": (weight.abs() < weight.std()).float().mean(),
        "the bias": layer.bias.detach(),
        "being parameters (weight, bias)": torch.tensor(["weight" in named, "bias" in named]),
    }


@check(
    "linear",
    "Linear layer",
    given={"x": normal(4, 7), "weight": normal(3, 7), "bias": normal(3)},
    expect=lambda g: F.linear(g.x, g.weight, g.bias),
    mistakes={
        "the bias is not added": lambda g: F.linear(g.x, g.weight),
        "the bias is subtracted": lambda g: F.linear(g.x, g.weight, -g.bias),
    },
    grad=("x", "weight", "bias"),
    depends_on=("he-init",),
)
def linear(lab: ModuleType, given: Given) -> Tensor:
    """Linear(x) is x Wᵀ + b."""
    parameters = {"weight": given.weight, "bias": given.bias}
    return functional_call(lab.Linear(7, 3), parameters, given.x)


def wide_logits(rng: torch.Generator) -> Arrays:
    """Draw logits around 0, 200 and -200; in the last row they are hundreds apart."""
    shift, scale = torch.tensor([[0.0, 200, -200, 0], [2, 2, 2, 300]])[:, :, None]
    return {"logits": scale * torch.randn(4, 6, generator=rng) + shift}


def less_largest(given: Given) -> Tensor:
    """The logits less the largest of their row."""
    return given.logits - given.logits.amax(1, keepdim=True)


@check(
    "log-softmax",
    "Stable log-softmax",
    given=wide_logits,
    expect=lambda g: g.logits.log_softmax(1),
    mistakes={
        "exp overflows from 89 on": lambda g: g.logits - g.logits.exp().sum(1, keepdim=True).log(),
        "the log of a softmax is -inf where that rounds to 0": lambda g: g.logits.softmax(1).log(),
        "the sum runs over the batch": lambda g: less_largest(g) - less_largest(g).logsumexp(0),
        "the log of the sum of the exps is not taken off": less_largest,
    },
    atol=1e-4,
    grad=("logits",),
)
def log_softmax(lab: ModuleType, given: Given) -> Tensor:
    """`log_softmax` is the log of the softmax over the classes, also for logits around 200."""
    return lab.log_softmax(given.logits)


@check(
    "cross-entropy",
    "Cross-entropy",
    given={"logits": normal(6, 4, std=3), "label": integers(0, 4, 6)},
    expect=lambda g: F.cross_entropy(g.logits, g.label),
    mistakes={
        "softmax was applied twice: log_softmax wants raw logits": lambda g: F.cross_entropy(
            g.logits.softmax(1), g.label
        ),
        "this is the sum over the batch, not its mean": lambda g: F.cross_entropy(
            g.logits, g.label, reduction="sum"
        ),
        "the mean is over all classes": lambda g: -g.logits.log_softmax(1).mean(),
        "the log-softmax is missing": lambda g: F.nll_loss(g.logits, g.label),
    },
    grad=("logits",),
    depends_on=("log-softmax",),
)
def cross_entropy(lab: ModuleType, given: Given) -> Tensor:
    """`cross_entropy` is the batch's mean of -log p(label), straight from the logits."""
    return lab.cross_entropy(given.logits, given.label)


# Statistics and metrics ---------------------------------------------------------------------------


def moments(*parts: Tensor) -> Arrays:
    """Mean and deviation of each pixel over all images of the parts."""
    x = pixels(torch.cat(parts))
    return {"mean": x.mean(0), "std": x.std(0).clamp_min(1)}


def deviation(given: Given) -> Tensor:
    """Each pixel's deviation as it is, however small."""
    return pixels(given.image).std(0)


def one_black_pixel(rng: torch.Generator) -> Arrays:
    """Draw images whose first pixel never changes."""
    image = images(200)(rng)
    image[:, 0, 0, 0] = 0
    return {"image": image}


@check(
    "pixel-statistics",
    "Mean and deviation of the pixels",
    given=one_black_pixel,
    expect=lambda g: moments(g.image),
    mistakes={
        "a deviation of 0 must become 1": lambda g: {"std": deviation(g)},
        "any deviation below 1 must become 1": lambda g: {
            "std": deviation(g).where(deviation(g) > 0, 1)
        },
        "only deviations below 1 become 1": lambda g: {"std": deviation(g) + 1},
        "this is the variance": lambda g: {"std": deviation(g).square().clamp_min(1)},
        "this is one mean for all pixels": lambda g: {"mean": g.image.float().mean().expand(12)},
    },
    rtol={"mean": 1e-4, "std": 5e-3},  # the deviation may divide by N or by N - 1
)
def pixel_statistics(lab: ModuleType, given: Given) -> Arrays:
    """`pixel_statistics` gives each pixel's mean and standard deviation over the images."""
    mean, std = lab.pixel_statistics(given.image)
    return {"mean": mean, "std": std}


def counted(true: Tensor, predicted: Tensor, classes: int = 5) -> Tensor:
    """How often each true class meets each predicted one, int64 [C, C]."""
    return F.one_hot(true, classes).T @ F.one_hot(predicted, classes)


def four_of_five(rng: torch.Generator) -> Arrays:
    """Draw items of five classes, of which the last one neither occurs nor is predicted."""
    logits = torch.randn(40, 5, generator=rng)
    logits[:, 4] -= 100
    return {"logits": logits, "label": torch.randint(4, (40,), generator=rng)}


@check(
    "confusion-matrix",
    "Confusion matrix",
    given=four_of_five,
    expect=lambda g: counted(g.label, g.logits.argmax(1)),
    mistakes={
        "rows and columns are swapped: the row is the true class": lambda g: counted(
            g.logits.argmax(1), g.label
        ),
        "the predicted class has the largest logit": lambda g: counted(g.label, g.logits.argmin(1)),
    },
)
def confusion_matrix(lab: ModuleType, given: Given) -> Tensor:
    """`confusion_matrix` counts, in row t and column p, how often class t was taken for class p."""
    return lab.confusion_matrix(given.logits, given.label)


def uneven(rng: torch.Generator) -> Arrays:
    """Draw the confusion matrix of an uneven problem: class 0 is frequent, class 4 rare."""
    share = torch.tensor([40, 20, 10, 6, 4])[:, None]
    counts = torch.rand(5, 5, generator=rng) * share + 2 * torch.eye(5) * share
    return {"counts": counts.long() + 1}


def precision(counts: Tensor) -> Tensor:
    """Of the items that were taken for a class, the share that is of it."""
    return counts.diagonal() / counts.sum(0)


def f1(counts: Tensor) -> Tensor:
    """F1 of each class that occurs or is predicted."""
    twice = counts.sum(0) + counts.sum(1)
    return (2 * counts.diagonal() / twice)[twice > 0]


@check(
    "accuracy-score",
    "Accuracy from counts",
    given=uneven,
    expect=lambda g: g.counts.trace() / g.counts.sum(),
    mistakes={
        "this is the mean of the classes' recalls": lambda g: precision(g.counts.T).mean(),
        "this is the mean of the classes' precisions": lambda g: precision(g.counts).mean(),
    },
)
def accuracy(lab: ModuleType, given: Given) -> Tensor:
    """Accuracy is the share of the counts that lies on the diagonal."""
    return lab.accuracy(given.counts)


@check(
    "macro-f1-score",
    "Macro-F1 from counts",
    given=lambda rng: {"counts": F.pad(uneven(rng)["counts"], (0, 1, 0, 1))},  # class 5 is absent
    expect=lambda g: f1(g.counts).mean(),
    mistakes={
        "the classes were weighted by their size: that is weighted F1": lambda g: (
            (f1(g.counts) * g.counts[:-1].sum(1)).sum() / g.counts.sum()
        ),
        "this is F1 over all items, which is accuracy": lambda g: g.counts.trace() / g.counts.sum(),
        "an absent class counts as 0: leave it out": lambda g: f1(g.counts).sum() / len(g.counts),
        "an absent class is 0 / 0: leave it out": torch.nan,
        "this is the mean precision": lambda g: precision(g.counts)[:-1].mean(),
        "this is the mean recall": lambda g: precision(g.counts.T)[:-1].mean(),
    },
)
def macro_f1(lab: ModuleType, given: Given) -> Tensor:
    """`macro_f1` is the plain mean of the classes' F1: rare classes count as much as frequent."""
    return lab.macro_f1(given.counts)


# Data and model -----------------------------------------------------------------------------------


@check(
    "standardize",
    "Statistics of the training split only",
    given={"train": images(90, high=100), "val": images(80, low=100), "test": images(70, low=150)},
    expect=lambda g: moments(g.train),
    mistakes={
        "validation images leak into the statistics": lambda g: moments(g.train, g.val),
        "these are the validation images' statistics": lambda g: moments(g.val),
        "these are the test images' statistics": lambda g: moments(g.test),
    },
    rtol={"mean": 1e-4, "std": 1e-2},  # as above
    depends_on=("pixel-statistics",),
)
def standardize(lab: ModuleType, given: Given) -> Arrays:
    """Data.setup fits mean and std on the training images alone: no other split leaks in."""

    def load(_name: str, split: str, _size: str = "small") -> Arrays:
        return {"image": given[split], "label": torch.arange(len(given[split])) % CLASSES}

    data = lab.Data(load=load)
    data.setup("fit")
    return {"mean": data.mean, "std": data.std}


@check(
    "forward",
    "From raw pixels to raw logits",
    given={**TOY, "image": images(6)},
    expect=toy_logits,
    mistakes={
        "these are probabilities: the loss takes the softmax": lambda g: toy_logits(g).softmax(1),
        "these are log-probabilities: return raw logits": lambda g: toy_logits(g).log_softmax(1),
        "the pixels are raw: standardise them": lambda g: toy_net(g, pixels(g.image)),
        "the pixels are divided by 255 alone": lambda g: toy_net(g, pixels(g.image) / 255),
        "the pixels are not divided by self.std": lambda g: toy_net(g, pixels(g.image) - g.mean),
        "the batch is standardised by itself: use self.mean and self.std": lambda g: toy_logits(
            g | moments(g.image)
        ),
    },
    atol=1e-4,
    grad=True,
    depends_on=("linear",),
)
def forward(lab: ModuleType, given: Given) -> Tensor:
    """`predict` standardises the pixels by the model's own mean and std and returns raw logits."""
    return toy_model(lab, given).eval().predict({"image": given.image})


@check(
    "optimizer",
    "Optimiser",
    given={"lr": uniform(high=0.1), "decay": uniform()},
    expect=lambda g: {
        "isinstance(optimizer, AdamW)": True,
        "the number of tensors that it moves": 4,
        "lr": g.lr,
        "weight_decay": g.decay,
    },
    mistakes={
        "it moves the last layer alone": {"the number of tensors that it moves": 2},
        "1e-3 is AdamW's own rate: hand it self.lr": {"lr": 1e-3},
        "0.01 is AdamW's own decay: hand it self.weight_decay": {"weight_decay": 0.01},
        "rate and decay are swapped": lambda g: {"lr": g.decay, "weight_decay": g.lr},
    },
    depends_on=("he-init",),
)
def optimizer(lab: ModuleType, given: Given) -> Arrays:
    """The optimiser moves every parameter, with the model's learning rate and weight decay."""
    numbers = {"lr": float(given.lr), "weight_decay": float(given.decay)}
    model = lab.Model(features=FEATURES, hidden=[HIDDEN], classes=CLASSES, **numbers)
    optimizer = model.configure_optimizers()
    held = {p for group in optimizer.param_groups for p in group["params"]}
    return {
        "isinstance(optimizer, AdamW)": torch.tensor(isinstance(optimizer, torch.optim.AdamW)),
        "the number of tensors that it moves": torch.tensor(len(held & set(model.parameters()))),
        "lr": torch.tensor(optimizer.param_groups[0]["lr"]),
        "weight_decay": torch.tensor(optimizer.param_groups[0]["weight_decay"]),
    }


TOY_LR = 0.1


def toy_batches(given: Given) -> BatchLoader:
    """The drawn items as two batches of 8."""
    return BatchLoader({"image": given.image, "label": given.label}, 8)


def descend(
    given: Given, *, clear: bool = True, squash: bool = False, reduction: str = "mean"
) -> Arrays:
    """The toy parameters after two steps of SGD: right, or wrong in a classic way."""
    state = {name: given[name].clone().requires_grad_() for name in PARAMETERS}
    optimizer = torch.optim.SGD(state.values(), lr=TOY_LR)
    for batch in toy_batches(given):
        logits = toy_logits(given | state | {"image": batch["image"]})
        if clear:
            optimizer.zero_grad()
        logits = logits.softmax(1) if squash else logits
        F.cross_entropy(logits, batch["label"], reduction=reduction).backward()
        optimizer.step()
    return {name: value.detach() for name, value in state.items()}


@check(
    "training-step",
    "One step of gradient descent",
    given={**TOY, "image": images(16), "label": integers(0, CLASSES, 16)},
    expect=descend,
    mistakes={
        "the weights did not move": lambda g: {name: g[name] for name in PARAMETERS},
        "gradients of the first step are left: zero_grad is missing": lambda g: descend(
            g, clear=False
        ),
        "softmax came before cross_entropy, which takes raw logits": lambda g: descend(
            g, squash=True
        ),
        "the step is that of the sum over the batch": lambda g: descend(g, reduction="sum"),
    },
    depends_on=("forward", "cross-entropy"),
)
def training_step(lab: ModuleType, given: Given) -> Arrays:
    """Each training step clears the gradients, computes the batch's own, and moves the weights."""
    model = toy_model(lab, given)
    model.on_fit_start = lambda: None  # keep the given statistics
    model.on_train_batch_start = lambda *_: None  # and the rate
    model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), lr=TOY_LR)
    fit(model, toy_batches(given))
    return dict(model.named_parameters())


BATCH, STEPS = 20, 80
GREY = torch.full((FEATURES,), 127.5)


def crossed_pictures(rng: torch.Generator) -> Arrays:
    """Draw toy pictures of ten classes: on each of five grounds, whether two pixels differ.

    No weighted sum of pixels says so (the exclusive or), so no linear model can learn them all.
    """
    grounds, two = torch.arange(5), torch.arange(2)
    ground, one, other = torch.cartesian_prod(grounds, two, two).T
    x = torch.zeros(BATCH, FEATURES, dtype=torch.uint8)
    row = torch.arange(BATCH)
    x[row, 2 * ground] = x[row, 2 * ground + 1] = 255
    x[:, -2:] = 255 * torch.stack([one, other], 1).byte()
    place = torch.randperm(FEATURES, generator=rng)
    return {"image": x[:, place].view(BATCH, 1, 3, 4), "label": 2 * ground + (one ^ other)}


def by_heart(lab: ModuleType, given: Given) -> Arrays:
    """What the learner's network says of a batch that it has seen 80 times."""
    model = lab.Model(features=FEATURES, hidden=[64], classes=10, dropout=0.0, lr=0.03)
    model.load_state_dict(model.state_dict() | dict.fromkeys(("mean", "std"), GREY))
    model.on_fit_start = lambda: None  # keep these statistics
    batch = {"image": given.image, "label": given.label}
    fit(model, DataLoader([batch] * 150, batch_size=None))
    logits = model.eval()(given.image).detach()
    return {"loss": F.cross_entropy(logits, given.label), "said": logits.argmax(1)}


@check(
    "one-batch",
    "A batch by heart",
    given=crossed_pictures,
    probe=by_heart,
    returns={"loss": "float32 []", "said": f"int64 [{BATCH}]"},
    depends_on=("optimizer", "training-step"),
    hint="training-step",
)
def one_batch(given: Given, got: Arrays) -> Outcome:
    """The network learns a batch by heart in 80 steps, one that no linear model can learn."""
    wrong = got["said"] != given.label
    classes = ", ".join(map(str, given.label[wrong].unique().tolist()))
    loss = float(got["loss"])
    return every(
        holds(
            not wrong.any(),
            f"{int(wrong.sum())} of {BATCH} pictures are wrong still, of the "
            f"classes {classes}: does each item count in the loss?",
        ),
        holds(loss < 0.1, f"the loss is {loss:.3g} still, where below 0.1 is expected"),
    )


@dream("What it takes for what", items=True)
def confuses(player, rng: torch.Generator, items) -> Iterator[exhibits.Exhibit]:
    """Test pictures of the four commonest mix-ups; below each, how sure the network is."""
    image = items.inputs["image"]
    p_NC = player.call("forward", image, returns="float32 [N, 10]").softmax(1)
    label, said = items.labels()["label"], p_NC.argmax(1)
    names, classes = find("fashion_mnist").classes, p_NC.shape[1]
    pair = label * classes + said
    count = torch.bincount(pair[label != said], minlength=classes**2)
    for one in count.argsort(descending=True)[:4].tolist():
        found = torch.where(pair == one)[0]
        surest = found[p_NC[found, one % classes].argsort(descending=True)][:6]
        title = f"{names[one // classes]} taken for {names[one % classes]}: {count[one]}"
        sure = [f"{p:.0%}" for p in p_NC[surest, one % classes].tolist()]
        yield exhibits.pictures(title, image[surest], sure)

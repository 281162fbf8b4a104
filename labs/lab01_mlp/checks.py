"""The visible checks of lab 01, in the order of its tasks.

The toy network has 12 pixels, one hidden layer of 5 and 3 classes: small enough to work out by hand
what it must do.
"""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, holds
from dllab.checks.tools import fit
from dllab.data import BatchLoader

FEATURES, HIDDEN, CLASSES = 12, 5, 3
PARAMETERS = ("net.0.weight", "net.0.bias", "net.3.weight", "net.3.bias")
PARAMETER_SHAPES = {
    "net.0.weight": f"float32 [{HIDDEN}, {FEATURES}]",
    "net.0.bias": f"float32 [{HIDDEN}]",
    "net.3.weight": f"float32 [{CLASSES}, {HIDDEN}]",
    "net.3.bias": f"float32 [{CLASSES}]",
}


def toy_state(rng: torch.Generator) -> Arrays:
    """Draw parameters and pixel statistics for the toy network."""
    return {
        "net.0.weight": torch.randn(HIDDEN, FEATURES, generator=rng) / 2,
        "net.0.bias": torch.randn(HIDDEN, generator=rng),
        "net.3.weight": torch.randn(CLASSES, HIDDEN, generator=rng),
        "net.3.bias": torch.randn(CLASSES, generator=rng),
        "mean": 100 + 50 * torch.rand(FEATURES, generator=rng),
        "std": 40 + 40 * torch.rand(FEATURES, generator=rng),
    }


def toy_model(lab: ModuleType, given: Arrays) -> torch.nn.Module:
    """The learner's Model in toy size, with the given parameters and statistics."""
    model = lab.Model(features=FEATURES, hidden=[HIDDEN], classes=CLASSES, dropout=0.0)
    model.load_state_dict({name: given[name] for name in (*PARAMETERS, "mean", "std")})
    return model


def images(rng: torch.Generator, count: int, low: int = 0, high: int = 256) -> Tensor:
    """Draw toy images, uint8 [count, 1, 3, 4]."""
    return torch.randint(low, high, (count, 1, 3, 4), generator=rng, dtype=torch.uint8)


def toy_logits(state: Arrays, image: Tensor) -> Tensor:
    """What the toy network must answer: the whole of `forward`, written out once more."""
    x = (image.flatten(1).float() - state["mean"]) / state["std"]
    hidden = F.relu(F.linear(x, state["net.0.weight"], state["net.0.bias"]))
    return F.linear(hidden, state["net.3.weight"], state["net.3.bias"])


# he-init ------------------------------------------------------------------------------------------


def he_init_given(rng: torch.Generator) -> Arrays:
    """Draw a seed, so that no weights can be prepared in advance."""
    return {"seed": torch.randint(10_000, (), generator=rng)}


def he_init_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Build one wide layer."""
    torch.manual_seed(int(given["seed"]))
    layer = lab.Linear(300, 500)
    names = [name for name, _ in layer.named_parameters()]
    return {
        "weight": layer.weight.detach(),
        "bias": layer.bias.detach(),
        "registered": torch.tensor(["weight" in names, "bias" in names]),
    }


@check(
    "he-init",
    "He initialisation",
    given=he_init_given,
    probe=he_init_probe,
    returns={"weight": "float32 [500, 300]", "bias": "float32 [500]", "registered": "bool [2]"},
)
def he_init(given: Arrays, got: Arrays) -> Outcome:
    """A new Linear has weights with mean 0 and variance 2 / fan_in, and biases of 0."""
    expected = torch.tensor((2 / 300) ** 0.5)
    weight = got["weight"]
    return every(
        holds(got["registered"].all(), "weight and bias must both be an nn.Parameter"),
        close(weight.mean(), torch.tensor(0.0), atol=1e-3, what="the mean of Linear(300, 500)"),
        close(weight.std(), expected, rtol=0.02, what="the deviation of Linear(300, 500).weight"),
        close(got["bias"], torch.zeros(500), what="the bias"),
    )


# linear -------------------------------------------------------------------------------------------


def linear_given(rng: torch.Generator) -> Arrays:
    """Draw a layer and a batch."""
    return {
        "x": torch.randn(4, 7, generator=rng),
        "weight": torch.randn(3, 7, generator=rng),
        "bias": torch.randn(3, generator=rng),
    }


def linear_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Apply a Linear that holds the given parameters."""
    layer = lab.Linear(7, 3)
    layer.load_state_dict({"weight": given["weight"], "bias": given["bias"]})
    return {"y": layer(given["x"]).detach()}


@check(
    "linear",
    "Linear layer",
    given=linear_given,
    probe=linear_probe,
    returns={"y": "float32 [4, 3]"},
    depends_on=("he-init",),
)
def linear(given: Arrays, got: Arrays) -> Outcome:
    """Linear(x) is x Wᵀ + b."""
    return close(got["y"], F.linear(given["x"], given["weight"], given["bias"]), what="the output")


# log-softmax --------------------------------------------------------------------------------------


def log_softmax_given(rng: torch.Generator) -> Arrays:
    """Draw logits; a constant added to a row, however large, must change nothing."""
    shift = torch.tensor([0.0, 0.0, 200.0, -200.0])[:, None]
    return {"logits": 2 * torch.randn(4, 6, generator=rng) + shift}


def log_softmax_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the learner's log-softmax."""
    return {"log_p": lab.log_softmax(given["logits"])}


@check(
    "log-softmax",
    "Stable log-softmax",
    given=log_softmax_given,
    probe=log_softmax_probe,
    returns={"log_p": "float32 [4, 6]"},
)
def log_softmax(given: Arrays, got: Arrays) -> Outcome:
    """`log_softmax` is the log of the softmax over the classes, also for logits around 200."""
    expected = F.log_softmax(given["logits"].double(), dim=1)
    return close(got["log_p"], expected, atol=1e-4, what="log_softmax(logits)")


# cross-entropy ------------------------------------------------------------------------------------


def cross_entropy_given(rng: torch.Generator) -> Arrays:
    """Draw logits and labels."""
    return {
        "logits": 3 * torch.randn(9, 5, generator=rng),
        "label": torch.randint(5, (9,), generator=rng),
    }


def cross_entropy_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the learner's loss."""
    return {"loss": lab.cross_entropy(given["logits"], given["label"])}


@check(
    "cross-entropy",
    "Cross-entropy",
    given=cross_entropy_given,
    probe=cross_entropy_probe,
    returns={"loss": "float32 []"},
    depends_on=("log-softmax",),
)
def cross_entropy(given: Arrays, got: Arrays) -> Outcome:
    """`cross_entropy` is the batch's mean of -log p(label), straight from the logits."""
    logits, label = given["logits"], given["label"]
    twice = F.cross_entropy(logits.softmax(dim=1), label)
    if bool(torch.isclose(got["loss"], twice, atol=1e-5)):
        return Outcome(0.0, "softmax was applied twice: log_softmax wants raw logits")
    return close(got["loss"], F.cross_entropy(logits, label), what="the loss")


# pixel-statistics ---------------------------------------------------------------------------------


def pixel_statistics_given(rng: torch.Generator) -> Arrays:
    """Draw images whose pixels vary well above one grey level."""
    return {"image": images(rng, 200)}


def pixel_statistics_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Fit the learner's statistics."""
    mean, std = lab.pixel_statistics(given["image"])
    return {"mean": mean, "std": std}


@check(
    "pixel-statistics",
    "Mean and deviation of the pixels",
    given=pixel_statistics_given,
    probe=pixel_statistics_probe,
    returns={"mean": "float32 [12]", "std": "float32 [12]"},
)
def pixel_statistics(given: Arrays, got: Arrays) -> Outcome:
    """`pixel_statistics` gives each pixel's mean and standard deviation over the images."""
    x = given["image"].flatten(1).double()
    return every(
        close(got["mean"], x.mean(dim=0), rtol=1e-4, what="the mean"),
        close(got["std"], x.std(dim=0), rtol=1e-2, what="the standard deviation"),
    )


# confusion-matrix, accuracy-score, macro-f1-score -------------------------------------------------


def confusion_given(rng: torch.Generator) -> Arrays:
    """Draw logits of 4 classes, some of them right; the last class occurs and is recognised."""
    label = torch.cat([torch.randint(4, (39,), generator=rng), torch.tensor([3])])
    logits = torch.randn(40, 4, generator=rng) + F.one_hot(label, 4)
    logits[-1] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    return {"logits": logits, "label": label}


def confusion_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Count with the learner's function."""
    return {"counts": lab.confusion_matrix(given["logits"], given["label"])}


@check(
    "confusion-matrix",
    "Confusion matrix",
    given=confusion_given,
    probe=confusion_probe,
    returns={"counts": "int64 [4, 4]"},
)
def confusion_matrix(given: Arrays, got: Arrays) -> Outcome:
    """`confusion_matrix` counts, in row t and column p, how often class t was taken for class p."""
    expected = torch.zeros(4, 4, dtype=torch.int64)
    for true, predicted in zip(given["label"], given["logits"].argmax(dim=1), strict=True):
        expected[true, predicted] += 1
    if torch.equal(got["counts"], expected.T):
        return Outcome(0.0, "rows and columns are swapped: the row is the true class")
    return close(got["counts"], expected, what="the count")


def counts_given(rng: torch.Generator) -> Arrays:
    """Draw the confusion matrix of an uneven problem: class 0 is frequent, class 4 rare."""
    share = torch.tensor([40, 20, 10, 6, 4])[:, None]
    counts = torch.rand(5, 5, generator=rng) * share + 2 * torch.eye(5) * share
    return {"counts": counts.long() + 1}


def accuracy_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the learner's accuracy."""
    return {"accuracy": lab.accuracy(given["counts"])}


@check(
    "accuracy-score",
    "Accuracy from counts",
    given=counts_given,
    probe=accuracy_probe,
    returns={"accuracy": "float32 []"},
)
def accuracy(given: Arrays, got: Arrays) -> Outcome:
    """Accuracy is the share of the counts that lies on the diagonal."""
    counts = given["counts"].double()
    return close(got["accuracy"], counts.diagonal().sum() / counts.sum(), what="accuracy")


def macro_f1_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the learner's macro-F1."""
    return {"macro_f1": lab.macro_f1(given["counts"])}


@check(
    "macro-f1-score",
    "Macro-F1 from counts",
    given=counts_given,
    probe=macro_f1_probe,
    returns={"macro_f1": "float32 []"},
)
def macro_f1(given: Arrays, got: Arrays) -> Outcome:
    """`macro_f1` is the plain mean of the classes' F1: rare classes count as much as frequent."""
    counts = given["counts"].double()
    precision = counts.diagonal() / counts.sum(dim=0)
    recall = counts.diagonal() / counts.sum(dim=1)
    f1 = 2 * precision * recall / (precision + recall)
    weighted = (f1 * counts.sum(dim=1)).sum() / counts.sum()
    if bool(torch.isclose(got["macro_f1"].double(), weighted, atol=1e-5)):
        return Outcome(0.0, "the classes were weighted by their size: that is weighted F1")
    return close(got["macro_f1"], f1.mean(), what="macro-F1")


# standardize --------------------------------------------------------------------------------------


def standardize_given(rng: torch.Generator) -> Arrays:
    """Draw dark images to train on, bright ones for all else: a leak cannot hide."""
    return {"train": images(rng, 60, high=100), "other": images(rng, 40, low=100)}


def standardize_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Set up the learner's Data on toy splits."""

    def load(_name: str, split: str, _size: str = "small") -> Arrays:
        image = given["train" if split == "train" else "other"]
        return {"image": image, "label": torch.arange(len(image)) % CLASSES}

    data = lab.Data(load=load)
    data.setup("fit")
    return {"mean": data.mean, "std": data.std}


@check(
    "standardize",
    "Statistics of the training split only",
    given=standardize_given,
    probe=standardize_probe,
    returns={"mean": "float32 [12]", "std": "float32 [12]"},
    depends_on=("pixel-statistics",),
)
def standardize(given: Arrays, got: Arrays) -> Outcome:
    """Data.setup fits mean and std on the training images alone: no other split leaks in."""
    train = given["train"].flatten(1).double()
    if bool((got["mean"] > train.mean(dim=0) + 10).all()):
        return Outcome(0.0, "images outside the training split have changed the mean: a leak")
    return every(
        close(got["mean"], train.mean(dim=0), rtol=1e-4, what="data.mean"),
        close(got["std"], train.std(dim=0), rtol=2e-2, what="data.std"),
    )


# forward ------------------------------------------------------------------------------------------


def forward_given(rng: torch.Generator) -> Arrays:
    """Draw a toy network and a batch for it."""
    return {**toy_state(rng), "image": images(rng, 6)}


def forward_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Predict a batch of raw images."""
    model = toy_model(lab, given).eval()
    return {"logits": model.predict({"image": given["image"]}).detach()}


@check(
    "forward",
    "From raw pixels to raw logits",
    given=forward_given,
    probe=forward_probe,
    returns={"logits": "float32 [6, 3]"},
    depends_on=("linear",),
)
def forward(given: Arrays, got: Arrays) -> Outcome:
    """`predict` standardises the pixels by the model's own mean and std and returns raw logits."""
    if bool((got["logits"].exp().sum(dim=1) - 1).abs().max() < 1e-4) or bool(
        (got["logits"].sum(dim=1) - 1).abs().max() < 1e-4
    ):
        return Outcome(
            0.0, "these are probabilities: return raw logits, the loss takes the softmax"
        )
    return close(got["logits"], toy_logits(given, given["image"]), atol=1e-4, what="the logits")


# optimizer ----------------------------------------------------------------------------------------


def optimizer_given(rng: torch.Generator) -> Arrays:
    """Draw a learning rate and a weight decay."""
    return {"lr": 0.1 * torch.rand((), generator=rng), "decay": torch.rand((), generator=rng)}


def optimizer_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Ask the learner's Model for its optimiser, and what that holds."""
    lr, decay = float(given["lr"]), float(given["decay"])
    model = lab.Model(features=12, hidden=[5], classes=3, lr=lr, weight_decay=decay)
    optimizer = model.configure_optimizers()
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    group = optimizer.param_groups[0]
    return {
        "lr": torch.tensor(group["lr"]),
        "decay": torch.tensor(group["weight_decay"]),
        "missing": torch.tensor(sum(id(p) not in held for p in model.parameters())),
    }


@check(
    "optimizer",
    "Optimiser",
    given=optimizer_given,
    probe=optimizer_probe,
    returns={"lr": "float32 []", "decay": "float32 []", "missing": "int64 []"},
    depends_on=("he-init",),
)
def optimizer(given: Arrays, got: Arrays) -> Outcome:
    """The optimiser moves every parameter, with the model's learning rate and weight decay."""
    return every(
        holds(got["missing"] == 0, f"{got['missing']} of 4 parameters are not in the optimiser"),
        close(got["lr"], given["lr"], what="the learning rate"),
        close(got["decay"], given["decay"], what="the weight decay"),
    )


# training-step ------------------------------------------------------------------------------------

TOY_LR = 0.1


def training_step_given(rng: torch.Generator) -> Arrays:
    """Draw a toy network and two batches."""
    return {
        **toy_state(rng),
        "image": images(rng, 16),
        "label": torch.randint(CLASSES, (16,), generator=rng),
    }


def training_step_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Let Lightning run two training steps with plain gradient descent."""
    model = toy_model(lab, given)
    model.on_fit_start = lambda: None  # keep the given statistics
    model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), lr=TOY_LR)
    fit(model, toy_batches(given))
    return {name: p.detach() for name, p in model.named_parameters()}


@check(
    "training-step",
    "One step of gradient descent",
    given=training_step_given,
    probe=training_step_probe,
    returns=PARAMETER_SHAPES,
    depends_on=("forward", "cross-entropy"),
)
def training_step(given: Arrays, got: Arrays) -> Outcome:
    """Each training step clears the gradients, computes the batch's own, and moves the weights."""
    mistakes = {
        "the weights did not move: step the optimiser": {name: given[name] for name in PARAMETERS},
        "the second step still used the gradients of the first: zero_grad is missing": descend(
            given, clear=False
        ),
        "softmax came before cross_entropy, which takes raw logits": descend(given, squash=True),
    }
    for message, state in mistakes.items():
        if all(torch.allclose(got[name], state[name], atol=1e-5) for name in PARAMETERS):
            return Outcome(0.0, message)
    expected = descend(given)
    return every(*(close(got[n], expected[n], what=f"{n} after two steps") for n in PARAMETERS))


def toy_batches(given: Arrays) -> BatchLoader:
    """The drawn items as two batches of 8."""
    return BatchLoader({name: given[name] for name in ("image", "label")}, 8)


def descend(given: Arrays, *, clear: bool = True, squash: bool = False) -> Arrays:
    """The toy parameters after two steps of SGD: right, or wrong in one of two classic ways."""
    state = {name: given[name].clone().requires_grad_() for name in PARAMETERS}
    optimizer = torch.optim.SGD(state.values(), lr=TOY_LR)
    for batch in toy_batches(given):
        logits = toy_logits({**given, **state}, batch["image"])
        if clear:
            optimizer.zero_grad()
        F.cross_entropy(logits.softmax(dim=1) if squash else logits, batch["label"]).backward()
        optimizer.step()
    return {name: value.detach() for name, value in state.items()}

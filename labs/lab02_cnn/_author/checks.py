"""The hidden checks of lab 02: what they draw, how they judge. None of this enters the sandbox."""

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, Outcome, check, close, every, holds
from labs.lab02_cnn._author import probes
from labs.lab02_cnn.checks import cycle, images, norm_given


def odd_conv_given(rng: torch.Generator) -> Arrays:
    """Draw oblong images and oblong filters."""
    return {
        "x": torch.randn(3, 2, 7, 12, generator=rng),
        "weight": torch.randn(4, 2, 3, 5, generator=rng) / 5,
    }


@check(
    "odd-conv",
    "Oblong images and filters",
    given=odd_conv_given,
    probe=probes.odd_conv_probe,
    returns={"oblong": "float32 [3, 4, 3, 4]", "one": "float32 [1, 4, 5, 8]"},
    depends_on=("conv2d",),
    hint="conv2d",
)
def odd_conv(given: Arrays, got: Arrays) -> Outcome:
    """`conv2d` serves oblong images and filters, no bias, stride 3 and a batch of one."""
    x, weight = given["x"], given["weight"]
    return every(
        close(got["oblong"], F.conv2d(x, weight, stride=3, padding=2), what="conv2d"),
        close(got["one"], F.conv2d(x[:1], weight), what="conv2d of one image"),
    )


def conv_gradients_given(rng: torch.Generator) -> Arrays:
    """Draw a convolution, and the weights of the sum that is differentiated."""
    return {
        "x": torch.randn(2, 2, 6, 6, generator=rng),
        "weight": torch.randn(3, 2, 3, 3, generator=rng),
        "bias": torch.randn(3, generator=rng),
        "pull": torch.randn(2, 3, 3, 3, generator=rng),
    }


@check(
    "conv-gradients",
    "Gradients of the convolution",
    given=conv_gradients_given,
    probe=probes.conv_gradients_probe,
    returns={
        "x": "float32 [2, 2, 6, 6]",
        "weight": "float32 [3, 2, 3, 3]",
        "bias": "float32 [3]",
    },
    depends_on=("conv2d",),
    hint="conv2d",
)
def conv_gradients(given: Arrays, got: Arrays) -> Outcome:
    """The gradients of `conv2d` reach images, filters and bias, and are those of F.conv2d."""
    leaves = {name: given[name].clone().requires_grad_() for name in ("x", "weight", "bias")}
    (F.conv2d(*leaves.values(), stride=2, padding=1) * given["pull"]).sum().backward()
    return every(*(close(got[n], p.grad, atol=1e-4, what=f"∂sum/∂{n}") for n, p in leaves.items()))


@check(
    "eval-mode",
    "Evaluation leaves no trace",
    given=norm_given,
    probe=probes.eval_mode_probe,
    returns={"alone": "float32 [1, 4, 2, 3]", "mean": "float32 [4]", "var": "float32 [4]"},
    depends_on=("batch-norm",),
    hint="batch-norm",
)
def eval_mode(given: Arrays, got: Arrays) -> Outcome:
    """In evaluation mode batch norm changes none of its buffers, and an image is judged alone."""
    state = [given[name] for name in ("running_mean", "running_var", "weight", "bias")]
    return every(
        close(got["mean"], given["running_mean"], what="running_mean after an evaluation"),
        close(got["var"], given["running_var"], what="running_var after an evaluation"),
        close(got["alone"], F.batch_norm(given["x"][:1], *state), atol=1e-4, what="the output"),
    )


def untouched_input_given(rng: torch.Generator) -> Arrays:
    """Draw oblong images, labels, and a seed for the learner's own draws."""
    return {
        "image": images(rng, 30, 6, 9),
        "label": torch.randint(10, (30,), generator=rng),
        "seed": torch.randint(10_000, (), generator=rng),
    }


@check(
    "untouched-input",
    "Augmentation makes new images",
    given=untouched_input_given,
    probe=probes.untouched_input_probe,
    returns={
        "kept": "uint8 [30, 1, 6, 9]",
        "first": "uint8 [30, 1, 6, 9]",
        "second": "uint8 [30, 1, 6, 9]",
        "label": "int64 [30]",
    },
    depends_on=("shift", "mirror"),
    hint="shift",
)
def untouched_input(given: Arrays, got: Arrays) -> Outcome:
    """`augment` draws anew each time and changes neither the stored images nor the labels."""
    return every(
        holds(torch.equal(got["kept"], given["image"]), "the images were changed in place"),
        holds(torch.equal(got["label"], given["label"]), "the labels were changed"),
        holds(not torch.equal(got["first"], got["second"]), "two epochs would look the same"),
    )


def other_cycles_given(rng: torch.Generator) -> Arrays:
    """Draw a length and a warm-up."""
    return {
        "steps": torch.randint(100, 200, (), generator=rng),
        "warmup": 0.15 + 0.3 * torch.rand((), generator=rng),
    }


@check(
    "other-cycles",
    "Cycles of another shape",
    given=other_cycles_given,
    probe=probes.other_cycles_probe,
    returns={"factor": "float32 [5]"},
    depends_on=("one-cycle",),
    hint="one-cycle",
)
def other_cycles(given: Arrays, got: Arrays) -> Outcome:
    """`one_cycle` keeps its shape for any number of steps and any warm-up."""
    steps, warmup = int(given["steps"]), float(given["warmup"])
    points = [0, steps // 10, steps // 2, steps - 1, steps]
    expected = torch.tensor([cycle(step, steps, warmup) for step in points])
    return close(got["factor"], expected, what="the factor")

"""The hidden checks of lab 02: right answers and judges. None of this enters the sandbox."""

import torch
import torch.nn.functional as F

from dllab.checks import Arrays, check, every, holds, integers, normal, uniform
from labs.lab02_cnn import checks
from labs.lab02_cnn._author import probes


@checks.conv2d.also("odd-conv", "A batch of one, another stride")
def odd_conv(rng: torch.Generator) -> Arrays:
    """`conv2d` serves a batch of one, a single filter, stride 3 and a wide border."""
    drawn = {"x": normal(1, 2, 7, 12)(rng), "weight": normal(1, 2, 3, 5)(rng)}
    how = {"stride": torch.tensor(3), "padding": torch.tensor(2)}
    return {**drawn, "bias": normal(1)(rng), **how}


@check(
    "conv-gradients",
    "Gradients of the convolution",
    given={"x": normal(2, 2, 6, 6), **checks.FILTERS, "stride": 2, "padding": 1},
    probe=probes.conv_gradients,
    atol=1e-4,
    grad=("x", "weight", "bias"),
    depends_on=("conv2d",),
    hint="conv2d",
)
def conv_gradients(given):
    """The gradients of `conv2d` reach images, filters and bias, and are those of F.conv2d."""
    return checks.convolved(given)


@check(
    "eval-mode",
    "Evaluation leaves no trace",
    given=checks.NORM,
    probe=probes.eval_mode,
    mistakes={
        "an evaluated image moved the running averages": lambda g: checks.moved_mean(
            g | checks.moments(g.x[:1])
        )
    },
    atol=1e-4,
    depends_on=("batch-norm",),
    hint="batch-norm",
)
def eval_mode(given):
    """In evaluation mode batch norm changes none of its buffers, and an image is judged alone."""
    kept = checks.unmoved(given)
    alone = F.batch_norm(given.x[:1], *kept.values(), given.weight, given.bias, eps=checks.EPS)
    return {"alone": alone, **kept}


IMAGES = dict.fromkeys(("kept", "first", "second"), "uint8 [30, 1, 6, 9]")


@check(
    "untouched-input",
    "Augmentation makes new images",
    given={"image": checks.images(30, 6, 9), "label": integers(0, 10, 30), "seed": checks.SEED},
    probe=probes.untouched_input,
    returns={**IMAGES, "label": "int64 [30]"},
    depends_on=("shift", "mirror"),
    hint="shift",
)
def untouched_input(given, got):
    """`augment` draws anew each time and changes neither the stored images nor the labels."""
    return every(
        holds(torch.equal(got["kept"], given["image"]), "the images were changed in place"),
        holds(torch.equal(got["label"], given["label"]), "the labels were changed"),
        holds(not torch.equal(got["first"], got["second"]), "two epochs would look the same"),
    )


@checks.one_cycle.also("other-cycles", "Cycles of another shape")
def other_cycles(rng: torch.Generator) -> Arrays:
    """`one_cycle` keeps its shape for any number of steps and any warm-up."""
    return {"steps": integers(100, 200)(rng), "warmup": uniform(low=0.35, high=0.5)(rng)}

"""The hidden checks of lab 03: right answers and judges. None of this enters the sandbox."""

import torch
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, normal
from labs.lab03_rnn import checks
from labs.lab03_rnn._author import probes


@checks.lstm_cell.also("saturated", "Gates that are wide open or shut")
def saturated(rng: torch.Generator) -> Arrays:
    """Gates in the hundreds give finite numbers, and the right ones."""
    drawn = {name: draw(rng) for name, draw in checks.halves("lstm").items()}
    return {name: value * (300 if name.startswith("re") else 100) for name, value in drawn.items()}


@check(
    "through-time",
    "Back-propagation through time",
    given={**checks.weights("lstm"), "x": normal(2, 6, 3)},
    probe=probes.through_time,
    atol=1e-4,
    grad=("x", *checks.PARAMETERS),
    depends_on=("layer",),
    hint="layer",
)
def through_time(given) -> Tensor:
    """Within a sequence gradients flow through all steps: they equal those of torch.nn.LSTM."""
    return checks.read(given, given.x)[0]


def padded_twice(rng: torch.Generator) -> Arrays:
    """Draw sequences of unequal length twice, alike in all that counts."""
    lengths = checks.shuffled_lengths(rng)
    one, other = (torch.randint(1, checks.TOKENS, (4, 9), generator=rng) for _ in range(2))
    return {"one": one, "other": other.where(torch.arange(9) >= lengths[:, None], one)} | {
        "lengths": lengths
    }


@check(
    "padding",
    "Padding and neighbours",
    given=padded_twice,
    probe=probes.padding,
    returns=dict.fromkeys(("last", "mean"), "float32 [3, 4, 2]"),
    depends_on=("last-valid", "masked-mean", "layer", "embedding"),
    hint="last-valid",
)
def padding(_given, got) -> Outcome:
    """A sequence's logits depend neither on what pads it nor on its neighbours in the batch."""
    return every(
        *(
            close(padded, alone, what=f"the logits (readout: {name})")
            for name, (one, other, alone) in got.items()
            for padded in (one, other)
        )
    )


@checks.clip.also("small-gradients", "Gradients that are zero")
def small_gradients(rng: torch.Generator) -> Arrays:
    """Gradients of zero, whose norm nothing can be divided by, stay as they are."""
    return {name: 0 * draw(rng) for name, draw in checks.GRADIENTS.items()}

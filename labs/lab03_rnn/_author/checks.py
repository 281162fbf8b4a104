"""The hidden checks of lab 03: right answers and judges. None of this enters the sandbox."""

import torch
from torch import Tensor

from dllab.checks import Arrays, Outcome, check, close, every, normal
from labs.lab03_rnn import checks
from labs.lab03_rnn._author import probes


@checks.lstm_cell.also("saturated", "Gates that are wide open or shut")
def saturated(rng: torch.Generator) -> Arrays:
    """Gates in the hundreds give finite numbers, and the right ones."""
    width = checks.HIDDEN
    return {"gates": normal(5, 4 * width, std=300)(rng), "c": normal(5, width, std=100)(rng)}


@check(
    "lstm-gradients",
    "Back-propagation through time",
    given={**checks.LSTM, "x": normal(2, 6, 3)},
    probe=probes.lstm_gradients,
    atol=1e-4,
    grad=("x", *checks.LSTM),
    depends_on=("lstm-loop",),
    hint="lstm-loop",
)
def lstm_gradients(given) -> Tensor:
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
    depends_on=("last-valid", "masked-mean", "lstm-loop", "embedding"),
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


@check(
    "two-texts",
    "Two texts, two memories",
    given=checks.TEXTS,
    probe=probes.two_texts,
    mistakes={
        "validation's memory went on into the training text": lambda g: {
            checks.NEXT: checks.scored(
                g, 1, checks.scored(g | {"token": g.token.flip(0, 1)}, 0)[1]
            )[0]
        }
    },
    depends_on=("truncated-bptt",),
    hint="truncated-bptt",
)
def two_texts(given) -> Arrays:
    """Validation on another text leaves the memory of the training text alone."""
    return {checks.NEXT: checks.two_chunks(given)[checks.NEXT]}

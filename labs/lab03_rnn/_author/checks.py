"""The hidden checks of lab 03: what they draw, how they judge. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays, Outcome, check, close, every
from labs.lab03_rnn._author import probes
from labs.lab03_rnn.checks import (
    HIDDEN,
    LENGTHS,
    LSTM_SHAPES,
    TOKENS,
    clip_given,
    lstm_weights,
    step_by_hand,
    torch_lstm,
    toy_language,
)


def saturated_given(rng: torch.Generator) -> Arrays:
    """Draw gates in the hundreds, of either sign."""
    return {
        "gates": 300 * torch.randn(5, 4 * HIDDEN, generator=rng),
        "c": 100 * torch.randn(5, HIDDEN, generator=rng),
    }


@check(
    "saturated",
    "Gates that are wide open or shut",
    given=saturated_given,
    probe=probes.saturated_probe,
    returns={"h": "float32 [5, 4]", "c": "float32 [5, 4]"},
    depends_on=("lstm-cell",),
    hint="lstm-cell",
)
def saturated(given: Arrays, got: Arrays) -> Outcome:
    """Gates in the hundreds give finite numbers, and the right ones."""
    h, c = step_by_hand(given, "ifgo")
    return every(close(got["c"], c, what="the new c"), close(got["h"], h, what="the new h"))


def lstm_gradients_given(rng: torch.Generator) -> Arrays:
    """Draw a layer, a batch of sequences, and how much each output weighs."""
    return {
        **lstm_weights(rng),
        "x": torch.randn(2, 6, 3, generator=rng),
        "weight": torch.randn(2, 6, HIDDEN, generator=rng),
    }


@check(
    "lstm-gradients",
    "Back-propagation through time",
    given=lstm_gradients_given,
    probe=probes.lstm_gradients_probe,
    returns={
        "x": "float32 [2, 6, 3]",
        **{name: f"float32 {list(shape)}" for name, shape in LSTM_SHAPES.items()},
    },
    depends_on=("lstm-loop",),
    hint="lstm-loop",
)
def lstm_gradients(given: Arrays, got: Arrays) -> Outcome:
    """Within a sequence gradients flow through all steps: they equal those of torch.nn.LSTM."""
    layer = torch_lstm(given)
    x = given["x"].clone().requires_grad_()
    (layer(x)[0] * given["weight"]).sum().backward()
    expected = {"x": x.grad, **{name: getattr(layer, name).grad for name in LSTM_SHAPES}}
    return every(*(close(got[n], g, atol=1e-4, what=f"∂/∂{n}") for n, g in expected.items()))


def padding_given(rng: torch.Generator) -> Arrays:
    """Draw sequences of unequal length twice, alike in all that counts."""
    lengths = torch.tensor(LENGTHS)[torch.randperm(4, generator=rng)]
    one, other = (torch.randint(1, TOKENS, (4, 9), generator=rng) for _ in range(2))
    valid = torch.arange(9) < lengths[:, None]
    return {"one": one, "other": other.where(~valid, one), "lengths": lengths}


@check(
    "padding",
    "Padding and neighbours",
    given=padding_given,
    probe=probes.padding_probe,
    returns={"last": "float32 [3, 4, 2]", "mean": "float32 [3, 4, 2]"},
    depends_on=("last-valid", "masked-mean", "lstm-loop", "embedding"),
    hint="last-valid",
)
def padding(given: Arrays, got: Arrays) -> Outcome:
    """A sequence's logits depend neither on what pads it nor on its neighbours in the batch."""
    return every(
        *(
            close(got[name][way], got[name][2], what=f"the logits (readout: {name})")
            for name in ("last", "mean")
            for way in (0, 1)
        )
    )


@check(
    "small-gradients",
    "Gradients that are small enough",
    given=clip_given,
    probe=probes.small_gradients_probe,
    returns={
        "norm": "float32 []",
        "a": "float32 [3, 2]",
        "b": "float32 [4]",
        "c": "float32 []",
        "vanished": "float32 [4]",
    },
    depends_on=("clip",),
    hint="clip",
)
def small_gradients(given: Arrays, got: Arrays) -> Outcome:
    """Gradients whose joint norm is below max_norm stay as they are; missing ones are no error."""
    norm = torch.cat([gradient.flatten() for gradient in given.values()]).norm()
    return every(
        *(close(got[name], given[name], what=f"gradient {name}") for name in given),
        close(got["norm"], norm, what="the norm"),
        close(got["vanished"], probes.VANISHED * given["b"], what="a gradient that is all but 0"),
    )


@check(
    "two-texts",
    "Two texts, two memories",
    given=toy_language,
    probe=probes.two_texts_probe,
    returns={"losses": "float32 [2]"},
    depends_on=("truncated-bptt",),
    hint="truncated-bptt",
)
def two_texts(given: Arrays, got: Arrays) -> Outcome:
    """Validation on another text leaves the memory of the training text alone."""
    return close(got["losses"][1], got["losses"][0], what="the loss after a validation in between")

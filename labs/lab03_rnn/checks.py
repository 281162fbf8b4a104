"""The visible checks of lab 03, in the order of its tasks.

torch's own layers are the reference: a learner's LSTM with the same weights must do the same.
"""

import itertools
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Outcome, check, close, every, holds

HIDDEN = 4
LENGTHS = (5, 1, 7, 3)
TOKENS = 7  # the toy language's vocabulary
LSTM_SHAPES = {
    "weight_ih_l0": (4 * HIDDEN, 3),
    "weight_hh_l0": (4 * HIDDEN, HIDDEN),
    "bias_ih_l0": (4 * HIDDEN,),
    "bias_hh_l0": (4 * HIDDEN,),
}


def lstm_weights(rng: torch.Generator, prefix: str = "") -> Arrays:
    """Draw the parameters of a layer that reads 3 numbers a step, under torch's names."""
    return {prefix + name: torch.randn(s, generator=rng) for name, s in LSTM_SHAPES.items()}


def torch_lstm(given: Arrays, prefix: str = "") -> nn.LSTM:
    """Build torch's own layer with the drawn parameters."""
    layer = nn.LSTM(3, HIDDEN, batch_first=True)
    layer.load_state_dict({name: given[prefix + name] for name in LSTM_SHAPES})
    return layer


def ragged(rng: torch.Generator) -> Arrays:
    """Draw outputs [4, 7, 3] of sequences of unequal length; what stands at padding is no zero."""
    y = torch.randn(4, 7, 3, generator=rng) + 3
    lengths = torch.tensor(LENGTHS)[torch.randperm(4, generator=rng)]
    return {"y": y, "lengths": lengths}


# lstm-cell ----------------------------------------------------------------------------------------


def lstm_cell_given(rng: torch.Generator) -> Arrays:
    """Draw the gates of a step, and the memory before it."""
    return {
        "gates": 2 * torch.randn(5, 4 * HIDDEN, generator=rng),
        "c": torch.randn(5, HIDDEN, generator=rng),
    }


def lstm_cell_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take one step."""
    h, c = lab.lstm_cell(given["gates"], given["c"])
    return {"h": h, "c": c}


@check(
    "lstm-cell",
    "One step of an LSTM",
    given=lstm_cell_given,
    probe=lstm_cell_probe,
    returns={"h": "float32 [5, 4]", "c": "float32 [5, 4]"},
)
def lstm_cell(given: Arrays, got: Arrays) -> Outcome:
    """lstm_cell takes i, f, g, o in torch's order; c' = f * c + i * g, and h' = o * tanh(c')."""
    for order in itertools.permutations("ifgo"):
        h, c = step_by_hand(given, "".join(order))
        if torch.allclose(got["h"], h, atol=1e-5) and order != tuple("ifgo"):
            return Outcome(0.0, f"the blocks were read as {', '.join(order)}: they are i, f, g, o")
    h, c = step_by_hand(given, "ifgo")
    return every(close(got["c"], c, what="the new c"), close(got["h"], h, what="the new h"))


def step_by_hand(given: Arrays, order: str) -> tuple[Tensor, Tensor]:
    """The formula, with the blocks of the gates named in the given order."""
    block = dict(zip(order, given["gates"].chunk(4, dim=1), strict=True))
    i, f, o = (block[name].sigmoid() for name in "ifo")
    c = f * given["c"] + i * block["g"].tanh()
    return o * c.tanh(), c


# lstm-loop ----------------------------------------------------------------------------------------


def lstm_loop_given(rng: torch.Generator) -> Arrays:
    """Draw a layer, a batch of sequences, and a state to begin with."""
    return {
        **lstm_weights(rng),
        "x": torch.randn(2, 6, 3, generator=rng),
        "h": torch.randn(2, HIDDEN, generator=rng),
        "c": torch.randn(2, HIDDEN, generator=rng),
    }


def toy_lstm(lab: ModuleType, given: Arrays) -> nn.Module:
    """The learner's LSTM with the drawn parameters."""
    layer = lab.LSTM(3, HIDDEN)
    layer.load_state_dict({name: given[name] for name in LSTM_SHAPES})
    return layer


def lstm_loop_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Read the batch from an empty memory, and from the drawn one."""
    layer = toy_lstm(lab, given)
    with torch.no_grad():
        empty, _ = layer(given["x"])
        y, (h, c) = layer(given["x"], (given["h"], given["c"]))
    return {"empty": empty, "y": y, "h": h, "c": c}


@check(
    "lstm-loop",
    "LSTM layer",
    given=lstm_loop_given,
    probe=lstm_loop_probe,
    returns={
        "empty": "float32 [2, 6, 4]",
        "y": "float32 [2, 6, 4]",
        "h": "float32 [2, 4]",
        "c": "float32 [2, 4]",
    },
    depends_on=("lstm-cell",),
)
def lstm_loop(given: Arrays, got: Arrays) -> Outcome:
    """LSTM equals torch.nn.LSTM with the same weights: every output, and the last state."""
    layer = torch_lstm(given)
    with torch.no_grad():
        empty, _ = layer(given["x"])
        y, (h, c) = layer(given["x"], (given["h"][None], given["c"][None]))
    return every(
        close(got["empty"], empty, what="the output, from an empty memory,"),
        close(got["y"], y, what="the output, from a given state,"),
        close(got["h"], h[0], what="the last h"),
        close(got["c"], c[0], what="the last c"),
    )


# mask, last-valid, masked-mean, series-statistics -------------------------------------------------


def mask_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Mask the drawn lengths."""
    return {"mask": lab.valid_steps(given["lengths"], 7)}


@check(
    "mask",
    "Which steps count",
    given=ragged,
    probe=mask_probe,
    returns={"mask": "bool [4, 7]"},
)
def mask(given: Arrays, got: Arrays) -> Outcome:
    """valid_steps is True at the first `length` steps of each sequence, and nowhere else."""
    counts = got["mask"].sum(dim=1)
    expected = torch.stack([torch.arange(7) < n for n in given["lengths"].tolist()])
    return every(
        close(counts, given["lengths"], what="the number of valid steps"),
        holds(torch.equal(got["mask"], expected), "the valid steps come first, then the padding"),
    )


def last_valid_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Read out the last step."""
    return {"last": lab.last_valid(given["y"], given["lengths"])}


@check(
    "last-valid",
    "The last step that counts",
    given=ragged,
    probe=last_valid_probe,
    returns={"last": "float32 [4, 3]"},
)
def last_valid(given: Arrays, got: Arrays) -> Outcome:
    """last_valid is the output at step length - 1 of each sequence, before any padding."""
    y, lengths = given["y"], given["lengths"].tolist()
    if torch.equal(got["last"], y[:, -1]):
        return Outcome(0.0, "this is the last step of all, which is padding for most sequences")
    expected = torch.stack([row[n - 1] for row, n in zip(y, lengths, strict=True)])
    return close(got["last"], expected, what="the output at the last valid step")


def masked_mean_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Read out the mean."""
    return {"mean": lab.masked_mean(given["y"], given["lengths"])}


@check(
    "masked-mean",
    "Mean over the steps that count",
    given=ragged,
    probe=masked_mean_probe,
    returns={"mean": "float32 [4, 3]"},
    depends_on=("mask",),
)
def masked_mean(given: Arrays, got: Arrays) -> Outcome:
    """masked_mean is the mean over the valid steps; padding counts neither above nor below."""
    y, lengths = given["y"], given["lengths"].tolist()
    if torch.allclose(got["mean"], y.mean(dim=1), atol=1e-5):
        return Outcome(0.0, "this is the mean over all steps, padding included")
    total = torch.stack([row[:n].sum(dim=0) for row, n in zip(y, lengths, strict=True)])
    if torch.allclose(got["mean"], total / y.shape[1], atol=1e-5):
        return Outcome(0.0, "the sum is right; divide it by each sequence's length, not by T")
    return close(got["mean"], total / given["lengths"][:, None], what="the mean")


def series_statistics_given(rng: torch.Generator) -> Arrays:
    """Draw series [4, 7, 3] far from zero, padded with zeros as a data set pads them."""
    drawn = ragged(rng)
    valid = torch.arange(7) < drawn["lengths"][:, None]
    return {"x": drawn["y"] * valid[:, :, None], "lengths": drawn["lengths"]}


def series_statistics_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Fit the learner's statistics."""
    mean, std = lab.series_statistics(given["x"], given["lengths"])
    return {"mean": mean, "std": std}


@check(
    "series-statistics",
    "Mean and deviation of ragged series",
    given=series_statistics_given,
    probe=series_statistics_probe,
    returns={"mean": "float32 [3]", "std": "float32 [3]"},
    depends_on=("mask",),
)
def series_statistics(given: Arrays, got: Arrays) -> Outcome:
    """series_statistics are those of the valid steps: the zeros that pad a series are no data."""
    rows = zip(given["x"], given["lengths"].tolist(), strict=True)
    steps = torch.cat([row[:n] for row, n in rows])
    return every(
        close(got["mean"], steps.mean(dim=0), what="the mean"),
        close(got["std"], steps.std(dim=0), rtol=5e-2, what="the standard deviation"),
    )


# balanced-weights ---------------------------------------------------------------------------------


def balanced_weights_given(rng: torch.Generator) -> Arrays:
    """Draw the labels of 60 items; class 0 is rare, class 3 frequent."""
    often = torch.tensor([3, 9, 18, 30]) + torch.randint(3, (4,), generator=rng)
    label = torch.arange(4).repeat_interleave(often)
    return {"label": label[torch.randperm(len(label), generator=rng)]}


def balanced_weights_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Weigh the classes."""
    return {"weight": lab.balanced_weights(given["label"], 4)}


@check(
    "balanced-weights",
    "The same say for every class",
    given=balanced_weights_given,
    probe=balanced_weights_probe,
    returns={"weight": "float32 [4]"},
)
def balanced_weights(given: Arrays, got: Arrays) -> Outcome:
    """The weight of class c is N / (C · N_c): rare classes weigh more, and an item 1 on average."""
    count = torch.bincount(given["label"], minlength=4).float()
    return close(got["weight"], len(given["label"]) / (4 * count), what="the weight of a class")


# nats, perplexity ---------------------------------------------------------------------------------


def nats_given(rng: torch.Generator) -> Arrays:
    """Draw logits of two texts of five tokens."""
    return {
        "logits": 3 * torch.randn(2, 5, TOKENS, generator=rng),
        "token": torch.randint(TOKENS, (2, 5), generator=rng),
    }


def nats_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take the learner's loss."""
    return {"nats": lab.nats(given["logits"], given["token"])}


@check(
    "nats",
    "Nats per token",
    given=nats_given,
    probe=nats_probe,
    returns={"nats": "float32 []"},
)
def nats(given: Arrays, got: Arrays) -> Outcome:
    """The nats are the mean of -log p(token) over all positions, straight from the raw logits."""
    logits, token = given["logits"].flatten(0, 1), given["token"].flatten()
    if torch.isclose(got["nats"], F.cross_entropy(logits.softmax(dim=1), token), atol=1e-5):
        return Outcome(0.0, "softmax was applied twice: cross_entropy wants raw logits")
    return close(got["nats"], F.cross_entropy(logits, token), what="the loss")


def perplexity_given(rng: torch.Generator) -> Arrays:
    """Draw what three chunks of unequal length were scored."""
    return {
        "nats": 1 + 2 * torch.rand(3, generator=rng),
        "tokens": torch.tensor([400.0, 50.0, 7.0]),
    }


def perplexity_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Sum the chunks up."""
    return {"perplexity": lab.perplexity(given["nats"], given["tokens"])}


@check(
    "perplexity",
    "Perplexity of a text in chunks",
    given=perplexity_given,
    probe=perplexity_probe,
    returns={"perplexity": "float32 []"},
)
def perplexity(given: Arrays, got: Arrays) -> Outcome:
    """The perplexity is exp(mean nats of all tokens), however the text was cut into chunks."""
    share = given["tokens"] / given["tokens"].sum()
    if torch.isclose(got["perplexity"], (given["nats"].exp() * share).sum(), atol=1e-4):
        return Outcome(0.0, "the mean of exponentials is not the exponential of the mean")
    return close(got["perplexity"], (given["nats"] * share).sum().exp(), what="the perplexity")


# clip ---------------------------------------------------------------------------------------------

CLIP_SHAPES = {"a": (3, 2), "b": (4,), "c": ()}


def clip_given(rng: torch.Generator) -> Arrays:
    """Draw gradients of three parameters, one of them much larger than the others."""
    scale = {"a": 5.0, "b": 0.5, "c": 0.1}
    return {n: scale[n] * torch.randn(s, generator=rng) for n, s in CLIP_SHAPES.items()}


def with_gradients(gradients: Arrays) -> list[nn.Parameter]:
    """A parameter for each gradient, with that in its `.grad`."""
    parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients.values()]
    for parameter, gradient in zip(parameters, gradients.values(), strict=True):
        parameter.grad = gradient.clone()
    return parameters


def clip_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Clip to a joint norm of 0.5."""
    parameters = with_gradients(given)
    norm = lab.clip_gradients(iter(parameters), 0.5)
    clipped = {n: p.grad for n, p in zip(given, parameters, strict=True)}
    return {"norm": norm, **clipped}


@check(
    "clip",
    "Clipping by the joint norm",
    given=clip_given,
    probe=clip_probe,
    returns={"norm": "float32 []", "a": "float32 [3, 2]", "b": "float32 [4]", "c": "float32 []"},
)
def clip(given: Arrays, got: Arrays) -> Outcome:
    """clip_gradients scales all gradients by one factor, so that their joint norm is max_norm."""
    parameters = with_gradients(given)
    norm = nn.utils.clip_grad_norm_(parameters, 0.5)
    expected = {n: p.grad for n, p in zip(given, parameters, strict=True)}
    if all(torch.equal(got[name], given[name]) for name in given):
        return Outcome(0.0, "the gradients are as large as before: scale them in place")
    return every(
        *(close(got[n], expected[n], what=f"gradient {n}") for n in given),
        close(got["norm"], norm, what="the norm before clipping"),
    )


# embedding ----------------------------------------------------------------------------------------


def embedding_given(rng: torch.Generator) -> Arrays:
    """Draw a sequence of ids with padding behind."""
    return {
        "token": torch.cat([torch.randint(1, TOKENS, (5,), generator=rng), torch.zeros(3).long()])
    }


def embedding_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Embed the sequence, and see what the table learns from it."""
    model = lab.Model(vocabulary=TOKENS, features=3, hidden=HIDDEN, classes=2)
    table = model.encoder
    table(given["token"]).sum().backward()
    return {"table": table.weight.detach(), "gradient": table.weight.grad}


@check(
    "embedding",
    "Embedding with padding",
    given=embedding_given,
    probe=embedding_probe,
    returns={"table": "float32 [7, 3]", "gradient": "float32 [7, 3]"},
)
def embedding(given: Arrays, got: Arrays) -> Outcome:
    """The embedding has a vector for each token; that of padding, row 0, is zero and stays zero."""
    count = torch.bincount(given["token"], minlength=TOKENS).float()
    count[0] = 0
    return every(
        holds(bool((got["table"][1:] != 0).any()), "the vectors of real tokens start at random"),
        close(got["table"][0], torch.zeros(3), what="the vector of token 0"),
        close(got["gradient"], count[:, None].expand(-1, 3), what="the table's gradient"),
    )


# truncated-bptt -----------------------------------------------------------------------------------

STEPS = 4


def toy_language(rng: torch.Generator) -> Arrays:
    """Draw a toy language model, and two texts of 9 tokens."""
    return {
        "encoder.weight": torch.randn(TOKENS, 3, generator=rng),
        **lstm_weights(rng, "lstm."),
        "head.weight": torch.randn(TOKENS, HIDDEN, generator=rng),
        "head.bias": torch.randn(TOKENS, generator=rng),
        "token": torch.randint(1, TOKENS, (2, 2 * STEPS + 1), generator=rng),
    }


def toy_language_model(lab: ModuleType, given: Arrays) -> nn.Module:
    """The learner's Model in toy size, with the drawn parameters."""
    model = lab.Model(vocabulary=TOKENS, features=3, hidden=HIDDEN, classes=TOKENS)
    weights = {name: value for name, value in given.items() if name != "token"}
    model.load_state_dict({**weights, "class_weight": torch.ones(TOKENS)})
    return model


def chunk(given: Arrays, number: int, *, start: bool) -> Arrays:
    """Chunk 0 or 1 of the drawn texts, as StreamLoader hands it out."""
    first = number * STEPS
    return {"tokens": given["token"][:, first : first + STEPS + 1], "start": torch.tensor(start)}


def truncated_bptt_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Read both chunks in turn, then the second as if a new text began with it."""
    model = toy_language_model(lab, given)
    first = model.stream_loss(chunk(given, 0, start=True), "train")
    second = model.stream_loss(chunk(given, 1, start=False), "train")
    (gradient,) = torch.autograd.grad(second, [model.lstm.weight_hh_l0])
    anew = model.stream_loss(chunk(given, 1, start=True), "train")
    losses = torch.stack([first, second, anew]).detach()
    return {"losses": losses, "gradient": gradient}


@check(
    "truncated-bptt",
    "Truncated back-propagation",
    given=toy_language,
    probe=truncated_bptt_probe,
    returns={"losses": "float32 [3]", "gradient": "float32 [16, 4]"},
    depends_on=("lstm-loop", "nats", "embedding"),
)
def truncated_bptt(given: Arrays, got: Arrays) -> Outcome:
    """Memory flows from chunk to chunk, gradients stop at the border, a new text starts empty."""
    first, state, _ = torch_chunk(given, 0, None)
    second, _, gradient = torch_chunk(given, 1, state)
    anew, _, _ = torch_chunk(given, 1, None)
    if torch.isclose(got["losses"][1], anew, atol=1e-5):
        return Outcome(0.0, "the second chunk began with an empty memory: carry the state over")
    return every(
        close(got["losses"][0], first, what="the loss of the first chunk"),
        close(got["losses"][1], second, what="the loss of the chunk after it"),
        close(got["losses"][2], anew, what="the loss of a chunk that starts a text"),
        holds(
            torch.allclose(got["gradient"], gradient, atol=1e-5),
            "the second chunk's gradient reaches back into the first: detach the state",
        ),
    )


def torch_chunk(
    given: Arrays, number: int, state: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Loss, next state and gradient of W_hh, by torch's own layers."""
    layer = torch_lstm(given, "lstm.")
    tokens = chunk(given, number, start=False)["tokens"]
    y, (h, c) = layer(F.embedding(tokens[:, :-1], given["encoder.weight"]), state)
    logits = F.linear(y, given["head.weight"], given["head.bias"])
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    (gradient,) = torch.autograd.grad(loss, [layer.weight_hh_l0])
    return loss.detach(), (h.detach(), c.detach()), gradient

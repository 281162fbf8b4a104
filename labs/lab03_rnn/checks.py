"""The visible checks of lab 03, in the order of its tasks; right answers are PyTorch's own."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from dllab.checks import Arrays, check, integers, normal

HIDDEN, STEPS = 4, 9  # a batch may be longer than its longest sequence
TOKENS = 7  # the toy language's vocabulary
LENGTHS = torch.tensor([5, 1, 7, 3])
LSTM = {
    "weight_ih_l0": normal(4 * HIDDEN, 3),
    "weight_hh_l0": normal(4 * HIDDEN, HIDDEN),
    "bias_ih_l0": normal(4 * HIDDEN),
    "bias_hh_l0": normal(4 * HIDDEN),
}


def same(x: Tensor) -> Tensor:
    """Squash nothing."""
    return x


def stepped(g, order="ifgo", gate=torch.sigmoid, candidate=torch.tanh, shown=torch.tanh) -> Arrays:
    """One step of an LSTM by its formula, with the blocks in this order."""
    block = dict(zip(order, g.gates.chunk(4, dim=1), strict=True))
    i, f, o = (gate(block[name]) for name in "ifo")
    c = f * g.c + i * candidate(block["g"])
    return {"h": o * shown(c), "c": c}


def misread(order: Sequence[str]):
    """The step with its blocks in another order."""
    return lambda g: stepped(g, order)


ORDERS = [order for order in itertools.permutations("ifgo") if order != tuple("ifgo")]


@check(
    "lstm-cell",
    "One step of an LSTM",
    given={"gates": normal(3, 4 * HIDDEN, std=2), "c": normal(3, HIDDEN)},
    expect=stepped,
    mistakes={
        "h' and c' are returned in the wrong order": lambda g: dict(
            zip("hc", reversed(stepped(g).values()), strict=True)
        ),
        "h' = o * tanh(c'): the tanh is missing": lambda g: stepped(g, shown=same),
        "h' shows the old memory: it is o * tanh(c')": lambda g: (
            stepped(g) | {"h": g.gates[:, -HIDDEN:].sigmoid() * g.c.tanh()}
        ),
        "the candidate g is not squashed": lambda g: stepped(g, candidate=same),
        "the candidate g wants a tanh": lambda g: stepped(g, candidate=torch.sigmoid),
        "the gates are not squashed": lambda g: stepped(g, gate=same),
        "the gates want a sigmoid": lambda g: stepped(g, gate=torch.tanh),
        **{
            f"the blocks were read as {', '.join(order)}: they are i, f, g, o": misread(order)
            for order in ORDERS
        },
    },
    grad=("gates", "c"),
)
def lstm_cell(lab, given):
    """lstm_cell takes i, f, g, o in torch's order; c' = f * c + i * g, and h' = o * tanh(c')."""
    h, c = lab.lstm_cell(given.gates, given.c)
    return {"h": h, "c": c}


def read(g, x: Tensor, state=None, prefix: str = ""):
    """Every h [B, T, H] and the last state of PyTorch's own cell with the given weights."""
    h, c = (x.new_zeros(len(x), HIDDEN),) * 2 if state is None else state
    steps = []
    for x_BD in x.unbind(1):
        h, c = torch.lstm_cell(x_BD, (h, c), *(g[prefix + name] for name in LSTM))
        steps.append(h)
    return torch.stack(steps, 1), (h, c)


def twice(g, layer=None) -> Arrays:
    """What a layer reads from an empty memory and from the given one."""
    layer = layer or (lambda x, state=None: read(g, x, state))
    empty, _ = layer(g.x)
    y, (h, c) = layer(g.x, (g.h, g.c))
    return {"from an empty memory": empty, "from a given state": y, "the last h": h, "last c": c}


def without(*names: str):
    """The layer when these are zero."""
    return lambda g: twice(g | {name: 0 * g[name] for name in names})


def first_step(g) -> Tensor:
    """Every step's output if all began with the given state."""
    x = g.x.flatten(0, 1)[:, None]
    each = [s.repeat_interleave(g.x.shape[1], 0) for s in (g.h, g.c)]
    return read(g, x, each)[0].reshape(2, -1, HIDDEN)


@check(
    "lstm-loop",
    "LSTM layer",
    given={**LSTM, "x": normal(2, 5, 3), "h": normal(2, HIDDEN), "c": normal(2, HIDDEN)},
    expect=twice,
    mistakes={
        "the given state is ignored": without("h", "c"),
        "the given h is ignored": without("h"),
        "the given c is ignored": without("c"),
        "bias_hh_l0 is not added": without("bias_hh_l0"),
        "bias_ih_l0 is not added": without("bias_ih_l0"),
        "no bias is added": without("bias_ih_l0", "bias_hh_l0"),
        "W_hh h is not added": without("weight_hh_l0"),
        "every step begins with the first state: hand h and c on": lambda g: {
            "from a given state": first_step(g)
        },
        "the state handed on is the one it began with": lambda g: {"the last h": g.h},
        "torch.stack wants dim=1: this is [T, B, H]": lambda g: {
            "from a given state": twice(g)["from a given state"].transpose(0, 1)
        },
        "the steps are read from the last to the first": lambda g: twice(g | {"x": g.x.flip(1)}),
    },
    grad=True,
    depends_on=("lstm-cell",),
)
def lstm_loop(lab, given):
    """LSTM equals torch.nn.LSTM with the same weights: every output, and the last state."""
    layer, weights = lab.LSTM(3, HIDDEN), {name: given[name].requires_grad_() for name in LSTM}
    given.h.requires_grad_(), given.c.requires_grad_()
    return twice(given, lambda *args: functional_call(layer, weights, args))


def shuffled_lengths(rng: torch.Generator) -> Tensor:
    """Draw an order of the toy lengths."""
    return LENGTHS[torch.randperm(4, generator=rng)]


RAGGED = {"y": normal(4, STEPS, 3, mean=3), "lengths": shuffled_lengths}


def valid(g, more: int = 0) -> Tensor:
    """Which steps count; `more` of them at each end. bool [4, 9]"""
    return torch.arange(STEPS) < g.lengths[:, None] + more


@check(
    "mask",
    "Which steps count",
    given={"lengths": shuffled_lengths},
    expect=valid,
    mistakes={
        "the first step of the padding counts as well: t < length": lambda g: valid(g, 1),
        "the last valid step does not count: t < length": lambda g: valid(g, -1),
        "padding is True, data are False": lambda g: ~valid(g),
        "every step counts": lambda _: torch.ones(4, STEPS, dtype=torch.bool),
        "as wide as the longest sequence: `steps` says how wide": lambda g: valid(g)[:, :7],
    },
)
def mask(lab, given):
    """valid_steps is True at the first `length` steps of each sequence, and nowhere else."""
    return lab.valid_steps(given.lengths, STEPS)


def at(g, step: Tensor | int) -> Tensor:
    """Each sequence's output at such a step."""
    return g.y[torch.arange(4), step]


@check(
    "last-valid",
    "The last step that counts",
    given=RAGGED,
    expect=lambda g: at(g, g.lengths - 1),
    mistakes={
        "this is the last step of all, which is padding": lambda g: at(g, -1),
        "this is the last step of the longest sequence": lambda g: at(g, g.lengths.max() - 1),
        "one step too early": lambda g: at(g, g.lengths - 2),
        "one step too late: steps count from 0": lambda g: at(g, g.lengths),
        "this is the first step": lambda g: at(g, 0),
        "every sequence at every length: index with two tensors": lambda g: g.y[:, g.lengths - 1],
    },
    grad=("y",),
)
def last_valid(lab, given):
    """last_valid is the output at step length - 1 of each sequence, before any padding."""
    return lab.last_valid(given.y, given.lengths)


def summed(g) -> Tensor:
    """The sum of each sequence's valid steps."""
    return (g.y * valid(g)[:, :, None]).sum(1)


@check(
    "masked-mean",
    "Mean over the steps that count",
    given=RAGGED,
    expect=lambda g: summed(g) / g.lengths[:, None],
    mistakes={
        "this is the mean over all steps, padding included": lambda g: g.y.mean(1),
        "the sum is right; divide it by each sequence's length, not by T": lambda g: (
            summed(g) / STEPS
        ),
        "the sum is right; divide it by the length": summed,
        "divided by the length, but padding is in the sum": lambda g: (
            g.y.sum(1) / g.lengths[:, None]
        ),
        "the longest sequence's length divides all": lambda g: summed(g) / g.lengths.max(),
    },
    grad=("y",),
    depends_on=("mask",),
)
def masked_mean(lab, given):
    """masked_mean is the mean over the valid steps; padding counts neither above nor below."""
    return lab.masked_mean(given.y, given.lengths)


def statistics(x: Tensor, root=torch.sqrt) -> Arrays:
    """Mean and deviation over the first dimension."""
    return {"mean": x.mean(0), "std": root(x.var(0))}


def padded_series(rng: torch.Generator) -> Arrays:
    """Draw series far from zero, padded with zeros as a data set pads them; one datum is 0."""
    lengths = shuffled_lengths(rng)
    x = RAGGED["y"](rng) * (torch.arange(STEPS) < lengths[:, None])[:, :, None]
    x[:, 0, 0] = 0
    return {"x": x, "lengths": lengths}


@check(
    "series-statistics",
    "Mean and deviation of ragged series",
    given=padded_series,
    expect=lambda g: statistics(g.x[valid(g)]),
    mistakes={
        "the zeros that pad a series were taken for data": lambda g: statistics(g.x.flatten(0, 1)),
        "a valid 0 was taken for padding: use the lengths": lambda g: statistics(
            g.x[g.x[:, :, 0] != 0]
        ),
        "this is the variance: take its root": lambda g: {"std": g.x[valid(g)].var(0)},
        "every series counts alike: it is every step": lambda g: {
            "mean": (summed(g | {"y": g.x}) / g.lengths[:, None]).mean(0)
        },
        "each of the D numbers has its own": lambda g: statistics(g.x[valid(g)].flatten()),
    },
    rtol={"std": 5e-2},  # the deviation may divide by n or by n - 1
    depends_on=("mask",),
)
def series_statistics(lab, given):
    """series_statistics are those of the valid steps: the zeros that pad a series do not count."""
    mean, std = lab.series_statistics(given.x, given.lengths)
    return {"mean": mean, "std": std}


def uneven_labels(rng: torch.Generator) -> Arrays:
    """Draw the labels of some 60 items; class 0 is rare, class 3 frequent."""
    often = torch.tensor([3, 9, 18, 30]) + torch.randint(3, (4,), generator=rng)
    label = torch.arange(4).repeat_interleave(often)
    return {"label": label[torch.randperm(len(label), generator=rng)]}


def share(g) -> Tensor:
    """The share of the items that is of each class."""
    return torch.bincount(g.label, minlength=4) / len(g.label)


@check(
    "balanced-weights",
    "Equal weight for every class",
    given=uneven_labels,
    expect=lambda g: 1 / (4 * share(g)),
    mistakes={
        "frequent classes weigh more: it is N / (C · N_c), not its inverse": lambda g: 4 * share(g),
        "this is each class's share of the items": share,
        "C is missing: an item should weigh 1 on average": lambda g: 1 / share(g),
        "N is missing: an item should weigh 1 on average": lambda g: (
            1 / (4 * share(g) * len(g.label))
        ),
        "this is 1 / N_c": lambda g: 1 / (share(g) * len(g.label)),
        "the weights sum to 1: an item should weigh 1 on average": lambda g: (
            share(g).reciprocal() / share(g).reciprocal().sum()
        ),
        "the most frequent class weighs 1: an item should, on average": lambda g: (
            share(g).max() / share(g)
        ),
    },
)
def balanced_weights(lab, given):
    """The weight of class c is N / (C · N_c): rare classes weigh more, and an item 1 on average."""
    return lab.balanced_weights(given.label, 4)


def cost(g, logits: Tensor | None = None, **how: str) -> Tensor:
    """The mean cross-entropy over all positions, of the given logits or others."""
    scores = g.logits if logits is None else logits
    return F.cross_entropy(scores.flatten(0, 1), g.token.flatten(), **how)


@check(
    "nats",
    "Nats per token",
    given={"logits": normal(2, 5, TOKENS, std=3), "token": integers(0, TOKENS, 2, 5)},
    expect=cost,
    mistakes={
        "softmax was applied twice: cross_entropy wants raw logits": lambda g: cost(
            g, g.logits.softmax(2)
        ),
        "these are bits: nats have natural logarithms": lambda g: cost(g) / torch.tensor(2.0).log(),
        "divided by log 2 the wrong way: nats need no factor": lambda g: cost(g) * 0.6931472,
        "this is the sum over all positions, not the mean": lambda g: cost(g, reduction="sum"),
        "summed over the steps: the mean is over all B·T positions": lambda g: 5 * cost(g),
        "the softmax runs over the steps, not over the tokens": lambda g: F.nll_loss(
            g.logits.log_softmax(1).flatten(0, 1), g.token.flatten()
        ),
        "view does not move the tokens to dimension 1: transpose(1, 2)": lambda g: F.cross_entropy(
            g.logits.reshape(2, TOKENS, 5), g.token
        ),
        "this is the perplexity: leave the exp out": lambda g: cost(g).exp(),
    },
    grad=("logits",),
)
def nats(lab, given):
    """The nats are the mean of -log p(token) over all positions, straight from the raw logits."""
    return lab.nats(given.logits, given.token)


def weighted(g, values: Tensor) -> Tensor:
    """The mean over all tokens of what each chunk has."""
    return (values * g.tokens).sum() / g.tokens.sum()


@check(
    "perplexity",
    "Perplexity of a text in chunks",
    given={
        "nats": lambda rng: 1 + 2 * torch.rand(3, generator=rng),
        "tokens": torch.tensor([400.0, 50.0, 7.0]),
    },
    expect=lambda g: weighted(g, g.nats).exp(),
    mistakes={
        "the mean of exponentials is not the exponential of the mean": lambda g: weighted(
            g, g.nats.exp()
        ),
        "a short chunk counts as much as a long one": lambda g: g.nats.mean().exp(),
        "both: every chunk counts alike, and exp comes first": lambda g: g.nats.exp().mean(),
        "the exp is missing": lambda g: weighted(g, g.nats),
        "2 to the power of nats: that is for bits": lambda g: 2 ** weighted(g, g.nats),
    },
    rtol=1e-4,
)
def perplexity(lab, given):
    """The perplexity is exp(mean nats of all tokens), however the text was cut into chunks."""
    return lab.perplexity(given.nats, given.tokens)


GRADIENTS = {"a": normal(3, 2, std=5), "b": normal(4, std=0.5), "c": normal(std=0.1)}


NORM = "the norm before clipping"


def with_gradients(g) -> list[nn.Parameter]:
    """A parameter for each gradient, with that in its `.grad`, and one that has none."""
    parameters = [nn.Parameter(torch.zeros_like(g[name])) for name in GRADIENTS]
    for parameter, name in zip(parameters, GRADIENTS, strict=True):
        parameter.grad = g[name].clone()
    return [*parameters, nn.Parameter(torch.zeros(2))]


def clipped(g, clip=nn.utils.clip_grad_norm_, bounds=(0.5, 50.0)) -> Arrays:
    """The norm that clipping returns, and what it makes of large gradients and of small ones."""
    found = {}
    for what, bound in zip(("to 0.5", "to 50, which is more"), bounds, strict=True):
        parameters = with_gradients(g)
        norm = clip(iter(parameters), bound)
        found[f"gradients clipped {what}"] = torch.cat([p.grad.flatten() for p in parameters[:3]])
        found.setdefault(NORM, norm)
    return found


def by_factor(factor):
    """Scale all gradients by factor(norm of each, bound), and return the joint norm."""

    def clip(parameters, bound: float) -> Tensor:
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch.stack([gradient.norm() for gradient in gradients])
        for gradient, by in zip(gradients, factor(norms, bound).expand(3), strict=True):
            gradient.mul_(by)
        return norms.norm()

    return lambda g: {name: value for name, value in clipped(g, clip).items() if name != NORM}


def by_value(g) -> Arrays:
    """Clip each number by itself."""
    kept = torch.cat([g[name].flatten() for name in GRADIENTS])
    return {"gradients clipped to 0.5": kept.clamp(-0.5, 0.5)}


@check(
    "clip",
    "Clipping by the joint norm",
    given=GRADIENTS,
    expect=clipped,
    mistakes={
        "values are clipped: it is the norm": by_value,
        "the gradients are as before: scale them in place (mul_)": by_factor(
            lambda norms, bound: torch.ones(())
        ),
        "each gradient is clipped by its own norm: take the joint one": by_factor(
            lambda norms, bound: (bound / norms).clamp(max=1)
        ),
        "small gradients are scaled up: a factor of at most 1": by_factor(
            lambda norms, bound: bound / (norms.norm() + 1e-6)
        ),
        "the norms are added: the joint norm is the root of their squares' sum": by_factor(
            lambda norms, bound: (bound / norms.sum()).clamp(max=1)
        ),
        "the joint norm is the root of the squares' sum; the root is missing": by_factor(
            lambda norms, bound: (bound / norms.square().sum()).clamp(max=1)
        ),
        "the largest gradient's norm is not the joint norm": by_factor(
            lambda norms, bound: (bound / norms.max()).clamp(max=1)
        ),
        "scaled to norm 1: the bound is max_norm": by_factor(
            lambda norms, bound: (1 / norms.norm()).clamp(max=1)
        ),
        "this is the norm after clipping: return the one before": {NORM: 0.5},
    },
    rtol=1e-4,
)
def clip(lab, given):
    """clip_gradients scales all gradients by one factor, so that their joint norm is max_norm."""
    return clipped(given, lab.clip_gradients)


def learned(g, rows: Sequence[int] = (0,)) -> Tensor:
    """The gradient of the sum of all vectors, when such rows do not learn."""
    count = torch.bincount(g.token, minlength=TOKENS).float()
    count[list(rows)] = 0
    return count[:, None].repeat(1, 3)


RANDOM = "real tokens begin at random"


@check(
    "embedding",
    "Embedding with padding",
    given={"token": lambda rng: torch.cat([torch.arange(1, TOKENS), torch.zeros(3).long()])},
    expect=lambda g: {"gradient": learned(g), "vector of token 0": torch.zeros(3), RANDOM: True},
    mistakes={
        "padding learns: padding_idx=0": lambda g: {"gradient": learned(g, ())},
        "token 1 is taken for padding: it is token 0": lambda g: {"gradient": learned(g, (1,))},
        "the last token is taken for padding: it is token 0": lambda g: {
            "gradient": learned(g, (-1,))
        },
        "all vectors are zero: only that of padding is": {RANDOM: False},
    },
)
def embedding(lab, given):
    """The embedding has a vector for each token; that of padding, row 0, is zero and stays zero."""
    table = lab.Model(vocabulary=TOKENS, features=3, hidden=HIDDEN, classes=2).encoder
    table(given.token).sum().backward()
    return {
        "gradient": table.weight.grad,
        "vector of token 0": table.weight[0],
        RANDOM: (table.weight[1:] != 0).any(),
    }


CHUNK = 4
LANGUAGE = {
    "encoder.weight": normal(TOKENS, 3),
    **{f"lstm.{name}": draw for name, draw in LSTM.items()},
    "head.weight": normal(TOKENS, HIDDEN),
    "head.bias": normal(TOKENS),
}
TEXTS = {**LANGUAGE, "token": integers(1, TOKENS, 2, 2 * CHUNK + 1)}


class Half(nn.Module):
    """A dropout that halves every number, so that it shows where it was applied."""

    def forward(self, x: Tensor) -> Tensor:
        """Half of each number."""
        return x / 2


def language_model(lab, g) -> nn.Module:
    """The learner's Model in toy size, with the drawn parameters."""
    model = lab.Model(vocabulary=TOKENS, features=3, hidden=HIDDEN, classes=TOKENS)
    model.load_state_dict({**{n: g[n] for n in LANGUAGE}, "class_weight": torch.ones(TOKENS)})
    model.dropout = Half()
    return model


def chunk(g, number: int, *, start: bool) -> Arrays:
    """Chunk 0 or 1 of the drawn texts, as StreamLoader hands it out."""
    first = number * CHUNK
    return {"tokens": g.token[:, first : first + CHUNK + 1], "start": torch.tensor(start)}


def scored(g, number: int, state=None, drops=(0.5, 0.5), ahead: int = 1):
    """Loss and next state of a chunk, by PyTorch's own layers."""
    tokens = chunk(g, number, start=False)["tokens"]
    x = F.embedding(tokens[:, :-1], g["encoder.weight"]) * drops[0]
    y, state = read(g, x, state, "lstm.")
    logits = F.linear(y * drops[1], g["head.weight"], g["head.bias"])
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, ahead:][:, :CHUNK].flatten()), state


FIRST, NEXT, ANEW = "loss of the first chunk", "loss of the next", "loss where a text starts"
BACK = "gradient of the next chunk"


def two_chunks(g, keep=lambda state: [s.detach() for s in state], **how: object) -> Arrays:
    """Both chunks in turn, with what is kept of the state, and the second as a text's first."""
    weight = g["lstm.weight_hh_l0"].requires_grad_()
    first, state = scored(g, 0, **how)
    second, later = scored(g, 1, keep(state), **how)
    (gradient,) = torch.autograd.grad(second, weight, retain_graph=True)
    anew, _ = scored(g, 1, **how)
    losses = {FIRST: first.detach(), NEXT: second.detach(), ANEW: anew.detach()}
    return {**losses, BACK: gradient, "leaked": scored(g, 1, later)[0].detach()}


def part(*names: str, **how: object):
    """Some of what two chunks give, when something about them is wrong."""
    return lambda g: {name: two_chunks(g, **how)[name] for name in names}


@check(
    "truncated-bptt",
    "Truncated back-propagation",
    given=TEXTS,
    expect=part(FIRST, NEXT, ANEW, BACK),
    mistakes={
        "the next chunk began with an empty memory: carry the state over": lambda g: {
            NEXT: two_chunks(g)[ANEW]
        },
        "a new text began with the memory of the one before: see `start`": lambda g: {
            ANEW: two_chunks(g)["leaked"]
        },
        "h is carried on, c is not": part(NEXT, keep=lambda s: [s[0].detach(), 0 * s[1].detach()]),
        "c is carried on, h is not": part(NEXT, keep=lambda s: [0 * s[0].detach(), s[1].detach()]),
        "the next chunk's gradient reaches back into the first: detach the state": part(
            BACK, keep=same
        ),
        "the dropout is skipped": part(FIRST, drops=(1, 1)),
        "the dropout between encoder and lstm is skipped": part(FIRST, drops=(1, 0.5)),
        "the dropout between lstm and head is skipped": part(FIRST, drops=(0.5, 1)),
        "each token is asked for itself, not for the next": part(FIRST, ahead=0),
    },
    depends_on=("lstm-loop", "nats", "embedding"),
)
def truncated_bptt(lab, given):
    """Memory flows from chunk to chunk, gradients stop at the border, a new text starts empty."""
    model = language_model(lab, given)
    first = model.stream_loss(chunk(given, 0, start=True), "train")
    second = model.stream_loss(chunk(given, 1, start=False), "train")
    (gradient,) = torch.autograd.grad(second, [model.lstm.weight_hh_l0], retain_graph=True)
    anew = model.stream_loss(chunk(given, 1, start=True), "train")
    return {FIRST: first, NEXT: second, ANEW: anew, BACK: gradient}

"""The visible checks of lab 03, in the order of its tasks; right answers are PyTorch's own."""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from dllab.checks import Arrays, check, integers, normal

HIDDEN, STEPS = 4, 9  # a batch may be longer than its longest sequence
TOKENS = 7  # the toy language's vocabulary
LENGTHS = torch.tensor([5, 1, 7, 3])
BLOCKS = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}  # of gates, in torch's order
PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def same(x: Tensor) -> Tensor:
    """Squash nothing."""
    return x


def halves(cell: str) -> dict[str, Callable[[torch.Generator], Tensor]]:
    """What a cell is given: both halves of its gates, h and c."""
    gates = normal(3, len(BLOCKS[cell]) * HIDDEN)
    return {"read": gates, "recalled": gates, "h": normal(3, HIDDEN), "c": normal(3, HIDDEN)}


def blocks(g, order: str) -> list[dict[str, Tensor]]:
    """Both halves, cut into blocks of these names."""
    count = len(order)
    return [dict(zip(order, x.chunk(count, dim=1), strict=True)) for x in (g.read, g.recalled)]


def misread(cell: str, step: Callable[..., Arrays]) -> dict[str, Callable[..., Arrays]]:
    """The step with its blocks in every other order, by what a learner is told."""
    right = BLOCKS[cell]
    return {
        f"the blocks were read as {', '.join(order)}: they are {', '.join(right)}": (
            lambda g, order=order: step(g, "".join(order))
        )
        for order in itertools.permutations(right)
        if order != tuple(right)
    }


@check(
    "rnn-cell",
    "One step of a plain network",
    given=halves("rnn"),
    expect=lambda g: (g.read + g.recalled).tanh(),
    mistakes={
        "the tanh is missing": lambda g: g.read + g.recalled,
        "a tanh squashes it, not a sigmoid": lambda g: (g.read + g.recalled).sigmoid(),
        "a tanh squashes it, not a ReLU": lambda g: (g.read + g.recalled).relu(),
        "what it recalls is left out": lambda g: g.read.tanh(),
        "what it reads is left out": lambda g: g.recalled.tanh(),
        "add first, then squash the sum": lambda g: g.read.tanh() + g.recalled.tanh(),
        "the old h is added: recalled already holds what it remembers": lambda g: (
            g.read + g.recalled + g.h
        ).tanh(),
    },
    grad=("read", "recalled"),
)
def rnn_cell(lab, given):
    """rnn_cell returns the tuple (h,), where h' is the tanh of the sum of what it gets."""
    (h,) = lab.rnn_cell(given.read, given.recalled, (given.h,))
    return h


def updated(g, order="rzn", gate=torch.sigmoid, candidate=torch.tanh, kept="z") -> Tensor:
    """One step of a GRU by its formula; `kept` is the gate that lets the old h through."""
    read, recalled = blocks(g, order)
    r, z = (gate(read[name] + recalled[name]) for name in "rz")
    n = candidate(read["n"] + r * recalled["n"])
    return (1 - z) * n + z * g.h if kept == "z" else z * n + (1 - z) * g.h


def reset(g, which: Callable[..., Tensor]) -> Tensor:
    """A GRU's step whose candidate is which(r, read, recalled)."""
    read, recalled = blocks(g, "rzn")
    r, z = ((read[name] + recalled[name]).sigmoid() for name in "rz")
    return (1 - z) * which(r, read["n"], recalled["n"]).tanh() + z * g.h


@check(
    "gru-cell",
    "One step of a GRU",
    given=halves("gru"),
    expect=updated,
    mistakes={
        "the update gate is the wrong way round: z keeps the old h": lambda g: updated(g, kept="n"),
        "the reset gate is not applied": lambda g: reset(g, lambda r, x, h: x + h),
        "the reset gate acts on all of the candidate: on what is recalled alone": lambda g: reset(
            g, lambda r, x, h: r * (x + h)
        ),
        "the reset gate acts on what is read: it is what is recalled": lambda g: reset(
            g, lambda r, x, h: r * x + h
        ),
        "what is recalled is left out of the candidate": lambda g: reset(g, lambda r, x, h: x),
        "the candidate n is not squashed": lambda g: updated(g, candidate=same),
        "the candidate n wants a tanh": lambda g: updated(g, candidate=torch.sigmoid),
        "the gates are not squashed": lambda g: updated(g, gate=same),
        "the gates want a sigmoid": lambda g: updated(g, gate=torch.tanh),
        "this is z alone: mix n and h by it": lambda g: torch.add(
            *(half["z"] for half in blocks(g, "rzn"))
        ).sigmoid(),
        **misread("gru", updated),
    },
    grad=("read", "recalled", "h"),
)
def gru_cell(lab, given):
    """gru_cell takes r, z, n in torch's order; h' = (1 - z) * n + z * h."""
    (h,) = lab.gru_cell(given.read, given.recalled, (given.h,))
    return h


def stepped(g, order="ifgo", gate=torch.sigmoid, candidate=torch.tanh, shown=torch.tanh) -> Arrays:
    """One step of an LSTM by its formula, with the blocks in this order."""
    read, recalled = blocks(g, order)
    block = {name: read[name] + recalled[name] for name in order}
    i, f, o = (gate(block[name]) for name in "ifo")
    c = f * g.c + i * candidate(block["g"])
    return {"h": o * shown(c), "c": c}


@check(
    "lstm-cell",
    "One step of an LSTM",
    given=halves("lstm"),
    expect=stepped,
    mistakes={
        "h' and c' are returned in the wrong order": lambda g: dict(
            zip("hc", reversed(stepped(g).values()), strict=True)
        ),
        "h' = o * tanh(c'): the tanh is missing": lambda g: stepped(g, shown=same),
        "h' shows the old memory: it is o * tanh(c')": lambda g: (
            stepped(g) | {"h": (g.read + g.recalled)[:, -HIDDEN:].sigmoid() * g.c.tanh()}
        ),
        "h was taken for the memory: state is (h, c)": lambda g: stepped(g | {"c": g.h}),
        "what is recalled is left out": lambda g: stepped(g | {"recalled": 0 * g.recalled}),
        "what is read is left out": lambda g: stepped(g | {"read": 0 * g.read}),
        "the candidate g is not squashed": lambda g: stepped(g, candidate=same),
        "the candidate g wants a tanh": lambda g: stepped(g, candidate=torch.sigmoid),
        "the gates are not squashed": lambda g: stepped(g, gate=same),
        "the gates want a sigmoid": lambda g: stepped(g, gate=torch.tanh),
        **misread("lstm", stepped),
    },
    grad=("read", "recalled", "c"),
)
def lstm_cell(lab, given):
    """lstm_cell takes i, f, g, o in torch's order; c' = f * c + i * g, and h' = o * tanh(c')."""
    h, c = lab.lstm_cell(given.read, given.recalled, (given.h, given.c))
    return {"h": h, "c": c}


def weights(cell: str) -> dict[str, Callable[[torch.Generator], Tensor]]:
    """How a layer's parameters are drawn."""
    gates = len(BLOCKS[cell]) * HIDDEN
    shapes = ((gates, 3), (gates, HIDDEN), (gates,), (gates,))
    return {name: normal(*shape) for name, shape in zip(PARAMETERS, shapes, strict=True)}


TORCH = {"rnn": torch.rnn_tanh_cell, "gru": torch.gru_cell, "lstm": torch.lstm_cell}


def read(g, x: Tensor, state: Sequence[Tensor] | None = None, cell: str = "lstm"):
    """Every h [B, T, H] and the last state of PyTorch's own cell with the given weights."""
    state = state or [x.new_zeros(len(x), HIDDEN)] * (1 + (cell == "lstm"))
    outputs = []
    for x_BD in x.unbind(1):
        before = tuple(state) if cell == "lstm" else state[0]
        state = TORCH[cell](x_BD, before, *(g[name] for name in PARAMETERS))
        state = state if cell == "lstm" else (state,)
        outputs.append(state[0])
    return torch.stack(outputs, 1), state


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
    "layer",
    "A recurrent layer",
    given={**weights("lstm"), "x": normal(2, 5, 3), "h": normal(2, HIDDEN), "c": normal(2, HIDDEN)},
    expect=twice,
    mistakes={
        "the given state is ignored": without("h", "c"),
        "the given h is ignored": without("h"),
        "the given c is ignored": without("c"),
        "bias_hh_l0 is not added": without("bias_hh_l0"),
        "bias_ih_l0 is not added": without("bias_ih_l0"),
        "no bias is added": without("bias_ih_l0", "bias_hh_l0"),
        "W_hh h is not added": without("weight_hh_l0"),
        "every step begins with the first state: hand it on": lambda g: {
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
def layer(lab, given):
    """Recurrent equals torch.nn.LSTM with the same weights: every output, and the last state."""
    made = lab.Recurrent("lstm", 3, HIDDEN)
    learned = {name: given[name].requires_grad_() for name in PARAMETERS}
    given.h.requires_grad_(), given.c.requires_grad_()
    return twice(given, lambda *args: functional_call(made, learned, args))


BY_STEP, ALONE = "the norm at each step", "the layer's own gradients are left alone"


def faded(g, of=lambda y: y[:, -1].sum(), size=lambda x: x.norm(dim=(0, 2))) -> Arrays:
    """The size of a gradient at each step, that of `of` the outputs, by PyTorch's own cell."""
    x = g.x.requires_grad_()
    (gradient,) = torch.autograd.grad(of(read(g, x, cell="rnn")[0]), x)
    return {BY_STEP: size(gradient), ALONE: torch.tensor(True)}


@check(
    "fading",
    "How a gradient fades",
    given={**weights("rnn"), "x": normal(2, 6, 3)},
    expect=faded,
    mistakes={
        "the outputs of all steps are summed: only the last one's": lambda g: faded(
            g, of=lambda y: y.sum()
        ),
        "the first output knows nothing of later steps: take the last": lambda g: faded(
            g, of=lambda y: y[:, 0].sum()
        ),
        "this is the mean of the outputs' gradient: sum them": lambda g: faded(
            g, of=lambda y: y[:, -1].mean()
        ),
        "the squares are summed: the root is missing": lambda g: faded(
            g, size=lambda x: x.square().sum(dim=(0, 2))
        ),
        "this is a sum of absolute values, not the norm": lambda g: faded(
            g, size=lambda x: x.abs().sum(dim=(0, 2))
        ),
        "the gradient is summed, signs and all: take its norm": lambda g: faded(
            g, size=lambda x: x.sum(dim=(0, 2))
        ),
        "each sequence has its own norm: it is one norm over all": lambda g: faded(
            g, size=lambda x: x.norm(dim=2).mean(dim=0)
        ),
        "a norm for each sequence, added up: it is one norm over all": lambda g: faded(
            g, size=lambda x: x.norm(dim=2).sum(dim=0)
        ),
        "this is one norm for each sequence: it is for each step": lambda g: faded(
            g, size=lambda x: x.norm(dim=(1, 2))
        ),
        "the last step comes first: this is in reverse": lambda g: faded(
            g, size=lambda x: x.norm(dim=(0, 2)).flip(0)
        ),
        "backward() fills the layer's .grad as well: use torch.autograd.grad": {
            ALONE: torch.tensor(False)
        },
    },
    depends_on=("rnn-cell", "layer"),
)
def fading(lab, given):
    """gradient_by_step is the norm of the last output's gradient, for each step that was read."""
    made = lab.Recurrent("rnn", 3, HIDDEN)
    made.load_state_dict({name: given[name] for name in PARAMETERS})
    found = lab.gradient_by_step(made, given.x)
    return {BY_STEP: found, ALONE: torch.tensor(all(p.grad is None for p in made.parameters()))}


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

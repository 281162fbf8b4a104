"""The visible checks of lab 09, in the order of its tasks; right answers are PyTorch's own.

What is differentiated is written once and computed by two engines, the learner's and PyTorch's, in
float64.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dllab.checks import Arrays, Given, check, every, holds, integers
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import fit, instance
from dllab.data import BatchLoader

EXACT = {"atol": 1e-9, "rtol": 1e-9}
RECORDED = "the gradients are recorded"
NOT_RECORDED = {
    "the vjp computes with arrays (.data): its gradients cannot be differentiated again": {
        RECORDED: False
    }
}


def doubles(*shape: int) -> Callable[[torch.Generator], Tensor]:
    """Draw float64 numbers from a normal distribution."""
    return lambda rng: torch.randn(shape, generator=rng, dtype=torch.float64)


def double(number: float) -> Tensor:
    """A number as float64."""
    return torch.tensor(number, dtype=torch.float64)


def array(lab, value) -> Tensor:
    """The numbers of a Tensor that learner code returned."""
    return torch.tensor(instance(value, lab.Tensor).data)


def leaves(lab, given, names: Sequence[str]) -> list:
    """What is given, as Tensors that require a gradient."""
    return [lab.Tensor(given[name].numpy(), requires_grad=True) for name in names]


def pulled(lab, out, g: Tensor, names: Sequence[str]) -> Arrays:
    """The result of an operation, and what its vjp makes of the upstream gradient g."""
    if instance(out, lab.Tensor).vjp is None:
        raise ReturnedError("the result has no vjp: return what self.record(…) returns")
    found = out.vjp(lab.Tensor(g.numpy(), requires_grad=True))
    named = {f"the gradient of {n}": array(lab, x) for n, x in zip(names, found, strict=True)}
    recorded = torch.tensor(all(x.requires_grad for x in found))
    return {"the result": array(lab, out), **named, RECORDED: recorded}


def differentiated(program: Callable[..., Tensor], given, names: Sequence[str]) -> list[Tensor]:
    """PyTorch's gradients of the sum of what a program returns."""
    inputs = [given[name].clone().requires_grad_() for name in names]
    return list(torch.autograd.grad(program(*inputs).sum(), inputs))


# A graph of numbers -------------------------------------------------------------------------------


def nodes_of_ten(rng: torch.Generator) -> Arrays:
    """Draw the parents of nodes 3 to 9, two each; several ways lead to nodes 7, 3 and 0."""
    pairs = torch.stack([torch.randint(i, (2,), generator=rng) for i in range(3, 10)])
    pairs[0, 0] = 0
    pairs[-2:] = torch.tensor([[7, 3], [7, 8]])
    return {"parents": pairs}


def ordered(lab, given) -> Arrays:
    """The order of a graph of ten nodes, and how much is listed of a chain of 5,000."""
    nodes = [lab.Value(0.0) for _ in range(3)]
    for one, other in given.parents.tolist():
        nodes.append(lab.Value(0.0, (nodes[one], nodes[other]), (1.0, 1.0)))
    place = {id(node): i for i, node in enumerate(nodes)}
    order = [place.get(id(node), -1) for node in lab.topological(nodes[-1])]
    chain = lab.Value(0.0)
    for _ in range(4999):
        chain = lab.Value(0.0, (chain,), (1.0,))
    listed = lab.topological(chain)
    return {"order": torch.tensor(order), "chain": torch.tensor(len(listed))}


@check(
    "topological",
    "Topological order",
    given=nodes_of_ten,
    probe=ordered,
    returns={"order": "int64 [*]", "chain": "int64 []"},
)
def topological(given, got):
    """The list holds each node once, parents before what was computed from them, at any depth."""
    parents = dict(enumerate(given.parents.tolist(), start=3))
    wanted, order = {9}, got["order"].tolist()
    for node in range(9, 2, -1):
        wanted |= set(parents[node]) if node in wanted else set()
    early = [n for i, n in enumerate(order) if not set(parents.get(n, ())) <= set(order[:i])]
    graph = "; ".join(f"{n} is made of {a} and {b}" for n, (a, b) in parents.items())
    came = f"the list is {order}, where {graph}"
    return every(
        holds(len(order) == len(set(order)), f"a node is listed twice: {came}"),
        holds(wanted <= set(order), f"nodes are missing: {came}"),
        holds(set(order) <= wanted, f"there are nodes that 9 was not computed from: {came}"),
        holds(order[:1] != [9], f"the root comes first, and should be last: {came}"),
        holds(not early, f"a node stands before its parents: {came}"),
        holds(got["chain"] == 5000, f"of a chain of 5000 nodes {int(got['chain'])} are listed"),
    )


@check(
    "value-mul",
    "A product that remembers",
    given={"a": doubles(), "b": doubles()},
    expect=lambda g: {
        "a * b": g.a * g.b,
        "the slope with respect to a": g.b,
        "the slope with respect to b": g.a,
    },
    mistakes={
        "the slopes are swapped: the product grows with a as fast as b is large": lambda g: {
            "the slope with respect to a": g.a
        },
        "these are the slopes of a sum": {"the slope with respect to a": double(1.0)},
        "the result does not remember its parents": {"the slope with respect to a": double(0.0)},
    },
    **EXACT,
)
def value_mul(lab, given):
    """`a * b` is a Value with both factors as parents, and the slope with respect to each."""
    a, b = lab.Value(float(given.a)), lab.Value(float(given.b))
    out = instance(a * b, lab.Value)
    slopes = dict(zip(out.parents, out.slopes, strict=True))
    return {
        "a * b": double(out.data),
        "the slope with respect to a": double(slopes.get(a, 0.0)),
        "the slope with respect to b": double(slopes.get(b, 0.0)),
    }


def small_graph(a, b) -> tuple:
    """A graph of numbers in which u is used twice and s three times: s, u, root."""
    s = a * b
    u = s.tanh() * s + a
    return s, u, u * u + s


def small_slopes(given) -> Arrays:
    """The derivatives of the root of the small graph."""
    a, b = (given[name].clone().requires_grad_() for name in "ab")
    s, u, root = small_graph(a, b)
    found = torch.autograd.grad(root, [a, b, s, u])
    named = {f"d root / d {n}": x for n, x in zip("absu", found, strict=True)}
    return {**named, "d root / d u after a second call": found[3]}


def u_of(given) -> Tensor:
    """The value of u."""
    return small_graph(given.a, given.b)[1]


@check(
    "value-backward",
    "The chain rule, backwards",
    given={"a": doubles(), "b": doubles()},
    expect=small_slopes,
    mistakes={
        "u is used twice, and only one use counts: add to grad, do not set it": lambda g: {
            "d root / d u": u_of(g)
        },
        "a second call adds to what the first one has left": lambda g: {
            "d root / d u after a second call": 6 * u_of(g)
        },
        "the result's own grad is not set to 1": {"d root / d s": double(0.0)},
        "the nodes are visited from the inputs to the result: reverse the order": {
            "d root / d s": double(1.0)
        },
        "the slope is not multiplied by the node's own grad": lambda g: {"d root / d a": g.b + 1},
    },
    depends_on=("topological", "value-mul"),
    **EXACT,
)
def value_backward(lab, given):
    """`backward` sets the grad of each node to the sum over all ways from the root to it."""
    a, b = lab.Value(float(given.a)), lab.Value(float(given.b))
    s, u, root = small_graph(a, b)
    root.backward()
    pairs = zip("absu", (a, b, s, u), strict=True)
    found = {f"d root / d {name}": double(node.grad) for name, node in pairs}
    root.backward()
    return {**found, "d root / d u after a second call": double(u.grad)}


# A graph of arrays --------------------------------------------------------------------------------


def refuses(numbers) -> bool:
    """Whether NumPy refuses to write into an array."""
    try:
        numbers[...] = 0
    except ValueError:
        return True
    return False


COPY = "its numbers stay when the array it was made of changes"
WRITES = "that array can still be written to"
REFUSES = "NumPy refuses to write into data"


@check(
    "frozen",
    "Arrays that nobody writes to",
    given={"x": doubles(3), "whole": integers(0, 9, 3)},
    expect={
        REFUSES: True,
        COPY: True,
        WRITES: True,
        "float64 stays float64": True,
        "float32 stays float32": True,
        "whole numbers become float64": True,
        "the shapes of data for an array and for a number": [[3], [0]],
    },
    mistakes={
        "the array can be written to: set flags.writeable to False": {REFUSES: False},
        "the memory is shared with the array that was handed in: make a copy": {COPY: False},
        "the array that was handed in is frozen, not a copy of it": {WRITES: False},
    },
)
def frozen(lab, given):
    """A Tensor keeps a float copy of what it is made of, and its numbers never change."""
    x = given.x.numpy().copy()
    made = lab.Tensor(x)
    before, writes = made.data.copy(), not refuses(x)
    number = lab.Tensor(2.0).data
    return {
        REFUSES: torch.tensor(refuses(made.data) and refuses(number)),
        COPY: torch.tensor(bool((made.data == given.x.numpy()).all() if writes else True)),
        WRITES: torch.tensor(writes),
        "float64 stays float64": torch.tensor(before.dtype == "float64"),
        "float32 stays float32": torch.tensor(lab.Tensor(x.astype("f")).data.dtype == "float32"),
        "whole numbers become float64": torch.tensor(
            lab.Tensor(given.whole.numpy()).data.dtype == "float64"
        ),
        "the shapes of data for an array and for a number": torch.tensor(
            [[*made.data.shape], [number.ndim]]
        ),
    }


OF_A, OF_B = "the gradient of a", "the gradient of b"


@check(
    "matmul",
    "Matrix product",
    given={"a": doubles(2, 3, 3), "b": doubles(3, 3), "g": doubles(2, 3, 3)},
    expect=lambda g: {
        "the result": g.a @ g.b,
        OF_A: g.g @ g.b.mT,
        OF_B: (g.a.mT @ g.g).sum(0),
        RECORDED: True,
    },
    mistakes={
        "B is not transposed: the gradient of A is G Bᵀ": lambda g: {OF_A: g.g @ g.b},
        "A is not transposed: the gradient of B is Aᵀ G": lambda g: {OF_B: (g.a @ g.g).sum(0)},
        "the factors are swapped: the gradient of A is G Bᵀ": lambda g: {OF_A: g.b.mT @ g.g},
        "the factors are swapped: the gradient of B is Aᵀ G": lambda g: {
            OF_B: (g.g @ g.a.mT).sum(0)
        },
        "this is the product of numbers, `*`: matrices want `@`": lambda g: {OF_A: g.g * g.b},
        "the gradient of B comes first: the list is in the order of the parents": lambda g: {
            OF_A: g.a.mT @ g.g
        },
        **NOT_RECORDED,
    },
    depends_on=("frozen",),
    **EXACT,
)
def matmul(lab, given):
    """`a @ b` is the matrix product, also of stacks, and its vjp gives G Bᵀ and Aᵀ G."""
    a, b = leaves(lab, given, "ab")
    found = pulled(lab, a @ b, given.g, "ab")
    if found[OF_B].dim() == 3:  # the learner may, or may not, sum over the stack
        found[OF_B] = found[OF_B].sum(0)
    return found


SUMS = {
    "x.sum()": {},
    "x.sum(0)": {"axis": 0},
    "x.sum(-1)": {"axis": -1},
    "x.sum((0, 2))": {"axis": (0, 2)},
    "x.sum(1, keepdims=True)": {"axis": 1, "keepdims": True},
}


def summed(given, spread: Callable[..., Tensor]) -> Arrays:
    """All sums of x, and the gradients that `spread` makes of g."""
    found: Arrays = {RECORDED: torch.tensor(True)}
    for name, how in SUMS.items():
        found[name] = given.x.sum(**how)
        kept = given.g.sum(how.get("axis"), keepdim=True)
        found[f"the gradient of x, for {name}"] = spread(given.g.sum(**how), kept)
    return found


@check(
    "sum",
    "Sums",
    given={"x": doubles(3, 3, 3), "g": doubles(3, 3, 3)},
    expect=lambda g: summed(g, lambda _, kept: kept.expand(3, 3, 3)),
    mistakes={
        "g is spread along the wrong axis: keep the summed one first": lambda g: (
            {"the gradient of x, for x.sum(-1)": g.g.sum(-1).expand(3, 3, 3)}
        ),
        "each summand gets all of g, not its share of it": lambda g: {
            "the gradient of x, for x.sum(0)": g.g.sum(0).expand(3, 3, 3) / 3
        },
        "keepdims is not passed on": lambda g: {"x.sum(1, keepdims=True)": g.x.sum(1)},
        **NOT_RECORDED,
    },
    depends_on=("frozen",),
    **EXACT,
)
def sum_(lab, given):
    """`x.sum` adds up one axis, several or all, and each summand gets the gradient of its sum."""
    found: Arrays = {}
    recorded = torch.tensor(True)
    for name, how in SUMS.items():
        [x] = leaves(lab, given, "x")
        one = pulled(lab, x.sum(**how), given.g.sum(**how), "x")
        found[name] = one["the result"]
        found[f"the gradient of x, for {name}"] = one["the gradient of x"]
        recorded &= one[RECORDED]
    return {**found, RECORDED: recorded}


def repeated_rows(rng: torch.Generator) -> Arrays:
    """Draw five of four rows: one of them twice, and one not at all."""
    order = torch.randperm(4, generator=rng)
    rows = torch.cat([order[:3], order[:2]])[torch.randperm(5, generator=rng)]
    return {"rows": rows, "g": doubles(5, 3)(rng), "h": doubles(4, 3)(rng)}


def last_of_each(given) -> Tensor:
    """What is left when a place keeps the last of its values."""
    out = torch.zeros_like(given.h)
    for row, value in zip(given.rows, given.g, strict=True):
        out[row] = value
    return out


@check(
    "indexing",
    "Indexing, on the way back",
    given=repeated_rows,
    expect=lambda g: {
        "the result": torch.zeros_like(g.h).index_add(0, g.rows, g.g),
        "the gradient of g": g.h[g.rows],
        RECORDED: True,
        "for x[1:, 0], in float32": F.pad(g.g[:3, :1].float(), (0, 2, 1, 0)),
    },
    mistakes={
        "a place that was picked twice keeps one value: out[index] += counts it once": lambda g: {
            "the result": last_of_each(g)
        },
        **NOT_RECORDED,
    },
    depends_on=("frozen",),
    **EXACT,
)
def indexing(lab, given):
    """`scatter` adds each number to the place it was picked from; places picked twice get both."""
    [g] = leaves(lab, given, "g")
    found = pulled(lab, lab.scatter(g, given.rows.numpy(), (4, 3)), given.h, "g")
    column = lab.Tensor(given.g[:3, 0].float().numpy())
    part = lab.scatter(column, (slice(1, None), 0), (4, 3))
    return {**found, "for x[1:, 0], in float32": array(lab, part)}


# The way back -------------------------------------------------------------------------------------

INSIDE, NESTED = "inside set_grad_enabled(False)", "inside set_grad_enabled(True), within that"
INNER, OUTER = "after the inner block", "after the outer block"
RAISED, PASSED = "after a block that an exception ended", "the exception gets out of the block"


@check(
    "grad-mode",
    "Recording, on and off",
    expect={INSIDE: False, NESTED: True, INNER: False, OUTER: True, RAISED: True, PASSED: True},
    mistakes={
        "recording is not set": {INSIDE: True},
        "`on` is ignored": {NESTED: False},
        "it is put back to True, not to what it was before": {INNER: True, RAISED: True},
        "it is never put back": {INNER: True, RAISED: False},
        "an exception leaves it as it is: put it back in a `finally`": {RAISED: False},
        "the block swallows exceptions": {PASSED: False},
    },
    depends_on=("frozen",),
)
def grad_mode(lab, given):
    """Recording is as asked inside the block, and afterwards as it was before, come what may."""
    found = {PASSED: False}
    lab.Tensor.recording = True
    try:
        with lab.set_grad_enabled(False):
            found[INSIDE] = lab.Tensor.recording
            with lab.set_grad_enabled(True):
                found[NESTED] = lab.Tensor.recording
            found[INNER] = lab.Tensor.recording
        found[OUTER] = lab.Tensor.recording
        lab.Tensor.recording = True
        try:
            with lab.set_grad_enabled(False):
                int("no number")
        except ValueError:
            found[PASSED] = True
        found[RAISED] = lab.Tensor.recording
    finally:
        lab.Tensor.recording = True
    return {name: torch.tensor(value) for name, value in found.items()}


SHAPES = [
    ((4, 3), (4, 3)),
    ((4, 3), (3,)),
    ((3, 3), (3, 1)),
    ((3, 3), (1, 3)),
    ((4, 3), ()),
    ((1, 3), (3,)),
    ((2, 1, 3), (1, 1)),
    ((2, 4, 3), (4, 1)),
]


def way(big: Sequence[int], small: Sequence[int]) -> str:
    """Words for an undone broadcast."""
    return f"from {list(big)} to {list(small)}"


def unbroadcasts(given, undo: Callable[[Tensor, tuple[int, ...]], Tensor]) -> Arrays:
    """What `undo` makes of all cases."""
    found = {way(big, small): undo(given[str(big)], small) for big, small in SHAPES}
    return {**found, RECORDED: torch.tensor(True)}


@check(
    "unbroadcast",
    "Broadcasting undone",
    given={str(big): doubles(*big) for big, _ in SHAPES},
    expect=lambda g: unbroadcasts(g, lambda x, small: x.sum_to_size(small)),
    mistakes={
        "one of the copies is kept: their gradients add up": lambda g: {
            way((4, 3), (3,)): g["(4, 3)"][0]
        },
        "this is the mean of the copies' gradients, not their sum": lambda g: {
            way((4, 3), (3,)): g["(4, 3)"].mean(0)
        },
        "the sum runs along the axis that was not stretched": lambda g: {
            way((3, 3), (3, 1)): g["(3, 3)"].sum(0)[:, None]
        },
        "axes that were stretched from length 1 are left as they are": lambda g: {
            way((3, 3), (3, 1)): g["(3, 3)"]
        },
        "axes that were added in front are left as they are": lambda g: {
            way((4, 3), (3,)): g["(4, 3)"]
        },
        "a stretched axis is kept, with length 1": lambda g: {
            way((3, 3), (3, 1)): g["(3, 3)"].sum(1)
        },
        **NOT_RECORDED,
    },
    depends_on=("sum",),
    **EXACT,
)
def unbroadcast(lab, given):
    """`unbroadcast` sums over the axes that broadcasting has added in front or stretched from 1."""
    recorded = []

    def undo(x: Tensor, small: tuple[int, ...]) -> Tensor:
        out = lab.unbroadcast(lab.Tensor(x.numpy(), requires_grad=True), small)
        recorded.append(instance(out, lab.Tensor).requires_grad)
        return array(lab, out)

    return {**unbroadcasts(given, undo), RECORDED: torch.tensor(all(recorded))}


def diamond(a, b, k):
    """What is computed from a [3, 4], b [4] and a constant k, where ways part and meet."""
    s = a * b
    return s * s * k + b


def diamond_slopes(given, upstream: Tensor) -> Arrays:
    """The gradients of the diamond by a and b."""
    names = {"a": OF_A, "b": OF_B}
    found = differentiated(lambda a, b: upstream * diamond(a, b, given.k), given, "ab")
    return dict(zip(names.values(), found, strict=True))


def without_create(wanted: bool) -> str:
    """Words for whether gradients hang in a graph."""
    return f"with create_graph={wanted} the gradient is recorded"


@check(
    "gradients",
    "Reverse mode",
    given={"a": doubles(3, 4), "b": doubles(4), "k": doubles(3, 4), "g": doubles(3, 4)},
    expect=lambda g: {
        **diamond_slopes(g, g.g),
        "the gradient of the root": g.g,
        "a constant has a gradient": False,
        without_create(False): False,
        without_create(True): True,
        "recording is on afterwards": True,
    },
    mistakes={
        "upstream is not used": lambda g: diamond_slopes(g, torch.ones_like(g.g)),
        "several ways lead to a, and only one of them counts: add up what arrives": lambda g: {
            OF_A: diamond_slopes(g, g.g)[OF_A] / 2
        },
        "b is used twice, and only one use counts: add up what arrives": lambda g: {
            OF_B: g.g.sum(0)
        },
        "b is used twice, and one use is lost: add up what arrives": lambda g: {
            OF_B: diamond_slopes(g, g.g)[OF_B] - g.g.sum(0)
        },
        "create_graph is ignored: nothing is recorded": {without_create(True): False},
        "gradients are recorded though create_graph is off": {without_create(False): True},
        "constants are in the dict: leave out what requires no gradient": {
            "a constant has a gradient": True
        },
        "recording is not put back": {"recording is on afterwards": False},
    },
    depends_on=("topological", "grad-mode", "unbroadcast"),
    **EXACT,
)
def gradients(lab, given):
    """`gradients` goes back through the graph once, and adds up where ways meet."""
    a, b = leaves(lab, given, "ab")
    k, g = lab.Tensor(given.k.numpy()), lab.Tensor(given.g.numpy())
    root = diamond(a, b, k)
    found = lab.gradients(root, g)
    again = lab.gradients(root, g, create_graph=True)
    return {
        OF_A: array(lab, found[a]),
        OF_B: array(lab, found[b]),
        "the gradient of the root": array(lab, found[root]),
        "a constant has a gradient": torch.tensor(k in found),
        without_create(False): torch.tensor(found[a].requires_grad),
        without_create(True): torch.tensor(again[a].requires_grad),
        "recording is on afterwards": torch.tensor(lab.Tensor.recording),
    }


# Each step of a drawn graph takes two arrays with two dimensions and gives one.
STEPS: list[Callable] = [
    lambda x, y: x + y,
    lambda x, y: 1.5 - x * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: (x * x + 1) ** -0.5 - y,
    lambda x, y: (x.tanh() - y.tanh()).exp(),
    lambda x, y: (y * y + 1).log() * x,
    lambda x, y: x.mean(axis=1, keepdims=True) * y,
    lambda x, y: x + y.sum(axis=0),
    lambda x, y: x[[0, -1, 0]] * y,
    lambda x, y: (x.mT + y.mT).reshape((-1,)).sum() * x,
    lambda x, y: (x + y) @ (x - 2 * y).mT @ (x + y) * 0.1,
    lambda x, y: -(x[:, 1:] ** 2).sum() + y,
]
DRAWN = {"a": doubles(3, 4), "b": doubles(1, 4), "c": doubles(3, 1), "d": doubles(1, 1)}


def drawn_steps(rng: torch.Generator) -> Tensor:
    """Draw a graph, int64 [12, 3]: every step, and which of the newest four arrays it takes."""
    kinds = torch.randperm(len(STEPS), generator=rng)
    return torch.cat([kinds[:, None], torch.randint(4, (len(STEPS), 2), generator=rng)], dim=1)


def drawn_program(given, *inputs: Any):
    """Run a drawn graph: the mean of all that was made, squashed so that no number gets large."""
    made = list(inputs)
    for kind, one, other in given.steps.tolist():
        made.append(STEPS[kind](made[-1 - one], made[-1 - other]).tanh())
    total = sum((x + inputs[0]).mean() for x in made)
    return total * total


def by_leaf(found: Sequence[Tensor]) -> Arrays:
    """Gradients by the names of the leaves of a drawn graph."""
    return {f"the gradient of {name}": x for name, x in zip(DRAWN, found, strict=True)}


@check(
    "drawn-graph",
    "A drawn graph",
    given={**DRAWN, "steps": drawn_steps},
    expect=lambda g: by_leaf(differentiated(partial(drawn_program, g), g, list(DRAWN))),
    depends_on=("gradients", "matmul", "indexing"),
    hint="gradients",
    atol=1e-8,
    rtol=1e-8,
)
def drawn_graph(lab, given):
    """The gradients of a graph that is drawn anew each time are PyTorch's."""
    inputs = leaves(lab, given, list(DRAWN))
    found = lab.grad(drawn_program(given, *inputs), inputs)
    return by_leaf([array(lab, x) for x in found])


def first_loss(x, w):
    """A loss of weights w [4] on data x [3, 4]."""
    return ((x * w).tanh() ** 2).sum()


def second_loss(x, w):
    """Another one."""
    return (x * w * w).mean()


ONE, TWO = "w.grad after one call", "w.grad after a second loss"
AGAIN = "v.grad after two calls on the same loss"


def accumulated(given) -> Arrays:
    """What backward leaves, call after call."""
    [one] = differentiated(lambda w: first_loss(given.x, w), given, "w")
    [two] = differentiated(lambda w: second_loss(given.x, w), given, "w")
    none = {"the data has a grad": False, "what lies between has a grad": False}
    return {ONE: one, TWO: one + two, AGAIN: 2 * one, **none}


def second_alone(given) -> Tensor:
    """The gradient of the second loss."""
    return differentiated(lambda w: second_loss(given.x, w), given, "w")[0]


@check(
    "backward",
    "loss.backward()",
    given={"x": doubles(3, 4), "w": doubles(4)},
    expect=accumulated,
    mistakes={
        "the second call replaces what the first has left: grads add up": lambda g: {
            TWO: second_alone(g)
        },
        "nodes with parents get a grad as well: leaves alone do": {
            "what lies between has a grad": True
        },
    },
    depends_on=("gradients",),
    **EXACT,
)
def backward(lab, given):
    """`backward` adds the gradient to the grad of each leaf, and leaves all other nodes alone."""
    x, w = lab.Tensor(given.x.numpy()), lab.Tensor(given.w.numpy(), requires_grad=True)
    v = lab.Tensor(given.w.numpy(), requires_grad=True)
    first_loss(x, w).backward()
    found = {ONE: array(lab, w.grad)}
    between = w * w
    (x * between).mean().backward()
    twice = first_loss(x, v)
    twice.backward()
    twice.backward()
    return {
        **found,
        TWO: array(lab, w.grad),
        AGAIN: array(lab, v.grad),
        "the data has a grad": torch.tensor(x.grad is not None),
        "what lies between has a grad": torch.tensor(between.grad is not None),
    }


def bent(x):
    """A function of an array whose Hessian is full."""
    return (x.tanh() * x).sum() ** 2 + (x * x * x).sum()


def line(x):
    """A function of an array without second derivatives."""
    return (3 * x).sum()


def curved(given, v: Tensor) -> Tensor:
    """The Hessian of `bent` at x, times v."""
    return torch.autograd.functional.hvp(bent, given.x, v)[1]


@check(
    "hessian-vector",
    "Differentiating twice",
    given={"x": doubles(2, 3), "v": doubles(2, 3)},
    expect=lambda g: {"H v": curved(g, g.v), "H v of a line": torch.zeros_like(g.v)},
    mistakes={
        "the first gradient is not recorded: create_graph is missing": lambda g: {
            "H v": torch.zeros_like(g.v)
        },
        "v is not used": lambda g: {"H v": curved(g, torch.ones_like(g.v))},
        "v is multiplied after the second derivative, not before": lambda g: {
            "H v": g.v * curved(g, torch.ones_like(g.v))
        },
        "this is the gradient, not its derivative": lambda g: {
            "H v": differentiated(bent, g, "x")[0]
        },
        "this is the gradient times v: differentiate it once more": lambda g: {
            "H v": g.v * differentiated(bent, g, "x")[0]
        },
    },
    depends_on=("gradients",),
    **EXACT,
)
def hessian_vector(lab, given):
    """`hessian_vector` differentiates a gradient: it is H v, without the matrix H."""
    x, v = given.x.numpy(), given.v.numpy()
    names = {"H v": bent, "H v of a line": line}
    return {name: torch.tensor(lab.hessian_vector(f, x, v)) for name, f in names.items()}


def wave(x):
    """A function whose third derivatives differ from place to place."""
    return (x**3).sum() + x[0].sum() * x[1].sum()


def nudged(given, ahead: float, behind: float, width: float) -> Tensor:
    """Quotients of differences of `wave` at x."""
    steps = torch.eye(6, dtype=torch.float64).reshape(6, 2, 3) * 0.1
    slopes = [(wave(given.x + ahead * h) - wave(given.x - behind * h)) / width for h in steps]
    return torch.stack(slopes).reshape(2, 3)


SLOPES = "the slopes, with step=0.1"


@check(
    "finite-differences",
    "Slopes without a graph",
    given={"x": doubles(2, 3)},
    expect=lambda g: {SLOPES: nudged(g, 1, 1, 0.2), "x after the call": g.x},
    mistakes={
        "this is the forward difference: nudge x both ways": lambda g: {
            SLOPES: nudged(g, 1, 0, 0.1)
        },
        "both points are 2 h apart: divide by that": lambda g: {SLOPES: nudged(g, 1, 1, 0.1)},
        "the step is not used": lambda g: {SLOPES: differentiated(wave, g, "x")[0]},
    },
    atol=1e-7,
    rtol=1e-7,
)
def finite_differences(lab, given):
    """`numeric_gradient` divides central differences by twice the step, and leaves x alone."""
    x = given.x.numpy().copy()
    slopes = lab.numeric_gradient(lambda x: float(wave(x)), x, step=0.1)
    return {SLOPES: torch.tensor(slopes), "x after the call": torch.tensor(x)}


# What networks are made of ------------------------------------------------------------------------


def near_and_far(rng: torch.Generator) -> Arrays:
    """Draw numbers around 0, and far from it."""
    far = double([0.0, 1000.0, -1000.0])
    return {"x": torch.cat([far, doubles(5)(rng), -doubles(1)(rng).abs() - 1])}


VALUE, SLOPE = "selu(x)", "the slope of selu"
GIVEN = {
    "identity": torch.clone,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": partial(F.gelu, approximate="tanh"),
}


def given_activations(given) -> Arrays:
    """The activations that learners are handed, and their slopes."""
    found = {f"{name}(x)": f(given.x) for name, f in GIVEN.items()}
    slopes = {f"the slope of {n}": differentiated(f, given, "x")[0] for n, f in GIVEN.items()}
    return found | slopes


def selu_like(
    given, scale: float = 1.0507009873554805, alpha: float = 1.6732632423543772
) -> Arrays:
    """The function and its slope for these numbers."""
    x, up = given.x, given.x > 0
    value = torch.where(up, x, alpha * x.clamp_max(0).expm1())
    slope = torch.where(up, 1.0, alpha * x.clamp_max(0).exp())
    return {VALUE: scale * value, SLOPE: scale * slope}


def slope_where(given, x: float, slope: float) -> Arrays:
    """The right slope of selu, with another number at one x."""
    return {SLOPE: selu_like(given)[SLOPE].where(given.x != x, slope)}


@check(
    "selu",
    "SELU and the others, near and far",
    given=near_and_far,
    expect=lambda g: given_activations(g) | selu_like(g),
    mistakes={
        "exp overflows on the side that is not taken, and 0 * inf is nan": lambda g: slope_where(
            g, 1000.0, math.nan
        ),
        "at x = 0 the slope is 0: nothing is learned there": lambda g: slope_where(g, 0.0, 0.0),
        "at x = 0 the slopes of both sides add up": lambda g: slope_where(
            g, 0.0, selu_like(g)[SLOPE][0] + 1.0507009873554805
        ),
        "the scale is left out": lambda g: selu_like(g, scale=1.0),
        "alpha is left out": lambda g: selu_like(g, alpha=1.0),
        "the 1 is not taken off the exponential": lambda g: {
            VALUE: torch.where(g.x > 0, selu_like(g)[VALUE], selu_like(g)[SLOPE])
        },
    },
    depends_on=("gradients",),
    **EXACT,
)
def selu(lab, given):
    """`selu` and its slope are right and finite, at 0 and ±1000 too, as all activations are."""
    found: Arrays = {}
    for name, activation in lab.ACTIVATIONS.items():
        [x] = leaves(lab, given, "x")
        out = activation(x)
        found[f"{name}(x)"] = array(lab, out)
        found[f"the slope of {name}"] = array(lab, lab.grad(out, [x])[0])
    return found


def half_asleep(rng: torch.Generator) -> Arrays:
    """Draw inputs of eight units for five items: three low for all, one high, one mostly low."""
    z = doubles(5, 8)(rng)
    z[:, :3] = -z[:, :3].abs() - 1.5
    z[:, 3] = z[:, 3].abs() + 1.5
    z[1:, 4] = -z[1:, 4].abs() - 0.1
    z[0, 4:] = 0.1 + 0.8 * torch.rand(4, generator=rng, dtype=torch.float64)
    return {"z": z[:, torch.randperm(8, generator=rng)]}


RELU, SIGMOID = "the share for ReLU", "the share for sigmoid, least=0.2"


def flat(given) -> dict[str, Tensor]:
    """Where each activation is flat."""
    y = given.z.sigmoid()
    return {RELU: given.z <= 0, SIGMOID: y * (1 - y) <= 0.2}


@check(
    "dead-units",
    "Dead and saturated units",
    given=half_asleep,
    expect=lambda g: {name: f.all(0).double().mean() for name, f in flat(g).items()},
    mistakes={
        "this counts items and units: a unit is dead when it is flat for every item": lambda g: {
            RELU: flat(g)[RELU].double().mean()
        },
        "these are units that are flat for some item: they must be for every item": lambda g: {
            RELU: flat(g)[RELU].any(0).double().mean()
        },
        "this looks at items, not at units: items are the first axis": lambda g: {
            RELU: flat(g)[RELU].all(1).double().mean()
        },
        "this is the share of the living": lambda g: {
            RELU: 1 - flat(g)[RELU].all(0).double().mean()
        },
        "this is how many are dead, not their share": lambda g: {
            RELU: flat(g)[RELU].all(0).double().sum()
        },
        "`least` is not used": {SIGMOID: double(0.0)},
    },
    depends_on=("gradients",),
)
def dead_units(lab, given):
    """`dead_units` is the share of units whose activation is flat for every item of the batch."""
    z = given.z.numpy()
    return {
        RELU: double(lab.dead_units(lab.relu, z)),
        SIGMOID: double(lab.dead_units(lab.sigmoid, z, least=0.2)),
    }


LAYERS = {f"{kind}{i}": doubles(3, *[3] * (kind == "w")) for i in range(4) for kind in "wb"}
WEIGHT, BIAS = "the weight of four layers", "their bias"


def stacked(given, carry: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The bias of four layers, where `carry` takes one through a weight."""
    bias = given.b0
    for i in range(1, 4):
        bias = carry(bias, given[f"w{i}"]) + given[f"b{i}"]
    return bias[None]


@check(
    "collapse",
    "Without activations, one layer",
    given=LAYERS,
    expect=lambda g: {
        WEIGHT: g.w0 @ g.w1 @ g.w2 @ g.w3,
        BIAS: stacked(g, lambda b, w: b @ w),
        "the weight of one": g.w0,
        "its bias": g.b0[None],
    },
    mistakes={
        "the weights are multiplied in the wrong order": lambda g: {
            WEIGHT: g.w3 @ g.w2 @ g.w1 @ g.w0
        },
        "a bias goes through the weights that follow it": lambda g: {
            BIAS: stacked(g, lambda b, _: b)
        },
        "the last bias alone is left": lambda g: {BIAS: g.b3[None]},
        "the biases are left out": {BIAS: torch.zeros(1, 3, dtype=torch.float64)},
    },
    depends_on=("matmul",),
    **EXACT,
)
def collapse(lab, given):
    """`collapse` folds linear layers into one, which computes the same."""
    layers = [tuple(leaves(lab, given, (f"w{i}", f"b{i}"))) for i in range(4)]
    weight, bias = lab.collapse(layers)
    one, its = lab.collapse(layers[:1])
    names = (WEIGHT, BIAS, "the weight of one", "its bias")
    return {n: array(lab, x) for n, x in zip(names, (weight, bias, one, its), strict=True)}


def far_logits(rng: torch.Generator) -> Arrays:
    """Draw logits, in one row thousands from 0 and a thousand apart, and labels."""
    scale, shift = double([[1.0], [3.0], [1.0], [1000.0], [1.0]]), double([[0.0]] * 5)
    shift[3] = 3000
    logits = scale * doubles(5, 4)(rng) + shift
    return {"logits": logits, "label": torch.randint(4, (5,), generator=rng)}


def shifted(z: Tensor) -> Tensor:
    """Logits less the largest of their row."""
    return z - z.detach().amax(1, keepdim=True)


def loss_and_slope(given, loss: Callable[..., Tensor]) -> Arrays:
    """A loss of the logits, and its gradient."""
    [slope] = differentiated(loss, given, ["logits"])
    return {"the loss": loss(given.logits), "its gradient": slope}


@check(
    "cross-entropy",
    "Cross-entropy",
    given=far_logits,
    expect=lambda g: loss_and_slope(g, lambda z: F.cross_entropy(z, g.label)),
    mistakes={
        "this is the sum over the batch, not its mean": lambda g: loss_and_slope(
            g, lambda z: F.cross_entropy(z, g.label, reduction="sum")
        ),
        "the minus is missing": lambda g: loss_and_slope(g, lambda z: -F.cross_entropy(z, g.label)),
        "exp overflows: take each row's largest logit off": {"the loss": math.inf},
        "exp overflows, and inf / inf is nan: take each row's largest logit off": {
            "the loss": math.nan
        },
        "the softmax runs over the batch": lambda g: loss_and_slope(
            g, lambda z: F.nll_loss(z.log_softmax(0), g.label)
        ),
        "the sum of the exps runs over the batch": lambda g: loss_and_slope(
            g, lambda z: F.nll_loss(shifted(z) - shifted(z).logsumexp(0), g.label)
        ),
        "the log-softmax is missing": lambda g: loss_and_slope(g, lambda z: F.nll_loss(z, g.label)),
        "all classes count: pick the label's number of each row": lambda g: loss_and_slope(
            g, lambda z: -z.log_softmax(1).mean()
        ),
        "log_p[:, label] picks each label of each row": lambda g: loss_and_slope(
            g, lambda z: -z.log_softmax(1)[:, g.label].mean()
        ),
    },
    depends_on=("gradients", "indexing"),
    **EXACT,
)
def cross_entropy(lab, given):
    """`cross_entropy` is the batch's mean of -log p(label), finite for logits a thousand apart."""
    [logits] = leaves(lab, given, ["logits"])
    loss = lab.cross_entropy(logits, given.label.numpy())
    [slope] = lab.grad(loss, [logits])
    return {"the loss": array(lab, loss), "its gradient": array(lab, slope)}


# A network that learns ----------------------------------------------------------------------------

TOY = {"features": 12, "hidden": [5], "classes": 3, "activation": "tanh"}
SIZES = {"theta.0": (12, 5), "theta.1": (5,), "theta.2": (5, 3), "theta.3": (3,)}
RATE = 0.1


def toy_batches(given) -> BatchLoader:
    """The drawn items as two batches of 8."""
    return BatchLoader({"image": given.image, "label": given.label}, 8)


def descended(given, reduction: str = "mean", rate: float = RATE) -> Arrays:
    """The toy weights after a step of gradient descent on each batch."""
    theta = [given[name].clone().requires_grad_() for name in SIZES]
    for batch in toy_batches(given):
        x = batch["image"].flatten(1).float() / 16
        logits = (x @ theta[0] + theta[1]).tanh() @ theta[2] + theta[3]
        loss = F.cross_entropy(logits, batch["label"], reduction=reduction)
        found = torch.autograd.grad(loss, theta)
        pairs = zip(theta, found, strict=True)
        theta = [(t - rate * g).detach().requires_grad_() for t, g in pairs]
    return {name: t.detach() for name, t in zip(SIZES, theta, strict=True)}


@check(
    "training-step",
    "One step, on your engine",
    given={
        **{
            name: (lambda rng, s=size: torch.randn(s, generator=rng))
            for name, size in SIZES.items()
        },
        "image": integers(0, 17, 16, 1, 3, 4, dtype=torch.uint8),
        "label": integers(0, 3, 16),
    },
    expect=descended,
    mistakes={
        "the weights did not move": lambda g: {name: g[name] for name in SIZES},
        "the step is that of the sum over the batch": lambda g: descended(g, "sum"),
        "the step is twice as long: backward is called twice, and grads add up": lambda g: (
            descended(g, rate=2 * RATE)
        ),
        "only the last layer moved": lambda g: {"theta.0": g["theta.0"], "theta.1": g["theta.1"]},
    },
    depends_on=("backward", "cross-entropy", "matmul"),
)
def training_step(lab, given):
    """A training step moves the weights along the gradients that your engine has found."""
    model = lab.Model(**TOY, lr=RATE, momentum=0.0)
    model.load_state_dict({name: given[name] for name in SIZES})
    fit(model, toy_batches(given))
    return dict(model.named_parameters())

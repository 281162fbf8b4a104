"""The visible checks of lab 05, in the order of its tasks."""

from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dllab.checks import Arrays, Outcome, check, close, every, holds

# How a probe says which dtype it saw.
CODES = (None, torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64)
NAMES = ("None", "float32", "bfloat16", "float16", "float64", "int64")
FLOAT32, BFLOAT16, FLOAT16, INT64 = 1, 2, 3, 5


def code(dtype: torch.dtype | None) -> int:
    """A dtype's place in CODES; -1 for any other."""
    return CODES.index(dtype) if dtype in CODES else -1


def dtypes(*values: Any) -> Tensor:
    """The codes of the dtypes of tensors."""
    return torch.tensor([code(value.dtype) for value in values])


def same_dtypes(got: Tensor, expected: Tensor, what: list[str]) -> Outcome:
    """Compare dtypes, and name the first one that differs."""
    for name, g, e in zip(what, got.tolist(), expected.tolist(), strict=True):
        if g != e:
            seen = NAMES[g] if 0 <= g < len(NAMES) else "something else"
            return Outcome(0.0, f"{name}: expected {NAMES[e]}, got {seen}")
    return Outcome(1.0)


# keep-list ----------------------------------------------------------------------------------------

LOW = ["linear", "matmul", "bmm", "conv2d"]
KEPT = ["softmax", "log_softmax", "layer_norm", "batch_norm", "cross_entropy", "nll_loss"]
KEPT += ["mse_loss", "exp", "log", "sum"]
OTHERS = ["relu", "add", "reshape", "dropout", ""]


def keep_list_probe(lab: ModuleType, _given: Arrays) -> Arrays:
    """Ask for the precision of every operation, with two lower precisions."""
    operations = LOW + KEPT + OTHERS
    return {
        "bfloat16": torch.tensor([code(lab.precision_of(n, torch.bfloat16)) for n in operations]),
        "float16": torch.tensor([code(lab.precision_of(n, torch.float16)) for n in operations]),
    }


@check(
    "keep-list",
    "What computes in which precision",
    probe=keep_list_probe,
    returns={"bfloat16": "int64 [19]", "float16": "int64 [19]"},
)
def keep_list(_given: Arrays, got: Arrays) -> Outcome:
    """Products of matrices compute in the lower precision; softmax, norms and losses in float32."""
    outcomes = []
    for name, low in (("bfloat16", BFLOAT16), ("float16", FLOAT16)):
        expected = [low] * len(LOW) + [FLOAT32] * len(KEPT) + [0] * len(OTHERS)
        what = [f"precision_of({n!r}, {name})" for n in LOW + KEPT + OTHERS]
        outcomes.append(same_dtypes(got[name], torch.tensor(expected), what))
    return every(*outcomes)


# autocast -----------------------------------------------------------------------------------------


def autocast_given(rng: torch.Generator) -> Arrays:
    """Draw inputs and weights of a linear layer."""
    return {
        "x": torch.randn(5, 8, generator=rng),
        "weight": torch.randn(4, 8, generator=rng),
        "bias": torch.randn(4, generator=rng),
    }


def autocast_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Run operations of each kind in the block, some with keyword arguments, and one after it."""
    x, label = given["x"], torch.arange(5) % 4
    with lab.Autocast(torch.bfloat16):
        y = F.linear(x, weight=given["weight"], bias=given["bias"])
        p = F.softmax(y, dim=1)
        half = torch.relu(y)
        loss = F.cross_entropy(input=y, target=label)
        count = label.sum()
    after = F.linear(x, given["weight"])
    return {
        "dtype": dtypes(y, p, half, loss, count, after),
        "y": y.float(),
        "p": p.float(),
        "loss": loss.float(),
    }


@check(
    "autocast",
    "Inputs are cast as they are read",
    given=autocast_given,
    probe=autocast_probe,
    returns={
        "dtype": "int64 [6]",
        "y": "float32 [5, 4]",
        "p": "float32 [5, 4]",
        "loss": "float32 []",
    },
    depends_on=("keep-list",),
)
def autocast(given: Arrays, got: Arrays) -> Outcome:
    """In the block each operation's float inputs are cast, whole numbers and the rest are not."""
    x, weight, bias = (given[name].bfloat16() for name in ("x", "weight", "bias"))
    y = F.linear(x, weight, bias).float()
    what = ["linear", "softmax of bfloat16", "relu of bfloat16", "cross_entropy"]
    what += ["the sum of whole numbers", "linear after the block"]
    expected = torch.tensor([BFLOAT16, FLOAT32, BFLOAT16, FLOAT32, INT64, FLOAT32])
    return every(
        same_dtypes(got["dtype"], expected, what),
        close(got["y"], y, atol=1e-2, rtol=1e-2, what="linear in bfloat16"),
        close(got["p"], got["y"].softmax(dim=1), what="the softmax"),
        close(got["loss"], F.cross_entropy(got["y"], torch.arange(5) % 4), what="the loss"),
    )


# region -------------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    """A perceptron with a norm: float32 [B, 96] to [B, 10]."""
    return nn.Sequential(
        nn.Linear(96, 128), nn.ReLU(), nn.Linear(128, 64), nn.LayerNorm(64), nn.Linear(64, 10)
    )


def region_given(rng: torch.Generator) -> Arrays:
    """Draw a batch."""
    return {
        "x": torch.randn(32, 96, generator=rng),
        "label": torch.randint(10, (32,), generator=rng),
    }


def region_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Compute a loss and its gradients; hooks note what every layer returns."""
    net, seen = network(), []
    for layer in net:
        layer.register_forward_hook(lambda _layer, _inputs, y: seen.append(code(y.dtype)))
    loss = lab.mixed_loss(net, given["x"], given["label"], torch.bfloat16)
    loss.backward()
    first = net[0]
    return {
        "layers": torch.tensor(seen),
        "rest": dtypes(loss, first.weight, first.weight.grad),
    }


@check(
    "region",
    "Where autocast goes",
    given=region_given,
    probe=region_probe,
    returns={"layers": "int64 [5]", "rest": "int64 [3]"},
    depends_on=("autocast",),
)
def region(_given: Arrays, got: Arrays) -> Outcome:
    """Linear layers give bfloat16, the norm and the loss float32; weights and gradients stay so."""
    layers = torch.tensor([BFLOAT16, BFLOAT16, BFLOAT16, FLOAT32, BFLOAT16])
    what = ["first linear layer", "relu", "second linear layer", "layer norm", "last linear layer"]
    rest = torch.full((3,), FLOAT32)
    return every(
        same_dtypes(got["layers"], layers, what),
        same_dtypes(got["rest"], rest, ["the loss", "a weight", "a weight's gradient"]),
    )


# unscale ------------------------------------------------------------------------------------------


def unscale_given(rng: torch.Generator) -> Arrays:
    """Draw gradients, and the place of the one that overflows."""
    return {
        "a": torch.randn(3, 4, generator=rng),
        "b": torch.randn(5, generator=rng),
        "place": torch.randint(5, (), generator=rng),
    }


def unscale_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Unscale finite gradients beside a missing one; then some with an inf, a minus inf, a nan."""
    a, b, c = (nn.Parameter(torch.zeros(n)) for n in ((3, 4), (5,), (2,)))
    a.grad, b.grad = given["a"].clone(), given["b"].clone()
    finite = [bool(lab.LossScaler(scale=1024.0).unscale([c, a, b]))]
    results = {"a": a.grad.clone(), "b": b.grad.clone()}
    for bad in (float("inf"), -float("inf"), float("nan")):
        a.grad, b.grad = given["a"].clone(), given["b"].clone()
        b.grad[int(given["place"])] = bad
        finite.append(bool(lab.LossScaler(scale=1024.0).unscale(iter([a, c, b]))))
    return {**results, "finite": torch.tensor(finite)}


@check(
    "unscale",
    "Unscaling, and finding an overflow",
    given=unscale_given,
    probe=unscale_probe,
    returns={"a": "float32 [3, 4]", "b": "float32 [5]", "finite": "bool [4]"},
)
def unscale(given: Arrays, got: Arrays) -> Outcome:
    """`unscale` divides every gradient by the scale and notices a single inf, -inf or nan."""
    cases = ("finite gradients", "an inf", "a minus inf", "a nan")
    answers = [
        holds(bool(said) == (number == 0), f"with {case}, unscale returned {bool(said)}")
        for number, (case, said) in enumerate(zip(cases, got["finite"], strict=True))
    ]
    return every(
        close(got["a"], given["a"] / 1024, atol=1e-9, what="a gradient"),
        close(got["b"], given["b"] / 1024, atol=1e-9, what="a gradient"),
        *answers,
    )


# update -------------------------------------------------------------------------------------------


def scales(finite: Tensor, scale: float, growth: float, backoff: float, interval: int) -> Tensor:
    """The scale after each step: the state machine in full."""
    found, good = [], 0
    for ok in finite.tolist():
        good = good + 1 if ok else 0
        if not ok:
            scale *= backoff
        if good == interval:
            scale, good = scale * growth, 0
        found.append(scale)
    return torch.tensor(found, dtype=torch.float64)


def update_given(rng: torch.Generator) -> Arrays:
    """Draw 60 steps, some of which overflow."""
    return {"finite": torch.rand(60, generator=rng) < 0.85}


def follow(scaler: Any, finite: Tensor) -> Tensor:
    """The learner's scale after each step."""
    found = []
    for ok in finite.tolist():
        scaler.update(ok)
        found.append(float(scaler.scale))
    return torch.tensor(found, dtype=torch.float64)


def update_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Walk through the steps."""
    scaler = lab.LossScaler(scale=1024.0, growth=2.0, backoff=0.5, interval=3)
    return {"scale": follow(scaler, given["finite"])}


def same_scales(got: Tensor, expected: Tensor, finite: Tensor) -> Outcome:
    """Name the first step after which the scale is another one."""
    wrong = (got != expected).nonzero().flatten().tolist()
    if not wrong:
        return Outcome(1.0)
    at = wrong[0]
    history = "".join("." if ok else "!" for ok in finite[: at + 1].tolist())
    message = f"after the steps {history} (! overflowed) expected the scale {expected[at]:g}, "
    return Outcome(0.0, f"{message}got {got[at]:g}")


@check(
    "update",
    "The scaler's state machine",
    given=update_given,
    probe=update_probe,
    returns={"scale": "float64 [60]"},
)
def update(given: Arrays, got: Arrays) -> Outcome:
    """The scale halves at each overflow, and doubles after three good steps in a row."""
    expected = scales(given["finite"], 1024.0, 2.0, 0.5, 3)
    return same_scales(got["scale"], expected, given["finite"])


# step ---------------------------------------------------------------------------------------------

LR = 0.5


def step_given(rng: torch.Generator) -> Arrays:
    """Draw weights, and three batches of which the second overflows."""
    x = torch.randn(3, 16, 6, generator=rng)
    x[1] *= 1e38
    return {
        "weight": torch.randn(4, 6, generator=rng),
        "x": x,
        "label": torch.randint(4, (3, 16), generator=rng),
    }


def take_steps(lab: ModuleType, given: Arrays, max_norm: float) -> Arrays:
    """Train a linear layer in float32 on the given batches; note weights, scale, and what came."""
    net = nn.Linear(6, 4, bias=False)
    net.load_state_dict({"weight": given["weight"]})
    scaler = lab.LossScaler(scale=256.0, interval=2)
    optimizer = torch.optim.SGD(net.parameters(), LR)
    weights, found, stepped = [], [], []
    for x, label in zip(given["x"], given["label"], strict=True):
        loss = F.cross_entropy(net(x), label)
        stepped.append(bool(lab.step(loss, list(net.parameters()), optimizer, scaler, max_norm)))
        weights.append(net.weight.detach().clone())
        found.append(scaler.scale)
    return {
        "weight": torch.stack(weights),
        "scale": torch.tensor(found, dtype=torch.float64),
        "stepped": torch.tensor(stepped),
    }


def plain_steps(given: Arrays, max_norm: float) -> Tensor:
    """The weights after each step, without any scaler; a step that overflows is left out."""
    weight, found = given["weight"].clone().requires_grad_(), []
    for x, label in zip(given["x"], given["label"], strict=True):
        (gradient,) = torch.autograd.grad(F.cross_entropy(F.linear(x, weight), label), weight)
        if gradient.isfinite().all():
            shrink = min(1.0, max_norm / float(gradient.norm()))
            weight = (weight.detach() - LR * shrink * gradient).requires_grad_()
        found.append(weight.detach())
    return torch.stack(found)


def step_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take three steps with a clip that never bites."""
    return take_steps(lab, given, 1e9)


STEPS = {"weight": "float32 [3, 4, 6]", "scale": "float64 [3]", "stepped": "bool [3]"}


@check(
    "step",
    "A step, and a step that is skipped",
    given=step_given,
    probe=step_probe,
    returns=STEPS,
    depends_on=("unscale", "update"),
)
def step(given: Arrays, got: Arrays) -> Outcome:
    """A step moves the weights as without scaling; one that overflows changes only the scale."""
    return every(
        holds(got["stepped"].tolist() == [True, False, True], "what step returned is not right"),
        close(got["scale"], torch.tensor([256.0, 128.0, 128.0]), what="the scale after a step"),
        close(got["weight"], plain_steps(given, 1e9), atol=1e-4, what="a weight after each step"),
    )


# master-copies, master-step -----------------------------------------------------------------------


def master_given(rng: torch.Generator) -> Arrays:
    """Draw weights, and gradients far too small to move them in bfloat16."""
    return {
        "weight": 1 + torch.rand(6, generator=rng),
        "gradient": torch.randn(6, generator=rng),
    }


def sgd(parameters: list[Tensor]) -> torch.optim.Optimizer:
    """Plain gradient descent."""
    return torch.optim.SGD(parameters, 1e-3)


def master_copies_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Make copies of a bfloat16 and a float32 parameter, move the copies, and look at both."""
    low = [nn.Parameter(given["weight"].bfloat16()), nn.Parameter(given["weight"].clone())]
    master = lab.MasterWeights(low, sgd)
    before = torch.stack([h.detach().clone().float() for h in master.high])
    tracked = [h.requires_grad and not h.is_leaf for h in master.high]
    with torch.no_grad():
        for high in master.high:
            high.add_(1)
    return {
        "dtype": dtypes(*master.high),
        "copies": before,
        "parameters": torch.stack([p.detach().float() for p in low]),
        "tracked": torch.tensor(tracked),
    }


@check(
    "master-copies",
    "Copies in float32",
    given=master_given,
    probe=master_copies_probe,
    returns={
        "dtype": "int64 [2]",
        "copies": "float32 [2, 6]",
        "parameters": "float32 [2, 6]",
        "tracked": "bool [2]",
    },
)
def master_copies(given: Arrays, got: Arrays) -> Outcome:
    """The copies are float32, equal the parameters, and share neither memory nor history."""
    weights = torch.stack([given["weight"].bfloat16().float(), given["weight"]])
    what = ["the copy of a bfloat16 parameter", "the copy of a float32 parameter"]
    return every(
        same_dtypes(got["dtype"], torch.full((2,), FLOAT32), what),
        close(got["copies"], weights, atol=0, rtol=0, what="a copy"),
        close(got["parameters"], weights, what="a parameter after its copy was changed"),
        holds(not got["tracked"].any(), "a copy carries the history of its parameter: detach it"),
    )


def master_step_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take 200 small steps on a bfloat16 parameter, beside one that has no gradient."""
    low = nn.Parameter(given["weight"].bfloat16())
    idle = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    master = lab.MasterWeights([idle, low], sgd)
    for _ in range(200):
        low.grad = given["gradient"].bfloat16()
        master.step()
    return {"weight": low.detach().float(), "idle": idle.detach().float(), "dtype": dtypes(low)}


@check(
    "master-step",
    "Small steps add up",
    given=master_given,
    probe=master_step_probe,
    returns={"weight": "float32 [6]", "idle": "float32 [2]", "dtype": "int64 [1]"},
    depends_on=("master-copies",),
)
def master_step(given: Arrays, got: Arrays) -> Outcome:
    """200 steps, each too small for bfloat16, move a parameter as far as they do in float32."""
    start, gradient = (given[name].bfloat16().float() for name in ("weight", "gradient"))
    expected = start - 200 * 1e-3 * gradient
    return every(
        same_dtypes(got["dtype"], torch.tensor([BFLOAT16]), ["the parameter"]),
        close(got["weight"], expected, atol=4e-3, rtol=4e-3, what="the weight after 200 steps"),
        close(got["idle"], torch.ones(2), what="a parameter without a gradient"),
    )

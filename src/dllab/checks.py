"""The vocabulary of checks: one check is one graded fact about learner code, in two halves.

The *probe* runs in the sandbox. It calls learner code with the values it is given, and returns
what came out; it holds no answer. The *judge* runs with the scorer, which never imports learner
code. It compares what came out with what should have, and may use the reference.

    def add_given(rng):                      # scorer: values drawn afresh for every grading
        return {"a": torch.randn(3, generator=rng), "b": torch.randn(3, generator=rng)}

    def add_probe(lab, given):               # sandbox
        return {"sum": lab.add(given["a"], given["b"])}

    @check("add", "Addition", points=2, given=add_given, probe=add_probe,
           returns={"sum": "float32 [3]"})
    def add(given, got):                     # scorer
        \"\"\"`add` returns the sum of its arguments.\"\"\"
        return close(got["sum"], given["a"] + given["b"])

The docstring of the judge is the sentence that the learner reads.

A *play* measures what a trained model generates or controls, for a criterion. It runs with the
scorer, who owns the world, and asks the model in the sandbox for one answer after the other:

    @play("balance", returns="float32 [*]")  # the criterion's metric; what one answer must be
    def balance(player, rng):                # scorer; one number for each episode, float [N]
        state = torch.rand(100, 2, generator=rng)
        for _ in range(50):
            state = step(state, player.act(state))
        return (state.abs().sum(1) < 0.1).float()
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

Arrays = dict[str, Tensor]
Given = Callable[[torch.Generator], Arrays]
Probe = Callable[[ModuleType, Arrays], Arrays]
Judge = Callable[[Arrays, Arrays], "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a judge found. `fraction` of the points in [0, 1]; `message` says expected and got."""

    fraction: float
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all points are earned."""
        return self.fraction >= 1.0


PASS = Outcome(1.0)


@dataclass(frozen=True)
class Check:
    """One graded fact. `returns` declares each array of the probe as `dtype [d0, d1, …]`."""

    id: str
    title: str
    points: float
    judge: Judge
    probe: Probe
    given: Given
    returns: Mapping[str, str]
    sentence: str
    depends_on: tuple[str, ...] = ()
    required: bool = False
    hint: str = ""


class Player(Protocol):
    """A trained model behind the wall, as a play sees it. Its failure ends the play."""

    def sample(self, n: int, seed: int) -> Tensor:
        """What `Model.sample(n, seed)` generates, float32 `[n, …]`."""
        ...

    def act(self, observations: Tensor) -> Tensor:
        """What `Model.act(observations)` does about `[N, …]` observations, float32 `[N, …]`."""
        ...


@dataclass(frozen=True)
class Play:
    """A metric that is played: the mean of the numbers, one for each episode or sample.

    `returns` declares each answer of the model as checks do, its first dimension being `*`.
    """

    metric: str
    returns: str
    numbers: Callable[[Player, torch.Generator], Tensor]


def check(
    id: str,
    title: str,
    points: float,
    *,
    probe: Probe,
    given: Given = lambda _rng: {},
    returns: Mapping[str, str],
    depends_on: tuple[str, ...] = (),
    required: bool = False,
    hint: str = "",
) -> Callable[[Judge], Check]:
    """Turn a judge into a Check. `hint` names the task whose hints help (default: the id)."""

    def decorate(judge: Judge) -> Check:
        sentence = " ".join((judge.__doc__ or "").split())
        if not sentence:
            raise ValueError(f"check {id!r} has no docstring: it is what the learner reads")
        return Check(
            id,
            title,
            points,
            judge,
            probe,
            given,
            dict(returns),
            sentence,
            tuple(depends_on),
            required,
            hint or id,
        )

    return decorate


def play(
    metric: str, *, returns: str
) -> Callable[[Callable[[Player, torch.Generator], Tensor]], Play]:
    """Turn a function of checks.py into the metric of that name, for criteria of lab.yaml."""
    return lambda numbers: Play(metric, returns, numbers)


def plays_of(module: ModuleType) -> dict[str, Play]:
    """All plays of a module, by the metric's name."""
    return {value.metric: value for value in vars(module).values() if isinstance(value, Play)}


def collect(module: ModuleType) -> list[Check]:
    """All checks of a module, in the order in which they are written."""
    return [value for value in vars(module).values() if isinstance(value, Check)]


def run_here(check: Check, lab: ModuleType, seed: int | None = None) -> Outcome:
    """Both halves in this process, for authors and a learner's pytest; grades come from a sandbox.

    An unfinished task gives no points and its TODO as message; any other exception is let through.
    """
    rng = torch.Generator()
    rng.manual_seed(rng.seed() if seed is None else seed)
    given = check.given(rng)
    try:
        got = detached(check.probe(lab, {name: value.clone() for name, value in given.items()}))
    except NotImplementedError as todo:
        return Outcome(0.0, str(todo))
    mismatch = validate(got, check.returns)
    return Outcome(0.0, mismatch) if mismatch else check.judge(given, got)


def detached(got: Mapping[str, Any]) -> Arrays:
    """What a probe returned, cut from its gradients: a sandbox hands on numbers and no graph."""
    return {name: v.detach() if isinstance(v, Tensor) else v for name, v in got.items()}


def close(
    got: Tensor,
    expected: Tensor,
    *,
    atol: float = 1e-5,
    rtol: float = 1e-5,
    what: str = "the result",
) -> Outcome:
    """Full points when every element is within `atol + rtol * |expected|` (as torch.allclose)."""
    difference = (got.double() - expected.double()).abs()
    if bool((difference <= atol + rtol * expected.double().abs()).all()):
        return PASS
    where = tuple(int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))
    place = f" at {list(where)}" if where else ""
    return Outcome(
        0.0,
        (
            f"expected {what} to be {_number(expected[where])}{place}, got {_number(got[where])} "
            f"(largest difference {float(difference.max()):.3g}, allowed {atol:g})"
        ),
    )


def holds(condition: bool | Tensor, message: str) -> Outcome:
    """Full points when `condition` is true, else none, with `message` for the learner."""
    return PASS if bool(condition) else Outcome(0.0, message)


def every(*outcomes: Outcome) -> Outcome:
    """The first outcome that is not full, or full points."""
    return next((outcome for outcome in outcomes if not outcome.ok), PASS)


def validate(got: Mapping[str, Any], returns: Mapping[str, str]) -> str:
    """Why `got` is not the declared set of finite arrays, or the empty string when it is."""
    if sorted(got) != sorted(returns):
        return f"expected the arrays {sorted(returns)}, got {sorted(got)}"
    reasons = (_mismatch(name, got[name], declared) for name, declared in returns.items())
    return next((reason for reason in reasons if reason), "")


def _mismatch(name: str, value: Any, declared: str) -> str:
    match = re.fullmatch(r"(\w+) \[(.*)\]", declared)
    if match is None:
        raise ValueError(f"{declared!r} is not of the form 'float32 [3, *]'")
    dtype, dims = match[1], [d.strip() for d in match[2].split(",") if d.strip()]
    if type(value) is not Tensor:
        return f"{name}: expected a plain tensor, got {type(value).__name__}"
    shape = ", ".join(map(str, value.shape))
    if len(dims) != value.dim() or any(
        d not in ("*", str(n)) for d, n in zip(dims, value.shape, strict=True)
    ):
        return f"{name}: expected shape [{match[2]}], got [{shape}]"
    if str(value.dtype) != f"torch.{dtype}":
        return f"{name}: expected {dtype}, got {str(value.dtype).removeprefix('torch.')}"
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        return f"{name}: every number must be finite, got nan or inf"
    return ""


def _number(value: Tensor) -> str:
    return f"{value.item():.6g}"

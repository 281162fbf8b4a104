"""`Check`, and the decorator that makes one of a probe, of the right answer or of a judge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dllab.checks.answer import Answer, Expectation, Tolerance
from dllab.checks.arrays import Arrays, Draw, Drawer, Given, drawing, validate
from dllab.checks.outcome import Outcome
from dllab.checks.probing import Probe, call, detached

Judge = Callable[[Given, Arrays], Outcome]


@dataclass(frozen=True)
class Check:
    """One graded fact: what is drawn, how learner code is called, and how the outcome is judged.

    `judge(given, got)` is total: it bears whatever arrays came. `returns(given)` says their dtypes
    and shapes. `module` is where the check is written.
    """

    id: str
    title: str
    sentence: str
    given: Draw
    probe: Probe
    judge: Callable[[Arrays, Mapping[str, Any]], Outcome]
    returns: Callable[[Arrays], Mapping[str, str]]
    module: str
    grad: Sequence[str] | None = None
    expectation: Expectation | None = None
    depends_on: tuple[str, ...] = ()
    required: bool = False
    hint: str = ""

    def also(self, id: str, title: str) -> Callable[[Draw], "Check"]:
        """The same check on other values, which depends on this one: the decorated function draws
        them, and its docstring is the sentence that the learner reads.
        """
        return lambda given: replace(
            self,
            id=id,
            title=title,
            sentence=_sentence(id, given),
            given=given,
            module=given.__module__,
            depends_on=(self.id,),
        )


def check(
    id: str,
    title: str,
    *,
    given: Draw | Mapping[str, Drawer | Tensor | float] | None = None,
    expect: Answer | None = None,
    mistakes: Mapping[str, Answer] | None = None,
    atol: Tolerance = 1e-5,
    rtol: Tolerance = 1e-5,
    grad: bool | Sequence[str] = False,
    probe: Probe | None = None,
    returns: Mapping[str, str] | None = None,
    depends_on: tuple[str, ...] = (),
    required: bool = False,
    hint: str = "",
) -> Callable[[Callable[..., Any]], Check]:
    """Turn a function into a Check; its docstring is the sentence that the learner reads.

    With `expect` the function is the probe. With `probe` it is the right answer, or, where
    `returns` declares what comes, the judge. `hint` names the task whose hints help (default: the
    id).
    """
    names = None if grad is False else () if grad is True else tuple(grad)

    def decorate(function: Callable[..., Any]) -> Check:
        sentence = _sentence(id, function)
        called, right = (function, expect) if probe is None else (probe, function)
        expectation = None
        if returns is not None:
            judge, form = _validating(function, dict(returns))
        elif right is not None:
            expectation = Expectation(right, dict(mistakes or {}), atol, rtol, names)
            judge, form = expectation.judge, expectation.returns
        else:
            raise ValueError(f"check {id!r} has neither expect= nor probe=: see dllab.checks")
        return Check(
            id=id,
            title=title,
            sentence=sentence,
            given=drawing(given or {}),
            probe=called,
            judge=judge,
            returns=form,
            module=function.__module__,
            grad=names,
            expectation=expectation,
            depends_on=tuple(depends_on),
            required=required,
            hint=hint or id,
        )

    return decorate


def _sentence(id: str, function: Callable[..., Any]) -> str:
    sentence = " ".join((function.__doc__ or "").split())
    if not sentence:
        raise ValueError(f"check {id!r} has no docstring: it is what the learner reads")
    return sentence


def _validating(
    judge: Judge, returns: Mapping[str, str]
) -> tuple[Callable[[Arrays, Mapping[str, Any]], Outcome], Callable[[Arrays], Mapping[str, str]]]:
    """A judge that sees arrays of the declared form only."""

    def judge_valid(given: Arrays, got: Mapping[str, Any]) -> Outcome:
        mismatch = validate(got, returns)
        return Outcome(0.0, mismatch) if mismatch else judge(Given(given), dict(got))

    return judge_valid, lambda _given: returns


def run_here(check: Check, lab: ModuleType, seed: int | None = None) -> Outcome:
    """Both halves in this process, for authors and a learner's pytest; grades come from a sandbox.

    An unfinished task gives no points and its TODO as message; any other exception is let through.
    """
    rng = torch.Generator()
    rng.manual_seed(rng.seed() if seed is None else seed)
    given = check.given(rng)
    copies = {name: value.clone() for name, value in given.items()}
    try:
        return check.judge(given, detached(call(check.probe, lab, copies, check.grad)))
    except NotImplementedError as todo:
        return Outcome(0.0, str(todo))


def collect(module: ModuleType) -> list[Check]:
    """All checks that a module writes, in the order in which they stand."""
    found = [value for value in vars(module).values() if isinstance(value, Check)]
    return [check for check in found if check.module == module.__name__]

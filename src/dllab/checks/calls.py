"""Checks of functions whose answers are not tensors: lists, texts, dicts, objects with a repr.

Such a check is a list of calls, a right way to answer each, and wrong ways that have names:

    @check_calls(
        "repeat",
        "Repeated",
        given={"times": integers(2, 9)},
        calls=lambda g: [("ab", int(g.times)), ("", 2)],
        expect=lambda text, times: text * times,
        mistakes={"the text stands once": lambda text, times: text},
    )
    def repeat(lab):
        \"\"\"`repeat` returns the text so many times.\"\"\"
        return lab.repeat

The decorated function takes learner code and returns its way to answer a call, which says where an
answer is of another type (`tools.instance`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dllab.checks.arrays import Arrays, Draw, Drawer, Given, drawing
from dllab.checks.check import Check, check
from dllab.checks.outcome import Outcome

Way = Callable[..., Any]  # from what a call passes to its answer
Calls = Callable[[Given], Iterable[tuple[Any, ...]]]
Lines = Callable[[Given], Arrays]
GIVES = "\n"  # between a call and its answer: no repr of a plain value has a line break
DRAWS, SHOWN, ALIKE = 1000, 200, 40


def check_calls(
    id: str,
    title: str,
    *,
    given: Draw | Mapping[str, Drawer | Tensor | float],
    calls: Calls,
    expect: Way,
    mistakes: Mapping[str, Way],
    depends_on: tuple[str, ...] = (),
) -> Callable[[Callable[[ModuleType], Way]], Check]:
    """Turn a function from learner code to its way of answering `calls` into a Check.

    Answers are compared by their repr. Values are drawn anew until `expect` and all `mistakes` give
    different answers, so that a mistake is known by its name; ValueError where they never do. A
    message shows the first call that was answered wrongly, what was expected and what came.
    """
    right = _lines(calls, expect)
    wrong = {words: _lines(calls, way) for words, way in mistakes.items()}
    draw = _telling(id, drawing(given), {"the right answer": right, **wrong})

    def decorate(way: Callable[[ModuleType], Way]) -> Check:
        @wraps(way)
        def probe(lab: ModuleType, g: Given) -> Arrays:
            return _lines(calls, way(lab))(g)

        made = check(id, title, given=draw, expect=right, mistakes=wrong, depends_on=depends_on)(
            probe
        )
        return replace(made, judge=lambda g, got: _shown(made.judge(g, got), right(Given(g)), got))

    return decorate


def _lines(calls: Calls, way: Way) -> Lines:
    """What a way answers to each call: a name of an array that is always True."""

    def lines(g: Given) -> Arrays:
        said = (f"{', '.join(map(repr, call)):.400}{GIVES}{way(*call)!r}" for call in calls(g))
        return dict.fromkeys(said, torch.tensor(True))

    return lines


def _telling(id: str, draw: Draw, ways: Mapping[str, Lines]) -> Draw:
    """Draws again where two of the ways answer all calls alike."""

    def drawn(rng: torch.Generator) -> Arrays:
        for _ in range(DRAWS):
            given, known = draw(rng), dict[frozenset[str], str]()
            alike = {
                words: other
                for words, lines in ways.items()
                if (other := known.setdefault(frozenset(lines(Given(given))), words)) != words
            }
            if not alike:
                return given
        pairs = "; ".join(f"{other!r} and {words!r}" for words, other in alike.items())
        raise ValueError(f"check {id!r}: none of {DRAWS:,} draws tells these apart: {pairs}")

    return drawn


def _shown(outcome: Outcome, right: Arrays, got: Mapping[str, Any]) -> Outcome:
    """With the first call whose answer is another one, in place of all lines."""
    if outcome.ok or not (lacking := [line for line in right if line not in got]):
        return outcome
    call, _, answer = lacking[0].partition(GIVES)
    others = (line for line in got if line not in right and line.startswith(call + GIVES))
    came = next(others, call + GIVES + "nothing").removeprefix(call + GIVES)
    named = "" if outcome.message.startswith("expected the arrays") else f"{outcome.message}\n"
    wanted, found = _where_they_part(answer, came)
    return Outcome(0.0, f"{named}for {call}\nexpected {wanted}\ngot {found}")


def _where_they_part(*answers: str) -> Iterator[str]:
    """Long answers without most of what they begin with alike, and without a long end."""
    alike = next((i for i, (a, b) in enumerate(zip(*answers, strict=False)) if a != b), 0)
    begin = 0 if max(map(len, answers)) < SHOWN else max(0, alike - ALIKE)
    end = begin + SHOWN
    return (f"{'…' * (begin > 0)}{one[begin:end]}{'…' * (len(one) > end)}" for one in answers)

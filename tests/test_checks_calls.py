"""Checks of answers that are not tensors: the first wrong call is shown, a mistake by its name."""

from types import SimpleNamespace

import pytest
import torch

from dllab.checks import integers, run_here
from dllab.checks.calls import check_calls
from dllab.checks.probing import ReturnedError
from dllab.checks.tools import instance


@check_calls(
    "repeat",
    "Repeated",
    given={"times": integers(0, 4)},
    calls=lambda g: [("zz", 2), ("ab", int(g.times)), ("", 5)],
    expect=lambda text, times: text * times,
    mistakes={
        "the text stands once": lambda text, times: text,
        "one too few": lambda text, times: text * max(0, times - 1),
    },
    depends_on=("text",),
)
def repeat(lab):
    """`repeat` returns the text so many times."""
    return lambda text, times: instance(lab.repeat(text, times), str)


def told(answer, seed=0) -> str:
    outcome = run_here(repeat, SimpleNamespace(repeat=answer), seed)
    assert outcome.ok == (not outcome.message)
    return outcome.message


def test_the_decorated_function_is_the_check():
    assert (repeat.id, repeat.title, repeat.depends_on) == ("repeat", "Repeated", ("text",))
    assert repeat.sentence == "`repeat` returns the text so many times."
    assert repeat.module == __name__


def test_right_answers_pass():
    assert told(lambda text, times: times * text) == ""


def test_a_wrong_answer_is_shown_with_the_first_call_that_got_it():
    wrong = told(lambda text, times: text * (times if text == "zz" else 9))
    assert wrong.startswith("for 'ab', ")
    assert wrong.endswith(f"got {'ab' * 9!r}")
    assert told(lambda text, times: "?") == "for 'zz', 2\nexpected 'zzzz'\ngot '?'"


@pytest.mark.parametrize("seed", range(5))
def test_a_mistake_is_told_by_its_name_whatever_is_drawn(seed):
    once = told(lambda text, times: text, seed)
    assert once == "the text stands once\nfor 'zz', 2\nexpected 'zzzz'\ngot 'zz'"
    assert told(lambda text, times: text * (times - 1), seed).startswith("one too few\nfor ")


def test_another_type_is_said_by_the_probe():
    with pytest.raises(ReturnedError, match="expected a str, got a list"):
        told(lambda text, times: [text] * times)


def test_long_answers_are_shown_where_they_part():
    @check_calls(
        "count", "Counted", given={}, calls=lambda _: [(500,)], expect=lambda n: [*range(n)],
        mistakes={},
    )  # fmt: skip
    def count(lab):
        """`count` counts."""
        return lab.count

    lab = SimpleNamespace(count=lambda n: [*range(300), 0, *range(301, n)])
    _, expected, got = run_here(count, lab, 0).message.splitlines()
    assert "299, 300, 301" in expected
    assert "299, 0, 301" in got
    for line in (expected, got):
        assert line.split(" ")[1].startswith("…")
        assert line.endswith("…")
        assert len(line) < 220


def test_mistakes_that_no_draw_tells_apart_are_an_authors_error():
    @check_calls(
        "same", "The same", given={}, calls=lambda _: [(1,)], expect=lambda n: n,
        mistakes={"squared": lambda n: n**2},
    )  # fmt: skip
    def same(lab):
        """`same` returns its argument."""
        return lab.same

    with pytest.raises(ValueError, match=r"'same'.*: 'the right answer' and 'squared'"):
        same.given(torch.Generator())

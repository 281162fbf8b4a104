"""The judge of a dense check: compares with the right answer, and names the mistake that came."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dllab.checks.arrays import RESULT, Arrays, Given, as_tensors, declared, numbers, validate
from dllab.checks.naming import name_of
from dllab.checks.outcome import PASS, Outcome, differences, first_difference
from dllab.checks.probing import call, detached

SHOWN = 40  # numbers of the failing input that a message shows
Answer = Callable[[Given], Any] | Tensor | float | Mapping[str, Any]
Tolerance = float | Mapping[str, float]


@dataclass(frozen=True)
class Expectation:
    """The right answer, and wrong ones by what they mean; values, or functions of what is given."""

    right: Answer
    mistakes: Mapping[str, Answer] = field(default_factory=dict)
    atol: Tolerance = 1e-5
    rtol: Tolerance = 1e-5
    grad: Sequence[str] | None = None

    def returns(self, given: Arrays) -> dict[str, str]:
        """Dtype and shape of what must come, as checks declare it."""
        return declared(self.answer(self.right, given))

    def judge(self, given: Arrays, got: Mapping[str, Any]) -> Outcome:
        """Full points for the right answer, else the mistake by its name, and where it shows."""
        right = self.answer(self.right, given)
        mismatch = validate(got, declared(right))
        if not mismatch and not self._wrong(got, right):
            return PASS
        named = next(self._known(given, got, right), "")
        if mismatch:
            return Outcome(0.0, named or mismatch)
        name, wrong = next(iter(self._wrong(got, right).items()))
        named = named or _no_gradient(name, got[name])
        named = named or self._dimension(given, got, right)
        named = named or name_of(got[name], right[name], given)
        told = first_difference(got[name], right[name], wrong, _words(name))
        shown = failing_input(given, wrong)
        return Outcome(0.0, "\n".join(line for line in (named, told, shown) if line))

    def answer(self, answer: Answer, given: Arrays) -> dict[str, Tensor]:
        """What an answer is for the given values, of which it gets copies."""

        def value(_lab: None, copies: Given) -> Arrays:
            return as_tensors(answer(copies) if callable(answer) else answer)

        copies = {name: value.clone() for name, value in given.items()}
        return detached(call(value, None, copies, self.grad, strict=False))

    def _known(
        self, given: Arrays, got: Mapping[str, Any], right: Mapping[str, Tensor]
    ) -> Iterator[str]:
        """The mistakes whose wrong values are those that came; each may be of some names only."""
        for message, mistake in self.mistakes.items():
            wrong = self.answer(mistake, given)
            if self._wrong(right, wrong) and not self._wrong(got, wrong):
                yield message

    def _dimension(self, given: Arrays, got: Mapping[str, Any], right: Mapping[str, Tensor]) -> str:
        """Whether the right way was gone along the wrong dimension of a given matrix."""
        for name, value in given.items():
            if value.dim() != 2:
                continue
            with suppress(Exception):  # what was written for one shape need not bear the other
                other = self.answer(self.right, {**given, name: value.mT.contiguous()})
                for way in (other, {n: v.mT if v.dim() == 2 else v for n, v in other.items()}):
                    if self._wrong(way, right) and not self._wrong(got, way):
                        return f"this is computed along the wrong dimension of `{name}`"
        return ""

    def _wrong(self, got: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Where each array of `wanted` differs from that in `got`; names that agree are left out.

        Another shape, or no array at all, differs everywhere.
        """
        found = {}
        for name, value in wanted.items():
            came = got.get(name)
            if type(came) is not Tensor or came.is_complex() or came.shape != value.shape:
                found[name] = value == value  # noqa: PLR0124 - true everywhere, in its shape
                continue
            atol, rtol = (_of(tolerance, name) for tolerance in (self.atol, self.rtol))
            wrong = differences(came, value, atol, rtol)
            if bool(wrong.any()):
                found[name] = wrong
        return found


def failing_input(given: Arrays, wrong: Tensor) -> str:
    """What the first wrong number was computed from, a line for each array; nothing where that is
    too much to read. Of arrays that run over the same items as the result, that item alone.
    """
    index = wrong.nonzero()[0].tolist()
    shown = {}
    for name, value in given.items():
        sliced = bool(index) and value.dim() > 0 and len(value) == len(wrong)
        shown[f"{name}[{index[0]}]" if sliced else name] = value[index[0]] if sliced else value
    if not shown or sum(value.numel() for value in shown.values()) > SHOWN:
        return ""
    return "for " + "\n    ".join(f"{name} = {numbers(value)}" for name, value in shown.items())


def _no_gradient(name: str, gradient: Tensor) -> str:
    if name.startswith("gradient.") and not bool(gradient.any()):
        return f"no gradient reaches {name.removeprefix('gradient.')}, so it can never learn"
    return ""


def _words(name: str) -> str:
    if name == RESULT:
        return "the result"
    return name.replace("gradient.", "the gradient with respect to ")


def _of(tolerance: Tolerance, name: str) -> float:
    return tolerance.get(name, 1e-5) if isinstance(tolerance, Mapping) else tolerance

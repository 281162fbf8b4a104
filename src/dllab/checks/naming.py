"""Names for wrong numbers: the one thing that turns the right answer into the one that came.

Every name is total: any two arrays of one shape get a name or the empty string, however mad.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

_RTOL, _ATOL = 1e-4, 1e-9  # a name is only given where it fits this closely
_RATIOS = {
    math.log(2): "bits and nats are mixed up",
    255.0: "is it divided by 255 once too often, or not at all?",
    100.0: "per cent are mixed up with shares",
    math.sqrt(2): "a factor √2",
}
# What may have been done to the right answer.
_CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "every number is 0": torch.zeros_like,
    "the sign is lost: this is the right answer times -1": torch.neg,
    "this is the absolute value of the right answer": torch.abs,
    "this is the right answer squared (a variance for a deviation?)": torch.square,
    "this is the square root of the right answer (a deviation for a variance?)": torch.sqrt,
    "this is exp of the right answer: the log is missing": torch.exp,
    "this is the log of the right answer": torch.log,
    "this is 1 / the right answer": torch.reciprocal,
    "this is 1 - the right answer": lambda right: 1 - right,
}


def name_of(got: Tensor, expected: Tensor, given: Mapping[str, Tensor] | None = None) -> str:
    """What is wrong with all of `got`, in words; the empty string when it is no single thing.

    `given` are the arrays that it was computed from: one of them may have come back as it was, and
    their dimensions are the factors by which a sum and a mean differ.
    """
    if not got.numel():
        return ""
    names = _names(got, expected, given or {})
    return next(names, "")


def _names(got: Tensor, expected: Tensor, given: Mapping[str, Tensor]) -> Iterator[str]:
    if got.dtype == torch.bool:
        if got.numel() > 1 and bool((got != expected).all()):
            yield "it is exactly the other way round"
        return
    for name, value in given.items():
        if got.numel() > 1 and value.shape == got.shape and _same(got, value):
            yield f"this is `{name}` as it was given"
    right, came = expected.double(), got.double()
    if _same(came, right):
        return
    for words, change in _CHANGES.items():
        if _same(came, change(right)):
            yield words
    yield from _orders(came, right)
    yield from _factors(came, right, given)
    yield from _offsets(came, right)


def _orders(came: Tensor, right: Tensor) -> Iterator[str]:
    """The right numbers at other places."""
    if right.dim() > 1 and _same(came, right.mT):
        yield "rows and columns are swapped: this is the right answer transposed"
    for dim in range(right.dim()):
        if _same(came, right.flip(dim)):
            yield f"dimension {dim} is the wrong way round"
        for step in (1, -1):
            if right.shape[dim] > 2 and _same(came, right.roll(step, dim)):
                yield f"dimension {dim} is shifted by one place"
    if right.numel() > 2 and _same(came.flatten().sort().values, right.flatten().sort().values):
        yield "these are the right numbers in another order"


def _factors(came: Tensor, right: Tensor, given: Mapping[str, Tensor]) -> Iterator[str]:
    """A factor that all numbers share: some size, or one with a name."""
    largest = right.abs().argmax()
    if not bool(right.flatten()[largest]):
        return
    factor = float(came.flatten()[largest] / right.flatten()[largest])
    if factor and math.isfinite(factor) and _same(came, factor * right):
        sign = ", and of the wrong sign" if factor < 0 else ""
        yield from (f"{name}{sign}" for name in _ratios(abs(factor), _sizes(given)))
        if right.count_nonzero() > 2:
            yield f"every number is {factor:.4g} times the right one"


def _ratios(factor: float, sizes: Mapping[int, str]) -> Iterator[str]:
    """Names of a positive factor."""
    size, way = (factor, "large") if factor > 1 else (1 / factor, "small")
    guess = "a sum for a mean?" if way == "large" else "a mean for a sum?"
    for number, what in sizes.items():
        if _near(size, number):
            yield f"every number is exactly {number} times too {way} ({what}: {guess})"
        for power, root in ((1, ""), (2, "√")):
            if _near(size, (number / (number - 1)) ** (1 / power)):
                yield f"{root}n and {root}(n - 1) are mixed up, where n is {what}"
    for number in range(2, 17):
        if _near(size, number):
            yield f"every number is exactly {number} times too {way}"
    for ratio, what in _RATIOS.items():
        if _near(factor, ratio) or _near(1 / factor, ratio):
            yield f"every number is {factor:.4g} times the right one: {what}"


def _sizes(given: Mapping[str, Tensor]) -> dict[int, str]:
    """The given arrays' lengths above 1, with words for them; first dimensions before others."""
    found: dict[int, str] = {}
    for depth in range(max((value.dim() for value in given.values()), default=0)):
        for name, value in given.items():
            if depth < value.dim():
                found.setdefault(value.shape[depth], f"the length of dimension {depth} of `{name}`")
    for name, value in given.items():
        found.setdefault(value.numel(), f"how many numbers `{name}` has")
    return {length: words for length, words in found.items() if length > 1}


def _offsets(came: Tensor, right: Tensor) -> Iterator[str]:
    """One number added to all, or one number in place of all."""
    if right.numel() < 3:
        return
    if _same(came, came.flatten()[:1].expand_as(came)):
        yield f"every number is {float(came.flatten()[0]):.6g}: they should differ"
    gap = (came - right).median()
    if _same(came, right + gap):
        yield f"every number is {abs(float(gap)):.4g} too {'large' if gap > 0 else 'small'}"


def _near(size: float, number: float) -> bool:
    return math.isclose(size, number, rel_tol=_RTOL)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return torch.allclose(one.double(), other.double(), rtol=_RTOL, atol=_ATOL)

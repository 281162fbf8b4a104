"""The arrays that cross the wall: how a check draws them, and what it may say of their form."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Arrays = dict[str, Tensor]
Drawer = Callable[[torch.Generator], Tensor]
Draw = Callable[[torch.Generator], Arrays]

RESULT = "result"  # the name of an array that a probe returns by itself
MISSING_RETURN = "it is None; is a `return` missing?"


def normal(*shape: int, mean: float = 0.0, std: float = 1.0) -> Drawer:
    """Draw float32 numbers from a normal distribution."""
    return lambda rng: mean + std * torch.randn(shape, generator=rng)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Drawer:
    """Draw float32 numbers from [low, high)."""
    return lambda rng: low + (high - low) * torch.rand(shape, generator=rng)


def integers(low: int, high: int, *shape: int, dtype: torch.dtype = torch.int64) -> Drawer:
    """Draw whole numbers from [low, high)."""
    return lambda rng: torch.randint(low, high, shape, generator=rng, dtype=dtype)


class Given(Arrays):
    """What was drawn for a check, by name: `given["x"]`, or `given.x`."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"nothing that is given is called {name!r}") from None

    def __or__(self, other: Mapping[str, Tensor]) -> "Given":  # type: ignore[override]
        return Given({**self, **other})


def drawing(given: Draw | Mapping[str, Drawer | Tensor | float]) -> Draw:
    """A function of a generator, from such a function or from a drawer or value for each name."""
    if callable(given):
        return given
    named = dict(given)
    return lambda rng: {
        name: value(rng) if callable(value) else torch.as_tensor(value)
        for name, value in named.items()
    }


def as_arrays(value: Any) -> dict[str, Any]:
    """What a probe returned, by name; a value by itself is called `result`."""
    return dict(value) if isinstance(value, dict) else {RESULT: value}


def as_tensors(value: Any) -> Arrays:
    """What an author wrote for a right or wrong answer, by name; numbers become tensors."""
    named = as_arrays(value)
    return {n: v if isinstance(v, Tensor) else torch.tensor(v) for n, v in named.items()}


def declared(arrays: Mapping[str, Tensor]) -> dict[str, str]:
    """Dtype and shape of each array, as `validate` reads them."""
    return {name: f"{_dtype(value)} {list(value.shape)}" for name, value in arrays.items()}


def validate(got: Mapping[str, Any], returns: Mapping[str, str]) -> str:
    """Why `got` is not the declared set of finite arrays, or the empty string when it is."""
    if sorted(got) != sorted(returns):
        return f"expected the arrays {sorted(returns)}, got {sorted(got)}"
    reasons = (_mismatch(name, got[name], form) for name, form in returns.items())
    return next((reason for reason in reasons if reason), "")


def no_tensor(value: Any) -> str:
    """What to say of a value that should be a plain tensor and is none."""
    if value is None:
        return MISSING_RETURN
    if type(value) in (bool, int, float):
        return f"expected a tensor, got the number {value}: is an .item() or float() too many?"
    return f"expected a plain tensor, got {type(value).__name__}"


def _mismatch(name: str, value: Any, form: str) -> str:
    match = re.fullmatch(r"(\w+) \[(.*)\]", form)
    if match is None:
        raise ValueError(f"{form!r} is not of the form 'float32 [3, *]'")
    dtype, dims = match[1], [d.strip() for d in match[2].split(",") if d.strip()]
    name = "" if name == RESULT else f"{name}: "
    if type(value) is not Tensor:
        return f"{name}{no_tensor(value)}"
    came = [str(n) for n in value.shape]
    if len(dims) != len(came) or any(d not in ("*", n) for d, n in zip(dims, came, strict=True)):
        hint = _shape_hint(dims, came)
        return f"{name}expected shape [{match[2]}], got [{', '.join(came)}]{hint}"
    if _dtype(value) != dtype:
        return f"{name}expected {dtype}, got {_dtype(value)}"
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        return f"{name}every number must be finite, got {_first_infinite(value)}"
    return ""


def _shape_hint(wanted: list[str], came: list[str]) -> str:
    if len(wanted) > 1 and came == [*wanted[:-2], wanted[-1], wanted[-2]]:
        return ": it is transposed"
    if [d for d in wanted if d != "1"] == [d for d in came if d != "1"]:
        way = "too many (keepdim, unsqueeze)" if len(came) > len(wanted) else "lost (squeeze)"
        return f": a dimension of length 1 is {way}"
    if not came and wanted:
        return ": it is a single number, reduced over all dimensions"
    return ""


def _first_infinite(value: Tensor) -> str:
    index = (~torch.isfinite(value)).nonzero()[0].tolist()
    number = float(value[tuple(index)])
    return f"{number:g} at {index}" if index else f"{number:g}"


def numbers(value: Tensor) -> str:
    """All numbers of an array in a line, to four digits."""
    return _nested(value.tolist())


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_nested, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")

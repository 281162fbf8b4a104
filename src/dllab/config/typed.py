"""Types for the keys that a lab ships: its `model` and `data` values become dataclasses.

`{"hidden": 64, "lr": 1e-3}` becomes a dataclass with `hidden: int` and `lr: float`, so that
OmegaConf refuses `hidden=two` and `hiden=3` as it does for the trainer's keys.
"""

import keyword
import types
from collections.abc import Mapping
from dataclasses import field, is_dataclass, make_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from dllab.config.schema import Settings

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", bool: "true or false", str: "text values"}


def settings_type(model: Mapping[str, Any], data: Mapping[str, Any]) -> type[Settings]:
    """`Settings` with `model` and `data` narrowed to the keys and types of the values given."""
    parts = {"model": type_of(model, "Model"), "data": type_of(data, "Data")}
    return make_dataclass(
        "Settings",
        [(name, kind, field(default_factory=kind)) for name, kind in parts.items()],
        bases=(Settings,),
    )


def type_of(value: Any, name: str = "Values") -> Any:
    """The type that a shipped value asks for: null is open, lists by element, mappings by key."""
    if isinstance(value, Mapping):
        if not all(is_name(key) for key in value):
            return dict[Any, Any]
        return make_dataclass(name, [(key, *_field(key, entry)) for key, entry in value.items()])
    if isinstance(value, list):
        return list[_common({_freeze(type_of(entry)) for entry in value})]  # type: ignore[misc]
    return type(value) if type(value) in _WORDS else Any


def expected(kind: Any, key: str) -> str:
    """What may stand at `key`, in words: `a number or null`."""
    for part in key.split("."):
        kind = get_type_hints(kind).get(part, Any) if is_dataclass(kind) else Any
    return _words(kind)


def _field(key: str, value: Any) -> tuple[Any, Any]:
    kind = type_of(value, key)
    if is_dataclass(kind) and isinstance(kind, type):
        return kind, field(default_factory=kind)
    if get_origin(kind) in (list, dict):
        return kind, field(default_factory=get_origin(kind))
    return kind, field(default=None if kind is Any else value)


def is_name(key: object) -> bool:
    """Whether `key` can name an argument."""
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)


def _freeze(kind: Any) -> Any:
    return Any if is_dataclass(kind) else kind


def _common(kinds: set[Any]) -> Any:
    if kinds == {int, float}:
        return float
    return kinds.pop() if len(kinds) == 1 else Any


def _words(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not int or float not in get_args(kind)]
        return " or ".join("null" if part is type(None) else _words(part) for part in parts)
    if get_origin(kind) is list:
        (element,) = get_args(kind)
        return f"a list of {_PLURALS[element]}" if element in _PLURALS else "a list"
    if is_dataclass(kind) or get_origin(kind) is dict:
        return "a mapping of keys to values"
    return _WORDS.get(kind, "a value")

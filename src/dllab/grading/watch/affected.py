"""Which checks a change of lab.py touches: by the definitions that their probes can reach.

The unit is a top-level definition, a whole function or class, compared as syntax: a new comment or
line break changes nothing. A probe reaches the definitions that it names, and those reach what
they name. Names are taken wherever they stand, so the answer errs towards running too much.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType

from dllab.checks import Check

ELSEWHERE = ""  # the unit of all that is not a definition: imports, constants, statements


@dataclass(frozen=True)
class Unit:
    """One definition: its syntax without positions, and every name that occurs in it."""

    syntax: str
    names: frozenset[str]


def units(source: str | bytes) -> dict[str, Unit]:
    """Top-level definitions by name, and the rest under `ELSEWHERE`. Raises SyntaxError."""
    parts: dict[str, list[ast.stmt]] = {ELSEWHERE: []}
    for node in ast.parse(source).body:
        defines = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        parts.setdefault(node.name if defines else ELSEWHERE, []).append(node)  # type: ignore[attr-defined]
    return {name: _unit(nodes) for name, nodes in parts.items()}


def affected(
    before: Mapping[str, Unit], after: Mapping[str, Unit], checks: Iterable[Check]
) -> set[str]:
    """Ids of the checks that may judge otherwise now; all when code outside definitions changed."""
    changed = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    if ELSEWHERE in changed:
        return {check.id for check in checks}
    return {check.id for check in checks if changed & _reach(_mentions(check.probe), before, after)}


def _unit(nodes: list[ast.stmt]) -> Unit:
    names = frozenset(name for node in nodes for part in ast.walk(node) for name in _names(part))
    return Unit("\n".join(ast.dump(node) for node in nodes), names)


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Constant(value=str(name)):  # getattr(module, "name")
            yield name


def _reach(names: set[str], *versions: Mapping[str, Unit]) -> set[str]:
    """The definitions that these names lead to, in either version of the file."""
    reached: set[str] = set()
    left = [name for name in names if any(name in version for version in versions)]
    while left:
        name = left.pop()
        reached.add(name)
        mentioned = {n for v in versions if name in v for n in v[name].names}
        left += [n for n in mentioned - reached if any(n in version for version in versions)]
    return reached


def _mentions(function: object, seen: set[object] | None = None) -> set[str]:
    """Every name in a probe, and in the functions of its own module that it calls."""
    seen = set() if seen is None else seen
    if not isinstance(function, FunctionType) or function in seen:
        return set()
    seen.add(function)
    names = set(_code_names(function.__code__))
    helpers = [function.__globals__.get(name) for name in names]
    own = [h for h in helpers if getattr(h, "__module__", None) == function.__module__]
    return names.union(*(_mentions(helper, seen) for helper in own))


def _code_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _code_names(constant)

"""A lab's tasks as its tables show them, told from the reference, its checks and lab.yaml."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from dllab.authoring.proof import checks_of
from dllab.lab.find import Lab
from dllab.lab.starter import solution_regions, solution_texts

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Task:
    """One TODO. `takes` are the arguments that it reads, `asks` is what its text says first.

    `checks` are the ids of those that point at its hints, with their points.
    """

    name: str
    takes: tuple[str, ...]
    asks: str
    checks: Mapping[str, float]


def tasks_of(lab: Lab) -> list[Task]:
    """The tasks in the order of the file. Imports the lab's checks."""
    solution = lab.solution.read_text(encoding="utf-8")
    tree = ast.parse(solution)
    texts = solution_texts(solution)
    points = lab.spec.checks
    checks = [check for check in checks_of(lab).values() if check.id in points]
    return [
        Task(
            name,
            _taken(tree, *lines),
            texts[name].rstrip("."),
            {check.id: points[check.id] for check in checks if check.hint == name},
        )
        for name, lines in solution_regions(solution).items()
    ]


def _taken(tree: ast.Module, first: int, last: int) -> tuple[str, ...]:
    """The arguments that the lines of a region read, in the order of the signature."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.lineno <= first <= (node.end_lineno or 0)
    ]
    if not around:
        return ()
    every = max(around, key=lambda node: node.lineno).args
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and first <= node.lineno <= last
    }
    names = [
        a.arg
        for a in (*every.posonlyargs, *every.args, every.vararg, *every.kwonlyargs, every.kwarg)
        if a
    ]
    taken = tuple(name for name in names if name in read - {"self"})
    return taken or tuple(name for name in names if name == "self")

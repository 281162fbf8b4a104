"""Which tasks a save has worked on: those whose home, a function or method, reads otherwise now."""

import ast
import re

from dllab.lab.todo import PREFIX


class Edits:
    """Holds each version of lab.py against the one before; `starter` says where tasks live."""

    def __init__(self, starter: str) -> None:
        todo = re.compile(rf'[#"] ?{PREFIX}([\w-]+): ')
        found = ((n, todo.search(line)) for n, line in enumerate(starter.splitlines(), 1))
        tasks = {line[1]: number for number, line in found if line}
        self._homes = {
            task: name
            for name, nodes in _functions(ast.parse(starter).body).items()
            for node in nodes
            for task, number in tasks.items()
            if node.lineno - 1 <= number <= (node.end_lineno or 0)
        }
        self._before: dict[str, str] | None = None

    def of(self, source: str | bytes) -> list[str]:
        """The tasks that this version has changed; nothing at first. Raises SyntaxError.

        Where a function is home to several, it is those that were open and are no more.
        """
        after = {
            name: "\n".join(map(ast.dump, nodes))
            for name, nodes in _functions(ast.parse(source).body).items()
        }
        before, self._before = self._before, after
        if before is None:
            return []
        changed = [t for t, home in self._homes.items() if before.get(home) != after.get(home)]
        filled = [
            task
            for task in changed
            if _is_open(task, before.get(self._homes[task], ""))
            and not _is_open(task, after.get(self._homes[task], ""))
        ]
        return filled or changed


def _is_open(task: str, syntax: str) -> bool:
    return f"{PREFIX}{task}: " in syntax


def _functions(body: list[ast.stmt], prefix: str = "") -> dict[str, list[ast.stmt]]:
    """Functions and methods by dotted name; what stands beside them, under their class's name."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                found |= _functions(node.body, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.setdefault(f"{prefix}{name}", []).append(node)
            case _:
                found.setdefault(prefix, []).append(node)
    return found

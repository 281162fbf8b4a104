"""What is left to do in a lab.py: every `raise NotImplementedError("TODO task: …")` in it."""

import ast
from dataclasses import dataclass
from pathlib import Path

from dllab.errors import LearnerError

PREFIX = "TODO "
NOT_DONE = "not done yet: "  # how a check that ran into an open TODO begins


@dataclass(frozen=True)
class Todo:
    """One task that still raises: its name, its text, and the line of the raise."""

    task: str
    text: str
    line: int


def open_todos(path: Path) -> list[Todo]:
    """The unfinished tasks of a lab.py, top to bottom.

    Raises LearnerError when the file does not parse: it names the line and shows it.
    """
    source = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise LearnerError(
            f"{path} does not parse: line {error.lineno}: {error.msg}",
            traceback="\n".join(_pointer(error)),
            hint="mend this line; Python read the file up to it",
        ) from None
    return todos_in(tree)


def todos_in(tree: ast.AST) -> list[Todo]:
    """The unfinished tasks of some syntax, top to bottom."""
    found = [todo for node in ast.walk(tree) if (todo := _todo(node))]
    return sorted(found, key=lambda todo: todo.line)


def _pointer(error: SyntaxError) -> list[str]:
    line = (error.text or "").rstrip("\n")
    return [
        f'  File "{error.filename}", line {error.lineno}',
        f"    {line}",
        "    " + " " * max((error.offset or 1) - 1, 0) + "^",
    ]


def _todo(node: ast.AST) -> Todo | None:
    match node:
        case ast.Raise(
            exc=ast.Call(
                func=ast.Name(id="NotImplementedError"), args=[ast.Constant(value=str(message))]
            )
        ) if message.startswith(PREFIX):
            task, _, text = message.removeprefix(PREFIX).partition(": ")
            return Todo(task, text, node.lineno)
    return None

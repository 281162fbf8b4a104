"""What is left to do in a lab.py: every `raise NotImplementedError("TODO task: …")` in it."""

import ast
import codecs
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dllab.errors import LearnerError
from dllab.lab.encoding import encoding_of

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
    return [todo for node in _statements(parse_file(path)) if (todo := _todo(node))]


def parse_file(path: Path) -> ast.Module:
    """The syntax of a Python file, its bytes read as Python reads them: with a byte order mark, or
    in the encoding that its first lines name.

    Raises LearnerError where Python could not import it.
    """
    source = path.read_bytes()
    try:
        return ast.parse(source, filename=str(path))
    except SyntaxError as error:
        if (wrong := not_text(source)) or not error.lineno:
            raise _unreadable(path, wrong or error.msg) from None
        raise LearnerError(
            f"{path} does not parse: line {error.lineno}: {error.msg}",
            traceback="\n".join(_pointer(error)),
            hint="mend this line; Python read the file up to it",
        ) from None
    except ValueError as error:
        raise _unreadable(path, not_text(source) or str(error)) from None


def not_text(source: bytes) -> str:
    """Why Python cannot read bytes as text; empty where it can."""
    if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is UTF-16"
    if b"\0" in source:
        return f"line {_line(source, source.index(0))} holds a NUL byte"
    with suppress(SyntaxError):  # of an unknown encoding, which Python itself names
        encoding = encoding_of(source)
        try:
            source.decode(encoding)
        except UnicodeDecodeError as error:
            return f"line {_line(source, error.start)} is not {encoding}"
    return ""


def _line(source: bytes, place: int) -> int:
    return source.count(b"\n", 0, place) + 1


def _unreadable(path: Path, why: str) -> LearnerError:
    what = f"{path} is not text that Python reads: {why}"
    return LearnerError(what, "", "save it as UTF-8: editors offer that beside the file's name")


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements below, top to bottom; expressions, most of a tree, are not entered."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield node
            yield from _statements(node)


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

"""Where code could be wrong: the edits that turn a correct region into a mutant.

Edits replace spans of the text, so that comments and layout stay and a mutant differs from the
solution in the lines that it names, and nowhere else.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# An operator's likeliest confusions; the mirror image is added where it is one, too.
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
_COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Functions that are taken for each other: operators by another name.
_CONFUSED = [
    ("mean", "sum"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("max", "min"),
    ("sigmoid", "tanh"),
    ("clamp_min", "clamp_max"),
    ("std", "var"),
    ("exp", "log"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("randn", "rand"),
    ("sin", "cos"),
    ("sqrt", "square"),
]
_OTHER_FUNCTION = {a: b for pair in _CONFUSED for a, b in (pair, pair[::-1])}


@dataclass(frozen=True)
class Edit:
    """Replace the characters [start, end) by `text`.

    `kind` is operator, constant, argument or line.
    """

    kind: str
    start: int
    end: int
    text: str


class SourceText:
    """A source text, and where its nodes lie in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._lines = text.splitlines(keepends=True)
        self._offsets = [0]
        for line in self._lines:
            self._offsets.append(self._offsets[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """First character of a node, and the one behind its last."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._at(node.lineno, node.col_offset),
            self._at(node.end_lineno, node.end_col_offset),
        )

    def apply(self, edit: Edit) -> str:
        """The whole text with one edit made."""
        return self.text[: edit.start] + edit.text + self.text[edit.end :]

    def lines_of(self, edit: Edit) -> tuple[str, str]:
        """The lines that an edit touches, before and after it; each as one line."""
        first = self.text.rfind("\n", 0, edit.start) + 1
        last = self.text.find("\n", edit.end)
        before = self.text[first:last]
        after = self.text[first : edit.start] + edit.text + self.text[edit.end : last]
        return " ".join(before.split()), " ".join(after.split())

    def _at(self, line: int, column: int) -> int:
        """Columns count the bytes of UTF-8, the text counts characters."""
        prefix = self._lines[line - 1].encode()[:column]
        return self._offsets[line - 1] + len(prefix.decode())


def edits_of(source: SourceText, first: int, last: int) -> Iterator[Edit]:
    """All edits of the code in the lines `first` to `last`, in the order of the tree."""
    for node in ast.walk(source.tree):
        line, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if not (first <= line and end <= last):
            continue
        if isinstance(node, ast.stmt):
            yield from _line(source, node)
            yield from _statement_operators(source, node)
        elif isinstance(node, ast.expr):
            yield from _operators(source, node)
            yield from _constants(source, node)
        if isinstance(node, ast.Call):
            yield from _arguments(source, node)


def _line(source: SourceText, node: ast.stmt) -> Iterator[Edit]:
    """Leave a simple statement out. A bare text is not code, and `pass` does nothing anyway."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            return
        case ast.Assign() | ast.AugAssign() | ast.AnnAssign() | ast.Expr() | ast.Return():
            yield Edit("line", *source.span(node), "pass")
        case ast.Raise() | ast.Assert() | ast.Delete() | ast.Break() | ast.Continue():
            yield Edit("line", *source.span(node), "pass")


def _statement_operators(source: SourceText, node: ast.stmt) -> Iterator[Edit]:
    match node:
        case ast.AugAssign(op=op):
            start, end = source.span(node)
            for other in _ARITHMETIC.get(type(op), ()):
                changed = ast.AugAssign(node.target, other(), node.value)
                yield Edit("operator", start, end, ast.unparse(changed))
        case ast.If(test=test) | ast.While(test=test):
            yield Edit("operator", *source.span(test), f"not ({ast.unparse(test)})")


def _operators(source: SourceText, node: ast.expr) -> Iterator[Edit]:
    """Another operator between the same operands, a sign or a `not` left out, a twin function."""
    for changed in _other_operators(node):
        # Brackets keep the meaning of what stands around it.
        yield Edit("operator", *source.span(node), f"({ast.unparse(changed)})")
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield Edit("operator", *source.span(node), f"({ast.unparse(operand)})")
        case ast.Attribute(attr=name) if name in _OTHER_FUNCTION:
            _, end = source.span(node)
            yield Edit("operator", end - len(name), end, _OTHER_FUNCTION[name])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            swapped = ast.IfExp(test, orelse, body)
            yield Edit("operator", *source.span(node), f"({ast.unparse(swapped)})")


def _other_operators(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            for other in _ARITHMETIC.get(type(op), ()):
                yield ast.BinOp(left, other(), right)
        case ast.Compare(left=left, ops=[op], comparators=right):
            for turned in _COMPARISON[type(op)]:
                yield ast.Compare(left, [turned()], right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)


def _constants(source: SourceText, node: ast.expr) -> Iterator[Edit]:
    """Numbers one off, twice or half as large; the other truth value; None where there is one."""
    if not isinstance(node, ast.Constant):
        return
    for value in _other_values(node.value):
        yield Edit("constant", *source.span(node), repr(value))


def _other_values(value: object) -> Iterator[object]:
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
            yield value - 1
        case float():
            yield value * 2
            yield value / 2 if value else 1.0


def _arguments(source: SourceText, call: ast.Call) -> Iterator[Edit]:
    """An argument left out, or two neighbours swapped."""
    for index in range(len(call.keywords)):
        kept = [*call.keywords[:index], *call.keywords[index + 1 :]]
        yield _call(source, call, call.args, kept)
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    for index in range(len(call.args)):
        yield _call(source, call, [*call.args[:index], *call.args[index + 1 :]], call.keywords)
    for index, (one, other) in enumerate(pairwise(call.args)):
        swapped = [*call.args[:index], other, one, *call.args[index + 2 :]]
        yield _call(source, call, swapped, call.keywords)


def _call(
    source: SourceText, call: ast.Call, args: list[ast.expr], keywords: list[ast.keyword]
) -> Edit:
    changed = ast.Call(call.func, args, keywords)
    return Edit("argument", *source.span(call), ast.unparse(changed))

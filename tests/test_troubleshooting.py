"""docs/troubleshooting.md quotes messages that dllab really has, and all findings of a curve."""

import ast
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PAGE = (REPO / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FIRST_CELLS = re.findall(r"^\| (.+?) \|", PAGE, re.MULTILINE)


def said(path: Path) -> list[str]:
    """The strings of a module, with … for whatever is filled in."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    filled = [
        "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    ]
    return [re.sub(r"…( …)+", "…", text) for text in [*plain, *filled]]


SAID = [text for path in sorted((REPO / "src").rglob("*.py")) for text in said(path)]


@pytest.mark.parametrize("message", [cell[1:-1] for cell in FIRST_CELLS if cell.startswith("`")])
def test_a_quoted_message_is_one_of_ours(message: str) -> None:
    assert any(message in text for text in SAID)


def test_every_finding_of_the_curve_doctor_is_explained() -> None:
    source = (REPO / "src/dllab/report/curve_rules.py").read_text(encoding="utf-8")
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    rules = {n.args[0].value for n in calls if getattr(n.func, "id", "") == "Finding"}
    table = PAGE.partition("| finding |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE)) == rules

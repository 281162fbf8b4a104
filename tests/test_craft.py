"""The house rules, proved: style, format, types, layers, and links that lead somewhere."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TOOLS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports"],
}


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_house_rules(repo: Path, tool: str) -> None:
    program, *arguments = TOOLS[tool]
    result = subprocess.run(
        [BIN / program, *arguments], cwd=repo, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"


def named_types(text: str) -> Iterator[tuple[str, str]]:
    """The classes and type aliases at the top of a module, and what an alias stands for."""
    for node in ast.parse(text).body:
        match node:
            case ast.ClassDef(name=name):
                yield name, ""
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if re.match(
                "[A-Z][a-z]", name
            ):
                yield name, ast.unparse(value)


def test_a_type_name_has_one_meaning(repo: Path) -> None:
    """No two classes share a name; an alias may be repeated where it stands for the same."""
    places: dict[str, set[str]] = {}
    for path in (repo / "src" / "dllab").rglob("*.py"):
        for name, alias in named_types(path.read_text()):
            places.setdefault(name, set()).add(alias or str(path.relative_to(repo)))
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


FRONT_DOORS = {"pytest_plugin.py", "authoring/desk.py"}  # pytest's, and a notebook's


def test_only_a_front_door_looks_for_the_project(repo: Path) -> None:
    """Below, it is handed in; `project_root` alone serves programs that have no front door."""
    package = repo / "src" / "dllab"
    callers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\bfind_root\b", path.read_text())
    }
    deep = {name for name in callers if not name.startswith("cli/")} - FRONT_DOORS
    assert deep == {"lab/project.py"}
    assert callers >= FRONT_DOORS | {"cli/train.py"}


def test_constraints_serve_every_machine(repo: Path) -> None:
    lines = (repo / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[^+\s]+", pin) for pin in pins), "a pin, and no build"
    assert not [pin for pin in pins if pin.startswith(("nvidia", "cuda", "triton"))]


def test_what_is_installed_is_what_is_pinned(repo: Path) -> None:
    from importlib.metadata import version

    lines = (repo / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    installed = {name: version(name).partition("+")[0] for name in pins}
    assert installed == pins

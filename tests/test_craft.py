"""The house rules, proved: style, format, types, layers, and links that lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TOOLS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_house_rules(repo: Path, tool: str) -> None:
    program, *arguments = TOOLS[tool]
    result = subprocess.run(
        [BIN / program, *arguments], cwd=repo, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"


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

"""Mutants and right variants of the reference; `dllab.checks.mutants` says how they are written."""

import runpy
from pathlib import Path
from typing import TypeVar

from dllab.checks.mutants import Mutant, Variant
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.starter import solve, without_wrong_code

T = TypeVar("T", Mutant, Variant)


def load_mutants(lab: Lab) -> list[Mutant]:
    """The mutants of a lab, in the order in which they are written.

    Raises LabError for a name that is there twice, or a mutant that cannot be planted.
    """
    return _load(lab, "MUTANTS", Mutant)


def load_variants(lab: Lab) -> list[Variant]:
    """The same for the lab's right variants, the reference itself not among them."""
    return _load(lab, "VARIANTS", Variant)


def _load(lab: Lab, name: str, kind: type[T]) -> list[T]:
    path = lab.folder / "_author" / "mutants.py"
    found = runpy.run_path(str(path)).get(name, []) if path.is_file() else []
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise LabError(
            f"{path}: {name} is not a list of {kind.__name__}", "see dllab.checks.mutants"
        )
    solution = lab.solution.read_text(encoding="utf-8") if found else ""
    names: set[str] = set()
    for one in found:
        if one.name in names:
            raise LabError(f"{path}: {one.name} is there twice", "give each a name of its own")
        names.add(one.name)
        plant(one, solution, path)
    return found


def plant(mutant: Mutant | Variant, solution: str, path: Path | str = "_author/mutants.py") -> str:
    """The whole mutated text of solution.py, without the wrong code that is handed out.

    Raises LabError when the mutant changes nothing, an edit's text is not in the solution just
    once, or its code is for no task.
    """
    source = right = without_wrong_code(solution)
    for old, new in mutant.edits:
        if source.count(old) != 1:
            raise LabError(
                f"{path}: {mutant.name}: {old!r} is in the solution {source.count(old)} times",
                "an edit's text must be there exactly once",
            )
        source = source.replace(old, new)
    for task, code in mutant.code.items():
        source = solve(source, task, code, f"{path}: {mutant.name}")
    if source == right:
        raise LabError(f"{path}: {mutant.name} changes nothing", "give it edits or code")
    return source

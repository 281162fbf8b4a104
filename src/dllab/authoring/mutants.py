"""Mutants planted in the reference; `dllab.checks.mutants` says how they are written."""

import runpy
from pathlib import Path

from dllab.checks.mutants import Mutant
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.starter import solve


def load_mutants(lab: Lab) -> list[Mutant]:
    """The mutants of a lab, in the order in which they are written.

    Raises LabError for a name that is there twice, or a mutant that cannot be planted.
    """
    path = lab.folder / "_author" / "mutants.py"
    if not path.is_file():
        return []
    mutants = runpy.run_path(str(path)).get("MUTANTS")
    if not isinstance(mutants, list) or not all(isinstance(m, Mutant) for m in mutants):
        raise LabError(f"{path}: MUTANTS is no list of Mutant", "see dllab.checks.mutants")
    solution = lab.solution.read_text(encoding="utf-8")
    names: set[str] = set()
    for mutant in mutants:
        if mutant.name in names:
            raise LabError(f"{path}: {mutant.name} is there twice", "give each a name of its own")
        names.add(mutant.name)
        plant(mutant, solution, path)
    return mutants


def plant(mutant: Mutant, solution: str, path: Path | str = "_author/mutants.py") -> str:
    """The whole mutated text of solution.py.

    Raises LabError when the mutant changes nothing, an edit's text is not in the solution just
    once, or its code is for no task.
    """
    source = solution
    for old, new in mutant.edits:
        if source.count(old) != 1:
            raise LabError(
                f"{path}: {mutant.name}: {old!r} is in the solution {source.count(old)} times",
                "an edit's text must be there exactly once",
            )
        source = source.replace(old, new)
    for task, code in mutant.code.items():
        source = solve(source, task, code, f"{path}: {mutant.name}")
    if source == solution:
        raise LabError(f"{path}: {mutant.name} changes nothing", "give it edits or code")
    return source

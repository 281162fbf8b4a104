r"""Mutants: the reference with one classic mistake planted, to prove that a check catches it.

A mutant is a file `_author/mutants/NAME.py` of three constants:

    CATCHES = "training-step"                        # the check (or criterion) that must fail
    WHY = "Gradients pile up over the steps."        # what the mistake does
    EDITS = [("        optimizer.zero_grad()\n", "")]  # (text of solution.py, its replacement)
"""

import runpy
from dataclasses import dataclass
from pathlib import Path

from dllab.errors import LabError
from dllab.lab.find import Lab


@dataclass(frozen=True)
class Mutant:
    """One planted mistake. `source` is the whole mutated solution.py."""

    name: str
    catches: str
    why: str
    source: str


def load_mutants(lab: Lab) -> list[Mutant]:
    """The mutants of a lab, by name.

    Raises LabError when a constant is missing, or an edit's text is not in solution.py just once.
    """
    solution = lab.solution.read_text(encoding="utf-8")
    paths = sorted((lab.folder / "_author" / "mutants").glob("[!_]*.py"))
    return [_load(path, solution) for path in paths]


def _load(path: Path, source: str) -> Mutant:
    said = runpy.run_path(str(path))
    missing = [name for name in ("CATCHES", "WHY", "EDITS") if not said.get(name)]
    if missing:
        raise LabError(f"{path}: {', '.join(missing)} is missing", "see dllab.authoring.mutants")
    for old, new in said["EDITS"]:
        if source.count(old) != 1:
            raise LabError(
                f"{path}: {old!r} is in the solution {source.count(old)} times",
                "an edit's text must be there exactly once",
            )
        source = source.replace(old, new)
    return Mutant(path.stem, said["CATCHES"], said["WHY"], source)

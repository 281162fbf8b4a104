"""What a lab costs to write: its files, and the lines of them that a person writes."""

from dataclasses import dataclass
from pathlib import Path

from dllab.authoring.generated import lab_page
from dllab.authoring.record import without_records
from dllab.lab.find import Lab

TEXTS = (".py", ".yaml", ".md", ".svg")
GENERATED = ("lab.py", "curves.svg", "calibration.svg")


@dataclass(frozen=True)
class Cost:
    """Files of a lab's folder, the lines of all, and of them those that nothing generates."""

    files: int
    lines: int
    by_hand: int


def cost_of(lab: Lab) -> Cost:
    """Generated are lab.py, pictures of runs, tables between markers, and records of runs."""
    paths = [
        path
        for path in lab.folder.rglob("*")
        if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts
    ]
    return Cost(
        len(paths),
        sum(_lines(p.read_text("utf-8")) for p in paths),
        sum(_by_hand(lab, p) for p in paths),
    )


def _by_hand(lab: Lab, path: Path) -> int:
    match path.name:
        case name if name in GENERATED:
            return 0
        case "README.md":
            return _lines(lab_page(lab).prose)
        case "lab.yaml":
            return _lines(without_records(path.read_text("utf-8")))
        case _:
            return _lines(path.read_text("utf-8"))


def _lines(text: str) -> int:
    return len(text.splitlines())

"""Parts of Markdown pages that are generated, between two comments that no reader sees:

<!-- generated: rubric -->
| what | asked | points |
…
<!-- end -->
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dllab.authoring import tables
from dllab.errors import LabError
from dllab.lab.find import Lab, all_labs

_BEGIN = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
_PART = re.compile(rf"{_BEGIN.pattern}\n(?:(?!<!-- ).*\n)*<!-- end -->$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A Markdown file, and what makes each part that it may hold, by name."""

    path: Path
    parts: Mapping[str, Callable[[], str]]

    @property
    def names(self) -> list[str]:
        """The parts that the file holds."""
        return _BEGIN.findall(self._read())

    @property
    def is_fresh(self) -> bool:
        """Whether every part is as it would be made now."""
        return self._read() == self._fresh()

    def renew(self) -> None:
        """Make every part anew; the rest of the file stays.

        Raises LabError for a part that is never closed or that nothing makes.
        """
        self.path.write_text(self._fresh(), encoding="utf-8")

    def _read(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def _fresh(self) -> str:
        text = self._read()
        if unknown := [name for name in self.names if name not in self.parts]:
            raise LabError(
                f"{self.path}: nothing generates {unknown[0]!r}",
                f"known parts: {', '.join(self.parts)}",
            )
        fresh, closed = _PART.subn(lambda part: self._part(part[1]), text)
        if closed < len(self.names):
            raise LabError(
                f"{self.path}: a generated part is never closed", "add <!-- end --> below its table"
            )
        return fresh

    def _part(self, name: str) -> str:
        return f"<!-- generated: {name} -->\n{self.parts[name]()}\n<!-- end -->"


def lab_page(lab: Lab) -> Page:
    """A lab's README.md."""
    parts = {"tasks": tables.task_table, "rubric": tables.rubric_table}
    bound = {name: partial(make, lab) for name, make in parts.items()}
    return Page(lab.folder / "README.md", bound)


def project_pages(root: Path) -> list[Page]:
    """The pages of a project that may list its labs. Private labs are listed nowhere."""
    labs = [lab for lab in all_labs(root) if lab.folder.parent == root / "labs"]
    paths = [path for path in (root / "README.md", *(root / "docs").glob("*.md")) if path.is_file()]
    return [Page(path, {"labs": partial(tables.labs_table, labs, path)}) for path in sorted(paths)]

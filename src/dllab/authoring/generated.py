"""Parts of Markdown pages that are generated, between two comments that no reader sees.

A table stands by itself, a number in a line:

    <!-- generated: rubric -->
    | what | asked | points |
    …
    <!-- end -->

    The network has <!-- value: parameters -->235,146<!-- end --> parameters.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dllab.authoring import tables
from dllab.authoring.answers import Answers
from dllab.errors import LabError
from dllab.lab.find import Lab, finished_labs

_BEGIN = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
_PART = re.compile(rf"{_BEGIN.pattern}\n(?:(?!<!-- ).*\n)*<!-- end -->$", re.MULTILINE)
_VALUE_BEGIN = re.compile(r"<!-- value: ([^>\n]+) -->")
_VALUE = re.compile(rf"{_VALUE_BEGIN.pattern}[^<\n]*<!-- end -->")


@dataclass(frozen=True)
class Page:
    """A Markdown file, what makes each part that it may hold, and each value that it may state."""

    path: Path
    parts: Mapping[str, Callable[[], str]]
    value: Callable[[str], str] | None = None

    @property
    def text(self) -> str:
        """The file as it is."""
        return self.path.read_text(encoding="utf-8")

    @property
    def names(self) -> list[str]:
        """The parts that the file holds."""
        return _BEGIN.findall(self.text)

    @property
    def prose(self) -> str:
        """The text without its generated parts."""
        return _PART.sub("", self.text)

    @property
    def is_fresh(self) -> bool:
        """Whether every part is as it would be made now."""
        return self.text == self._fresh()

    def renew(self) -> None:
        """Make every part anew; the rest of the file stays.

        Raises LabError for a part that is never closed or that nothing makes.
        """
        self.path.write_text(self._fresh(), encoding="utf-8")

    def _fresh(self) -> str:
        text = self.text
        if unknown := [name for name in self.names if name not in self.parts]:
            raise LabError(
                f"{self.path}: nothing generates {unknown[0]!r}",
                f"known parts: {', '.join(self.parts)}",
            )
        text, parts = _PART.subn(lambda part: self._part(part[1]), text)
        text, open_values = self._with_values(text)
        if parts < len(self.names) or open_values:
            raise LabError(
                f"{self.path}: a generated part is never closed", "add <!-- end --> behind it"
            )
        return text

    def _part(self, name: str) -> str:
        return f"<!-- generated: {name} -->\n{self.parts[name]()}\n<!-- end -->"

    def _with_values(self, text: str) -> tuple[str, int]:
        """With each value stated anew; and how many are never closed."""
        value = self.value
        if value is None:
            return text, 0
        text, stated = _VALUE.subn(
            lambda found: f"<!-- value: {found[1]} -->{value(found[1])}<!-- end -->", text
        )
        return text, len(_VALUE_BEGIN.findall(text)) - stated


def lab_page(lab: Lab) -> Page:
    """A lab's README.md."""
    makers = {
        "card": tables.card,
        "tasks": tables.task_table,
        "experiments": tables.experiment_table,
        "rubric": tables.rubric_table,
    }
    parts = {name: partial(make, lab) for name, make in makers.items()}
    return Page(lab.folder / "README.md", parts, Answers(lab))


def project_pages(root: Path) -> list[Page]:
    """The pages of a project that may list its labs. Private labs and drafts are listed nowhere."""
    labs = [lab for lab in finished_labs(root) if lab.folder.parent == root / "labs"]
    paths = [path for path in (root / "README.md", *(root / "docs").glob("*.md")) if path.is_file()]
    makers = {"labs": tables.labs_table, "mistakes": tables.mistakes_table}
    return [
        Page(path, {name: partial(make, labs, path) for name, make in makers.items()})
        for path in sorted(paths)
    ]

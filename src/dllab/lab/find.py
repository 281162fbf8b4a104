"""Labs by number: `03`, `lab03`, `rnn`, or `folder/03` where two folders share a number."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dllab.errors import LabError
from dllab.lab.project import lab_roots
from dllab.lab.read import load_spec
from dllab.lab.spec import LabSpec

_FOLDER = re.compile(r"lab(\d\d)_(\w+)")


@dataclass(frozen=True)
class Lab:
    """One room of the shelf: the project it belongs to and its folder."""

    root: Path
    folder: Path

    @property
    def id(self) -> str:
        """The folder's name, `lab03_rnn`; runs and submissions carry it."""
        return self.folder.name

    @property
    def number(self) -> str:
        """Two digits, as a learner types them."""
        return self.id[3:5]

    @property
    def slug(self) -> str:
        """The name without the number."""
        return self.id[6:]

    @property
    def package(self) -> str:
        """The importable name of the room; learner code is always `<package>.lab`."""
        return f"labs.{self.id}"

    @property
    def code(self) -> Path:
        """The one file a learner edits."""
        return self.folder / "lab.py"

    @property
    def solution(self) -> Path:
        """The reference; absent from a learner's copy."""
        return self.folder / "_author" / "solution.py"

    @property
    def answers(self) -> Path:
        """What computes the numbers of the page; absent from a learner's copy."""
        return self.folder / "_author" / "answers.py"

    @cached_property
    def spec(self) -> LabSpec:
        """lab.yaml, read on first use."""
        return load_spec(self.folder, kept=self.root / ".cache" / "labs")

    def with_spec(self, spec: LabSpec) -> "Lab":
        """The same room with another lab.yaml, for a grader that looks at a part of it."""
        lab = Lab(self.root, self.folder)
        lab.__dict__["spec"] = spec
        return lab


def all_labs(root: Path) -> list[Lab]:
    """Every lab of the project and of `DLLAB_LABS`, by number."""
    return [lab for lab in _rooms(root) if (lab.folder / "lab.yaml").is_file()]


def finished_labs(root: Path) -> list[Lab]:
    """Those that are not drafts: what learners are told of."""
    return [lab for lab in all_labs(root) if not lab.spec.draft]


def find_lab(root: Path, name: str) -> Lab:
    """The lab that `name` means; unknown and ambiguous names are errors that list the choices."""
    labs = all_labs(root)
    found = [lab for lab in labs if _is_called(lab, name)]
    twins = [lab for lab in labs if found and lab.id == found[0].id]
    if len(twins) > 1:
        raise LabError(
            f"{found[0].id} is there twice: {_places(twins)}",
            "runs and submissions carry this name: rename one of the folders",
        )
    if len(found) == 1:
        return found[0]
    if found:
        choices = [f"{lab.folder.parent.name}/{lab.number}" for lab in found]
        if len(set(choices)) < len(found):  # in folders of one name, or in one
            choices = [lab.id for lab in found]
        hint = f"say {' or '.join(choices)}"
        raise LabError(f"lab {name} is there twice: {_places(found)}", hint)
    if bare := [lab.folder for lab in _rooms(root) if _is_called(lab, name)]:
        raise LabError(f"{bare[0]} has no lab.yaml", "every lab folder needs one")
    shelf = ", ".join(f"{lab.number} {lab.slug}" for lab in labs) or "none"
    near = difflib.get_close_matches(name.rpartition("/")[2], [lab.slug for lab in labs], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise LabError(f"there is no lab {name!r}", f"{hint}the labs here: {shelf}")


def _rooms(root: Path) -> list[Lab]:
    """The folders that are named like labs. One that has lost its files is not a lab."""
    folders = [
        folder
        for parent in lab_roots(root)
        for folder in parent.iterdir()
        if _FOLDER.fullmatch(folder.name) and folder.is_dir()
    ]
    return [Lab(root, folder) for folder in sorted(folders, key=lambda f: (f.name, str(f)))]


def _places(labs: Sequence[Lab]) -> str:
    return " and ".join(str(lab.folder) for lab in labs)


def _is_called(lab: Lab, name: str) -> bool:
    parent, _, last = name.rpartition("/")
    return (not parent or lab.folder.parent.name == parent) and _names(lab, last)


def _names(lab: Lab, name: str) -> bool:
    digits = name.removeprefix("lab")
    same_number = digits.isdecimal() and int(digits) == int(lab.number)
    return same_number or name in (lab.id, lab.slug)

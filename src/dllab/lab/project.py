"""Where the project is: a front door finds it from the working directory, and hands it in.

Learner code asks for data by a set's name alone. What it gets is that of the project entered, which
is its lab's: wherever the process stands.
"""

import os
import sys
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from dllab.errors import LabError

_entered: list[Path] = []  # one process works in one project at a time


def find_root(start: Path | None = None) -> Path:
    """The nearest ancestor of the working directory with `labs/` and `pyproject.toml`.

    Failing that, `DLLAB_ROOT`. The package's own folder is never asked: an editable install
    must not find another clone's labs.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if _is_root(folder):
            return folder
    named = os.environ.get("DLLAB_ROOT")
    if named and _is_root(Path(named)):
        return Path(named).resolve()
    raise LabError(
        f"no dllab project here: no folder from {here} up holds labs/ and pyproject.toml",
        "change into your clone of dllab, or set DLLAB_ROOT to its folder",
    )


def enter(root: Path) -> None:
    """Let this process work in a project, for all that does not say in which."""
    _entered[:] = [root]


def project_root() -> Path:
    """The project entered. A program that enters none, a script with `dllab.data`, is a front door
    itself: for it the project is found.
    """
    return _entered[0] if _entered else find_root()


def lab_roots(root: Path) -> list[Path]:
    """Folders that hold labs: the project's own, those named in `DLLAB_LABS`, those of packages."""
    private = [
        Path(p).expanduser() for p in os.environ.get("DLLAB_LABS", "").split(os.pathsep) if p
    ]
    for folder in private:
        if not folder.is_dir():
            raise LabError(
                f"DLLAB_LABS names {folder}, which is not a folder", "correct or unset it"
            )
    found = [
        root / "labs",
        *(folder.resolve() for folder in (*private, *_installed(tuple(sys.path)))),
    ]
    return list(dict.fromkeys(found))


@cache  # by what can be imported: the answer is asked for dozens of times a run
def _installed(_path: tuple[str, ...]) -> list[Path]:
    """Folders of installed packages that offer labs.

    A package offers its labs by an entry point of the group `dllab.labs` whose value is the
    module (a package) in whose folder they lie. It is found, not imported.
    """
    folders: list[Path] = []
    for point in entry_points(group="dllab.labs"):
        try:
            spec = find_spec(point.module)
        except ModuleNotFoundError:
            spec = None
        places = spec.submodule_search_locations if spec else None
        if not places:
            raise LabError(
                f"the installed package of labs {point.name!r} names {point.value}, "
                "which is not a package",
                "reinstall or remove it",
            )
        folders += [Path(place) for place in places]
    return folders


def _is_root(folder: Path) -> bool:
    return (folder / "labs").is_dir() and (folder / "pyproject.toml").is_file()

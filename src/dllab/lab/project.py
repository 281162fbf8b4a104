"""Where the project is: found from the working directory, never from the installed package."""

import os
from pathlib import Path

from dllab.errors import LabError


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


def lab_roots(root: Path) -> list[Path]:
    """Folders that hold labs: the project's own, then those named in `DLLAB_LABS`."""
    private = [
        Path(p).expanduser() for p in os.environ.get("DLLAB_LABS", "").split(os.pathsep) if p
    ]
    for folder in private:
        if not folder.is_dir():
            raise LabError(
                f"DLLAB_LABS names {folder}, which is not a folder", "correct or unset it"
            )
    return [root / "labs", *(folder.resolve() for folder in private)]


def _is_root(folder: Path) -> bool:
    return (folder / "labs").is_dir() and (folder / "pyproject.toml").is_file()

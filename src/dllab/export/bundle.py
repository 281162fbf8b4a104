"""A Gradescope autograder for one lab, complete: nothing is fetched but pinned packages.

setup.sh           run once, as root, when Gradescope builds the image
run_autograder     run for each submission
project/           dllab's source, pinned requirements, and this one lab with its _author
hidden/            the hidden set, when one was given
"""

import shutil
from pathlib import Path

from dllab.errors import LabError
from dllab.lab.find import Lab

# pyproject.toml names README.md and LICENSE: the package cannot be built without them.
PROJECT = (
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
    "src/dllab",
    "configs",
    "data",
)
SCRIPTS = Path(__file__).parent / "gradescope_scripts"


def write_bundle(lab: Lab, folder: Path, *, hidden: Path | None = None) -> Path:
    """Write the bundle into an empty folder, and its zip beside it; the zip's path.

    Raises LabError when the lab has no `_author`, when the hidden set or a part of the project is
    missing, and when the folder holds something already.
    """
    _check(lab, folder, hidden)
    project = folder / "project"
    for name in PROJECT:
        _copy(lab.root / name, project / name)
    _copy(lab.root / "labs/checklist.yaml", project / "labs/checklist.yaml")
    _copy(lab.folder, project / "labs" / lab.id)
    if hidden:
        _copy(hidden, folder / "hidden")
    for name in ("setup.sh", "run_autograder"):
        script = folder / name
        shutil.copyfile(SCRIPTS / f"{script.stem}.sh", script)
        script.chmod(0o755)
    return Path(shutil.make_archive(str(folder.resolve()), "zip", folder))


def _check(lab: Lab, folder: Path, hidden: Path | None) -> None:
    if not lab.solution.is_file():
        raise LabError(
            f"{lab.id} has no _author: hidden checks need it", "export from the authors' copy"
        )
    if hidden and not hidden.is_dir():
        raise LabError(
            f"there is no hidden set at {hidden}", f"make one: dllab hidden build {lab.number}"
        )
    missing = [name for name in PROJECT if not (lab.root / name).exists()]
    if missing:
        raise LabError(
            f"{lab.root} lacks {', '.join(missing)}", "export from a whole clone of dllab"
        )
    if folder.exists() and any(folder.iterdir()):
        raise LabError(f"{folder} is not empty", "name a new folder")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
        shutil.copytree(source, target, ignore=ignore)
    else:
        shutil.copyfile(source, target)

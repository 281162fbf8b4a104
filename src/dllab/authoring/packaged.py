"""Labs that travel in dllab's wheel: packed when it is built, unpacked by `dllab init`.

They travel in one archive beside this module, in their released form, so that a course begins
anywhere with one install, and the labs are always those that this version of dllab was tested with.
Run as a program, this module packs those of a project: `python -m dllab.authoring.packaged .`
(`make dist`).
"""

import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dllab.authoring.generated import project_pages
from dllab.authoring.release import choose_labs, release, write_pages
from dllab.errors import LabError
from dllab.lab.find import Lab, finished_labs
from dllab.version import __version__

ARCHIVE = Path(__file__).with_name("course.zip")
SETUP = ".course"  # of a course, what builds its environment, for which the package is too late
SETS_UP = ("bootstrap.py", "torchvision_hook.py")
RECORD = f"{SETUP}/course.json"
_EARLY = (1980, 1, 1, 0, 0, 0)  # zip knows no earlier time; one for all makes equal archives


def pack(root: Path, archive: Path = ARCHIVE) -> None:
    """Write the finished labs of a project in their released form into an archive.

    Raises LabError where `dllab release` does: above all when some file would show a solution.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "course"
        release(root, finished_labs(root), copy)
        package = copy / "src" / "dllab"
        (copy / SETUP).mkdir()
        for name in SETS_UP:
            shutil.move(package / name, copy / SETUP / name)
        shutil.rmtree(copy / "src")
        makefile = (copy / "Makefile").read_text(encoding="utf-8")
        makefile = makefile.replace("src/dllab/bootstrap.py", f"{SETUP}/bootstrap.py")
        (copy / "Makefile").write_text(makefile, encoding="utf-8")
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        said = {"version": __version__, "requires_python": project["requires-python"]}
        write_pages(copy, ("pyproject.toml",), **said)
        _zip(copy, archive)


def _zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            file.writestr(zipfile.ZipInfo(name, _EARLY), path.read_bytes(), zipfile.ZIP_DEFLATED)


class Course(BaseModel):
    """What was brought into a course: by which dllab, which labs were asked for, and of each file
    the SHA-256, by which one knows later what a learner has changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    labs: str | None
    files: dict[str, str]

    @classmethod
    def read(cls, course: Path) -> "Course":
        """Raises LabError for a folder in which `dllab init` has not begun a course."""
        try:
            return cls.model_validate_json((course / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LabError(
                f"{course} is not a course that dllab init began: {error}",
                "in a clone or a copy of your instructor's, git pull brings what is new",
            ) from None


def digest(path: Path) -> str:
    """The SHA-256 of a file; empty where there is none."""
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def unpack(out: Path, wanted: str | None = None, archive: Path = ARCHIVE) -> Sequence[Lab]:
    """Begin a course in the new folder `out`, with the labs that `wanted` names (`01-03,07`) or
    all; return them.

    Raises LabError when this dllab brings no labs, when `out` holds anything, or for a lab that is
    not there. Nothing is left behind of a course that could not be begun.
    """
    if not archive.is_file():
        raise LabError(
            "this dllab brings no labs: it runs from a clone, which is a course itself",
            "make lab-01 there; `dllab release OUT` writes a copy for learners",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LabError(f"{out} is there already, and not empty", "name a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".dllab-") as folder:
        course = Path(folder) / "course"
        with zipfile.ZipFile(archive) as file:
            file.extractall(course)
        labs = choose_labs(course, wanted) if wanted else finished_labs(course)
        for lab in finished_labs(course):
            if lab not in labs:
                shutil.rmtree(lab.folder)
        write_pages(course, labs=labs)
        for page in project_pages(course):
            page.renew()
        shutil.rmtree(course / ".cache", ignore_errors=True)
        files = [path for path in sorted(course.rglob("*")) if path.is_file()]
        brought = {path.relative_to(course).as_posix(): digest(path) for path in files}
        record = Course(version=__version__, labs=wanted, files=brought)
        (course / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        course.rename(out)
    return labs


if __name__ == "__main__":
    pack(Path(sys.argv[1]).resolve())
    sys.stdout.write(f"{ARCHIVE}: {ARCHIVE.stat().st_size / 1e6:.1f} MB\n")

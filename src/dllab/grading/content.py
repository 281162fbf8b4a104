"""What graded: a hash of all that an official grade depends on, the submission and its items apart.

A batch grades anew what was graded by another content: after a check was mended, a threshold
moved, or the grader itself changed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import dllab
from dllab.lab.find import Lab
from dllab.lab.formats import BreakIt

# Of dllab, what decides on points; `training` and `config` do so with --retrain.
ROOMS = (
    "checks",
    "config",
    "data",
    "grading",
    "lab",
    "metrics",
    "rundir",
    "sandbox",
    "submission",
    "training",
)
MUTANTS = "_author/mutants.py"  # only a break-it criterion is graded by them


@cache
def grader_content(lab: Lab | None) -> str:
    """The grader's code; of the lab its checks, probes, lab.yaml, given code, reference and config.

    Without a lab (an archive that names none) the grader's code alone. What a process has seen of a
    lab first is what it answers ever after: its checks are imported once, too.
    """
    digest = hashlib.sha256(_code().encode())
    if lab is not None:
        digest.update(_hash(lab.folder, _files_of(lab)).encode())
        configs = lab.root / "configs"  # what --retrain composes beside the lab's own
        digest.update(_hash(configs, configs.rglob("*.yaml")).encode())
    return digest.hexdigest()


def _files_of(lab: Lab) -> Iterator[Path]:
    folder = lab.folder
    # What no grading reads: the learner's own file, and what the page states.
    out = {lab.code, lab.answers}
    if not any(isinstance(one, BreakIt) for one in lab.spec.formats.values()):
        out.add(folder / MUTANTS)
    yield folder / "lab.yaml"
    for files in (folder.glob("*.py"), folder.glob("*.csv"), (folder / "conf").rglob("*.yaml")):
        yield from (file for file in files if file not in out)
    for file in (folder / "_author").rglob("*"):
        if file.is_file() and file.suffix != ".pyc" and file not in out:
            yield file


@cache
def _code() -> str:
    source = Path(dllab.__file__).parent
    files = [file for room in ROOMS for file in (source / room).rglob("*.py")]
    return _hash(source, [*files, source / "result.py"])


def _hash(folder: Path, files: Iterable[Path]) -> str:
    """Over names and bytes: the same wherever the folder lies."""
    digest = hashlib.sha256()
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()

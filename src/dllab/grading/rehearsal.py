"""An archive as the grader's machine sees it, tried before it is handed in: lab.py alone, beside
the lab's own files and the pinned packages, behind a wall where there is one.
"""

import ast
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from dllab.errors import InfraError, Ungradable
from dllab.grading.grade import grade_run
from dllab.grading.items import PublicTest
from dllab.lab.find import Lab
from dllab.lab.project import enter
from dllab.lab.todo import parse_file
from dllab.result import Result
from dllab.sandbox.backends import find_backend, open_backend
from dllab.submission.intake import take_in

# Of a lab's folder, what its author wrote; anything else is a learner's, and stays at home.
AUTHORS = ("lab.yaml", "checks.py", "given.py", "starter.py", "conf", "*.csv")
HANDED_OUT = ("given", "checks")
SHARED = ("pyproject.toml", "data", "configs", ".cache")
# What Python says of a file, or of a module, that is not there.
NOT_THERE = re.compile(r"(ModuleNotFound|ImportError|FileNotFound|Permission)\w*: .*")


def require_gradable(lab: Lab, archive: Path) -> Result:
    """The practice grade of an archive, given as the instructor's machine would give it.

    Raises Ungradable, with the culprit's name, where it could not be graded there, or where what
    it needs is only here. InfraError when this machine cannot try.
    """
    for culprit in foreign_imports(lab.code, lab):
        raise Ungradable(culprit, "lab.py is handed in alone: write into it what it needs")
    with tempfile.TemporaryDirectory(prefix="dllab-rehearsal-") as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        run = take_in(archive, lab, place / "run").run
        alone = _without_the_learners(lab, place / "project")
        with open_backend(_best_wall()) as wall:
            result = grade_run(
                alone, run, mode="practice", backend=wall, source=PublicTest()
            ).result
    enter(lab.root)  # grading has entered the copy, which is gone
    _require_whole(result)
    return result


def foreign_imports(code: Path, lab: Lab) -> Iterator[str]:
    """What the code imports and the grader's machine has not: each with its line.

    What is tried and may be missing is passed over: an import inside of `try`.
    """
    pinned = _pinned(lab.root)
    for node, name in _imports(parse_file(code)):
        top = name.removeprefix(f"{lab.package}.").lstrip(".").partition(".")[0]
        place = f"{code.name}:{node.lineno} imports {top or name}"
        if _is_own(name, lab):
            yield f"{place}, a file of your own: it is not handed in"
        elif pinned and top not in sys.stdlib_module_names and _is_foreign(top, pinned):
            yield f"{place}, which is not among the packages that the grader has"


def _imports(tree: ast.AST, tried: bool = False) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names) if not tried:
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(module=module, level=level, names=names) if not tried:
                dots = "." * level
                inner = f"{module}." if module else ""
                yield from ((node, f"{dots}{inner}{alias.name}") for alias in names)
            case _:
                yield from _imports(node, tried or isinstance(node, ast.Try))


def _is_own(name: str, lab: Lab) -> bool:
    """Whether a module is a file of the learner's, in the lab's folder or in the project's."""
    inside = name.startswith((".", f"{lab.package}."))
    top = name.removeprefix(f"{lab.package}.").lstrip(".").partition(".")[0]
    if inside:
        come_along = (*HANDED_OUT, "files") if lab.spec.learner_files else HANDED_OUT
        return top not in come_along and _lies_in(lab.folder, top)
    known = top in sys.stdlib_module_names or top in ("dllab", "labs")
    if known or packages_distributions().get(top):
        return False
    return _lies_in(lab.root, top) or _lies_in(lab.folder, top)


def _lies_in(folder: Path, module: str) -> bool:
    return (folder / f"{module}.py").is_file() or (folder / module).is_dir()


def _is_foreign(top: str, pinned: set[str]) -> bool:
    if top in ("dllab", "labs"):
        return False
    distributions = packages_distributions().get(top, [])
    return bool(distributions) and not {_normal(one) for one in distributions} & pinned


def _pinned(root: Path) -> set[str]:
    """The packages of constraints.txt; none where the project has no such file."""
    path = root / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {_normal(line.partition("==")[0]) for line in lines if "==" in line}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def _without_the_learners(lab: Lab, root: Path) -> Lab:
    """A project with this lab alone, as its author handed it out."""
    folder = root / "labs" / lab.id
    folder.mkdir(parents=True)
    for pattern in AUTHORS:
        for path in lab.folder.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copyfile(path, folder / path.name)
    (lab.root / ".cache").mkdir(exist_ok=True)
    for name in SHARED:
        if (lab.root / name).exists():
            (root / name).symlink_to(lab.root / name)
    return Lab(root, folder)


def _best_wall() -> str:
    """Without a wall it is tried all the same: the code in a process and a folder of its own."""
    try:
        return find_backend("auto").name
    except InfraError:
        return "none"


def _require_whole(result: Result) -> None:
    if result.verdict == "ungradable":
        raise Ungradable(result.reason, "this is what the instructor's machine would say")
    if result.verdict == "infra_error":
        raise InfraError(result.reason)
    for row in result.checks:
        if row.status == "fail" and (missing := NOT_THERE.search(row.message)):
            raise Ungradable(
                f"{row.title}: {missing[0]}",
                "nothing but lab.py is handed in: what it opens by path stays here",
            )

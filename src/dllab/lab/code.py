"""Which code runs, and how it is imported: always as `labs.labNN_slug.lab`."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dllab.errors import LabError, LearnerError, NextStep
from dllab.lab.encoding import keep_lines
from dllab.lab.find import Lab
from dllab.lab.project import enter
from dllab.lab.starter import is_untouched
from dllab.lab.todo import open_todos
from dllab.result import Impl

HANDED_OUT = "/given.py"


@dataclass(frozen=True)
class Implementation:
    """The file that runs. Decided by the file, never by likeness to the solution."""

    kind: Impl
    path: Path
    because_untouched: bool = False


def choose_impl(lab: Lab, wanted: str = "auto") -> Implementation:
    """The learner's lab.py, or the reference while lab.py is still the untouched starter.

    Raises NextStep (exit 1) naming the first TODO, its line and hint, while any is left; LabError
    (exit 2) for `reference` where no `_author` is.
    """
    if wanted not in ("auto", "mine", "reference"):
        raise LabError(
            f"impl={wanted} is none of auto, mine, reference", "say impl=mine or impl=reference"
        )
    if wanted == "reference":
        if not lab.solution.is_file():
            raise LabError(
                f"{lab.id} has no reference here: this is a learner's copy",
                "leave impl=reference out",
            )
        return Implementation("reference", lab.solution)
    if not lab.code.is_file():
        raise LabError(
            f"{lab.code} is missing", f"dllab reset {lab.number} brings the starter back"
        )
    if wanted == "auto" and lab.solution.is_file() and is_untouched(lab):
        return Implementation("reference", lab.solution, because_untouched=True)
    require_no_todos(lab)
    return Implementation("mine", lab.code)


def require_no_todos(lab: Lab) -> None:
    """Raise NextStep for the first unfinished task of lab.py."""
    todos = open_todos(lab.code)
    if not todos:
        return
    todo = todos[0]
    steps = lab.spec.hints.get(todo.task, ())
    left = f" ({len(todos)} left)" if len(todos) > 1 else ""
    place = lab.code.relative_to(lab.root) if lab.code.is_relative_to(lab.root) else lab.code
    hint = steps[0] if steps else f"dllab hint {lab.number} {todo.task}"
    raise NextStep(
        f"next TODO{left}: {todo.task}, {place}:{todo.line}\n  {todo.text}",
        f"{hint}\nmake watch-{lab.number} runs the checks each time you save",
    )


def import_room(lab: Lab) -> ModuleType:
    """Import `labs.labNN_slug`, so that `given`, `checks` and `lab` import below it.

    `labs` is made to look in this lab's own parent first: the working directory's clone wins over
    whatever an installed package or another clone would offer, and private folders join. The lab's
    project is entered: its code asks for data there.
    """
    enter(lab.root)
    labs = sys.modules.setdefault("labs", ModuleType("labs"))
    folder, parent = str(lab.folder), str(lab.folder.parent)
    path = [p for p in getattr(labs, "__path__", []) if p != parent]
    labs.__path__ = [parent, *path]
    loaded = sys.modules.get(lab.package)
    if loaded is not None and list(loaded.__path__) == [folder]:
        return loaded
    if loaded is not None:
        _forget(lab.package)
    room = _package(lab.package, folder)
    setattr(labs, lab.id, room)
    _package(f"{lab.package}._author", str(lab.folder / "_author"))
    return room


def _package(name: str, folder: str) -> ModuleType:
    """Made by hand: the import system would join all folders of this name to one package, and run
    an `__init__.py`, which the sandbox may not read.
    """
    made = sys.modules[name] = ModuleType(name)
    made.__path__ = [folder]
    return made


def _forget(package: str) -> None:
    """Costly in a fork: to look at the names of all modules copies the pages that they lie on."""
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]


def _import_files(lab: Lab, path: Path) -> None:
    """Let `labs.labNN_slug.files` be the files that lie beside this code, and none of another's."""
    package = f"{lab.package}.files"
    if package in sys.modules:
        _forget(package)
    if (folder := path.parent / "files").is_dir():
        _package(package, str(folder))


def import_lab(lab: Lab, path: Path) -> ModuleType:
    """Import the code at `path` under the one name that a lab has.

    Raises LearnerError with the learner's own frames when the file fails to import, or when it does
    not define all that the lab exports.
    """
    return import_code(lab, path, lab.spec.exports)


def import_code(lab: Lab, path: Path, exports: Iterable[str]) -> ModuleType:
    """`import_lab` where lab.yaml has been read already, and elsewhere."""
    import_room(lab)
    _import_files(lab, path)
    name = f"{lab.package}.lab"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    keep_lines(path)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # exit() in it ends nothing but its own import
        del sys.modules[name]
        raise learner_error(error, path, "it could not be imported") from error
    missing = [export for export in exports if not hasattr(module, export)]
    if missing:
        raise LearnerError(
            f"{path} does not define {', '.join(missing)}",
            "",
            "the lab's README names what it exports",
        )
    return module


def learner_error(error: BaseException, path: Path, what: str) -> LearnerError:
    """Wrap an exception of learner code: their own frames, and nobody else's."""
    where = _last_line(error, path)
    headline = f"{path.name}{where}: {what}: {_said(error)}"
    return LearnerError(headline, learner_traceback(error, path))


def learner_traceback(error: BaseException, path: Path) -> str:
    """The frames in the learner's file and in what was handed out, as Python prints them."""
    kept = [f for f in _frames(error) if _same(f.filename, path) or f.filename.endswith(HANDED_OUT)]
    lines = ["Traceback (most recent call last):\n"] if kept else []
    lines += traceback.format_list(kept)
    ending = traceback.format_exception_only(error) if _is_own(error) else [_said(error)]
    return "".join([*lines, *ending]).rstrip()


def is_learners(error: BaseException, path: Path) -> bool:
    """Whether any frame of the exception lies in the learner's file."""
    return any(_same(f.filename, path) for f in _frames(error))


def _is_own(error: BaseException) -> bool:
    """Whether learner code raised it itself; ours tell of what happened in another process."""
    return not type(error).__module__.startswith("dllab.")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if _is_own(error) else str(error)


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Those of the exception, and those that came along from elsewhere (see `checks.blame`)."""
    return [*traceback.extract_tb(error.__traceback__), *getattr(error, "frames", ())]


def _last_line(error: BaseException, path: Path) -> str:
    lines = [f.lineno for f in _frames(error) if _same(f.filename, path)]
    return f":{lines[-1]}" if lines else ""


def _same(filename: str, path: Path) -> bool:
    return Path(filename) == path

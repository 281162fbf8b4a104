"""The learners' copy of a project: what they need, nothing of what the authors keep.

What goes in is listed here; a new file of the project stays out until somebody adds it. At the end
the whole copy is searched for the solutions, and one that holds any is not kept.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from dllab.authoring.generated import project_pages
from dllab.authoring.leaks import Leak, leaks_of, texts_of
from dllab.errors import LabError
from dllab.lab.find import Lab, find_lab
from dllab.lab.starter import make_starter

FILES = (
    "pyproject.toml",
    "constraints.txt",
    "requirements-tpu.txt",
    "LICENSE",
    ".gitignore",
    ".gitattributes",
    ".editorconfig",
    ".devcontainer/Dockerfile",
    ".devcontainer/devcontainer.json",
    ".vscode/extensions.json",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    "labs/checklist.yaml",
)
FOLDERS = ("configs", "data", "src/dllab")
DOCS = (
    "checklist.md",
    "first-hour.txt",
    "hardware.md",
    "learners.md",
    "troubleshooting.md",
    "watch-03.txt",
)
# Rendered from templates; AGENTS.md speaks to a learner's coding assistant.
PAGES = ("README.md", "AGENTS.md", "tests/test_course.py")
LEFT_OUT = ("__pycache__", "*.pyc", "*.bak", ".*", "_author")
# What only authors run, or begins another course; of the room learners need the notebooks.
AUTHORS_COMMANDS = ("calibrate", "doctor", "init", "new", "release", "strip")
LEARNERS_AUTHORING = ("__init__.py", "desk.py", "notebook.py")
AUTHORS_PART = re.compile(r"# --- work on dllab -+\n.*?(?=# --- the environment)", re.DOTALL)
LEARNERS_PART = """\
# --- check ----------------------------------------------------------------------------------------

test: setup  ## check this copy, and all that you have written so far
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(VENV) -m pytest -q $(value ARGS)

"""


def choose_labs(root: Path, wanted: str) -> list[Lab]:
    """The labs that `01-03,07` means, in that order."""
    names: list[str] = []
    for part in wanted.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            names += [f"{number:02}" for number in range(int(first), int(last) + 1)]
        else:
            names.append(part)
    return [find_lab(root, name) for name in names]


def release(root: Path, labs: Sequence[Lab], out: Path, course: Path | None = None) -> None:
    """Write the learners' copy of `labs` into the new folder `out`.

    Raises LabError when `out` holds anything, when a lab has no reference to make its starter
    from, or when some file of the copy would show a line of a solution.
    """
    if out.exists() and any(out.iterdir()):
        raise LabError(f"{out} is not empty", "name a new folder for the learners' copy")
    if drafts := [lab.id for lab in labs if lab.spec.draft]:
        raise LabError(
            f"{drafts[0]} is a draft", "release it when `draft: true` is gone from its lab.yaml"
        )
    if not labs:
        raise LabError("there are no labs to release", "name some with --labs")
    if course is not None and not course.is_file():
        raise LabError(f"there is no course file {course}", "correct --course")
    out.mkdir(parents=True, exist_ok=True)
    _copy_shared(root, out)
    for lab in labs:
        _copy_lab(lab, out / "labs" / lab.id)
    _copy_data(labs, out)
    write_pages(out, labs=labs)
    for page in project_pages(out):
        page.renew()
    shutil.rmtree(out / ".cache", ignore_errors=True)  # what was checked of the copy, for us alone
    if course is not None:
        shutil.copyfile(course, out / "course.yaml")
    if leaks := list(find_leaks(out, labs)):
        shutil.rmtree(out)
        places = "\n  ".join(
            f"{leak.path.relative_to(out)}:{leak.line} {leak.text}" for leak in leaks
        )
        raise LabError(
            f"nothing was released: these files would show solutions\n  {places}",
            "say it in other words; `dllab doctor --fast` finds the same places",
        )


def find_leaks(folder: Path, labs: Sequence[Lab]) -> Iterator[Leak]:
    """Every line of the labs' solutions that some file below `folder` holds."""
    solutions = [lab.solution.read_text(encoding="utf-8") for lab in labs]
    starters = "\n".join(map(make_starter, solutions))
    texts = list(texts_of(path for path in sorted(folder.rglob("*")) if path.is_file()))
    for solution in solutions:
        yield from leaks_of(solution, starters, texts)


def start_repository(out: Path) -> None:
    """Make the copy a git repository with one commit, ready to be pushed."""
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "The labs"]):
        done = subprocess.run(["git", *words], cwd=out, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(
                f"git {words[0]} failed: {done.stderr.strip()}",
                "the copy is written; mend this, then commit it yourself",
            )


def _copy_shared(root: Path, out: Path) -> None:
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    for name in FOLDERS:
        shutil.copytree(root / name, out / name, ignore=ignore)
    _drop_authors_part(out / "src/dllab")
    for name in (*FILES, *(f"docs/{page}" for page in DOCS)):
        if (root / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, out / name)
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    ours, times = AUTHORS_PART.subn(lambda _: LEARNERS_PART, makefile)
    if times != 1:
        raise LabError("the Makefile has no part `work on dllab`", "mend dllab.authoring.release")
    phony = ".PHONY: help setup setup-tpu test clean"
    (out / "Makefile").write_text(re.sub(r"\.PHONY:.*", phony, ours), encoding="utf-8")


def _drop_authors_part(package: Path) -> None:
    for name in AUTHORS_COMMANDS:
        (package / "cli" / f"{name}.py").unlink()
    shutil.rmtree(package / "authoring/templates")
    for path in (package / "authoring").glob("*.py"):
        if path.name not in LEARNERS_AUTHORING:
            path.unlink()


def _copy_data(labs: Sequence[Lab], out: Path) -> None:
    """The sets that labs from outside bring along; the project's own are there already."""
    for data in {lab.folder.parent / "data" for lab in labs}:
        if data.is_dir():
            ignore = shutil.ignore_patterns(*LEFT_OUT)
            shutil.copytree(data, out / "data", ignore=ignore, dirs_exist_ok=True)


def _copy_lab(lab: Lab, folder: Path) -> None:
    """The lab without its author's folder; lab.py is the starter, whatever stands there now."""
    if not lab.solution.is_file():
        raise LabError(
            f"{lab.id} has no _author/solution.py to make the starter from",
            "release from the authors' copy",
        )
    shutil.copytree(lab.folder, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in lab.spec.sheets:  # an author's own try
        (folder / name).unlink(missing_ok=True)
    starter = make_starter(lab.solution.read_text(encoding="utf-8"), str(lab.solution))
    for name in ("lab.py", "starter.py"):
        (folder / name).write_bytes(starter.encode())


def write_pages(out: Path, names: Sequence[str] = PAGES, **said: object) -> None:
    """Render pages of a learners' copy from their templates; README.md speaks of `labs`."""
    templates = Environment(
        loader=PackageLoader("dllab.authoring", "templates/release"),
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown and Python, no HTML
    )
    for name in names:
        text = templates.get_template(f"{Path(name).name}.j2").render(said)
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")

"""Tiny labs of every kind that the contract must carry: complete rooms, as an author writes."""

import os
import shutil
import subprocess
import sys
import traceback
import warnings
from contextlib import chdir
from pathlib import Path

from dllab.authoring.generated import lab_page
from dllab.authoring.rules_page import OF_TRAINING, SECTIONS
from dllab.authoring.strip import strip
from dllab.cli import main
from dllab.data.build import build
from dllab.data.catalog import find
from dllab.lab.find import Lab

HERE = Path(__file__).parent / "kinds"
REPO = Path(__file__).resolve().parent.parent
KINDS = tuple(sorted(file.parent.name for file in HERE.glob("*/lab.yaml")))
ENGINE = (HERE / "code_only/_author/solution.py").read_text()


def make_root(root: Path) -> Path:
    """An empty project with a checklist of one topic."""
    (root / "labs").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "configs").symlink_to(REPO / "configs")
    (root / "labs" / "checklist.yaml").write_text(
        "topics:\n- {id: tiny, title: Tiny, level: beginner, category: data, hands_on: yes,\n"
        "   mastery: Be small., concepts: [small], prerequisites: [], how: {planned: 1}}\n"
        "boxes: []\n"
    )
    return root


ANSWERS = """\
def one(lab, config):
    return 1


def two(lab, config):
    return "two"
"""


def write_page(lab: Lab, title: str) -> None:
    """A page that has all the doctor asks for, and not a word more."""
    sections = {name: "" for name in SECTIONS if lab.spec.arms or name not in OF_TRAINING}
    some_check = next(iter(lab.spec.checks))
    sections["You will be able to"] = f"- do it (`{some_check}`)\n" * 3
    sections["Predict first"] = (
        "<details>\n<!-- value: one --><!-- end -->, <!-- value: two --><!-- end --></details>\n"
    )
    sections["Questions"] = "<details></details>\n" * 3
    tables = {"Tasks": "tasks", "Rubric": "rubric"}
    if lab.spec.experiments:
        tables["Experiments"] = "experiments"
    for section, table in tables.items():
        sections[section] = f"<!-- generated: {table} -->\n<!-- end -->\n"
    text = "".join(f"## {name}\n\n{text}\n" for name, text in sections.items())
    card = "<!-- generated: card -->\n<!-- end -->\n\n"
    (lab.folder / "README.md").write_text(f"# {title}\n\n{card}{text}")
    (lab.folder / "_author" / "answers.py").write_text(ANSWERS)


def write_kind(root: Path, kind: str, number: str = "90", parent: Path | None = None) -> Lab:
    """A complete lab of one kind below `parent` (default: the project's labs)."""
    lab = Lab(root, (parent or root / "labs") / f"lab{number}_{kind}")
    ignored = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(HERE / kind, lab.folder, ignore=ignored)
    for path in sorted((HERE / kind / "data").glob("*")):
        shutil.copytree(path, root / "data" / path.name, dirs_exist_ok=True)
        with chdir(root):
            build(find(path.name))
    write_page(lab, kind)
    strip(lab)
    lab_page(Lab(root, lab.folder)).renew()
    _forget_labs()  # a test may edit the checks before they are asked
    return Lab(root, lab.folder)  # lab.yaml, which now has the hash, is read anew


def dllab_forked(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`dllab WORDS` in a fork of this process, where a new one would import torch for seconds.

    In place of `dllab.authoring.trial.run_dllab`, which test_doctor.py runs as it is.
    """
    said, told = root / "said.txt", root / "told.txt"
    if (child := os.fork()) == 0:
        code = 4
        try:
            os.chdir(root)
            sys.stdout, sys.stderr = said.open("w"), told.open("w")
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stderr.fileno(), 2)
            os.environ["DLLAB_GRADER_KEY"] = str(root / "grader.pem")
            warnings.resetwarnings()
            _forget_labs()
            code = main(words)
        except BaseException:  # noqa: BLE001 - nothing may come out of the fork
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return subprocess.CompletedProcess(words, code, said.read_text(), told.read_text())


def _forget_labs() -> None:
    for name in [name for name in sys.modules if name.startswith("labs.")]:
        del sys.modules[name]

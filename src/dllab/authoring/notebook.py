"""A lab as a Jupyter notebook: its README section by section, and cells that try the lab out.

The learner goes on writing in lab.py; the cells import it, look at the data, run the checks task
by task, train for a moment and draw the curve. The file is nbformat 4.5, written as plain JSON.

A self-starting one needs nothing but a Python with Jupyter, as Colab is: it installs dllab, begins
a course, and in the end trains the whole lab on the hardware that is there and packs a submission.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dllab.data import find
from dllab.lab.find import Lab
from dllab.lab.starter import starter_text
from dllab.lab.todo import PREFIX
from dllab.version import __version__

# The section of a README after which the tasks' cells stand, and its former name.
_TASKS = ("## Tasks", "## What you write")
_FENCE = re.compile(r"\s*(```|~~~)")
_TODO = re.compile(rf"\s*# {PREFIX}([\w-]+): (.*)")

_BEGIN = """\
## Begin

The next two cells install dllab and begin a course in `dllab-course`, beside this notebook. To
run them again changes nothing. In Colab choose a GPU under *Runtime, Change runtime type*, and open
`dllab-course/labs/{folder}/lab.py` from the files at the left: a double click opens an editor. A
machine of Colab's forgets all when it stops: download `lab.py` before."""

_INSTALL = "%pip install --quiet {what}"

_COURSE = """\
import os
import sys
from pathlib import Path

if not Path("labs").is_dir():  # else this cell has run before
    if not Path("dllab-course").is_dir():
        !{{sys.executable}} -m dllab init dllab-course --labs {number}
    os.chdir("dllab-course")"""

_WHOLE = """\
from dllab.rundir.run import all_runs

words = {words}{hardware}
!{{sys.executable}} -m dllab train {number} {{" ".join(words)}}
run = next(reversed(all_runs(desk.root, desk.lab.id)), None)"""

_GPU = """
if torch.cuda.is_available():
    words.append("hardware=gpu")"""

_HAND_IN = "!{{sys.executable}} -m dllab submit {number}"

_SETUP = """\
import matplotlib.pyplot as plt
import torch

from dllab.authoring.desk import Desk
from dllab.data import load

desk = Desk("{number}")
lab = desk.load()  # your lab.py; run this cell again after an edit
lab"""

_LOOK = """\
train = load("{name}", "train")
{{name: (list(value.shape), value.dtype) for name, value in train.items()}}"""

_TRAIN = """\
run = desk.train({overrides})
run and run.path"""

_PLOT = """\
for arm in run.arms() if run else []:
    curve = arm.read_curve()
    for name, colour in (("train/loss", "tab:blue"), ("val/loss", "tab:orange")):
        points = [(point["step"], point[name]) for point in curve if name in point]
        if points:
            plt.plot(*zip(*points), color=colour, marker="." * (len(points) < 40), label=name)
    plt.title(arm.name)
    plt.xlabel("optimiser step")
    plt.legend()
    plt.show()"""


@dataclass(frozen=True)
class NotebookCell:
    """One cell of the notebook."""

    kind: Literal["markdown", "code"]
    text: str


@dataclass(frozen=True)
class SelfStart:
    """How a notebook starts by itself: what pip installs, and how the whole lab is trained."""

    install: str = f"dllab[learn]=={__version__}"
    overrides: tuple[str, ...] = ()


def make_notebook(lab: Lab, start: SelfStart | None = None) -> str:
    """The notebook of a lab as JSON text; the same lab gives the same bytes.

    Without `start` it is for a project that is there, and lies in it.
    """
    cells = [_json_cell(number, cell) for number, cell in enumerate(_cells(lab, start))]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": cells,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _json_cell(number: int, cell: NotebookCell) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": f"cell-{number:03}",
        "cell_type": cell.kind,
        "metadata": {},
        "source": cell.text.splitlines(keepends=True),
    }
    if cell.kind == "code":
        content |= {"execution_count": None, "outputs": []}
    return content


def _cells(lab: Lab, start: SelfStart | None) -> Iterator[NotebookCell]:
    readme = lab.folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {lab.spec.title}"
    first, *others = _sections(text)
    yield NotebookCell("markdown", first)
    if start:
        yield NotebookCell("markdown", _BEGIN.format(folder=lab.folder.name))
        yield NotebookCell("code", _INSTALL.format(what=shlex.quote(start.install)))
        yield NotebookCell("code", _COURSE.format(number=lab.number))
    yield NotebookCell("code", _SETUP.format(number=lab.number))
    tasks_shown = False
    for section in others:
        yield NotebookCell("markdown", section)
        if section.startswith(_TASKS):
            tasks_shown = True
            yield from _task_cells(lab)
    if not tasks_shown:
        yield from _task_cells(lab)
    if start:
        yield from _whole_cells(lab, start)
    elif lab.spec.arms:
        yield from _training_cells(lab)


def _sections(markdown: str) -> list[str]:
    """A text cut before every heading of the second level that stands outside code."""
    sections: list[list[str]] = [[]]
    fenced = False
    for line in markdown.splitlines():
        fenced ^= bool(_FENCE.match(line))
        if line.startswith("## ") and not fenced:
            sections.append([])
        sections[-1].append(line)
    return ["\n".join(lines).strip() for lines in sections]


def _task_cells(lab: Lab) -> Iterator[NotebookCell]:
    for name in dict.fromkeys(arm.data for arm in lab.spec.arms.values() if arm.data):
        yield NotebookCell("markdown", f"## The data: {find(name, lab.root).title}")
        yield NotebookCell("code", _LOOK.format(name=name))
        yield NotebookCell("code", f'desk.look("{name}")')
    yield NotebookCell(
        "markdown", f"## Task by task\n\nWrite in `{lab.folder.name}/lab.py`, then run."
    )
    for task, text in _tasks(starter_text(lab)):
        hint = f"Stuck? `dllab hint {lab.number} {task}`"
        yield NotebookCell("markdown", f"### {task}\n\n{text}\n\n{hint}")
        yield NotebookCell("code", f'desk.check("{task}")')


def _tasks(starter: str) -> Iterator[tuple[str, str]]:
    """Every task of a starter with the whole text of its TODO."""
    lines = starter.splitlines()
    for number, line in enumerate(lines):
        if match := _TODO.fullmatch(line):
            text = [match[2]]
            for more in lines[number + 1 :]:
                if not more.lstrip().startswith("# "):
                    break
                text.append(more.lstrip().removeprefix("# "))
            yield match[1], " ".join(text)


def _training_cells(lab: Lab) -> Iterator[NotebookCell]:
    first = next(iter(lab.spec.arms))
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=100"]
    if len(lab.spec.arms) > 1:
        short.insert(0, f"arm={first}")
    yield NotebookCell(
        "markdown",
        "## A short training\n\nOne epoch, to see that it learns. While lab.py is the untouched "
        "starter and the reference is at hand, that is what runs.\n\n"
        f"The whole training, graded: `dllab train {lab.number}`",
    )
    yield NotebookCell("code", _TRAIN.format(overrides=", ".join(f'"{word}"' for word in short)))
    yield NotebookCell("code", _PLOT)


def _whole_cells(lab: Lab, start: SelfStart) -> Iterator[NotebookCell]:
    words = [shlex.quote(word) for word in start.overrides]
    hardware = _GPU if lab.spec.arms else ""
    yield NotebookCell(
        "markdown", "## The whole lab, graded\n\nIt trains on a GPU where there is one."
    )
    code = _WHOLE.format(words=words, hardware=hardware, number=lab.number)
    yield NotebookCell("code", code)
    if lab.spec.arms:
        yield NotebookCell("code", _PLOT)
    yield NotebookCell("markdown", "## Hand in\n\n`submission.zip` is what you hand in.")
    yield NotebookCell("code", _HAND_IN.format(number=lab.number))


def default_path(lab: Lab) -> Path:
    """Where a notebook goes unless told otherwise: beside nothing that an update replaces."""
    return Path(f"{lab.id}.ipynb")

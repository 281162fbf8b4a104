"""The formats by name. A document tells of one result; a book of all of them in one file."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dllab.course.roster import Roster
from dllab.export.autolab import stdout_lines
from dllab.export.canvas import gradebook_csv
from dllab.export.check50 import report_json
from dllab.export.grades import Grade
from dllab.export.gradescope import results_json
from dllab.export.junit import suites_xml
from dllab.export.lti import score_json
from dllab.export.nbgrader import grades_csv


@dataclass(frozen=True)
class ExportContext:
    """What an export may know besides the results: the roster, and each lab's column heading."""

    roster: Roster = field(default_factory=Roster)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """One file for each result."""

    render: Callable[[Grade, ExportContext], str]
    suffix: str = ".json"
    for_credit: bool = False


@dataclass(frozen=True)
class Book:
    """One file for all results."""

    render: Callable[[Sequence[Grade], ExportContext], str]
    for_credit: bool = True


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# `for_credit` formats end in a gradebook: runs of the reference solution are not a learner's work.
FORMATS: Mapping[str, Document | Book] = {
    "gradescope": Document(lambda grade, _: _json(results_json(grade))),
    "autolab": Document(lambda grade, _: stdout_lines(grade), suffix=".txt"),
    "check50": Document(lambda grade, _: _json(report_json(grade))),
    "junit": Book(lambda grades, _: suites_xml(grades), for_credit=False),
    "nbgrader": Book(lambda grades, context: grades_csv(grades, context.roster)),
    "canvas": Book(lambda grades, context: gradebook_csv(grades, context.roster, context.columns)),
    "lti": Document(
        lambda grade, context: _json(score_json(grade, context.roster)), for_credit=True
    ),
}


def file_names(grades: Sequence[Grade], suffix: str) -> list[str]:
    """`learner.lab.json` for each, safe on every file system whatever a learner is called."""
    names: dict[str, str] = {}  # by what a file system that ignores case would see
    for grade in grades:
        learner = re.sub(r"[^\w@-]+", "_", grade.learner).strip("_")[:60] or "unnamed"
        ending = "." + re.sub(r"\W+", "_", grade.lab) + suffix
        name, count = learner + ending, 2
        while name.casefold() in names:
            name, count = f"{learner}-{count}{ending}", count + 1
        names[name.casefold()] = name
    return list(names.values())

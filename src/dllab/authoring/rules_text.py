"""What must hold of a lab's files, told without running any of its code."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from dllab.authoring.leaks import leaks_of, texts_of
from dllab.authoring.rules import LabCase, rule
from dllab.lab.find import Lab, all_labs
from dllab.lab.formats import BreakIt
from dllab.lab.starter import solution_regions

UNWRITTEN = "WRITE:"
FILES = (
    "README.md",
    "lab.yaml",
    "lab.py",
    "given.py",
    "checks.py",
    "curves.svg",
    "conf/*.yaml",
    "cells.csv",
    "figures/*.svg",
    "figures/*.png",
    "_author/solution.py",
    "_author/probes.py",
    "_author/checks.py",
    "_author/answers.py",
    "_author/equivalent.yaml",
    "_author/calibration.svg",
    "_author/cells.csv",
    "_author/table.csv",
    "_author/forecast.py",
    "_author/mutants.py",
)
IGNORED = (
    "forecast.yaml",
    "claims.yaml",
    "*/__pycache__/*",
    "__pycache__/*",
    "*.bak",
    "*.pyc",
    ".*",
    "*/.*",
)
MIN_HINTS = 2


@rule(
    "points", "make `checks` and `hidden` in lab.yaml agree with the code, and the points make 100"
)
def points(case: LabCase) -> Iterator[str]:
    """lab.yaml lists every check with its points, hidden ones as such; all points make 100."""
    spec = case.lab.spec
    for id in case.checks.keys() - spec.checks.keys():
        yield f"the check {id!r} is missing from lab.yaml"
    for id in spec.checks.keys() - case.checks.keys():
        yield f"lab.yaml lists the check {id!r}, but none is written"
    hidden = {id for id, c in case.checks.items() if c.module.endswith("_author.checks")}
    if hidden != set(spec.hidden) - set(spec.criteria):
        yield f"hidden in the code: {sorted(hidden)}; in lab.yaml: {sorted(spec.hidden)}"
    total = spec.total
    if total != 100:
        yield f"the points of checks and criteria add up to {total:g}, not 100"


@rule("order", "give every check an id of its own, and write checks in the order of the tasks")
def order(case: LabCase) -> Iterator[str]:
    """Ids are used once, checks and hints follow the tasks, and depend only on checks above."""
    for id, times in Counter(case.lab.spec.manifest(official=True)).items():
        if times > 1:
            yield f"the id {id!r} is used {times} times"
    above: set[str] = set()
    for id, check in case.checks.items():
        for missing in sorted(set(check.depends_on) - above):
            yield f"{id} depends on {missing!r}, which no check above it is called"
        above.add(id)
    tasks = list(solution_regions(case.solution))
    hidden = [check for id, check in case.checks.items() if id in case.lab.spec.hidden]
    visible = [check for id, check in case.checks.items() if id not in case.lab.spec.hidden]
    for one, other in (*pairwise(visible), *pairwise(hidden)):
        if _place(other.hint, tasks) < _place(one.hint, tasks):
            yield f"{other.id} stands behind {one.id}, but its task {other.hint!r} comes before"
    listed = [id for id in case.lab.spec.checks if id in case.checks]
    if listed != [id for id in case.checks if id in case.lab.spec.checks]:
        yield "lab.yaml lists the checks in another order than the code"
    hinted = [task for task in case.lab.spec.hints if task in tasks]
    if hinted != [task for task in tasks if task in case.lab.spec.hints]:
        yield "lab.yaml lists the hints in another order than the tasks"


def _place(task: str, tasks: list[str]) -> int:
    return tasks.index(task) if task in tasks else len(tasks)


@rule("starter", "dllab strip NN (or dllab reset NN, if lab.py holds a try of your own)")
def starter(case: LabCase) -> Iterator[str]:
    """lab.py is what the reference generates, and lab.yaml records its hash."""
    digest = hashlib.sha256(case.starter.encode()).hexdigest()
    if case.lab.spec.starter_sha256 != digest:
        yield "lab.yaml's starter_sha256 belongs to another reference"
    code = case.lab.code
    if not code.is_file() or code.read_bytes() != case.starter.encode():
        yield "lab.py is not the starter that the reference generates"


@rule("hints", "write two or three hints a task under `hints:`, each more outspoken than the last")
def hints(case: LabCase) -> Iterator[str]:
    """Each task has stepped hints: at least two, none empty or repeated, growing in length."""
    tasks = list(solution_regions(case.solution))
    for task in tasks:
        steps = case.lab.spec.hints.get(task, ())
        if len(steps) < MIN_HINTS:
            yield f"{task} has {len(steps)} hints, at least {MIN_HINTS} are wanted"
        elif any(not str(step).strip() for step in steps):
            yield f"{task} has an empty hint"
        elif len(set(steps)) < len(steps):
            yield f"{task} has the same hint twice"
    for task in sorted(set(case.lab.spec.hints) - set(tasks)):
        yield f"there are hints for {task!r}, which is not a task of the solution"
    tests = {one.cases for one in case.lab.spec.formats.values() if isinstance(one, BreakIt)}
    pointed = {check.hint for check in case.checks.values()} | tests
    for task in sorted(pointed - set(tasks)):
        yield f"a check points at the hints of {task!r}, which is not a task of the solution"
    for task in sorted(set(tasks) - pointed):
        yield f"no check points at the task {task!r}"


@rule("leaks", "say it in other words: what learners get must not hold a line of the solution")
def leaks(case: LabCase) -> Iterator[str]:
    """No line of a solution region stands in any file that learners get."""
    for leak in leaks_of(case.solution, case.starter, texts_of(_released(case.lab.folder))):
        yield f"{leak.path.relative_to(case.lab.folder)}:{leak.line} holds `{leak.text}`"


@rule(
    "topics", "name ids of labs/checklist.yaml under `topics:`; dllab coverage shows what is open"
)
def topics(case: LabCase) -> Iterator[str]:
    """The lab names topics, and all of them exist in the checklist."""
    if not case.lab.spec.topics:
        yield "lab.yaml names no topics"
    for topic in [topic for topic in case.lab.spec.topics if topic not in case.checklist.topics]:
        yield f"there is no topic {topic!r} in labs/checklist.yaml"


@rule("requires", "name labs that exist, or numbers planned in labs/checklist.yaml; no circle")
def requires(case: LabCase) -> Iterator[str]:
    """The labs that this one builds on exist or are planned, and none of them builds on it."""
    lab, shelf = case.lab, {other.number: other for other in all_labs(case.lab.root)}
    for number in lab.spec.requires:
        if number not in shelf and number not in case.checklist.planned:
            yield f"it requires lab {number}, which neither exists nor is planned"
    below, waiting = set[str](), list(lab.spec.requires)
    while waiting:
        number = waiting.pop()
        if number in shelf and number not in below:
            below.add(number)
            waiting += shelf[number].spec.requires
    if lab.number in below:
        yield "what it requires leads back to it"


@rule("apart", "move the hidden probes to _author/probes.py, which must not import the judges")
def apart(case: LabCase) -> Iterator[str]:
    """Probes are found in the sandbox by their names, and hidden ones without their judges."""
    package = case.lab.package
    for id, one in case.checks.items():
        if not one.probe.__qualname__.isidentifier():
            yield f"the probe of {id} is {one.probe.__qualname__}, not a function of a module"
    shown = {c.probe for id, c in case.checks.items() if id not in case.lab.spec.hidden}
    for id in case.lab.spec.hidden:
        check = case.checks.get(id)
        if check is None or check.probe in shown:  # a visible check on hidden values
            continue
        if check.probe.__module__ != f"{package}._author.probes":
            yield f"the probe of {id} is in {check.probe.__module__.removeprefix(package + '.')}"
    probes = sys.modules.get(f"{package}._author.probes")
    for value in vars(probes).values() if probes else ():
        owner = getattr(value, "__module__", None) or getattr(value, "__name__", "")
        if owner == f"{package}._author.checks":
            yield "_author/probes.py imports _author/checks.py"
            return


@rule("files", "remove it, or move it out of the lab's folder")
def files(case: LabCase) -> Iterator[str]:
    """The folder holds the files of a lab and no others."""
    for path in sorted(case.lab.folder.rglob("*")):
        name = path.relative_to(case.lab.folder).as_posix()
        if path.is_dir() or any(fnmatch(name, pattern) for pattern in IGNORED):
            continue
        if not any(fnmatch(name, pattern) for pattern in FILES):
            yield f"{name} is not a file of a lab"


@rule("texts", f"replace `{UNWRITTEN} …` by the text that it asks for")
def texts(case: LabCase) -> Iterator[str]:
    """No text is left as `dllab new` wrote it, unless lab.yaml calls the lab a draft."""
    if not case.lab.spec.draft:
        yield from unwritten(case.lab)


def unwritten(lab: Lab) -> Iterator[str]:
    """Each place that still asks for a text, and what it asks for."""
    for path in _released(lab.folder):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if UNWRITTEN in line:
                what = line.partition(UNWRITTEN)[2].strip()
                yield f"{path.relative_to(lab.folder)}:{number}: {what}"


def _released(folder: Path) -> list[Path]:
    """The text files of a lab that learners get, lab.py left out: that is the starter's part."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".yaml", ".md")
        and not {"_author", "__pycache__"} & set(path.relative_to(folder).parts)
        and path.name not in ("lab.py", "starter.py")
    ]

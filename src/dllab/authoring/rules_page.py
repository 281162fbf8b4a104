"""What must hold of a lab's page, README.md: the house style, and nothing stated that is stale."""

import re
from collections.abc import Iterator
from itertools import pairwise

from dllab.authoring.curve_picture import PICTURE
from dllab.authoring.generated import Page, lab_page
from dllab.authoring.rules import LabCase, rule
from dllab.lab.starter import solution_regions

SECTIONS = (
    "You will be able to",
    "Run",
    "Idea",
    "Mathematics",
    "Predict first",
    "Tasks",
    "Expected curves",
    "Experiments",
    "Questions",
    "Classic mistakes",
    "Rubric",
    "In practice",
    "Reading",
)
OF_TRAINING = ("Expected curves", "Experiments")
MOST_WORDS = 1200
MOST_FIGURES = 2
# What pages written before these had. A page is held to them as long as it has FORMER_MARK.
FORMER_MARK = "What you write"
FORMER_SECTIONS = (
    "The idea",
    FORMER_MARK,
    "What to look at in the curves",
    "Classic mistakes",
    "Rubric and time",
    "What to try next",
    "Further reading",
)


@rule("readme", "write the missing part of README.md; docs/authors.md says what stands where")
def readme(case: LabCase) -> Iterator[str]:
    """README.md has its sections in order, is short, and its links lead somewhere."""
    page = lab_page(case.lab)
    if not page.path.is_file():
        yield "README.md is missing"
        return
    sections = _sections(page)
    if FORMER_MARK in sections:
        yield from _order(list(sections), FORMER_SECTIONS)
    else:
        wanted = (s for s in SECTIONS if case.lab.spec.arms or s not in OF_TRAINING)
        yield from _order(list(sections), tuple(wanted))
        yield from _form(case, sections)
        if not case.lab.spec.draft:  # what stands for numbers to come is longer than they are
            yield from _size(page)
    for task in [task for task in solution_regions(case.solution) if f"`{task}`" not in page.text]:
        yield f"README.md does not name the task `{task}`"
    for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.text):
        to_come = case.lab.spec.draft and link == PICTURE
        if not (to_come or (page.path.parent / link).exists()):
            yield f"README.md links to {link}, which is not there"


@rule("tables", "put `<!-- generated: tasks -->` and `<!-- end -->` there, then dllab strip NN")
def tables(case: LabCase) -> Iterator[str]:
    """README.md holds its generated tables, and what it states by itself is fresh."""
    page = lab_page(case.lab)
    if not page.path.is_file():
        return
    former = FORMER_MARK in _sections(page)
    tried = ["experiments"] if case.lab.spec.experiments else []
    wanted = ["tasks", "rubric"] if former else ["card", "tasks", *tried, "rubric"]
    for name in [name for name in wanted if name not in page.names]:
        yield f"README.md has no `<!-- generated: {name} -->`"
    if not page.is_fresh:
        yield "a generated table or value of README.md is stale"


def _sections(page: Page) -> dict[str, str]:
    """Heading of the second level → what stands below it."""
    _, *parts = re.split(r"^## (.+?)\s*$", page.text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _order(found: list[str], wanted: tuple[str, ...]) -> Iterator[str]:
    for section in [section for section in wanted if section not in found]:
        yield f"README.md has no section `## {section}`"
    there = [section for section in wanted if section in found]
    for one, other in pairwise(there):
        if found.index(other) < found.index(one):
            yield f"`## {other}` stands before `## {one}`"


def _form(case: LabCase, sections: dict[str, str]) -> Iterator[str]:
    """What some sections hold, beside words."""
    able = re.findall(r"^- .*", sections.get("You will be able to", ""), re.MULTILINE)
    known = case.lab.spec.manifest(official=True)
    if not 3 <= len(able) <= 5:
        yield f"`## You will be able to` has {len(able)} items, three to five are wanted"
    for item in [item for item in able if not set(re.findall(r"`([^`]+)`", item)) & set(known)]:
        yield f"`## You will be able to`: no check is named by `{item}`"
    if sections.get("Predict first", "").count("<!-- value: ") < 2:
        yield "`## Predict first` states fewer than two answers as `<!-- value: NAME -->`"
    for section, least in (("Predict first", 1), ("Questions", 3)):
        folded = sections.get(section, "").count("<details>")
        if folded < least:
            yield f"`## {section}` folds {folded} answers away, at least {least} are wanted"


def _size(page: Page) -> Iterator[str]:
    words = len(re.sub(r"<!--.*?-->", "", page.prose).split())
    if words > MOST_WORDS:
        yield f"README.md has {words} words beside its tables, at most {MOST_WORDS} are read"
    figures = len(re.findall(r"!\[", page.text))
    if figures > MOST_FIGURES:
        yield f"README.md has {figures} figures, at most {MOST_FIGURES} are wanted"

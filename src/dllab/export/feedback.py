"""A page for each submission that its learner may read: one HTML file, nothing hidden in it.

Beside it `results/*.html` holds the instructor's evidence. All that a page shows is a `Grade`,
which has lost what hidden checks say before it gets here.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

import dllab.report
from dllab.course.book import CourseBook
from dllab.export.grades import Grade, read_grade
from dllab.export.settle import settle
from dllab.export.wording import explain, number
from dllab.rundir.run import write_text

HEADLINES: Mapping[str, str] = {
    "ungradable": "could not be graded",
    "infra_error": "not graded yet",
    "needs_review": "under review",
}
MARKS = {True: ("pass", "✓"), False: ("fail", "✗"), None: ("skip", "○")}


def write_feedback(out: Path, book: CourseBook) -> list[Path]:
    """Write `out/feedback/*.html`, one for each result of `out/results`, by the course's rules.

    What is one attempt too many has a page as well, which says so.
    """
    files = sorted((out / "results").glob("*.json"))
    read = [read_grade(file) for file in files]
    counted, _ = settle(read, book.course)
    counting = {(one.learner, one.lab, one.submission): one for one in counted}
    pages = []
    for file, grade in zip(files, read, strict=True):
        own = counting.get((grade.learner, grade.lab, grade.submission))
        pages.append(out / "feedback" / f"{file.stem}.html")
        write_text(pages[-1], feedback_page(own or grade, counts=own is not None))
    return pages


def feedback_page(grade: Grade, *, counts: bool = True) -> str:
    """The page. Whatever came from a submission passes through the template's escaping."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, time=_time)
    css = (Path(dllab.report.__file__).parent / "report.css").read_text(encoding="utf-8")
    return environment.get_template(
        "feedback.html.j2"
    ).render(
        css=Markup(css),  # noqa: S704 - ours
        grade=grade,
        counts=counts,
        standing=_standing(grade),
        told=explain(grade).splitlines()[grade.graded :],  # the header has the first line's words
        rows=[(row, *_mark(row.status, row.passed)) for row in grade.rows],
    )


def _standing(grade: Grade) -> str:
    return HEADLINES.get(grade.verdict) or ("passed" if grade.passed else "not passed yet")


def _mark(status: str, passed: bool | None) -> tuple[str, str]:
    return ("partial", "◐") if status == "partial" else MARKS[passed]


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""

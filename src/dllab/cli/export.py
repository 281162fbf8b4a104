"""`dllab export FORMAT RESULTS…`: results for gradebooks, CI and other graders."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dllab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dllab.export.formats import Document, ExportContext
    from dllab.export.grades import Grade

FORMATS = {
    "gradescope": "Gradescope's results.json",
    "autolab": "the last lines of an Autolab grader's output",
    "check50": "the JSON of check50",
    "junit": "JUnit XML (xunit2), for CI",
    "nbgrader": "the CSV of nbgrader",
    "canvas": "the CSV that Canvas' gradebook imports",
    "lti": "LTI 1.3 AGS scores",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command and its formats."""
    parser = subparsers.add_parser(
        "export",
        help="write results for gradebooks, CI and other graders",
        description="Write results for gradebooks, CI and other graders. See docs/exports.md.",
    )
    formats = parser.add_subparsers(title="formats", metavar="FORMAT", required=True)
    for name, what in FORMATS.items():
        _add_format(formats.add_parser(name, help=what, description=f"Write {what}."), name)
    bundle = formats.add_parser(
        "gradescope-autograder",
        help="a ready autograder for Gradescope",
        description="Write a folder, and beside it a zip, to upload as Gradescope's autograder.",
    )
    bundle.add_argument("lab", metavar="LAB", help="a lab's number")
    bundle.add_argument("-o", dest="out", metavar="DIR", required=True, type=Path)
    bundle.add_argument("--hidden", metavar="DIR", type=Path, help="a hidden set to score on")
    bundle.set_defaults(run=run_bundle)


def _add_format(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "results", metavar="RESULTS", nargs="+", type=Path, help="result.json files, or folders"
    )
    parser.add_argument("-o", dest="out", metavar="FILE|DIR", type=Path, help="instead of stdout")
    parser.add_argument(
        "--course", metavar="YAML", type=Path, help="due times, attempts, overrides, the roster"
    )
    parser.set_defaults(run=run, format=name, roster=None, assignment=[])
    if name in ("nbgrader", "canvas", "lti"):
        parser.add_argument("--roster", metavar="CSV", type=Path, help="names and ids of learners")
    if name == "canvas":
        parser.add_argument(
            "--assignment", metavar="LAB=ID", action="append", help="a lab's assignment id"
        )


def run(args: argparse.Namespace) -> int:
    """Read the results, choose one for each learner and lab, write them."""
    from dllab.course.book import open_book
    from dllab.export.choose import choose
    from dllab.export.formats import FORMATS, Book, ExportContext
    from dllab.export.grades import read_grades
    from dllab.export.settle import settle
    from dllab.report.table import for_spreadsheets

    format = FORMATS[args.format]
    results = read_grades(args.results)
    book = open_book(args.course, args.roster, None)
    roster = book.roster
    read = [replace(one, learner=roster.find(one.learner).learner) for one in results]
    settled, left = settle(read, book.course)
    grades, notes = choose(settled, for_credit=format.for_credit)
    context = ExportContext(roster, _columns(args.assignment or [], grades))
    if isinstance(format, Book):
        table = format.render(grades, context)
        _write(
            for_spreadsheets(table) if args.out and args.out.suffix == ".csv" else table, args.out
        )
    else:
        _write_documents(format, grades, context, args.out)
    for note in (*left, *notes):
        print(note, file=sys.stderr)
    return 0


def run_bundle(args: argparse.Namespace) -> int:
    """Write the autograder and say what to do with it."""
    from dllab.export.bundle import write_bundle
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    archive = write_bundle(find_lab(find_root(), args.lab), args.out, hidden=args.hidden)
    print(f"{args.out}: upload {archive} in Gradescope under Configure Autograder")
    if not args.hidden:
        print("Without --hidden the public test split scores, which learners have too.")
    return 0


def _columns(assignments: "Sequence[str]", grades: "Sequence[Grade]") -> dict[str, str]:
    """Each lab's heading in Canvas: its title where the lab is at hand, and the id if given."""
    columns = {lab: _title(lab) for lab in {grade.lab for grade in grades}}
    for assignment in assignments:
        name, _, id = assignment.partition("=")
        found = [lab for lab in columns if name == lab or f"{name:0>2}" == lab[3:5]]
        if len(found) != 1 or not id.isdecimal():
            raise LabError(
                f"--assignment {assignment} names no lab of these results and a number",
                f"write LAB=ID, for example {min(columns)[3:5]}=4711; "
                f"the labs: {', '.join(sorted(columns))}",
            )
        columns[found[0]] += f" ({id})"
    return columns


def _title(lab: str) -> str:
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    try:
        return find_lab(find_root(), lab).spec.title
    except LabError:  # results can be exported away from the project that they came from
        return lab


def _write_documents(
    format: "Document", grades: "Sequence[Grade]", context: "ExportContext", out: Path | None
) -> None:
    from dllab.export.formats import file_names

    into_folder = out is not None and (out.is_dir() or len(grades) > 1)
    if len(grades) > 1 and out is None:
        raise LabError(
            f"{len(grades)} results, and this format has a file for each",
            "name a folder for them: -o DIR",
        )
    if not into_folder:
        _write(format.render(grades[0], context), out)
        return
    for grade, name in zip(grades, file_names(grades, format.suffix), strict=True):
        _write(format.render(grade, context), Path(out or ".") / name)


def _write(text: str, out: Path | None) -> None:
    from dllab.rundir.run import write_text

    if out is None:
        sys.stdout.write(text)
    else:
        write_text(out, text)

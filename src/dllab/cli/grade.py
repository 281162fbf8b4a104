"""`dllab grade RUN`: the practice grade of a run, as a table, a report and result.json."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.rundir.run import RunFolder


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "grade",
        help="grade a run: visible checks, and the criteria on the public test split",
        description="Grade a run in practice mode and write its result.json and report.html.",
        epilog="exit code: 0 passed, 1 not passed, 3 ungradable, 4 our fault, 5 needs review",
    )
    parser.add_argument("run_name", metavar="RUN", help="a path, an id, or NN (its newest run)")
    parser.add_argument(
        "--json", metavar="FILE", help="write the result there as well; - prints only the result"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find the run, grade it, show it."""
    from dllab.lab.project import find_root
    from dllab.rundir.run import find_run

    root = find_root()
    return grade_and_report(root, find_run(root, args.run_name), args.json)


def grade_and_report(root: Path, folder: "RunFolder", json_file: str | None = None) -> int:
    """Practice-grade a run, write result.json and report.html, print the rubric; the exit code."""
    import json

    from dllab.checklist.progress import Progress
    from dllab.grading.grade import grade
    from dllab.grading.result import exit_code
    from dllab.lab.find import find_lab
    from dllab.report.advice import steps_after
    from dllab.report.html import write_report
    from dllab.report.terminal import print_rubric, print_steps
    from dllab.rundir.run import write_json

    result = grade(root, folder).result
    report = write_report(root, folder)
    progress = Progress.load(root)
    if progress.record_result(result):
        progress.save()
    if json_file == "-":
        print(json.dumps(result, indent=2, sort_keys=True))
        return exit_code(result)
    if json_file:
        write_json(Path(json_file), result)
    lab = find_lab(root, folder.lab_id)
    print_rubric(result, lab, report=report)
    print_steps(steps_after(lab, folder))
    return exit_code(result)

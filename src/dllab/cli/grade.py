"""`dllab grade RUN|ZIP|FOLDER`: the practice grade of a run, or the official one of submissions."""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dllab.cli._stopping import stoppable
from dllab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dllab.course.roster import Roster
    from dllab.grading.official import Terms
    from dllab.result import Mode, Result
    from dllab.rundir.run import RunFolder
    from dllab.sandbox.backends import Backend
    from dllab.submission.gather import Gathered


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "grade",
        help="grade a run, a submission, or a folder of submissions",
        description="Without --official: visible checks, and the criteria on the public test "
        "split. With it: every check, in a sandbox, on hidden items.",
        epilog="exit code: 0 passed or an experiment, 1 not passed, 2 wrong use, 3 ungradable, "
        "4 our fault, 5 needs review; for a folder 0 when every archive got a result",
    )
    parser.add_argument(
        "subject",
        metavar="RUN|ZIP|FOLDER",
        help="a run's path or id, NN for the "
        "newest full run of its lab.py, a submission.zip, or a folder of such archives",
    )
    parser.add_argument("--official", action="store_true", help="grade as the instructor does")
    parser.add_argument(
        "--hidden", type=Path, metavar="DIR", help="what `dllab hidden build` wrote"
    )
    parser.add_argument(
        "--backend", default="auto", help="the sandbox (default: the best one here)"
    )
    parser.add_argument(
        "--retrain", action="store_true", help="score the model that the code learns here anew"
    )
    parser.add_argument(
        "--force", action="store_true", help="grade a folder's submissions anew, all of them"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="submissions at a time")
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="how a folder tells whose a file is: nbgrader, canvas, moodle, gradescope, autolab, "
        "or a pattern such as '{learner}/{lab}/*.zip' (default: by the file's name)",
    )
    parser.add_argument(
        "--course",
        type=Path,
        metavar="YAML",
        help="course.yaml: due times, lateness, extensions, attempts, overrides, roster, layout",
    )
    parser.add_argument(
        "--roster", type=Path, metavar="CSV", help="who may hand in, and by which ids and names"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="where a folder's results go (default: results)",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the result there as well; - prints only the result"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find what is to be graded, grade it, show it."""
    from dllab.lab.project import find_root
    from dllab.rundir.choice import choose_run
    from dllab.submission.handed_in import is_unpacked

    root = find_root()
    if args.jobs < 1:
        raise LabError(f"--jobs {args.jobs} grades nothing", "say 1 or more")
    if args.out.exists() and not args.out.is_dir():
        raise LabError(f"--out {args.out} is a file", "name a folder for the results")
    subject = Path(args.subject).expanduser()
    if subject.suffix.lower() == ".zip" or is_unpacked(subject):
        return _grade_archive(root, subject, args)
    if subject.is_dir() and not (subject / "config.yaml").is_file():
        return stoppable(lambda: _grade_folder(root, subject, args))
    chosen = choose_run(root, args.subject)
    folder = chosen.run
    if not chosen.plain:
        print(f"run {folder.id}: {chosen.why}", file=sys.stderr)
    if args.official:
        return _grade_packed(root, folder, args)
    if args.hidden:
        raise LabError("--hidden belongs to official grading", "add --official")
    return grade_and_report(root, folder, args.json)


def grade_and_report(
    root: Path, folder: "RunFolder", json_file: str | None = None, *, whole: bool = False
) -> int:
    """Practice-grade a run, write result.json and report.html, print the rubric; the exit code."""
    from dllab.grading.grade import grade
    from dllab.grading.result import exit_code
    from dllab.lab.find import find_lab
    from dllab.report.advice import steps_after
    from dllab.report.html import write_report
    from dllab.report.standing import read_tried
    from dllab.report.terminal import print_rubric, print_steps

    result = grade(root, folder, whole=whole).result
    report = write_report(root, folder)
    forgotten = _record(root, result)
    if not _hand_out(result, json_file):
        lab = find_lab(root, folder.lab_id)
        tried = read_tried(root, lab, folder, result)
        print_rubric(result, lab, report=report, tried=tried)
        print_steps(steps_after(lab, folder))
    if forgotten:
        print(f"note: a pass is not on record: {forgotten}", file=sys.stderr)
    experiment = folder.tried and result.verdict == "graded"
    return 0 if experiment else exit_code(result)


def _record(root: Path, result: "Result") -> str:
    """Enter a pass in progress.json; why not where that file cannot be read or written."""
    from dllab.checklist.progress import Progress

    try:
        progress = Progress.load(root)
        if progress.record_result(result):
            progress.save()
    except LabError as error:
        return f"{error.what}; {error.hint}"
    return ""


def _grade_archive(root: Path, archive: Path, args: argparse.Namespace) -> int:
    from dllab.grading.official import grade_archive
    from dllab.grading.result import exit_code
    from dllab.lab.find import find_lab
    from dllab.report.terminal import print_rubric
    from dllab.sandbox.backends import open_backend

    if not archive.exists():
        raise LabError(f"{archive} is not there", "give the path of a submission.zip")
    with open_backend(args.backend) as backend:
        result = grade_archive(archive, _terms(root, args, backend))
    if not _hand_out(result, args.json):
        if result.checks and result.submission.lab:
            print_rubric(result, find_lab(root, result.submission.lab))
        elif result.reason:
            print(f"{result.verdict.replace('_', ' ')}: {result.reason}")
    return exit_code(result)


def _grade_packed(root: Path, folder: "RunFolder", args: argparse.Namespace) -> int:
    """A run of one's own, graded as if it were handed in."""
    import tempfile

    from dllab.lab.find import find_lab
    from dllab.submission.pack import pack

    with tempfile.TemporaryDirectory() as scratch:
        lab = find_lab(root, folder.read_config()["lab"])
        archive = pack(lab, folder, Path(scratch) / f"{folder.id}.zip")
        return _grade_archive(root, archive, args)


def _grade_folder(root: Path, folder: Path, args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from dllab.course.book import open_book
    from dllab.export.feedback import write_feedback
    from dllab.grading.batch import grade_folder, write_passed_over
    from dllab.grading.regrade import before_and_after
    from dllab.lab.find import all_labs
    from dllab.sandbox.backends import open_backend
    from dllab.submission.gather import gather
    from dllab.submission.layouts import PLAIN

    book = open_book(args.course, args.roster, (lab.id for lab in all_labs(root)))
    layout = args.layout or (book.course.layout if book.course else PLAIN)
    gathered = gather(folder, layout, book.roster, out=args.out)
    write_passed_over(args.out, gathered.passed_over)
    with Progress() as progress, open_backend(args.backend) as backend:
        bar = progress.add_task("grading", total=len(gathered.submissions))
        batch = grade_folder(
            gathered.submissions,
            replace(_terms(root, args, backend), course=book.course),
            args.out,
            args.jobs,
            lambda *_: progress.advance(bar),
            force=args.force,
        )
    results = batch.results
    write_feedback(args.out, book)
    if not _hand_out(results, args.json):
        if batch.regrades:
            print(f"{before_and_after(batch.regrades)}\n")
            print(
                f"{args.out / 'regraded.csv'} keeps this, {args.out / 'history'} the older results"
            )
        for verdict, count in sorted(Counter(result.verdict for result in results).items()):
            print(f"{count:5} {verdict}")
        print(f"{sum(result.passed for result in results):5} passed")
        _print_left_out(gathered, book.roster, args.out)
        print(f"{args.out / 'summary.html'} shows them, {args.out / 'grades.csv'} lists them")
    return 0


def _print_left_out(gathered: "Gathered", roster: "Roster", out: Path) -> None:
    """Who handed in nothing, who is unknown, and which files were passed over."""
    learners = {one.learner for one in gathered.submissions}
    unknown = sorted({one.learner for one in gathered.submissions if one.known is False})
    absent = [name for name in roster.learners if name not in learners]
    if unknown:
        print(f"{len(unknown):5} not in the roster: {_some(unknown)}")
    if absent:
        print(f"{len(absent):5} of the roster handed in nothing here: {_some(absent)}")
    if passed := gathered.passed_over:
        print(f"{len(passed):5} files passed over: {_some([one.file for one in passed])}")
        print(f"      {out / 'passed_over.csv'} says why")


def _some(names: "Sequence[str]", most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _terms(root: Path, args: argparse.Namespace, backend: "Backend") -> "Terms":
    from dllab.grading.official import Terms

    mode: Mode = "official" if args.official else "practice"
    if (args.hidden or args.retrain) and not args.official:
        raise LabError("--hidden and --retrain belong to official grading", "add --official")
    return Terms(root, backend, mode, args.hidden, retrain=args.retrain)


def _hand_out(graded: "Result | list[Result]", json_file: str | None) -> bool:
    """Write the result where --json says; whether that was all that was asked to be printed."""
    import json

    from dllab.rundir.run import write_json

    if not json_file:
        return False
    content = [one.plain() for one in graded] if isinstance(graded, list) else graded.plain()
    if json_file == "-":
        print(json.dumps(content, indent=2, sort_keys=True))
        return True
    write_json(Path(json_file), content)
    return False

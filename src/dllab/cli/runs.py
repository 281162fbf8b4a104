"""`dllab runs`: what has been trained; one run in full; two runs side by side."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dllab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from dllab.rundir.compare import Comparison
    from dllab.rundir.listing import RunRow
    from dllab.rundir.run import RunFolder


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command and its parts."""
    parser = subparsers.add_parser(
        "runs",
        help="list, show and compare runs",
        description="List all runs, newest first; or show one, compare two, print a path.",
        epilog="RUN is a path, an id (its beginning or end will do), or NN for a lab's newest run",
    )
    parser.add_argument("--lab", metavar="NN", help="only the runs of this lab")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=list_all)
    parts = parser.add_subparsers(title="parts", metavar="PART")
    show = parts.add_parser("show", help="one run: grade, cost, config")
    show.set_defaults(run=show_one)
    compare = parts.add_parser(
        "compare", help="what differed between two runs, or between a run and the one before"
    )
    compare.add_argument("names", metavar="RUN", nargs="+", help="one or two")
    compare.set_defaults(run=compare_two)
    path = parts.add_parser("path", help="print the folder of a run")
    path.set_defaults(run=print_path)
    for part in (show, path):
        part.add_argument("run_name", metavar="RUN")
    for part in (show, compare):
        # The parent has --json too; its default must not undo what was said after the part.
        part.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")


def list_all(args: argparse.Namespace) -> int:
    """A line for each run."""
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.rundir.listing import list_runs

    root = find_root()
    rows = list_runs(root, find_lab(root, args.lab).id if args.lab else "")
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    elif rows:
        print(_table(rows))
    else:
        print("No runs yet. Make one: dllab train 01")
    return 0


def show_one(args: argparse.Namespace) -> int:
    """Grade, cost and config of one run."""
    from dllab.lab.project import find_root
    from dllab.rundir.run import find_run

    root = find_root()
    run = find_run(root, args.run_name)
    card, result = run.read_card(), run.read_result()
    if args.json:
        content = {
            "id": run.id,
            "path": str(run.path),
            "card": card,
            "result": result and result.plain(),
        }
        print(json.dumps({**content, "config": run.read_config()}, indent=1))
        return 0
    from dllab.lab.find import find_lab
    from dllab.report.cost import cost_facts
    from dllab.report.standing import read_tried
    from dllab.report.table import columns
    from dllab.report.terminal import print_rubric

    overrides = run.read_config().get("overrides") or ["none"]
    facts = [("run", run.id), ("status", str(card.get("status", "interrupted")))]
    facts += [("overrides", " ".join(map(str, overrides))), ("folder", str(run.path))]
    facts += [
        ("continues", f"{one['run']}, from {_steps(one['steps'])}")
        for one in card.get("continues", ())
    ]
    facts += [(fact.name.lower(), f"{fact.value} {fact.how}".strip()) for fact in cost_facts(card)]
    print(columns(facts))
    if result:
        report = run.report if run.report.is_file() else None
        lab = find_lab(root, run.lab_id)
        print_rubric(result, lab, report=report, tried=read_tried(root, lab, run, result))
    else:
        print(f"\nnot graded yet: dllab grade {run.id}")
    return 0


def _steps(arms: dict[str, int]) -> str:
    return ", ".join(f"step {n}" + f" of {arm}" * (len(arms) > 1) for arm, n in arms.items())


def compare_two(args: argparse.Namespace) -> int:
    """What differed, and what came of it."""
    from dllab.lab.project import find_root
    from dllab.rundir.compare import compare_runs
    from dllab.rundir.run import find_run

    root = find_root()
    a, b = _pair(root, [find_run(root, name) for name in args.names])
    comparison = compare_runs(a, b)
    if args.json:
        print(json.dumps({"a": a.id, "b": b.id, **asdict(comparison)}, indent=1))
    else:
        _print_comparison(comparison, (a.id, b.id))
    return 0


def _pair(root: "Path", runs: "list[RunFolder]") -> "tuple[RunFolder, RunFolder]":
    """The two runs to compare; a single one comes after the graded run before it."""
    from dllab.rundir.listing import previous_run

    if len(runs) == 1 and (before := previous_run(root, runs[0])):
        return before, runs[0]
    if len(runs) == 2:
        return runs[0], runs[1]
    raise LabError(
        f"run {runs[0].id} is the first of its lab" if len(runs) == 1 else "too many runs",
        "dllab runs lists what there is; two of them can be compared",
    )


def print_path(args: argparse.Namespace) -> int:
    """The folder, for other programs: `cd $(dllab runs path 03)`."""
    from dllab.lab.project import find_root
    from dllab.rundir.run import find_run

    print(find_run(find_root(), args.run_name).path)
    return 0


def _table(rows: "list[RunRow]") -> str:
    from dllab.report.table import columns

    cells = [
        (
            row.id,
            row.lab.removeprefix("lab").replace("_", " ", 1),
            row.when,
            row.impl,
            _status(row),
            "" if row.score is None else f"{row.score:.4g}/{row.max_score:.4g}",
            "" if row.value is None else f"{row.metric} {row.value:.4g}",
            "" if row.seconds is None else f"{row.seconds:.0f} s",
            " ".join(row.overrides),
        )
        for row in rows
    ]
    header = ("run", "lab", "when", "code", "status", "score", "measured", "took", "overrides")
    return columns(cells, header=header, right=(5, 7))


def _status(row: "RunRow") -> str:
    if row.passed is None or row.status != "graded":
        return row.status.replace("_", " ")
    if row.passed:
        return "passed"
    return "experiment" if row.tried else "not passed"


def _print_comparison(comparison: "Comparison", ids: tuple[str, str]) -> None:
    from dllab.report.table import columns

    a, b = ids
    outcome = [
        (o.name, _number(o.a), _number(o.b), "" if o.change is None else f"{o.change:+.4g}")
        for o in comparison.outcome
    ]
    header = ("outcome", "A", "B", "B - A")
    print(f"A  {a}\nB  {b}\n\n{columns(outcome, header=header, right=(1, 2, 3))}")
    for title, found in (("config", comparison.config), ("setting", comparison.setting)):
        if found:
            cells = [(d.key, _value(d.a), _value(d.b)) for d in found]
            print(f"\n{columns(cells, header=(title, 'A', 'B'))}")
        else:
            print(f"\n{title}  the same")
    print("\ncode  the same" if not comparison.code else "\ncode\n" + "\n".join(comparison.code))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _value(value: object) -> str:
    return "unset" if value is None else str(value)

"""`dllab show NN`: what a lab asks, what it gives, and where its files are."""

import argparse
import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dllab.checklist.progress import Progress
    from dllab.lab.find import Lab
    from dllab.lab.spec import Criterion
    from dllab.report.shelf import LabProgress


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser("show", help="a lab's tasks, criteria, points and budgets")
    parser.add_argument("lab", metavar="NN", help="a lab: 03, rnn, lab03_rnn")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the lab's page."""
    from dllab.checklist.progress import Progress
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.report.shelf import stand

    root = find_root()
    lab = find_lab(root, args.lab)
    progress = Progress.load(root)
    standing = stand(lab, progress)
    if args.json:
        print(json.dumps(_content(lab, standing), indent=1))
    else:
        print("\n\n".join(part for part in _parts(lab, standing, progress) if part))
    return 0


def _content(lab: "Lab", standing: "LabProgress") -> dict[str, Any]:
    spec = lab.spec
    return {
        "number": lab.number,
        "id": lab.id,
        "title": spec.title,
        "level": spec.level,
        "summary": spec.summary,
        "topics": list(spec.topics),
        "requires": list(spec.requires),
        "state": standing.state,
        "best": standing.best,
        "tasks": _tasks(lab, standing),
        "criteria": [asdict(criterion) for criterion in spec.criteria.values()],
        "checks": [
            {"id": id, "points": points, "hidden": id in spec.hidden}
            for id, points in spec.checks.items()
        ],
        "arms": [asdict(arm) for arm in spec.arms.values()],
        "budgets": asdict(spec.budgets),
        "pass_score": spec.pass_score,
        "paths": {"folder": str(lab.folder), "code": str(lab.code)},
    }


def _tasks(lab: "Lab", standing: "LabProgress") -> list[dict[str, Any]]:
    """Every task that has hints or is still open, in the order of lab.yaml, then of lab.py."""
    todos = {todo.task: todo for todo in standing.todos}
    return [
        {
            "task": task,
            "open": task in todos,
            "line": todos[task].line if task in todos else None,
            "text": todos[task].text if task in todos else "",
            "hints": len(lab.spec.hints.get(task, ())),
        }
        for task in dict.fromkeys([*lab.spec.hints, *todos])
    ]


def _parts(lab: "Lab", standing: "LabProgress", progress: "Progress") -> list[str]:
    from dllab.report.table import columns

    spec = lab.spec
    criteria = [
        (
            c.title,
            _asked(c),
            f"strong {c.strong:g}" if c.strong is not None else "",
            c.arm,
            f"{c.points:g}",
        )
        for c in spec.measured.values()
    ]
    criteria += [(f.title, f.asked, "", "", f"{f.points:g}") for f in spec.formats.values()]
    checks = [
        (id, "hidden" if id in spec.hidden else "", f"{points:g}")
        for id, points in spec.checks.items()
    ]
    arms = [(arm.name, arm.data, f"{arm.budget_s:g} s") for arm in spec.arms.values()]
    return [
        f"lab {lab.number}  {spec.title}  ({spec.level}; {standing.text})\n"
        + textwrap.fill(spec.summary, 80, break_on_hyphens=False),
        _titled("Tasks", _task_lines(lab, standing)),
        _titled("Criteria, with points", columns(criteria, right=(4,))),
        _titled("Checks, with points", columns(checks, right=(2,))),
        _titled("Trainings, with their data and time", columns(arms, right=(2,))),
        _titled("Builds on", _required(lab, progress)),
        _terms(lab),
        _places(lab),
    ]


def _task_lines(lab: "Lab", standing: "LabProgress") -> str:
    from dllab.report.table import columns

    return columns(
        [
            (
                "○" if t["open"] else "✓",
                t["task"],
                f"line {t['line']}: {t['text']}" if t["open"] else "",
            )
            for t in _tasks(lab, standing)
        ]
    )


def _asked(criterion: "Criterion") -> str:
    sign = "≥" if criterion.target > criterion.floor else "≤"
    return f"{criterion.metric} {sign} {criterion.target:g}"


def _titled(title: str, body: str) -> str:
    return f"{title}\n{textwrap.indent(body, '  ')}" if body else ""


def _terms(lab: "Lab") -> str:
    spec, budgets = lab.spec, lab.spec.budgets
    total = spec.total
    return (
        f"A pass needs {100 * spec.pass_score:g} % of the points ({total:g} in official grading).\n"
        f"Budgets: {budgets.train_s:g} s of training, {budgets.memory_mb} MB of memory, "
        f"{budgets.artifact_bytes / 1e6:g} MB of code and weights, "
        f"{budgets.code_bytes / 1e3:g} kB of it lab.py."
    )


def _required(lab: "Lab", progress: "Progress") -> str:
    from dllab.lab.find import all_labs
    from dllab.report.table import columns

    shelf = {other.number: other for other in all_labs(lab.root)}
    rows = []
    for number in lab.spec.requires:
        other = shelf.get(number)
        passed = other is not None and other.id in progress.passed_labs
        rows.append(
            (
                "✓" if passed else "○",
                f"lab {number}",
                other.spec.title if other else "not in this copy",
            )
        )
    return columns(rows)


def _places(lab: "Lab") -> str:
    folder = lab.folder.relative_to(lab.root) if lab.folder.is_relative_to(lab.root) else lab.folder
    return f"Read   {folder}/README.md\nWrite  {folder}/lab.py\nRun    make lab-{lab.number}"

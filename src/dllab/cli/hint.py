"""`dllab hint NN [TASK]`: the next step of a hint, from a nudge to nearly the answer."""

import argparse
import difflib
import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.lab.find import Lab


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "hint",
        help="the next hint for a task",
        description="Print the next step of a task's hint. What you read is kept in your own "
        "progress.json, and never looked at by a grade.",
    )
    parser.add_argument("lab", metavar="NN", help="a lab: 03, rnn, lab03_rnn")
    parser.add_argument("task", metavar="TASK", nargs="?", help="default: the first open TODO")
    parser.add_argument("--step", type=int, metavar="N", help="this step instead of the next")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one step and remember it."""
    from dllab.checklist.progress import Progress
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    root = find_root()
    lab = find_lab(root, args.lab)
    task = args.task or _first_open(lab)
    steps = _steps(lab, task)
    progress = Progress.load(root)
    seen = progress.hints.get(lab.id, {}).get(task, 0)
    step = _chosen(args.step, len(steps)) if args.step is not None else min(seen + 1, len(steps))
    progress.record_hint(lab.id, task, step)
    progress.save()
    if args.json:
        content = {"lab": lab.id, "task": task, "step": step, "steps": len(steps)}
        print(json.dumps({**content, "text": steps[step - 1]}, indent=1))
        return 0
    print(f"lab {lab.number}, {task}: hint {step} of {len(steps)}")
    print(textwrap.indent(textwrap.fill(steps[step - 1], 78), "  "))
    if step < len(steps):
        print(f"one step more: dllab hint {lab.number} {task}")
    else:
        print("this was the last one")
    return 0


def _first_open(lab: "Lab") -> str:
    """The task of the first open TODO that has hints."""
    from dllab.errors import LabError
    from dllab.lab.todo import open_todos

    todos = open_todos(lab.code) if lab.code.is_file() else []
    task = next((todo.task for todo in todos if todo.task in lab.spec.hints), None)
    if task is None:
        left = "no TODO of lab.py has hints" if todos else "no TODO is left in lab.py"
        raise LabError(f"{lab.id}: {left}", f"name a task: {_tasks(lab)}")
    return task


def _steps(lab: "Lab", task: str) -> tuple[str, ...]:
    from dllab.errors import LabError

    steps = lab.spec.hints.get(task, ())
    if not steps:
        near = difflib.get_close_matches(task, lab.spec.hints, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise LabError(f"{lab.id} has no hints for {task!r}", f"{guess}there are: {_tasks(lab)}")
    return steps


def _chosen(step: int, count: int) -> int:
    from dllab.errors import LabError

    if not 1 <= step <= count:
        raise LabError(f"--step {step}: this hint has {count} steps", f"say 1 to {count}")
    return step


def _tasks(lab: "Lab") -> str:
    return ", ".join(lab.spec.hints) or "none"

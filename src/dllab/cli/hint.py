"""`dllab hint NN [TASK]`: the next step of a hint, from a nudge to code that works."""

import argparse
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
    parser.add_argument(
        "task", metavar="TASK", nargs="?", help="default: the first open TODO, or failing check"
    )
    parser.add_argument("--step", type=int, metavar="N", help="this step instead of the next")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one step and remember it."""
    from dataclasses import asdict

    from dllab.checklist.hints import take_hint
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)
    hint = take_hint(lab, args.task or _first_open(lab), args.step)
    if args.json:
        print(json.dumps({"lab": lab.id, **asdict(hint)}, indent=1))
        return 0
    print(f"lab {lab.number}, {hint.task}: hint {hint.step} of {hint.steps}")
    lines = [line if len(line) <= 78 else textwrap.fill(line, 78) for line in hint.text.split("\n")]
    print(textwrap.indent("\n".join(lines), "  "))
    if hint.step < hint.steps:
        print(f"one step more: dllab hint {lab.number} {hint.task}")
    else:
        print("this was the last one")
    return 0


def _first_open(lab: "Lab") -> str:
    """The task of the first open TODO with hints; with none left, of the first failing check."""
    from dllab.errors import LabError
    from dllab.lab.todo import open_todos

    todos = open_todos(lab.code) if lab.code.is_file() else []
    wanted = [todo.task for todo in todos] if todos else _failing(lab)
    task = next((task for task in wanted if task in lab.spec.hints), None)
    if task is None:
        left = (
            "TODO of lab.py has hints" if todos else "TODO is left in lab.py, and no check failed"
        )
        raise LabError(f"{lab.id}: no {left}", f"name a task: {_tasks(lab)}")
    return task


def _failing(lab: "Lab") -> list[str]:
    """The checks that failed when they last ran, in lab.yaml's order: most are called by a task."""
    from dllab.grading.draws import Draws

    failing = Draws.kept(lab).failing
    return [id for id in lab.spec.visible if id in failing]


def _tasks(lab: "Lab") -> str:
    return ", ".join(lab.spec.hints) or "none"

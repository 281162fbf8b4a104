"""`dllab list`: the labs, and where you stand with each."""

import argparse
import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.lab.find import Lab


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser("list", help="the labs, and where you stand with each")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Two lines for each lab: what it is called and where you stand; what it is about."""
    from dllab.checklist.progress import Progress
    from dllab.lab.find import all_labs
    from dllab.lab.project import find_root
    from dllab.report.shelf import stand
    from dllab.report.table import columns

    root = find_root()
    progress = Progress.load(root)
    shelf = [(lab, stand(lab, progress)) for lab in all_labs(root)]
    if args.json:
        rows = [
            {
                "number": lab.number,
                "id": lab.id,
                "title": lab.spec.title,
                "level": lab.spec.level,
                "requires": list(lab.spec.requires),
                "summary": lab.spec.summary,
                "state": standing.state,
                "todos_left": len(standing.todos),
                "best": standing.best,
            }
            for lab, standing in shelf
        ]
        print(json.dumps(rows, indent=1))
        return 0
    table = columns(
        [
            (
                lab.number,
                lab.spec.title,
                lab.spec.level,
                _after(lab),
                standing.text + ", draft" * lab.spec.draft,
            )
            for lab, standing in shelf
        ]
    )
    for line, (lab, _) in zip(table.splitlines(), shelf, strict=True):
        print(line)
        print(textwrap.fill(lab.spec.summary, 80, initial_indent="    ", subsequent_indent="    "))
    return 0


def _after(lab: "Lab") -> str:
    return f"after {', '.join(lab.spec.requires)}" if lab.spec.requires else ""

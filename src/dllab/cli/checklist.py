"""`dllab checklist export`: the checklist as Markdown, to copy and customise."""

import argparse
from pathlib import Path
from typing import Any


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = subparsers.add_parser("checklist", help="the checklist as Markdown")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    export = actions.add_parser("export", help="Markdown with boxes to tick by hand")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of the screen")
    export.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the checklist, or write it to a file that does not exist yet."""
    from dllab.checklist.markdown import to_markdown
    from dllab.checklist.topics import load_checklist
    from dllab.errors import LabError
    from dllab.lab.project import find_root

    text = to_markdown(load_checklist(find_root()))
    if args.output is None:
        print(text)
        return 0
    try:
        with args.output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise LabError(
            f"{args.output} exists", "it may hold your ticks: choose another name"
        ) from None
    except OSError as error:
        raise LabError(f"cannot write {args.output}: {error.strerror}") from None
    print(f"wrote {args.output}")
    return 0

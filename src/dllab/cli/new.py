"""`dllab new NN SLUG`: begin a lab."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "new",
        help="(authors) begin a lab",
        description="Write the folder of a lab that runs, trains in seconds and passes the doctor "
        "but for its texts. No existing file is touched.",
    )
    parser.add_argument("number", metavar="NN", help="the lab's number, such as 12")
    parser.add_argument("slug", metavar="SLUG", help="its name, such as augment")
    parser.add_argument(
        "--in", dest="parent", metavar="DIR", type=Path, help="a folder of private labs"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the folder is written; 2 when the number or the name is taken."""
    from dllab.authoring.scaffold import scaffold
    from dllab.lab.project import find_root

    lab = scaffold(find_root(), args.number, args.slug, args.parent)
    nn = lab.number
    print(
        f"{lab.folder} is written: a small lab that runs. Make it yours:\n"
        f"  1. _author/solution.py, then `dllab strip {nn}` generates lab.py\n"
        f"  2. checks.py, _author/probes.py and checks.py, _author/mutants.py\n"
        f"  3. README.md and lab.yaml: every `WRITE:` asks for a text\n"
        f"  4. `dllab calibrate {nn} --write` sets the thresholds\n"
        f"`dllab doctor {nn} --fast` says what is missing; docs/authors.md tells how."
    )
    return 0

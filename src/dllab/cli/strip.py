"""`dllab strip [NN …]`: generate lab.py from the reference."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "strip",
        help="(authors) generate lab.py from the reference",
        description="Turn each solution region of _author/solution.py into its TODO in lab.py.",
    )
    parser.add_argument("labs", metavar="NN", nargs="*", help="labs; all by default")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 with `--check` when a lab.py is stale."""
    from dllab.authoring.strip import is_fresh, strip
    from dllab.lab.find import all_labs, find_lab
    from dllab.lab.project import find_root

    root = find_root()
    labs = [find_lab(root, name) for name in args.labs] or all_labs(root)
    stale = 0
    for lab in labs:
        if not lab.solution.is_file():
            print(f"{lab.id}: no reference here")
        elif is_fresh(lab):
            print(f"{lab.id}: fresh")
        else:
            stale += 1
            print(f"{lab.id}: {'stale' if args.check else 'written'}")
            if not args.check:
                strip(lab)
    return int(args.check and stale > 0)

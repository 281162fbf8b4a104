"""`dllab update`: bring a course up to date with the dllab that is installed."""

import argparse
from importlib.util import find_spec

SAID = {
    "new": "new",
    "updated": "updated",
    "merged": "merged with your changes; as it was: lab.py.bak",
    "conflict": "merged, but both sides changed the same lines: look for <<<<<<<; "
    "as it was: lab.py.bak",
    "kept": "yours, left alone; the new one lies beside it as .new",
    "removed": "removed, it is not needed any more",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "update",
        help="bring a course up to date",
        description="Bring texts, checks and labs of the dllab that is installed into a course "
        "that dllab init began. Your code is merged, your runs and progress stay.",
        epilog="example: pip install -U dllab; dllab update --dry-run; dllab update",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 up to date, 1 something is left for you to merge, 2 it is not such a course."""
    from dllab.errors import LabError
    from dllab.lab.project import find_root
    from dllab.version import __version__

    if find_spec("dllab.authoring.updating") is None:  # a release holds none of the authors' part
        raise LabError("this copy is your instructor's", "git pull brings what is new")
    from dllab.authoring.packaged import Course
    from dllab.authoring.updating import update

    root = find_root()
    before = Course.read(root).version
    changes = update(root, dry=args.dry_run)
    width = max((len(change.file) for change in changes), default=0)
    for change in changes:
        print(f"  {change.file:{width}}  {SAID[change.what]}")
    would = "would be " if args.dry_run else ""
    print(f"the course {would}brought from dllab {before} to {__version__}: {len(changes)} files")
    return int(any(change.what == "conflict" for change in changes))

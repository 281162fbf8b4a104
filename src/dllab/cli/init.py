"""`dllab init FOLDER`: begin a course with the labs that dllab brings."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "init",
        help="begin a course in a new folder",
        description="Write the labs that this version of dllab brings into a new folder, to work "
        "in. No clone is needed.",
        epilog="example: dllab init my-course --labs 01-03; cd my-course; dllab train 01",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a new folder")
    parser.add_argument("--labs", metavar="01-06", help="which labs; all by default")
    parser.add_argument("--git", action="store_true", help="make it a repository with one commit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the course is there, 2 when it is not."""
    from dllab.authoring.packaged import unpack
    from dllab.authoring.release import start_repository

    labs = unpack(args.folder, args.labs)
    if args.git:
        start_repository(args.folder)
    first = labs[0].number
    print(f"{args.folder}: {len(labs)} labs. To begin:")
    print(f"  cd {args.folder}")
    print(f"  make lab-{first}        # builds an environment for it, then names your first TODO")
    print(f"  dllab train {first}     # the same in the environment that you are in")
    return 0

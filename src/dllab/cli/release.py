"""`dllab release OUT`: the learners' copy."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "release",
        help="(authors) write the learners' copy",
        description="Write a copy without solutions, hidden checks and mutants, to be pushed as a "
        "repository of its own.",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder")
    parser.add_argument("--labs", metavar="01-06", help="which labs; all by default")
    parser.add_argument("--course", metavar="FILE", type=Path, help="a course file to put in")
    parser.add_argument("--git", action="store_true", help="make it a repository with one commit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the copy is written; 2 when it would show solutions."""
    from dllab.authoring.release import choose_labs, release, start_repository
    from dllab.lab.find import finished_labs
    from dllab.lab.project import find_root

    root = find_root()
    labs = choose_labs(root, args.labs) if args.labs else finished_labs(root)
    release(root, labs, args.out, args.course)
    if args.git:
        start_repository(args.out)
    many = "1 lab" if len(labs) == 1 else f"{len(labs)} labs"
    print(f"{args.out}: {many} for learners; try `make -C {args.out} lab-{labs[0].number}`")
    return 0

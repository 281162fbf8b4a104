"""`dllab test`: check a course, and all that its learner has written so far."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "test",
        help="check all that you have written so far",
        description="Run the course's own tests: every check of each task that you have begun.",
        epilog="example: dllab test -k lab01",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, help="options for pytest")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 all right, 1 something is wrong, 2 it cannot be run."""
    import subprocess
    import sys

    from dllab.errors import require
    from dllab.lab.project import find_root

    require("pytest", "learn", "dllab test")
    command = [sys.executable, "-m", "pytest", "-q", *args.words]
    return subprocess.run(command, cwd=find_root(), check=False).returncode

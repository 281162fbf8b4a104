"""`dllab setup`: build the environment of a course."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    subparsers.add_parser(
        "setup",
        help="build or repair the course's environment",
        description="Build .venv in the course's folder with the packages that it was tested "
        "with, or bring it up to date. `make` does this by itself.",
    ).set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Exit code 0 when it is ready, 2 when it cannot be made so, 130 stopped by Ctrl-C."""
    from dllab import bootstrap
    from dllab.lab.project import find_root

    root = find_root()
    code = bootstrap.main([], root)
    if code == 0:
        print(f"The environment is ready: source {root / '.venv/bin/activate'}")
    return code

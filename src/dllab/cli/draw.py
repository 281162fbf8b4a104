"""`dllab draw NN`: draw what is asked of this learner, and write the sheets to fill in."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "draw",
        help="write a lab's forecast.yaml and claims.yaml, drawn for you",
        description="Write the answer sheets of a lab beside its lab.py, with a configuration, "
        "cells and arms that are drawn for you. A sheet that is there already is left as it is.",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when every sheet is there, or 2 for a lab that asks for none."""
    from dllab.grading.formats.blank import write_sheets
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    for path, is_new in write_sheets(find_lab(find_root(), args.lab)).items():
        print(f"{path}: {'written; fill it in' if is_new else 'is there already'}")
    return 0

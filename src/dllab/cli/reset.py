"""`dllab reset NN`: the starter again, with a backup of what was there."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "reset",
        help="bring a lab's starter back, keeping a backup",
        description="Put the untouched starter back as lab.py. What was there is kept beside it.",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, also when there was nothing to do."""
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.lab.starter import reset

    lab = find_lab(find_root(), args.lab)
    backup = reset(lab)
    if backup is None:
        print(f"{lab.code} is the untouched starter")
    else:
        print(f"{lab.code} is the starter again; your version is kept in {backup.name}")
    return 0

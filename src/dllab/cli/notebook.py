"""`dllab notebook NN`: the lab's text and cells that try lab.py out, as a Jupyter notebook."""

import argparse
from pathlib import Path

from dllab.errors import LabError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "notebook",
        help="make a Jupyter notebook of a lab",
        description="Write the lab's text as a notebook with cells that import your lab.py, look "
        "at the data, run the checks of each task, train for a moment and draw the curve.",
        epilog="to open it: pip install jupyterlab, then jupyter lab FILE",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: labNN_slug.ipynb, here"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file; one that is there, and may hold notes, is kept unless --force is said."""
    from dllab.authoring.notebook import default_path, make_notebook
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.rundir.run import write_text

    lab = find_lab(find_root(), args.lab)
    path = args.output or default_path(lab)
    if path.exists() and not args.force:
        raise LabError(f"{path} is there already", "name another with -o, or say --force")
    write_text(path, make_notebook(lab))
    print(f"wrote {path}: jupyter lab {path}")
    return 0

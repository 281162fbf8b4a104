"""`dllab notebook NN`: the lab's text and cells that try lab.py out, as a Jupyter notebook."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dllab.errors import LabError

if TYPE_CHECKING:
    from dllab.authoring.notebook import SelfStart


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "notebook",
        help="make a Jupyter notebook of a lab",
        description="Write the lab's text as a notebook with cells that import your lab.py, look "
        "at the data, run the checks of each task, train for a moment and draw the curve. With "
        "--colab it starts by itself wherever there is Jupyter.",
        epilog="to open it: pip install jupyterlab, then jupyter lab FILE",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: labNN_slug.ipynb, here"
    )
    parser.add_argument(
        "--colab",
        action="store_true",
        help="a notebook that starts by itself, in Colab or anywhere: it installs dllab, begins a "
        "course, trains the whole lab and packs a submission",
    )
    parser.add_argument(
        "--install",
        metavar="WHAT",
        help="with --colab, what pip is to install: a wheel's address, 'dllab[learn]==1.0'; by "
        "default this version",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="with --colab, how the lab is trained"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file; one that is there, and may hold notes, is kept unless --force is said."""
    from dllab.authoring.notebook import default_path, make_notebook
    from dllab.config.compose import compose
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.rundir.run import write_text

    lab = find_lab(find_root(), args.lab)
    if (args.overrides or args.install) and not args.colab:
        raise LabError("what to install and how to train is said of a --colab notebook", "add it")
    compose(lab, args.overrides)
    path = args.output or default_path(lab)
    if path.exists() and not args.force:
        raise LabError(f"{path} is there already", "name another with -o, or say --force")
    write_text(path, make_notebook(lab, _start(args) if args.colab else None))
    print(f"wrote {path}: jupyter lab {path}")
    return 0


def _start(args: argparse.Namespace) -> "SelfStart":
    from dllab.authoring.notebook import SelfStart

    told = {"install": args.install} if args.install else {}
    return SelfStart(overrides=tuple(args.overrides), **told)

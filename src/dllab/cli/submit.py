"""`dllab submit RUN [-o FILE]`: pack a run to hand it in."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.lab.find import Lab
    from dllab.rundir.run import RunFolder


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "submit",
        help="pack a run to hand it in",
        description="Pack your run of a lab into one archive. The same run gives the same bytes. "
        "Of a lab it takes the newest full run of lab.py as it is now, and says which.",
    )
    parser.add_argument(
        "run_name", metavar="RUN", help="a path, an id, or NN (its newest full run)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="default: submission.zip in the run folder",
    )
    parser.add_argument(
        "--untried", action="store_true", help="do not grade it first as the instructor would"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 with the reason why this run cannot be handed in, or 3 where it could not be
    graded at the instructor's.
    """
    import hashlib

    from dllab.errors import LabError
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.rundir.choice import choose_run
    from dllab.submission.pack import pack

    root = find_root()
    chosen = choose_run(root, args.run_name)
    folder = chosen.run
    lab = find_lab(root, folder.read_config()["lab"])
    out = args.output or folder.path / "submission.zip"
    if out.is_dir():
        out /= "submission.zip"
    if not out.parent.is_dir():
        raise LabError(f"{out.parent} is not there", "make the folder first, or name another")
    with tempfile.TemporaryDirectory() as scratch:
        packed = pack(lab, folder, Path(scratch) / "submission.zip")
        if not args.untried:
            _try_it(lab, folder, packed)
        out = pack(lab, folder, out)
    print(f"run   {folder.id}  {chosen.why}".rstrip())
    print(f"file  {out}  {out.stat().st_size / 1e6:.1f} MB")
    print(f"id    {hashlib.sha256(out.read_bytes()).hexdigest()}")
    _mention_failure(root, folder)
    return 0


def _try_it(lab: "Lab", folder: "RunFolder", packed: Path) -> None:
    """Grade what was packed as the instructor does; Ungradable names what would not go there."""
    from dllab.errors import LabError, Ungradable
    from dllab.grading.rehearsal import require_gradable

    try:
        result = require_gradable(lab, packed)
    except Ungradable as error:
        error.hint = f"{error.hint}\n`dllab submit … --untried` hands it in as it is"
        raise
    except LabError as error:
        print(
            f"note: it could not be tried as the instructor grades: {error.what}", file=sys.stderr
        )
        return
    here = folder.read_result()
    if here and result.score < here.score - 1e-6:
        told = f"{result.score:g} points, and {here.score:g} here"
        print(f"note: graded as the instructor does it has {told}", file=sys.stderr)


def _mention_failure(root: Path, run: "RunFolder") -> None:
    """Another run, an experiment perhaps, may have done better than the one that was packed."""
    from dllab.rundir.choice import better_run

    result = run.read_result()
    if result and not result.passed:
        print("note: this run has not passed its practice grade", file=sys.stderr)
    if better := better_run(root, run):
        score = f"{better.score:g} points" if better.score else "a pass"
        print(f"note: another run has {score}: dllab submit {better.id}", file=sys.stderr)

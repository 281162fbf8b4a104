"""`dllab submit RUN [-o FILE]`: pack a run to hand it in."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.rundir.run import RunFolder


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "submit",
        help="pack a run to hand it in",
        description="Pack your run of a lab into one archive. The same run gives the same bytes.",
    )
    parser.add_argument("run_name", metavar="RUN", help="a path, an id, or NN (its newest run)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="default: submission.zip in the run folder",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 with the reason why this run cannot be handed in."""
    import hashlib

    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root
    from dllab.rundir.run import find_run
    from dllab.submission.pack import pack

    root = find_root()
    folder = find_run(root, args.run_name)
    lab = find_lab(root, folder.read_config()["lab"])
    out = pack(lab, folder, args.output or folder.path / "submission.zip")
    print(f"{out}  {out.stat().st_size / 1e6:.1f} MB")
    print(f"id {hashlib.sha256(out.read_bytes()).hexdigest()}")
    _mention_failure(root, folder)
    return 0


def _mention_failure(root: Path, run: "RunFolder") -> None:
    """The newest run may be an experiment that went wrong, and an older one what was meant."""
    from dllab.rundir.listing import list_runs

    rows = list_runs(root, run.lab_id)
    if any(row.id == run.id and row.passed is False for row in rows):
        print("note: this run has not passed its practice grade", file=sys.stderr)
        better = next((row.id for row in rows if row.passed and row.impl == "mine"), "")
        if better:
            print(f"  one that has: dllab submit {better}", file=sys.stderr)

"""`dllab calibrate NN`: thresholds from runs of the reference."""

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.authoring.calibrate import Calibrated

WIDTH = 60


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "calibrate",
        help="(authors) set thresholds from runs of the reference",
        description="Train and grade the reference over seeds, and the mutants that only a score "
        "can catch; propose pass, strong and floor.",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="runs (default: 10)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs side by side")
    parser.add_argument("--write", action="store_true", help="write them into lab.yaml")
    parser.add_argument(
        "--experiments",
        action="store_true",
        help="run what lab.yaml lists as experiments and is stale; write records and curves.svg",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when honest runs spread wider than the distance to a classic mistake."""
    from dllab.errors import require

    if args.experiments or args.write:  # before the runs, not after them
        require("matplotlib", "learn", "the picture beside the numbers")
    if args.experiments:
        return _run_experiments(args)
    import sys

    from dllab.authoring.calibrate import calibrate, draw_strips
    from dllab.authoring.kept import KeptTrials
    from dllab.authoring.record import write_record
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    found = calibrate(lab, args.seeds, args.jobs, say)
    for one in found:
        _print(one)
    if args.write:
        write_record(lab, found)
        plot = lab.folder / "_author" / "calibration.svg"
        draw_strips(found, plot)
        print(f"\nwritten: {lab.folder / 'lab.yaml'} and {plot}")
    else:
        print("\nnothing is written; --write puts pass, floor and the record in lab.yaml")
    KeptTrials(lab).forget()  # not before they are written
    return int(any(one.is_narrow for one in found))


def _run_experiments(args: argparse.Namespace) -> int:
    """Exit code 0 when every record is fresh."""
    import sys

    from dllab.authoring.curve_picture import PICTURE, draw_curves, is_picture_of
    from dllab.authoring.experiments import run_experiments, stale_experiments
    from dllab.authoring.record import write_experiments
    from dllab.errors import LabError
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)
    every = list(lab.spec.experiments.values())
    if not every:
        raise LabError(f"{lab.folder / 'lab.yaml'} lists no experiments", "see docs/authors.md")
    stale = [one for one, _ in stale_experiments(lab)]
    drawn = [one for one in every if one.curve]
    picture = lab.folder / PICTURE
    redraw = bool(drawn) and not is_picture_of(picture, lab, drawn)
    wanted = [one for one in every if one in stale or (redraw and one in drawn)]
    ran = run_experiments(lab, wanted, args.jobs, lambda text: print(text, file=sys.stderr))
    write_experiments(lab, [one for one in ran if one.experiment in stale])
    if redraw:
        picture.write_text(draw_curves(lab, [one for one in ran if one.experiment in drawn]))
    print(f"{lab.id}: {len(stale)} of {len(every)} experiments written{', drawn anew' * redraw}")
    return 0


def _print(one: "Calibrated") -> None:
    now, spread = one.criterion, one.spread
    print(f"\n{now.title} ({now.id}), {len(one.values)} seeds, {one.n} items")
    print(f"  mean {spread.mean:.4f}, sd {spread.sd:.4f}; the interval rule adds {one.slack:.4f}")
    print(f"  pass   {one.target:g}   (now {now.target:g})")
    print(f"  floor  {one.floor:g}   (now {now.floor:g})")
    shown = "none" if now.strong is None else f"{now.strong:g}"
    print(f"  strong {one.strong:g}   (now {shown}; a published figure is better)")
    strips = {"reference": one.values, **one.mutants}
    known = [v for values in strips.values() for v in values if not math.isnan(v)]
    low, high = min(*known, one.floor), max(*known, one.floor)
    width = max(map(len, strips))
    for name, values in strips.items():
        print(f"  {name:{width}} {_strip(values, low, high)}")
    print(f"  {'':{width}} {low:<{WIDTH // 2}.4f}{high:>{WIDTH // 2}.4f}")
    if one.is_narrow:
        print("  ! honest runs spread wider than the way to the best mutant: no floor fits.")
        print("    Train longer, score more items, or catch that mutant by a check.")


def _strip(values: Sequence[float], low: float, high: float) -> str:
    """Runs on a line from low to high: a dot for one, a digit for more in one place."""
    counts = [0] * WIDTH
    for value in values:
        if not math.isnan(value):
            counts[round((value - low) / ((high - low) or 1) * (WIDTH - 1))] += 1
    return "".join("·" if n == 0 else "●" if n == 1 else str(min(n, 9)) for n in counts)

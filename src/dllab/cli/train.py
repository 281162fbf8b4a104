"""`dllab train NN [overrides]`: train, practice-grade, report."""

import argparse
import sys
from functools import partial
from pathlib import Path

from dllab.cli._stopping import stoppable
from dllab.errors import LabError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a lab and grade the run",
        description="Train every arm of a lab, grade the run in practice mode, write its report.",
        epilog="examples: dllab train 01 trainer.max_epochs=3 model.lr=0.01; "
        "dllab train 01 --resume RUN trainer.max_epochs=6",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config overrides")
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="one run for each combination"
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a stopped run, or, with more epochs or steps, beyond the end of any",
    )
    parser.add_argument("--no-grade", action="store_true", help="train only")
    parser.add_argument(
        "--whole", action="store_true", help="for authors: hidden checks and criteria count too"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code: 0 passed or an experiment, 1 not passed, 2 wrong use, 130 stopped by Ctrl-C, 143
    by SIGTERM, which stops as cleanly.
    """
    return stoppable(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from dllab.training.machine import drop_leftovers

    if ranks := [one for one in drop_leftovers() if not one.startswith("SLURM_")]:
        told = " ".join(ranks)
        print(f"note: {told} is left over: no launcher started this process", file=sys.stderr)
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    root = find_root()
    lab = find_lab(root, args.lab)
    if args.multirun:
        from dllab.config.sweep import multirun

        if args.resume:
            raise LabError(
                "-m begins runs anew, --resume goes on with one", "leave one of them out"
            )
        one_run = partial(train_and_grade, grade=not args.no_grade, whole=args.whole)
        return multirun(lab, args.overrides, one_run)
    return train_and_grade(
        root, lab.id, args.overrides, args.resume, grade=not args.no_grade, whole=args.whole
    )


def train_and_grade(
    root: Path,
    lab_name: str,
    overrides: list[str],
    resume: str | None = None,
    *,
    grade: bool = True,
    whole: bool = False,
) -> int:
    """One whole run; a module-level function so that sweep launchers can ship it elsewhere."""
    from dllab import training
    from dllab.lab.find import find_lab
    from dllab.rundir.run import find_run
    from dllab.training.machine import is_main_process

    lab = find_lab(root, lab_name)
    if resume:
        folder = training.resume(root, find_run(root, resume), overrides)
    else:
        folder = training.train(root, lab, overrides)
    if not is_main_process():
        return 0
    if not grade:
        print(f"run {folder.id}")
        return 0
    from dllab.cli.grade import grade_and_report

    return grade_and_report(root, folder, whole=whole)

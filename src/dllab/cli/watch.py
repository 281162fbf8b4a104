"""`dllab watch NN`: the lab's visible checks on every save of lab.py."""

import argparse

from dllab.errors import LabError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "watch",
        help="run a lab's visible checks each time you save lab.py",
        description="Run the visible checks that a save of lab.py touches, in a warm process, and "
        "show the current TODO and the failing check. It ends with q, and begins where it ended.",
        epilog="keys: h next hint, n next check, d diff against the starter, r run the training, "
        "g practice grade of the newest full run, q quit",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument(
        "--plain", action="store_true", help="append lines instead of redrawing the screen"
    )
    parser.add_argument(
        "--once", action="store_true", help="run every visible check once; exit 1 unless all pass"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or with --once 1 while a check does not pass."""
    import os
    import sys

    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)
    _ = lab.spec  # a broken lab.yaml is told before torch is imported
    if not lab.code.is_file():
        raise LabError(
            f"{lab.code} is missing", f"dllab reset {lab.number} brings the starter back"
        )
    plain = args.plain or args.once or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    print(f"lab {lab.number} {lab.spec.title}: importing torch …", flush=True)

    from dllab.checklist.hints import take_hint
    from dllab.sandbox.warm import warm_or_cold

    with warm_or_cold(lab) as backend:  # it imports torch while this process does
        from dllab.grading.watch.loop import watch

        return watch(lab, backend, lambda task: take_hint(lab, task), plain=plain, once=args.once)

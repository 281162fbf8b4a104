"""`dllab hidden build NN`: a hidden set from the reserved rows."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "hidden",
        help="(instructors) build a hidden set for official grading",
        description="Hidden sets are drawn from reserved rows, which no config ever trains on, and "
        "perturbed a little, so that no table of the public rows holds them.",
        epilog="Public data sets can be fetched elsewhere too: where much is at stake, use items "
        "of your own in the same format, or grade with --retrain.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="draw items and write the folder")
    build.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    build.add_argument(
        "--size", type=int, required=True, metavar="N", help="items of each data set"
    )
    build.add_argument("--seed", type=int, required=True, metavar="S", help="keep it secret")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    build.add_argument("--exact", action="store_true", help="leave the items as they are")
    build.add_argument("--json", action="store_true", help="print what was found as JSON")
    build.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 2 when more items are asked for than are reserved."""
    import json

    from dllab.grading.hidden import build_hidden
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)
    found = build_hidden(lab, args.size, args.seed, args.out, exact=args.exact)
    plain = {
        name: {"reserved": one.items, "exact": one.exact, "near": one.near}
        for name, one in found.items()
    }
    if args.json:
        print(json.dumps(plain, indent=2))
        return 0
    for name, one in plain.items():
        print(
            f"{name}: {one['reserved']} items looked at; {one['exact']} stand in the released data "
            f"too and were left out; {one['near']} are near duplicates of released ones"
        )
    print(f"written to {args.out}; keep it, and its seed, away from learners")
    return 0

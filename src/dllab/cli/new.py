"""`dllab new NN NAME`: begin a lab."""

import argparse
from pathlib import Path

KINDS = {
    "train": "a model is trained, and graded on the items of a data set (the default)",
    "code": "functions and nothing to train: a tokenizer, an autograd engine, a data audit",
    "play": "the grader asks the trained model to act, to generate or to encode",
    "artifact": "a file is handed in beside the code: an index, an ONNX model, a tokenizer",
    "timing": "code must be fast, measured against a yardstick",
    "ranks": "several processes work together",
    "break-it": "the learner's tests find mistakes in code",
    "forecast": "the learner says what runs cost and how they end, before they run",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "new",
        help="(authors) begin a lab",
        description="Write the folder of a small lab that runs, and that dllab doctor finds sound. "
        "Make it yours piece by piece.\nNo existing file is touched.",
        epilog="kinds:\n" + "\n".join(f"  {kind:9} {what}" for kind, what in KINDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("number", metavar="NN", help="the lab's number, such as 12")
    parser.add_argument("name", metavar="NAME", help="its name, such as augment or data-audit")
    parser.add_argument(
        "--kind", choices=KINDS, default="train", metavar="KIND", help="what is graded, see below"
    )
    parser.add_argument(
        "--in", dest="parent", metavar="DIR", type=Path, help="a folder of private labs"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the folder is written; 2 when the number or the name is taken."""
    from dllab.authoring.scaffold import scaffold
    from dllab.lab.project import find_root

    lab = scaffold(find_root(), args.number, args.name, args.parent, args.kind)
    nn = lab.number
    calibrate = f"  4. `dllab calibrate {nn} --write` sets the thresholds\n"
    print(
        f"{lab.folder} is written: a small lab that runs. Make it yours:\n"
        f"  1. _author/solution.py, then `dllab strip {nn}` generates lab.py\n"
        f"  2. checks.py, _author/probes.py and checks.py, _author/mutants.py\n"
        f"  3. README.md and lab.yaml: every `WRITE:` asks for a text\n"
        f"{calibrate * bool(lab.spec.measured)}"
        f"`dllab doctor {nn} --fast` says what is missing; docs/authors.md tells how.\n"
        "Until lab.yaml no longer says `draft: true`, the lab is listed nowhere."
    )
    return 0

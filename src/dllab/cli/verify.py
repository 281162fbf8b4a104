"""`dllab verify RESULT --key PUB`: is this grade the grader's word?"""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "verify",
        help="check the signature of an official grade",
        description="Check that a result.json was signed by the grader and not changed since.",
    )
    parser.add_argument("result", metavar="RESULT", type=Path, help="a result.json")
    parser.add_argument("--key", metavar="PUB", type=Path, required=True, help="grader.pub")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the signature holds, 1 when it does not."""
    from dllab.grading.signature import verify
    from dllab.rundir.run import read_json

    result = read_json(args.result)
    if verify(result, args.key):
        print(f"genuine: {result['submission']['lab']}, {result['score']} of {result['max_score']}")
        return 0
    print("not genuine: the result was changed, or signed with another key")
    return 1

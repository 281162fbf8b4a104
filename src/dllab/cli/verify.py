"""`dllab verify RESULT --key PUB`: is this grade the grader's word?"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.result import Result


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
    from dllab.result import parse_result
    from dllab.rundir.run import read_json

    content = read_json(args.result)
    if verify(content, args.key):
        _print(parse_result(content, args.result))
        return 0
    print("not genuine: the result was changed, or signed with another key")
    return 1


def _print(result: "Result") -> None:
    """What the signature vouches for."""
    from dllab.report.table import columns

    submission = result.submission
    told = {
        "learner": submission.learner,
        "submission": submission.id,
        "lab": submission.lab,
        "mode": result.mode,
        "verdict": result.verdict,
        "score": f"{result.score:g} of {result.max_score:g}",
        "graded_at": result.graded_at and result.graded_at.isoformat(),
    }
    print("genuine")
    print(columns([(name, str(value)) for name, value in told.items()]))

"""`dllab COMMAND …`: finds the command, runs it, and turns its error into a message and a code."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dllab.errors import LabError, LearnerError
from dllab.version import __version__

# Every command is a module of this package with `add(subparsers)`; none imports anything heavy
# until it runs. A module whose name begins with _ is not a command.
COMMANDS = tuple(
    sorted(f.stem for f in Path(__file__).parent.glob("[a-z]*.py") if f.stem != "main")
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (contracts: 0 1 2 3 4 5)."""
    if sys.platform == "win32":
        from dllab.bootstrap import NO_WINDOWS

        print(NO_WINDOWS, file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(
        prog="dllab",
        description="Deep learning, hands on: graded labs.",
        epilog="to begin: dllab list, then dllab show 01; `dllab COMMAND --help` says more",
    )
    parser.add_argument("--version", action="version", version=f"dllab {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where dllab itself failed")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in _needed(sys.argv[1:] if argv is None else argv):
        importlib.import_module(f"dllab.cli.{name}").add(subparsers)
    args, rest = parser.parse_known_args(argv)
    _take_late_overrides(parser, args, rest)
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    return _guarded(args)


def _needed(argv: Sequence[str]) -> Sequence[str]:
    """The one command that is asked for, or all of them, for the help text."""
    asked = next((word for word in argv if not word.startswith("-")), "")
    module = asked.replace("-", "_")
    return (module,) if module in COMMANDS else COMMANDS


def _take_late_overrides(
    parser: argparse.ArgumentParser, args: argparse.Namespace, rest: list[str]
) -> None:
    """Overrides may stand behind options too (`train 01 --no-grade model.lr=0.1`).

    argparse fills a list of positionals only once, and hands the later ones back.
    """
    if not hasattr(args, "overrides") or any(word.startswith("-") for word in rest):
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return
    args.overrides = [*args.overrides, *rest]


def _guarded(args: argparse.Namespace) -> int:
    try:
        return int(args.run(args))
    except LabError as error:
        if args.traceback:
            raise
        print_error(error)
        return error.exit_code
    except SystemExit as error:
        # No command of ours ends so: code of the learner's did, in whatever library it called.
        print_error(LearnerError(f"exit({error.code!r}) was called before the end", ""))
        return 1
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def print_error(error: LabError) -> None:
    """What was wrong, where, what to do; for learner code its own traceback, whole."""
    if isinstance(error, LearnerError) and error.traceback:
        print(error.traceback, file=sys.stderr)
        print(file=sys.stderr)
    asked_for = error.exit_code in (1, 130, 143)  # the next step; Ctrl-C; SIGTERM
    mark = "→" if asked_for else "error:"
    print(f"{mark} {error.what}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)

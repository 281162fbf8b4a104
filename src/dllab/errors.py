"""The errors a person may see: what went wrong, and what to do about it.

    LabError            exit 2   wrong use, wrong config, missing data or hardware
    ├── NextStep        exit 1   nothing is broken: the learner's next step
    ├── LearnerError    exit 1   learner code failed; carries its own traceback, ours cut away
    ├── Ungradable      exit 3   the submission's fault
    └── InfraError      exit 4   our fault, or the machine's

Only the command line turns them into text and exit codes; every other layer raises them.
"""

from importlib.util import find_spec
from typing import Any

LEGIBLE_CHARS = 4_000


def legible(text: str, limit: int = LEGIBLE_CHARS) -> str:
    """A stranger's text as every terminal and file can take it: nothing that steers, and an end."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text[:limit])
    return shown if len(text) <= limit else f"{shown}…"


class LabError(Exception):
    """Something the person can mend: `what` is wrong, and the `hint` says what to do."""

    exit_code = 2

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class NextStep(LabError):  # noqa: N818 - not an error: the way on
    """The lab is not finished yet; `what` names the place, `hint` the next nudge."""

    exit_code = 1


class LearnerError(LabError):
    """An exception in learner code. `traceback` holds the learner's own frames, whole."""

    exit_code = 1

    def __init__(self, what: str, traceback: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.traceback = traceback

    def __reduce__(self) -> tuple[Any, ...]:
        """Whole after pickling too: a sweep's launcher may raise it in another process."""
        return type(self), (self.what, self.traceback, self.hint)


class Ungradable(LabError):  # noqa: N818 - the verdict's name
    """The submission cannot be graded, by its own fault; no attempt is charged."""

    exit_code = 3


class InfraError(LabError):
    """The grader or the machine failed; the submission is not to blame."""

    exit_code = 4


def require(package: str, extra: str, what: str) -> None:
    """Raise LabError where a package is missing that only some installations of dllab bring.

    `what` needs it; `extra` is the set of packages in pyproject.toml that it comes with.
    """
    if find_spec(package) is None:
        raise LabError(
            f"{what} needs the package {package}, which is not installed",
            f"pip install 'dllab[{extra}]'",
        )

"""Whose line it was, and what is missing, where an exception does not say so by itself."""

import difflib
import re
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from dllab.checks.arrays import MISSING_RETURN

OVERWRITTEN = (
    "The line shown needs what a later operation in place (+=, *=, x[…] = …, …_()) has "
    "overwritten: make a new tensor there."
)
CHECKS = "checks.py"  # the file of those checks that a learner may read


def missing(error: BaseException) -> str:
    """What learner code lacks or gave instead, from the exception of the check that used it."""
    if told := getattr(error, "missing", ""):
        return str(told)
    text = re.sub(r"\blabs\.\w+\.lab\.?", "lab.py's ", str(error))
    if "NoneType" in text:  # what Python and torch say where a value was expected
        reason = MISSING_RETURN
    elif isinstance(error, AttributeError) and error.obj is not None and error.name:
        return f"{_without(error.obj, error.name)}{_asked_by(error)}"
    elif isinstance(error, KeyError):
        reason = f"there is nothing called {text}"
    else:
        reason = f"{type(error).__name__}: {text}"
    return f"what your code returned could not be used: {reason}{_asked_by(error)}"


def _without(owner: Any, name: str) -> str:
    """An object that lacks an attribute."""
    if isinstance(owner, ModuleType):
        near = difflib.get_close_matches(name, vars(owner), n=1)
        return f"lab.py does not define {name}" + (f"; it has {near[0]}" if near else "")
    kind = type(owner)
    if kind.__module__.startswith("labs."):
        near = difflib.get_close_matches(name, dir(owner), n=1)
        told = f"; it has {near[0]}" if near else ": is it set, or defined, under another name?"
        return f"{kind.__name__} has no {name}{told}"
    return f"expected something that has .{name}, got {_an(kind.__name__)}"


def _an(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


def _asked_by(error: BaseException) -> str:
    """The line of the check that went wrong, where learners may read it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f.line for f in frames if Path(f.filename).name == CHECKS and "_author" not in f.filename
    ]
    return f" (the check: {lines[-1]})" if lines and lines[-1] else ""


def add_forward_lines(error: RuntimeError, again: Callable[[], object]) -> None:
    """Give an error of the backward pass the frames of the forward call that it is about.

    `again` does the same once more, and autograd remembers meanwhile where each operation was
    called. What else it says of that is left out.
    """
    with (
        warnings.catch_warnings(record=True) as seen,
        torch.autograd.set_detect_anomaly(True, check_nan=False),
        suppress(Exception),
    ):
        warnings.simplefilter("always")
        again()
    told = "".join(str(one.message) for one in seen)
    calls = re.findall(r'File "(.+)", line (\d+), in (\S+)', told)
    add_frames(error, [traceback.FrameSummary(file, int(n), name) for file, n, name in calls])
    error.args = (f"{str(error).partition(' Hint: enable anomaly')[0]} {OVERWRITTEN}",)


def add_frames(error: BaseException, frames: list[traceback.FrameSummary]) -> None:
    """Frames that an exception does not hold by itself; `dllab.lab.code` reads them."""
    setattr(error, "frames", frames)  # noqa: B010 - no exception declares it

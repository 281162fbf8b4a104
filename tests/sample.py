"""What a run of the tests takes of what would take it too long: what has changed, some in turns.

The same each time a commit is tested, and everything with DLLAB_TEST_ALL (`make test-all`). That
the labs which a run leaves out are sound is on record, in labs/proved.json. Tests that are marked
`in_turns` try variations of what others try, or take long: each run takes a twentieth of them.
"""

import math
import os
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from dllab.lab.find import Lab, finished_labs

T = TypeVar("T")
REPO = Path(__file__).resolve().parents[1]
LABS = 1
TURNS = 20


def labs_of_this_run(root: Path = REPO) -> list[Lab]:
    """The labs that a run proves whole."""
    changed = {path.split("/")[1] for path in _changed(root, "labs")}
    labs = finished_labs(root)
    return of_this_run(labs, LABS, [lab for lab in labs if lab.id in changed], root)


def taken_in_turns(tests: Sequence[str], root: Path = REPO) -> set[str]:
    """Of tests that take turns (`FILE` or `FILE::NAME`, below the root) those of this run."""
    changed = _changed(root, "tests")
    first = [test for test in tests if test.partition("::")[0] in changed]
    return set(of_this_run(tests, math.ceil(len(tests) / TURNS), first, root))


def of_this_run(
    things: Sequence[T], size: int, changed: Collection[T] = (), root: Path = REPO
) -> list[T]:
    """The things that this run takes: `size` of them."""
    if "DLLAB_TEST_ALL" in os.environ:
        return list(things)
    return sample(things, int(_git(root, "rev-list", "--count", "HEAD") or 0), size, changed)


def sample(things: Sequence[T], turn: int, size: int, changed: Collection[T] = ()) -> list[T]:
    """At most `size` things in their own order: changed ones, then others, either in turns."""
    first = window([thing for thing in things if thing in changed], turn, size)
    rest = window([thing for thing in things if thing not in changed], turn, size - len(first))
    return [thing for thing in things if thing in first or thing in rest]


def window(things: Sequence[T], turn: int, size: int) -> list[T]:
    """Others at each turn, at most `size`, until all had theirs; neighbours, often alike in what
    they cost, have different turns.
    """
    if not things or size < 1:
        return []
    turns = math.ceil(len(things) / size)
    return list(things[turn % turns :: turns])


def long_first(
    things: Sequence[T], group: Callable[[T], str], is_long: Callable[[T], bool]
) -> list[T]:
    """The things of groups that hold a long one, then the others; within a group nothing moves."""
    long = {group(thing) for thing in things if is_long(thing)}
    return sorted(things, key=lambda thing: group(thing) not in long)


def _changed(root: Path, folder: str) -> set[str]:
    """Files that the last commit or nobody's commit holds in another form."""
    edited = _git(root, "diff", "--name-only", "HEAD~1", "--", folder)
    added = _git(root, "ls-files", "--others", "--exclude-standard", folder)
    return {*edited.splitlines(), *added.splitlines()}


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where there is no repository."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

"""What a run of the tests takes of what would take it too long: what has changed, some in turns.

The same each time a commit is tested, and everything with DLLAB_TEST_ALL (`make test-all`). That
the labs which a run leaves out are sound is on record, in labs/proved.json.
"""

import os
import re
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from dllab.lab.find import Lab, finished_labs

T = TypeVar("T")
REPO = Path(__file__).resolve().parents[1]
LABS = 4


def labs_of_this_run(root: Path = REPO) -> list[Lab]:
    """The labs that a run proves whole."""
    edited = _git(root, "diff", "--name-only", "HEAD~1", "--", "labs")
    added = _git(root, "ls-files", "--others", "--exclude-standard", "labs")
    changed = set(re.findall(r"^labs/(\w+)/", f"{edited}\n{added}", re.MULTILINE))
    labs = finished_labs(root)
    return of_this_run(labs, LABS, [lab for lab in labs if lab.id in changed], root)


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
    """The next `size` things at each turn, round and round."""
    return [things[(turn * size + step) % len(things)] for step in range(min(size, len(things)))]


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where there is no repository."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

"""Which labs a run of the tests takes whole; that the others are proved is in labs/proved.json.

What the last commit or the working tree has changed comes first, and a window over the others that
moves on with each commit fills the rest: a few labs, however many there are, and the same ones each
time a commit is tested. With DLLAB_TEST_ALL (`make test-all`) it is all of them.
"""

import os
import re
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from dllab.lab.find import Lab, finished_labs

REPO = Path(__file__).resolve().parents[2]
SIZE = 4


def labs_of_this_run(root: Path = REPO) -> list[Lab]:
    """The labs that the tests run over."""
    labs = finished_labs(root)
    if "DLLAB_TEST_ALL" in os.environ:
        return labs
    edited = _git(root, "diff", "--name-only", "HEAD~1", "--", "labs")
    added = _git(root, "ls-files", "--others", "--exclude-standard", "labs")
    changed = set(re.findall(r"^labs/(\w+)/", f"{edited}\n{added}", re.MULTILINE))
    return sample(labs, int(_git(root, "rev-list", "--count", "HEAD") or 0), changed)


def sample(labs: Sequence[Lab], turn: int, changed: Collection[str], size: int = SIZE) -> list[Lab]:
    """At most `size` labs in their own order: changed ones, then others, either in turns."""
    first = window([lab for lab in labs if lab.id in changed], turn, size)
    rest = window([lab for lab in labs if lab.id not in changed], turn, size - len(first))
    return [lab for lab in labs if lab in first or lab in rest]


def window(labs: Sequence[Lab], turn: int, size: int) -> list[Lab]:
    """The next `size` labs at each turn, round and round."""
    return [labs[(turn * size + step) % len(labs)] for step in range(min(size, len(labs)))]


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where there is no repository."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

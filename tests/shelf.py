"""Which labs this run of the tests proves: the core, what has changed, a share of the others.

The share rotates with each commit, so that every lab has its turn within `SHARES` of them, and a
commit always tests the same. DLLAB_TEST_ALL (`make test-all`), or a folder without history, takes
them all.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from dllab.lab.find import Lab, all_labs

REPO = Path(__file__).resolve().parent.parent
CORE = 6
SHARES = 4


def labs_of_this_run(root: Path = REPO) -> list[Lab]:
    """The labs that the tests run over."""
    labs = all_labs(root)
    commits = _git(root, "rev-list", "--count", "HEAD")
    if "DLLAB_TEST_ALL" in os.environ or not commits:
        return labs
    edited = _git(root, "diff", "--name-only", "HEAD~1", "--", "labs")
    added = _git(root, "ls-files", "--others", "--exclude-standard", "labs")
    changed = re.findall(r"^labs/(\w+)/", f"{edited}\n{added}", re.MULTILINE)
    return share_of(labs, int(commits), changed)


def share_of(labs: Sequence[Lab], turn: int, changed: Iterable[str]) -> list[Lab]:
    """Of the labs behind the core, every `SHARES`-th in turn, and those that have changed."""
    always = {lab.id for lab in labs if int(lab.number) <= CORE} | set(changed)
    return [lab for lab in labs if lab.id in always or int(lab.number) % SHARES == turn % SHARES]


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where there is no repository."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

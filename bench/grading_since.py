"""P6-since: whole official grades beside the grader as it was before items came in groups.

Both sides grade their own small lab of the tests, in turns, each behind its own zygote: dllab as it
is here, and as the repository's history holds it at `BEFORE`. A clone without that history cannot
take this figure, and says so.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import (
    ROOT,
    Cost,
    Plan,
    Result,
    child,
    interleave,
    judged,
    main,
    middle,
    ratios,
    told,
)

BEFORE = "53b5a89c9c4d"
GRADES = 24  # a side of a pair


def measure(plan: Plan) -> Iterator[Result]:
    """The throughput of now as a part of that of then."""
    with tempfile.TemporaryDirectory() as folder:
        if not check_out(BEFORE, Path(folder)):
            print(f"P6-since: this clone's history does not hold {BEFORE}", file=sys.stderr)
            return
        count = 1 if plan.smoke else GRADES
        sides = {"then": partial(grades, Path(folder), count), "now": partial(grades, ROOT, count)}
        costs = interleave(plan.pairs, sides)
    then, now = costs["then"], costs["now"]
    why = f"{middle(now):.2f} CPU-s a grade, then {middle(then):.2f}"
    yield judged("P6-since", ratios(then, now), why)


def check_out(revision: str, folder: Path) -> bool:
    """Write a revision's sources and tests there; False where the history lacks it."""
    command = ("git", "archive", "--format=tar", revision, "src", "tests")
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        return False
    subprocess.run(("tar", "-x", "-C", str(folder)), input=packed.stdout, check=True)
    return True


def grades(root: Path, count: int) -> Cost:
    """What one grade costs with the dllab and the tests of that folder."""
    path = os.pathsep.join(str(root / part) for part in ("src", "tests"))
    return told(child(str(ROOT / "bench/sides/grades.py"), str(count), path=path))


if __name__ == "__main__":
    main(measure)

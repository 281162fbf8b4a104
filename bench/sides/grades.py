"""Whole official grades of the tests' small lab, by whichever dllab and tests are on the path.

    PYTHONPATH=SRC:TESTS python bench/sides/grades.py COUNT

It imports nothing of `bench`, which another revision may not fit.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch
from official_lab import make_stage

from dllab.grading.official import Terms, grade_archive
from dllab.sandbox.zygote import Zygote


def cpu_s() -> float:
    """Of this process, of those below it, and of those that they have outlived."""
    here = psutil.Process()
    return sum(sum(one.cpu_times()[:4]) for one in (here, *here.children(recursive=True)))


def main() -> None:
    """Grade one submission once to warm up, then COUNT times; print what one of them cost."""
    count = int(sys.argv[1])
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name, Zygote() as zygote:
        folder = Path(name).resolve()
        os.environ["XDG_CONFIG_HOME"] = str(folder)  # the key that signs them
        stage = make_stage(folder)
        archive, terms = stage.submit("ada"), Terms(stage.root, zygote, hidden=stage.hidden)
        grade_archive(archive, terms)
        cpu, wall = cpu_s(), time.perf_counter()
        for _ in range(count):
            result = grade_archive(archive, terms)
            assert result.score == result.max_score, result.reason
        cost = {"cpu_s": (cpu_s() - cpu) / count, "wall_s": (time.perf_counter() - wall) / count}
    print(json.dumps(cost))


if __name__ == "__main__":
    main()

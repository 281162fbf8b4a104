"""How much memory learner code gets before it is ended, and what a group of its own costs a grade.

    systemd-run --scope -p Delegate=yes .venv/bin/python -m bench.memory_limits

In a subtree of cgroup v2 that is delegated: each attack runs in a group that limits memory, and in
one that only counts, where `watch` is all there is. The kernel tells the peak of both.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar
from unittest import mock

import torch

from bench.measure import ROOT
from dllab.grading.official import Terms, grade_archive
from dllab.sandbox import cgroup, supervisor
from dllab.sandbox.backends import Backend, open_backend
from dllab.sandbox.limits import MB, Limits
from dllab.sandbox.session import Session

sys.path[:0] = [str(ROOT / "tests")]
from official_lab import FULL_SOCKETS, HONEST, Stage, make_stage  # noqa: E402

LIMITS = Limits(request_s=120, memory_mb=500, scratch_mb=16, processes=32)
HOGS = """
import mmap
import os
import time


def double(x):
    for _ in range(24):
        if not os.fork():
            how = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
            block = mmap.mmap(-1, 40 << 20, how)
            time.sleep(20)
            os._exit(0)
    time.sleep(15)
    return 2 * x
"""
ATTACKS = {
    "nothing": "",
    "24 processes of 40 MB at once": HOGS,
    "buffers of sockets": FULL_SOCKETS,
}


class Metered(cgroup.Group):
    """A group that tells its peak when it is closed; it may be that it only counts."""

    peaks: ClassVar[list[int]] = []
    limited: ClassVar[bool] = True

    def __init__(self, subtree: Path, limits: Limits) -> None:
        super().__init__(subtree, limits)
        if not self.limited:
            (self.path / "memory.max").write_text("max", encoding="ascii")

    def close(self) -> None:
        """Read the peak, then close."""
        self.peaks.append(int((self.path / "memory.peak").read_text(encoding="ascii")))
        super().close()


def attack(stage: Stage, wall: Backend, code: str, *, limit: bool) -> dict[str, object]:
    """The peak of a worker, and what became of it."""
    mine = stage.root / "mine.py"
    mine.write_text(HONEST + code)
    Metered.limited = limit
    Metered.peaks.clear()
    with (
        mock.patch.object(cgroup, "Group", Metered),
        Session(stage.lab, mine, wall, LIMITS) as session,
    ):
        reply = session.probe("checks", "double_probe", {"x": torch.ones(3)}, seed=1)
    ended = reply.failure.kind if reply.failure else "nothing"
    return {"peak_mb": round(max(Metered.peaks) / MB), "ended_by": ended}


def cost(stage: Stage, wall: Backend, grades: int) -> dict[str, float]:
    """Seconds of a grade with groups and without, in turns; the median of each."""
    archive = stage.submit("x")
    terms = Terms(stage.root, wall, hidden=stage.hidden)
    spent: dict[str, list[float]] = {"group": [], "none": []}
    for _ in range(grades):
        for way, make in (("group", cgroup.new_group), ("none", lambda _limits: None)):
            with mock.patch.object(supervisor, "new_group", make):
                begin = time.perf_counter()
                assert grade_archive(archive, terms).passed
                spent[way].append(time.perf_counter() - begin)
    return {way: round(sorted(each)[grades // 2], 3) for way, each in spent.items()}


def main() -> None:
    """A line for each attack and limit; then what groups cost."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory_limits")
    parser.add_argument("--wall", default="zygote")
    parser.add_argument("--grades", type=int, default=20, metavar="N")
    args = parser.parse_args()
    if problem := cgroup.problem():
        raise SystemExit(problem)
    with tempfile.TemporaryDirectory() as made, open_backend(args.wall) as wall:
        os.environ["DLLAB_GRADER_KEY"] = str(Path(made) / "grader.pem")
        stage = make_stage(Path(made).resolve())
        for name, code in ATTACKS.items():
            for limit in (True, False):
                told = attack(stage, wall, code, limit=limit)
                print(json.dumps({"attack": name, "group": limit, **told}), flush=True)
        print(json.dumps({"a_grade_s": cost(stage, wall, args.grades)}), flush=True)


if __name__ == "__main__":
    main()

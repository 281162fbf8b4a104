"""P6 and P11: official grading on a warm zygote against one cold process for each submission.

    python -m bench.grading_throughput [--pairs 5] [--json FILE]

A submission is a LightningModule with a small CNN: its code is imported, one small probe is asked,
and 1,000 images of 28 x 28 are scored. The cold side is a plain child process without any wall; the
warm side is a zygote's child behind all of them. Both run on one core, one submission after the
other, and every CPU-second of grader, server and worker counts. The value of P6 is the median of
the pairs' ratios (cold / warm) in CPU-seconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend, NoWall
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import open_session
from dllab.sandbox.watch import cpu_seconds, tree
from dllab.sandbox.wire import pack
from dllab.sandbox.zygote import Zygote

IMAGES = 1000
COLD, WARM = 2, 20  # submissions a pair
GOALS = {"P6-ratio": 8.0, "P6-per-minute": 200.0, "P11-child-mb": 300.0}

LAB_YAML = """
title: Bench
summary: A small CNN.
level: beginner
topics: []
checks: {double: 1}
hints: {}
pass_score: 1
starter_sha256: none
"""
CHECKS = "def double(lab, given):\n    return {'y': lab.double(given['x'])}\n"
SUBMISSION = """
import torch
from lightning import LightningDataModule, LightningModule
from torch import nn


def double(x):
    return 2 * x


class Data(LightningDataModule):
    pass


class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
        )

    def predict(self, batch):
        return self.net(batch["image"].float() / 255)
"""


@dataclass(frozen=True)
class Cost:
    """Of one submission."""

    cpu_s: float
    wall_s: float


class Desk:
    """One submission, and all that grading it takes."""

    def __init__(self, root: Path) -> None:
        folder = root / "labs" / "lab97_bench"
        folder.mkdir(parents=True)
        for path in (root / "pyproject.toml", root / "labs/__init__.py", folder / "__init__.py"):
            path.touch()
        (folder / "lab.yaml").write_text(LAB_YAML)
        (folder / "checks.py").write_text(CHECKS)
        self.lab = Lab(root, folder)
        self.code = root / "submission.py"
        self.code.write_text(SUBMISSION)
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, 10),
        )
        self.weights = pack({f"net.{name}": value for name, value in net.state_dict().items()})
        self.items = {"image": torch.randint(256, (IMAGES, 1, 28, 28), dtype=torch.uint8)}

    def grade(self, wall: Backend) -> int:
        """Grade once; bytes of memory that the worker does not share with others."""
        with open_session(self.lab, self.code, wall, Limits()) as session:
            probe = session.probe("checks", "double", {"x": torch.ones(3)}, seed=0)
            reply = session.predict(self.weights, {}, self.items, batch_size=256)
            assert probe.failure is None, probe.failure
            assert reply.failure is None, reply.failure
            assert reply.arrays["scores"].shape == (IMAGES, 10)
            return sum(_private_bytes(pid) for pid in tree(session.pid))

    def cost(self, wall: Backend, count: int) -> Cost:
        """The mean over some submissions."""
        cpu, wall_clock = cpu_seconds(list(tree(os.getpid()))), time.perf_counter()
        for _ in range(count):
            self.grade(wall)
        cpu = cpu_seconds(list(tree(os.getpid()))) - cpu
        return Cost(cpu / count, (time.perf_counter() - wall_clock) / count)


def _private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def measure(pairs: int) -> Iterator[dict[str, Any]]:
    """Ratio and throughput of P6, and memory of P11."""
    with tempfile.TemporaryDirectory() as folder, Zygote() as zygote:
        desk = Desk(Path(folder).resolve())
        private = [desk.grade(zygote) / 1e6 for _ in range(3)]  # the first also warms up
        desk.grade(NoWall())
        costs = [(desk.cost(NoWall(), COLD), desk.cost(zygote, WARM)) for _ in range(pairs)]
    cpu = [cold.cpu_s / warm.cpu_s for cold, warm in costs]
    wall = statistics.median(cold.wall_s / warm.wall_s for cold, warm in costs)
    each = statistics.median(cold.cpu_s for cold, _ in costs)
    yield _row("P6-ratio", cpu, f"wall: {wall:.1f} x; cold: {each:.2f} CPU-s a submission")
    rates = [60 / warm.cpu_s for _, warm in costs]
    yield _row("P6-per-minute", rates, "submissions a CPU-minute, all processes counted")
    yield _row("P11-child-mb", private, "MB that a worker does not share", most=True)


def _row(id: str, values: list[float], why: str, *, most: bool = False) -> dict[str, Any]:
    value, goal = statistics.median(values), GOALS[id]
    return {
        "id": id,
        "goal": goal,
        "value": round(value, 2),
        "low": round(min(values), 2),
        "high": round(max(values), 2),
        "pairs": len(values),
        "met": value <= goal if most else value >= goal,
        "why": why,
    }


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description="P6, P11: warm grading against cold processes")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = list(measure(args.pairs))
    for r in results:
        mark = "✓" if r["met"] else "✗"
        spread = f"{r['low']:.1f}-{r['high']:.1f}"
        print(f"{mark} {r['id']:14} {r['value']:8.1f} ({spread}), goal {r['goal']}; {r['why']}")
    if args.json:
        args.json.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""P6 and P11: official grading on a warm zygote against one cold process for each submission.

P6-grades counts whole grades, from archive to signed result, of the tests' small lab: two checks
visible and one hidden, 400 hidden items in groups, some again. Its own code costs next to nothing,
so it tells what the walls and the groups cost. P6-landlock counts them where no namespaces are.

A submission is a LightningModule with a small CNN: its code is imported, one small probe is asked,
and 1,000 images of 28 x 28 are scored. The cold side is a plain child process without any wall; the
warm side is a zygote's child behind all of them. Both run on one core, one submission after the
other, and every CPU-second of grader, server and worker counts.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from bench.measure import ROOT, Cost, Plan, Result, interleave, judged, main, middle, ratios, timed
from dllab.grading.official import Terms, grade_archive
from dllab.lab.find import Lab
from dllab.sandbox.backends import Backend, NoWall
from dllab.sandbox.landlocked import Landlock
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.sandbox.watch import tree
from dllab.sandbox.wire import pack
from dllab.sandbox.zygote import Zygote

IMAGES = 1000
COLD, WARM = 2, 20  # submissions a pair; one and two for --smoke

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


class Desk:
    """One submission, and all that grading it takes."""

    def __init__(self, root: Path) -> None:
        folder = root / "labs" / "lab97_bench"
        folder.mkdir(parents=True)
        (root / "pyproject.toml").touch()
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
        with Session(self.lab, self.code, wall, Limits()) as session:
            probe = session.probe("checks", "double", {"x": torch.ones(3)}, seed=0)
            reply = session.predict(self.weights, {}, self.items, batch_size=256)
            assert probe.failure is None, probe.failure
            assert reply.failure is None, reply.failure
            assert reply.arrays["scores"].shape == (IMAGES, 10)
            return sum(_private_bytes(pid) for pid in tree(session.pid))

    def cost(self, wall: Backend, count: int) -> Cost:
        """The mean over some submissions."""
        all_of_them = timed(lambda: [self.grade(wall) for _ in range(count)])
        return Cost(all_of_them.cpu_s / count, all_of_them.wall_s / count)


def _private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def grades(folder: Path, wall: Backend, count: int) -> Iterator[float]:
    """Whole grades in a CPU-minute, a few times, in a new folder."""
    folder.mkdir()
    sys.path.insert(0, str(ROOT / "tests"))
    from official_lab import make_stage

    os.environ["XDG_CONFIG_HOME"] = str(folder)  # the key that signs them
    stage = make_stage(folder)
    archive, terms = stage.submit("ada"), Terms(stage.root, wall, hidden=stage.hidden)
    first = grade_archive(archive, terms)
    assert first.score == first.max_score, first.reason
    for _ in range(count):
        cost = timed(lambda: [grade_archive(archive, terms) for _ in range(count)])
        yield 60 * count / cost.cpu_s


def measure(plan: Plan) -> Iterator[Result]:
    """Ratio and throughput of P6, and memory of P11."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cold_ones, warm_ones = (1, 2) if plan.smoke else (COLD, WARM)
    with tempfile.TemporaryDirectory() as folder, Zygote() as zygote:
        desk = Desk(Path(folder).resolve())
        private = [desk.grade(zygote) / 1e6 for _ in range(3)]  # the first also warms up
        if not plan.smoke:
            desk.grade(NoWall())
        sides = {
            "cold": lambda: desk.cost(NoWall(), cold_ones),
            "warm": lambda: desk.cost(zygote, warm_ones),
        }
        costs = interleave(plan.pairs, sides)
        whole = list(grades(Path(folder).resolve() / "grades", zygote, 1 if plan.smoke else 8))
        with Landlock() as wall:
            without = list(grades(Path(folder).resolve() / "without", wall, 1 if plan.smoke else 8))
    cold, warm = costs["cold"], costs["warm"]
    clock = middle(cold, "wall_s") / middle(warm, "wall_s")
    why = f"wall: {clock:.1f} x; cold: {middle(cold):.2f} CPU-s a submission"
    yield judged("P6-ratio", ratios(cold, warm), why)
    rates = [60 / cost.cpu_s for cost in warm]
    yield judged("P6-per-minute", rates, "in a CPU-minute, all processes counted")
    yield judged("P6-grades", whole, "in a CPU-minute, all processes counted; four workers each")
    yield judged(
        "P6-landlock", without, "in a CPU-minute; each worker was cold before: some seconds"
    )
    yield judged("P11-child-mb", private, "what a worker does not share")


if __name__ == "__main__":
    main(measure)

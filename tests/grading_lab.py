"""A lab small enough for tests: three checks, one arm on sequences, and a run without training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from dllab.data import Column
from dllab.grading.grade import Graded, grade
from dllab.lab.find import Lab, find_lab
from dllab.lab.layout import Layout
from dllab.result import EvaluatedOn
from dllab.rundir.run import RunFolder

LAB_YAML = """
title: Tiny
summary: A lab for the grader's own tests.
level: beginner
topics: []
arms: {main: {data: toy}}
criteria:
  accuracy: {title: Accuracy, metric: accuracy, points: 10, pass: 0.9, floor: 0.5}
checks: {double: 2, twice: 3}
hints: {double: [multiply by two]}
pass_score: 0.7
starter_sha256: x
budgets: {probe_s: 20}
"""

CHECKS = '''
import torch
from dllab.checks import check, close


def numbers(rng):
    return {"x": torch.randn(3, generator=rng)}


def double_probe(lab, given):
    return {"y": lab.double(given["x"])}


@check("double", "Doubling", given=numbers, probe=double_probe, returns={"y": "float32 [3]"})
def double(given, got):
    """`double` returns twice its argument."""
    return close(got["y"], 2 * given["x"], what="double(x)")


def twice_probe(lab, given):
    return {"y": lab.double(lab.double(given["x"]))}


@check("twice", "Doubling twice", given=numbers, probe=twice_probe,
       returns={"y": "float32 [3]"}, depends_on=("double",))
def twice(given, got):
    """`double` can be applied to its own result."""
    return close(got["y"], 4 * given["x"])
'''

LAB = """
import torch
from torch import nn


def double(x):
    return 2 * x


class Data:
    pass


class Model(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.norm = nn.BatchNorm1d(1, affine=False)

    def predict(self, batch):
        valid = torch.arange(batch["series"].shape[1]) < batch["lengths"][:, None]
        total = (batch["series"][..., 0] * valid).sum(1)
        return torch.stack([-total, total], 1) * self.scale
"""

WEIGHTS = {
    "scale": torch.tensor(3.0),
    "norm.running_mean": torch.zeros(1),
    "norm.running_var": torch.ones(1),
    "norm.num_batches_tracked": torch.tensor(0),
}


@dataclass(frozen=True)
class Desk:
    """A project with the tiny lab, where learner code can be graded."""

    root: Path

    @property
    def lab(self) -> Lab:
        return find_lab(self.root, "90")

    def write_code(self, code: str) -> Path:
        path = self.root / "mine.py"
        path.write_text(code)
        return path

    def make_run(
        self, code: str = LAB, weights: dict[str, torch.Tensor] | None = None
    ) -> RunFolder:
        run = RunFolder.create(self.root, "lab90_tiny")
        run.code.write_text(code)
        config = {"lab": "lab90_tiny", "impl": "mine", "arms": {"main": {"model": {"scale": 2.0}}}}
        run.config.write_text(yaml.safe_dump(config))
        run.arm("main").path.mkdir(parents=True)
        save_file(WEIGHTS if weights is None else weights, run.arm("main").weights)
        return run

    def grade(self, run: RunFolder, **options: Any) -> Graded:
        return grade(self.root, run, **{"source": ToyItems(), "seed": 1, **options})


def make_desk(root: Path) -> Desk:
    """The tiny lab as number 90 of an otherwise empty project."""
    folder = root / "labs" / "lab90_tiny"
    folder.mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (folder / "lab.yaml").write_text(LAB_YAML)
    (folder / "checks.py").write_text(CHECKS)
    return Desk(root)


class ToyItems:
    """Short series whose label is the sign of their sum."""

    kind: EvaluatedOn = "public-test"

    def inputs(self, _name: str) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(0)
        series = torch.randn(300, 6, 1, generator=rng)
        lengths = torch.randint(1, 7, (300,), generator=rng)
        series[torch.arange(6) >= lengths[:, None]] = 0
        return {"series": series, "lengths": lengths}

    def layout(self, _name: str) -> Layout:
        series = Column(dtype="float32", shape=(6, 1), lengths="lengths")
        counts, label = Column(dtype="int64"), Column(dtype="int64", role="target")
        return Layout({"series": series, "lengths": counts, "label": label}, classes=2)

    def labels(self, name: str) -> dict[str, torch.Tensor]:
        return {"label": (self.inputs(name)["series"].sum((1, 2)) > 0).long()}

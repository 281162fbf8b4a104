"""Honest work behind every wall: `dllab doctor --sandbox` grades it officially, with all that a lab
may ask for. A wall that takes points from it is at fault, however many attacks it stops.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from dllab.data import Column
from dllab.errors import LabError
from dllab.grading.grade import grade_run
from dllab.lab.find import Lab
from dllab.lab.layout import Arrays, Layout
from dllab.result import EvaluatedOn, Result
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import Backend, official_backends, open_backend

SPEC = {
    "title": "Honest work",
    "summary": "Nothing is learned here either.",
    "level": "beginner",
    "topics": [],
    "exports": ["double", "Model"],
    "arms": {"main": {"data": "sums"}},
    "criteria": {
        "accuracy": {"title": "Accuracy", "metric": "accuracy", "points": 2, "pass": 1, "floor": 0},
        "steps": {"title": "Steps", "kind": "play", "metric": "steps", "points": 2, "pass": 1,
                  "floor": 0},
        "pace": {"title": "Pace", "kind": "timing", "metric": "pace", "points": 2, "pass": 4,
                 "floor": 9},
    },
    "checks": {"visible": 1, "hidden": 1},
    "hidden": ["hidden"],
    "hints": {},
    "pass_score": 1,
    "starter_sha256": "none",
}  # fmt: skip
CODE = """
import torch
from torch import nn


def double(x):
    return 2 * x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))

    def predict(self, batch):
        total = batch["series"].sum((1, 2)) * self.scale
        return torch.stack([-total, total], 1)

    def act(self, observations):
        return observations * self.scale
"""
CHECKS = '''
import torch
from dllab.checks import check, close, normal, play, timing


def probe(lab, given):
    return {"y": lab.double(given["x"])}


def power(_, given):
    return {"y": torch.linalg.matrix_power(given["x"], 3)}


@check("visible", "Doubling", given={"x": normal(3)}, probe=probe, returns={"y": "float32 [3]"})
def visible(given, got):
    """`double` doubles."""
    return close(got["y"], 2 * given["x"])


@play("steps", returns="float32 [N]")
def steps(player, rng):
    """Actions follow what was seen."""
    seen = torch.randn(50, generator=rng)
    return ((player.act(seen) - seen).abs() < 1e-6).float()


@timing("pace", given={"x": normal(300, 300)}, against=power, rounds=5, rtol=1e-3, atol=1e-3)
def pace(lab, given):
    """As fast as the same."""
    return {"y": torch.linalg.matrix_power(lab.double(given["x"]) / 2, 3)}
'''
PROBES = """
def hidden_probe(lab, given):
    return {"y": lab.double(given["x"])}
"""
HIDDEN = '''
from dllab.checks import check, close, normal
from labs.lab97_honest._author.probes import hidden_probe


@check("hidden", "Far", given={"x": normal(3)}, probe=hidden_probe, returns={"y": "float32 [3]"})
def hidden(given, got):
    """`double` doubles here too."""
    return close(got["y"], 2 * given["x"])
'''


@dataclass(frozen=True)
class Honest:
    """What honest work earned behind a wall; `lost` is empty where it earned every point."""

    backend: str
    lost: str


class Sums:
    """Hidden items: short series, labelled by the sign of their sum."""

    kind: EvaluatedOn = "hidden"

    def __init__(self) -> None:
        self._series = torch.randn(400, 4, 1, generator=torch.Generator().manual_seed(0))

    def layout(self, _name: str) -> Layout:
        """One input, one of two classes."""
        series, label = Column(dtype="float32", shape=(4, 1)), Column(dtype="int64", role="target")
        return Layout({"series": series, "label": label}, classes=2)

    def inputs(self, _name: str) -> Arrays:
        """The series."""
        return {"series": self._series}

    def labels(self, _name: str) -> Arrays:
        """Their classes."""
        return {"label": (self._series.sum((1, 2)) > 0).long()}


def grade_honestly() -> Iterator[Honest]:
    """An official grade of honest work behind every wall that works on this machine."""
    for wall in official_backends():
        if not wall.problem():
            with open_backend(wall.name) as backend:
                yield Honest(wall.name, lost_behind(backend))


def lost_behind(backend: Backend) -> str:
    """Which rows are not whole, and why; empty where honest work has every point."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        root.chmod(0o755)
        lab, run = _write(root)
        try:
            return _missing(
                grade_run(lab, run, mode="official", backend=backend, source=Sums()).result
            )
        except LabError as error:
            return error.what


def _missing(result: Result) -> str:
    lost = (f"{row.id}: {row.message}" for row in result.checks if row.status != "pass")
    return "; ".join(lost) if result.score < result.max_score or not result.passed else ""


def _write(root: Path) -> tuple[Lab, RunFolder]:
    folder = root / "labs" / "lab97_honest"
    (folder / "_author").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (folder / "lab.yaml").write_text(yaml.safe_dump(SPEC))
    (folder / "checks.py").write_text(CHECKS)
    (folder / "_author" / "checks.py").write_text(HIDDEN)
    (folder / "_author" / "probes.py").write_text(PROBES)
    run = RunFolder.create(root, "lab97_honest")
    run.code.write_text(CODE)
    run.config.write_text(yaml.safe_dump({"arms": {"main": {"model": {}}}}))
    run.arm("main").path.mkdir(parents=True)
    save_file({"scale": torch.ones(())}, run.arm("main").weights)
    return Lab(root, folder), run

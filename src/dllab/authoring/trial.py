"""One honest run of a lab, start to grade, in a throw-away project: what a learner would get."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dllab
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder

TIME_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Trial:
    """What became of a run.

    `metrics` holds result.json's rows by criterion, `curves` what was logged, by arm.
    """

    seed: int
    code: int
    score: float = 0.0
    max_score: float = 0.0
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missed: Sequence[str] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: int = 0
    artifact_bytes: int = 0
    log: str = ""
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the run was graded, and enough."""
        return self.code == 0

    @property
    def seconds(self) -> float:
        """Time for the training. On a busy machine the clock also counts what others do, so the
        CPU time stands in where it is less.
        """
        return min(self.wall_s, self.cpu_s)


def run_trial(
    lab: Lab,
    *,
    seed: int = 0,
    source: str | None = None,
    overrides: Sequence[str] = (),
    threads: int = 0,
) -> Trial:
    """Train and practice-grade the reference, or the code in `source`, with `dllab train`.

    The project of the run holds this one lab and is gone afterwards. `threads` fixes the thread
    count for runs side by side; by default the training chooses it.
    """
    with tempfile.TemporaryDirectory(prefix="dllab-trial-") as folder:
        root = Path(folder).resolve()
        make_project(root, lab)
        words = [f"impl={'reference' if source is None else 'mine'}", *overrides, f"seed={seed}"]
        if source is not None:
            (root / "labs" / lab.id / "lab.py").write_text(source, encoding="utf-8")
        if threads and lab.spec.arms:
            words.append(f"trainer.threads={threads}")
        result = run_dllab(root, "train", lab.number, *words)
        return _read(root, seed, result)


def make_project(root: Path, lab: Lab) -> None:
    """A project in `root` with a copy of the lab, and the shared parts of the lab's own project."""
    labs = root / "labs"
    labs.mkdir()
    hidden = shutil.ignore_patterns("__pycache__", "*.bak")
    shutil.copytree(lab.folder, labs / lab.id, ignore=hidden)
    (lab.root / ".cache").mkdir(exist_ok=True)
    for name in ("pyproject.toml", "configs", "data", ".cache", "labs/checklist.yaml"):
        if (lab.root / name).exists():
            (root / name).symlink_to(lab.root / name)


def run_dllab(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`dllab WORDS` in a project, with this dllab and nobody's private settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DLLAB_", "WANDB_"))}
    environment["PYTHONPATH"] = str(Path(dllab.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-P", "-m", "dllab", *words],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )


def _read(root: Path, seed: int, done: "subprocess.CompletedProcess[str]") -> Trial:
    run = next((root / "runs").glob("*/*/"), None)
    log = (done.stdout + done.stderr)[-4000:]
    if run is None or not (run / "result.json").is_file():
        return Trial(seed, done.returncode or 4, log=log)
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    card_file = run / "run.json"
    card = json.loads(card_file.read_text(encoding="utf-8")) if card_file.is_file() else {}
    cost = card.get("cost", {})
    return Trial(
        seed,
        done.returncode,
        result["score"],
        result["max_score"],
        {row["name"]: row for row in result["metrics"]},
        [
            f"{row['title']}: {row['message']}"
            for row in result["checks"]
            if row["status"] != "pass"
        ],
        cost.get("wall_s", 0.0),
        cost.get("cpu_s", 0.0),
        cost.get("peak_memory_mb", 0),
        sum(path.stat().st_size for path in run.glob("arms/*/weights.safetensors")),
        log,
        {arm.name: arm.read_curve() for arm in RunFolder(run).arms()},
    )

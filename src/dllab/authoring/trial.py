"""One honest run of a lab, start to grade, in a throw-away project: what a learner would get."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dllab
from dllab.grading.result import exit_code
from dllab.lab.find import Lab
from dllab.result import MetricRow, Result, read_result
from dllab.rundir.dreams import read_dreams
from dllab.rundir.run import RunFolder

TIME_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Trial:
    """What became of a run.

    `metrics` are those of its result by criterion, `curves` what was logged, by arm; `step_ms` is
    the CPU time of a step, validation included; `missed` is what cost it points in practice,
    `handed_in` what would in an official grade, `undreamt` what its model could not show.
    """

    seed: int
    code: int
    score: float = 0.0
    max_score: float = 0.0
    metrics: Mapping[str, MetricRow] = field(default_factory=dict)
    missed: Sequence[str] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    step_ms: float = 0.0
    memory_mb: int = 0
    artifact_bytes: int = 0
    log: str = ""
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    handed_in: Sequence[str] = field(default_factory=list)
    undreamt: Sequence[str] = field(default_factory=list)

    @property
    def graded(self) -> bool:
        """Whether it came to a result: not one that crashed, or that somebody stopped."""
        return bool(self.metrics or self.max_score)

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
    hand_in: bool = False,
) -> Trial:
    """Train and practice-grade the reference, or the code in `source`, with `dllab train`.

    The project of the run holds this one lab and is gone afterwards. `threads` fixes the thread
    count for runs side by side; by default the training chooses it. With `hand_in` the run is
    packed and graded officially too, on the public test split; only code of one's own can be.
    """
    with tempfile.TemporaryDirectory(prefix="dllab-trial-") as folder:
        root = Path(folder).resolve()
        make_project(root, lab)
        words = [f"impl={'reference' if source is None else 'mine'}", *overrides, f"seed={seed}"]
        if source is not None:
            (root / "labs" / lab.id / "lab.py").write_text(source, encoding="utf-8")
        if threads and lab.spec.arms:
            words.append(f"trainer.threads={threads}")
        if any(id in lab.spec.hidden for id in lab.spec.criteria):
            words.append("--whole")
        result = run_dllab(root, "train", lab.number, *words)
        trial = _read(root, seed, result)
        if hand_in and trial.max_score:
            return replace(trial, handed_in=_handed_in(root, lab))
        return trial


def _handed_in(root: Path, lab: Lab) -> list[str]:
    """What the newest run misses when it is submitted and graded officially."""
    done = run_dllab(root, "submit", lab.number, "-o", "trial.zip")
    if not done.returncode:
        done = run_dllab(root, "grade", "trial.zip", "--official", "--json", "official.json")
    if not (root / "official.json").is_file():
        return [
            f"no grade came out (exit {done.returncode}): {last_line(done.stdout + done.stderr)}"
        ]
    result = read_result(root / "official.json")
    if result.verdict != "graded":
        return [f"the verdict is {result.verdict}: {result.reason}"]
    return _missed(result)


def _missed(result: Result) -> list[str]:
    """The rows of a result that did not pass; formats, whose sheets nobody filled in, left out."""
    rows = [row for row in result.checks if row.status != "pass" and row.kind != "format"]
    return [f"{row.title}: {row.message}" for row in rows]


def last_line(log: str) -> str:
    """The last thing that a command said."""
    return next((line for line in reversed(log.splitlines()) if line.strip()), "it said nothing")


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
    """`dllab WORDS` in a project, with this dllab and nobody's private settings or key."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DLLAB_", "WANDB_"))}
    environment["DLLAB_GRADER_KEY"] = str(root / "grader.pem")
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
    result = read_result(run / "result.json")
    card_file = run / "run.json"
    card = json.loads(card_file.read_text(encoding="utf-8")) if card_file.is_file() else {}
    cost = card.get("cost", {})
    return Trial(
        seed,
        exit_code(result),  # the command's own is 0 after any experiment
        result.score,
        result.max_score,
        {metric.name: metric for metric in result.metrics},
        _missed(result),
        cost.get("wall_s", 0.0),
        cost.get("cpu_s", 0.0),
        _step_ms(card),
        cost.get("peak_memory_mb", 0),
        sum(path.stat().st_size for path in run.glob("arms/*/weights.safetensors")),
        log,
        {arm.name: arm.read_curve() for arm in RunFolder(run).arms()},
        undreamt=[f"{d.title}: {d.failure}" for d in read_dreams(RunFolder(run)) if d.failure],
    )


def _step_ms(card: Mapping[str, Any]) -> float:
    arms = card.get("arms", {}).values()
    steps = sum(arm.get("steps", 0) for arm in arms)
    return 1000 * sum(arm.get("cpu_s", 0.0) for arm in arms) / steps if steps else 0.0

"""A project with one lab to train in, in this process or in one of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dllab.cli import main

# Two epochs of 20 batches, validated on 999 items: an odd number, which no two ranks share evenly.
SHORT = ["trainer.max_epochs=2", "trainer.limit_train_batches=20", "trainer.threads=1"]
TWO = ["hardware=ddp_cpu", "trainer.devices=2", "trainer.checkpoint_every_n_steps=5"]


class Project:
    """A copy of a lab with the reference as lab.py, on the repo's data and configs."""

    def __init__(self, root: Path, repo: Path, lab_id: str = "lab01_mlp") -> None:
        self.root = root
        self.started: list[subprocess.Popen[str]] = []
        self._runs = root / "runs" / lab_id
        lab = root / "labs" / lab_id
        lab.mkdir(parents=True)
        (repo / ".cache").mkdir(exist_ok=True)
        for name in ("data", "configs", "pyproject.toml", ".cache"):
            (root / name).symlink_to(repo / name)
        source = repo / "labs" / lab_id
        for name in ("lab.yaml", "conf", "checks.py", "given.py"):
            if (source / name).exists():
                (lab / name).symlink_to(source / name)
        self.code = lab / "lab.py"
        shutil.copyfile(source / "_author" / "solution.py", self.code)
        load = 'self.val = self.load(self.name, "val", self.size)\n'
        short = "{k: v[:999] for k, v in self.val.items()}"
        if load in self.code.read_text():
            self.edit(
                load, f'{load}        self.val = {short} if "label" in self.val else self.val\n'
            )

    def edit(self, old: str, new: str) -> None:
        """Change one place of lab.py."""
        text = self.code.read_text()
        assert text.count(old) == 1
        self.code.write_text(text.replace(old, new))

    def runs(self) -> list[Path]:
        return sorted(self._runs.glob("2*"))

    def only_run(self) -> Path:
        (run,) = self.runs()
        return run

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """`dllab WORDS` in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "dllab", *words],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def start_and_wait_for_step(self, *words: str) -> "tuple[subprocess.Popen[str], Path]":
        """Start a training; return once it has left its first checkpoint between two steps."""
        before = self.runs()
        process = self.start(*words, "trainer.checkpoint_every_n_steps=5")
        while process.poll() is None:
            for run in self.runs():
                if run not in before and any(run.glob("arms/*/checkpoints/last.ckpt")):
                    return process, run
            time.sleep(0.01)
        pytest.fail(f"ended before its first checkpoint: {process.communicate()}")


def projects(root: Path, lab: str) -> Iterator[Project]:
    """One, whose processes end with its fixture."""
    project = Project(root, Path(__file__).resolve().parents[1], lab)
    yield project
    for process in project.started:
        with process:  # a test that failed may have left one
            process.kill()


def train(project: Project, *words: str) -> tuple[Path, str]:
    """Run to the end; the new run folder, the only one, and what was printed."""
    before = project.runs()
    process = project.start(*words)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert stderr == ""
    (run,) = set(project.runs()) - set(before)
    return run, stdout


def undisturbed() -> Iterator[None]:
    """What conftest's fixture `apart` does, for a whole module: its tests share a project."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("DLLAB_", "MAKE"))]:
            patch.delenv(name)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


class Here:
    """`dllab` in the test's own process: no imports to wait for."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, and what was printed."""
        self._capfd.readouterr()
        code = main(list(words))
        return code, *self._capfd.readouterr()


def stopped_at(
    step: int, dllab: Here, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Press Ctrl-C during the batch with the given step; several optimisers step in each batch."""
    from dllab.training.callbacks import NanGuard

    before = 0

    def press(guard: NanGuard, trainer: Any, *_args: object) -> None:
        nonlocal before
        if before < step <= trainer.global_step:
            signal.raise_signal(signal.SIGINT)
        before = trainer.global_step

    with monkeypatch.context() as patch:
        patch.setattr(NanGuard, "on_train_batch_end", press)
        return dllab(*words)


def card(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text())


def curve(run: Path, arm: str = "main") -> Iterator[dict[str, float]]:
    """An arm's curve without what a clock says."""
    for line in (run / "arms" / arm / "curve.jsonl").read_text().splitlines():
        yield {key: value for key, value in json.loads(line).items() if key != "train/waiting"}


def same_results(one: Path, other: Path, arm: str = "main") -> bool:
    """Predictions are of arms that are scored."""
    names = ("weights.safetensors", "predictions.safetensors")
    results = [
        [
            path.read_bytes() if (path := run / "arms" / arm / name).exists() else b""
            for name in names
        ]
        for run in (one, other)
    ]
    assert results[0][0], "there are weights"
    return results[0] == results[1] and list(curve(one, arm)) == list(curve(other, arm))

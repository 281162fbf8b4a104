"""Training through the front door: run folders, resuming, stopping, and mistakes of a learner."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QUICK = ["trainer.max_epochs=2", "trainer.limit_val_batches=2", "trainer.threads=1", "--no-grade"]


def dllab(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dllab", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def only_run(root: Path) -> Path:
    (run,) = (root / "runs" / "lab01_mlp").iterdir()
    return run


@pytest.fixture
def clone(repo: Path, tmp_path: Path) -> Path:
    """A project of its own on the repo's data and configs, with the reference as lab.py."""
    (tmp_path / "labs" / "lab01_mlp").mkdir(parents=True)
    for name in ("data", "configs", "pyproject.toml", ".cache"):
        (tmp_path / name).symlink_to(repo / name)
    source, lab = repo / "labs" / "lab01_mlp", tmp_path / "labs" / "lab01_mlp"
    for name in ("__init__.py", "lab.yaml", "conf", "checks.py"):
        (lab / name).symlink_to(source / name)
    (lab / "lab.py").write_text((source / "_author" / "solution.py").read_text())
    return tmp_path


def edit(clone: Path, old: str, new: str) -> None:
    code = clone / "labs" / "lab01_mlp" / "lab.py"
    text = code.read_text()
    assert text.count(old) >= 1
    code.write_text(text.replace(old, new))


def test_a_run_folder_tells_what_ran_and_what_came_out(clone: Path) -> None:
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 0, done.stderr
    run = only_run(clone)
    card = json.loads((run / "run.json").read_text())
    assert card["status"] == "finished"
    assert card["impl"] == "mine"
    assert card["arms"]["main"]["epochs"] == 2
    assert card["cost"]["cpu_s"] > 0
    points = [json.loads(line) for line in (run / "arms/main/curve.jsonl").read_text().splitlines()]
    named = {name for point in points for name in point}
    assert {"step", "epoch", "lr", "grad_norm", "train/loss", "val/loss"} <= named
    assert (run / "arms/main/weights.safetensors").is_file()
    assert (run / "lab.py").read_bytes() == (clone / "labs/lab01_mlp/lab.py").read_bytes()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(clone: Path) -> None:
    words = ["train", "01", *QUICK, "trainer.checkpoint_every_n_steps=20"]
    assert dllab(clone, *words).returncode == 0
    whole = only_run(clone)
    process = subprocess.Popen(
        [sys.executable, "-m", "dllab", *words], cwd=clone, stdout=subprocess.DEVNULL
    )
    killed = wait_for_checkpoint(process, clone, whole)
    process.kill()
    process.wait()
    assert json.loads((killed / "run.json").read_text())["status"] == "running"
    done = dllab(clone, "train", "01", "--resume", str(killed), "--no-grade")
    assert done.returncode == 0, done.stderr
    for name in ("weights.safetensors", "curve.jsonl"):
        assert (killed / "arms/main" / name).read_bytes() == (
            whole / "arms/main" / name
        ).read_bytes()


def wait_for_checkpoint(process: subprocess.Popen[str], root: Path, other: Path) -> Path:
    while process.poll() is None:
        for run in (root / "runs").glob("lab01_mlp/*"):
            if run != other and (run / "arms/main/checkpoints/last.ckpt").is_file():
                return run
        time.sleep(0.02)
    pytest.fail("the run ended before its first checkpoint")


def test_ctrl_c_keeps_what_was_reached(clone: Path) -> None:
    words = [
        "train",
        "01",
        "trainer.max_epochs=500",
        "trainer.threads=1",
        "trainer.checkpoint_every_n_steps=20",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "dllab", *words],
        cwd=clone,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = wait_for_checkpoint(process, clone, clone)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert (run / "arms/main/weights.safetensors").is_file()


def test_nan_loss_names_the_step_and_likely_causes(clone: Path) -> None:
    edit(
        clone,
        'loss = cross_entropy(self(batch["image"]), batch["label"])',
        'loss = cross_entropy(self(batch["image"]), batch["label"]) * float(\'nan\')',
    )
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 2
    assert "step 1" in done.stderr
    assert "learning rate" in done.stderr
    assert "Traceback" not in done.stderr


def test_learner_exception_shows_their_frames_and_none_of_ours(clone: Path) -> None:
    edit(clone, "        optimizer.zero_grad()\n", "        optimizer.zero_grad()\n        1 / 0\n")
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "1 / 0" in done.stderr
    assert "site-packages" not in done.stderr
    assert "src/dllab" not in done.stderr


def test_wrong_scores_are_told_before_the_training(clone: Path) -> None:
    edit(clone, 'return self(batch["image"])', 'return self(batch["image"])[:, :9]')
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 1
    assert "[2, 9]" in done.stderr
    assert "[2, 10]" in done.stderr


def test_syntax_error_shows_the_line(clone: Path) -> None:
    edit(clone, "class Data(LightningDataModule):", "class Data(LightningDataModule:")
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 1
    assert "does not parse" in done.stderr
    assert "class Data(LightningDataModule:" in done.stderr


def test_damaged_checkpoint_is_named(clone: Path) -> None:
    assert dllab(clone, "train", "01", *QUICK).returncode == 0
    run = only_run(clone)
    last = run / "arms/main/checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    card = json.loads((run / "run.json").read_text())
    card["arms"] = {}
    (run / "run.json").write_text(json.dumps(card))
    done = dllab(clone, "train", "01", "--resume", str(run), "--no-grade")
    assert done.returncode == 2
    assert "last.ckpt" in done.stderr
    assert "Traceback" not in done.stderr


def test_unfinished_lab_names_the_next_todo(clone: Path, repo: Path) -> None:
    starter = (repo / "labs/lab01_mlp/lab.py").read_text()
    (clone / "labs/lab01_mlp/lab.py").write_text(starter + "\n# begun\n")
    done = dllab(clone, "train", "01", *QUICK)
    assert done.returncode == 1
    assert "labs/lab01_mlp/lab.py:" in done.stderr
    assert not (clone / "runs").exists()


def test_reference_needs_an_author(clone: Path) -> None:
    done = dllab(clone, "train", "01", "impl=reference", *QUICK)
    assert done.returncode == 2
    assert "learner's copy" in done.stderr


def test_unknown_lab_lists_the_shelf(clone: Path) -> None:
    done = dllab(clone, "train", "77")
    assert done.returncode == 2
    assert "01 mlp" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_missing_gpu_is_told_before_anything_is_built(clone: Path) -> None:
    done = dllab(clone, "train", "01", "hardware=gpu", "trainer.devices=64", *QUICK)
    assert done.returncode == 2
    assert "64 GPU" in done.stderr
    assert "run it here with" in done.stderr
    assert not (clone / "runs").exists()

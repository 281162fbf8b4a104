"""Several processes on the processor: one run, every item once, no rank left behind or waiting."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from training_lab import (
    SHORT,
    TWO,
    Project,
    card,
    curve,
    projects,
    same_results,
    train,
    undisturbed,
)

from dllab.metrics import METRICS

pytestmark = pytest.mark.slow

TRAIN = ["train", "01", *SHORT, "--no-grade", *TWO]


@pytest.fixture(scope="module")
def apart() -> Iterator[None]:
    yield from undisturbed()


@pytest.fixture(scope="module")
def project(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    yield from projects(tmp_path_factory.mktemp("project"), "lab01_mlp")


@pytest.fixture(scope="module")
def whole(project: Project) -> Path:
    """An uninterrupted run of two ranks."""
    run, stdout = train(project, *TRAIN)
    assert stdout.count("epoch 1/2") == 1, "rank 0 speaks for all"
    assert stdout.count(f"run {run.name}") == 1
    return run


@pytest.mark.in_turns
def test_every_validation_item_counts_once(whole: Path) -> None:
    """What two ranks measured on 999 items is what one process gets from their predictions."""
    last = [point for point in curve(whole) if "val/loss" in point][-1]
    best = min((p for p in curve(whole) if "val/loss" in p), key=lambda p: p["val/loss"])
    kept = load_file(whole / "arms/main/predictions.safetensors")
    scores, label = kept["scores"][:999], kept["label"][:999]
    assert best["step"] in (last["step"], 19)
    for name in ("accuracy", "macro_f1"):
        assert best[f"val/{name}"] == pytest.approx(METRICS[name](scores, {"label": label}).value)
    loss = torch.nn.functional.cross_entropy(scores.double(), label)
    assert best["val/loss"] == pytest.approx(float(loss), rel=1e-6)
    assert card(whole)["arms"]["main"]["steps"] == 40


@pytest.mark.in_turns
def test_whatever_stops_a_run_nothing_hangs_and_resuming_gives_the_same_bits(
    project: Project, whole: Path
) -> None:
    # a rank is killed: the others end, and it is said which
    process, run = project.start_and_wait_for_step(*TRAIN)
    ranks = ranks_of(process)
    ranks[1].kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "rank 1 of 2 was killed by SIGKILL" in stderr
    assert f"dllab train 01 --resume {run.name} goes on" in stderr
    assert card(run)["status"] == "failed"
    assert psutil.wait_procs(ranks, timeout=60)[1] == []

    # Ctrl-C, before they are ready even: all stop behind the same step
    process = project.start("train", "01", "--resume", str(run), "--no-grade")
    ranks_of(process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert card(run)["status"] == "interrupted"

    # the process that watches is killed: its ranks end themselves
    process = project.start("train", "01", "--resume", str(run), "--no-grade")
    ranks = ranks_of(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(ranks, timeout=60)
    assert alive == []

    process = project.start("train", "01", "--resume", str(run), "--no-grade")
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert same_results(run, whole)


# dllab, sent a Ctrl-C when N ranks have been started. Another thread is there to take it at once,
# as those of a linear algebra library are.
INTERRUPTED = """
import os, signal, sys, threading, time
from multiprocessing.context import ForkServerProcess
from dllab.cli import main

start, started, when = ForkServerProcess.start, [], int(sys.argv[1])

def start_and_interrupt(process):
    if len(started) == when:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    start(process)
    started.append(process)

ForkServerProcess.start = start_and_interrupt
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(main(sys.argv[2:]))
"""


# What the ranks are forked from imports this. Whoever has asked for a CUDA device cannot be forked.
IMPORTS = """
import torch

def asked(*_args):
    raise AssertionError("a device is asked for")

torch.cuda.is_available = torch.cuda.device_count = torch.cuda._lazy_init = asked
import dllab.training.arm
"""


@pytest.mark.in_turns
def test_the_server_of_ranks_asks_for_no_device() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.in_turns
@pytest.mark.parametrize("started", [0, 1])
def test_a_ctrl_c_while_the_ranks_start_is_not_lost(project: Project, started: int) -> None:
    before = project.runs()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(started), *TRAIN],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    (run,) = set(project.runs()) - set(before)
    assert done.returncode == 130, done.stderr
    assert "→ stopped at step" in done.stderr
    assert f"--resume {run.name} goes on" in done.stderr
    assert "Traceback" not in done.stderr
    assert card(run)["status"] == "interrupted"
    assert (run / "arms/main/checkpoints/last.ckpt").is_file(), "something to go on from"


@pytest.mark.in_turns
def test_torchrun_writes_one_run_with_the_same_results(project: Project, whole: Path) -> None:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dllab"]
    before = project.runs()
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *TRAIN],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = set(project.runs()) - set(before)
    assert done.stdout.count("epoch 1/2") == 1
    assert same_results(run, whole)


@pytest.mark.in_turns
def test_sharded_training_keeps_whole_weights(project: Project, whole: Path) -> None:
    words = ["hardware=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    run, _ = train(project, "train", "01", *SHORT, "--no-grade", *words)
    ours, theirs = (load_file(r / "arms/main/weights.safetensors") for r in (run, whole))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    for name, weight in ours.items():  # the same steps as DDP, up to the order of sums
        torch.testing.assert_close(weight, theirs[name], atol=2e-3, rtol=0)


@pytest.mark.in_turns
def test_a_learners_exception_in_a_rank_is_told_once(project: Project) -> None:
    text = project.code.read_text()
    try:
        project.edit("optimizer.zero_grad()\n", "1 / 0\n")
        process = project.start(*TRAIN)
        _, stderr = process.communicate(timeout=120)
    finally:
        project.code.write_text(text)
    assert process.returncode == 1
    assert stderr.count("ZeroDivisionError") == 2, "in the traceback, and in the headline"
    assert "site-packages" not in stderr


def ranks_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Both processes that train, rank 0 first: they are forked from the server of that process."""
    while process.poll() is None:
        children = psutil.Process(process.pid).children()
        servers = [child for child in children if "forkserver" in " ".join(child.cmdline())]
        found = [rank for server in servers for rank in server.children()]
        if len(found) == 2:
            return sorted(found, key=lambda child: child.create_time())
        time.sleep(0.05)
    pytest.fail(f"ended before it had ranks: {process.communicate()}")

"""Several processes on the processor: one run, every item once, no rank left behind or waiting."""

import os
import re
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
from training_lab import SHORT, Project, card, curve, same_results

from dllab.metrics import METRICS

pytestmark = pytest.mark.slow

TWO = ["hardware=ddp_cpu", "trainer.devices=2", "trainer.checkpoint_every_n_steps=5"]
TRAIN = ["train", "01", *SHORT, "--no-grade", *TWO]
ODD = """
    def setup(self, stage=None):
        super().setup(stage)
        self.val = {name: rows[:999] for name, rows in self.val.items()}
"""


@pytest.fixture(scope="module")
def apart() -> Iterator[None]:
    """What conftest's fixture of this name does, for a whole module: its tests share a project."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("DLLAB_", "MAKE"))]:
            patch.delenv(name)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def project(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    yield from a_project(tmp_path_factory.mktemp("project"), "lab01_mlp")


@pytest.fixture(scope="module")
def sequences(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 03: two data sets, one-cycle schedules, class weights; an odd number of reviews."""
    for project in a_project(tmp_path_factory.mktemp("sequences"), "lab03_rnn"):
        project.edit("class Data(SplitData):\n", f"class Data(SplitData):\n{ODD}")
        yield project


@pytest.fixture(scope="module")
def text(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 20: one text in lanes, with a memory that goes on from batch to batch."""
    yield from a_project(tmp_path_factory.mktemp("text"), "lab20_language_model")


@pytest.fixture(scope="module")
def by_hand(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 06: a loader and a reducer of its own."""
    yield from a_project(tmp_path_factory.mktemp("by_hand"), "lab06_ddp")


def a_project(root: Path, lab: str) -> Iterator[Project]:
    project = Project(root, Path(__file__).resolve().parent.parent, lab)
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


@pytest.fixture(scope="module")
def whole(project: Project) -> Path:
    """An uninterrupted run of two ranks."""
    run, stdout = train(project, *TRAIN)
    assert stdout.count("epoch 1/2") == 1, "rank 0 speaks for all"
    assert stdout.count(f"run {run.name}") == 1
    return run


def test_every_validation_item_counts_once(whole: Path) -> None:
    """What two ranks measured on 999 items is what one process gets from their predictions."""
    last = [point for point in curve(whole) if "val/loss" in point][-1]
    best = max((p for p in curve(whole) if "val/loss" in p), key=lambda p: p["val/accuracy"])
    kept = load_file(whole / "arms/main/predictions.safetensors")
    scores, label = kept["scores"][:999], kept["label"][:999]
    assert best["step"] in (last["step"], 19)
    for name in ("accuracy", "macro_f1"):
        assert best[f"val/{name}"] == pytest.approx(METRICS[name](scores, {"label": label}).value)
    loss = torch.nn.functional.cross_entropy(scores.double(), label)
    assert best["val/loss"] == pytest.approx(float(loss), rel=1e-6)
    assert card(whole)["arms"]["main"]["steps"] == 40


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("lab", "number", "arms", "metric"),
    [
        ("sequences", "03", ("vowels", "reviews"), "val/accuracy"),
        ("text", "20", ("lstm",), "val/perplexity"),
    ],
)
def test_metrics_of_a_split_do_not_depend_on_the_number_of_ranks(
    request: pytest.FixtureRequest, lab: str, number: str, arms: tuple[str, ...], metric: str
) -> None:
    """45 series, 999 weighted reviews, one text: each item, weight and token counts once."""
    project: Project = request.getfixturevalue(lab)
    still = ["model.lr=0", "trainer.max_epochs=1", "trainer.limit_train_batches=1",
             "trainer.val_check_interval=1.0", "trainer.log_every_n_steps=1",
             "trainer.threads=1", "--no-grade"]  # fmt: skip
    one, _ = train(project, "train", number, *still)
    two, _ = train(project, "train", number, *still, *TWO)
    for arm in arms:
        alone, shared = (measured(run, arm) for run in (one, two))
        assert shared == pytest.approx(alone, rel=1e-5)
        assert {"val/loss", metric} <= set(alone)


def measured(run: Path, arm: str) -> dict[str, float]:
    """What the only validation has measured."""
    (point,) = [point for point in curve(run, arm) if "val/loss" in point]
    return {name: value for name, value in point.items() if name.startswith("val/")}


@pytest.mark.in_turns
def test_a_one_cycle_schedule_goes_on_where_it_stopped(sequences: Project) -> None:
    words = ["train", "03", "arm=vowels", "trainer.threads=1", "--no-grade", *TWO]
    whole, _ = train(sequences, *words)
    process, run = sequences.start_and_wait_for_step(*words)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, timeout=60)
    assert card(run)["status"] == "running", "it was killed before its end"
    train_again = sequences.start("train", "03", "--resume", str(run), "--no-grade")
    _, stderr = train_again.communicate()
    assert train_again.returncode == 0, stderr
    rates = [point["lr"] for point in curve(run, "vowels") if "lr" in point]
    assert rates[0] < max(rates) > rates[-1]
    assert same_results(run, whole, "vowels")


@pytest.mark.in_turns
def test_a_loader_of_the_labs_own_goes_on_where_it_stopped(by_hand: Project) -> None:
    words = ["train", "06", *SHORT, "--no-grade", *TWO]
    whole, _ = train(by_hand, *words)
    process, run = by_hand.start_and_wait_for_step(*words)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    resumed = by_hand.start("train", "06", "--resume", str(run), "--no-grade")
    _, stderr = resumed.communicate()
    assert (resumed.returncode, stderr) == (0, "")
    assert same_results(run, whole)


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


def test_sharded_training_keeps_whole_weights(project: Project, whole: Path) -> None:
    words = ["hardware=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    run, _ = train(project, "train", "01", *SHORT, "--no-grade", *words)
    ours, theirs = (load_file(r / "arms/main/weights.safetensors") for r in (run, whole))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    for name, weight in ours.items():  # the same steps as DDP, up to the order of sums
        torch.testing.assert_close(weight, theirs[name], atol=2e-3, rtol=0)


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


def test_a05_ranks_that_wait_for_each_other_are_told_and_ended(by_hand: Project) -> None:
    """One rank makes a call that the other one does not make."""
    text = by_hand.code.read_text()
    try:
        once_more = "            dist.all_reduce(torch.zeros(5))\n        optimizer.step()\n"
        extra = f"        if dist.get_rank() == 1 and self.global_step == 7:\n{once_more}"
        by_hand.edit("        optimizer.step()\n", extra)
        process = by_hand.start("train", "06", *SHORT, "--no-grade", *TWO)
        _, stderr = process.communicate(timeout=300)
    finally:
        by_hand.code.write_text(text)
    assert process.returncode == 1
    assert "→ the training hangs: rank 0 has made " in stderr
    assert re.search(r"; rank 1 has made \d+ collective calls and waits at lab\.py:\d+ \(", stderr)
    assert "every rank must make the same calls, in the same order" in stderr
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

"""Labs with loaders, texts and reducers of their own, in two processes on the processor."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
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

pytestmark = pytest.mark.slow

ODD = """
    def setup(self, stage=None):
        super().setup(stage)
        self.val = {name: rows[:999] for name, rows in self.val.items()}
"""


@pytest.fixture(scope="module")
def apart() -> Iterator[None]:
    yield from undisturbed()


@pytest.fixture(scope="module")
def sequences(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 03: two data sets, one-cycle schedules, class weights; an odd number of reviews."""
    for project in projects(tmp_path_factory.mktemp("sequences"), "lab03_rnn"):
        project.edit("class Data(SplitData):\n", f"class Data(SplitData):\n{ODD}")
        yield project


@pytest.fixture(scope="module")
def text(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 20: one text in lanes, with a memory that goes on from batch to batch."""
    yield from projects(tmp_path_factory.mktemp("text"), "lab20_language_model")


@pytest.fixture(scope="module")
def by_hand(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Lab 06: a loader and a reducer of its own."""
    yield from projects(tmp_path_factory.mktemp("by_hand"), "lab06_ddp")


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


@pytest.mark.in_turns
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

"""A run that is to end later, and validation that does not go by epochs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.optim import Optimizer, lr_scheduler
from training_lab import SHORT, Here, Project, card, curve, same_results, stopped_at

from dllab.config.schema import TrainerConfig
from dllab.report.html import write_report
from dllab.rundir.run import RunFolder
from dllab.training.further import Schedules

TRAIN = ["train", "01", *SHORT, "--no-grade"]
FALLING = "left = 1 - self.trainer.global_step / self.trainer.estimated_stepping_batches"


def steady(project: Project) -> None:
    """The same rate at each step, however long the run."""
    project.edit(FALLING, "left = 1.0")


def test_more_epochs_of_a_steady_rate_are_the_longer_run_to_the_bit(
    project: Project, dllab: Here
) -> None:
    steady(project)
    assert dllab(*TRAIN, "trainer.max_epochs=3")[0] == 0
    whole = project.only_run()
    assert dllab(*TRAIN)[0] == 0
    first = project.runs()[-1]
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}

    longer = ["trainer.max_epochs=3", "--no-grade"]
    code, out, stderr = dllab("train", "01", "--resume", str(first), *longer)
    assert code == 0, stderr
    assert "learning rate ended" not in out
    second = project.runs()[-1]
    assert second != first
    assert same_results(second, whole)
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == before

    part = {"run": first.name, "overrides": SHORT, "steps": {"main": 40}}
    assert card(second)["continues"] == [part]
    assert card(second)["overrides"] == [*SHORT[1:], "trainer.max_epochs=3"]
    assert card(second)["cost"]["cpu_s"] > card(first)["cost"]["cpu_s"]
    report = write_report(project.root, RunFolder(second)).read_text()
    assert f"up to step 40 as run <code>{first.name}</code>" in report
    assert f"{first.name}, from step 40" in dllab("runs", "show", second.name)[1]


@pytest.mark.in_turns
def test_a_stopped_run_and_one_of_steps_go_further_and_both_parts_are_told(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 steps end within the second epoch."""
    steady(project)
    words = [*TRAIN, "trainer.max_epochs=9"]
    assert dllab(*words, "trainer.max_steps=70")[0] == 0
    whole = project.only_run()
    assert stopped_at(13, dllab, [*words, "trainer.max_steps=30"], monkeypatch)[0] == 130
    for steps in (50, 70):
        last = str(project.runs()[-1])
        code, _, stderr = dllab(
            "train", "01", "--resume", last, f"trainer.max_steps={steps}", "--no-grade"
        )
        assert code == 0, stderr
    assert [part["steps"] for part in card(project.runs()[-1])["continues"]] == [
        {"main": 14},
        {"main": 50},
    ]
    assert same_results(project.runs()[-1], whole)


@pytest.mark.in_turns
def test_a_rate_that_goes_by_the_length_follows_the_longer_one_and_says_so(
    project: Project, dllab: Here
) -> None:
    assert dllab(*TRAIN, "trainer.log_every_n_steps=1")[0] == 0
    first = project.only_run()
    code, out, stderr = dllab(
        "train", "01", "--resume", str(first), "trainer.max_epochs=4", "--no-grade"
    )
    assert (code, stderr) == (0, "")
    assert "the learning rate ended at 2.5e-05 and goes on at 0.0005" in out
    rates = [point["lr"] for point in curve(project.runs()[-1]) if "lr" in point]
    assert rates[39:41] == pytest.approx([0.001 / 40, 0.001 / 2])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model.lr=0.1", "only its length may grow"),
        ("arm=main", "only its length may grow"),
        ("trainer.max_epochs=2", "has 2 already"),
        ("trainer.max_epochs=many", "not a whole number"),
        ("trainer.max_steps=100", "has no such limit"),
        ("trainer.max_steps", "not of the form key=value"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    project: Project, dllab: Here, word: str, said: str
) -> None:
    run = project.root / "runs/lab01_mlp/20260101T000000Z-000000"
    run.mkdir(parents=True)
    shutil.copyfile(project.code, run / "lab.py")
    (run / "config.yaml").write_text(
        "lab: lab01_mlp\nimpl: mine\noverrides: []\n"
        "arms: {main: {trainer: {max_epochs: 2, max_steps: -1}}}\n"
    )
    code, _, stderr = dllab("train", "01", "--resume", str(run), word)
    assert code == 2
    assert said in stderr
    assert project.runs() == [run]


def test_more_steps_than_the_epochs_hold_are_refused(project: Project, dllab: Here) -> None:
    few = ["trainer.max_epochs=1", "trainer.limit_train_batches=3", "trainer.max_steps=5"]
    assert dllab("train", "01", *few, "--no-grade")[0] == 0
    run = project.only_run()
    code, _, stderr = dllab("train", "01", "--resume", str(run), "trainer.max_steps=9")
    assert code == 2
    assert "has trained its 1 epochs" in stderr


class Scheduled(L.LightningModule):
    """One weight, whose rate is what is looked at."""

    def __init__(self, schedule: Callable[[Optimizer, int], Any], **more: Any) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.schedule, self.more = schedule, more
        self.rates: list[tuple[float, ...]] = []

    def training_step(self, batch: torch.Tensor, _index: int) -> torch.Tensor:
        group = self.trainer.optimizers[0].param_groups[0]
        self.rates.append((group["lr"], group["momentum"]))
        loss: torch.Tensor = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        how = {"scheduler": self.schedule(optimizer, steps), "interval": "step", **self.more}
        return {"optimizer": optimizer, "lr_scheduler": how}


def fit(model: Scheduled, epochs: int, checkpoint: Path, *, resume: bool = False) -> None:
    """Six steps an epoch."""
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Schedules(TrainerConfig(max_epochs=epochs))],
    )
    data: Any = torch.utils.data.DataLoader([torch.ones(1)] * 6)  # type: ignore[arg-type]
    trainer.fit(model, data, ckpt_path=checkpoint if resume else None, weights_only=False)
    trainer.save_checkpoint(checkpoint)


def _sequence(optimizer: Optimizer, steps: int) -> Any:
    up = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    down = lr_scheduler.CosineAnnealingLR(optimizer, steps - 3)
    return lr_scheduler.SequentialLR(optimizer, [up, down], [3])


def _chain(optimizer: Optimizer, steps: int) -> Any:
    parts = [lr_scheduler.StepLR(optimizer, 5), lr_scheduler.LinearLR(optimizer, 0.5, 1, steps)]
    return lr_scheduler.ChainedScheduler(parts)


@pytest.mark.filterwarnings("ignore:The '\\w+_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated")
@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer, steps: lr_scheduler.OneCycleLR(optimizer, 0.5, steps),
        lr_scheduler.CosineAnnealingLR,
        lambda optimizer, steps: lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps),
        _sequence,
        _chain,
    ],
    ids=["one-cycle", "cosine", "lambda", "sequence", "chain"],
)
def test_schedules_go_on_as_in_a_run_that_was_long_from_the_start(
    schedule: Callable[[Optimizer, int], Any], tmp_path: Path
) -> None:
    whole, short, longer = (Scheduled(schedule) for _ in range(3))
    fit(whole, 4, tmp_path / "whole.ckpt")
    fit(short, 2, tmp_path / "last.ckpt")
    fit(longer, 4, tmp_path / "last.ckpt", resume=True)
    assert len(short.rates) == len(longer.rates) == 12
    assert torch.tensor(longer.rates) == pytest.approx(torch.tensor(whole.rates[12:]))
    assert torch.tensor(short.rates[6:]) != pytest.approx(torch.tensor(whole.rates[6:12]))


@pytest.mark.filterwarnings("ignore:The '\\w+_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated")
def test_what_waits_for_a_plateau_keeps_waiting(tmp_path: Path) -> None:
    def schedule(optimizer: Optimizer, _steps: int) -> Any:
        return lr_scheduler.ReduceLROnPlateau(optimizer, patience=8, threshold=10.0)

    models = [Scheduled(schedule, monitor="loss", reduce_on_plateau=True) for _ in range(3)]
    for model in models:
        torch.nn.init.ones_(model.layer.weight)
        torch.nn.init.ones_(model.layer.bias)
    whole, short, longer = models
    fit(whole, 4, tmp_path / "whole.ckpt")
    fit(short, 2, tmp_path / "last.ckpt")
    fit(longer, 4, tmp_path / "last.ckpt", resume=True)
    assert short.rates + longer.rates == whole.rates
    assert len({rate for rate, _ in whole.rates}) > 1


@pytest.mark.in_turns
def test_validation_every_n_steps_counts_across_epochs_and_through_a_stop(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind steps 25 and 50, where epochs have 20."""
    words = [*TRAIN, "trainer.max_epochs=3"]
    words += ["trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=25"]
    assert dllab(*words)[0] == 0
    whole = project.only_run()
    assert [p["step"] for p in curve(whole) if "val/loss" in p] == [24, 49]
    for step in (23, 24, 45):  # right before a validation, right behind it, in the next epoch
        assert stopped_at(step, dllab, words, monkeypatch)[0] == 130
        run = project.runs()[-1]
        assert dllab("train", "01", "--resume", str(run), "--no-grade")[0] == 0
        assert same_results(run, whole)

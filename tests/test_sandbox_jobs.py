"""Retrain, sample, act and measure, behind the fastest wall of this machine."""

import pytest
import torch
from grading_lab import make_desk

from dllab.sandbox.limits import Limits
from dllab.sandbox.measure import interleave
from dllab.sandbox.session import open_session
from dllab.sandbox.wire import pack

CODE = """
import time
import torch
from lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader


class Data(LightningDataModule):
    def __init__(self, rows):
        super().__init__()
        x = torch.linspace(-1, 1, rows)[:, None]
        self.rows = torch.cat([x, 3 * x], 1)

    def train_dataloader(self):
        return DataLoader(self.rows, 8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, 8)


class Model(LightningModule):
    def __init__(self, lr=0.5):
        super().__init__()
        self.lr, self.net = lr, nn.Linear(1, 1)

    def training_step(self, batch, index):
        return ((self.net(batch[:, :1]) - batch[:, 1:]) ** 2).mean()

    def validation_step(self, batch, index):
        self.log("val/loss", self.training_step(batch, index))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)

    def sample(self, n, seed):
        return torch.randn(n, generator=torch.Generator().manual_seed(seed)) + self.net.bias

    def act(self, observations):
        return self.net(observations).squeeze(1)

    def predict(self, batch):
        time.sleep(0.05 * float(self.net.weight))
        return torch.zeros(len(batch["x"]), 2)
"""
TRAINER = {
    "max_epochs": 12,
    "max_steps": -1,
    "accelerator": "cpu",
    "devices": 1,
    "strategy": "auto",
    "precision": "32-true",
    "accumulate_grad_batches": 1,
    "gradient_clip_val": None,
    "limit_train_batches": 1.0,
    "limit_val_batches": 1.0,
    "overfit_batches": 0.0,
    "check_val_every_n_epoch": 1,
    "val_check_interval": None,
    "monitor": "val/loss",
    "mode": "min",
}


@pytest.fixture
def session(tmp_path, warm):
    desk = make_desk(tmp_path)
    with open_session(desk.lab, desk.write_code(CODE), warm, Limits(), released=True) as session:
        yield session


def weights(slope, offset=0.0):
    return pack({"net.weight": torch.tensor([[slope]]), "net.bias": torch.tensor([offset])})


@pytest.mark.slow
def test_retrain_brings_the_best_weights_back_and_repeats_itself(session):
    first = session.retrain({"lr": 0.3}, {"rows": 64}, TRAINER, seed=1)
    again = session.retrain({"lr": 0.3}, {"rows": 64}, TRAINER, seed=1)
    assert first.failure is None, (first.failure, first.log)
    assert first.arrays["net.weight"].item() == pytest.approx(3, abs=0.1)
    assert torch.equal(first.arrays["net.weight"], again.arrays["net.weight"])


def test_the_best_weights_need_not_be_the_last(session):
    diverging = session.retrain({"lr": 3.0}, {"rows": 64}, TRAINER, seed=1)
    assert diverging.failure is None
    assert diverging.arrays["net.weight"].abs().item() < 1e6


def test_a_loaded_model_samples_and_acts_until_its_worker_is_lost(session):
    assert session.load(weights(2.0, 1.0), {}).failure is None
    drawn = session.sample(5, seed=3).arrays["samples"]
    assert torch.equal(drawn, session.sample(5, seed=3).arrays["samples"])
    for step in range(3):
        actions = session.act(torch.full((4, 1), float(step))).arrays["actions"]
        assert torch.equal(actions, torch.full((4,), 2.0 * step + 1))


def test_to_act_without_a_model_is_a_failure_that_says_so(session):
    assert "lost" in session.act(torch.zeros(1, 1)).failure.message


def test_measuring_takes_turns_and_sees_the_difference(session, tmp_path, warm):
    asked = []

    def ask(which, number):
        slope = 4.0 if which is session else 1.0
        asked.append(slope)
        items = {"x": torch.full((4, 1), float(number))}
        return which.predict(weights(slope), {}, items, batch_size=4)

    desk = make_desk(tmp_path / "other")
    with open_session(desk.lab, desk.write_code(CODE), warm, Limits()) as reference:
        seen = interleave({"mine": session, "reference": reference}, ask, rounds=3)
    assert asked == [4, 1, 1, 4, 4, 1, 1, 4]
    assert len(seen["mine"].rounds) == 3
    assert seen["mine"].seconds > seen["reference"].seconds
    assert seen["mine"].peak_bytes > 20e6


def test_a_failing_side_is_named_and_the_other_goes_on(session, tmp_path, warm):
    desk = make_desk(tmp_path / "other")
    broken = desk.write_code("Model = Data = None\n")

    def ask(which, number):
        return which.predict(weights(0.0), {}, {"x": torch.zeros(1, 1)}, batch_size=1)

    with open_session(desk.lab, broken, warm, Limits()) as other:
        seen = interleave({"mine": other, "reference": session}, ask, rounds=2)
    assert seen["mine"].failure.kind == "raised"
    assert seen["reference"].failure is None

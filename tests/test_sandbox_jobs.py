"""Retrain, sample, act and measure, behind the fastest wall of this machine."""

import pytest
import torch
from grading_lab import make_desk

from dllab.sandbox.limits import Limits
from dllab.sandbox.measure import interleave
from dllab.sandbox.session import Session
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


def double(x):
    return 2 * x


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

    seen = ()

    def remember(self, x, scale):
        self.seen = (*self.seen, scale * x)
        return {}

    def remembered(self, minus):
        total = sum(self.seen, torch.zeros_like(minus)) - minus
        return {"total": total, "count": torch.tensor(len(self.seen))}

    def forget(self):
        self.seen = ()

    def saliency(self, x):
        with torch.enable_grad():
            x.requires_grad_()
            return torch.autograd.grad(self.net(x).sum(), x)[0]

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
    with Session(desk.lab, desk.write_code(CODE), warm, Limits(), released=True) as session:
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
    drawn = session.call("sample", 5, seed=3).arrays["result"]
    assert torch.equal(drawn, session.call("sample", 5, seed=3).arrays["result"])
    for step in range(3):
        actions = session.call("act", torch.full((4, 1), float(step))).arrays["result"]
        assert torch.equal(actions, torch.full((4,), 2.0 * step + 1))


def test_any_method_is_called_with_arrays_and_the_model_keeps_what_it_remembers(session):
    session.load(weights(2.0, 1.0), {})
    one, two = torch.ones(3, 1), torch.full((3, 1), 2.0)
    assert session.call("remember", one, scale=2).arrays == {}
    seen = session.call("remembered", minus=two).arrays
    assert sorted(seen) == ["count", "total"]
    assert torch.equal(seen["total"], 2 * one - two)
    session.call("remember", two, scale=1, answers=True)
    assert session.call("remembered", minus=two).arrays["count"].item() == 2
    assert session.call("forget", answers=False).arrays == {}
    assert session.call("remembered", minus=two).arrays["count"].item() == 0


def test_a_function_of_the_lab_is_called_where_there_is_no_model(session):
    assert session.call("double", torch.ones(2), of="lab").arrays["result"].tolist() == [2, 2]


def test_what_cannot_be_called_is_named(session):
    session.load(weights(2.0), {})
    assert "model has no encode()" in session.call("encode").failure.message
    assert "lab has no encode()" in session.call("encode", of="lab").failure.message
    assert "it is None; is a `return` missing?" in session.call("forget").failure.message


def test_a_method_may_ask_for_gradients(session):
    session.load(weights(2.0), {})
    assert session.call("saliency", torch.ones(1, 1)).arrays["result"].item() == 2.0


def test_to_act_without_a_model_is_a_failure_that_says_so(session):
    assert "lost" in session.call("act", torch.zeros(1, 1)).failure.message


def test_measuring_takes_turns_and_sees_the_difference(session, tmp_path, warm):
    asked = []

    def ask(which, number):
        slope = 4.0 if which is session else 1.0
        asked.append(slope)
        items = {"x": torch.full((4, 1), float(number))}
        return which.predict(weights(slope), {}, items, batch_size=4)

    desk = make_desk(tmp_path / "other")
    with Session(desk.lab, desk.write_code(CODE), warm, Limits()) as reference:
        seen = interleave({"mine": session, "reference": reference}, ask, rounds=3)
    assert asked == [4, 1, 1, 4, 4, 1, 1, 4]
    assert len(seen["mine"].wall_s) == len(seen["mine"].cpu_s) == 3
    assert min(seen["mine"].wall_s) > 0.2  # asleep, which takes no CPU time
    assert max(seen["mine"].cpu_s) < 0.2
    assert seen["mine"].peak_bytes > 20e6


def test_cpu_time_is_that_of_all_processes_even_of_those_that_have_ended(tmp_path, warm):
    desk = make_desk(tmp_path)
    code = desk.write_code(BUSY)
    with Session(desk.lab, code, warm, Limits()) as session:
        seen = interleave({"mine": session}, lambda s, n: s.call("work", of="lab"), rounds=2)
    assert min(seen["mine"].cpu_s) > 0.18
    assert max(seen["mine"].cpu_s) < 0.6


BUSY = """
import os
import time

import torch

Model = Data = None


def spin(seconds):
    begin = time.process_time()
    while time.process_time() < begin + seconds:
        pass


def work():
    child = os.fork()
    if not child:
        spin(0.1)
        os._exit(0)
    spin(0.1)
    os.waitpid(child, 0)
    return torch.zeros(1)
"""


def test_a_failing_side_is_named_and_the_other_goes_on(session, tmp_path, warm):
    desk = make_desk(tmp_path / "other")
    broken = desk.write_code("Model = Data = None\n")

    def ask(which, number):
        return which.predict(weights(0.0), {}, {"x": torch.zeros(1, 1)}, batch_size=1)

    with Session(desk.lab, broken, warm, Limits()) as other:
        seen = interleave({"mine": other, "reference": session}, ask, rounds=2)
    assert seen["mine"].failure.kind == "raised"
    assert seen["reference"].failure is None

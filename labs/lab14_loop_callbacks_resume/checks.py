"""The visible checks of lab 14, in the order of its tasks.

The toy run: 11 items in batches of 3, 3, 3 and 2, of which three make a step, so an epoch has two
steps, the second one of a single batch. Its network has dropout and batch normalisation: a resume
has to bring random numbers and buffers back as well.
"""

import io
import logging
import os
import pickle
import random
import resource
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dllab.checks import (
    PASS,
    Arrays,
    Given,
    Outcome,
    Player,
    check,
    close,
    every,
    holds,
    integers,
    normal,
    play,
)
from dllab.checks.probing import ReturnedError
from dllab.data import load

BATCH, EVERY, CLIP, RATE, DECAY, MOMENTUM = 3, 3, 0.5, 0.2, 0.9, 0.9
BATCHES = 4  # in an epoch of the toy run
TOY = {
    "x": normal(11, 4),
    "label": integers(0, 3, 11),
    "val_x": normal(7, 4),
    "val_label": integers(0, 3, 7),
    "seed": integers(0, 10_000),
}


class KilledError(BaseException):
    """What ends a toy run. No `except Exception` holds it up."""


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def draws() -> dict[str, float]:
    """The next number of each global generator."""
    return {"python": random.random(), "numpy": np.random.rand(), "torch": float(torch.rand(()))}


def network() -> nn.Sequential:
    """The toy network: [B, 4] to [B, 3]."""
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3)
    )


def losses(model: nn.Module, batch: Arrays) -> Tensor:
    """Each item's cross-entropy, float32 [B]."""
    return F.cross_entropy(model(batch["x"]), batch["label"], reduction="none")


def tools(model: nn.Module) -> tuple[torch.optim.Optimizer, Any]:
    """Momentum, and a rate that falls by a tenth at each step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: DECAY**step)


def loop_of(lab: ModuleType, model: nn.Module, given: Given, callbacks: Iterable[Any] = ()) -> Any:
    """The learner's loop around a model, on the toy data."""
    loader = lab.Loader({"x": given.x, "label": given.label}, BATCH, seed=int(given.seed))
    return lab.Loop(
        model, *tools(model), loader, validation(given), loss=losses,
        accumulate=EVERY, clip=CLIP, callbacks=list(callbacks),
    )  # fmt: skip


def validation(given: Given) -> list[Arrays]:
    """The toy run's validation items, in batches of 5 and 2."""
    parts = zip(given.val_x.split(5), given.val_label.split(5), strict=True)
    return [{"x": x, "label": label} for x, label in parts]


def toy(lab: ModuleType, given: Given, *callbacks: Any, other: int = 0) -> Any:
    """The learner's loop about to run; `other` gives it other weights and random numbers."""
    seed_all(int(given.seed) + other)
    return loop_of(lab, network(), given, callbacks)


def counting(lab: ModuleType) -> Any:
    """A callback that remembers how many batches it has seen."""

    class Counts(lab.Callback):
        def __init__(self) -> None:
            self.count = 0

        def on_batch_end(self, loop: Any) -> None:
            self.count += 1

        def state_dict(self) -> dict[str, int]:
            return {"count": self.count}

    return Counts()


def behind(lab: ModuleType, batch: int, do: Callable[[Any], None]) -> Any:
    """A callback that does something with the loop when so many batches were trained."""
    seen = 0

    def count(_self: Any, loop: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == batch:
            do(loop)

    return type("Behind", (lab.Callback,), {"on_batch_end": count})()


def vector(value: Any) -> Tensor:
    """All numbers of a nested state in one vector, float64 [*]; words and None are left out."""
    match value:
        case Tensor():
            return value.detach().double().flatten()
        case bool() | int() | float():
            return torch.tensor([float(value)], dtype=torch.float64)
        case dict():
            return vector(list(value.values()))
        case list() | tuple():
            return torch.cat([torch.zeros(0).double(), *map(vector, value)])
    return torch.zeros(0).double()


def through_a_file(state: Any) -> Any:
    """What comes back when a state is saved and read.

    Raises ReturnedError where it holds what a checkpoint should not.
    """
    memory = io.BytesIO()
    torch.save(state, memory)
    memory.seek(0)
    try:
        return torch.load(memory, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ReturnedError(
            "torch.load(weights_only=True) refuses this state: it may hold numbers, tensors, and "
            "lists, tuples and dicts of them, so make a list of an array of NumPy (.tolist())"
        ) from error


# Batches and random numbers -----------------------------------------------------------------------


def order(seed: Tensor, epoch: Tensor | int, items: int = 11) -> Tensor:
    """The order of an epoch, int64 [items]."""
    generator = torch.Generator().manual_seed(hash((int(seed), int(epoch))))
    return torch.randperm(items, generator=generator)


def left_of(given: Given) -> Tensor:
    """The items that are left of the epoch."""
    return order(given.seed, given.epoch)[BATCH * int(given.position) :]


@check(
    "batches",
    "Batches from a saved place on",
    given={"seed": integers(0, 10_000), "epoch": integers(1, 9), "position": integers(1, BATCHES)},
    expect=lambda g: {
        "the items": left_of(g),
        "position while a batch is in use": torch.arange(int(g.position), BATCHES) + 1,
        "epoch and position after the pass": [int(g.epoch) + 1, 0],
        "the items of the next pass": order(g.seed, g.epoch + 1),
    },
    mistakes={
        "the epoch begins anew: self.position is not looked at": lambda g: {
            "the items": order(g.seed, g.epoch)
        },
        "a batch is counted after the yield: a checkpoint that is written while it is in use would "
        "train on it twice": lambda g: {
            "position while a batch is in use": torch.arange(int(g.position), BATCHES)
        },
        "the items are not in the order of self.order()": lambda g: {
            "the items": torch.arange(11)[BATCH * int(g.position) :]
        },
        "the short last batch is missing": lambda g: {"the items": left_of(g)[:-2]},
        "the epoch does not move on": lambda g: {
            "epoch and position after the pass": [int(g.epoch), 0]
        },
        "position is not set back to 0 for the next epoch": lambda g: {
            "epoch and position after the pass": [int(g.epoch) + 1, BATCHES]
        },
    },
)
def batches(lab: ModuleType, given: Given) -> Arrays:
    """A loader hands out what is left of its epoch, counts it, and turns to the next epoch."""
    loader = lab.Loader({"x": torch.arange(11)}, BATCH, seed=int(given.seed))
    loader.load_state_dict({"epoch": int(given.epoch), "position": int(given.position)})
    passed = [(batch["x"].tolist(), loader.position) for batch in loader]
    after = torch.tensor([loader.epoch, loader.position])
    return {
        "the items": torch.tensor([item for x, _ in passed for item in x]).long(),
        "position while a batch is in use": torch.tensor([place for _, place in passed]).long(),
        "epoch and position after the pass": after,
        "the items of the next pass": torch.tensor(
            [item for batch in loader for item in batch["x"].tolist()]
        ).long(),
    }


def numpys_state() -> tuple[Any, ...]:
    """Where NumPy's generator stands, with a list for the array."""
    parts = list(np.random.get_state())
    parts[1] = parts[1].tolist()
    return tuple(parts)


GETTERS = {"python": random.getstate, "numpy": numpys_state, "torch": torch.get_rng_state}
SETTERS = {"python": random.setstate, "numpy": np.random.set_state, "torch": torch.set_rng_state}
GENERATORS = {"python": "Python's", "numpy": "NumPy's", "torch": "PyTorch's"}


def after_seed(seed: Tensor) -> dict[str, float]:
    """What comes of each generator after a seed and one draw."""
    with torch.random.fork_rng():
        seed_all(int(seed))
        draws()
        return draws()


def bring_back(state: dict[str, Any]) -> None:
    """What `restore_random` does, with as much of a state as there is."""
    for name, setter in SETTERS.items():
        if name in state:
            setter(state[name])


@check(
    "random-state",
    "Where the generators stand",
    given={"seed": integers(0, 10_000), "other": integers(10_000, 20_000)},
    expect=lambda g: after_seed(g.seed),
    mistakes={
        f"{whose} generator is not in the state: after a resume it draws other numbers": (
            lambda g, name=name: {name: after_seed(g.other)[name]}
        )
        for name, whose in GENERATORS.items()
    },
)
def random_state(lab: ModuleType, given: Given) -> Arrays:
    """`random_state` holds what brings the generators of Python, NumPy and PyTorch back."""
    seed_all(int(given.seed))
    draws()
    state = through_a_file(lab.random_state())
    seed_all(int(given.other))
    draws()
    bring_back(state)
    return {name: torch.tensor(value) for name, value in draws().items()}


# The loop -----------------------------------------------------------------------------------------

LINEAR = {"weight": normal(3, 4), "bias": normal(3)}


def linear(given: Given) -> nn.Linear:
    """The given linear model."""
    model = nn.Linear(4, 3)
    model.load_state_dict({name: given[name] for name in LINEAR})
    return model


def summed(given: Given, *, first: int = 0, mean: bool = False) -> Arrays:
    """The gradient that two batches of 3 and 2 items leave, and the sum of their losses."""
    model, total = linear(given), 0.0
    for span in (slice(0, 3), slice(3, 5))[first:]:
        loss_B = losses(model, {"x": given.x[span], "label": given.label[span]})
        loss = loss_B.mean() if mean else loss_B.sum()
        loss.backward()
        total += loss.item()
    return {"the gradient": model.weight.grad, "loss_sum": torch.tensor(total)}


@check(
    "accumulate",
    "Gradients of several batches",
    given={**TOY, **LINEAR, "x": normal(5, 4), "label": integers(0, 3, 5)},
    expect=lambda g: {
        **summed(g),
        "batches, items, loss_items": [2, 5, 5],
        "loss_sum is a number": True,
    },
    mistakes={
        "each batch's mean was differentiated: add the sums, batches differ in size": lambda g: {
            "the gradient": summed(g, mean=True)["the gradient"]
        },
        "only the last batch's gradient is left: `add` must not clear": lambda g: {
            "the gradient": summed(g, first=1)["the gradient"]
        },
        "nothing was differentiated": {"the gradient": torch.zeros(3, 4)},
        "loss_sum adds up means: add the sums": lambda g: {
            "loss_sum": summed(g, mean=True)["loss_sum"]
        },
        "loss_sum holds the last batch alone": lambda g: {
            "loss_sum": summed(g, first=1)["loss_sum"]
        },
        "loss_sum is a tensor, which keeps the graph of every batch in memory: .item()": {
            "loss_sum is a number": False
        },
        "items counts batches": {"batches, items, loss_items": [2, 2, 5]},
        "loss_items is not counted": {"batches, items, loss_items": [2, 5, 0]},
    },
)
def accumulate(lab: ModuleType, given: Given) -> Arrays:
    """`add` adds the gradient of the sum of a batch's losses to what is there, and counts."""
    model = linear(given)
    loop = loop_of(lab, model, given)
    for span in (slice(0, 3), slice(3, 5)):
        loop.add({"x": given.x[span], "label": given.label[span]})
    gradient = model.weight.grad
    return {
        "the gradient": torch.zeros(3, 4) if gradient is None else gradient,
        "loss_sum": torch.as_tensor(loop.loss_sum).detach().float(),
        "batches, items, loss_items": torch.tensor([loop.batches, loop.items, loop.loss_items]),
        "loss_sum is a number": torch.tensor(not isinstance(loop.loss_sum, Tensor)),
    }


def moved(
    given: Given,
    *,
    by: int = 5,
    clip: str = "after",
    late: float = 1.0,
    keep: bool = False,
) -> Arrays:
    """The weights after two steps with given gradients of five items: right, or wrong."""
    weight, speed, left = given.weight.clone(), torch.zeros(3, 4), torch.zeros(3, 4)
    for step, gradient in enumerate(given.gradient):
        mean = (left + gradient) / by
        measured = gradient if clip == "before" else mean
        if clip != "never":
            mean = mean * (CLIP / (measured.norm() + 1e-6)).clamp(max=1)
        left = mean if keep else left
        speed = MOMENTUM * speed + mean
        weight -= RATE * late * DECAY**step * speed
    return {"the weights": weight}


def small_and_large(rng: torch.Generator) -> Tensor:
    """Draw two gradients of five items each; the mean of the second alone is to be clipped."""
    drawn = torch.randn(2, 3, 4, generator=rng)
    return drawn / drawn.norm(dim=(1, 2), keepdim=True) * torch.tensor([0.8, 9.0])[:, None, None]


@check(
    "update",
    "One step of many",
    given={**TOY, **LINEAR, "gradient": small_and_large},
    expect=lambda g: {
        **moved(g),
        "batches, items, step": [0, 0, 2],
        "the rate afterwards": RATE * DECAY**2,
        "the gradient afterwards": torch.zeros(3, 4),
    },
    mistakes={
        "the gradient is a sum still: divide it by self.items": lambda g: moved(g, by=1),
        "the sum is divided by the batches: divide it by the items": lambda g: moved(g, by=2),
        "the sum was clipped: divide first, the norm of the mean counts": lambda g: moved(
            g, clip="before"
        ),
        "the gradient is not clipped": lambda g: moved(g, clip="never"),
        "the scheduler made its step before the optimiser": lambda g: moved(g, late=DECAY),
        "the gradient is not cleared, so it counts in the next step as well": lambda g: moved(
            g, keep=True
        ),
        "the scheduler makes no step": {"the rate afterwards": RATE},
        "the weights did not move": lambda g: {"the weights": g.weight},
        "step is not counted": {"batches, items, step": [0, 0, 0]},
        "batches is not set back to 0": {"batches, items, step": [2, 0, 2]},
        "items is not set back to 0": {"batches, items, step": [0, 5, 2]},
    },
)
def update(lab: ModuleType, given: Given) -> Arrays:
    """`update` divides, clips, lets the optimiser and then the scheduler step, and begins anew."""
    model = linear(given)
    model.bias.requires_grad_(False)  # its gradient is None
    loop = loop_of(lab, model, given)
    for gradient in given.gradient:
        left = model.weight.grad
        model.weight.grad = gradient.clone() if left is None else left + gradient
        loop.batches, loop.items = 2, 5
        loop.update()
    left = model.weight.grad
    return {
        "the weights": model.weight,
        "batches, items, step": torch.tensor([loop.batches, loop.items, loop.step]),
        "the rate afterwards": torch.tensor(loop.optimizer.param_groups[0]["lr"]),
        "the gradient afterwards": torch.zeros(3, 4) if left is None else left,
    }


def normed(given: Given) -> nn.Sequential:
    """The given linear model behind a batch normalisation."""
    return nn.Sequential(nn.BatchNorm1d(4), linear(given))


MODES = "model.training afterwards, when it was True and when it was False"


def measured(given: Given, *, training: bool = False) -> list[Tensor]:
    """The losses of each validation batch."""
    model = normed(given).train(training)
    return [losses(model, batch).detach() for batch in validation(given)]


@check(
    "evaluate",
    "The mean over the validation items",
    given={**TOY, **LINEAR},
    expect=lambda g: {
        "the mean": torch.cat(measured(g)).mean(),
        MODES: [True, False],
    },
    mistakes={
        "this is the mean of the batches' means: the batches differ in size": lambda g: {
            "the mean": torch.stack([one.mean() for one in measured(g)]).mean()
        },
        "this is training mode: the statistics of the batch were used": lambda g: {
            "the mean": torch.cat(measured(g, training=True)).mean()
        },
        "this is the sum": lambda g: {"the mean": torch.cat(measured(g)).sum()},
        "only the last batch counts": lambda g: {"the mean": measured(g)[-1].mean()},
        "the model is left in evaluation mode: batch normalisation and dropout rest from then on": {
            MODES: [False, False]
        },
        "the model is left in training mode, in which it was not": {MODES: [True, True]},
    },
)
def evaluate(lab: ModuleType, given: Given) -> Arrays:
    """`evaluate` takes the mean over all items in evaluation mode, and leaves the mode alone."""
    model = normed(given)
    loop, modes, means = loop_of(lab, model, given), [], []
    for mode in (True, False):
        model.train(mode)
        means.append(float(loop.evaluate()))
        modes.append(model.training)
    return {
        "the mean": torch.tensor(means[0]),
        MODES: torch.tensor(modes),
    }


def trained(
    given: Given, *, every: int = EVERY, flush: bool = True, training: bool = True, epochs: int = 2
) -> Arrays:
    """What a run of two epochs leaves, written out once more: right, or wrong in a classic way."""
    with torch.random.fork_rng():
        torch.manual_seed(int(given.seed))
        model = network().train(training)
        optimizer, scheduler = tools(model)
        history, batches, items, steps = [], 0, 0, 0
        for epoch in range(epochs):
            total = 0.0
            for number, chosen in enumerate(order(given.seed, epoch).split(BATCH)):
                loss = losses(model, {"x": given.x[chosen], "label": given.label[chosen]})
                loss.sum().backward()
                total, batches, items = total + loss.sum().item(), batches + 1, items + len(loss)
                if batches == every or (flush and number == BATCHES - 1):
                    for p in model.parameters():
                        p.grad /= items
                    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                    batches, items, steps = 0, 0, steps + 1
            model.eval()
            val = torch.cat([losses(model, batch).detach() for batch in validation(given)]).mean()
            model.train(training)
            history.append([total / 11, float(val)])
    return {"train/loss and val/loss of each epoch": history, "the steps": steps}


@check(
    "fit",
    "The loop",
    given=TOY,
    expect=lambda g: trained(g) | {"the batches, the epochs that ended": [8, 2]},
    mistakes={
        "the last batches of an epoch make no step of their own, and spill into the next epoch":
            lambda g: trained(g, flush=False),
        "each batch makes a step: `accumulate` is not looked at": lambda g: trained(g, every=1),
        "the model is not put into training mode: dropout and batch statistics rest":
            lambda g: trained(g, training=False),
        "`epochs` more are trained: count those that are done (self.loader.epoch)":
            {"the batches, the epochs that ended": [12, 3]},
        "one epoch too many": {"the batches, the epochs that ended": [12, 3]},
        "one epoch too few": {"the batches, the epochs that ended": [4, 1]},
        "on_batch_end is not called": {"the batches, the epochs that ended": [0, 2]},
        "the epochs are not ended: end_epoch()": {"the batches, the epochs that ended": [8, 0]},
    },
    atol=1e-4,
    depends_on=("batches", "accumulate", "update", "evaluate"),
)  # fmt: skip
def fit(lab: ModuleType, given: Given) -> Arrays:
    """`fit` trains for as many epochs, a step of `accumulate` batches or of what is left."""
    counter = counting(lab)
    loop = toy(lab, given, counter)
    loop.model.eval()
    loop.fit(1)
    loop.fit(2)
    history = [[one["train/loss"], one["val/loss"]] for one in loop.history[:2]]
    return {
        "train/loss and val/loss of each epoch": torch.tensor(history or [[0.0, 0.0]]),
        "the steps": torch.tensor(loop.step),
        "the batches, the epochs that ended": torch.tensor([counter.count, len(loop.history)]),
    }


@check(
    "stop",
    "Stopped in the middle of an epoch",
    given={**TOY, "at": integers(5, 8)},
    expect=lambda g: [int(g.at), 1],
    mistakes={
        "stop is only looked at between epochs": lambda g: [8, 2],
        "stop is never looked at": lambda g: [12, 3],
        "an epoch that was broken off has no end: end_epoch() came nevertheless": lambda g: [
            int(g.at),
            2,
        ],
    },
    depends_on=("fit",),
    hint="fit",
)
def stop(lab: ModuleType, given: Given) -> Tensor:
    """When a callback asks to stop, no further batch is trained; here: [batches, epochs ended]."""
    counter = counting(lab)
    ask = behind(lab, int(given.at), lambda loop: setattr(loop, "stop", True))
    loop = toy(lab, given, counter, ask)
    loop.fit(3)
    return torch.tensor([counter.count, len(loop.history)])


@contextmanager
def quiet_trainer(epochs: int, *callbacks: Any, **numbers: Any) -> Iterator[Any]:
    """Lightning's Trainer on the CPU; its advice is for those who train with it."""
    from lightning import Trainer
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "plugins": [LightningEnvironment()],
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Trainer(
                max_epochs=epochs, accelerator="cpu", callbacks=[*callbacks], **(quiet | numbers)
            )
    finally:
        log.setLevel(level)


def by_lightning(given: Given, model: nn.Module) -> Tensor:
    """The loss of each batch when Lightning trains the model for two epochs, float32 [8]."""
    from lightning import LightningModule

    seen = []

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Arrays, batch_idx: int) -> Tensor:
            seen.append(losses(self.model, batch).mean())
            return seen[-1]

        def train_dataloader(self) -> DataLoader[Any]:
            chosen = order(given.seed, self.current_epoch, 12).split(BATCH)
            batches = [{"x": given.x[i], "label": given.label[i]} for i in chosen]
            # Without one of its own it would draw a seed from the global generator.
            return DataLoader(batches, batch_size=None, generator=torch.Generator())

        def configure_optimizers(self) -> Any:
            optimizer, scheduler = tools(self)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    often = {"accumulate_grad_batches": 2, "reload_dataloaders_every_n_epochs": 1}
    with quiet_trainer(2, gradient_clip_val=CLIP, **often) as trainer:
        trainer.fit(Module())
    return torch.stack(seen).detach()


def both_loops(lab: ModuleType, given: Given) -> Arrays:
    """The losses of the learner's loop and of Lightning, with the same seed."""
    own: list[Tensor] = []

    def noted(model: nn.Module, batch: Arrays) -> Tensor:
        loss_B = losses(model, batch)
        own.extend([loss_B.detach().mean()] if model.training else [])
        return loss_B

    loop = toy(lab, given)
    loop.loss, loop.accumulate = noted, 2
    loop.fit(2)
    seed_all(int(given.seed))
    return {"own": torch.stack(own), "lightning": by_lightning(given, network())}


@check(
    "as-lightning",
    "The losses of Lightning's Trainer",
    given={**TOY, "x": normal(12, 4), "label": integers(0, 3, 12)},
    probe=both_loops,
    returns={"own": "float32 [8]", "lightning": "float32 [8]"},
    depends_on=("fit",),
    hint="fit",
)
def as_lightning(given: Given, got: Arrays) -> Outcome:
    """With batches of one size, your loop has the losses of Lightning's Trainer, one by one."""
    return close(got["own"], got["lightning"], atol=1e-4, what="the loss of each batch")


# What has to be saved -----------------------------------------------------------------------------


def killed_at(lab: ModuleType, given: Given, batch: int, *others: Any) -> Any:
    """A loop that was killed when so many batches were trained."""

    def kill(_loop: Any) -> None:
        raise KilledError

    loop = toy(lab, given, counting(lab), behind(lab, batch, kill), *others)
    with suppress(KilledError):
        loop.fit(3)
    return loop


AT = 6  # in the middle of epoch 1, with two batches in the step
COUNTERS = ("step", "batches", "items", "loss_sum", "loss_items", "history", "stop")


def true_state(loop: Any) -> dict[str, Any]:
    """What `Loop.state_dict` should return."""
    parts = ("model", "optimizer", "scheduler", "loader")
    return {
        **{name: getattr(loop, name).state_dict() for name in parts},
        "random": {name: getter() for name, getter in GETTERS.items()},
        "gradients": [p.grad for p in loop.model.parameters()],
        "callbacks": [callback.state_dict() for callback in loop.callbacks],
        "counters": {name: getattr(loop, name) for name in COUNTERS},
    }


# What is seen of a loop, in this order, and whose state it is.
SEEN = {
    "the model's weights and buffers": "the model's state",
    "the momentum": "the optimiser's state",
    "the learning rate of the next step": "the scheduler's state",
    "the place in the data (epoch, position)": "the loader's state",
    "the next random number of Python": "the state of Python's generator",
    "the next random number of NumPy": "the state of NumPy's generator",
    "the next random number of PyTorch": "the state of PyTorch's generator",
    "the gradient under way": "the gradient under way (.grad of the parameters)",
    "what the callbacks remember": "the callbacks' state",
    **{f"loop.{name}": f'the counter "{name}"' for name in COUNTERS},
}


def observed(loop: Any) -> Arrays:
    """What is seen of a loop, float64 [*] each. It draws and steps, so the loop is spent."""
    seen = [
        loop.model.state_dict(),
        loop.optimizer.state_dict()["state"],
        None,
        [loop.loader.epoch, loop.loader.position],
        *draws().values(),
        [p.grad for p in loop.model.parameters()],
        [callback.state_dict() for callback in loop.callbacks],
        *(getattr(loop, name) for name in COUNTERS),
    ]
    found = dict(zip(SEEN, map(vector, seen), strict=True))
    loop.optimizer.step()
    loop.scheduler.step()
    found["the learning rate of the next step"] = vector(loop.optimizer.param_groups[0]["lr"])
    return found


def labelled(**runs: Arrays) -> Arrays:
    """What is seen of several runs, in one dict."""
    return {f"{run} {name}": value for run, seen in runs.items() for name, value in seen.items()}


def forms(*runs: str) -> dict[str, str]:
    """The form of what `labelled` makes of runs with these names."""
    return {f"{run} {name}": "float64 [*]" for run in runs for name in SEEN}


def differing(name: str, right: Tensor, came: Tensor) -> str:
    """How what is seen after a resume differs from what was seen before, in words."""
    if max(len(right), len(came)) <= 4 or len(right) != len(came):
        return f"{name} is {told(came)}, and was {told(right)}"
    first = int((right != came).nonzero()[0])
    many = f"{int((right != came).sum())} of {len(right)} numbers differ"
    return f"of {name}, {many}: one is {float(came[first]):.6g}, and was {float(right[first]):.6g}"


def told(numbers: Tensor) -> str:
    """A few numbers in words, or how many there are."""
    if len(numbers) > 4:
        return f"{len(numbers)} numbers"
    return ", ".join(f"{number:.6g}" for number in numbers.tolist()) or "nothing"


def true_load(loop: Any, state: dict[str, Any]) -> None:
    """What `Loop.load_state_dict` should do, with as much of a state as there is."""
    for part in ("model", "optimizer", "scheduler", "loader"):
        if part in state:
            getattr(loop, part).load_state_dict(state[part])
    for p, gradient in zip(loop.model.parameters(), state.get("gradients", ()), strict=False):
        p.grad = None if gradient is None else gradient.clone()
    for watcher, its_state in zip(loop.callbacks, state.get("callbacks", ()), strict=False):
        watcher.load_state_dict(its_state)
    vars(loop).update(state.get("counters", {}))
    bring_back(state.get("random", {}))


def handed_over(
    lab: ModuleType, given: Given, save: Callable[[Any], Any], load: Callable[[Any, Any], None]
) -> Arrays:
    """What is seen of a killed loop, of a fresh one, and of one with the state of the killed."""
    loop = killed_at(lab, given, AT)
    kept = through_a_file(save(loop))
    seen = {"before": observed(loop)}
    for name in ("fresh", "after"):
        again = toy(lab, given, counting(lab), lab.Callback(), other=1)
        if name == "after":
            load(again, kept)
        seen[name] = observed(again)
    return labelled(**seen)


def state_handed_over(lab: ModuleType, given: Given) -> Arrays:
    """What is seen when the state is the learner's, and the loading as it should be."""
    return handed_over(lab, given, lab.Loop.state_dict, true_load)


def state_taken_over(lab: ModuleType, given: Given) -> Arrays:
    """What is seen when the loading is the learner's, and the state as it should be."""
    return handed_over(lab, given, true_state, lab.Loop.load_state_dict)


def same_place(got: Arrays, forgotten: str) -> Outcome:
    """The first thing that is not as before the kill, and in whose state it belongs."""
    for name, whose in SEEN.items():
        before, fresh, after = (got[f"{run} {name}"] for run in ("before", "fresh", "after"))
        if not torch.equal(before, after):
            fault = forgotten if torch.equal(after, fresh) else "does not come back as it was"
            told_so = differing(name, before, after)
            return Outcome(0.0, f"{whose} {fault}: after the resume {told_so}")
    return PASS


@check(
    "state",
    "Everything that training changes",
    given=TOY,
    probe=state_handed_over,
    returns=forms("before", "fresh", "after"),
    depends_on=("random-state", "stop"),
)
def state(given: Given, got: Arrays) -> Outcome:
    """`state_dict` holds all that training changes, also in the middle of an epoch and a step."""
    return same_place(got, "is not in the checkpoint")


@check(
    "load-state",
    "Everything brought back",
    given=TOY,
    probe=state_taken_over,
    returns=forms("before", "fresh", "after"),
    depends_on=("stop",),
)
def load_state(given: Given, got: Arrays) -> Outcome:
    """A fresh loop that loads a state stands where the other one stood, to equal bits."""
    return same_place(got, "is not taken from the checkpoint")


# The file -----------------------------------------------------------------------------------------


def in_a_child(work: Callable[[], object]) -> None:
    """Do this in another process, which may be killed."""
    with warnings.catch_warnings():  # of other threads: the child makes do without them
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def die_beyond(most_bytes: int) -> None:
    """From now on the kernel kills this process as soon as a file of it grows beyond this size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def read(path: Path) -> Tensor:
    """The numbers of the checkpoint at `path`, float32 [*]; none where there is no whole one."""
    try:
        numbers: Tensor = torch.load(path, weights_only=True)["numbers"]
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return torch.zeros(0)
    return numbers


def written(lab: ModuleType, given: Given) -> Arrays:
    """What stands at a path after a save, and after one that was killed half-way."""
    disk = Mock(fsync=Mock(wraps=os.fsync), replace=Mock(wraps=os.replace))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "last.ckpt"
        with patch.multiple(os, fsync=disk.fsync, replace=disk.replace, rename=disk.replace):
            lab.save({"numbers": given.old}, path)
        calls = [called[0] for called in disk.mock_calls]
        saved, size = read(path), path.stat().st_size if path.is_file() else 2
        in_a_child(lambda: (die_beyond(size // 2), lab.save({"numbers": given.new}, path)))
        return {
            "saved": saved,
            "after the kill": read(path),
            "there": torch.tensor(path.is_file()),
            "replaced": torch.tensor("replace" in calls),
            "synced": torch.tensor(calls[:1] == ["fsync"]),
        }


@check(
    "save",
    "Killed in the middle of writing",
    given={"old": normal(5000), "new": normal(5000)},
    probe=written,
    returns={
        "saved": "float32 [*]",
        "after the kill": "float32 [*]",
        **dict.fromkeys(("there", "replaced", "synced"), "bool []"),
    },
)
def save(given: Given, got: Arrays) -> Outcome:
    """A process that is killed while it saves leaves the old checkpoint whole."""
    kept = torch.equal(got["after the kill"], given.old)
    state = "is cut off" if got["there"] else "is gone"
    return every(
        holds(torch.equal(got["saved"], given.old), "what was saved cannot be read at `path`"),
        holds(
            kept,
            f"killed while it was writing the new checkpoint: the old one {state}, and the new one "
            "is not whole: write to another file first",
        ),
        holds(
            got["replaced"],
            "the new file does not take the old one's place by os.replace, at once: whoever is "
            "killed in between leaves no whole checkpoint",
        ),
        holds(
            got["synced"],
            "no os.fsync before os.replace: when the power fails, the new name may stand on the "
            "disk before the numbers do",
        ),
    )


# Callbacks ----------------------------------------------------------------------------------------

PATIENCE, DELTA = 2, 0.1
CURVE = torch.tensor([2.0, 1.5, 1.45, torch.nan, 1.0, 1.0, 1.6, -1.0, -0.8, -0.5, -0.4, torch.nan])
Better = Callable[[float, float], bool]


def below(value: float, least: float) -> bool:
    """Whether a value is better."""
    return value < least - DELTA


def watched(
    curve: Tensor, better: Better = below, *, patience: int = PATIENCE, forgets: bool = True
) -> Arrays:
    """What is made of a curve, whose n-th value belongs to weights of n; right, or wrong."""
    least, waited, kept, said = float("inf"), 0, 0, []
    for place, value in enumerate(curve.tolist()):
        if better(value, least):
            least, waited, kept = value, 0 if forgets else waited, place
        else:
            waited += 1
        said.append(waited >= patience)
    return {
        "whether to stop": torch.tensor(said),
        "the least value": torch.tensor(least),
        "the weights that were kept": torch.tensor([float(kept)]),
    }


def watching(best: Any, curve: Tensor, first: int = 0) -> Arrays:
    """Let the learner's Best watch a curve; the model's only weight is the place in it."""
    model = nn.Linear(1, 1, bias=False)
    said = []
    for place, value in enumerate(curve.tolist(), first):
        nn.init.constant_(model.weight, place)
        said.append(best.update(value, model))
    nn.init.constant_(model.weight, 99)
    return {
        "whether to stop": torch.tensor(said),
        "the least value": torch.tensor(float(best.least)),
        "the weights that were kept": vector(best.weights).float(),
    }


def shifted(rng: torch.Generator) -> Arrays:
    """Draw a curve that falls, stands still, rises and breaks off, somewhere between 0 and 6."""
    return {"curve": CURVE + 3 * torch.rand((), generator=rng)}


@check(
    "best",
    "The best weights, and patience",
    given=shifted,
    expect=lambda g: watched(g.curve),
    mistakes={
        "the weights that were kept went on training: state_dict() is the model's own memory": {
            "the weights that were kept": [99.0]
        },
        "min_delta is not looked at: a gain must be larger": lambda g: watched(
            g.curve, lambda value, least: value < least
        ),
        "min_delta has the wrong sign: a value may not be worse": lambda g: watched(
            g.curve, lambda value, least: value < least + DELTA
        ),
        "nan counts as better": lambda g: watched(
            g.curve, lambda value, least: not value >= least - DELTA
        ),
        "larger values count as better": lambda g: watched(
            g.curve, lambda value, least: not value <= least + DELTA or least == float("inf")
        ),
        "one value too late: stop when `patience` values in a row were no better": lambda g: (
            watched(g.curve, patience=PATIENCE + 1)
        ),
        "a better value does not set `waited` back to 0": lambda g: watched(g.curve, forgets=False),
        "the weights of the last value are kept": {
            "the weights that were kept": [len(CURVE) - 1.0]
        },
    },
)
def best(lab: ModuleType, given: Given) -> Arrays:
    """`update` keeps the least value with its weights, and says when it has waited long enough."""
    return watching(lab.Best(patience=PATIENCE, min_delta=DELTA), given.curve)


BEFORE = torch.tensor([2.0, 1.5, 1.8])
BEHIND = torch.tensor([1.7, 2.5])


def after_resume(*, least: bool = True, waited: bool = True) -> Arrays:
    """What is said of BEHIND by one that remembers BEFORE, or has forgotten a part of it."""
    seen = watched(torch.cat([BEFORE, BEHIND]))
    stop = [waited, True] if least else [False, False]
    kept = seen if least else watched(torch.cat([BEFORE[:0], BEHIND]))
    places = kept["the weights that were kept"] + (0.0 if least else float(len(BEFORE)))
    return {**kept, "whether to stop": torch.tensor(stop), "the weights that were kept": places}


@check(
    "best-state",
    "Patience outlives a resume",
    given={},
    expect=after_resume(),
    mistakes={
        "waited is not in the state: the patience begins anew": after_resume(waited=False),
        "least is not in the state: the next value, however bad, is the best": after_resume(
            least=False
        ),
        "the best weights are not in the state: they are lost": {
            "the weights that were kept": torch.zeros(0)
        },
    },
    depends_on=("best",),
)
def best_state(lab: ModuleType, given: Given) -> Arrays:
    """A Best that loads another one's state goes on as that one would have."""
    first, second = (lab.Best(patience=PATIENCE, min_delta=DELTA) for _ in range(2))
    watching(first, BEFORE)
    second.load_state_dict(through_a_file(first.state_dict()))
    return watching(second, BEHIND, first=len(BEFORE))


EPOCHS = 3
KILLS = 3


def some_batches(rng: torch.Generator) -> Arrays:
    """Draw a toy run, and three batches behind which it is killed."""
    toy_run = {name: drawer(rng) for name, drawer in TOY.items()}
    within = torch.tensor([3, 4, 7, 8, 11, 12])  # the last checkpoint lies within the epoch
    kills = within[torch.randperm(len(within), generator=rng)[:KILLS]]
    return {**toy_run, "kills": kills.sort().values}


def watchers(lab: ModuleType, folder: str, every: int = 2) -> list[Any]:
    """Early stopping, and a checkpoint behind it."""
    path = Path(folder) / "last.ckpt"
    return [lab.EarlyStopping(patience=9), lab.Checkpoint(path, every)]


def to_the_end(lab: ModuleType, given: Given, folder: str, other: int = 0) -> Arrays:
    """What is seen of a toy run that begins, or goes on, with what lies in a folder."""
    loop = toy(lab, given, counting(lab), lab.Callback(), *watchers(lab, folder), other=other)
    loop.fit(EPOCHS)
    return observed(loop)


def resumed_runs(lab: ModuleType, given: Given) -> Arrays:
    """What is seen at the end of a whole run, and of runs that were killed and resumed."""
    runs = {}
    for number, batch in enumerate([0, *given.kills.tolist()]):
        # No power fails here, so no write needs to wait for the disk.
        with tempfile.TemporaryDirectory() as folder, patch.object(os, "fsync"):
            if batch:
                killed_at(lab, given, batch, *watchers(lab, folder))
            runs[str(number)] = to_the_end(lab, given, folder, other=batch)
    return labelled(**runs)


def same_to_the_bit(given: Given, got: Arrays) -> Outcome:
    """What a resumed run has otherwise, by name."""
    for number, batch in enumerate(given.kills.tolist(), 1):
        pairs = {name: (got[f"0 {name}"], got[f"{number} {name}"]) for name in SEEN}
        wrong = [name for name, pair in pairs.items() if not torch.equal(*pair)]
        if wrong:
            epoch, position = divmod(batch - 1, BATCHES)
            return Outcome(
                0.0,
                f"killed behind batch {position + 1} of {BATCHES} of epoch {epoch} and resumed, it "
                f"ends otherwise than the run that nobody killed: "
                f"{differing(wrong[0], *pairs[wrong[0]])}. Others are {', '.join(wrong[1:]) or 0}. "
                "What does `fit` do before its first batch?",
            )
    return PASS


@check(
    "killed",
    "Killed anywhere, resumed to equal bits",
    given=some_batches,
    probe=resumed_runs,
    returns=forms(*map(str, range(KILLS + 1))),
    depends_on=("state", "load-state", "save", "best-state"),
    hint="best-state",
)
def killed(given: Given, got: Arrays) -> Outcome:
    """A run that is killed behind any batch and resumed ends as if nobody had killed it."""
    return same_to_the_bit(given, got)


@check(
    "hopeless",
    "The end of a hopeless run",
    given={"loss_sum": torch.tensor([4.0, torch.nan, torch.inf, -torch.inf, 4.0])},
    expect=[False, True, True, True, True],
    mistakes={
        "an infinite loss is hopeless as well (math.isfinite)": [False, True, False, False, True],
        "a loss of nan is hopeless as well (math.isfinite)": [False, False, True, True, True],
        "another callback had asked to stop, and this one takes it back": [
            False, True, True, True, False,
        ],
        "the loop is never asked to stop": [False, False, False, False, True],
    },
)  # fmt: skip
def hopeless(lab: ModuleType, given: Given) -> Tensor:
    """HopelessRun stops a loop whose loss_sum is nan or infinite; the last one stops already."""
    stops = []
    for place, loss_sum in enumerate(given.loss_sum.tolist()):
        loop = SimpleNamespace(loss_sum=loss_sum, stop=place == len(given.loss_sum) - 1)
        lab.HopelessRun().on_batch_end(loop)
        stops.append(loop.stop)
    return torch.tensor(stops)


LAYER = {**LINEAR, "first": normal(2, 4), "second": normal(3, 4), "unseen": normal(2, 4)}


def sizes(given: Given, *names: str, change: Callable[[Tensor], Tensor] = torch.abs) -> Tensor:
    """The mean size of what the layer gives out for each of these inputs."""
    outputs = [linear(given)(given[name]).detach() for name in names]
    return torch.stack([change(output).mean() for output in outputs])


@check(
    "activations",
    "Watched, and left as it is",
    given=LAYER,
    expect=lambda g: {
        "the means": sizes(g, "first", "second"),
        "the output": linear(g)(g.first).tanh().detach(),
    },
    mistakes={
        "passes in evaluation mode are recorded as well: look at module.training": lambda g: {
            "the means": sizes(g, "first", "second", "unseen")
        },
        "this is the mean of the outputs, not of their absolute values": lambda g: {
            "the means": sizes(g, "first", "second", change=lambda output: output)
        },
        "only the last pass is kept: append to a list": lambda g: {"the means": sizes(g, "second")},
        "the hook returns something, and that takes the output's place": lambda g: {
            "the output": linear(g)(g.first).abs().mean().tanh().detach()
        },
        "the output is changed in place": lambda g: {
            "the output": linear(g)(g.first).abs().tanh().detach()
        },
    },
)
def activations(lab: ModuleType, given: Given) -> Arrays:
    """Activations records the mean |output| of each training pass, and changes nothing."""
    model = nn.Sequential(linear(given), nn.Tanh())
    watcher = lab.Activations(nn.Linear)
    watcher.on_fit_start(SimpleNamespace(model=model))
    output = model(given.first)
    model(given.second)
    model.eval()(given.unseen)
    return {
        "the means": torch.tensor([float(mean) for mean in watcher.means.get("0", [])]),
        "the output": output.detach(),
    }


# Lightning ----------------------------------------------------------------------------------------

VALUES = [3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 0.4, 0.3]  # of val/loss; patience ends after 5 epochs
WEIGHT = "the weight, which counts the epochs"


def scripted(tried: float = -9.0) -> Any:
    """A module whose only weight counts the epochs, with VALUES for validation losses.

    `tried` is what it logs in Lightning's trial before training.
    """
    from lightning import LightningModule

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.count = nn.Parameter(torch.zeros(()))

        def training_step(self, batch: int, batch_idx: int) -> Tensor:
            return -self.count

        def validation_step(self, batch: int, batch_idx: int) -> None:
            trying = self.trainer.sanity_checking
            self.log("val/loss", tried if trying else VALUES[self.current_epoch], batch_size=1)

        def train_dataloader(self) -> DataLoader[Any]:
            return DataLoader([0], batch_size=None)

        val_dataloader = train_dataloader

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1.0)

    return Module()


def stopping_after(epochs: int) -> Any:
    """A Lightning callback that asks to stop, and remembers nothing."""
    from lightning import Callback

    def ask(_self: Any, trainer: Any, _module: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.current_epoch + 1 >= epochs

    return type("Stopper", (Callback,), {"on_validation_end": ask})()


@check(
    "lightning-best",
    "Early stopping in Lightning",
    given={},
    expect={"epochs": 5, WEIGHT: 3.0, "epochs when another callback stops after two": 2},
    mistakes={
        "the trial before training counts as a validation (trainer.sanity_checking)": {"epochs": 2},
        "the trainer is never asked to stop: set trainer.should_stop": {"epochs": 8},
        "another callback had asked to stop, and this one takes it back": {
            "epochs when another callback stops after two": 5
        },
    },
    depends_on=("best",),
)
def lightning_best(lab: ModuleType, given: Given) -> Arrays:
    """LightningBest stops Lightning's Trainer in time and ends with the best weights."""
    module, ended = scripted(), []
    for others in ([], [stopping_after(2)]):
        module = module if not others else scripted()
        callbacks = [*others, lab.LightningBest(patience=2)]
        with quiet_trainer(8, *callbacks, num_sanity_val_steps=1) as trainer:
            trainer.fit(module)
        ended.append((trainer.current_epoch, module.count.detach()))
    return {
        "epochs": torch.tensor(ended[0][0]),
        WEIGHT: ended[0][1],
        "epochs when another callback stops after two": torch.tensor(ended[1][0]),
    }


@check(
    "at-hand",
    "The callbacks that Lightning ships",
    given={},
    expect={"epochs": 5, "the weight in best.ckpt": 3.0, "files in the folder": 1},
    mistakes={
        "larger values count as better: mode": {"epochs": 3},
        "nothing stops the training: EarlyStopping watches val/loss": {"epochs": 8},
        "this is the patience that EarlyStopping has by default": {"epochs": 6},
        "there is no best.ckpt in the folder": {"the weight in best.ckpt": 0.0},
        "best.ckpt holds the last weights: ModelCheckpoint has to watch `monitor`": {
            "the weight in best.ckpt": 5.0
        },
        "all checkpoints are kept: save_top_k": {"files in the folder": 5},
    },
)
def at_hand(lab: ModuleType, given: Given) -> Arrays:
    """With the two callbacks a run stops in time, and the best weights are in best.ckpt."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        callbacks = lab.at_hand(folder, "val/loss", 2)
        plain = {"enable_checkpointing": True, "num_sanity_val_steps": 0}
        with quiet_trainer(8, *callbacks, **plain, default_root_dir=name) as trainer:
            trainer.fit(scripted())
        path, weight = folder / "best.ckpt", torch.zeros(())
        if path.is_file():
            weight = torch.load(path, weights_only=False)["state_dict"]["count"]
        files = len(list(folder.glob("*"))) if folder.is_dir() else 0
    return {
        "epochs": torch.tensor(trainer.current_epoch),
        "the weight in best.ckpt": weight,
        "files in the folder": torch.tensor(files),
    }


# What the loop is good for ------------------------------------------------------------------------


@play("nats")
def nats(player: Player, rng: torch.Generator) -> Tensor:
    """Surprise of three networks, each trained on 300 digits, at 800 others, in nats each.

    Four of ten training labels are wrong. Whoever trains to the end learns them by heart.
    """
    parts = [load("digits", part) for part in ("train", "val", "test")]
    image, label = (torch.cat([part[name] for part in parts]) for name in ("image", "label"))
    surprise = []
    for _ in range(3):
        train, val, test = torch.randperm(len(label), generator=rng).split([300, 300, 800])
        given = label[train].clone()
        given[:120] = (given[:120] + torch.randint(1, 10, (120,), generator=rng)) % 10
        split = {
            "train_image": image[train],
            "train_label": given,
            "val_image": image[val],
            "val_label": label[val],
        }
        logits = player.call("study", image[test], 60, returns="float32 [N, 10]", **split)
        surprise.append(F.cross_entropy(logits, label[test], reduction="none"))
    return torch.cat(surprise)

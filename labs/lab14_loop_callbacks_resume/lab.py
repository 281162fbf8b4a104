"""Lab 14: a training loop of your own that can be killed anywhere and goes on to equal bits.

Work through the TODOs from top to bottom; `dllab hint 14 TASK` helps. A *batch* is a dict of
tensors that share their first dimension. A *step* moves the weights once; it may take the gradients
of several batches. Shapes stand in the names: B items in a batch.
"""

import copy
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import callbacks as shipped
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
State = dict[str, Any]  # numbers, tensors, and lists, tuples and dicts of them

# 1. What is drawn: batches and random numbers -----------------------------------------------------


class Loader:
    """Batches in a new order each epoch. Each pass over it hands out what is left of one epoch.

    Its place is `epoch`, from 0, and `position`: how many of this epoch's batches were handed out.
    """

    def __init__(self, tensors: Batch, batch_size: int, seed: int = 0) -> None:
        self.tensors, self.batch_size, self.seed = tensors, batch_size, seed
        self.items = len(next(iter(tensors.values())))
        self.epoch = self.position = 0

    def __len__(self) -> int:
        """The number of batches in a whole epoch."""
        return math.ceil(self.items / self.batch_size)

    def order(self) -> Tensor:
        """All items in the order of this epoch, int64 [N]: a function of seed and epoch alone."""
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)))
        return torch.randperm(self.items, generator=generator)

    def __iter__(self) -> Iterator[Batch]:
        """Hand out the batches that are left of this epoch, then turn to the next one."""
        # TODO batches: yield what is left, and keep the place.
        # An epoch's batches are self.order() in pieces of batch_size. Begin with number position.
        # Count a batch before you yield it: whoever saves while it is in use must find it counted.
        # After the last one, the place is the beginning of the next epoch.
        raise NotImplementedError("TODO batches: yield what is left, and keep the place.")

    def state_dict(self) -> State:
        """The place."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: State) -> None:
        """Go on from a place."""
        self.epoch, self.position = state["epoch"], state["position"]


def random_state() -> State:
    """Where the global generators of Python, NumPy and PyTorch stand (dropout, augmentation)."""
    # TODO random-state: return a dict of three states.
    # Its keys are python, numpy and torch. random, np.random and torch each have a function that
    # tells the state. That of NumPy is ("MT19937", an array of 624 numbers, …): make a list of the
    # array, since a checkpoint shall hold no objects of NumPy.
    raise NotImplementedError("TODO random-state: return a dict of three states.")


def restore_random(state: State) -> None:
    """Bring the generators back to what `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])


# 2. The loop --------------------------------------------------------------------------------------


class Callback:
    """What a loop calls at certain moments. What it remembers belongs in its state."""

    def on_fit_start(self, loop: "Loop") -> None:
        """Before the first batch, also after a resume."""

    def on_batch_end(self, loop: "Loop") -> None:
        """After each batch, and after the step that it may have completed."""

    def on_epoch_end(self, loop: "Loop") -> None:
        """After the validation; `loop.history[-1]` holds what was measured."""

    def on_fit_end(self, loop: "Loop") -> None:
        """After all."""

    def state_dict(self) -> State:
        """What a checkpoint has to keep of this callback."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Take such a state over."""
        vars(self).update(state)


class Loop:
    """Trains a model. `accumulate` batches make a step; the last step of an epoch may have fewer.

    `loss(model, batch)` gives each item's loss, float32 [B]. `clip` bounds the gradient's norm;
    `scheduler` makes a step with the optimiser. All that training changes is in `state_dict`: apart
    from model, optimiser, scheduler, loader, generators, gradients and callbacks the COUNTERS.
    """

    COUNTERS = ("step", "batches", "items", "loss_sum", "loss_items", "history", "stop")

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        loader: Loader,
        validation: Sequence[Batch],
        *,
        loss: Callable[[nn.Module, Batch], Tensor],
        accumulate: int = 1,
        clip: float = math.inf,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.loader, self.validation, self.loss = loader, validation, loss
        self.accumulate, self.clip, self.callbacks = accumulate, clip, callbacks
        self.step = 0  # how often the weights were moved
        self.batches = self.items = 0  # in the gradient that is under way
        self.loss_sum, self.loss_items = 0.0, 0  # of this epoch so far
        self.history: list[dict[str, float]] = []
        self.stop = False  # a callback may ask for it

    def add(self, batch: Batch) -> None:
        """Add a batch to the gradient under way, and its losses to the epoch's sum."""
        # TODO accumulate: add to the gradients, and count.
        # Batches differ in size, so add the gradient of the *sum* of the losses; `update` divides
        # by the items. batches, items, loss_sum (a float) and loss_items grow.
        raise NotImplementedError("TODO accumulate: add to the gradients, and count.")

    def update(self) -> None:
        """Move the weights by the mean gradient of all items that were added, and begin anew."""
        # TODO update: make one step of optimiser and scheduler.
        # In this order: divide each gradient by self.items, in place; clip their norm
        # (nn.utils.clip_grad_norm_); let the optimiser step, then the scheduler. Then no gradient
        # is under way any more, and one more step is made. A parameter may have no gradient.
        raise NotImplementedError("TODO update: make one step of optimiser and scheduler.")

    @torch.no_grad()
    def evaluate(self) -> float:
        """The mean loss over all validation items, in evaluation mode."""
        # TODO evaluate: return the mean, a float.
        # Batches differ in size. Leave the model in the mode in which you found it: model.training
        # says which that is, and model.train(mode) sets it.
        raise NotImplementedError("TODO evaluate: return the mean, a float.")

    def end_epoch(self) -> None:
        """Measure, remember what was measured, and let the callbacks know."""
        rate = self.optimizer.param_groups[0]["lr"]
        mean = self.loss_sum / self.loss_items
        self.history.append({"train/loss": mean, "val/loss": self.evaluate(), "lr": rate})
        self.loss_sum, self.loss_items = 0.0, 0
        self.call("on_epoch_end")

    def call(self, moment: str) -> None:
        """Let every callback know of a moment, such as "on_fit_start"."""
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    def fit(self, epochs: int) -> None:
        """Train until `epochs` epochs are done or a callback stops it, from wherever we stand."""
        self.call("on_fit_start")
        # TODO fit: train until the epochs are done, or stopped.
        # They are when self.loader.epoch is `epochs`. For each epoch: training mode; for each batch
        # of the loader `add`, `update` if a step is complete, call("on_batch_end"); then
        # end_epoch(). A step is complete when self.accumulate batches are in it, or when the epoch
        # has no more. Look at self.stop after each batch, too: a broken-off epoch has no end.
        raise NotImplementedError("TODO fit: train until the epochs are done, or stopped.")
        self.call("on_fit_end")

    def state_dict(self) -> State:
        """All that training changes, as numbers, tensors, and lists, tuples and dicts of them."""
        # TODO state: return all that a resume needs.
        # The keys are "model", "optimizer", "scheduler", "loader" (each has a state_dict),
        # "random", "gradients" (a list, p.grad of every parameter, or None), "callbacks" (a list of
        # their states) and "counters" (a dict of the COUNTERS; getattr(self, name) is one).
        raise NotImplementedError("TODO state: return all that a resume needs.")

    def load_state_dict(self, state: State) -> None:
        """Become the loop that returned `state` from its `state_dict`."""
        # TODO load-state: take over everything.
        # Model, optimiser, scheduler, loader and callbacks have a load_state_dict. A gradient is
        # simply set: p.grad = …; vars(self).update(…) sets many attributes.
        raise NotImplementedError("TODO load-state: take over everything.")


# 3. The file --------------------------------------------------------------------------------------


def save(state: State, path: Path) -> None:
    """Write a checkpoint. At any moment `path` holds a whole one: the old or the new."""
    # TODO save: write `state`, all of it or nothing.
    # Write to another file in the same folder (open(…, "wb"), torch.save). Before you close it, see
    # that it is on the disk: file.flush(), os.fsync(file.fileno()). Then let it take the place of
    # the old one: os.replace does that at once or not at all.
    raise NotImplementedError("TODO save: write `state`, all of it or nothing.")


def load(path: Path) -> State:
    """Read a checkpoint: numbers, tensors and their containers only, never code."""
    state: State = torch.load(path, weights_only=True)
    return state


class Checkpoint(Callback):
    """Goes on from `path` if it is there, and saves there every few batches and at epoch ends.

    It belongs last in the list: what it saves of the others is then up to date.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_fit_start(self, loop: Loop) -> None:
        """Resume."""
        if self.path.is_file():
            loop.load_state_dict(load(self.path))

    def on_batch_end(self, loop: Loop) -> None:
        """Save, wherever in the epoch and in a step we are."""
        if loop.loader.position % self.every == 0:
            save(loop.state_dict(), self.path)

    def on_epoch_end(self, loop: Loop) -> None:
        """Save what the validation has changed."""
        save(loop.state_dict(), self.path)


# 4. Callbacks -------------------------------------------------------------------------------------


class Best:
    """Remembers the weights with the least value, and how many values were no better since."""

    def __init__(self, patience: int = 3, min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.least, self.waited = math.inf, 0
        self.weights: State | None = None

    def update(self, value: float, model: nn.Module) -> bool:
        """Take note of a value; return whether it is time to stop."""
        # TODO best: keep the value and its weights, or wait.
        # A value is better if it is below `least` by more than min_delta; nan never is. Then the
        # waiting begins anew. state_dict() hands out the model's own memory, which goes on
        # changing: keep a deep copy. Stop after `patience` values in a row that were no better.
        raise NotImplementedError("TODO best: keep the value and its weights, or wait.")

    def restore(self, model: nn.Module) -> None:
        """Give the best weights to the model, if there are any."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def state_dict(self) -> State:
        """What has to outlive a resume."""
        # TODO best-state: return a dict by the names of the attributes.
        # Which of the five attributes does training change? The others come from the config.
        raise NotImplementedError("TODO best-state: return a dict by the names of the attributes.")

    def load_state_dict(self, state: State) -> None:
        """Take such a state over."""
        vars(self).update(state)


class EarlyStopping(Best, Callback):
    """Stops when a measured value gets no better, and ends with the best weights."""

    def __init__(self, monitor: str = "val/loss", **numbers: float) -> None:
        super().__init__(**numbers)
        self.monitor = monitor

    def on_epoch_end(self, loop: Loop) -> None:
        """Take note of the value."""
        loop.stop |= self.update(loop.history[-1][self.monitor], loop.model)

    def on_fit_end(self, loop: Loop) -> None:
        """Bring the best weights back."""
        self.restore(loop.model)


class HopelessRun(Callback):
    """Stops a run whose loss is not a finite number any more."""

    def on_batch_end(self, loop: Loop) -> None:
        """Look at the epoch's sum of losses: a single nan or inf spoils it."""
        # TODO hopeless: ask the loop to stop, if it is so.
        # Another callback may have asked before: do not take that back.
        raise NotImplementedError("TODO hopeless: ask the loop to stop, if it is so.")


class Activations(Callback):
    """Records the mean size of what modules of a kind give out in training, and changes nothing."""

    def __init__(self, kind: type[nn.Module] = nn.ReLU) -> None:
        self.kind = kind
        self.means: dict[str, list[float]] = {}  # by the module's name in the model

    def on_fit_start(self, loop: Loop) -> None:
        """Let the modules report to `see`."""
        self.handles = []
        for name, part in loop.model.named_modules():
            if isinstance(part, self.kind):
                self.handles.append(part.register_forward_hook(partial(self.see, name)))

    def see(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """PyTorch calls this after each forward pass of a module that was registered."""
        # TODO activations: record the mean of |output|.
        # Append it, a float, to the list self.means[name], which may not be there yet; only in
        # training mode: module.training. Leave the output as it is, and return nothing: what a hook
        # returns takes the output's place.
        raise NotImplementedError("TODO activations: record the mean of |output|.")

    def on_fit_end(self, loop: Loop) -> None:
        """Take the hooks off the model, which others will use."""
        for handle in self.handles:
            handle.remove()

    def state_dict(self) -> State:
        """What was recorded."""
        return {"means": self.means}


# 5. The same for Lightning ------------------------------------------------------------------------


class LightningBest(Best, lightning.Callback):
    """EarlyStopping for Lightning's Trainer, which saves the states of callbacks by itself."""

    def __init__(self, monitor: str = "val/loss", **numbers: float) -> None:
        super().__init__(**numbers)
        self.monitor = monitor

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Take note of the value."""
        # TODO lightning-best: ask the trainer to stop in time.
        # trainer.callback_metrics[self.monitor] is a tensor []. Before training Lightning tries two
        # validation batches, to find mistakes early: those do not count (trainer.sanity_checking).
        # The trainer stops when its should_stop is True.
        raise NotImplementedError("TODO lightning-best: ask the trainer to stop in time.")

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Bring the best weights back."""
        self.restore(pl_module)


def at_hand(folder: Path, monitor: str, patience: int) -> list[lightning.Callback]:
    """Nearly the same with what Lightning ships: its callbacks for stopping and for checkpoints."""
    # TODO at-hand: return two callbacks.
    # They are a shipped.EarlyStopping and a shipped.ModelCheckpoint. Both watch `monitor`, whose
    # least value is the best. Only the best checkpoint is kept, in `folder`, as best.ckpt.
    raise NotImplementedError("TODO at-hand: return two callbacks.")


# 6. A run -----------------------------------------------------------------------------------------


def digits_loop(train: Batch, val: Batch, callbacks: Sequence[Callback]) -> Loop:
    """A small network, about to be trained on digits: uint8 images [N, 1, 8, 8], int64 labels."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch["image"] / 16), batch["label"], reduction="none")

    return Loop(
        model, optimizer, scheduler, Loader(train, batch_size=32), [val],
        loss=loss, accumulate=2, clip=5.0, callbacks=callbacks,
    )  # fmt: skip


def study(image: Tensor, epochs: int, **split: Tensor) -> Tensor:
    """What a network says of `image`, logits float32 [N, 10], after training on other digits.

    `split` holds train_image, train_label, val_image and val_label. The lab is graded on this.
    """
    train, val = (
        {column: split[f"{part}_{column}"] for column in ("image", "label")}
        for part in ("train", "val")
    )
    with torch.enable_grad():
        loop = digits_loop(train, val, [EarlyStopping(patience=8), HopelessRun()])
        loop.fit(epochs)
    loop.model.eval()
    return loop.model(image / 16).detach()

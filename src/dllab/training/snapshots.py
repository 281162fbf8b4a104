"""Takes the snapshots that `dllab grade --replay` starts from."""

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.distributed.tensor import DTensor

from dllab.rundir.run import ArmFolder
from dllab.rundir.snapshots import SPAN, Place, plan, snapshot_file, write


class Snapshots(Callback):
    """Keeps the trainable parameters at both ends of a few short segments of the training."""

    def __init__(self, folder: ArmFolder) -> None:
        self._folder = folder
        self._begins: frozenset[int] = frozenset()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Lay the segments out over the whole training; nothing where its length is unknown."""
        steps = trainer.estimated_stepping_batches
        if math.isfinite(steps) and math.isfinite(trainer.num_training_batches):
            parameters = sum(p.numel() for p in pl_module.parameters())
            batches = int(steps) * trainer.accumulate_grad_batches
            self._begins = frozenset(plan(batches, parameters))

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Sharded parameters are joined, which all ranks have to do together; rank 0 writes."""
        done = trainer.fit_loop.total_batch_idx + 1
        if done not in self._begins and done - SPAN not in self._begins:
            return
        parameters = {n: _whole(p) for n, p in pl_module.named_parameters() if p.requires_grad}
        if trainer.is_global_zero:
            place = _place(trainer, done) if done in self._begins else None
            write(snapshot_file(self._folder, done), parameters, place)


def _whole(parameter: Tensor) -> Tensor:
    value = parameter.detach()
    return value.full_tensor() if isinstance(value, DTensor) else value


def _place(trainer: L.Trainer, done: int) -> Place:
    schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
    return Place(
        batches=done,
        per_epoch=int(trainer.num_training_batches),
        steps=trainer.global_step,
        schedules=tuple(int(getattr(one, "last_epoch", 0)) for one in schedules),
        rates=tuple(
            tuple(float(torch.as_tensor(group["lr"])) for group in optimizer.param_groups)
            for optimizer in trainer.optimizers
        ),
    )

"""How much a training computes: one step is counted, and taken for all of them."""

from contextlib import ExitStack
from typing import Any, Self

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker


class _Whole(ModuleTracker):
    """Names no modules: the hooks that would do so break a gradient that is taken within a step,
    such as a gradient penalty's ("A leaf node was passed to …").
    """

    def __enter__(self) -> Self:
        """Hook nothing."""
        return self

    def __exit__(self, *args: object) -> None:
        """Nothing was hooked."""


class CountFlops(Callback):
    """Counts the first step of a fit, forward, backward and update, as it is really taken.

    `torch.utils.flop_counter` sees matrix products, convolutions and attention; what is done
    element by element is little beside them. A fused `nn.LSTM` or `nn.GRU` on the CPU is hidden
    from it, and counts as nothing.
    """

    def __init__(self) -> None:
        self._counter = FlopCounterMode(display=False)
        self._counter.mod_tracker = _Whole()
        self._counted = False
        self._counting = ExitStack()

    def total(self, trainer: L.Trainer) -> int:
        """Floating-point operations of all training steps on all ranks, an estimate.

        Those before a resumption are in it; validation and prediction are not.
        """
        steps = trainer.fit_loop.epoch_loop.batch_progress.total.completed
        return self._counter.get_total_flops() * steps * trainer.world_size

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to count, at the first step only: counting slows a step down."""
        if not self._counted:
            self._counted = True
            # The counter sees no operation of compiled code, and code that is first called under
            # it would never be compiled.
            self._counting.enter_context(torch.compiler.set_stance("force_eager"))
            self._counting.enter_context(self._counter)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """The step has been taken."""
        self._counting.close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """The step failed: nothing may go on counting."""
        self._counting.close()

"""What watches over a fit: seeding per step, gauges, NaN, progress; checkpoints beside them."""

import math
import sys
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, RichProgressBar
from torch.distributed.tensor import DTensor

from dllab.config.schema import Config
from dllab.data.loader import BatchLoader, StreamLoader, seed_generators
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder
from dllab.training.checkpoints import checkpoint_callbacks
from dllab.training.loggers import CurveLogger
from dllab.training.profile import Profile
from dllab.training.together import Together


class StepSeed(Callback):
    """Derives every random number of a step from seed, rank and step.

    So a resumed run draws the same dropout masks and augmentations as an uninterrupted one,
    without storing the state of any generator. What goes by the seed between two steps, as a
    batch on its way to the device may, finds that of the step before.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last: tuple[int, int] | None = None  # optimiser step and batch

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed before the step."""
        self._last = trainer.global_step, batch_idx
        self._begin(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the last step's place, which is the same on all ranks."""
        checkpoint["seeded_step"] = self._last

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take it up; a checkpoint of an earlier dllab holds none."""
        self._last = checkpoint.get("seeded_step")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A resumed run goes on behind its last step."""
        if self._last is not None:
            self._begin(trainer, pl_module)

    def _begin(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The multipliers keep neighbouring seeds, ranks and steps apart."""
        assert self._last is not None
        step, batch_idx = self._last
        place = self._seed * 1_000_003 + trainer.global_rank * 10_007 + step
        seed_generators((place * 2_654_435_761 + batch_idx) % 2**63, pl_module.device)


class PlaceData(Callback):
    """Moves in-memory data to the device once, so that batches are cut there."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The training set."""
        _place(trainer.train_dataloader, pl_module.device)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The validation set."""
        _place(trainer.val_dataloaders, pl_module.device)


def _place(loaders: Any, device: torch.device) -> None:
    for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
        if isinstance(loader, BatchLoader | StreamLoader):
            loader.to(device)


class Gauges(Callback):
    """Logs learning rate and the gradient's norm, every few steps."""

    def __init__(self, every: int) -> None:
        self._every = every

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Gradients are complete here, before the optimiser uses them."""
        if trainer.global_step % self._every:
            return
        rate = optimizer.param_groups[0]["lr"]
        point = {"lr": rate, "grad_norm": _gradient_norm(pl_module)}
        parts = {n: m for n, m in pl_module.named_children() if any(True for _ in m.parameters())}
        if len(parts) > 1:  # a part that stays at 0 is what the curve doctor calls frozen
            point |= {f"grad_norm/{name}": _gradient_norm(part) for name, part in parts.items()}
        for logger in trainer.loggers:
            logger.log_metrics({"epoch": trainer.current_epoch, **point}, trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log the very first loss, which Lightning leaves out: what the untrained model scores."""
        loss = trainer.callback_metrics.get("train/loss")
        if trainer.current_epoch == 0 and batch_idx == 0 and loss is not None:
            for logger in trainer.loggers:
                logger.log_metrics({"epoch": 0, "train/loss": float(loss)}, 0)


def _gradient_norm(module: torch.nn.Module) -> float:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if not gradients:
        return 0.0
    norm = torch.nn.utils.get_total_norm(gradients)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


class Movement(Callback):
    """Logs as `still` how much of the network has not moved, though no one froze it.

    A gradient may well arrive there: what the optimiser was not given stays where it began.
    """

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep where the parameters began."""
        checkpoint["dllab_movement"] = self._before

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """A resumed run compares with where they began, not with where it goes on."""
        self._before = checkpoint.get("dllab_movement", {})

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Remember a sum of each parameter."""
        self._before = self._before or {name: _sum(p) for name, p in pl_module.named_parameters()}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare. Where all has moved, as it should, the curve says nothing."""
        meant = {name: p for name, p in pl_module.named_parameters() if p.requires_grad}
        still = [p.numel() for name, p in meant.items() if _sum(p) == self._before.get(name)]
        if still:
            share = sum(still) / sum(p.numel() for p in meant.values())
            place = {"epoch": trainer.current_epoch, "still": share}
            for logger in trainer.loggers:
                logger.log_metrics(place, max(trainer.global_step - 1, 0))


def _sum(parameter: torch.Tensor) -> float:
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return float(own.detach().float().sum())


class NanGuard(Callback):
    """Stops at the first step whose loss is not a number."""

    def __init__(self, every: int) -> None:
        self._every = every

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """On an accelerator only every few steps: reading the loss waits for the device."""
        if pl_module.device.type != "cpu" and trainer.global_step % self._every:
            return
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is None:
            loss = trainer.callback_metrics.get("train/loss")
        if isinstance(loss, torch.Tensor) and not math.isfinite(float(loss)):
            raise LabError(
                f"the loss became {float(loss)} at step {trainer.global_step}, "
                f"epoch {trainer.current_epoch}",
                "likely causes: a learning rate that is too high (try a tenth), exp or log of a "
                "number out of range (subtract the maximum first), division by zero, or "
                "gradients that need clipping",
            )


class PlainLines(Callback):
    """One line per validation. In a terminal it scrolls by above the bar."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print what was measured."""
        if trainer.is_global_zero:
            print(f"  {_progress_line(trainer)}", flush=True)


class EpochBar(RichProgressBar):
    """Lightning's bar, with epochs counted from 1, as the lines above it count them."""

    def __init__(self) -> None:
        super().__init__(leave=False)

    def _get_train_description(self, current_epoch: int) -> str:
        total = "" if self.trainer.max_epochs is None else f"/{self.trainer.max_epochs}"
        # As long as "Validation", which stands below it: else the two flicker.
        return f"{f'Epoch {current_epoch + 1}{total}':{len(self.validation_description)}}"


def _progress_line(trainer: L.Trainer) -> str:
    epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
    metrics = "  ".join(f"{k} {float(v):.4f}" for k, v in sorted(trainer.callback_metrics.items()))
    return f"{epoch}  step {trainer.global_step}  {metrics}"


def arm_callbacks(folder: ArmFolder, config: Config, curve: CurveLogger) -> list[Callback]:
    """All of them, in the order in which they must run."""
    trainer = config.trainer
    callbacks = [
        StepSeed(config.seed),
        PlaceData(),
        Gauges(trainer.log_every_n_steps),
        Movement(),
        *checkpoint_callbacks(folder, trainer, curve),
        NanGuard(trainer.log_every_n_steps),  # once the curve holds the step that failed
        PlainLines(),
    ]
    checkpoints = [one for one in callbacks if isinstance(one, Checkpoint)]  # Lightning knows them
    return [
        Together([one for one in callbacks if one not in checkpoints]),
        *checkpoints,
        *([EpochBar()] if sys.stdout.isatty() else []),
        *([Profile(folder)] if trainer.profile else []),
    ]

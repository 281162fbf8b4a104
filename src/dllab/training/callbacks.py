"""What watches over a fit: seeding per step, checkpoints, curves, NaN, Ctrl-C, progress."""

import math
import signal
import sys
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch.distributed.tensor import DTensor

from dllab.config.schema import Config
from dllab.data.loader import BatchLoader, StreamLoader
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder
from dllab.training.loggers import CurveLogger
from dllab.training.profile import Profile


class Interrupted(LabError):  # noqa: N818 - not an error: the person asked
    """Ctrl-C: the run stopped between two steps, with a checkpoint to go on from."""

    exit_code = 130


class StepSeed(Callback):
    """Derives every random number of a step from seed, rank and step.

    So a resumed run draws the same dropout masks and augmentations as an uninterrupted one,
    without storing the state of any generator.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed before the step; the multipliers keep neighbouring seeds, ranks and steps apart."""
        place = self._seed * 1_000_003 + trainer.global_rank * 10_007 + trainer.global_step
        torch.manual_seed((place * 2_654_435_761 + batch_idx) % 2**63)


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


class WholeCurve(Callback):
    """Keeps curve.jsonl in step with the checkpoints: a resumed run has every point once."""

    def __init__(self, curve: CurveLogger) -> None:
        self._curve = curve

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cut the curve back to the step that we start from."""
        self._curve.forget_after(trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log this step before its checkpoint; Lightning does so after it, too late to be kept."""
        connector = trainer._logger_connector  # noqa: SLF001 - no public way to this step's own
        if connector.should_update_logs:
            step = trainer.fit_loop.epoch_loop._batches_that_stepped  # noqa: SLF001
            point: dict[str, Any] = {**connector.metrics["log"], "epoch": trainer.current_epoch}
            self._curve.log_metrics(point, step)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write what was logged so far before the checkpoint, which may be the last thing kept."""
        self._curve.save()


class LastCheckpoint(ModelCheckpoint):
    """`last.ckpt`, to resume from: at the end of each epoch, and every few steps if asked."""

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Not where validation follows: resumed from there, Lightning would leave it out."""
        if not _validates_after(trainer, batch_idx):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def _validates_after(trainer: L.Trainer, batch_idx: int) -> bool:
    done = batch_idx + 1
    every = trainer.val_check_batch or math.inf
    return done == trainer.num_training_batches or done % every == 0


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


class CleanStop(Callback):
    """Ctrl-C stops between two steps and leaves a checkpoint; a second one stops at once.

    Several ranks ask each other every few steps, so that all stop behind the same one.
    """

    def __init__(self, folder: ArmFolder, every: int) -> None:
        self._folder = folder
        self._every = every
        self._run = folder.path.parent.parent.name
        self._lab = folder.path.parent.parent.parent.name[3:5]
        self._asked = False
        self._previous: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take over SIGINT for the time of the fit."""
        self._previous = signal.signal(signal.SIGINT, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a rank has held it back

    def _ask(self, *_args: object) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, self._previous)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop if asked, but not where a checkpoint would lose the validation that follows."""
        # Not at each step: ranks that ask each other wait for each other.
        due = trainer.world_size == 1 or batch_idx % self._every == 0
        if due and not _validates_after(trainer, batch_idx):
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop if asked; an epoch may be too short for any other place."""
        self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._asked, all=False):
            trainer.save_checkpoint(self._folder.checkpoints / "last.ckpt")
            raise Interrupted(
                f"stopped at step {trainer.global_step}, epoch {trainer.current_epoch}"
            )

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give SIGINT back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)


class PlainLines(Callback):
    """One line per validation, where there is no terminal to draw a bar in."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print what was measured."""
        if trainer.is_global_zero:
            print(f"  {_progress_line(trainer)}", flush=True)


def _progress_line(trainer: L.Trainer) -> str:
    epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
    metrics = "  ".join(f"{k} {float(v):.4f}" for k, v in sorted(trainer.callback_metrics.items()))
    return f"{epoch}  step {trainer.global_step}  {metrics}"


def arm_callbacks(folder: ArmFolder, config: Config, curve: CurveLogger) -> list[Callback]:
    """All of them, in the order in which they must run."""
    trainer = config.trainer
    best = ModelCheckpoint(
        folder.checkpoints,
        filename="best",
        monitor=trainer.monitor,
        mode=trainer.mode,
        save_weights_only=True,
        save_on_train_epoch_end=False,  # but as soon as it is validated: a stop may come between
        enable_version_counter=False,
    )
    last = [_last(folder, every_n_epochs=1, save_on_train_epoch_end=True)]
    if trainer.checkpoint_every_n_steps:
        last.append(_last(folder, every_n_train_steps=trainer.checkpoint_every_n_steps))
    show: Callback = RichProgressBar(leave=False) if sys.stdout.isatty() else PlainLines()
    return [
        StepSeed(config.seed),
        PlaceData(),
        Gauges(trainer.log_every_n_steps),
        WholeCurve(curve),
        NanGuard(trainer.log_every_n_steps),
        show,
        best,
        *last,
        CleanStop(folder, trainer.log_every_n_steps),
        *([Profile(folder)] if trainer.profile else []),
    ]


def _last(folder: ArmFolder, **when: Any) -> LastCheckpoint:
    return LastCheckpoint(folder.checkpoints, filename="last", enable_version_counter=False, **when)

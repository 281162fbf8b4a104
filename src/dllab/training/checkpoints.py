"""What a run can be taken up from: its checkpoints, a curve in step with them, a clean stop."""

import math
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from dllab.config.schema import TrainerConfig
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder, RunFolder
from dllab.training.further import Schedules
from dllab.training.hangs import place_in_lab
from dllab.training.loggers import CurveLogger
from dllab.training.machine import STOPPING


class Interrupted(LabError):  # noqa: N818 - not an error: the person asked
    """Ctrl-C: the run stopped between two steps, with a checkpoint to go on from."""

    exit_code = 130


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


class Modes(Callback):
    """Brings back, in the middle of an epoch, what was in training mode and what was to learn.

    Neither is part of the weights, and Lightning does not call `on_train_epoch_start`, where such
    things are set, again in the same epoch.
    """

    def __init__(self) -> None:
        self._saved: dict[str, dict[str, bool]] = {}

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put both beside the weights."""
        checkpoint["dllab_modes"] = {
            "training": {name: part.training for name, part in pl_module.named_modules()},
            "learning": {name: one.requires_grad for name, one in pl_module.named_parameters()},
        }

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep them until the training begins, which sets modes of its own before."""
        self._saved = checkpoint.get("dllab_modes", {})

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Set them."""
        training, learning = self._saved.get("training", {}), self._saved.get("learning", {})
        for name, part in pl_module.named_modules():
            part.training = training.get(name, part.training)
        for name, one in pl_module.named_parameters():
            one.requires_grad_(learning.get(name, one.requires_grad))


class RunCheckpoint(ModelCheckpoint):
    """Knows its files again where the run's folder was moved, or copied to go further."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Lightning would forget the best value so far, since it is of another folder."""

        def moved(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        here = {"dirpath": self.dirpath, **{name: moved(state_dict[name]) for name in paths}}
        kept = {moved(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **here, "best_k_models": kept})


class LastCheckpoint(RunCheckpoint):
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
        if _is_between_steps(trainer, batch_idx):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            if _is_cut(trainer, batch_idx):
                trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Not where `max_steps` cut the epoch short: a run that goes further takes up the rest."""
        if not _is_cut(trainer, trainer.fit_loop.batch_idx):
            super().on_train_epoch_end(trainer, pl_module)


def _validates_after(trainer: L.Trainer, batch_idx: int) -> bool:
    done, every = batch_idx + 1, trainer.val_check_batch or math.inf
    across = trainer.check_val_every_n_epoch is None  # all batches count, not those of the epoch
    counted = trainer.fit_loop.epoch_loop.total_batch_idx + 1 if across else done
    return done == trainer.num_training_batches or counted % every == 0


def _is_between_steps(trainer: L.Trainer, batch_idx: int) -> bool:
    """Whether nothing is under way that no checkpoint holds: gradients, or a validation."""
    whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
    return whole and not _validates_after(trainer, batch_idx)


def _is_cut(trainer: L.Trainer, batch_idx: int) -> bool:
    """Whether the training ends within an epoch, between two steps."""
    return 0 < trainer.max_steps <= trainer.global_step and _is_between_steps(trainer, batch_idx)


class CleanStop(Callback):
    """Ctrl-C stops between two steps and leaves a checkpoint; a second one stops at once.

    Several ranks ask each other every few steps, so that all stop behind the same one.
    """

    def __init__(self, folder: ArmFolder, every: int) -> None:
        self._folder = folder
        self._every = every
        self._asked = False
        self._previous: Any = None
        self._sigterm = signal.getsignal(signal.SIGTERM)  # before Lightning puts its own there

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take over SIGINT for the time of the fit. SIGTERM is for whoever had it before: Lightning
        would end the fit by itself, behind a step or in the middle of a sum of gradients.
        """
        signal.signal(signal.SIGTERM, self._sigterm)
        self._previous = signal.signal(signal.SIGINT, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a rank has held it back

    def _ask(self, _signal: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, self._previous)
        if multiprocessing.parent_process() is None:  # else the parent says it
            where = place_in_lab(frame)
            now = f" (now {where})" if where else ""
            print(f"\n{STOPPING}{now}", file=sys.stderr, flush=True)

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
        step = batch_idx // trainer.accumulate_grad_batches
        due = trainer.world_size == 1 or step % self._every == 0
        if due and _is_between_steps(trainer, batch_idx):
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop if asked; an epoch may be too short for any other place."""
        self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._asked, all=False):
            trainer.save_checkpoint(self._folder.last_checkpoint)
            run = RunFolder(self._folder.path.parents[1])
            raise Interrupted(
                f"stopped at step {trainer.global_step}, epoch {trainer.current_epoch}",
                f"dllab train {run.lab_number} --resume {run.id} goes on from there",
            )

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give SIGINT back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)


def checkpoint_callbacks(
    folder: ArmFolder, trainer: TrainerConfig, curve: CurveLogger
) -> list[Callback]:
    """In the order in which they must run: the curve is written before a checkpoint."""
    best = RunCheckpoint(
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
    kept = [WholeCurve(curve), Modes(), Schedules(trainer)]
    return [*kept, best, *last, CleanStop(folder, trainer.log_every_n_steps)]


def _last(folder: ArmFolder, **when: Any) -> LastCheckpoint:
    return LastCheckpoint(folder.checkpoints, filename="last", enable_version_counter=False, **when)


class CheckpointFile(TorchCheckpointIO):
    """Writes straight into a file beside the checkpoint's, which then takes its place.

    So there is always a whole one. Lightning, which can also write to remote stores, pickles into
    memory first and copies that: 1.7 times as long, and twice the checkpoint in memory.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path`. OSError when the disk is full; the old one is kept then."""
        whole = Path(path)
        whole.parent.mkdir(parents=True, exist_ok=True)
        partial = whole.with_name(f".{whole.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
            partial.replace(whole)
        except RuntimeError as error:
            # That of closing an archive whose writing failed; it hides the reason.
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        finally:
            partial.unlink(missing_ok=True)

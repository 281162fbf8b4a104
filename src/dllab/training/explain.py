"""Whose fault it was that a training stopped, and on which line of lab.py."""

import inspect
import pickle
import traceback
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback

import dllab
from dllab.checks.blame import add_forward_lines
from dllab.errors import LabError, LearnerError
from dllab.lab.code import Implementation, is_learners, learner_error

OURS = f"{Path(dllab.__file__).parent}/"
DAMAGE = (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError)
NO_LOSS = "does not require grad and does not have a grad_fn"


class AtHand(Callback):
    """Remembers the batch of the step under way."""

    def __init__(self) -> None:
        self.batch: Any = None
        self.number = 0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before each step."""
        self.batch, self.number = batch, batch_idx


def explain(
    error: Exception | SystemExit,
    impl: Implementation,
    model: L.LightningModule,
    at_hand: AtHand,
    checkpoint: object,
) -> Exception | SystemExit:
    """The error to raise: the learner's code, the checkpoint, the config, or we were at fault."""
    if told := error if isinstance(error, LabError) else _of_interval(error):
        return told
    if isinstance(error, RuntimeError) and "inplace operation" in str(error):
        add_forward_lines(error, lambda: _again(model, at_hand))
    if is_learners(error, impl.path):
        return learner_error(error, impl.path, "training stopped")
    if wrong := _of_files(error, checkpoint):
        return wrong
    if hook := _hook(error):
        return _behind(hook, error, impl, model)
    if isinstance(error, MisconfigurationException):
        return LabError(str(error), "see `dllab config` for the values that were used")
    return error


def _of_interval(error: BaseException) -> LabError | None:
    """Lightning compares it with the epoch in whatever hook first asks for the number of steps."""
    if isinstance(error, ValueError) and "`val_check_interval`" in str(error):
        told = " ".join(str(error).partition(". ")[0].split()).replace("`", "")
        few = (
            "make it no more than an epoch has batches, or a share of them: 0.5; to count across "
            "epochs add trainer.check_val_every_n_epoch=null"
        )
        return LabError(f"trainer.{told}", few)
    return None


def _of_files(error: BaseException, checkpoint: object) -> LabError | None:
    if checkpoint and isinstance(error, DAMAGE):
        return LabError(
            f"{checkpoint} cannot be read: {error}",
            "the file is damaged; remove it to resume from the arm's start, or train anew",
        )
    if isinstance(error, OSError) and error.errno == 28:
        return LabError(f"the disk is full: {error}", "free some space, then --resume this run")
    return None


def _again(model: L.LightningModule, at_hand: AtHand) -> None:
    """The step that failed, once more; nobody is there to log to."""
    for name in ("log", "log_dict"):
        setattr(model, name, lambda *_args, **_options: None)
    loss = model.training_step(at_hand.batch, at_hand.number)
    if isinstance(loss, dict):
        loss = loss["loss"]
    loss.backward()  # type: ignore[union-attr]


def _hook(error: BaseException) -> str:
    """The hook that Lightning was at work for when it, or torch, raised; empty if we raised."""
    hook = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if file.endswith("lightning/pytorch/trainer/call.py"):
            hook = str(frame.f_locals.get("hook_name", hook))
        elif file.startswith(OURS):
            hook = ""
    return hook


def _behind(
    hook: str, error: BaseException, impl: Implementation, model: L.LightningModule
) -> LearnerError:
    """What a hook of the learner's returned made Lightning or torch fail later."""
    name = hook if hook in vars(type(model)) else "training_step"
    method = inspect.unwrap(getattr(type(model), name))
    line = method.__code__.co_firstlineno
    told = f"{type(error).__name__}: {error}"
    hint = f"look at what {name} returns"
    if NO_LOSS in str(error):
        hint = f"{hint}: a loss that is cut off from the graph, by detach(), .item() or no_grad?"
    return LearnerError(
        f"{impl.path.name}:{line}: training stopped behind {name}: {told}", "", hint
    )

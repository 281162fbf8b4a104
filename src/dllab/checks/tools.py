"""What probes of many labs need: gradients with no gaps, a short training without a word."""

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from dllab.checks.arrays import Arrays
from dllab.checks.probing import ReturnedError

if TYPE_CHECKING:
    from lightning import LightningModule

Made = TypeVar("Made")


def gradients(leaves: Mapping[str, Tensor]) -> Arrays:
    """The gradient that each of the tensors holds, by name; zeros where there is none."""
    return {
        name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        for name, leaf in leaves.items()
    }


def instance(value: object, kind: type[Made]) -> Made:
    """A value that learner code made, if it is of this kind.

    Raises ReturnedError, in the learner's words, when it is another one.
    """
    if not isinstance(value, kind):
        raise ReturnedError(f"expected a {kind.__name__}, got a {type(value).__name__}")
    return value


def fit(model: "LightningModule", batches: Iterable[Arrays], epochs: int = 1) -> None:
    """Let Lightning train a model on the CPU: no validation, no files, nothing printed."""
    from lightning import Trainer  # slow to import, and the scorer needs none
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        # One process, whatever cluster this is: to look for one starts MPI where mpi4py is
        # installed, which ends a process that may start no others.
        "plugins": [LightningEnvironment()],
    }
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            trainer = Trainer(max_epochs=epochs, accelerator="cpu", limit_val_batches=0, **quiet)
            trainer.fit(model, batches, batches)
    finally:
        log.setLevel(level)

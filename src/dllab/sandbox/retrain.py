"""Training anew behind the wall: a plain Lightning Trainer around the learner's Model and Data.

What comes back are the weights that validation chose. Nothing of the learner's own run is used:
the numbers are those of the grader's copy of the lab's conf/, and so is the seed.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from torch import Tensor

PASSED_ON = (
    "max_epochs",
    "max_steps",
    "accelerator",
    "devices",
    "strategy",
    "precision",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "limit_train_batches",
    "limit_val_batches",
    "overfit_batches",
    "check_val_every_n_epoch",
    "val_check_interval",
)


class KeepBest(Callback):
    """Holds a copy of the weights with the best value of `monitor`; the last ones without it."""

    def __init__(self, monitor: str, mode: str) -> None:
        self._monitor, self._sign = monitor, 1.0 if mode == "min" else -1.0
        self._least = float("inf")
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Copy the weights when this validation is the best so far."""
        value = trainer.callback_metrics.get(self._monitor)
        if value is not None and self._sign * float(value) < self._least:
            self._least = self._sign * float(value)
            self.weights = _copy_weights(pl_module)


def fit(
    module: ModuleType,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    trainer: Mapping[str, Any],
    seed: int,
) -> dict[str, Tensor]:
    """The state dict after training `Model(**model)` on `Data(**data)`.

    `trainer` holds the keys of the config's `trainer`; those about watching and files are not used.
    """
    L.seed_everything(seed, workers=True, verbose=False)
    best = KeepBest(trainer["monitor"], trainer["mode"])
    network, source = module.Model(**model), module.Data(**data)
    bare = L.Trainer(
        **{name: trainer[name] for name in PASSED_ON},
        callbacks=[best],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        plugins=[LightningEnvironment()],  # to look for a cluster starts MPI, as in checks.tools
    )
    bare.fit(network, source)
    return best.weights or _copy_weights(network)


def _copy_weights(network: torch.nn.Module) -> dict[str, Tensor]:
    """The state dict as tensors of their own on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

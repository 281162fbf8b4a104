"""P10: a checkpoint of a run in progress, against torch.save and torch.load of the same values.

Lab 01 with a hidden layer of 4,096, so that weights and AdamW's two moments make 39 MB. dllab's
side is what its runs do: the Trainer saves with all callbacks, and loads; both sides then put the
values back. That a resumed run ends with the same bits is a test, not a measurement.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import (
    Cost,
    Plan,
    Result,
    interleave,
    judged,
    main,
    middle,
    project,
    ratios,
    timed,
)
from dllab import training
from dllab.lab.find import find_lab

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

OVERRIDES = ["impl=reference", "model.hidden=[4096]", "trainer.max_steps=2", "trainer.threads=1"]


class Compare(Callback):
    """Saves and loads both ways, in turns, behind the last step of a run."""

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs
        self.costs: dict[str, list[Cost]] = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.ckpt"
            sides = {
                "torch": lambda: timed(lambda: by_torch(trainer, path)),
                "ours": lambda: timed(lambda: by_trainer(trainer, path)),
            }
            interleave(1, sides)
            self.costs = interleave(self._pairs, sides)


def by_trainer(trainer: L.Trainer, path: Path) -> None:
    trainer.save_checkpoint(path)
    state = trainer.strategy.load_checkpoint(path, weights_only=False)
    put_back(trainer, state["state_dict"], state["optimizer_states"][0])


def by_torch(trainer: L.Trainer, path: Path) -> None:
    model, optimizer = trainer.lightning_module, trainer.optimizers[0]
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    state = torch.load(path)
    put_back(trainer, state["model"], state["optimizer"])


def put_back(trainer: L.Trainer, weights: dict[str, Any], moments: dict[str, Any]) -> None:
    trainer.lightning_module.load_state_dict(weights)
    trainer.optimizers[0].load_state_dict(moments)


def measure(plan: Plan) -> Iterator[Result]:
    """Both sides inside of one run."""
    with project() as root:
        os.chdir(root)
        compare = Compare(plan.pairs)
        training.train(root, find_lab(root, "01"), OVERRIDES, watchers=[compare])
    ours, theirs = compare.costs["ours"], compare.costs["torch"]
    cpu = middle(ours) / max(middle(theirs), 0.01)
    took = [f"{1000 * middle(side, 'wall_s'):.0f} ms" for side in (ours, theirs)]
    why = f"wall, {took[0]} to {took[1]}; by CPU-s {cpu:.2f} x"
    yield judged("P10", ratios(ours, theirs, "wall_s"), why)


if __name__ == "__main__":
    main(measure)

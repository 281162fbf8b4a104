"""A segment of a recorded training, run again behind the wall from the parameters it began with.

A snapshot holds no optimiser state. So the replay begins a few batches earlier and puts the
parameters back after each of them: the optimiser gathers its averages of gradients at the very
place, and nothing moves. The trainer, the schedules and the loader stand where the recorded ones
stood.
"""

import itertools
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from dllab.rundir.snapshots import SPAN, WARM_UP, Place
from dllab.sandbox.retrain import PASSED_ON, bare_trainer

# One process on the processor, in float32: a run of other hardware is close enough.
HERE = {
    "accelerator": "cpu",
    "devices": 1,
    "strategy": "auto",
    "precision": "32-true",
    "limit_val_batches": 0,
    "max_steps": -1,
}


class FromBatch:
    """A loader that leaves out the first batches of the epoch in which it begins."""

    batch_sampler = None

    def __init__(self, loader: Any, skip: int) -> None:
        self._loader, self._skip = loader, skip

    @property
    def sampler(self) -> Any:
        """Whom Lightning tells the epoch."""
        return self._loader.sampler

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches; the first one of a text says that nothing came before it."""
        skip, self._skip = self._skip, 0
        for number, batch in enumerate(itertools.islice(self._loader, skip, None)):
            begins = skip and not number and isinstance(batch, dict) and "start" in batch
            yield {**batch, "start": torch.tensor(True)} if begins else batch


class Conductor(Callback):
    """Sets the training on its place, holds the parameters through the warm-up, and ends it."""

    def __init__(self, parameters: Mapping[str, Tensor], place: Place) -> None:
        self._parameters, self._place = parameters, place
        self.initial: dict[str, Tensor] = {}
        self.losses: list[Tensor] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep what training once began with, and go to the place."""
        self.initial = self._present(pl_module)
        self._put_back(pl_module)
        for config, step in zip(trainer.lr_scheduler_configs, self._place.schedules, strict=False):
            config.scheduler.last_epoch = step
        for optimizer, rates in zip(trainer.optimizers, self._place.rates, strict=False):
            for group, rate in zip(optimizer.param_groups, rates, strict=False):
                group["lr"] = rate

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the loss."""
        loss = trainer.callback_metrics.get("train/loss", torch.tensor(float("nan")))
        self.losses.append(loss.detach().float().cpu())
        if len(self.losses) <= WARM_UP:
            self._put_back(pl_module)
        if len(self.losses) == WARM_UP + SPAN:
            trainer.should_stop = True

    def _present(self, model: L.LightningModule) -> dict[str, Tensor]:
        own = dict(model.named_parameters())
        return {name: own[name].detach().clone() for name in self._parameters}

    @torch.no_grad()
    def _put_back(self, model: L.LightningModule) -> None:
        own = dict(model.named_parameters())
        for name, value in self._parameters.items():
            own[name].copy_(value)

    def found(self, model: L.LightningModule) -> dict[str, Tensor]:
        """The losses `[WARM_UP + SPAN]`, and the parameters at first and at last."""
        ends = {f"after/{name}": value for name, value in self._present(model).items()}
        begins = {f"initial/{name}": value for name, value in self.initial.items()}
        return {"loss": torch.stack(self.losses), **begins, **ends}


def replay(
    module: ModuleType, config: Mapping[str, Any], parameters: Mapping[str, Tensor], place: Place
) -> dict[str, Tensor]:
    """Run the segment that begins at `place` with `parameters`; see `Conductor.found`.

    `config` is an arm's entry of config.yaml: its model, data, trainer and seed.
    """
    L.seed_everything(config["seed"], workers=True, verbose=False)
    network, source = module.Model(**config["model"]), module.Data(**config["data"])
    begin = place.batches - WARM_UP
    epoch, skip = divmod(begin, place.per_epoch)
    make = source.train_dataloader
    source.train_dataloader = lambda: FromBatch(make(), skip)
    conductor = Conductor(parameters, place)
    options = {name: config["trainer"][name] for name in PASSED_ON} | HERE
    trainer = bare_trainer(options, conductor)
    _take_place(trainer, epoch, max(0, place.steps - WARM_UP))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(network, source)
    return conductor.found(network)


def _take_place(trainer: L.Trainer, epoch: int, steps: int) -> None:
    """Let the trainer count from where it stands, in both kinds of optimisation."""
    vars(trainer.fit_loop.epoch_progress.current).update(processed=epoch, completed=epoch)
    loop = trainer.fit_loop.epoch_loop
    loop.automatic_optimization.optim_progress.optimizer.step.total.completed = steps
    loop.manual_optimization.optim_step_progress.total.completed = steps

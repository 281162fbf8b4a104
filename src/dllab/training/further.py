"""A run that goes on beyond its end: which values may grow, and what becomes of its schedules."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isclose
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import Callback

from dllab.config.overrides import Override, parse
from dllab.config.schema import TrainerConfig
from dllab.errors import LabError
from dllab.rundir.run import ArmFolder, RunFolder, write_json, write_text
from dllab.training.machine import agree_on_run, is_main_process

LENGTHS = ("max_epochs", "max_steps")
PATIENCE_S = 120


def go_further(root: Path, run: RunFolder, overrides: Sequence[str]) -> RunFolder:
    """A new run that begins where `run` stands and is to end later; `run` stays as it is.

    Raises LabError for an override that would change the recipe or shorten the run.
    """
    lengths = [_length(override, run) for override in parse(overrides)]
    content = run.read_config()
    for arm, plain in content["arms"].items():
        for key, value in lengths:
            _require_more(run, arm, key, plain["trainer"][key], value)
            plain["trainer"][key] = value
        _require_unfinished(run, arm, plain["trainer"])
    content["continues"] = [*content.get("continues", ()), _part(run)]
    content["overrides"] = _together(run.read_config()["overrides"], overrides)
    agree_on_run()
    new = RunFolder.create(root, run.lab_id)
    if is_main_process():
        _copy_state(run, new)
        write_text(new.config, yaml.safe_dump(content, sort_keys=False))  # last: the others wait
    _wait_for(new.config)
    return new


def _length(override: Override, run: RunFolder) -> tuple[str, int]:
    part, _, key = override.key.partition(".")
    if part != "trainer" or key not in LENGTHS or override.action != "set":
        raise override.error(
            "a run goes on with the recipe that it began with; only its length may grow, by "
            + " or ".join(f"trainer.{one}" for one in LENGTHS),
            f"for another recipe train anew: dllab train {run.lab_number} {override.text}",
        )
    if type(override.value) is not int:
        raise override.error("it is not a whole number", f"for example trainer.{key}=40")
    return key, override.value


def _require_more(run: RunFolder, arm: str, key: str, before: int, now: int) -> None:
    if before < 0:
        raise LabError(
            f"trainer.{key}={now}: arm {arm} of run {run.id} has no such limit",
            f"what ends it is trainer.{next(one for one in LENGTHS if one != key)}",
        )
    if now <= before:
        raise LabError(
            f"trainer.{key}={now}: arm {arm} of run {run.id} has {before} already",
            "say more than that; without overrides --resume brings a stopped run to its end",
        )


def _require_unfinished(run: RunFolder, arm: str, trainer: dict[str, Any]) -> None:
    epochs = run.read_card().get("arms", {}).get(arm, {}).get("epochs", 0)
    if epochs >= trainer["max_epochs"] > 0:
        raise LabError(
            f"arm {arm} of run {run.id} has trained its {epochs} epochs",
            "say trainer.max_epochs as well",
        )


def _part(run: RunFolder) -> dict[str, Any]:
    """What the new run's record says of the part that is there already."""
    steps = {arm.name: _steps(arm) for arm in run.arms()}
    return {"run": run.id, "overrides": run.read_config()["overrides"], "steps": steps}


def _steps(arm: ArmFolder) -> int:
    if not arm.last_checkpoint.is_file():
        return 0
    saved = torch.load(arm.last_checkpoint, map_location="cpu", weights_only=False, mmap=True)
    return int(saved["global_step"])


def _together(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Of a key that was said twice, what was said last."""
    said = {text.partition("=")[0] for text in now}
    return [*(text for text in before if text.partition("=")[0] not in said), *now]


def _copy_state(run: RunFolder, new: RunFolder) -> None:
    """All that the training needs, and the cost so far, since these weights have cost it."""
    shutil.copyfile(run.code, new.code)
    if run.files.is_dir():
        shutil.copytree(run.files, new.files)
    for arm in run.arms():
        there = new.arm(arm.name)
        if arm.checkpoints.is_dir():
            shutil.copytree(arm.checkpoints, there.checkpoints)
        if arm.curve.is_file():
            shutil.copyfile(arm.curve, there.curve)
    write_json(new.card, {"run": new.id, "cost": run.read_card().get("cost", {})})


def _wait_for(path: Path) -> None:
    """Ranks that a launcher has started beside the first go on when the folder is whole."""
    until = time.monotonic() + PATIENCE_S
    while not path.is_file():
        if time.monotonic() > until:
            raise LabError(f"{path} did not appear", "do all processes see the same folder?")
        time.sleep(0.05)


class Schedules(Callback):
    """Takes schedules that go by the length of a run over to a longer one.

    Their checkpoint holds the old length (one-cycle's would raise behind it, a cosine go up again),
    so where the length has changed each is planned anew and brought forward to its place. What
    waits for plateaus knows no length and goes on.
    """

    def __init__(self, trainer: TrainerConfig) -> None:
        self._length = {key: getattr(trainer, key) for key in LENGTHS}
        self._saved: list[dict[str, Any]] = []
        self._rate: float | None = None

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note for which length the schedules were planned."""
        checkpoint["dllab_length"] = self._length

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the old plans from Lightning where they are for another length."""
        if checkpoint.get("dllab_length") == self._length:
            return
        self._saved, checkpoint["lr_schedulers"] = checkpoint.get("lr_schedulers", []), []
        for optimizer in checkpoint.get("optimizer_states", [])[:1]:
            self._rate = optimizer["param_groups"][0]["lr"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The optimisers have their state by now."""
        for config, saved in zip(trainer.lr_scheduler_configs, self._saved, strict=False):
            if config.reduce_on_plateau:
                config.scheduler.load_state_dict(saved)
            else:
                _bring_forward(config.scheduler, _place(saved))
        self._saved = []

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Say it where the rate is another than the one that the first part ended with."""
        before, self._rate = self._rate, None
        now = optimizer.param_groups[0]["lr"]
        if before is None or isclose(before, now, rel_tol=0.01) or not trainer.is_global_zero:
            return
        print(
            f"  the learning rate ended at {before:.2g} and goes on at {now:.2g}: its schedule "
            "goes by the length of the run, and follows the longer one from here. A run of this "
            "length from the start would end elsewhere.",
            flush=True,
        )


def _place(saved: dict[str, Any]) -> int:
    """How often a schedule had moved; ChainedScheduler asks its parts."""
    return int(saved["last_epoch"]) if "last_epoch" in saved else _place(saved["_schedulers"][0])


def _bring_forward(scheduler: Any, moves: int) -> None:
    """Move a schedule from its beginning; the optimiser's rates are those of the checkpoint."""
    for group, rate in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
    with _unheeded():
        for _ in range(moves):
            scheduler.step()


@contextmanager
def _unheeded() -> Iterator[None]:
    """Torch warns of a schedule that moves without its optimiser."""
    with catch_warnings():
        simplefilter("ignore")
        yield

"""Hyperparameter search: trials of one arm, on Optuna, by any number of workers on one storage.

The space is the lab's `conf/search.yaml`; each trial is a run folder of its own. A trial whose
validation curve lies below the median of the others is stopped early. A study that is there already
is continued: that is all there is to resuming, and to sharing it between machines.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError
from torch import Tensor

from dllab.config.compose import compose
from dllab.config.schema import TrainerConfig
from dllab.errors import LabError
from dllab.lab.checked import load_yaml
from dllab.lab.find import Lab
from dllab.training.train import train

DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Search:
    """What is searched: one arm of a lab, from `overrides` on, in a named study of a storage."""

    root: Path
    lab: Lab
    arm: str
    overrides: tuple[str, ...]
    study: str
    storage: str
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Where the default storage and the report lie."""
        return self.root / "runs" / self.lab.id / f"search-{self.study}"


@contextmanager
def open_study(search: Search) -> Iterator[optuna.Study]:
    """The study, made on first use, with its storage open; LabError when that cannot be opened."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search.folder.mkdir(parents=True, exist_ok=True)
    config = compose(search.lab, [*search.overrides, f"arm={search.arm}"])[search.arm]
    try:
        storage = optuna.storages.RDBStorage(search.storage)
        study = optuna.create_study(
            storage=storage,
            study_name=search.study,
            direction="maximize" if judge_of(config.trainer)[1] == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=search.seed, constant_liar=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
            load_if_exists=True,
        )
    except (ImportError, OSError, SQLAlchemyError) as error:
        raise LabError(
            f"the storage {search.storage} cannot be opened: {error}",
            "give a URL as SQLAlchemy writes them: sqlite:///study.db, postgresql://…",
        ) from error
    try:
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def run_trials(search: Search, study: optuna.Study, total: int) -> None:
    """Run trials until the study has `total` finished ones, those of other workers counted."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    space = read_space(search.lab)
    stop = optuna.study.MaxTrialsCallback(total, states=DONE)
    if len(study.get_trials(deepcopy=False, states=DONE)) < total:
        study.optimize(lambda trial: _objective(search, space, trial), callbacks=[stop])


def read_space(lab: Lab) -> dict[str, Any]:
    """The lab's `conf/search.yaml`: a list of choices, or a range, for each key."""
    path = lab.folder / "conf" / "search.yaml"
    if not path.is_file():
        raise LabError(f"{path} is missing", "write what to try, as in lab 01's conf/search.yaml")
    space = load_yaml(path)
    for key, values in space.items():
        is_range = isinstance(values, Mapping) and {"low", "high"} <= set(values)
        if not is_range and not isinstance(values, list):
            raise LabError(
                f"{path}: {key} is neither a list of choices nor a range",
                "write [a, b, c] or {low: …, high: …, log: true}",
            )
    return dict(space)


def _objective(search: Search, space: Mapping[str, Any], trial: optuna.Trial) -> float:
    overrides = [f"{key}={_suggest(trial, key, values)}" for key, values in space.items()]
    words = [*search.overrides, *overrides, f"arm={search.arm}"]
    monitor, mode = judge_of(compose(search.lab, words)[search.arm].trainer)
    watcher = PruningCallback(trial, monitor)
    run = train(search.root, search.lab, words, say=lambda _: None, watchers=[watcher])
    trial.set_user_attr("run", run.id)
    # The storage knows, whichever process it was that reported.
    kept = trial.study.get_trials(deepcopy=False)[trial.number]
    if kept.user_attrs.get("pruned"):
        raise optuna.TrialPruned
    if not kept.intermediate_values:
        raise LabError(f"no validation logged {monitor}", "log it there, or set trainer.monitor")
    return (max if mode == "max" else min)(kept.intermediate_values.values())


def judge_of(trainer: TrainerConfig) -> tuple[str, str]:
    """The logged key that tells good trials from poor ones, and whether its `max` or `min` is best.

    That is what chooses the checkpoint; where the last one is kept (`monitor: step`), the
    validation loss.
    """
    counts = trainer.monitor in ("step", "epoch")
    return ("val/loss", "min") if counts else (trainer.monitor, trainer.mode)


def _suggest(trial: optuna.Trial, key: str, values: Mapping[str, Any] | Sequence[Any]) -> str:
    """A value of the space as an override writes it; choices may be lists, so they go as text."""
    if not isinstance(values, Mapping):
        return str(trial.suggest_categorical(key, [_as_word(value) for value in values]))
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    if isinstance(low, int) and isinstance(high, int):
        return str(trial.suggest_int(key, low, high, log=log))
    return f"{trial.suggest_float(key, low, high, log=log):.8g}"


def _as_word(value: Any) -> str:
    return str(value).replace(" ", "")


class PruningCallback(Callback):
    """Reports each validation to the trial, and ends the run when the others do better.

    A copy in another process reports to the same storage; of several ranks the first one does.
    """

    def __init__(self, trial: optuna.Trial, monitor: str) -> None:
        self._trial, self._monitor = trial, monitor
        self._validations = 0

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the value that judges the trial."""
        if self._monitor not in trainer.callback_metrics:
            return
        poor = trainer.is_global_zero and self._is_poor(trainer.callback_metrics[self._monitor])
        if trainer.strategy.reduce_boolean_decision(poor, all=False):
            trainer.should_stop = True

    def _is_poor(self, value: Tensor) -> bool:
        self._trial.report(float(value), self._validations)
        self._validations += 1
        poor = self._trial.should_prune()
        if poor:
            self._trial.set_user_attr("pruned", True)
        return poor

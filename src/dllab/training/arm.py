"""One arm: build Data and Model from the config's numbers, fit, keep the chosen weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, ProgressBar
from safetensors.torch import save_file

from dllab import data as datasets
from dllab.checks import validate
from dllab.config.schema import Config
from dllab.data.resumable import FixedBatches, Resumable
from dllab.errors import LabError, LearnerError
from dllab.lab.code import Implementation, import_lab, is_learners, learner_error
from dllab.lab.find import Lab
from dllab.lab.inference import BATCH_SIZE, predict_items
from dllab.lab.layout import Layout
from dllab.lab.scoring import form_of
from dllab.rundir.run import ArmFolder
from dllab.training.callbacks import arm_callbacks
from dllab.training.card import Summary
from dllab.training.checkpoints import CheckpointFile, Interrupted
from dllab.training.explain import AtHand, explain
from dllab.training.flops import CountFlops
from dllab.training.loggers import CurveLogger, finish_trackers, trackers
from dllab.training.machine import quiet_libraries, seed_and_threads
from dllab.training.strategy import make_strategy, prepare


@contextmanager
def _leaving_no_world_of_one() -> Iterator[None]:
    """End the process group that a lab made for itself alone, however its training ended.

    What comes after it in this process, or in a fork of it, could join no other.
    """
    try:
        yield
    finally:
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() == 1:
            dist.destroy_process_group()


@_leaving_no_world_of_one()
def train_arm(
    folder: ArmFolder,
    lab: Lab,
    impl: Implementation,
    config: Config,
    *,
    resuming: bool = False,
    watchers: Sequence[Callback] = (),
) -> Summary:
    """Train one arm into its folder and return what the run card says of it.

    Where several processes train the arm, each calls this function and rank 0 writes. Raises
    LearnerError with the learner's own traceback when their code fails, LabError when the data, the
    hardware or a checkpoint is at fault.
    """
    quiet_libraries()
    seed_and_threads(config)
    module = import_lab(lab, impl.path)
    model = _build(module.Model, "model", config.model, impl)
    data = _build(module.Data, "data", config.data, impl)
    set_name = lab.spec.arms[config.arm].data
    layout = Layout.of(set_name, lab.root) if set_name else None
    form = form_of(lab, lab.spec.arms[config.arm], layout) if layout else None
    if layout and form:
        _check_predict(model, set_name, layout, form, impl)
    prepare(model, config.trainer)
    last = folder.last_checkpoint
    checkpoint = last if resuming and last.is_file() else None
    folder.path.mkdir(parents=True, exist_ok=True)
    stopped = None
    flops, at_hand = CountFlops(), AtHand()
    try:
        _let_it_resume(data, config, checkpoint)
        trainer = _trainer(folder, config, flops, [at_hand, *watchers])
        trainer.fit(model, data, ckpt_path=checkpoint, weights_only=False)
    except Interrupted as error:
        stopped = error
    except (Exception, SystemExit) as error:
        raise explain(error, impl, model, at_hand, checkpoint) from error
    weights = _chosen_weights(trainer, folder)
    if trainer.is_global_zero:
        save_file(weights, folder.weights)
        if layout and form:
            # Built anew from weights and config alone, as the grader will.
            judged = _build(module.Model, "model", config.model, impl)
            judged.load_state_dict(weights)
            independent = lab.spec.arms[config.arm].independent
            scores = _predict(judged, set_name, layout, trainer, independent=independent)
            labels = layout.secrets(datasets.items(set_name, "val"))
            save_file({"scores": scores.contiguous(), **labels}, folder.predictions)
        finish_trackers(trainer.loggers, folder, set_name)
    if stopped:
        raise stopped
    return {**_summary(trainer, model), "flops": flops.total(trainer)}


def _let_it_resume(data: L.LightningDataModule, config: Config, checkpoint: Path | None) -> None:
    """Give the training loader a place in its epoch, and the one that a checkpoint saved.

    With `overfit_batches` its batches are held fixed: Lightning does so with PyTorch's own alone.

    Lightning sees to the latter itself, but not where configure_optimizers asks the trainer for
    `estimated_stepping_batches`, as one-cycle schedules do: the loader is then built before the
    saved place is read, and Lightning 2.6 would begin the epoch anew.
    """
    make, place = data.train_dataloader, _saved_place(checkpoint) if checkpoint else None

    def train_dataloader() -> Any:
        loader = make()
        one = hasattr(loader, "__len__") and not isinstance(loader, list | tuple | dict)
        if one and (fixed := config.trainer.overfit_batches):
            loader = FixedBatches(loader, _as_many(fixed, loader))
        if one and not hasattr(loader, "state_dict"):
            loader = Resumable(loader, config.seed)
        if place:
            loader.load_state_dict(place)
        return loader

    data.train_dataloader = train_dataloader  # type: ignore[method-assign]


def _as_many(batches: float, loader: Any) -> int:
    """A number of batches, or a share of the loader's."""
    return batches if isinstance(batches, int) else max(1, int(len(loader) * batches))


def _saved_place(checkpoint: Path) -> dict[str, int] | None:
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False, mmap=True)
    places = saved["loops"]["fit_loop"]["state_dict"].get("combined_loader")
    return places[0] if places else None


def _chosen_weights(trainer: L.Trainer, folder: ArmFolder) -> dict[str, torch.Tensor]:
    """Those that validation chose, else the last; whole on rank 0, where sharded ones are joined.

    Safetensors stores each tensor whole: views and shared storage are copied apart.
    """
    best = folder.checkpoints / "best.ckpt"
    if trainer.strategy.broadcast(best.is_file()):
        state = torch.load(best, map_location="cpu", weights_only=False)["state_dict"]
    else:
        state = trainer.strategy.lightning_module_state_dict()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _predict(
    model: L.LightningModule,
    set_name: str,
    layout: Layout,
    trainer: L.Trainer,
    *,
    independent: bool,
) -> torch.Tensor:
    """Scores of the validation split; all at once where items are not independent."""
    inputs = layout.inputs(datasets.items(set_name, "val"))
    device = trainer.strategy.root_device
    # XLA's lazy tensors do not go with inference mode: such a model is scored on the host
    place = torch.device("cpu") if device.type == "xla" else device
    batch_size = BATCH_SIZE if independent else layout.count(inputs)
    return predict_items(model, inputs, shared=layout.shared, batch_size=batch_size, device=place)


def _build(kind: type[Any], part: str, values: dict[str, Any], impl: Implementation) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        if is_learners(error, impl.path):
            raise learner_error(error, impl.path, f"building {kind.__name__} failed") from error
        raise LabError(
            f"{kind.__name__}(**config.{part}) does not fit its signature: {error}",
            f"the keys of {part} in the lab's conf/ are the arguments of {kind.__name__}.__init__",
        ) from error
    except LabError:
        raise
    except (Exception, SystemExit) as error:
        raise learner_error(error, impl.path, f"building {kind.__name__} failed") from error


def _check_predict(
    model: L.LightningModule, set_name: str, layout: Layout, form: str, impl: Implementation
) -> None:
    """Fail before the training, not after it, when predict gives scores of the wrong form."""
    inputs = layout.inputs(datasets.items(set_name, "val"))
    two = {k: v if k in layout.shared else v[:2] for k, v in inputs.items()}
    try:
        scores = predict_items(model, two, shared=layout.shared)
    except (Exception, SystemExit) as error:
        raise learner_error(error, impl.path, "predict failed on two items") from error
    if wrong := validate({"predict": scores}, {"predict": form.replace("[N", "[2", 1)}):
        hint = "one row of raw scores per item: look at what forward returns"
        raise LearnerError(f"{wrong} (scores of two items)", "", hint)


def _trainer(
    folder: ArmFolder, config: Config, flops: CountFlops, watchers: Sequence[Callback]
) -> L.Trainer:
    curve = CurveLogger(folder, spreadsheet="csv" in config.logger)
    callbacks = [flops, *arm_callbacks(folder, config, curve), *watchers]
    return L.Trainer(
        **trainer_arguments(config),
        strategy=make_strategy(config.trainer),
        default_root_dir=folder.path,
        num_sanity_val_steps=0,
        enable_checkpointing=True,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(one, ProgressBar) for one in callbacks),
        use_distributed_sampler=False,
        # A TPU's strategy takes no other way to write than its own.
        plugins=[] if config.trainer.accelerator == "tpu" else [CheckpointFile()],
        callbacks=callbacks,
        logger=[curve, *trackers(folder, config)],
    )


def trainer_arguments(config: Config) -> dict[str, Any]:
    """What the config says to Lightning's Trainer in Lightning's own words."""
    names = (
        "max_epochs",
        "max_steps",
        "accelerator",
        "devices",
        "num_nodes",
        "precision",
        "accumulate_grad_batches",
        "gradient_clip_val",
        "limit_train_batches",
        "limit_val_batches",
        "check_val_every_n_epoch",
        "val_check_interval",
        "log_every_n_steps",
    )
    arguments = {name: getattr(config.trainer, name) for name in names}
    if few := config.trainer.overfit_batches:  # held fixed by us: see _let_it_resume
        arguments |= {"limit_train_batches": few, "limit_val_batches": few}
    return arguments


def _summary(trainer: L.Trainer, model: L.LightningModule) -> Summary:
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "last": metrics,
    }

"""What no type can say: ranges, names that Lightning knows, and numbers that must fit together."""

from collections.abc import Callable, Iterable, Sequence

import yaml

from dllab.config.layers import nearest
from dllab.config.schema import Config, TrainerConfig
from dllab.errors import LabError
from dllab.lab.spec import Conflict

# Lightning's own names, written down so that checking a config does not import Lightning (3 s);
# tests/test_config.py compares them.
PRECISIONS = (
    "32-true",
    "bf16-mixed",
    "16-mixed",
    "bf16-true",
    "16-true",
    "64-true",
)
ACCELERATORS = ("cpu", "gpu", "tpu", "mps", "auto")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "fsdp")
MAX_SEED = 2**32 - 1

Home = Callable[[str], str]


def check_rules(config: Config, home: Home) -> None:
    """Raise a LabError for the first value out of its range; `home` tells in which file it stands.

    What a model or its data make of their own numbers (a negative learning rate, say) is the
    lab's business.
    """
    trainer = config.trainer
    names: dict[str, tuple[str, Sequence[str]]] = {
        "impl": (config.impl, ("auto", "mine", "reference")),
        "trainer.accelerator": (trainer.accelerator, ACCELERATORS),
        "trainer.strategy": (trainer.strategy, STRATEGIES),
        "trainer.precision": (trainer.precision, PRECISIONS),
        "trainer.mode": (trainer.mode, ("min", "max")),
        "wandb.mode": (config.wandb.mode, ("offline", "online", "disabled")),
    }
    for key, (name, choices) in names.items():
        _one_of(key, name, choices, home)
    _ranges(config, home)
    _batch(config, home)


class ConflictError(LabError):
    """The lab does without this combination of values, and lab.yaml says why."""


def check_conflicts(config: Config, conflicts: Iterable[Conflict]) -> None:
    """Raise a ConflictError for the first of the lab's conflicts that this config meets."""
    for conflict in conflicts:
        if all(_holds(config, override) for override in conflict.when):
            raise ConflictError(
                f"{' with '.join(conflict.when)}: {conflict.because}", f"add {conflict.instead}"
            )


def _holds(config: Config, override: str) -> bool:
    key, _, value = override.partition("=")
    part, _, name = key.partition(".")
    values = getattr(config, part)
    found = values.get(name) if isinstance(values, dict) else getattr(values, name)
    return bool(found == yaml.safe_load(value))


def _one_of(key: str, value: str, choices: Sequence[str], home: Home) -> None:
    if value in choices:
        return
    near = nearest(value, choices) or next((c for c in choices if c.startswith(value)), "")
    guess = f"did you mean {near}? " if near else ""
    raise LabError(
        f"{key}={value}: there is no such choice",
        f"{guess}{key} (see {home(key)}) is one of {', '.join(choices)}",
    )


def _ranges(config: Config, home: Home) -> None:
    trainer = config.trainer
    least = {
        "devices": 1,
        "num_nodes": 1,
        "accumulate_grad_batches": 1,
        "log_every_n_steps": 1,
        "checkpoint_every_n_steps": 0,
        "threads": 0,
        "max_epochs": -1 if trainer.max_steps > 0 else 1,
        "max_steps": -1,
    }
    for name, low in least.items():
        if getattr(trainer, name) < low:
            _refuse(f"trainer.{name}", getattr(trainer, name), f"at least {low}", home)
    if trainer.gradient_clip_val is not None and trainer.gradient_clip_val < 0:
        _refuse("trainer.gradient_clip_val", trainer.gradient_clip_val, "0 or more, or null", home)
    if not 0 <= config.seed <= MAX_SEED:
        _refuse("seed", config.seed, f"between 0 and {MAX_SEED}", home)
    for name in ("limit_train_batches", "limit_val_batches", "overfit_batches"):
        _share(f"trainer.{name}", getattr(trainer, name), home)
    _validation(trainer, home)


def _validation(trainer: TrainerConfig, home: Home) -> None:
    epochs, interval = trainer.check_val_every_n_epoch, trainer.val_check_interval
    if epochs is None and not isinstance(interval, int):
        raise LabError(
            "trainer.check_val_every_n_epoch=null lets trainer.val_check_interval count batches "
            f"across epochs, and that is {'null' if interval is None else interval}",
            "give it a whole number: trainer.val_check_interval=100",
        )
    if epochs is not None and epochs < 1:
        _refuse("trainer.check_val_every_n_epoch", epochs, "at least 1, or null", home)
    if interval is not None:
        _share("trainer.val_check_interval", interval, home)
        if not interval:
            few = "more than 0; to leave validation out say trainer.limit_val_batches=0"
            _refuse("trainer.val_check_interval", interval, few, home)


def _share(key: str, value: float, home: Home) -> None:
    """A whole number counts batches, a fraction is a share of them."""
    if value < 0 or (isinstance(value, float) and value > 1):
        _refuse(key, value, "a number of batches (10) or a share of them (0.1)", home)


def _batch(config: Config, home: Home) -> None:
    size = config.data.get("batch_size")
    if not isinstance(size, int):
        return
    if size < 1:
        _refuse("data.batch_size", size, "at least 1", home)
    world = config.trainer.devices * config.trainer.num_nodes
    if size % world:
        raise LabError(
            f"data.batch_size={size} cannot be shared by {world} devices",
            f"it is the global batch: make it a multiple of {world}, for example "
            f"data.batch_size={size + world - size % world}",
        )


def _refuse(key: str, value: object, wanted: str, home: Home) -> None:
    raise LabError(f"{key}={value}: it must be {wanted}", f"it is set in {home(key)}, or by you")

"""The schema of a run: plain values only. Python builds the objects: `Model(**config.model)`."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TrainerConfig:
    """What the training room hands to Lightning's Trainer, and how it watches over the run.

    Where a limit may be `int | float`, 10 means ten batches and 0.1 a tenth of them.
    """

    max_epochs: int = 10
    max_steps: int = -1
    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = None
    limit_train_batches: int | float = 1.0
    limit_val_batches: int | float = 1.0
    overfit_batches: int | float = 0.0
    check_val_every_n_epoch: int | None = 1  # null: val_check_interval counts across epochs
    val_check_interval: int | float | None = None
    log_every_n_steps: int = 10
    monitor: str = "val/loss"  # the curve that chooses the best checkpoint
    mode: str = "min"
    checkpoint_every_n_steps: int = 0  # 0: at the end of each epoch
    threads: int = 0  # 0: chosen for the model and the machine
    compile: bool = False
    profile: bool = False


@dataclass
class WandbConfig:
    """Where `logger=wandb` sends a run."""

    project: str = "dllab"
    entity: str | None = None
    mode: str = "offline"


@dataclass
class Settings:
    """What YAML files and overrides may set. `model` and `data` hold the keys a lab ships."""

    arm: str = "main"
    seed: int = 0
    impl: str = "auto"
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)


@dataclass
class Config(Settings):
    """One arm of one run, resolved. `model` and `data` are the keyword arguments of the exports.

    `hardware`, `logger` and `debug` say what was chosen of these groups; `debug` is "" without one,
    and of loggers there may be several.
    """

    lab: str = ""
    hardware: str = "cpu"
    logger: list[str] = field(default_factory=lambda: ["csv"])
    debug: str = ""

    def plain(self) -> dict[str, Any]:
        """Nested dicts, lists and scalars, as config.yaml holds them; the names come first."""
        values = asdict(self)
        names = ("lab", "arm", "impl", "seed", "hardware", "logger", "debug")
        return {name: values.pop(name) for name in names} | values

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Config":
        """The inverse of `plain`: an entry of config.yaml as a Config again."""
        parts: dict[str, Any] = {
            "trainer": TrainerConfig(**values["trainer"]),
            "wandb": WandbConfig(**values["wandb"]),
        }
        logger = values["logger"]
        parts["logger"] = [logger] if isinstance(logger, str) else logger  # earlier: one alone
        return cls(**{**values, **parts})

"""The schema of a run: plain values only. Python builds the objects: `Model(**config.model)`."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TrainerConfig:
    """What the training room hands to Lightning's Trainer, and how it watches over the run."""

    max_epochs: int = 10
    max_steps: int = -1
    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = None
    limit_train_batches: float = 1.0
    limit_val_batches: float = 1.0
    overfit_batches: float = 0.0
    check_val_every_n_epoch: int = 1
    val_check_interval: float | None = None
    log_every_n_steps: int = 10
    monitor: str = "val/loss"  # the curve that chooses the best checkpoint
    mode: str = "min"
    checkpoint_every_n_steps: int = 0  # 0: at the end of each epoch
    threads: int = 0  # 0: chosen for the model and the machine
    compile: bool = False
    profile: bool = False


@dataclass
class Config:
    """One arm of one run, resolved. `model` and `data` are the keyword arguments of the exports."""

    lab: str = ""
    arm: str = "main"
    impl: str = "auto"
    seed: int = 0
    hardware: str = "cpu"
    logger: str = "csv"
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    def plain(self) -> dict[str, Any]:
        """Nested dicts, lists and scalars, as config.yaml holds them."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Config":
        """The inverse of `plain`: a config.yaml entry back as a Config."""
        return cls(**{**values, "trainer": TrainerConfig(**values["trainer"])})

"""The numbers that lab 14's page lets one guess."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]


def steps(_lab: ModuleType, _config: Config) -> int:
    """The steps of an epoch of 300 items in batches of 32, two of which make a step."""
    return math.ceil(math.ceil(300 / 32) / 2)


def _loop(lab: ModuleType) -> Any:
    """The loop that trains on digits, after its first batch; with 64 made-up digits."""
    import torch

    torch.manual_seed(0)
    digits = {"image": torch.randint(17, (64, 1, 8, 8)).byte(), "label": torch.arange(64) % 10}
    loop = lab.digits_loop(digits, digits, [])
    for _ in range(2):
        loop.add(digits)
        loop.update()
    loop.add(digits)
    return loop


def _numbers(value: Any) -> int:
    """How many numbers a nested state holds."""
    import torch

    match value:
        case torch.Tensor():
            return value.numel()
        case dict():
            return sum(map(_numbers, value.values()))
        case list() | tuple():
            return sum(map(_numbers, value))
    return int(isinstance(value, int | float))


def weights(lab: ModuleType, _config: Config) -> int:
    """Weights and biases of the digits' network."""
    return _numbers(_loop(lab).model.state_dict())


def times(lab: ModuleType, _config: Config) -> float:
    """How many weights' worth of numbers a checkpoint holds in the middle of a step."""
    loop = _loop(lab)
    state = loop.state_dict()
    kept = sum(_numbers(state[name]) for name in ("model", "optimizer", "gradients"))
    return kept / _numbers(state["model"])


def _calibration() -> Mapping[str, Any]:
    import yaml

    text = (Path(__file__).parents[1] / "lab.yaml").read_text(encoding="utf-8")
    record: Mapping[str, Any] = yaml.safe_load(text)["calibration"]["nats"]
    return record


def stopped(_lab: ModuleType, _config: Config) -> float:
    """The surprise of networks that early stopping ended with their best weights."""
    return statistics.fmean(_calibration()["values"])


def to_the_end(_lab: ModuleType, _config: Config) -> float:
    """The surprise of networks that trained all epochs and kept their last weights."""
    return statistics.fmean(_calibration()["mutants"]["never_stopped"])

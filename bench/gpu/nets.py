"""One bare training step of lab 02's network, in the precision and the memory layout asked for."""

from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.gpu.harness import Plan, Step
from dllab.config.schema import Config
from dllab.data import load

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: str, precision: Precision) -> AbstractContextManager[Any]:
    """What Lightning's `…-mixed` opens around a step."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device, DTYPES[precision])


def sgd(model: Any, rate: float) -> torch.optim.Optimizer:
    """The optimiser of lab 02."""
    rest = {"momentum": model.momentum, "weight_decay": model.weight_decay, "nesterov": True}
    return torch.optim.SGD(model.parameters(), rate, **rest)


class Learner:
    """Forward, backward and optimiser, for one precision; float16 with a loss scaler."""

    def __init__(
        self, model: Any, plan: Plan, precision: Precision, rate: float, *, compiled: bool = False
    ) -> None:
        self.model, self.optimizer = model, sgd(model, rate)
        self._device, self._precision = plan.device, precision
        self._scaler = torch.amp.GradScaler(plan.device, enabled=precision == "fp16")
        self._loss = torch.compile(self._forward) if compiled else self._forward

    def _forward(self, image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(self.model(image), label)

    def step(self, image: Tensor, label: Tensor) -> None:
        """Learn from one batch."""
        self.optimizer.zero_grad()
        with autocast(self._device, self._precision):
            loss = self._loss(image, label)
        self._scaler.scale(loss).backward()
        self._scaler.step(self.optimizer)
        self._scaler.update()


def training_step(
    module: ModuleType,
    config: Config,
    plan: Plan,
    batch: int,
    *,
    precision: Precision,
    layout: torch.memory_format = torch.contiguous_format,
    compiled: bool = False,
) -> Step:
    """A step of lab 02 on one and the same batch of real pictures."""
    model = module.Model(**config.model).to(plan.device, memory_format=layout)
    learner = Learner(model, plan, precision, 0.01, compiled=compiled)
    tensors = load("fashion_mnist", "train")
    image, label = (tensors[name][:batch].to(plan.device) for name in ("image", "label"))
    return lambda: learner.step(image, label)

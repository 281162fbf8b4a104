"""Batches against the GPU's appetite: images/s of a loader / images/s of a training step.

Lab 02's network in bf16, in batches of 1,024. BatchLoader cuts and augments them on the GPU, where
dllab puts the data, or on the processor, from where pinned copies follow; a DataLoader of eight
workers with torchvision's transforms for each picture stands beside.
"""

import statistics
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from bench.gpu.harness import Plan, seconds
from bench.gpu.nets import training_step
from bench.measure import Result, judged
from bench.sides.reference import reference
from dllab.data import BatchLoader, load

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
from torchvision.transforms import v2

from bench.fashion import pictures

WORKERS = THREADS = 8  # dllab takes as many threads, where there are as many cores


def images_per_s(plan: Plan, next_batch: Callable[[], object], batch: int) -> list[float]:
    """By how many batches in a row come, several times over."""
    seconds(next_batch, plan.size(5, 1), plan.device)
    took = [seconds(next_batch, plan.size(20, 1), plan.device) for _ in range(plan.pairs)]
    return [batch / each for each in took]


def batches(loader: BatchLoader, plan: Plan) -> Callable[[], object]:
    """The next whole batch of a loader that never ends, on the device."""
    endless = (part for _ in cycle([None]) for part in islice(loader, len(loader) - 1))

    def next_batch() -> object:
        batch = next(endless)
        if plan.dry or next(iter(batch.values())).is_cuda:
            return batch
        return {k: v.pin_memory().to(plan.device, non_blocking=True) for k, v in batch.items()}

    return next_batch


def items(plan: Plan, batch: int) -> Callable[[], object]:
    """The same from a DataLoader over single pictures."""
    data = pictures("train", [v2.RandomCrop(28, padding=1), v2.RandomHorizontalFlip()])
    workers = plan.size(WORKERS, 0)
    kept: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    loader = DataLoader(data, batch, shuffle=True, drop_last=True, pin_memory=not plan.dry, **kept)
    endless = (part for _ in cycle([None]) for part in loader)
    return lambda: [value.to(plan.device, non_blocking=True) for value in next(endless)]


def measure(plan: Plan) -> Iterator[Result]:
    """Both places of BatchLoader, each against the step."""
    torch.set_num_threads(plan.size(THREADS, 1))
    batch = plan.size(1024, 32)
    module, config = reference("02")
    tensors = load("fashion_mnist", "train")
    step = training_step(module, config, plan, batch, precision="bf16")
    appetite = statistics.median(images_per_s(plan, step, batch))
    theirs = statistics.median(images_per_s(plan, items(plan, batch), batch))
    for id, place in {"G5-gpu": plan.device, "G5-cpu": "cpu"}.items():
        loader = BatchLoader(tensors, batch, shuffle=True, transform=module.augment).to(place)
        rates = images_per_s(plan, batches(loader, plan), batch)
        why = f"{statistics.median(rates):,.0f} images/s for {appetite:,.0f} of the step; "
        why += f"a DataLoader of {WORKERS} workers {theirs:,.0f}"
        yield judged(id, [rate / appetite for rate in rates], why)

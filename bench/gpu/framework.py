"""G4: a step within `dllab train` against one of a bare loop, and how long the GPU waits in it.

Lab 02's network, wide, in batches so large that a step takes 5 ms or more. Both sides cut and
augment the same batches on the device; the clock runs from the third step of an epoch to its last.
"""

import statistics
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR

from bench.gpu.harness import Plan, profiler, silence, synchronize, true_fp32, work_s
from bench.measure import Result, judged, project
from bench.sides.reference import reference
from dllab.lab.find import find_lab
from dllab.training import train

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
import lightning as L
from lightning.pytorch.callbacks import Callback

EPOCHS = 2  # in the first one libraries choose their kernels; the last one counts
SKIPPED = 2  # steps of an epoch before the clock starts
FEW = 4  # steps of an epoch, in a dry run


class Clock(Callback):
    """Seconds a step, one value for each epoch; `busy_s` as well, where a profile is asked for."""

    def __init__(self, device: str, *, profiled: bool = False) -> None:
        self._device, self._profiled = device, profiled
        self.step_s: list[float] = []
        self.busy_s: list[float] = []

    def tick(self, number: int, steps: int) -> None:
        """Step `number` of `steps` has been handed to the device."""
        if number == SKIPPED - 1:
            synchronize(self._device)
            if self._profiled:
                self._profile = profiler(self._device)
                self._profile.start()
            self._start = time.perf_counter()
        elif number == steps - 1:
            synchronize(self._device)
            self.step_s.append((time.perf_counter() - self._start) / (steps - SKIPPED))
            if self._profiled:
                self._profile.stop()
                self.busy_s.append(work_s(self._profile, self._device) / (steps - SKIPPED))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.tick(batch_idx, int(trainer.num_training_batches))


def words(plan: Plan) -> list[str]:
    """The overrides of both sides' recipe."""
    widths, batch = plan.size(("[128,256,512]", 512), ("[2,2,2]", 8))
    sizes = [f"model.widths={widths}", f"data.batch_size={batch}", f"trainer.max_epochs={EPOCHS}"]
    few = [f"trainer.limit_{part}_batches={FEW}" for part in ("train", "val")]
    small = [*few, "trainer.log_every_n_steps=2", "trainer.threads=1"]
    return [*sizes, plan.hardware, *plan.size([], small)]


def ours(plan: Plan, *, profiled: bool = False) -> Clock:
    """A whole run of dllab."""
    clock = Clock(plan.device, profiled=profiled)
    with project() as root, silence():
        lab = find_lab(root, "02")
        train(root, lab, ["impl=reference", *words(plan)], say=lambda _: None, watchers=[clock])
    return clock


def bare(plan: Plan, *, profiled: bool = False) -> Clock:
    """The same training as one would write it by hand."""
    module, config = reference("02", overrides=words(plan))
    clock = Clock(plan.device, profiled=profiled)
    model = module.Model(**config.model).to(plan.device)
    data = module.Data(**config.data)
    data.setup()
    batches = data.train_dataloader().to(plan.device)
    optimizer = torch.optim.SGD(
        model.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay, nesterov=True
    )
    count = plan.size(len(batches), FEW)
    schedule = LambdaLR(optimizer, lambda step: module.one_cycle(step, EPOCHS * count))
    for _ in range(EPOCHS):
        for number, batch in enumerate(islice(batches, count)):
            optimizer.zero_grad()
            F.cross_entropy(model(batch["image"]), batch["label"]).backward()
            optimizer.step()
            schedule.step()
            clock.tick(number, count)
    return clock


def measure(plan: Plan) -> Iterator[Result]:
    """Both sides in turns; then each once more, under a profile."""
    true_fp32()
    pairs = [(ours(plan).step_s[-1], bare(plan).step_s[-1]) for _ in range(plan.pairs)]
    took, lean = (statistics.median(side) for side in zip(*pairs, strict=True))
    why = f"{1e3 * took:.2f} ms to {1e3 * lean:.2f} ms a step, lab 02's net {words(plan)[0]}"
    yield judged("G4-step", [a / b for a, b in pairs], why)
    busy, lean_busy = (side(plan, profiled=True).busy_s[-1] for side in (ours, bare))
    why = f"kernels and copies take {1e3 * busy:.2f} ms of a step of dllab train; "
    why += f"in a bare loop the GPU waits for {_idle(lean_busy, lean):.1f} %"
    yield judged("G4-idle", [_idle(busy, step_s) for step_s, _ in pairs], why)


def _idle(busy_s: float, step_s: float) -> float:
    """Per cent of a step in which the GPU has nothing to do."""
    return max(0.0, 100 * (1 - busy_s / step_s))

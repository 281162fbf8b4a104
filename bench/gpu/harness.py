"""What the measurements on a GPU share: how much to do, clocks that wait for the device."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

T = TypeVar("T")
Step = Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """Where to compute and until when. A dry run is tiny, on the processor: it proves the code."""

    device: str
    ends: float  # of time.monotonic()

    @property
    def dry(self) -> bool:
        """Whether the numbers mean nothing."""
        return self.device == "cpu"

    @property
    def left_s(self) -> float:
        """Seconds until the step must have ended."""
        return self.ends - time.monotonic()

    def size(self, real: T, dry: T) -> T:
        """One of the two, as the plan is."""
        return dry if self.dry else real

    @property
    def pairs(self) -> int:
        """How many pairs a ratio is the median of."""
        return self.size(7, 1)

    @property
    def hardware(self) -> str:
        """The override that lets dllab compute there."""
        return f"hardware={'gpu' if self.device == 'cuda' else 'cpu'}"


def synchronize(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(step: Step, steps: int, device: str) -> float:
    """Seconds for one step, the mean of `steps` in a row."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - start) / steps


def ratios(theirs: Step, ours: Step, plan: Plan, steps: int = 20) -> list[float]:
    """Seconds of `theirs` / seconds of `ours`, in turns: both meet the same machine."""
    count = plan.size(steps, 1)
    for step in (theirs, ours):
        seconds(step, max(1, count // 4), plan.device)  # first times are nobody's
    return [
        seconds(theirs, count, plan.device) / seconds(ours, count, plan.device)
        for _ in range(plan.pairs)
    ]


def profiler(device: str) -> profile:
    """One that knows of the device's work; `work_s` reads it once it has stopped."""
    there = [ProfilerActivity.CUDA] if device == "cuda" else []
    return profile(activities=[ProfilerActivity.CPU, *there], acc_events=True)


def work_s(taken: profile, device: str) -> float:
    """Seconds in kernels and copies, which follow each other on one stream."""
    kind = DeviceType.CUDA if device == "cuda" else DeviceType.CPU
    ranges = [event.time_range for event in taken.events() if _is_work(event, kind)]
    return sum(each.elapsed_us() for each in ranges) / 1e6


def _is_work(event: Any, kind: DeviceType) -> bool:
    """A profile also holds the names of regions, and on the processor what calls what."""
    return event.device_type == kind and not event.is_user_annotation and event.cpu_parent is None


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing on standard output: what a training says is not what is asked here."""
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        yield


def true_fp32() -> None:
    """TF32 is off, so that fp32 means fp32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

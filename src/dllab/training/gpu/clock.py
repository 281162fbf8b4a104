"""Timing on a device that works while Python runs ahead, and results in the bench's form."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

Step = Callable[[], object]


@dataclass(frozen=True)
class Goal:
    """`at_least` or at most: what performance.md calls fast. No `bound` where none is set."""

    id: str
    text: str
    bound: float | None = None
    at_least: bool = True

    def measured(self, values: Sequence[float], why: str = "") -> dict[str, Any]:
        """A result: the median of the values, their span, and whether the goal is met."""
        value = statistics.median(values)
        met = None
        if self.bound is not None:
            met = value >= self.bound if self.at_least else value <= self.bound
        return {
            "id": self.id,
            "goal": self.text,
            "value": round(value, 4),
            "low": round(min(values), 4),
            "high": round(max(values), 4),
            "pairs": len(values),
            "met": met,
            "why": why,
        }

    def not_measured(self, why: str) -> dict[str, Any]:
        """A result that claims nothing."""
        empty = dict.fromkeys(("value", "low", "high", "met"))
        return {"id": self.id, "goal": self.text, **empty, "pairs": 0, "why": why}


@dataclass(frozen=True)
class Size:
    """How much work a measurement is: enough to be true on a GPU, little to try the code out."""

    device: str = "cuda"
    pairs: int = 7
    steps: int = 50
    batch: int = 1024
    widths: tuple[int, ...] = (64, 128, 256)
    gpt: tuple[int, int, int, int] = (12, 12, 768, 1024)  # layers, heads, width, tokens
    gpt_batch: int = 32

    def plain(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


def seconds(step: Step, steps: int, device: str) -> float:
    """Seconds for one step, the mean of `steps` in a row."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - start) / steps


def ratios(theirs: Step, ours: Step, size: Size) -> list[float]:
    """Seconds of `theirs` / seconds of `ours`, interleaved: both meet the same machine."""
    for step in (theirs, ours):
        seconds(step, max(3, size.steps // 5), size.device)  # warm-up: nobody pays for first times
    return [
        seconds(theirs, size.steps, size.device) / seconds(ours, size.steps, size.device)
        for _ in range(size.pairs)
    ]


def synchronize(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()

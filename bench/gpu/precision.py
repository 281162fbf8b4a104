"""G3: how much faster mixed precision and compilation make a training step of lab 02's network.

In batches of 2,048 with the widths of `data=full`, each precision in the memory layout that suits
it better; fp32 means fp32 (TF32 off).
"""

from collections.abc import Iterator
from types import ModuleType

import torch

from bench.gpu.harness import Plan, Step, profiler, ratios, seconds, true_fp32, work_s
from bench.gpu.nets import Precision, training_step
from bench.measure import Result, judged
from bench.sides.reference import reference
from dllab.config.schema import Config

BATCH = 2048
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def fastest(
    module: ModuleType, config: Config, plan: Plan, precision: Precision, *, compiled: bool
) -> Step:
    """A step of the precision, in the better layout; the compiler chooses for itself."""
    batch = plan.size(BATCH, 4)
    made = [
        training_step(
            module, config, plan, batch, precision=precision, layout=layout, compiled=compiled
        )
        for layout in (LAYOUTS[:1] if compiled else LAYOUTS)
    ]
    for step in made:
        seconds(step, plan.size(5, 1), plan.device)
    return min(made, key=lambda step: seconds(step, plan.size(5, 1), plan.device))


def speeds(module: ModuleType, config: Config, plan: Plan) -> Iterator[Result]:
    """bf16 to fp32 as it is, then compiled; and compiled to eager."""
    steps: dict[tuple[Precision, bool], Step] = {}
    for compiled, id in {False: "G3-eager", True: "G3-compiled"}.items():
        for precision in ("fp32", "bf16", "fp16"):
            if not (compiled and precision == "fp16"):
                steps[precision, compiled] = fastest(
                    module, config, plan, precision, compiled=compiled and not plan.dry
                )
        full, half = steps["fp32", compiled], steps["bf16", compiled]
        why = f"{_ms(full, plan)} to {_ms(half, plan)} a step of {plan.size(BATCH, 4)}"
        if not compiled:
            why += f"; fp16-mixed {_ms(steps['fp16', False], plan)}"
        yield judged(id, ratios(full, half, plan), why)
    for precision in ("fp32", "bf16"):
        eager, fast = steps[precision, False], steps[precision, True]
        yield judged(f"compile-{precision}", ratios(eager, fast, plan))


def _ms(step: Step, plan: Plan) -> str:
    """What a step takes, and how much of that the GPU works: launching kernels may be slower."""
    count = plan.size(10, 1)
    took = seconds(step, count, plan.device)
    with profiler(plan.device) as taken:
        seconds(step, count, plan.device)
    return f"{1e3 * took:.2f} ms (GPU at work: {1e3 * work_s(taken, plan.device) / count:.2f})"


def measure(plan: Plan) -> Iterator[Result]:
    """Eager, then compiled, then one against the other."""
    true_fp32()
    yield from speeds(*reference("02", overrides=["model.widths=[32,64,128]"]), plan)

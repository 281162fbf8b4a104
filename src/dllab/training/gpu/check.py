"""The story of `dllab gpu-check`: everything that needs a GPU, then a table and a JSON."""

import contextlib
import gc
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from dllab.errors import LabError
from dllab.lab.find import Lab, all_labs
from dllab.rundir.run import RunFolder, write_json
from dllab.training.gpu import goals
from dllab.training.gpu.clock import Goal, Size
from dllab.training.machine import quiet_libraries
from dllab.training.train import train

Result = dict[str, Any]

G1 = Goal("G1", "CIFAR-10 to 94 %: ≤ 6 s, mean of 10", 6.0, at_least=False)
PARITY = Goal("G3-parity", "bf16-mixed within 0.3 point of fp32", 0.3, at_least=False)
SPEEDUP = Goal("ddp", "all GPUs against one, whole run of lab 02: recorded")


def gpu_check(root: Path, out: Path, *, say: Callable[[str], None] = print) -> list[Result]:
    """Measure all of it on this machine's GPUs; each result is shown and kept as it comes."""
    quiet_libraries()
    torch.set_float32_matmul_precision("highest")
    results: list[Result] = []
    for result in _results(root):
        results.append(result)
        say(line(result))
        write_json(out, {"machine": _machine(), "results": results})
        gc.collect()
        torch.cuda.empty_cache()
    return results


def line(result: Result) -> str:
    """One row of the table: ✓ met, ✗ missed, · without a goal or not measured."""
    mark = {True: "✓", False: "✗", None: "·"}[result["met"]]
    value = "not measured" if result["value"] is None else f"{result['value']:.3f}"
    return f"{mark} {result['id']:<14} {value:>12}   {result['goal']}  ({result['why']})"


def _results(root: Path) -> Iterator[Result]:
    for measure in (goals.mixed_precision, goals.compiled, goals.framework, goals.language_model):
        yield _guarded(measure.__name__, lambda m=measure: m(Size()))  # type: ignore[misc]
    yield G1.not_measured("no CIFAR-10 here, and no such lab yet")
    labs = [lab for lab in all_labs(root) if lab.spec.arms]
    for lab in labs:
        yield _guarded(f"lab-{lab.number}", lambda lab=lab: _lab(root, lab))  # type: ignore[misc]
    yield _guarded(PARITY.id, lambda: _parity(root, labs))
    if torch.cuda.device_count() > 1:
        yield _guarded(SPEEDUP.id, lambda: _speedup(root, labs))
    else:
        yield SPEEDUP.not_measured("one GPU: NCCL takes one rank for each")


def _guarded(id: str, measure: Callable[[], Result]) -> Result:
    """A measurement that fails is reported as such, and the others go on."""
    try:
        return measure()
    except (LabError, RuntimeError) as error:
        return {**Goal(id, "runs").not_measured(f"failed: {error}"), "met": False}


def _lab(root: Path, lab: Lab) -> Result:
    """A lab's reference, whole, on one GPU."""
    run, best = train_quietly(root, lab, "hardware=gpu")
    seconds = run.read_card()["cost"]["wall_s"]
    scores = ", ".join(f"{arm} {value:.4f}" for arm, value in best.items())
    return Goal(f"lab-{lab.number}", "trains on a GPU, s: recorded").measured([seconds], scores)


def _parity(root: Path, labs: list[Lab]) -> Result:
    """Three seeds of lab 02 in both precisions: the mean difference of accuracy, in points."""
    lab = next(lab for lab in labs if lab.number == "02")
    drops = []
    for seed in range(3):
        words = ("hardware=gpu", f"seed={seed}")
        full = train_quietly(root, lab, *words)[1]["main"]
        mixed = train_quietly(root, lab, *words, "trainer.precision=bf16-mixed")[1]["main"]
        drops.append(100 * (full - mixed))
    return PARITY.measured([sum(drops) / len(drops)], "mean of 3 seeds of lab 02, fp32 - bf16")


def _speedup(root: Path, labs: list[Lab]) -> Result:
    lab, gpus = labs[1], torch.cuda.device_count()
    one = train_quietly(root, lab, "hardware=gpu")[0].read_card()["cost"]["wall_s"]
    all_of_them = train_quietly(root, lab, "hardware=ddp", f"trainer.devices={gpus}")[0]
    return SPEEDUP.measured([one / all_of_them.read_card()["cost"]["wall_s"]], f"{gpus} GPUs")


def train_quietly(root: Path, lab: Lab, *overrides: str) -> tuple[RunFolder, dict[str, float]]:
    """A run of the reference, silent; and the best validation score of each arm."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = train(root, lab, ["impl=reference", *overrides], say=lambda _: None)
    best = {}
    for arm, config in run.read_config()["arms"].items():
        monitor, mode = config["trainer"]["monitor"], config["trainer"]["mode"]
        values = [point[monitor] for point in run.arm(arm).read_curve() if monitor in point]
        best[arm] = max(values) if mode == "max" else min(values)
    return run, best


def _machine() -> dict[str, Any]:
    return {
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }

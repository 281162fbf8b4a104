"""The labs on a GPU, as a learner with one would run them; and lab 02 there and on the processor.

Every lab that trains (lab.yaml gives it arms) within the time that is left goes through `dllab
train NN hardware=gpu` with its reference: training, practice grade, report. They run side by side,
so their times are no measure of speed; whether each is graded as passed is.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gpu.harness import Plan, silence
from bench.measure import ROOT, Result, judged, project
from bench.sides.ours import Watcher
from dllab.lab.find import Lab, all_labs, find_lab
from dllab.training import train

SIDE_BY_SIDE = 8
RESERVE_S = 45  # of the step's time, for what comes behind the labs
EPOCHS = 2


@dataclass(frozen=True)
class Outcome:
    """How a lab's run ended: exit code 0 is `passed`, None that it was not over in time."""

    lab: Lab
    code: int | None
    seconds: float

    def __str__(self) -> str:
        words = {0: "", 1: " not passed", None: " not over"}
        return f"{self.lab.number}{words.get(self.code, ' failed')} {self.seconds:.0f} s"


def trainable(root: Path, longest_s: float) -> list[Lab]:
    """Labs whose arms' budgets, which are those of a processor, fit; the shortest first."""
    takes = {lab: sum(arm.budget_s for arm in lab.spec.arms.values()) for lab in all_labs(root)}
    return sorted((lab for lab in takes if 0 < takes[lab] <= longest_s), key=takes.__getitem__)


def run_side_by_side(root: Path, labs: Sequence[Lab], plan: Plan) -> list[Outcome]:
    """Start a few, start another whenever one ends, and end what takes too long."""
    ends, waiting, outcomes = time.monotonic() + plan.left_s - RESERVE_S, list(labs), []
    running: dict[Lab, tuple[subprocess.Popen[bytes], float]] = {}
    while running or waiting:
        while waiting and len(running) < SIDE_BY_SIDE:
            lab = waiting.pop(0)
            running[lab] = (_start(root, lab, plan), time.monotonic())
        time.sleep(0.2)
        for lab, (process, begun) in list(running.items()):
            code, now = process.poll(), time.monotonic()
            if code is None and now < ends:
                continue
            process.kill()
            outcomes.append(Outcome(lab, code, now - begun))
            del running[lab]
        if time.monotonic() > ends:
            waiting.clear()
    return sorted(outcomes, key=lambda outcome: outcome.lab.id)


def _start(root: Path, lab: Lab, plan: Plan) -> "subprocess.Popen[bytes]":
    words = ["train", lab.number, "impl=reference", plan.hardware, "trainer.threads=1"]
    words += plan.size([], ["debug=fast", "--no-grade"])
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.getenv("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "dllab", *words], cwd=root, env={**os.environ, "PYTHONPATH": path}
    )


def fit_s(root: Path, hardware: str, plan: Plan) -> float:
    """Wall seconds of lab 02's fit, a few epochs of it."""
    watcher, epochs = Watcher(None), plan.size(EPOCHS, 1)
    words = ["impl=reference", f"hardware={hardware}", f"trainer.max_epochs={epochs}"]
    words += plan.size([], ["trainer.limit_train_batches=2", "trainer.threads=1"])
    with silence():
        train(root, find_lab(root, "02"), words, say=lambda _: None, watchers=[watcher])
    return watcher.fit_s


def measure(plan: Plan) -> Iterator[Result]:
    """The labs, then lab 02 in turns on both."""
    with project() as root:
        labs = trainable(root, longest_s=300)[: plan.size(None, 1)]
        outcomes = run_side_by_side(root, labs, plan)
        passed = sum(outcome.code == 0 for outcome in outcomes)
        why = ", ".join(map(str, outcomes))
        yield judged("G8-labs", [100 * passed / len(labs)], f"{passed} of {len(labs)}: {why}")
        there = plan.hardware.partition("=")[2]
        fit_s(root, there, plan)  # libraries choose their kernels in the first run
        rounds = range(plan.size(3, 1))
        pairs = [(fit_s(root, "cpu", plan), fit_s(root, there, plan)) for _ in rounds]
    cpu, gpu = (statistics.median(side) for side in zip(*pairs, strict=True))
    cores = len(os.sched_getaffinity(0))
    why = f"{cpu:.1f} s of {cores} cores, up to 8 threads, to {gpu:.1f} s; batches of 64"
    yield judged("G8-speedup", [a / b for a, b in pairs], why)

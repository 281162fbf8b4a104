"""The vocabulary of checks: one check is one graded fact about learner code, in two halves.

The *probe* runs in the sandbox. It calls learner code with the values it is given, and returns
what came out; it holds no answer. The other half stays with the scorer, which never imports
learner code, and says whether that is right. Mostly it is the right answer itself:

    @check(
        "add",
        "Addition",
        given={"a": normal(3), "b": normal(3)},  # drawn afresh for every official grading
        expect=lambda given: given["a"] + given["b"],
        mistakes={"b is taken off, not added": lambda given: given["a"] - given["b"]},
    )
    def add(lab, given):
        \"\"\"`add` returns the sum of its arguments.\"\"\"
        return lab.add(given["a"], given["b"])

The docstring is the sentence that the learner reads. Probe and `expect` return a tensor, or a dict
of tensors; dtype and shapes are those of the right answer. `given` may also be a function of a
generator that returns a dict. A wrong answer that one of the `mistakes` gives is told by its name;
others are recognised by themselves (see `naming`). `grad=True` asks for a result that hangs in the
graph, `grad=("a",)` also for the right gradient with respect to `given["a"]`.

A hidden check's probe is a function of `_author/probes.py`, which enters the sandbox; the right
answer and its mistakes stay outside, in `_author/checks.py`:

    @check("far-add", "Large numbers", given=…, probe=probes.far_add, mistakes={…})
    def far_add(given):
        \"\"\"Addition works far from zero.\"\"\"
        return given["a"] + given["b"]

What has a property in place of a right answer gets a judge, and says what is returned:

    @check("shuffle", "Shuffling", given=…, probe=shuffle_probe, returns={"order": "int64 [20]"})
    def shuffle(given, got):
        \"\"\"`shuffle` returns a permutation.\"\"\"
        return close(got["order"].sort().values, torch.arange(20))

A *play* measures what a trained model generates, controls or encodes, for a criterion. It runs
with the scorer, who owns the world, and asks the model in the sandbox for one answer after the
other; see `plays`. A *timing* compares how long two do the same; see `timings`. A *metric* measures
scores of a shape of its own; see `dllab.metrics.metric`.

A *driver* feeds a learner's own tests to code, for the format break-it. The learner returns cases,
which are data; the scorer runs them on right and wrong variants of the lab:

    @driver("add", given={"a": "float32 [*]", "b": "float32 [*]"}, returns="float32 [*]")
    def add_driver(lab, given):
        return lab.add(given["a"], given["b"])

    def cases():                             # in lab.py
        return [Case({"a": torch.ones(2), "b": torch.zeros(2)}, expected=torch.ones(2))]
"""

from dllab.checks.arrays import Arrays, integers, normal, uniform, validate
from dllab.checks.cases import Case, Driver, driver, drivers_of
from dllab.checks.check import Check, check, collect, run_here
from dllab.checks.outcome import PASS, Outcome, close, every, holds
from dllab.checks.plays import ArtifactPath, Play, Player, PlayItems, play
from dllab.checks.timings import Timing, timing

__all__ = [
    "PASS",
    "Arrays",
    "ArtifactPath",
    "Case",
    "Check",
    "Driver",
    "Outcome",
    "Play",
    "PlayItems",
    "Player",
    "Timing",
    "check",
    "close",
    "collect",
    "driver",
    "drivers_of",
    "every",
    "holds",
    "integers",
    "normal",
    "play",
    "run_here",
    "timing",
    "uniform",
    "validate",
]

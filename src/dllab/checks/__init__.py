"""The vocabulary of checks: one check is one graded fact about learner code, in two halves.

The *probe* runs in the sandbox. It calls learner code with the values it is given, and returns
what came out; it holds no answer. The other half stays with the scorer, which never imports
learner code, and says whether that is right. Mostly it is the right answer itself:

    @check(
        "add",
        "Addition",
        given={"a": normal(3), "b": normal(3)},  # drawn afresh for every official grading
        expect=lambda g: g.a + g.b,
        mistakes={"b is subtracted, not added": lambda g: g.a - g.b},
    )
    def add(lab, given):
        \"\"\"`add` returns the sum of its arguments.\"\"\"
        return lab.add(given.a, given.b)

The docstring is the sentence that the learner reads. The probe returns a tensor, or a dict of
tensors; dtype and shapes are those of the right answer. `given` may also be a function of a
generator that returns a dict. A wrong answer that is one of the `mistakes` is told by its name; one
may say what is wrong with some of the dict alone. Others are recognised by themselves, see
`naming`. `grad=True` asks for a result that hangs in the graph, `grad=("a",)` also for the right
gradient with respect to what is given as `a`.

Hidden checks stand in `_author/checks.py`. Some are a visible check on other values, and depend on
that one:

    @checks.add.also("far-add", "Large numbers")
    def far_add(rng):
        \"\"\"Addition works far from zero.\"\"\"
        return {"a": 1e12 * torch.randn(3, generator=rng), "b": torch.randn(3, generator=rng)}

Others have a probe of their own in `_author/probes.py`, which enters the sandbox; the right answer
and its mistakes stay outside:

    @check("add-twice", "Three summands", given=…, probe=probes.add_twice, mistakes={…})
    def add_twice(given):
        \"\"\"Sums can be added to.\"\"\"
        return given.a + given.b + given.c

What has a property in place of a right answer gets a judge, and says what is returned:

    @check("shuffle", "Shuffling", given=…, probe=shuffle_probe, returns={"order": "int64 [20]"})
    def shuffle(given, got):
        \"\"\"`shuffle` returns a permutation.\"\"\"
        return close(got["order"].sort().values, torch.arange(20))

A *play* measures what a trained model generates, controls or encodes, for a criterion. It runs
with the scorer, who owns the world, and asks the model in the sandbox for one answer after the
other; see `plays`. A *dream* asks in the same way, to show what came of a training; see `dreams`. A
*timing* compares how long two do the same; see `timings`. A *metric* measures scores of a shape of
its own; see `dllab.metrics.metric`.

A *driver* feeds a learner's own tests to code, for the format break-it. The learner returns cases,
which are data; the scorer runs them on right and wrong variants of the lab:

    @driver("add", given={"a": "float32 [*]", "b": "float32 [*]"}, returns="float32 [*]")
    def add_driver(lab, given):
        return lab.add(given["a"], given["b"])

    def cases():                             # in lab.py
        return [Case({"a": torch.ones(2), "b": torch.zeros(2)}, expected=torch.ones(2))]
"""

from dllab.checks import exhibits
from dllab.checks.arrays import Arrays, Given, integers, normal, uniform, validate
from dllab.checks.cases import Case, Driver, driver
from dllab.checks.check import Check, check, collect, run_here
from dllab.checks.dreams import Dream, dream, dreams_in
from dllab.checks.outcome import PASS, Outcome, close, every, holds
from dllab.checks.plays import ArtifactPath, Play, Player, PlayItems, play
from dllab.checks.timings import Timing, timing

__all__ = [
    "PASS",
    "Arrays",
    "ArtifactPath",
    "Case",
    "Check",
    "Dream",
    "Driver",
    "Given",
    "Outcome",
    "Play",
    "PlayItems",
    "Player",
    "Timing",
    "check",
    "close",
    "collect",
    "dream",
    "dreams_in",
    "driver",
    "every",
    "exhibits",
    "holds",
    "integers",
    "normal",
    "play",
    "run_here",
    "timing",
    "uniform",
    "validate",
]

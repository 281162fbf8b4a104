"""P8: two gloo processes with one thread each, against a bare torch DDP script, and against one.

Lab 02, started by torchrun on both sides; the wall time of the fit counts, validation with it, and
the start of the processes does not. It takes two idle cores to tell anything, and even those may
share their caches and their clock: what the bare script gains by a second process stands beside it.
"""

from collections.abc import Iterator
from dataclasses import replace

from bench.measure import (
    Cost,
    Plan,
    Result,
    child,
    interleave,
    judged,
    main,
    middle,
    project,
    ratios,
)

EPOCHS = 2
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def measure(plan: Plan) -> Iterator[Result]:
    """Four sides in turns: dllab and a bare script, each on two processes and on one."""
    epochs = plan.epochs(EPOCHS)
    one = ["-m", "bench.sides.ours", "02", f"trainer.max_epochs={epochs}", "trainer.threads=1"]
    two = [*TWO, *one, "hardware=ddp_cpu", "trainer.devices=2"]
    bare_one = ["-m", "bench.sides.bare", "02", "memory", f"--epochs={epochs}"]
    bare_two = [*TWO, *bare_one]
    sides = {"bare two": bare_two, "two": two, "one": one, "bare one": bare_one}
    with project() as root:
        costs = interleave(
            plan.pairs,
            {
                name: lambda words=words: fit(child(*words, cwd=root))
                for name, words in sides.items()
            },
        )
    took = {name: middle(side, "wall_s") for name, side in costs.items()}
    why = f"wall of the fit, {took['bare two']:.1f} s to {took['two']:.1f} s"
    yield judged("P8-bare", ratios(costs["bare two"], costs["two"], "wall_s"), why)
    why = f"wall of the fit, {took['one']:.1f} s to {took['two']:.1f} s"
    why += f"; the bare script: {took['bare one'] / took['bare two']:.2f} x"
    yield judged("P8-speedup", ratios(costs["one"], costs["two"], "wall_s"), why)


def fit(cost: Cost) -> Cost:
    """The wall time of the fit alone."""
    return replace(cost, wall_s=cost.said["fit_s"])


if __name__ == "__main__":
    main(measure)

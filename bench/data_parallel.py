"""P8: two gloo processes with one thread each, against a bare torch DDP script, and against one.

Lab 02, started by torchrun on both sides; the wall time of the fit counts, validation with it, and
the start of the processes does not. It takes two idle cores to tell anything.
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
    """Three sides in turns: a bare script, dllab on two processes, dllab on one."""
    epochs = plan.epochs(EPOCHS)
    one = ["-m", "bench.sides.ours", "02", f"trainer.max_epochs={epochs}", "trainer.threads=1"]
    two = [*TWO, *one, "hardware=ddp_cpu", "trainer.devices=2"]
    bare = [*TWO, "-m", "bench.sides.bare", "02", "memory", f"--epochs={epochs}"]
    sides = {"bare": bare, "two": two, "one": one}
    with project() as root:
        costs = interleave(
            plan.pairs,
            {
                name: lambda words=words: fit(child(*words, cwd=root))
                for name, words in sides.items()
            },
        )
    took = {name: f"{middle(side, 'wall_s'):.1f} s" for name, side in costs.items()}
    for id, side in {"P8-bare": "bare", "P8-speedup": "one"}.items():
        why = f"wall of the fit, {took[side]} to {took['two']}"
        yield judged(id, ratios(costs[side], costs["two"], "wall_s"), why)


def fit(cost: Cost) -> Cost:
    """The wall time of the fit alone."""
    return replace(cost, wall_s=cost.said["fit_s"])


if __name__ == "__main__":
    main(measure)

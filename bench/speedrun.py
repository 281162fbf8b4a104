"""Speedrun: lab 02's small recipe against the best-known public example, on the same pictures.

To 87 % on the validation split, from loaded libraries, one thread each. The example is that of
pytorch/examples for MNIST: two convolutions, Adadelta, batches of 64, 14 epochs at most.
"""

from collections.abc import Iterator

from bench.measure import (
    Plan,
    Result,
    child,
    interleave,
    judged,
    main,
    middle,
    project,
    ratios,
    told,
)

UNTIL = "--until=0.87"
MOST_PAIRS = 3  # the example takes a minute


def measure(plan: Plan) -> Iterator[Result]:
    """Both in turns."""
    ours = ["bench.sides.ours", "02", UNTIL, f"trainer.max_epochs={plan.epochs(6)}"]
    example = ["bench.sides.bare", "two-convs", "items", UNTIL, f"--epochs={plan.epochs(14)}"]
    with project() as root:
        sides = {
            "ours": lambda: told(child("-m", *ours, "trainer.threads=1", cwd=root)),
            "example": lambda: told(child("-m", *example, cwd=root)),
        }
        costs = interleave(min(plan.pairs, MOST_PAIRS), sides)
    reached = {name: sum(cost.said["reached"] for cost in side) for name, side in costs.items()}
    why = "; ".join(
        f"{name}: {middle(side):.1f} CPU-s, {reached[name]} of {len(side)} reached it"
        for name, side in costs.items()
    )
    yield judged("speedrun-02", ratios(costs["ours"], costs["example"]), why)


if __name__ == "__main__":
    main(measure)

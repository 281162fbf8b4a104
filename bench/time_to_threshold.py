"""P1: time to the pass threshold of a core lab, against bare-PyTorch twins.

One thread each. The twins (sides/bare.py) have the lab's net, optimiser, schedule and evaluation.
Lab 02 learns on a cycle of four epochs, so that it is over soon; so do its twins.
"""

from collections.abc import Iterator
from pathlib import Path

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
    told,
)

LABS = {"01": (0.83, 10), "02": (0.87, 4)}  # threshold on the validation split, most epochs


def measure(plan: Plan) -> Iterator[Result]:
    """Each lab against its three twins."""
    with project() as root:
        for number, (until, epochs) in plan.some(LABS).items():
            costs = _costs(root, plan, number, until, epochs)
            ours = costs.pop("ours")
            memory = costs.pop("memory")
            best = min(costs, key=lambda name: middle(costs[name], "wall_s"))
            yield _compared(
                f"P1-{number}-items", ours, costs[best], f"best of 0, 2 workers: {best}"
            )
            yield _compared(f"P1-{number}-memory", ours, memory, "")


def _costs(root: Path, plan: Plan, number: str, until: float, epochs: int) -> dict[str, list[Cost]]:
    words = [number, f"--until={until}"]
    most = plan.epochs(epochs)
    bare = ["-m", "bench.sides.bare", *words, f"--epochs={most}"]
    ours = ["-m", "bench.sides.ours", *words, f"trainer.max_epochs={most}", "trainer.threads=1"]
    sides = {
        "ours": ours,
        "0": [*bare, "items"],
        "2": [*bare, "items", "--workers=2"],
        "memory": [*bare, "memory"],
    }
    return interleave(
        plan.pairs,
        {name: lambda words=words: told(child(*words, cwd=root)) for name, words in sides.items()},
    )


def _compared(id: str, ours: list[Cost], theirs: list[Cost], note: str) -> Result:
    cpu = middle(ours) / middle(theirs)
    reached = sum(cost.said["reached"] for cost in (*ours, *theirs))
    why = (
        f"wall, {middle(ours, 'wall_s'):.2f} s to {middle(theirs, 'wall_s'):.2f} s; "
        f"by CPU-s {cpu:.2f} x; {reached} of {len(ours) + len(theirs)} reached it; {note}"
    )
    return judged(id, ratios(ours, theirs, "wall_s"), why.removesuffix("; "))


if __name__ == "__main__":
    main(measure)

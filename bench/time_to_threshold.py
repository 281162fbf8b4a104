"""P1: time to the pass threshold of a core lab, against bare-PyTorch twins.

One thread each, and another seed for each pair, since the epoch that gets there is partly luck. The
twins (sides/bare.py, bare_series.py) have the lab's net, optimiser, schedule and evaluation. Lab 02
learns on a cycle of four epochs, which ends at its threshold or just below; so do its twins. Lab 03
runs as two of its arms, `vowels` and `reviews`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
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

BARE, SERIES = "bench.sides.bare", "bench.sides.bare_series"


@dataclass(frozen=True)
class Race:
    """What both sides run: until an accuracy on the validation split, or the last epoch."""

    ours: list[str]
    twin: list[str]
    until: float
    epochs: int


RACES = {
    "01": Race(["01"], [BARE, "01"], 0.83, 10),
    "02": Race(["02"], [BARE, "02"], 0.87, 4),
    "03-vowels": Race(["03", "arm=vowels"], [SERIES, "vowels"], 0.96, 30),
    "03-reviews": Race(["03", "arm=reviews"], [SERIES, "reviews"], 0.81, 4),
}


def measure(plan: Plan) -> Iterator[Result]:
    """Each lab against its three twins."""
    with project() as root:
        for number, race in plan.some(RACES).items():
            costs = _costs(root, plan, race)
            ours = costs.pop("ours")
            memory = costs.pop("memory")
            best = min(costs, key=lambda name: middle(costs[name], "wall_s"))
            yield _compared(
                f"P1-{number}-items", ours, costs[best], f"best of 0, 2 workers: {best}"
            )
            yield _compared(f"P1-{number}-memory", ours, memory, "")


def _costs(root: Path, plan: Plan, race: Race) -> dict[str, list[Cost]]:
    until, most = f"--until={race.until}", plan.epochs(race.epochs)
    ours = ["-m", "bench.sides.ours", *race.ours, until, f"trainer.max_epochs={most}"]
    items = ["-m", *race.twin, "items", until, f"--epochs={most}"]
    sides = {
        "ours": [*ours, "trainer.threads=1"],
        "0": items,
        "2": [*items, "--workers=2"],
        "memory": ["-m", *race.twin, "memory", until, f"--epochs={most}"],
    }
    return interleave(plan.pairs, {name: racer(root, words) for name, words in sides.items()})


def racer(root: Path, words: list[str]) -> Callable[[], Cost]:
    """A side that runs with another seed each time."""
    seeds = count()
    word = "seed" if "bench.sides.ours" in words else "--seed"
    return lambda: told(child(*words, f"{word}={next(seeds)}", cwd=root))


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

"""Speedruns: the small recipes of labs against the best-known public examples, on the same data.

From loaded libraries to a score on the validation split, one thread each. The examples, written as
their authors did, but in bare PyTorch: the clothing classifier of TensorFlow's first tutorial (128
hidden units, Adam); that of pytorch/examples for MNIST (two convolutions, Adadelta, pictures one by
one); and char-rnn with its defaults (two layers of 128 LSTM units, RMSprop).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.measure import (
    Cost,
    Plan,
    Result,
    interleave,
    judged,
    main,
    middle,
    project,
    ratios,
)
from bench.time_to_threshold import racer

MOST_PAIRS = 3  # the examples take minutes


@dataclass(frozen=True)
class Race:
    """What both sides are told, the score to reach, and how many epochs they may take."""

    ours: list[str]
    example: list[str]
    until: float
    epochs: tuple[int, int]


OURS, THREAD = ["-m", "bench.sides.ours"], "trainer.threads=1"
BARE = "bench.sides.bare"
RACES = {
    "speedrun-01": Race(["01"], [BARE, "dense-128", "memory"], 0.83, (20, 20)),
    "speedrun-02": Race(["02"], [BARE, "two-convs", "items"], 0.87, (6, 14)),
    "speedrun-20": Race(["20"], ["bench.sides.char_rnn"], -1.7, (1, 4)),
}


def measure(plan: Plan) -> Iterator[Result]:
    """Each lab and its example, in turns."""
    with project() as root:
        for id, race in plan.some(RACES).items():
            ours, example = (plan.epochs(most) for most in race.epochs)
            until = f"--until={race.until}"
            sides = {
                "ours": [*OURS, *race.ours, until, f"trainer.max_epochs={ours}", THREAD],
                "example": ["-m", *race.example, until, f"--epochs={example}"],
            }
            costs = interleave(
                min(plan.pairs, MOST_PAIRS),
                {name: racer(root, words) for name, words in sides.items()},
            )
            why = "; ".join(f"{name}: {_told(side)}" for name, side in costs.items())
            yield judged(id, ratios(costs["ours"], costs["example"]), why)


def _told(side: list[Cost]) -> str:
    reached = sum(cost.said["reached"] for cost in side)
    return f"{middle(side):.1f} CPU-s, {reached} of {len(side)} reached it"


if __name__ == "__main__":
    main(measure)

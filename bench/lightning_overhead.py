"""P2, P11: what dllab adds to plain Lightning with the same model and loader, in time and memory.

Both sides train for as many epochs with one thread; lab 01 for the 20 of its recipe. dllab's also
composes the config, writes the run card and the curve, keeps the best weights, and scores the
validation split with them in the end.
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

EPOCHS = {"01": 20, "02": 3}


def measure(plan: Plan) -> Iterator[Result]:
    """Each lab under both, in processes of their own."""
    with project() as root:
        for number, count in plan.some(EPOCHS).items():
            epochs = plan.epochs(count)
            theirs = ["-m", "bench.sides.lightning", number, f"--epochs={epochs}"]
            ours = ["-m", "bench.sides.ours", number, f"trainer.max_epochs={epochs}"]
            ours += ["trainer.threads=1"]
            costs = interleave(
                plan.pairs,
                {
                    "lightning": lambda words=theirs: told(child(*words, cwd=root)),
                    "ours": lambda words=ours: told(child(*words, cwd=root)),
                },
            )
            lightning, dllab = costs["lightning"], costs["ours"]
            wall = middle(dllab, "wall_s") / middle(lightning, "wall_s")
            why = f"CPU-s, {middle(dllab):.2f} to {middle(lightning):.2f}; by wall {wall:.2f} x"
            yield judged(f"P2-{number}", ratios(dllab, lightning), why)
            peaks = [middle(side, "peak_mb") for side in (dllab, lightning)]
            why = f"{peaks[0]:.0f} MB to {peaks[1]:.0f} MB"
            yield judged(f"P11-training-{number}", ratios(dllab, lightning, "peak_mb"), why)


if __name__ == "__main__":
    main(measure)

"""P5: from process start to the first optimiser step, against a bare Lightning script."""

from collections.abc import Iterator

from bench.measure import Plan, Result, child, interleave, judged, main, middle, project, ratios

UP_TO_STEP = ("-m", "bench.sides.first_step")


def measure(plan: Plan) -> Iterator[Result]:
    """Lab 01 both ways; each side once before, to byte-compile."""
    with project() as root:
        sides = {
            "lightning": lambda: child(*UP_TO_STEP, "bench.sides.lightning", "01", cwd=root),
            "ours": lambda: child(
                *UP_TO_STEP, "dllab", "train", "01", "impl=reference", "trainer.threads=1", cwd=root
            ),
        }
        if not plan.smoke:
            interleave(1, sides)
        costs = interleave(plan.pairs, sides)
    ours, theirs = costs["ours"], costs["lightning"]
    wall = middle(ours, "wall_s") / middle(theirs, "wall_s")
    why = f"{middle(ours):.2f} CPU-s to {middle(theirs):.2f}; by wall {wall:.2f} x"
    yield judged("P5", ratios(ours, theirs), why)


if __name__ == "__main__":
    main(measure)

"""P4: what the light commands cost, against a Python that does nothing."""

from collections.abc import Iterator

from bench.measure import Plan, Result, child, interleave, judged, main, middle

COMMANDS = {"help": ["--help"], "list": ["list"], "progress": ["progress"], "show": ["show", "03"]}


def measure(plan: Plan) -> Iterator[Result]:
    """Each command, in turns with an empty Python."""
    for name, words in plan.some(COMMANDS).items():
        child("-m", "dllab", *words)  # byte-compiles
        costs = interleave(
            plan.pairs,
            {
                "empty": lambda: child("-c", "pass"),
                "ours": lambda words=words: child("-m", "dllab", *words),
            },
        )
        why = f"an empty Python: {middle(costs['empty']):.3f} CPU-s"
        yield judged(f"P4-{name}", [cost.cpu_s for cost in costs["ours"]], why)


if __name__ == "__main__":
    main(measure)

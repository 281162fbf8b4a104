"""P7: what a lab costs while four other programs keep the machine busy.

`dllab train` with its own choice of threads, in turns with the same run held to one thread on the
machine as it is. The whole process counts, imports too.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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

LOOPS = 4  # one for --smoke
EPOCHS = {"01": 5, "02": 1}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other programs compute without end."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(plan: Plan) -> Iterator[Result]:
    """Each lab alone with one thread, and in company with those that dllab chooses."""
    loops = 1 if plan.smoke else LOOPS
    with project() as root:
        for number, count in plan.some(EPOCHS).items():
            run = ["-m", "dllab", "train", number, "impl=reference", "--no-grade"]
            run += [f"trainer.max_epochs={plan.epochs(count)}"]

            def alone(run: list[str] = run) -> Cost:
                return child(*run, "trainer.threads=1", cwd=root)

            def in_company(run: list[str] = run) -> Cost:
                with busy(loops):
                    return child(*run, cwd=root, threads=2)

            costs = interleave(plan.pairs, {"alone": alone, "in company": in_company})
            ours, theirs = costs["in company"], costs["alone"]
            why = f"{middle(ours):.1f} CPU-s to {middle(theirs):.1f}, {loops} loops beside it"
            yield judged(f"P7-{number}", ratios(ours, theirs), why)


if __name__ == "__main__":
    main(measure)

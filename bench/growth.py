"""Growth: what ten thousand runs, sixty more labs and seven times the data cost.

The runs are copies of a real one. The labs are scaffolded ones that `DLLAB_LABS` joins. The data is
Fashion-MNIST's `full`, cut to so many batches of one epoch of lab 01.
"""

import os
import shutil
import tempfile
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
    told,
)
from dllab.authoring.scaffold import scaffold
from dllab.rundir.listing import list_runs

RUNS = [100, 1000, 10_000]
LABS = 60
BATCHES = {"1x": 71, "2x": 142, "4x": 284, "full": 461}  # of 128 items
QUICK = ["impl=reference", "trainer.threads=1"]
BOARD = (
    "from pathlib import Path; from dllab.report.board.content import Board; Board(Path()).runs()"
)


def measure(plan: Plan) -> Iterator[Result]:
    """Runs, labs, data."""
    with project() as root:
        yield from _runs(root, plan)
        yield from _labs(root, plan)
        yield from _data(root, plan)


def _runs(root: Path, plan: Plan) -> Iterator[Result]:
    child("-m", "dllab", "train", "01", *QUICK, "debug=fast", cwd=root, codes=(0, 1))
    (row,) = list_runs(root)
    listed, shown = {}, {}
    for count in RUNS[: 1 if plan.smoke else None]:
        _fill(Path(row.path), count)
        sides = {
            "runs": lambda: child("-m", "dllab", "runs", cwd=root),
            "board": lambda: child("-c", BOARD, cwd=root),
        }
        costs = interleave(plan.pairs, sides)
        listed[count], shown[count] = costs["runs"], costs["board"]
    for id, costs in {"P4-runs": listed, "P4-board": shown}.items():
        *_, most = costs.values()
        why = ", ".join(f"{count:,} runs {middle(each):.2f}" for count, each in costs.items())
        yield judged(id, [cost.cpu_s for cost in most], f"CPU-s by number: {why}")
    shutil.rmtree(root / "runs")


def _fill(run: Path, count: int) -> None:
    """Copies of a run beside it, until there are so many."""
    for number in range(sum(1 for _ in run.parent.iterdir()), count):
        minute, second = divmod(number, 60)
        stamp = f"20260101T{minute // 60:02}{minute % 60:02}{second:02}Z-{number:06x}"
        copy = run.with_name(stamp)
        copy.mkdir()
        for name in ("config.yaml", "run.json", "result.json"):
            shutil.copyfile(run / name, copy / name)


def _labs(root: Path, plan: Plan) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        few = [child("-m", "dllab", "list", cwd=root) for _ in range(plan.pairs)]
        for number in range(99, 99 - LABS, -1):
            scaffold(root, str(number), f"try{number}", Path(folder))
        os.environ["DLLAB_LABS"] = folder
        many = [child("-m", "dllab", "list", cwd=root) for _ in range(plan.pairs)]
        del os.environ["DLLAB_LABS"]
    why = f"CPU-s; without these labs {middle(few):.3f}"
    yield judged("P4-labs", [cost.cpu_s for cost in many], why)


def _data(root: Path, plan: Plan) -> Iterator[Result]:
    run = ["-m", "bench.sides.ours", "01", "data.size=full", "trainer.max_epochs=1", QUICK[1]]

    def side(batches: int) -> Cost:
        return told(child(*run, f"trainer.limit_train_batches={batches}", cwd=root))

    sizes = dict(list(BATCHES.items())[: 2 if plan.smoke else None])
    costs = interleave(plan.pairs, {n: lambda b=b: side(b) for n, b in sizes.items()})
    *_, largest = costs
    values = [
        (many.cpu_s / sizes[largest]) / (few.cpu_s / sizes["1x"])
        for few, many in zip(costs["1x"], costs[largest], strict=True)
    ]
    why = ", ".join(
        f"{name} {1000 * middle(cost) / sizes[name]:.1f} ms and {middle(cost, 'peak_mb'):.0f} MB"
        for name, cost in costs.items()
    )
    yield judged("growth-data", values, f"CPU time a batch, peak memory: {why}")


if __name__ == "__main__":
    main(measure)

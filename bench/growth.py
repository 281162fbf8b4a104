"""Growth: what ten thousand runs, more labs and topics, more data and a wider model cost.

The runs are copies of a real one, and so are the topics. The labs are scaffolded ones that
`DLLAB_LABS` joins. The data is Fashion-MNIST, for two epochs of lab 01: the small set, and `full`
cut to so many batches. The model is lab 02's network, its channels doubled twice. The tests are
those that run over all labs, in a copy of the repository; the labs that a run of the tests takes
whole are as few however many there are, and left out.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from bench.measure import (
    ROOT,
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
from dllab.lab.find import Lab
from dllab.rundir.listing import list_runs

RUNS = [100, 1000, 10_000]
FEW_LABS, LABS = 6, 60
TOPICS = 10  # times as many
EPOCHS = 2
BATCHES = {"1x": 71, "2x": 142, "4x": 284, "full": 461}  # of 128 items; 1x is the small set
WIDTHS = {"1x": [16, 32, 64], "2x": [32, 64, 128], "4x": [64, 128, 256]}
STEPS = 20  # on each width; the first, whose operations are counted, is slower
OVER_ALL_LABS = ("shelf", "test_tables.py", "test_release.py", "test_list_show.py")
TESTS = [
    *(f"tests/{name}" for name in OVER_ALL_LABS),
    *(f"tests/test_craft.py::test_house_rules[{name}]" for name in ("style", "format", "layers")),
]
QUICK = ["impl=reference", "trainer.threads=1"]
BOARD = (
    "from pathlib import Path; from dllab.report.board.content import Board; Board(Path()).runs()"
)


def measure(plan: Plan) -> Iterator[Result]:
    """Runs, labs, topics, data, model, tests."""
    with project() as root:
        yield from _runs(root, plan)
        yield from _labs(root, plan)
        yield from _topics(root, plan)
        yield from _data(root, plan)
        yield from _model(root, plan)
    yield from _tests(plan)


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
        why += f"; the first time, when each run is read, {most[0].cpu_s:.2f}"
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
        numbers = [str(number) for number in range(99, 99 - LABS, -1)]
        for number in numbers:
            _publish(scaffold(root, number, f"try{number}", Path(folder)))
        os.environ["DLLAB_LABS"] = folder
        many = [child("-m", "dllab", "list", cwd=root) for _ in range(plan.pairs)]
        examined = {
            # 1: a scaffolded lab still has its texts to be written
            count: child(
                "-m", "dllab", "doctor", "--fast", *numbers[:count], cwd=root, codes=(0, 1)
            )
            for count in ((1, 2) if plan.smoke else (FEW_LABS, LABS))
        }
        del os.environ["DLLAB_LABS"]
    why = f"CPU-s; without these labs {middle(few):.3f}"
    yield judged("P4-labs", [cost.cpu_s for cost in many], why)
    a_lab = [cost.cpu_s / count for count, cost in examined.items()]
    why = ", ".join(f"{count} labs {cost.cpu_s:.1f} CPU-s" for count, cost in examined.items())
    yield judged("growth-doctor", [a_lab[1] / a_lab[0]], why)


def _publish(lab: Lab) -> None:
    """Make a scaffold count: a draft is listed nowhere, and fewer tests take it."""
    path = lab.folder / "lab.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("draft:")))


def _topics(root: Path, plan: Plan) -> Iterator[Result]:
    progress = ["-m", "dllab", "progress"]
    few = [child(*progress, cwd=root) for _ in range(plan.pairs)]
    checklist = yaml.safe_load((root / "labs/checklist.yaml").read_text(encoding="utf-8"))
    checklist["topics"] = [
        {**topic, "id": f"{topic['id']}-{copy}" if copy else topic["id"]}
        for copy in range(TOPICS)
        for topic in checklist["topics"]
    ]
    with project() as larger:
        (larger / "labs").unlink()
        shutil.copytree(root / "labs", larger / "labs")
        (larger / "labs/checklist.yaml").write_text(yaml.safe_dump(checklist), encoding="utf-8")
        many = [child(*progress, cwd=larger) for _ in range(plan.pairs)]
    why = f"CPU-s; with {len(checklist['topics']) // TOPICS} topics {middle(few):.3f}"
    yield judged("P4-topics", [cost.cpu_s for cost in many], why)


def _data(root: Path, plan: Plan) -> Iterator[Result]:
    run = ["-m", "bench.sides.ours", "01", f"trainer.max_epochs={EPOCHS}", QUICK[1]]

    def side(name: str) -> Cost:
        words = [f"trainer.limit_train_batches={BATCHES[name]}"]
        words += [f"data.size={'small' if name == '1x' else 'full'}"]
        return told(child(*run, *words, cwd=root))

    sizes = plan.some(BATCHES)
    costs = interleave(plan.pairs, {name: lambda name=name: side(name) for name in sizes})
    *_, largest = costs
    values = [
        (many.cpu_s / sizes[largest]) / (few.cpu_s / sizes["1x"])
        for few, many in zip(costs["1x"], costs[largest], strict=True)
    ]
    each_ms = {n: 1000 * middle(costs[n]) / sizes[n] / EPOCHS for n in sizes}
    why = ", ".join(
        f"{name} {each_ms[name]:.1f} ms and {middle(cost, 'peak_mb'):.0f} MB"
        for name, cost in costs.items()
    )
    yield judged("growth-data", values, f"CPU time a batch, peak memory: {why}")


def _model(root: Path, plan: Plan) -> Iterator[Result]:
    run = ["-m", "bench.sides.ours", "02", "trainer.max_epochs=1", QUICK[1]]
    run += [f"trainer.limit_train_batches={STEPS}", "trainer.limit_val_batches=1"]

    def side(name: str) -> Cost:
        return told(child(*run, f"model.widths={WIDTHS[name]}", cwd=root))

    costs = interleave(
        plan.pairs, {name: lambda name=name: side(name) for name in plan.some(WIDTHS)}
    )
    *_, widest = costs
    values = [
        (wide.cpu_s / wide.said["flops"]) / (narrow.cpu_s / narrow.said["flops"])
        for narrow, wide in zip(costs["1x"], costs[widest], strict=True)
    ]
    why = ", ".join(
        f"{name} {middle(each):.1f} for {each[0].said['flops'] / 1e9:.0f} GFLOP"
        for name, each in costs.items()
    )
    yield judged("growth-model", values, f"CPU-s by width: {why}")


def _tests(plan: Plan) -> Iterator[Result]:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    words += TESTS[: 1 if plan.smoke else None]
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "dllab"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "data", "runs"))
        for name in ("data", ".cache"):
            (copy / name).symlink_to(ROOT / name)
        shutil.copyfile(ROOT / ".gitignore", copy / ".gitignore")
        for more in (0, 1 if plan.smoke else LABS):
            for number in range(99, 99 - more, -1):
                _publish(scaffold(copy, str(number), f"try{number}"))
            # 1: the labs that are added have no proof on record, and their texts are not written
            costs.append(child(*words, cwd=copy, codes=(0, 1)).cpu_s)
    few, many = costs
    yield judged("growth-tests", [many - few], f"CPU-s: {few:.0f} before, {many:.0f} with them")


if __name__ == "__main__":
    main(measure)

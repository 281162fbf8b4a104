"""What all measurements share: a price for each side, sides in turns, values judged by their goal.

It imports nothing heavy: Linux counts a parent's memory towards the peak of a child it starts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from dllab.sandbox.watch import cpu_seconds, tree

ROOT = Path(__file__).resolve().parent.parent
Result = dict[str, Any]  # one entry of results.json


@dataclass(frozen=True)
class Cost:
    """What something took. `said` is the JSON object that a child printed as its last line."""

    cpu_s: float  # user and system time, of all processes
    wall_s: float
    peak_mb: float = 0.0  # resident, of the largest process
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How long to measure: `smoke` only proves that a measurement still works."""

    pairs: int
    smoke: bool = False

    def epochs(self, count: int) -> int:
        """How many epochs to train for."""
        return 1 if self.smoke else count

    def some(self, cases: Mapping[str, Any]) -> dict[str, Any]:
        """All cases; the first one is enough to see that a measurement works."""
        return dict(list(cases.items())[: 1 if self.smoke else None])


def child(
    *words: str,
    threads: int = 1,
    cwd: Path = ROOT,
    codes: Sequence[int] = (0,),
    path: str | None = None,
) -> Cost:
    """The price of `python WORDS` and of all that it starts, with so many threads a process.

    It imports from `path`; without, from here.

    Ends this program when the child's exit code is none of `codes`.
    """
    found = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path or _python_path()}
    environment = {**os.environ, **found}
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=cwd, env=environment, stdout=output, stderr=errors
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - begun
        output.seek(0)
        errors.seek(0)
        lines, complaints = output.read().splitlines(), errors.read()
    if process.returncode not in codes:
        command = f"python {' '.join(words)}"
        raise SystemExit(f"{complaints}{command} ended with code {process.returncode}")
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024, said)


def _python_path() -> str:
    """A child finds `bench`, and the dllab beside it, whatever folder it runs in."""
    return os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "src"), os.getenv("PYTHONPATH")]))


@contextmanager
def project() -> Iterator[Path]:
    """A project on this clone's labs and data; its runs are thrown away."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("labs", "configs", "data", ".cache", "pyproject.toml"):
            (Path(folder) / name).symlink_to(ROOT / name)
        yield Path(folder).resolve()


class Stopwatch:
    """Runs from its making on; counts this process and those below it."""

    def __init__(self) -> None:
        self._cpu, self._wall = _cpu_s(), time.perf_counter()

    def read(self) -> Cost:
        """The price so far."""
        wall_s = time.perf_counter() - self._wall
        return Cost(_cpu_s() - self._cpu, wall_s)


def _cpu_s() -> float:
    return cpu_seconds(list(tree(os.getpid())))


def timed(action: Callable[[], object]) -> Cost:
    """The price of a call."""
    watch = Stopwatch()
    action()
    return watch.read()


def tell(cost: Cost, **more: object) -> None:
    """Print, as a child's last line, the price of the part that is compared; rank 0 speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps({"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, **more}))


def told(cost: Cost) -> Cost:
    """The price that a child told, with the peak memory that was seen from outside."""
    return replace(cost, cpu_s=cost.said["cpu_s"], wall_s=cost.said["wall_s"])


def interleave(pairs: int, sides: Mapping[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """All sides in turns, A B A B …, so that whatever else the machine does hits each alike."""
    rounds = [{name: side() for name, side in sides.items()} for _ in range(pairs)]
    return {name: [costs[name] for costs in rounds] for name in sides}


def ratios(over: Sequence[Cost], under: Sequence[Cost], what: str = "cpu_s") -> list[float]:
    """Pair by pair, how many times `under` fits into `over`, by `cpu_s`, `wall_s` or `peak_mb`."""
    return [getattr(a, what) / getattr(b, what) for a, b in zip(over, under, strict=True)]


def middle(costs: Sequence[Cost], what: str = "cpu_s") -> float:
    """The median of one kind of cost."""
    return statistics.median(getattr(cost, what) for cost in costs)


def goals() -> dict[str, dict[str, Any]]:
    """By id: `script`, `most` or `least`, `unit` and `what`. They stand in goals.yaml alone."""
    scripts = yaml.safe_load((ROOT / "bench/goals.yaml").read_text(encoding="utf-8"))
    return {
        id: {"script": script, **goal}
        for script, ids in scripts.items()
        for id, goal in ids.items()
    }


def judged(id: str, values: Sequence[float], why: str = "") -> Result:
    """One entry of results.json: the median and range of `values`, and whether the goal is met."""
    goal, value = goals()[id], statistics.median(values)
    return {
        "id": id,
        "goal": goal.get("most", goal.get("least")),
        "value": round(value, 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
        "pairs": len(values),
        "met": value <= goal["most"] if "most" in goal else value >= goal["least"],
        "why": why,
    }


def main(measure: Callable[[Plan], Iterable[Result]]) -> None:
    """The command line of a measurement: print each result, and write them where asked."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs (default: 5)")
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    results = []
    for result in measure(Plan(1 if args.smoke else args.pairs, smoke=args.smoke)):
        results.append(result)
        print(line(result), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")


def line(result: Result) -> str:
    """A result as one line of text."""
    goal = goals()[result["id"]]
    return (
        f"{'✓' if result['met'] else '✗'} {result['id']}: {spread(result)}, goal {aim(goal)}; "
        f"{goal['what']}; {result['why']}"
    )


def spread(result: Result) -> str:
    """The value with its unit, and the range it was found in."""
    unit = goals()[result["id"]]["unit"]
    return f"{result['value']:.3g} {unit} ({result['low']:.3g} to {result['high']:.3g})"


def aim(goal: Mapping[str, Any]) -> str:
    """`≤ 1.15 x`."""
    sign, number = ("≤", goal["most"]) if "most" in goal else ("≥", goal["least"])
    return f"{sign} {number:g} {goal['unit']}"


def table(results: Sequence[Result]) -> str:
    """The results as Markdown."""
    head = "| id | what | value (range) | goal | met | |\n|---|---|---|---|---|---|"
    rows = [
        f"| {r['id']} | {goals()[r['id']]['what']} | {spread(r)} | {aim(goals()[r['id']])} "
        f"| {'yes' if r['met'] else '**no**'} | {r['why']} |"
        for r in results
    ]
    return "\n".join([head, *rows]) + "\n"

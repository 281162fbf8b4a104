"""Honest runs, and whether any of them is wronged: train, hand in, grade officially, many seeds.

    python -m bench.honest 01 02 --seeds 10     # what the record lacks is run, then all is shown
    python -m bench.honest                      # only show the record

Each run has a project of its own, in which lab.py is what the reference holds and counts as the
learner's own work. It goes through the commands that people use, on hidden items drawn from the
reserved rows. Forecasts and claims are filled in; see sheets.py. A run of another recipe (the
reference's code and the lab's config) is run anew.
"""

import argparse
import json
import resource
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.honest.sheets import fill_sheets
from dllab.authoring.content import recipe_of
from dllab.authoring.trial import make_project, run_dllab
from dllab.lab.find import Lab, all_labs, find_lab
from dllab.lab.project import find_root
from dllab.lab.scoring import scored_sets
from dllab.result import Result, read_result

RECORD = Path(__file__).with_name("runs.jsonl")
# The sets that have fewer reserved rows than MOST_ITEMS: 210, 110 and 397 of them.
ITEMS = {"japanese_vowels": 200, "diabetes": 100, "digits": 390}
MOST_ITEMS = 2000
HIDDEN_SEED = 20261122
GRADED = {0, 1, 3, 5}  # exit codes of `dllab grade` that are about the submission

Run = dict[str, Any]


def honest_run(lab: Lab, seed: int, hidden: Path | None, threads: int) -> Run:
    """One run from an empty project to an official grade, as a line of the record."""
    with tempfile.TemporaryDirectory(prefix="dllab-honest-") as folder:
        root = Path(folder).resolve()
        make_project(root, lab)
        code = (root / "labs" / lab.id / "_author" / "solution.py").read_bytes()
        (root / "labs" / lab.id / "lab.py").write_bytes(code)
        fill_sheets(lab, seed, root / "labs" / lab.id)
        begin = _cpu_seconds()
        words = [f"seed={seed}", "impl=mine", *([f"trainer.threads={threads}"] if threads else [])]
        _dllab(root, {0, 1}, "train", lab.number, *words)
        trained = _cpu_seconds()
        _dllab(root, {0}, "submit", lab.number, "-o", "submission.zip")
        terms = ["--official", "--json", "official.json"]
        terms += ["--hidden", str(hidden)] if hidden else []
        _dllab(root, GRADED, "grade", "submission.zip", *terms)
        (practice,) = (root / "runs").glob("*/*/result.json")
        cost = {"train_cpu_s": trained - begin, "grade_cpu_s": _cpu_seconds() - trained}
        return {
            "lab": lab.id,
            "seed": seed,
            "recipe": recipe_of(lab),
            **outcome(read_result(root / "official.json"), read_result(practice)),
            **{name: round(value, 1) for name, value in cost.items()},
        }


def outcome(result: Result, practice: Result) -> Run:
    """What an official result says of honest work, and what the curves made the report mention."""
    told = ("verdict", "reason", "passed", "score", "max_score", "evaluated_on", "backend")
    return {
        **{name: getattr(result, name) for name in told},
        "not_passed": {row.id: row.status for row in result.checks if row.status != "pass"},
        "metrics": {
            metric.name: {
                "measured": round(metric.value, 4),
                "claimed": metric.claimed_value and round(metric.claimed_value, 4),
                "asked": metric.threshold,
                "n": metric.n,
            }
            for metric in result.metrics
        },
        "findings": [f"{one.arm}: {one.rule}" for one in practice.curve_findings],
    }


def is_wronged(run: Run) -> bool:
    """Honest work that does not pass: a false fail."""
    return run["verdict"] != "graded" or not run["passed"]


def table(runs: list[Run], recipes: Mapping[str, str]) -> str:
    """A row for each lab: how many runs, how many failed or lost points, and what was flagged.

    `recipes` are those that the labs have now, by lab: runs of older ones are told apart.
    """
    head = (
        "| lab | runs | of the present recipe | false fails | points lost | needs review "
        "| curve findings | CPU-s a run |"
    )
    rows = [_row(lab, [r for r in runs if r["lab"] == lab], recipes) for lab in sorted(_labs(runs))]
    return "\n".join([head, "|---" * 8 + "|", *rows, _row("all", runs, recipes)])


def _row(name: str, runs: list[Run], recipes: Mapping[str, str]) -> str:
    cells = (
        name,
        len(runs),
        sum(run["recipe"] == recipes.get(run["lab"]) for run in runs),
        sum(map(is_wronged, runs)),
        sum(run["score"] < run["max_score"] for run in runs),
        sum(run["verdict"] == "needs_review" for run in runs),
        sum(map(len, (run["findings"] for run in runs))),
        round(sum(r["train_cpu_s"] + r["grade_cpu_s"] for r in runs) / max(len(runs), 1)),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _labs(runs: list[Run]) -> set[str]:
    return {run["lab"] for run in runs}


def read(record: Path) -> list[Run]:
    """The lines of the record; none where there is no record yet."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    return [json.loads(line) for line in lines]


def keep(record: Path, run: Run) -> None:
    """Put a run in the place of an earlier one of the same lab and seed."""
    others = [r for r in read(record) if (r["lab"], r["seed"]) != (run["lab"], run["seed"])]
    runs = sorted([*others, run], key=lambda r: (r["lab"], r["seed"]))
    record.write_text("".join(json.dumps(r) + "\n" for r in runs), encoding="utf-8")


def missing(lab: Lab, seeds: int, record: Path) -> Iterator[int]:
    """The seeds that the record does not hold for the lab as it is now."""
    recipe = recipe_of(lab)
    held = {r["seed"] for r in read(record) if (r["lab"], r["recipe"]) == (lab.id, recipe)}
    yield from (seed for seed in range(seeds) if seed not in held)


def hidden_size(lab: Lab) -> int:
    """How many items of each set a hidden set of the lab can have, a few to spare."""
    return min(ITEMS.get(name, MOST_ITEMS) for name in scored_sets(lab))


def build_hidden(lab: Lab, out: Path) -> Path | None:
    """The lab's hidden set, the same for all its runs; None where no items are scored."""
    if not scored_sets(lab):
        return None
    words = ("--size", str(hidden_size(lab)), "--seed", str(HIDDEN_SEED), "--out", str(out))
    _dllab(lab.root, {0}, "hidden", "build", lab.number, *words)
    return out


def _dllab(root: Path, fine: set[int], *words: str) -> None:
    done = run_dllab(root, *words)
    if done.returncode not in fine:
        said = f"{done.stdout}{done.stderr}"[-4000:]
        raise SystemExit(f"dllab {' '.join(words)}: exit code {done.returncode}\n{said}")


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run what is missing, keeping each run as soon as it is graded; then print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.honest", description="honest runs")
    parser.add_argument("labs", nargs="*", metavar="NN")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="0 to N - 1")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: chosen by dllab")
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FILE")
    args = parser.parse_args()
    for lab in [find_lab(find_root(), number) for number in args.labs]:
        with tempfile.TemporaryDirectory(prefix="dllab-hidden-") as folder:
            hidden = build_hidden(lab, Path(folder) / "hidden")
            for seed in missing(lab, args.seeds, args.record):
                run = honest_run(lab, seed, hidden, args.threads)
                keep(args.record, run)
                print(json.dumps(run), flush=True)
    recipes = {lab.id: recipe_of(lab) for lab in all_labs(find_root())}
    print(table(read(args.record), recipes))


if __name__ == "__main__":
    main()

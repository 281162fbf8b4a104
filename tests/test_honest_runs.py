"""The record of honest runs: resumable, and none of the runs is wronged."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dllab.authoring.content import recipe_of
from dllab.lab.find import find_lab


@pytest.fixture
def runs(repo: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is run from the repository's root."""
    monkeypatch.syspath_prepend(repo)
    return importlib.import_module("bench.honest.__main__")


def honest(lab: str, seed: int, recipe: str, **values: Any) -> dict[str, Any]:
    """A line of the record of honest runs."""
    fine = {"verdict": "graded", "passed": True, "score": 9.0, "max_score": 9.0, "findings": []}
    cost = {"train_cpu_s": 20.0, "grade_cpu_s": 4.0}
    return {"lab": lab, "seed": seed, "recipe": recipe, **fine, **cost, **values}


def test_honest_runs_go_on_where_the_record_ends(
    repo: Path, tmp_path: Path, runs: ModuleType
) -> None:
    """What was run by another recipe is run again, and takes the older run's place."""
    record, lab = tmp_path / "runs.jsonl", find_lab(repo, "01")
    for seed, recipe in ((2, recipe_of(lab)), (0, recipe_of(lab)), (1, "another")):
        runs.keep(record, honest(lab.id, seed, recipe))
    assert list(runs.missing(lab, 4, record)) == [1, 3]
    runs.keep(record, honest(lab.id, 1, recipe_of(lab)))
    assert [run["seed"] for run in runs.read(record)] == [0, 1, 2]


def test_a_wronged_run_is_counted_whatever_wronged_it(runs: ModuleType) -> None:
    wronged = [
        honest("lab01_mlp", 0, "r", passed=False, score=6.0),
        honest("lab01_mlp", 1, "r", verdict="needs_review", passed=False),
    ]
    fine = [honest("lab02_cnn", 0, "r", score=8.5), honest("lab02_cnn", 1, "r")]
    recipes = {"lab01_mlp": "r", "lab02_cnn": "newer"}
    assert runs.table([*wronged, *fine], recipes).splitlines()[2:] == [
        "| lab01_mlp | 2 | 2 | 2 | 1 | 1 | 0 | 24 |",
        "| lab02_cnn | 2 | 0 | 0 | 1 | 0 | 0 | 24 |",
        "| all | 4 | 2 | 2 | 2 | 1 | 0 | 24 |",
    ]


def test_no_recorded_honest_run_is_wronged(runs: ModuleType) -> None:
    """What docs/instructors.md promises is what the committed record shows."""
    assert [run for run in runs.read(runs.RECORD) if runs.is_wronged(run)] == []

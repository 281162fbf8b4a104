"""The measurements still run, and write what bench/results.json promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FIELDS = {"id", "goal", "value", "low", "high", "pairs", "met", "why"}


def check(results: list[dict], goals: dict[str, dict]) -> None:
    """The form of docs: `met` follows from value and goal, and the goals stand in one file."""
    for result in results:
        assert set(result) == FIELDS
        goal = goals[result["id"]]
        assert result["goal"] == goal.get("most", goal.get("least"))
        above = result["value"] >= result["goal"] if "least" in goal else None
        assert result["met"] == (result["value"] <= goal["most"] if above is None else above)
        assert result["low"] <= result["value"] <= result["high"]


@pytest.fixture
def goals(repo: Path) -> dict[str, dict]:
    scripts = yaml.safe_load((repo / "bench/goals.yaml").read_text())
    assert all((repo / f"bench/{script}.py").is_file() for script in scripts)
    return {
        id: {**goal, "script": script}
        for script, ids in scripts.items()
        for id, goal in ids.items()
    }


@pytest.mark.slow
def test_each_measurement_runs_once(repo: Path, tmp_path: Path, goals: dict[str, dict]) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--smoke", "--out", str(out)]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())["results"]
    check(results, goals)
    found = {result["id"] for result in results}
    scripts = {goal["script"] for goal in goals.values()}
    assert {goals[id]["script"] for id in found} == scripts, "one of each at least"
    assert out.with_suffix(".md").read_text() == done.stdout


def test_only_some_are_taken_and_the_others_kept(
    repo: Path, tmp_path: Path, goals: dict[str, dict]
) -> None:
    out = tmp_path / "results.json"
    kept = {"id": "P3-raw", "goal": 0.9, "value": 1, "low": 1, "high": 1, "pairs": 1}
    out.write_text(json.dumps({"results": [{**kept, "met": True, "why": "taken before"}]}))
    command = [sys.executable, "-m", "bench", "--smoke", "--only", "P4-help", "--out", str(out)]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {result["id"]: result for result in json.loads(out.read_text())["results"]}
    assert {"P4-help", "P3-raw"} <= set(found)
    assert found["P3-raw"]["why"] == "taken before"
    assert "taken before" in done.stdout

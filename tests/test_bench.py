"""The measurements still run, and write what bench/results.json promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_each_measurement_runs_once(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--pairs", "1", "--out", str(out)]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())["results"]
    fields = {"id", "goal", "value", "low", "high", "pairs", "met", "why"}
    assert all(set(result) == fields for result in results)
    assert {result["id"].partition("-")[0] for result in results} >= {"P3", "P4", "P6", "P11"}
    assert all(result["low"] <= result["value"] <= result["high"] for result in results)
    assert "| id | value |" in done.stdout

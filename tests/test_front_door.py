"""What a newcomer does first, each as a whole: train, grade, look, and go on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from training_lab import Here

from dllab.cli import main


def offline() -> list[str]:
    """A command prefix that takes the network away, where this machine lets us."""
    unshare = ["unshare", "--net"]
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], check=False).returncode == 0:
        return unshare
    return []


@pytest.mark.slow
def test_the_reference_passes_without_a_network(clone: Path) -> None:
    """From an empty cache: the lab's data is in the repository."""
    (clone / ".cache").unlink()
    command = [*offline(), sys.executable, "-m", "dllab", "train", "01", "impl=reference"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reference" in done.stdout
    (run,) = (clone / "runs").glob("lab01_*/*")
    result = json.loads((run / "result.json").read_text())
    assert result["verdict"] == "graded"
    assert result["passed"]
    assert sorted(result["manifest_completed"]) == sorted(result["manifest_expected"])
    assert result["impl"] == "reference"
    assert all(metric["source"] == "measured" for metric in result["metrics"])
    assert (run / "report.html").stat().st_size > 20_000
    assert "dllab hint" in done.stdout
    assert main(["submit", "01"]) == 2


def test_a_wrong_key_is_named_with_the_right_one(clone: Path, dllab: Here) -> None:
    code, _, stderr = dllab("train", "01", "trainer.max_epoch=1")
    assert code == 2
    assert "trainer.max_epochs" in stderr
    assert not (clone / "runs").exists()


def test_labs_are_those_of_the_folder_one_stands_in(
    clone: Path, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = clone / "labs" / "lab77_mine"
    shutil.copytree(clone / "labs" / "lab01_mlp", mine)
    monkeypatch.chdir(mine / "conf")
    assert '"77"' in dllab("list", "--json")[1]


def test_without_a_project_it_says_where_to_go(dllab: Here) -> None:
    code, _, stderr = dllab("list")
    assert code == 2
    assert "no dllab project here" in stderr

"""What a newcomer does first, each as a whole: train, grade, look, and go on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from official_lab import write_hidden
from shelf import labs_of_this_run
from training_lab import Here

from dllab import data
from dllab.cli import main
from dllab.lab.find import find_lab
from dllab.rundir.run import RunFolder, write_json

LABS = [lab.number for lab in labs_of_this_run()]


def offline() -> list[str]:
    """A command prefix that takes the network away, where this machine lets us."""
    unshare = ["unshare", "--net"]
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], check=False).returncode == 0:
        return unshare
    return []


@pytest.mark.slow
@pytest.mark.parametrize("number", LABS)
@pytest.mark.usefixtures("one_wall")
def test_the_reference_passes_its_own_lab(clone: Path, number: str) -> None:
    """From an empty cache and without a network, where the lab's data is in the repository."""
    prefix = []
    if number in ("01", "02", "03"):
        (clone / ".cache").unlink()
        prefix = offline()
    command = [*prefix, sys.executable, "-m", "dllab", "train", number, "impl=reference"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reference" in done.stdout
    (run,) = (clone / "runs").glob(f"lab{number}_*/*")
    result = json.loads((run / "result.json").read_text())
    assert result["verdict"] == "graded"
    assert result["passed"]
    assert sorted(result["manifest_completed"]) == sorted(result["manifest_expected"])
    assert result["impl"] == "reference"
    assert all(metric["source"] == "measured" for metric in result["metrics"])
    assert (run / "report.html").stat().st_size > 20_000
    assert "dllab hint" in done.stdout
    assert main(["submit", number]) == 2
    if number in ("02", "03"):  # of lab 01, tests/redteam/test_real_lab.py shows more
        assert_passes_officially(clone, RunFolder(run))


def assert_passes_officially(root: Path, run: RunFolder) -> None:
    """The same run as somebody's own work: handed in, and graded in a sandbox on hidden items."""
    lab = find_lab(root, run.lab_id)
    shutil.copy(run.code, lab.code)
    write_json(run.card, run.read_card() | {"impl": "mine"})
    hidden = root.parent / f"hidden-{lab.number}"
    for name in dict.fromkeys(lab.spec.arms[one.arm].data for one in lab.spec.criteria.values()):
        write_hidden(hidden, data.items(name, "test"), lab.id, name)
    assert main(["submit", lab.number, "-o", "ada.zip"]) == 0
    terms = ("--official", "--hidden", str(hidden), "--json", "official.json")
    assert main(["grade", "ada.zip", *terms]) == 0
    result = json.loads((root / "official.json").read_text())
    assert (result["verdict"], result["passed"]) == ("graded", True)
    assert (result["evaluated_on"], result["impl"]) == ("hidden", "mine")
    assert {metric["name"] for metric in result["metrics"]} == set(lab.spec.criteria)


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

"""What a newcomer does first, each as a whole: train, grade, look, and go on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from official_lab import write_hidden
from shelf import labs_of_this_run

from dllab import data
from dllab.lab.find import find_lab
from dllab.rundir.run import RunFolder, write_json

LABS = [lab.number for lab in labs_of_this_run()]


def dllab(
    root: Path, *words: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-m", "dllab", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def offline() -> tuple[str, ...]:
    """A command prefix that takes the network away, where this machine lets us."""
    unshare = ("unshare", "--net")
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], check=False).returncode == 0:
        return unshare
    return ()


@pytest.mark.slow
@pytest.mark.parametrize("number", LABS)
def test_the_reference_passes_its_own_lab(clone: Path, number: str) -> None:
    """From an empty cache, without a network for the labs whose data is in the repository."""
    prefix = offline() if number in ("01", "02", "03") else ()
    done = dllab(clone, "train", number, "impl=reference", prefix=prefix)
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
    assert dllab(clone, "submit", number).returncode == 2
    if number in ("02", "03"):  # of lab 01, tests/redteam/test_real_lab.py shows more
        assert_passes_officially(clone, RunFolder(run))


def assert_passes_officially(root: Path, run: RunFolder) -> None:
    """The same run as somebody's own work: handed in, and graded in a sandbox on hidden items."""
    lab = find_lab(root, run.lab_id)
    shutil.copy(run.code, lab.code)
    write_json(run.card, run.read_card() | {"impl": "mine"})
    hidden = root.parent / f"hidden-{lab.number}"
    for name in dict.fromkeys(lab.spec.arms[one.arm].data for one in lab.spec.criteria):
        write_hidden(hidden, data.items(name, "test"), lab.id, name)
    assert dllab(root, "submit", lab.number, "-o", "ada.zip").returncode == 0
    terms = ("--official", "--hidden", str(hidden), "--json", "official.json")
    done = dllab(root, "grade", "ada.zip", *terms)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((root / "official.json").read_text())
    assert (result["verdict"], result["passed"]) == ("graded", True)
    assert (result["evaluated_on"], result["impl"]) == ("hidden", "mine")
    assert {metric["name"] for metric in result["metrics"]} == {c.id for c in lab.spec.criteria}


def test_a_wrong_key_is_named_with_the_right_one(clone: Path) -> None:
    done = dllab(clone, "train", "01", "trainer.max_epoch=1")
    assert done.returncode == 2
    assert "trainer.max_epochs" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / "runs").exists()


@pytest.mark.parametrize("words", [("--help",), ("list",), ("show", "03")], ids=" ".join)
def test_looking_around_costs_nothing(clone: Path, words: tuple[str, ...]) -> None:
    """No heavy module is imported: that, unlike a duration, is the same on every machine."""
    code = (
        "import sys; from dllab.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'numpy', 'hydra', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_labs_are_those_of_the_folder_one_stands_in(clone: Path) -> None:
    shutil.copytree(clone / "labs" / "lab01_mlp", clone / "labs" / "lab77_mine")
    below = clone / "labs" / "lab77_mine" / "conf"
    listed = json.loads(dllab(below, "list", "--json").stdout)
    assert "77" in json.dumps(listed)


def test_without_a_project_it_says_where_to_go(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DLLAB_ROOT"}
    done = subprocess.run(
        [sys.executable, "-m", "dllab", "list"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no dllab project here" in done.stderr

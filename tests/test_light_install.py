"""What `pip install dllab` alone brings is enough to learn, to grade in practice and to author; the
packages of an extra are asked for by name, where they are needed and nowhere else.

The environments here hold hard links to this one's packages, those that pip would install and no
others: so what is missing is truly missing, in every process that is started.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from authoring_labs import REPO, make_root, write_kind
from environments import brought_by, environment, install

pytestmark = [pytest.mark.slow, pytest.mark.in_turns]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
TRACKERS = {"mlflow-skinny", "tensorboard", "wandb"}
OPTIONAL = {"cryptography", "datasets", "matplotlib", "optuna", "pytest", *TRACKERS}
LOAD = """
from dllab.data import load
print(load("japanese_vowels", "test")["series"].shape[0])
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds dllab and its base packages."""
    return environment(tmp_path_factory.mktemp("light"), brought_by("dllab"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a lab whose reference is written and trains in a second."""
    made = make_root(tmp_path_factory.mktemp("light") / "project")
    (made / "data").symlink_to(REPO / "data")
    lab = write_kind(made, "control")
    shutil.copyfile(lab.solution, lab.code)
    return made


@pytest.fixture
def run(light: Path, root: Path) -> Run:
    """`dllab WORDS` in the light environment."""

    def dllab(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [light, "-m", "dllab", *words], cwd=root, capture_output=True, text=True, check=False
        )

    return dllab


def test_the_base_holds_none_of_the_optional_packages() -> None:
    assert not brought_by("dllab") & OPTIONAL
    assert brought_by("dllab[grade]") & OPTIONAL == {"cryptography"}
    assert brought_by("dllab[dev]") >= OPTIONAL


def test_a_learner_trains_and_hands_in(run: Run, root: Path) -> None:
    done = run("train", "90")
    assert done.returncode == 0, done.stderr
    [page] = root.glob("runs/*/*/report.html")
    assert "The curves are drawn where matplotlib is installed" in page.read_text()
    assert run("submit", "90", "-o", "ada.zip").returncode == 0


def test_data_is_read_without_datasets(light: Path, root: Path) -> None:
    """From the committed parquet files: the cache of decoded tensors is empty."""
    done = subprocess.run([light, "-c", LOAD], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "160"
    assert list(root.glob(".cache/data/*.safetensors"))


def test_a_lab_is_proved(run: Run) -> None:
    done = run("doctor", "90", "--fast", "--json")
    [lab] = json.loads(done.stdout)["labs"]
    assert [fault["rule"] for fault in lab["faults"]] == ["starter"], "lab.py is written here"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "90", "logger=wandb"], "logger=wandb needs the package wandb"),
        (["train", "90", "logger=[csv,mlflow]"], "logger=mlflow needs the package mlflow"),
        (["search", "90"], "dllab search needs the package optuna"),
        (["grade", "ada.zip", "--official"], "signing a grade needs the package cryptography"),
        (["verify", "grade.json", "--key", "pub"], "a signature needs the package cryptography"),
    ],
)
def test_what_needs_more_says_so(run: Run, root: Path, words: list[str], said: str) -> None:
    (root / "grade.json").write_text("{}")
    done = run(*words)
    assert done.returncode == 2, done
    assert said in done.stderr
    assert "pip install 'dllab[" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_grading_worker_needs_one_package_more(run: Run, root: Path, light: Path) -> None:
    """What the first test here handed in; last in this file, since what is installed stays."""
    [site] = light.parents[1].glob("lib/*/site-packages")
    install(site, brought_by("dllab[grade]"))
    done = run("grade", "ada.zip", "--official", "--json", "grade.json")
    assert done.returncode == 0, done.stderr
    grade = json.loads((root / "grade.json").read_text())
    assert (grade["score"], len(grade["signature"])) == (100, 128)
    key = Path.home() / ".config/dllab/grader.pub"
    assert run("verify", "grade.json", "--key", str(key)).returncode == 0

"""Every lab of the shelf is sound: its texts are read here, what its code does is proved on record.

A new lab joins by being there; nothing in this file names one.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from sample import LABS, REPO, TURNS, labs_of_this_run, long_first, sample, taken_in_turns

from dllab.authoring.doctor import diagnose
from dllab.authoring.notebook import make_notebook
from dllab.authoring.proved import unproved
from dllab.authoring.rules import ALL as NEEDS
from dllab.authoring.rules import Needs
from dllab.lab.find import Lab, all_labs, finished_labs

WHOLE = labs_of_this_run()
LAB_YAML = "{title: x, summary: x, level: beginner, pass_score: 0.7, exports: [f], draft: %s}\n"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the project itself, whose labs are forgotten afterwards."""
    monkeypatch.chdir(REPO)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "labs":
            del sys.modules[name]


def faults(lab: Lab, *needs: Needs) -> str:
    """What the doctor says of a lab."""
    [found] = diagnose([lab], needs=needs)
    return "\n".join(f"{one.rule}: {one.message}\n  -> {one.remedy}" for one in found.faults)


@pytest.mark.parametrize("lab", all_labs(REPO), ids=lambda lab: lab.id)
def test_the_texts_of_a_lab_are_sound(lab: Lab) -> None:
    assert not faults(lab, "text")


@pytest.mark.parametrize("lab", finished_labs(REPO), ids=lambda lab: lab.id)
def test_a_lab_is_proved_as_it_is(lab: Lab) -> None:
    stale = " and ".join(unproved(lab))
    assert not stale, f"labs/proved.json does not prove its {stale}: dllab doctor {lab.number}"


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of training, beside other tests
@pytest.mark.filterwarnings("default")  # as where learners' code runs
@pytest.mark.parametrize("lab", WHOLE, ids=lambda lab: lab.id)
def test_a_lab_is_sound(lab: Lab) -> None:
    """Whole, as `dllab doctor` proves it: mutants, a training, an official grade."""
    assert not faults(lab, *NEEDS)


@pytest.mark.parametrize("lab", WHOLE, ids=lambda lab: lab.id)
def test_a_lab_makes_a_valid_notebook_with_all_its_tasks(lab: Lab) -> None:
    notebook = nbformat.reads(make_notebook(lab), as_version=4)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert all(f'desk.check("{task}")' in code for task in lab.spec.hints)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    readme = (lab.folder / "README.md").read_text(encoding="utf-8")
    assert [line for line in readme.splitlines() if line.strip() and line not in text] == []


# --- which labs a run of the tests takes whole ----------------------------------------------------


def test_a_run_takes_few_labs_and_in_the_end_all() -> None:
    labs = list(range(1, 61))
    turns = [sample(labs, turn, LABS) for turn in range(len(labs) // LABS)]
    assert all(len(turn) == LABS for turn in turns)
    assert {lab for turn in turns for lab in turn} == set(labs)
    assert sample(labs, 1, LABS, changed=[60])[-1] == 60
    assert len(sample(labs, 3, LABS, changed=labs)) == LABS, "when all change it is as few"
    assert sample(labs[:LABS], 7, LABS + 1) == labs[:LABS]


def test_a_changed_lab_is_taken_and_without_history_the_first_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def taken() -> list[str]:
        return [lab.number for lab in labs_of_this_run(tmp_path)]

    monkeypatch.delenv("DLLAB_TEST_ALL", raising=False)
    numbers = [f"{number:02}" for number in range(1, 3 * LABS + 1)]
    for number in numbers:
        (tmp_path / f"labs/lab{number}_x").mkdir(parents=True)
        (tmp_path / f"labs/lab{number}_x/lab.yaml").write_text(LAB_YAML % "false")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert taken() == numbers[:LABS]
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "labs")
    git("commit", "-qm", "nothing", "--allow-empty")
    assert taken() == numbers[2 * LABS :]
    (tmp_path / "labs/lab01_x/lab.yaml").write_text(LAB_YAML % "no")
    (tmp_path / "labs/lab02_x/README.md").write_text("new")
    assert set(taken()) <= {"01", "02"}
    assert len(taken()) == LABS
    (tmp_path / "labs/lab03_x/lab.yaml").write_text(LAB_YAML % "true")
    assert "03" not in taken(), "a draft"
    monkeypatch.setenv("DLLAB_TEST_ALL", "1")
    assert taken() == [number for number in numbers if number != "03"]


def test_what_takes_turns_comes_in_the_end_and_at_once_when_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"rev-list": "0", "diff": "", "ls-files": ""}
    monkeypatch.setattr("sample._git", lambda _root, word, *_words: said[word])
    monkeypatch.delenv("DLLAB_TEST_ALL", raising=False)
    tests = [f"tests/test_{letter}.py::test_it" for letter in "abcdefghij"]
    taken = set()
    for turn in range(TURNS):
        said["rev-list"] = str(turn)
        taken |= (now := taken_in_turns(tests))
        assert len(now) == -(-len(tests) // TURNS)
    assert taken == set(tests)
    said["diff"] = "tests/test_j.py"
    assert tests[-1] in taken_in_turns(tests)


def test_what_takes_long_comes_first_and_a_file_that_shares_something_keeps_its_order() -> None:
    tests = ["a1", "b1", "b2", "B3", "c1", "d1", "D2"]
    ordered = long_first(tests, lambda test: test[0].lower(), str.isupper)
    assert ordered == ["b1", "b2", "B3", "d1", "D2", "a1", "c1"]

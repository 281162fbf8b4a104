"""Every lab of the shelf proves itself, as `dllab doctor` does, but for the training.

A new lab joins by being there; nothing in this file names one.
"""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from shelf import CORE, SHARES, labs_of_this_run, share_of

from dllab.authoring.doctor import LOADS, RULES, Diagnosis, diagnose
from dllab.authoring.rules import FAST
from dllab.lab.find import Lab

NEEDS = (*FAST, "mutation")
LABS = labs_of_this_run()


@pytest.fixture(autouse=True)
def _forget_the_room():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "labs":
            del sys.modules[name]


@functools.cache
def diagnosis_of(lab: Lab) -> Diagnosis:
    [diagnosis] = diagnose([lab], needs=NEEDS)
    return diagnosis


@pytest.mark.parametrize("rule", [LOADS, *(rule.id for rule in RULES if rule.needs in NEEDS)])
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_a_lab_is_sound(lab, rule):
    faults = [fault for fault in diagnosis_of(lab).faults if fault.rule == rule]
    told = "\n".join(f"{fault.message}\n  -> {fault.remedy}" for fault in faults)
    assert not faults, f"{rule}\n{told}"


# --- which labs a run of the tests proves ---------------------------------------------------------


def test_the_core_always_runs_and_every_other_lab_has_its_turn():
    labs = [Lab(Path(), Path(f"lab{number:02}_x")) for number in range(1, 20)]
    shares = [{lab.id for lab in share_of(labs, turn, [])} for turn in range(SHARES)]
    core = {lab.id for lab in labs[:CORE]}
    assert all(core <= share < {lab.id for lab in labs} for share in shares)
    assert set.union(*shares) == {lab.id for lab in labs}
    assert "lab09_x" in {lab.id for lab in share_of(labs, 0, ["lab09_x"])}


def test_a_changed_lab_runs_and_without_history_all_do(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def chosen():
        return [lab.number for lab in labs_of_this_run(tmp_path)]

    monkeypatch.delenv("DLLAB_TEST_ALL", raising=False)
    for number in (7, 8, 9, 10):
        (tmp_path / f"labs/lab{number:02}_x").mkdir(parents=True)
        (tmp_path / f"labs/lab{number:02}_x/lab.yaml").touch()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert chosen() == ["07", "08", "09", "10"]
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "labs")
    git("commit", "-qm", "nothing", "--allow-empty")
    assert chosen() == ["10"]  # two commits: those that leave 2 when divided by 4
    (tmp_path / "labs/lab07_x/lab.yaml").write_text("changed")
    (tmp_path / "labs/lab08_x/README.md").write_text("new")
    assert chosen() == ["07", "08", "10"]
    monkeypatch.setenv("DLLAB_TEST_ALL", "1")
    assert chosen() == ["07", "08", "09", "10"]

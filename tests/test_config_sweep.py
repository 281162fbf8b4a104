"""`-m`: one run per combination, through Hydra's own sweeper and launcher."""

import json
import os
import sys
from pathlib import Path

import pytest
from config_lab import ARMS, TINY, make_root, write_lab

from dllab.config.sweep import multirun
from dllab.errors import LabError

REPO = Path(__file__).resolve().parent.parent


def note(root: Path, lab_id: str, overrides: list[str]) -> int:
    """A run that only writes down what it was asked to do."""
    if "model.lr=13" in overrides:
        raise LabError("thirteen brings bad luck", "take another rate")
    with (root / "noted").open("a", encoding="utf-8") as file:
        file.write(json.dumps([lab_id, overrides]) + "\n")
    return 130 if "seed=130" in overrides else 0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = make_root(tmp_path / "it's a (project), = here", REPO)
    monkeypatch.chdir(project)
    return project


def noted(root: Path) -> list[list[str]]:
    path = root / "noted"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)[1] for line in lines]


def test_every_combination_is_run(root: Path) -> None:
    before = list(sys.argv), dict(os.environ)
    lab = write_lab(root, "lab90_tiny", TINY)
    assert multirun(lab, ["model.lr=0.1,0.2", "data=small,full", "debug=fast"], note) == 0
    assert noted(root) == [
        [f"model.lr={lr}", f"data={data}", "debug=fast"]
        for lr in ("0.1", "0.2")
        for data in ("small", "full")
    ]
    assert (list(sys.argv), dict(os.environ)) == before
    assert not (root / "outputs").exists()
    assert not (root / "multirun").exists()
    assert [path.name for path in (root / "runs/lab90_tiny").iterdir()] == ["sweeps"]


@pytest.mark.in_turns
def test_the_keys_of_arms_can_be_swept(root: Path) -> None:
    lab = write_lab(root, "lab91_arms", ARMS)
    multirun(lab, ["arm=vowels", "model.cell=gru,lstm"], note)
    multirun(lab, ["arm=vowels,chars"], note)
    multirun(lab, ["data.batch_size=8,16"], note)
    assert noted(root) == [
        ["arm=vowels", "model.cell=gru"],
        ["arm=vowels", "model.cell=lstm"],
        ["arm=vowels"],
        ["arm=chars"],
        ["data.batch_size=8"],
        ["data.batch_size=16"],
    ]


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("model.lr=0.1,abc", "model.lr=abc: expected a number"),
        ("model.hiden=1,2", "model.hiden=1: there is no such key"),
        ("data=small,fall", "there is no choice 'fall' for data"),
        ("hydra/launcher=nosuch", "Could not find 'hydra/launcher/nosuch'"),
    ],
)
def test_a_mistake_is_told_before_the_first_run(root: Path, override: str, what: str) -> None:
    with pytest.raises(LabError) as caught:
        multirun(write_lab(root, "lab90_tiny", TINY), [override, "seed=1,2"], note)
    assert what in caught.value.what
    assert noted(root) == []


def test_one_failing_run_does_not_stop_the_others(root: Path) -> None:
    with pytest.raises(LabError, match="thirteen brings bad luck"):
        multirun(write_lab(root, "lab90_tiny", TINY), ["model.lr=13,0.1"], note)
    assert noted(root) == [["model.lr=0.1"]]


@pytest.mark.in_turns
def test_ctrl_c_ends_the_whole_sweep(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        multirun(write_lab(root, "lab90_tiny", TINY), ["seed=130,1"], note)
    assert noted(root) == [["seed=130"]]

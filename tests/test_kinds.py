"""A lab of every kind goes the whole way: shown, trained, handed in, graded, proved, released."""

import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from authoring_labs import KINDS, REPO, dllab_forked, make_root, write_kind
from safetensors.torch import save_file
from sheets import fill_in

from dllab.authoring.release import choose_labs, release
from dllab.cli import main
from dllab.errors import InfraError
from dllab.grading.grade import grade_run
from dllab.grading.items import PublicTest
from dllab.lab.find import Lab
from dllab.lab.scoring import scored_sets
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import BACKENDS, Backend


@pytest.fixture
def root(tmp_path: Path, warm: Backend, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with what a release needs, and one warm backend for all commands.

    Everything runs in this process or its forks, and what runs without a wall, behind that one:
    each interpreter that does not start saves the seconds in which it would import torch.
    """
    monkeypatch.setattr("dllab.authoring.trial.run_dllab", dllab_forked)
    monkeypatch.setattr("dllab.sandbox.warm.Warm", lambda _lab: nullcontext(warm))
    monkeypatch.setitem(BACKENDS, "none", lambda: warm)
    made = make_root(tmp_path / "project")
    (made / "configs").unlink()  # one choice a group will do: test_config.py has them all
    others = (
        "*_cpu*",
        "ddp*",
        "fsdp*",
        "gpu*",
        "slurm*",
        "tpu*",
        "overfit*",
        "profile*",
        "w*",
        "ten*",
    )
    shutil.copytree(REPO / "configs", made / "configs", ignore=shutil.ignore_patterns(*others))
    for name in ("src", "Makefile"):
        (made / name).symlink_to(REPO / name)
    (made / "data").mkdir()
    monkeypatch.chdir(made)
    return made


def test_the_authors_page_names_every_kind() -> None:
    page = (REPO / "docs/authors.md").read_text()
    table = page.partition("| in tests/kinds |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`(\w+)`", table)) == [*KINDS]


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The number of training batches")  # Lightning's, of tiny sets
@pytest.mark.parametrize("kind", KINDS)
def test_a_lab_goes_the_whole_way(
    root: Path, kind: str, warm: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = write_kind(root, kind)
    starter = lab.code.read_bytes()
    assert main(["list"]) == main(["show", "90"]) == 0
    assert lab.spec.title in capsys.readouterr().out
    assert main(["doctor", "90"]) == 0, capsys.readouterr().out
    assert "100%" in capsys.readouterr().out

    shutil.copyfile(lab.solution, lab.code)
    assert main(["train", "90"]) == 0, capsys.readouterr()
    if lab.spec.sheets:
        assert main(["draw", "90"]) == 0
        fill_in(lab, warm)
        assert main(["grade", "90", "--json", "practice.json"]) == 0
        assert status_of_formats("practice.json") == {"pass"}
    assert main(["submit", "90", "-o", "ada.zip"]) == 0
    official = ["grade", "ada.zip", "--official", "--json", "official.json"]
    if scored_sets(lab):
        hidden = str(root.parent / "hidden")
        assert main(["hidden", "build", "90", "--size", "60", "--seed", "1", "--out", hidden]) == 0
        official += ["--hidden", hidden]
    assert main(official) == 0, capsys.readouterr()
    result = json.loads(Path("official.json").read_text())
    assert (result["mode"], result["score"], result["max_score"]) == ("official", 100, 100)
    assert result["evaluated_on"] == ("hidden" if scored_sets(lab) else "public-test")

    lab.code.write_bytes(starter)
    out = root.parent / "copy"
    release(root, choose_labs(root, "90"), out)
    assert dllab_forked(out, "train", "90").returncode == 1
    assert not list(out.rglob("_author"))
    if lab.spec.formats:
        assert not [name for name in lab.spec.sheets if list(out.rglob(name))]
        assert dllab_forked(out, "draw", "90").returncode == (0 if lab.spec.sheets else 2)
        watched, shown = (
            dllab_forked(out, *words) for words in (("watch", "90", "--once"), ("show", "90"))
        )
        assert (watched.returncode, shown.returncode) == (1, 0)
        [criterion] = lab.spec.formats.values()
        for told in (watched, shown):
            assert f" {criterion.title}" in told.stdout.replace(lab.spec.title, "")


def status_of_formats(path: str) -> set[str]:
    rows = json.loads(Path(path).read_text())["checks"]
    return {row["status"] for row in rows if row["kind"] == "format"}


def trained(root: Path, kind: str, weights: dict[str, torch.Tensor]) -> tuple[Lab, RunFolder]:
    """A run of the reference as it lies after a training that ended with these weights."""
    lab = write_kind(root, kind)
    run = RunFolder.create(root, lab.id)
    shutil.copyfile(lab.solution, run.code)
    run.config.write_text(yaml.safe_dump({"lab": lab.id, "impl": "mine", "arms": {"main": {}}}))
    run.arm("main").path.mkdir(parents=True)
    save_file(weights, run.arm("main").weights)
    return lab, run


CART = {"policy.weight": torch.tensor([[-1.0, -1.5]])}


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def graded(lab: Lab, run: RunFolder, wall: Backend) -> dict[str, Any]:
    return grade_run(lab, run, mode="official", backend=wall, source=PublicTest(), seed=1).result


def row_of(lab: Lab, run: RunFolder, wall: Backend, id: str = "rest") -> dict[str, Any]:
    [row] = [row for row in graded(lab, run, wall).checks if row.id == id]
    return row


def test_the_scorer_plays_with_the_weights_handed_in(root: Path, warm: Backend) -> None:
    lab, run = trained(root, "control", CART)
    result = graded(lab, run, warm)
    assert (result.verdict, result.score) == ("graded", 100)
    [metric] = result.metrics
    assert (metric.name, metric.n, metric.direction) == ("rest", 500, "max")
    assert 0.87 < metric.value <= metric.ci95[1]
    save_file({"policy.weight": torch.tensor([[1.0, 1.5]])}, run.arm("main").weights)
    row = row_of(lab, run, warm)
    assert (row.status, row.points) == ("fail", 0)
    assert "expected ≥ 0.87, got -" in row.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("raise RuntimeError('stuck')", "RuntimeError: stuck"),
        ("return self.policy(observations)", "act: expected shape [500], got [500, 1]"),
        ("return torch.full((len(observations),), float('nan'))", "must be finite"),
        ("return 'left'", "expected a plain tensor, got str"),
        ("import os; os._exit(0)", "ended the process"),
    ],
)
def test_a_model_that_cannot_be_played_is_told_why(
    root: Path, warm: Backend, answer: str, said: str
) -> None:
    lab, run = trained(root, "control", CART)
    begin = "        # BEGIN SOLUTION act"
    edited(run.code, begin, f"        if len(observations) == 500:\n            {answer}\n{begin}")
    row = row_of(lab, run, warm)
    assert row.status == "fail"
    assert said in row.message


def test_weights_that_do_not_fit_or_are_not_there_are_told(root: Path, warm: Backend) -> None:
    lab, run = trained(root, "generative", {"shift": torch.zeros(1)})
    assert "critic.weight is missing" in row_of(lab, run, warm, "distance").message
    run.arm("main").weights.unlink()
    assert "stopped before its arm main" in row_of(lab, run, warm, "distance").message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('@play("rest"', '@play("resting"', "there is no play 'rest'"),
        ("rand(500, 2, generator=rng)", "rand(500, 2, generator=rgn)", "failed, not your code"),
    ],
)
def test_a_play_that_is_wrong_is_the_labs_fault(
    root: Path, warm: Backend, old: str, new: str, said: str
) -> None:
    lab, run = trained(root, "control", CART)
    edited(lab.folder / "checks.py", old, new)
    with pytest.raises(InfraError, match=said):
        graded(lab, run, warm)

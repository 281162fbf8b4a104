"""A lab of every kind goes the whole way: shown, trained, handed in, graded, proved, released."""

import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
import yaml
from authoring_labs import KINDS, REPO, dllab_forked, make_root, write_kind
from safetensors.torch import save_file
from sheets import fill_in

from dllab.authoring.release import choose_labs, release
from dllab.checks import exhibits
from dllab.cli import main
from dllab.errors import InfraError, LabError
from dllab.grading.grade import grade_run
from dllab.grading.items import PublicTest
from dllab.grading.official import Terms, grade_archive
from dllab.lab.find import Lab
from dllab.lab.scoring import scored_sets
from dllab.rundir.dreams import read_dreams
from dllab.rundir.run import RunFolder
from dllab.sandbox.backends import BACKENDS, Backend, find_backend
from dllab.submission.pack import pack


@pytest.fixture
def root(tmp_path: Path, warm: Backend, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with what a release needs, and one warm backend for all commands.

    Everything runs in this process or its forks, and what runs without a wall, behind that one:
    each interpreter that does not start saves the seconds in which it would import torch.
    """
    monkeypatch.setattr("dllab.authoring.trial.run_dllab", dllab_forked)
    monkeypatch.setattr("dllab.sandbox.warm.Warm", lambda _lab: nullcontext(warm))
    in_place = Mock(return_value=warm, official=False)  # of a class of walls
    monkeypatch.setitem(BACKENDS, "none", in_place)
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
    for name in ("bubblewrap", "landlock"):
        graded_behind(name, lab, root.parent / "hidden")

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


def graded_behind(name: str, lab: Lab, hidden: Path) -> None:
    """The same archive has the same points behind another wall, or is no wall for such a lab."""
    if (wall := find_backend(name)).problem():
        return
    terms = Terms(lab.root, wall, "official", hidden if scored_sets(lab) else None)
    result = grade_archive(Path("ada.zip"), terms)
    if lab.spec.budgets.sockets and name == "landlock":
        assert (result.verdict, "sockets" in result.reason) == ("infra_error", True)
        return
    assert (result.verdict, result.score) == ("graded", 100), (name, result)


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


BEFORE = "    state = 2 * torch.rand(500, 2, generator=rng) - 1\n"
COUNTED = """
    counts = [player.act(torch.zeros(3, 2)), player.act(torch.zeros(3, 2))]
    player.forget()
    return torch.cat([*counts, player.act(torch.zeros(3, 2))])
"""


def test_a_play_can_ask_a_model_that_remembers_nothing(root: Path, warm: Backend) -> None:
    lab, run = trained(root, "control", CART)
    begin = "        # BEGIN SOLUTION act"
    count = "self.asked = getattr(self, 'asked', 0) + 1"
    answer = "return torch.full((len(observations),), float(self.asked))"
    edited(run.code, begin, f"        {count}\n        {answer}\n{begin}")
    edited(lab.folder / "checks.py", BEFORE, COUNTED + BEFORE)
    [metric] = graded(lab, run, warm).metrics
    assert metric.value == pytest.approx((1 + 2 + 1) / 3)


def test_what_a_play_does_not_allow_is_told_in_its_own_words(root: Path, warm: Backend) -> None:
    lab, run = trained(root, "control", CART)
    begin = "        # BEGIN SOLUTION act"
    edited(run.code, begin, f"        return torch.full((len(observations),), 9.0)\n{begin}")
    foul = (
        "    if (player.act(torch.zeros(3, 2)) > 1).any():\n        raise ValueError('too hard')\n"
    )
    edited(lab.folder / "checks.py", BEFORE, foul + BEFORE)
    row = row_of(lab, run, warm)
    assert (row.status, row.points) == ("fail", 0)
    assert row.message.endswith("ends the play: too hard")


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


def test_a_model_dreams_in_the_report_the_same_for_the_same_seed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = trained(root, "control", CART)
    assert main(["dream", "90"]) == 0
    shown = capsys.readouterr().out
    assert "One cart that starts anywhere" in shown
    assert "step 6" in shown
    kept, page = run.dream.read_bytes(), run.report.read_text()
    assert page.count("data:image/png;base64,") == page.count("<circle ") == 6
    assert "<th>speed</th>" in page
    assert main(["dream", run.id]) == 0
    assert run.dream.read_bytes() == kept
    assert main(["dream", "90", "--seed", "1"]) == 0
    assert run.dream.read_bytes() != kept


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("raise RuntimeError('asleep')", "asleep"),
        ("return self.policy(observations)", "act: expected shape [1], got [1, 1]"),
        ("import os; os._exit(0)", "ended the process"),
    ],
)
def test_a_dream_that_fails_says_why_and_costs_nothing(
    root: Path, answer: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = trained(root, "control", CART)
    begin = "        # BEGIN SOLUTION act"
    dreaming = "len(observations) == 1 and observations.abs().max() < 1.5"
    edited(run.code, begin, f"        if {dreaming}:\n            {answer}\n{begin}")
    assert main(["dream", "90"]) == 1
    assert said in capsys.readouterr().out
    assert said in run.report.read_text()


def test_a_practice_grade_keeps_the_dream_and_an_official_one_has_none(
    root: Path, warm: Backend
) -> None:
    lab, run = trained(root, "control", CART)
    practice = grade_run(lab, run, mode="practice", backend=warm, source=PublicTest(), seed=1)
    assert [len(one.exhibits) for one in practice.dreams] == [3]
    official = grade_run(lab, run, mode="official", backend=warm, source=PublicTest(), seed=1)
    assert official.dreams == ()


def test_a_submission_dreams_behind_the_wall_onto_a_page(root: Path) -> None:
    lab, run = trained(root, "control", CART)
    run.card.write_text('{"impl": "mine", "status": "finished"}')
    run.arm("main").curve.write_text("")
    shutil.copyfile(run.code, lab.code)
    pack(lab, run, root / "ada.zip")
    assert main(["dream", "ada.zip", "--out", "ada.html"]) == 0
    page = (root / "ada.html").read_text()
    assert "ada.zip" in page
    assert page.count("<circle ") == 6
    assert not run.dream.exists()


def test_a_lab_without_dreams_and_a_damaged_dream_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = trained(root, "generative", {"shift": torch.zeros(1)})
    assert main(["dream", run.id]) == 2
    assert "declares no dream" in capsys.readouterr().err
    run.dream.write_text('[{"title": 3}]')
    with pytest.raises(LabError, match="damaged"):
        read_dreams(run)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: exhibits.text("t", 5000 * "a"), "t: 5000 characters, and at most 4000"),
        (lambda: exhibits.pictures("t", torch.zeros(2, 5, 5)), r"not \[2, 5, 5\]"),
        (lambda: exhibits.pictures("t", torch.zeros(2, 1, 5, 5), ["one"]), "1 captions for 2"),
        (lambda: exhibits.table("t", ["a", "b"], [[1]]), "another length than the header"),
        (lambda: exhibits.points("t", torch.zeros(5000, 2)), "5000 points"),
    ],
)
def test_an_exhibit_is_bounded_and_says_what_is_wrong_with_it(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()

"""What a learner meets between two trainings; tests are named after the trials' faults."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import report_runs
import yaml
from training_lab import Project

from dllab.cli import main
from dllab.grading.code_checks import check_code
from dllab.grading.draws import Draws
from dllab.lab.find import find_lab
from dllab.report.advice import steps_after, stronger
from dllab.report.board.content import Board
from dllab.report.html import write_report
from dllab.rundir.choice import choose_run
from dllab.rundir.run import RunFolder, changes, write_json, write_text
from dllab.sandbox.backends import find_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.training.callbacks import EpochBar

LAB = report_runs.LAB


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = report_runs.make_project(tmp_path)
    monkeypatch.chdir(made)
    return made


def write_run(
    root: Path,
    day: int,
    *overrides: str,
    accuracy: float | None = 0.8,
    passed: bool = False,
    **card: Any,
) -> RunFolder:
    """A run of November 2026 as training and grading leave it; ungraded without an accuracy."""
    run = RunFolder(root / "runs" / LAB / f"202611{day:02}T101500Z-{day:06x}")
    arms = {"clothes": {"seed": 0, "model": {"lr": 0.1}}}
    content = {"lab": LAB, "impl": "mine", "overrides": list(overrides), "arms": arms}
    write_text(run.config, yaml.safe_dump(content, sort_keys=False))
    write_text(run.code, (root / "labs" / LAB / "lab.py").read_text())
    facts = {"run": run.id, "overrides": list(overrides), **card}
    write_json(run.card, report_runs.CARD | facts)
    if accuracy is not None:
        row = {"id": "accuracy", "title": "Accuracy on clothes", "kind": "metric"}
        row |= {"status": "partial", "points": 15, "max_points": 30}
        metric = {"name": "accuracy", "value": accuracy, "threshold": 0.79, "floor": 0.6}
        result = {"schema": "dllab.result/1", "submission": {"lab": LAB}, "verdict": "graded"}
        result |= {"run": run.id, "passed": passed, "score": 20, "max_score": 45}
        write_json(run.result, {**result, "checks": [row], "metrics": [metric]})
    return run


def test_a11_an_experiment_is_told_beside_the_last_full_run(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = write_run(root, 20, accuracy=0.8, passed=True)
    write_run(root, 21, "model.lr=1", accuracy=0.4)
    run = write_run(root, 22, "arm=clothes", "model.lr=0.3", accuracy=0.75)
    assert main(["runs", "show", run.id]) == 0
    told = capsys.readouterr().out
    assert "experiment  20 of 45 points" in told
    assert "tried    arm=clothes model.lr=0.3" in told
    assert f"the last full run, {full.id}" in told
    assert "Accuracy on clothes 0.750; 0.800, now -0.05" in told
    assert "not passed" not in told
    assert "a pass needs" not in told


def test_a11_an_experiment_of_a_first_day_is_told_to_have_no_full_run(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(root, 22, "model.lr=0.3")
    assert main(["runs", "show", run.id]) == 0
    assert "no full run is graded yet: make lab-90" in capsys.readouterr().out


def test_a11_only_what_changes_the_learning_makes_an_experiment() -> None:
    assert (
        changes(["hardware=gpu", "logger=wandb", "wandb.project=x", "trainer.threads=1", "seed=1"])
        == ()
    )
    assert changes(["impl=mine", "+model.width=3", "arm=a"]) == ("+model.width=3", "arm=a")


@pytest.mark.in_turns
def test_a11_grading_an_experiment_ends_well(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / "labs" / LAB
    (folder / "lab.yaml").write_text(CODE_LAB)
    (folder / "checks.py").write_text(CHECKS)
    full, tried = write_run(root, 20), write_run(root, 21, "trainer.max_epochs=3")
    assert main(["grade", full.id]) == 1
    assert "not passed  0 of 5 points" in capsys.readouterr().out
    assert main(["grade", tried.id]) == 0
    told = capsys.readouterr().out
    assert "experiment  0 of 5 points" in told
    assert "make lab-90" in told
    assert json.loads(tried.result.read_text())["passed"] is False
    assert '<span class="chip skip">experiment</span>' in tried.report.read_text()


def test_a12_each_row_says_what_was_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(root, 20, passed=True)
    write_run(root, 21, "arm=clothes", "model.lr=0.3")
    assert main(["runs"]) == 0
    _, tried, full = capsys.readouterr().out.splitlines()
    assert tried.endswith("arm=clothes model.lr=0.3")
    assert "experiment" in tried
    assert "passed" in full
    answer = Board(root).runs()
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    assert [row["tried"] for row in rows] == [True, False]
    assert list(rows[0]["overrides"]) == ["arm=clothes", "model.lr=0.3"]


def test_a12_an_arm_that_one_run_lacks_is_one_line_not_eighty(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run(root, 20), write_run(root, 21, "arm=clothes", "model.lr=0.3")
    config = a.read_config()
    config["arms"]["vowels"] = {"model": {f"key{i}": i for i in range(80)}}
    write_text(a.config, yaml.safe_dump(config, sort_keys=False))
    write_json(a.card, a.read_card() | {"seeds": {"clothes": 0, "vowels": 0}, "threads": 2})
    assert main(["runs", "compare", a.id, b.id]) == 0
    told = capsys.readouterr().out
    assert "unset" not in told
    assert "key3" not in told
    assert re.search(r"overrides +none +arm=clothes model.lr=0.3", told)
    assert re.search(r"trained +clothes, vowels +clothes", told)
    assert re.search(r"threads +2 +1", told)
    assert Board(root).compare([a.id, b.id])["config"] == [
        {"key": "overrides", "values": ["none", "arm=clothes model.lr=0.3"]},
        {"key": "trained", "values": ["clothes, vowels", "clothes"]},
    ]


def stopped(root: Path, day: int) -> RunFolder:
    return write_run(root, day, accuracy=None, status="interrupted")


def test_a10_the_run_that_is_meant_is_whole_and_of_this_code(root: Path) -> None:
    old = write_run(root, 20)
    assert choose_run(root, "90").run == old
    (root / "labs" / LAB / "lab.py").write_text("x = 2\n")
    assert "has changed since" in choose_run(root, "90").why
    resumable = stopped(root, 21)
    assert f"--resume {resumable.id}" in choose_run(root, "90").why
    write_run(root, 22, "arm=clothes")
    experiment = write_run(root, 23, "model.lr=1")
    write_run(root, 24, "arm=clothes")
    assert choose_run(root, "90").run == experiment
    assert "an experiment" in choose_run(root, "90").why
    full = write_run(root, 25)
    stopped(root, 26)
    write_run(root, 27, "model.lr=1")
    chosen = choose_run(root, "90")
    assert (chosen.run, chosen.why) == (full, "the newest full run of this lab.py")
    assert not chosen.plain  # others are newer: it is told which one it is
    assert choose_run(root, old.id[-6:]).run == old
    assert choose_run(root, str(resumable.path)).run == resumable


def test_a10_submit_says_which_run_where_it_went_and_what_did_better(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = root / "labs" / LAB / "lab.yaml"
    spec.write_text(CODE_LAB)
    (root / "labs" / LAB / "starter.py").write_text("x = 0\n")
    better = write_run(root, 20, "model.lr=1", passed=True)
    full = write_run(root, 21)
    write_run(root, 22, "arm=clothes", passed=True)
    stopped(root, 23)
    for run in (better, full):
        write_text(run.config, f"lab: {LAB}\nimpl: mine\n")
    assert main(["submit", "90"]) == 0
    told = capsys.readouterr()
    assert f"run   {full.id}  the newest full run of this lab.py" in told.out
    assert f"file  {full.path / 'submission.zip'}  0.0 MB" in told.out
    assert "has not passed" in told.err
    assert f"dllab submit {better.id}" in told.err


def test_a10_a_passed_run_of_older_code_or_one_that_stopped_is_not_offered(root: Path) -> None:
    lab, run = find_lab(root, "90"), write_run(root, 20, passed=True)
    assert f"dllab submit {run.id}" in [step.command for step in steps_after(lab, run)]
    write_json(run.card, run.read_card() | {"status": "interrupted"})
    commands = [step.command for step in steps_after(lab, run)]
    assert commands[0] == f"dllab train 90 --resume {run.id}"
    assert f"dllab submit {run.id}" not in commands
    write_json(run.card, run.read_card() | {"status": "finished"})
    lab.code.write_text("x = 2\n")
    commands = [step.command for step in steps_after(lab, run)]
    assert f"dllab submit {run.id}" not in commands
    assert "make lab-90" in commands


EXPERIMENTS = """
experiments:
  reference: {title: The reference, overrides: [arm=clothes], seeds: [0], measures: [accuracy]}
  broken: {title: A mistake, mutant: wrong, overrides: [model.lr=9], seeds: [0], measures: [nats]}
  slow: {title: A tenth of the rate, overrides: [model.lr=0.01], seeds: [0], measures: [accuracy],
         record: {values: {accuracy: [0.7]}, recipe: x, date: '2026-11-27'}}
  wide: {title: A wide network, overrides: ["model.hidden=[512, 64]"], seeds: [0, 1],
         measures: [accuracy],
         record: {values: {accuracy: [0.91, 0.93]}, recipe: x, date: '2026-11-27'}}
"""


def test_a17_what_the_numbers_mean_is_said_in_a_line_each(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(root, 20, accuracy=0.785, passed=True)
    result = json.loads(run.result.read_text())
    result["checks"][0] |= {"status": "pass", "points": 30}
    result["metrics"][0]["ci95"] = [0.77, 0.8]
    write_json(run.result, {**result, "max_score": 41})
    assert main(["runs", "show", run.id]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "[low, high] is the 95 % interval" in told
    assert "Accuracy on clothes: all points, as chance alone can explain so small a miss." in told
    assert "Practice counts 41 of 45 points; only the official grade sees the other 4." in told
    page = write_report(root, write_run(root, 21, accuracy=0.785)).read_text()
    assert "<h2>Since the run before</h2>" in page
    assert "all points, as chance alone" not in page
    page = write_report(root, run).read_text()
    assert "all points, as chance alone can explain so small a miss." in page
    assert '<span class="chip pass">passed</span>' in page
    result["checks"][0]["status"], result["metrics"][0]["ci95"] = "partial", None
    write_json(run.result, result)
    assert main(["runs", "show", run.id]) == 0
    told = capsys.readouterr().out
    assert not [words for words in ("95 %", "chance", "Practice counts") if words in told]


def test_a17_the_strong_level_says_how(root: Path) -> None:
    run = write_run(root, 20, passed=True)

    def told() -> tuple[str, str]:
        (step,) = stronger(find_lab(root, "90"), run.read_result())
        return step.text, step.command

    spec = root / "labs" / LAB / "lab.yaml"
    plain = spec.read_text()
    assert "another recipe" in told()[0]
    (spec.parent / "conf" / "data").mkdir(parents=True)
    (spec.parent / "conf" / "data" / "full.yaml").touch()
    assert told()[1] == "make lab-90 data=full"
    spec.write_text(plain + EXPERIMENTS)
    assert told() == (
        "Reach the strong level of Accuracy on clothes, 0.9 (now 0.800): “A wide network” did.",
        "make lab-90 'model.hidden=[512, 64]'",
    )
    spec.write_text(plain.replace("mean: 0.8050", "mean: 0.95"))
    assert "the reference does, with the same recipe" in told()[0]
    write_run(root, 20, passed=True, accuracy=0.92)
    assert list(stronger(find_lab(root, "90"), run.read_result())) == []


def test_part9_next_steps_are_the_pages_experiments_that_were_not_tried(root: Path) -> None:
    spec = root / "labs" / LAB / "lab.yaml"
    spec.write_text(spec.read_text() + EXPERIMENTS)
    lab, run = find_lab(root, "90"), write_run(root, 20, passed=True, accuracy=0.95)

    def tried(run: RunFolder) -> list[str]:
        steps = steps_after(lab, run)
        return [step.command for step in steps if step.text.startswith("Say what you expect")]

    assert tried(run) == ["make lab-90 model.lr=0.01"]
    experiment = write_run(root, 21, "model.lr=0.01", "logger=csv", accuracy=0.6)
    assert tried(run) == tried(experiment) == ["make lab-90 'model.hidden=[512, 64]'"]
    write_run(root, 22, "model.hidden=[512, 64]")
    assert tried(run) == []


def test_a13_a_run_that_is_not_there_is_not_called_a_lab(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "90", "--resume", "WRONGID"]) == 2
    told = capsys.readouterr().err
    assert "neither a run nor a lab is called 'WRONGID'" in told
    assert "dllab runs" in told


def test_a13_the_bar_counts_epochs_as_the_lines_do() -> None:
    bar = EpochBar()
    bar._trainer = SimpleNamespace(max_epochs=8)
    assert bar._get_train_description(1).split() == ["Epoch", "2/8"]
    assert len(bar._get_train_description(1)) == len("Validation")
    bar._trainer = SimpleNamespace(max_epochs=None)
    assert bar._get_train_description(0).split() == ["Epoch", "1"]


def test_a13_a_hint_without_a_todo_is_for_the_check_that_fails(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hint", "90"]) == 2
    assert "no TODO is left in lab.py, and no check failed" in capsys.readouterr().err
    Draws.kept(find_lab(root, "90")).settle("loss", 7, failed=True)
    assert main(["hint", "90"]) == 0
    assert "loss: hint 1 of 2" in capsys.readouterr().out


def test_a13_tick_lists_the_ids_that_it_takes_and_at_hand_is_explained(
    repo: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "labs" / "checklist.yaml").symlink_to(repo / "labs" / "checklist.yaml")
    assert main(["tick", "ethics-and-law"]) == 0
    capsys.readouterr()
    assert main(["tick"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^✓ +ethics-and-law ", told, re.MULTILINE)
    assert re.search(r"^○ +reading-papers ", told, re.MULTILINE)
    assert "dense-networks" not in told
    assert main(["progress"]) == 0
    assert "at hand: what a lab here, or your word (dllab tick)" in capsys.readouterr().out


@pytest.mark.in_turns
@pytest.mark.slow
def test_a8_a_plain_run_of_the_distributed_lab_says_nothing_of_lightnings(
    repo: Path, tmp_path: Path
) -> None:
    project = Project(tmp_path, repo, "lab06_ddp")
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=5", "trainer.threads=1"]
    stdout, stderr = project.start("train", "06", *short, "--no-grade").communicate()
    assert stderr == ""
    lines = stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "run"]


@pytest.mark.in_turns
@pytest.mark.slow
def test_a8_what_a_check_trains_prints_nothing(repo: Path) -> None:
    lab = find_lab(repo, "01")
    limits = Limits.of(lab.spec.budgets)
    with Session(lab, lab.solution, find_backend("none"), limits) as session:
        (row,) = check_code(session, lab, ["training-step"], Draws(1))
        assert (row.status, session.log) == ("pass", "")


CODE_LAB = """
title: One
summary: A lab of code alone.
level: beginner
checks: {one: 5}
exports: [x]
pass_score: 0.7
"""

CHECKS = '''
from dllab.checks import check


@check("one", "One", expect=lambda given: 1.0)
def one(lab, given):
    """x is one."""
    return lab.x + 1.0
'''

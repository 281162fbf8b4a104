"""The Gradescope bundle, laid out and started as Gradescope does it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from export_schemas import GRADESCOPE
from grading_lab import Desk, make_desk

from dllab.cli import main
from dllab.export import autograder
from dllab.export.bundle import PROJECT
from dllab.lab.find import find_lab

LAB_YAML = """
title: Tiny
summary: Nothing is trained here.
level: beginner
topics: []
exports: [double]
checks: {double: 2, twice: 3}
hints: {}
pass_score: 0.7
starter_sha256: x
"""


@pytest.fixture
def desk(tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The tiny lab, of checks alone, in a project that is as whole as a clone."""
    desk = make_desk(tmp_path / "project")
    (desk.lab.folder / "lab.yaml").write_text(LAB_YAML)
    for name in PROJECT:
        target = desk.root / name
        target.unlink(missing_ok=True)
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(repo / name)
    (desk.root / "labs" / "checklist.yaml").symlink_to(repo / "labs" / "checklist.yaml")
    (desk.lab.folder / "_author").mkdir()
    desk.lab.solution.write_text("")
    monkeypatch.chdir(desk.root)
    return desk


@pytest.fixture
def gradescope(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`/autograder` as Gradescope leaves it once the image is built, under a folder of its own."""
    prefix = tmp_path / "autograder"
    hidden = tmp_path / "hidden set"
    hidden.mkdir()
    (hidden / "labels").touch()
    bundle = tmp_path / "bundle"
    command = ["export", "gradescope-autograder", "90", "-o", str(bundle), "--hidden", str(hidden)]
    assert main(command) == 0
    with zipfile.ZipFile(f"{bundle}.zip") as archive:
        archive.extractall(prefix / "source")
    prefix.joinpath("run_autograder").write_bytes((bundle / "run_autograder").read_bytes())
    python = prefix / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("DLLAB_AUTOGRADER", str(prefix))
    monkeypatch.setenv("PYTHONPATH", str(prefix / "source" / "project" / "src"))
    return prefix


def submit(prefix: Path, **files: str) -> None:
    """What a learner uploads; Gradescope has unpacked it."""
    for name, text in files.items():
        path = prefix / "submission" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read_results(prefix: Path) -> Any:
    document = json.loads((prefix / "results" / "results.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, GRADESCOPE)
    return document


def practise(submission: Path, _hidden: Path, result: Path) -> list[str]:
    """Grade an unpacked submission, which is laid out as a run, in practice mode."""
    run = submission.parent / "lab90_tiny" / "run"
    with zipfile.ZipFile(submission) as archive:
        archive.extractall(run)
    return [sys.executable, "-m", "dllab", "grade", str(run), "--json", str(result)]


def test_the_bundle_holds_all_that_grading_needs(gradescope: Path) -> None:
    source = gradescope / "source"
    for name in ("setup.sh", "run_autograder", "hidden/labels", *(f"project/{n}" for n in PROJECT)):
        assert (source / name).exists(), name
    lab = find_lab(source / "project", "90")
    assert lab.solution.is_file()
    assert [folder.name for folder in lab.folder.parent.iterdir() if folder.is_dir()] == [lab.id]
    assert not list(source.rglob("__pycache__"))


@pytest.mark.parametrize("script", ["setup.sh", "run_autograder"])
def test_the_scripts_are_sound_bash(script: str, gradescope: Path) -> None:
    path = gradescope / "source" / script
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.in_turns
def test_run_autograder_always_leaves_results(gradescope: Path) -> None:
    """Here the submission is nothing that could be graded."""
    submit(gradescope, notes_dot_txt="hello")
    script = gradescope / "run_autograder"
    subprocess.run(["bash", script], check=True, cwd=gradescope, capture_output=True)
    document = read_results(gradescope)
    assert document["extra_data"]["verdict"] in ("ungradable", "infra_error")
    assert "No attempt was charged" in document["output"]


@pytest.mark.in_turns
def test_an_unpacked_submission_is_graded(
    gradescope: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.make_run()
    run.path.rename(gradescope / "submission")
    monkeypatch.setattr(autograder, "grade_command", practise)
    monkeypatch.chdir(gradescope / "source" / "project")
    autograder.run_autograder(gradescope)
    document = read_results(gradescope)
    assert document["score"] == 5
    assert document["output"].startswith("Passed: 5 of 5 points.")
    assert [test["status"] for test in document["tests"]] == ["passed", "passed"]


# --- what it makes of a submission ----------------------------------------------------------------


def test_an_uploaded_zip_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "mine.zip").write_bytes(b"the learner's bytes")
    autograder.pack(folder, tmp_path / "packed.zip")
    assert (tmp_path / "packed.zip").read_bytes() == b"the learner's bytes"


def test_links_in_a_submission_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    (folder / "arms").mkdir(parents=True)
    (folder / "arms" / "a").write_text("a")
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/etc")
    autograder.pack(folder, tmp_path / "packed.zip")
    assert zipfile.ZipFile(tmp_path / "packed.zip").namelist() == ["arms/a"]


def test_official_grading_is_on_the_hidden_set_if_there_is_one(tmp_path: Path) -> None:
    command = autograder.grade_command(Path("s.zip"), tmp_path, Path("r.json"))
    assert command[3:] == (
        ["grade", "s.zip", "--official", "--hidden", str(tmp_path), "--json", "r.json"]
    )
    without = autograder.grade_command(Path("s.zip"), tmp_path / "absent", Path("r.json"))
    assert "--hidden" not in without


@pytest.mark.parametrize(
    ("previous", "score", "says"),
    [
        ([], 0, "The score of 0 shown here does not count"),
        ([("2026-11-02", 3, "graded"), ("2026-11-01", 9, "graded")], 3, "counts: 3 points"),
        ([("2026-11-02", 0, "infra_error"), ("2026-11-01", 9, "graded")], 9, "counts: 9 points"),
        ([("2026-11-01", 9, None)], 0, "does not count"),
    ],
)
def test_a_grading_that_fails_keeps_the_score_of_the_last_graded_submission(
    previous: list[Any], score: float, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(tmp_path, x="")
    before = [
        {
            "submission_time": time,
            "score": points,
            "results": {"score": points, "extra_data": {"verdict": verdict}},
        }
        for time, points, verdict in previous
    ]
    metadata = {"previous_submissions": before}
    (tmp_path / "submission_metadata.json").write_text(json.dumps(metadata))
    fails = [sys.executable, "-c", "raise SystemExit(9)"]
    monkeypatch.setattr(autograder, "grade_command", lambda *_: fails)
    autograder.run_autograder(tmp_path)
    document = read_results(tmp_path)
    assert document["score"] == score
    assert says in document["output"]
    assert "grading ended with code 9" in document["output"]


# --- what a person may get wrong ------------------------------------------------------------------


def test_a_bundle_needs_the_authors_files_and_an_empty_folder(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "gradescope-autograder", "90", "-o"]
    assert main([*command, str(desk.root)]) == 2
    assert main([*command, str(tmp_path / "b"), "--hidden", str(tmp_path / "absent")]) == 2
    desk.lab.solution.unlink()
    assert main([*command, str(tmp_path / "b")]) == 2
    says = capsys.readouterr().err
    for part in ("is not empty", "there is no hidden set", "has no _author"):
        assert part in says
    assert not (tmp_path / "b").exists()

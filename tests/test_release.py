"""The learners' copy: whole, working, and without a line of any solution."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dllab.authoring.leaks import secrets_of
from dllab.authoring.release import choose_labs
from dllab.cli.main import main
from dllab.lab.find import all_labs
from dllab.lab.starter import make_starter

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A release of the first three labs, made once."""
    out = tmp_path_factory.mktemp("release") / "labs-for-learners"
    here = Path.cwd()
    os.chdir(REPO)
    try:
        assert main(["release", str(out), "--labs", "01-03"]) == 0
    finally:
        os.chdir(here)
    return out


def run(copy: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-P", "-m", *words],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_line_of_any_solution_is_in_the_copy(copy):
    solutions = [lab.solution.read_text() for lab in all_labs(REPO)[:3]]
    starters = "\n".join(map(make_starter, solutions))
    secrets = {line for text in solutions for line in secrets_of(text, starters)}
    assert len(secrets) > 60
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert [line for line in secrets if line in text] == [], path


def test_nothing_of_the_authors_is_in_the_copy(copy):
    names = {path.name for path in copy.rglob("*")}
    assert not names & {"_author", "__pycache__", ".git", "runs", ".cache", "progress.json"}
    commands = {path.name for path in (copy / "src/dllab/cli").iterdir()}
    assert not commands & {"doctor.py", "new.py", "calibrate.py", "release.py", "strip.py"}
    assert "WRITE:" not in (copy / "README.md").read_text()


def test_every_link_of_the_front_page_leads_somewhere(copy):
    import re

    links = re.findall(r"\]\((?!http)([^)#]+)", (copy / "README.md").read_text())
    assert links
    assert [link for link in links if not (copy / link).exists()] == []


def test_the_makefile_lists_what_learners_need(copy):
    listing = subprocess.run(["make"], cwd=copy, capture_output=True, text=True, check=True).stdout
    assert "make lab-NN" in listing
    assert "make test " in listing
    assert "make doctor" not in listing


def test_the_first_todo_is_named_then_the_reference_passes_the_checks(copy):
    first = run(copy, "dllab", "train", "01")
    assert first.returncode == 1
    assert "he-init" in first.stderr
    assert "lab.py:" in first.stderr
    assert run(copy, "dllab", "train", "01", "impl=reference").returncode == 2


@pytest.mark.slow
def test_its_own_tests_skip_what_is_open_and_pass_what_is_right(copy):
    fresh = run(copy, "pytest", "-q")
    assert fresh.returncode == 0, fresh.stdout
    assert "3 skipped" in fresh.stdout
    code = copy / "labs/lab01_mlp/lab.py"
    code.write_bytes((REPO / "labs/lab01_mlp/_author/solution.py").read_bytes())
    done = run(copy, "pytest", "-q")
    trained = run(copy, "dllab", "train", "01")
    reset = run(copy, "dllab", "reset", "01")
    assert "2 skipped" in done.stdout
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert reset.returncode == 0
    assert code.read_bytes() == (copy / "labs/lab01_mlp/starter.py").read_bytes()


def test_a_folder_in_use_and_a_course_file_that_is_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(REPO)
    (tmp_path / "mine").touch()
    assert main(["release", str(tmp_path)]) == 2
    assert (tmp_path / "mine").is_file()
    assert main(["release", str(tmp_path / "new"), "--course", str(tmp_path / "no.yaml")]) == 2
    assert not (tmp_path / "new").exists()


def test_labs_are_chosen_by_ranges_and_names():
    assert [lab.number for lab in choose_labs(REPO, "02-03,01")] == ["02", "03", "01"]

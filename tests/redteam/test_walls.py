"""What a second round of attacks found, by its letter and number, tried behind every wall.

Walls that start cold take turns: what differs between walls is seldom what a commit changes.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from official_lab import HONEST, Stage, make_stage

from dllab.grading.official import Terms, grade_archive
from dllab.result import Result
from dllab.sandbox.backends import Backend, open_backend

COLD = [pytest.param(name, marks=pytest.mark.in_turns) for name in ("bubblewrap", "landlock")]


@pytest.fixture(params=["zygote", *COLD])
def wall(request: pytest.FixtureRequest, warm: Backend) -> Iterator[Backend]:
    """Each wall that works here; the zygote is up for all tests."""
    if request.param == warm.name:
        yield warm
        return
    with open_backend(request.param) as backend:
        if problem := backend.problem():
            pytest.skip(f"{backend.name} does not work here: {problem}")
        yield backend


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("DLLAB_GRADER_KEY", str(tmp_path / "key" / "grader.pem"))
    return make_stage(tmp_path)


def grade(stage: Stage, wall: Backend, code: str = HONEST) -> Result:
    terms = Terms(stage.root, wall, "official", stage.hidden)
    return grade_archive(stage.submit("x", code), terms)


def lost(result: Result) -> list[tuple[str, str]]:
    """Rows that are not whole, and why."""
    return [(row.id, row.message) for row in result.checks if row.status != "pass"]


def test_f1_honest_work_has_all_points_on_hidden_checks_and_items(
    stage: Stage, wall: Backend
) -> None:
    """Also where an author's folder has an `__init__.py`, which no sandbox may read."""
    (stage.lab.folder / "_author" / "__init__.py").write_text("CANARY = 1\n")
    result = grade(stage, wall)
    assert (result.verdict, lost(result)) == ("graded", [])
    assert result.score == result.max_score == 20


def test_f1_a_file_of_the_lab_that_cannot_be_read_is_our_fault(stage: Stage, wall: Backend) -> None:
    if os.geteuid():
        pytest.skip("only root's files are closed to whoever grades")
    probes = stage.lab.folder / "_author" / "probes.py"
    probes.chmod(0o600)
    result = grade(stage, wall)
    if result.verdict == "graded":  # landlock alone decides there what may be read
        assert lost(result) == []
    else:
        assert result.verdict == "infra_error"
        assert str(probes) in result.reason


def test_f1_the_graders_umask_costs_nobody_a_point(stage: Stage, wall: Backend) -> None:
    before = os.umask(0o077)
    try:
        result = grade(stage, wall)
    finally:
        os.umask(before)
    assert (result.verdict, lost(result)) == ("graded", [])

"""The labs that travel in the wheel: without a solution, and a course wherever one begins."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from environments import UV_CACHE, build_wheel

from dllab.authoring.packaged import pack, unpack
from dllab.authoring.release import find_leaks
from dllab.cli import main
from dllab.lab.find import all_labs, finished_labs
from dllab.version import __version__

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "course.zip"
    pack(REPO, path)
    return path


@pytest.fixture
def brought(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installed dllab brings."""
    monkeypatch.setattr(unpack, "__defaults__", (None, archive))


def test_a_clone_brings_no_labs_and_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(unpack, "__defaults__", (None, tmp_path / "no.zip"))
    assert main(["init", str(tmp_path / "course")]) == 2
    assert "make lab-01" in capsys.readouterr().err
    assert not (tmp_path / "course").exists()


@pytest.mark.in_turns
@pytest.mark.usefixtures("brought")
def test_a_course_has_the_labs_that_one_asked_for(tmp_path, capsys, monkeypatch):
    course = tmp_path / "new" / "course"
    assert main(["init", str(course), "--labs", "01,03"]) == 0
    assert f"cd {course}" in capsys.readouterr().out
    assert [lab.number for lab in all_labs(course)] == ["01", "03"]
    listed = re.findall(r"^\| \[(\d\d) ", (course / "README.md").read_text(), re.MULTILINE)
    assert listed == ["01", "03"]
    assert f"]=={__version__}" in (course / "pyproject.toml").read_text()
    assert not (course / "src").exists()
    assert not list(course.parent.glob(".dllab*"))
    monkeypatch.chdir(course)
    assert main(["train", "01"]) == 1
    assert "next TODO" in capsys.readouterr().err


@pytest.mark.usefixtures("brought")
def test_what_cannot_begin_leaves_nothing(tmp_path, capsys):
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / "notes.txt").write_text("mine")
    assert main(["init", str(kept)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "new"), "--labs", "99"]) == 2
    assert "there is no lab '99'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (kept / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("brought")
def test_a_folder_that_is_empty_will_do(tmp_path):
    (tmp_path / "course").mkdir()
    assert main(["init", str(tmp_path / "course")]) == 0
    assert (tmp_path / "course/Makefile").is_file()


def test_no_solution_travels(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    assert list(find_leaks(tmp_path, finished_labs(REPO))) == []
    names = {path.name for path in tmp_path.rglob("*")}
    assert not names & {"_author", "runs", ".cache", "bench", "progress.json", "doctor.py"}
    assert {"bootstrap.py", "torchvision_hook.py"} <= names


def test_packing_twice_gives_the_same_bytes(archive, tmp_path):
    pack(REPO, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def say(words: list[str], folder: Path, **environment: str) -> str:
    """What a command prints, which must end well."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(
    "DLLAB_TEST_ALL" not in os.environ, reason="installs all packages twice: make test-all"
)
@pytest.mark.timeout(3600)  # minutes of CPU: bytecode, and a whole training
@pytest.mark.in_turns
@pytest.mark.slow
def test_the_wheel_alone_is_enough_from_init_to_submit(archive, tmp_path, repo, monkeypatch):
    """By uvx, in an empty home, with what the registry has and uv has kept of it."""
    wheel = build_wheel(archive, tmp_path / "built")
    monkeypatch.setenv("UV_CACHE_DIR", UV_CACHE)
    uvx = str(Path(sys.executable).with_name("uvx"))
    tool = [uvx, "--from", str(wheel), "-c", str(repo / "constraints.txt"), "dllab"]
    say([*tool, "init", "course", "--labs", "01"], tmp_path)
    course = tmp_path / "course"
    dist = str(wheel.parent)
    here = {"UV_FIND_LINKS": dist, "PIP_FIND_LINKS": dist}  # until an index has it
    say([*tool, "setup"], course, **here)
    dllab = str(course / ".venv/bin/dllab")
    code = course / "labs/lab01_mlp/lab.py"
    shutil.copyfile(repo / "labs/lab01_mlp/_author/solution.py", code)  # a learner has done it
    assert "86 of 86" in say([dllab, "train", "01"], course)
    assert ".zip" in say([dllab, "submit", "01"], course)
    say([dllab, "test"], course)

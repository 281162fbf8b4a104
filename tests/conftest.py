"""Every test runs in a folder and a home of its own, offline, and free of the caller's settings."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from sample import long_first, taken_in_turns
from training_lab import Here, Project
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from dllab.cli import main
from dllab.sandbox import backends

REPO = Path(__file__).resolve().parent.parent
LONG = ("slow", "in_turns")


class Sharing(LoadScopeScheduling):
    """Tests of a file that share what is costly run on one worker, which makes it once; the others
    run wherever there is room. (The mark xdist_group does nothing with pytest 9.2: xdist#1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


def together(nodeid: str) -> str:
    """What a test is best run with: its file, or nothing but itself."""
    file = nodeid.partition("::")[0]
    return file if shares(REPO / file) else nodeid


@functools.cache
def shares(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return 'scope="module"' in text or "@functools.cache" in text


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests whose turn it is not, unless somebody names a file or a word."""
    if config.option.keyword or any(Path(name).resolve() != REPO / "tests" for name in config.args):
        return
    marked = [item for item in items if item.get_closest_marker("in_turns")]
    taken = taken_in_turns(list(dict.fromkeys(together(item.nodeid) for item in marked)))
    left = [item for item in marked if together(item.nodeid) not in taken]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]
    if hasattr(config, "workerinput"):  # what takes long first, or the last of it runs alone
        items[:] = long_first(items, lambda item: together(item.nodeid), takes_long)


def takes_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in LONG)


@pytest.hookimpl(optionalhook=True)  # for those who run without xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a process, a port or a limit of time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    return Sharing(config, log)


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
    for name in ("MFLAGS", "ARGS", "CI", "BUILD_NUMBER", "PYENV_ROOT"):  # pytest prints more in CI
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    # each new home would have the fonts of this machine listed anew, by each process that draws
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp() / "matplotlib"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    monkeypatch.setattr("dllab.lab.project._entered", [])


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root of the test's own, as working directory: edit its labs, make runs.

    Data sets are decoded once for all such projects.
    """
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("labs", "configs"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=hidden)
    (REPO / ".cache").mkdir(exist_ok=True)
    for name in ("data", "pyproject.toml", ".cache"):
        (tmp_path / name).symlink_to(REPO / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Lab 01 with the reference as lab.py, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, REPO)


@pytest.fixture
def dllab(capfd: pytest.CaptureFixture[str]) -> Here:
    """`dllab` in this process."""
    return Here(capfd)


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`dllab export`: what it prints."""

    def run(*args: object) -> str:
        assert main(["export", *map(str, args)]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def warm() -> Iterator[backends.Backend]:
    """The fastest wall that works here, up for all tests: a start costs what fifty grades do."""
    with backends.open_backend("auto") as backend:
        yield backend


@pytest.fixture
def one_wall(warm: backends.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever command opens a backend gets the warm one."""
    monkeypatch.setattr(backends, "open_backend", lambda _name: nullcontext(warm))

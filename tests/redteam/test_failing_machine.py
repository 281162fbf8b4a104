"""A batch among hostile submissions while the machine fails: nothing is lost, nothing is wrong.

`python -m bench.faults` does the same with five hundred, and with full disks and moved clocks.
"""

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from official_lab import WEIGHTS, Stage, make_stage

from dllab.cli import main
from dllab.grading.batch import grade_folder
from dllab.grading.official import Terms
from dllab.sandbox.backends import open_backend
from dllab.submission.gather import gather

COUNT, HOSTILE = 12, 3


@pytest.fixture
def faults(repo: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is run from the repository's root."""
    monkeypatch.syspath_prepend(repo)
    return importlib.import_module("bench.faults")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = make_stage(tmp_path)
    made.fills = {"HOME": str(tmp_path), "PORT": "9", "SOCKET": "/nowhere", "ABSTRACT": "nobody"}
    monkeypatch.chdir(made.root)
    return made


@pytest.mark.in_turns
@pytest.mark.slow
def test_no_grade_is_lost_or_wrong(stage: Stage, faults: ModuleType) -> None:
    expected, out = faults.hand_in(stage, COUNT, HOSTILE), stage.root / "out"
    words = ["grade", "archives", "--official", "--hidden", str(stage.hidden), "--out", "out"]
    with when(out, 2, _kill_the_zygote), when(out, 5, _terminate):
        assert main(words) == 143
    done = len(list((out / "results").glob("*.json")))
    assert 5 <= done < COUNT
    before = os.umask(0o077)
    try:
        with beside(stage, out):
            assert main(words) == 0
    finally:
        os.umask(before)
    assert faults.faults(out, expected) == []


@pytest.mark.parametrize("interrupt", [signal.default_int_handler, signal.SIG_IGN])
@pytest.mark.usefixtures("one_wall")
def test_h6_sigterm_stops_a_batch_in_a_terminal_and_in_a_shells_background(
    stage: Stage, interrupt: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job in a script's background ignores Ctrl-C. The next call goes on in both cases."""
    for number in range(4):
        stage.submit(f"h{number}", weights={"scale": WEIGHTS["scale"] + number})
    out = stage.root / "out"
    words = ["grade", "archives", "--official", "--hidden", str(stage.hidden), "--out", "out"]
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with when(out, 1, _terminate):
            assert main(words) == 143
        assert signal.getsignal(signal.SIGINT) == interrupt
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped" in capsys.readouterr().err
    done = {file: file.read_bytes() for file in (out / "results").glob("*.json")}
    assert 1 <= len(done) < 4
    assert main(words) == 0
    assert len(list((out / "results").glob("*.json"))) == 4
    assert all(file.read_bytes() == text for file, text in done.items())


@contextmanager
def when(out: Path, results: int, act: Callable[[], None]) -> Iterator[None]:
    """Do something as soon as there are so many results."""
    over = threading.Event()

    def wait() -> None:
        while not over.wait(0.02):
            if len(list((out / "results").glob("*.json"))) >= results:
                act()
                return

    watcher = threading.Thread(target=wait)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _kill_the_zygote() -> None:
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "dllab.sandbox.zygote_server" in one.cmdline():
                one.kill()


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def beside(stage: Stage, out: Path) -> Iterator[None]:
    """A second grader on the same folder."""
    failed: list[BaseException] = []

    def grade() -> None:
        try:
            with open_backend("auto") as wall:
                terms = Terms(stage.root, wall, hidden=stage.hidden)
                grade_folder(gather(stage.root / "archives", out=out).submissions, terms, out)
        except BaseException as error:  # noqa: BLE001 - a thread's are seen by nobody
            failed.append(error)

    second = threading.Thread(target=grade)
    second.start()
    time.sleep(0.1)
    yield
    second.join()
    assert failed == []

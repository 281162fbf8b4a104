"""Other systems, acted: Python lacks what Windows has not, or says that it runs on macOS."""

import subprocess
import sys
from pathlib import Path

import pytest

from dllab.errors import InfraError
from dllab.sandbox import backends, bubblewrap, kernel, landlock, landlocked, warm, zygote

REPO = Path(__file__).resolve().parent.parent
WINDOWS = """
import runpy, sys
sys.platform = "win32"
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
sys.argv = {words!r}
runpy.{run}
"""


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (f'run_path({str(REPO / "src/dllab/bootstrap.py")!r}, run_name="__main__")', ["setup"]),
        ('run_module("dllab", run_name="__main__")', ["dllab", "setup"]),
        ('run_module("dllab", run_name="__main__")', ["dllab", "train", "01"]),
    ],
    ids=["make", "setup", "train"],
)
def test_windows_is_refused_with_the_way_to_wsl(run: str, words: list[str], tmp_path: Path) -> None:
    code = WINDOWS.format(words=words, run=run)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "wsl --install" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_macos_has_practice_and_no_official_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    def linux_only(*_: object) -> int:
        pytest.fail("a system call of Linux by its number")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(kernel, "syscall", linux_only)
    monkeypatch.setenv("PATH", "/usr/bin/nowhere")
    for wall in (zygote, bubblewrap, landlocked):  # what this machine can do was noted
        wall._problem.cache_clear()
    try:
        with pytest.raises(InfraError, match="no sandbox works on this machine") as error:
            backends.find_backend("auto")
    finally:
        for wall in (zygote, bubblewrap, landlocked):
            wall._problem.cache_clear()
    assert "it needs Linux" in str(error.value)
    assert landlock.version() == 0
    assert warm.is_possible()
    assert backends.NoWall().problem() == ""

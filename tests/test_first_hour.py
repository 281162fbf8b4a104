"""A person's first hour: from a fresh release, lab 01 from its starter to passed, in a terminal."""

import os
import re
import runpy
import sys
from pathlib import Path

import pytest
from watch_terminal import Terminal, partly_done, save

from dllab.cli.main import main
from dllab.lab.find import Lab, find_lab
from dllab.lab.starter import solution_regions

REPO = Path(__file__).resolve().parent.parent
SESSION = REPO / "docs" / "first-hour.txt"
TRAINING_S = 600  # what a busy machine may need for a training of twenty seconds
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh release of lab 01, in which one stands; its own dllab runs."""
    out = tmp_path / "labs"
    monkeypatch.chdir(REPO)
    assert main(["release", str(out), "--labs", "01"]) == 0
    monkeypatch.chdir(out)
    monkeypatch.setenv("PYTHONPATH", str(out / "src"))
    return out


def test_the_picture_of_the_first_minutes_is_of_this_recording() -> None:
    tool = runpy.run_path(str(REPO / "docs/site/first_minutes.py"))
    picture = (REPO / "docs/first-minutes.svg").read_text()
    assert picture == tool["draw"](SESSION.read_text()), "python docs/site/first_minutes.py"
    assert "@font-face" not in picture, "nothing is fetched from elsewhere"


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal needs a Unix")
@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_a_fresh_release_to_a_pass(copy: Path, tmp_path: Path) -> None:
    """What docs/first-hour.txt shows is what happens; numbers of the training aside."""
    first = Terminal("train", "01")
    assert first.end() == 1
    assert "make watch-01" in first.screen

    watch = Terminal("watch", "01")
    work_through(watch, find_lab(REPO, "01"), find_lab(copy, "01"))
    begun = watch.recording()
    watch.press("r")
    screen = watch.until("any key: back to watch", TRAINING_S)
    assert "passed" in screen
    watch.press("x")
    watch.until("All visible checks pass.")
    watch.press("q")
    assert watch.end() == 0

    last = Terminal("submit", "01")
    assert last.end() == 0
    assert list(copy.glob("**/*.zip"))

    told = {
        "dllab train 01": first.screen,
        "dllab watch 01": begun,
        "r": after_the_progress(screen),
        "dllab submit 01": last.screen,
    }
    fresh = tmp_path / SESSION.name
    fresh.write_text(session(told, copy), encoding="utf-8")
    before = [text.partition("\n$ r\n")[0] for text in map(Path.read_text, (SESSION, fresh))]
    assert before[0] == before[1], f"the recorded hour is no longer true: cp {fresh} {SESSION}"


def work_through(watch: Terminal, reference: Lab, lab: Lab) -> None:
    """Write one task after another; take a hint for the first, make a mistake in the third."""
    tasks = list(solution_regions(reference.solution.read_text(encoding="utf-8")))
    for done, task in enumerate(tasks):
        watch.until(lambda s, task=task: f"TODO {task}" in s and "checking" not in s)
        right = partly_done(reference, set(tasks[: done + 1]))
        if task == "he-init":
            watch.press("h")
            watch.until("hint 1 of 3")
        if task == "log-softmax":
            shifted = "shifted_BC - shifted_BC.exp().sum(dim=1, keepdim=True).log()"
            assert shifted in right
            save(lab.code, right.replace(shifted, "logits_BC.softmax(dim=1).log()"))
            watch.until(lambda s: "✗ Stable log-softmax\n" in s and "checking" not in s)
        save(lab.code, right)
    watch.until(lambda s: "All visible checks pass." in s and "checking" not in s)


def after_the_progress(screen: str) -> str:
    """What a training leaves on the screen: its table and what comes after."""
    return screen[screen.index("lab 01 ") :]


def session(told: dict[str, str], copy: Path) -> str:
    """Each command with what it showed, without what differs from run to run."""
    text = "\n".join(f"$ {command}\n{shown.strip()}\n" for command, shown in told.items())
    for path, here in ((f"{copy}{os.sep}", ""), (f"{Path(sys.executable).parents[1]}", ".venv")):
        text = text.replace(path, here)
    text = RUN.sub("20270301T094100Z-0c0ffe", text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

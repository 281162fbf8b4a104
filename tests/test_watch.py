"""`dllab watch` from the learner's chair: saves, keys, mistakes, the way from starter to green."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from watch_terminal import Terminal, partly_done, save

from dllab.checks import PASS, Outcome, check
from dllab.grading.watch.affected import affected, units
from dllab.grading.watch.edited import Edits
from dllab.grading.watch.screen import block
from dllab.grading.watch.state import WatchState
from dllab.lab.find import find_lab
from dllab.lab.starter import solution_regions
from dllab.lab.todo import NOT_DONE
from dllab.result import CheckRow

unix = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal needs a Unix")


SESSION = Path(__file__).resolve().parent.parent / "docs" / "watch-03.txt"


def dllab(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dllab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.in_turns
@unix
@pytest.mark.slow
def test_from_starter_to_green_as_docs_show_it(clone, tmp_path):
    lab = find_lab(clone, "03")
    tasks = list(solution_regions(lab.solution.read_text(encoding="utf-8")))
    terminal = Terminal("watch", "03")
    count = len(lab.spec.visible)
    for done, task in enumerate(tasks):
        screen = terminal.until(lambda s, task=task: f"TODO {task}" in s and "checking" not in s)
        assert f"{'0' if done == 0 else ''} of {count} checks pass" in screen
        save(lab.code, partly_done(lab, set(tasks[: done + 1])))
    screen = terminal.until(lambda s: "All visible checks pass." in s and "checking" not in s)
    assert f"{count} of {count} checks pass" in screen
    assert f"Press r to run the training (dllab train {lab.number})" in screen
    terminal.press("q")
    assert terminal.end() == 0
    fresh = tmp_path / "watch-03.txt"
    fresh.write_text(terminal.recording(), encoding="utf-8")
    assert SESSION.read_text(encoding="utf-8") == fresh.read_text(encoding="utf-8"), (
        f"the recorded session is no longer true: cp {fresh} {SESSION}"
    )


@unix
@pytest.mark.in_turns
@pytest.mark.slow
def test_mistakes_are_shown_and_keys_help(clone):
    lab = find_lab(clone, "01")
    terminal = Terminal("watch", "01")
    terminal.until("TODO he-init")

    terminal.press("h")
    terminal.until("hint 1 of 3: he-init")
    terminal.press("h")
    terminal.until("hint 2 of 3: he-init")

    right = partly_done(lab, {"he-init", "linear"})
    save(lab.code, right.replace("def forward(", "def forward((", 1))
    assert "does not parse: line" in terminal.until("The checks wait until this is mended.")

    save(lab.code, right.replace("@ self.weight.T", "@ self.weight.T * 2", 1))
    screen = terminal.until("expected")
    assert "got" in screen

    save(lab.code, right.replace("return x @", "print('shape', x.shape); x.nothing; return x @", 1))
    screen = terminal.until("AttributeError")
    assert "x.nothing" in screen
    assert "shape torch.Size" in screen
    assert "dllab/" not in screen.replace(str(clone), ""), "only the learner's own frames"

    save(lab.code, "import nonsense\n" + right)
    terminal.until("No module named 'nonsense'")
    save(lab.code, right)
    terminal.until(lambda s: "2 of 13 checks pass" in s and "checking" not in s)
    terminal.press("d")
    terminal.until("any key: back to watch")
    assert "+        return x @ self.weight.T" in terminal.screen
    terminal.press("x")
    terminal.until("TODO log-softmax")
    terminal.press("n")
    terminal.until("TODO pixel-statistics")

    save(lab.code, right.replace("return x @ self", "x @ self", 1))
    screen = terminal.until("is a `return` missing?")
    assert "✗ Linear layer\n  Linear(x) is" in screen, "what a save has broken is what is shown"
    save(lab.code, right.replace("        return x @", "\treturn x @", 1))
    assert "\N{REPLACEMENT CHARACTER}" not in terminal.until("inconsistent use of tabs")
    lab.code.unlink()
    assert "dllab reset 01" in terminal.until("lab.py is gone")
    lab.code.touch()
    save(lab.code, right)
    terminal.until(lambda s: "2 of 13 checks pass" in s and "checking" not in s)

    terminal.press("g")
    assert "lab 01 has no run yet" in terminal.until("any key: back to watch")
    terminal.press("xq")
    assert terminal.end() == 0
    assert json.loads((clone / "progress.json").read_text())["hints"] == {lab.id: {"he-init": 2}}
    assert json.loads((clone / ".dllab" / "watch.json").read_text())[lab.id]["passed"] == 2

    again = Terminal("watch", "01")
    again.until("Welcome back: 2 checks were green.")
    again.press("q")
    assert again.end() == 0


@unix
@pytest.mark.in_turns
@pytest.mark.slow
def test_keys_train_and_grade_and_come_back(clone):
    lab = find_lab(clone, "01")
    lab.code.write_bytes(lab.solution.read_bytes())
    config = lab.folder / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("max_epochs: 20", "max_epochs: 1"))
    terminal = Terminal("watch", "01")
    terminal.until("All visible checks pass.")
    terminal.press("h")
    terminal.until("There is nothing left to hint at.")
    terminal.press("r")
    screen = terminal.until("any key: back to watch")
    (run,) = (clone / "runs" / lab.id).iterdir()
    assert run.name in screen
    assert "Accuracy" in screen
    graded = (run / "result.json").stat().st_mtime_ns
    terminal.press("x")
    terminal.until("All visible checks pass.")
    terminal.press("g")
    assert "Accuracy" in terminal.until("any key: back to watch")
    assert (run / "result.json").stat().st_mtime_ns > graded
    terminal.press("x")
    terminal.until("All visible checks pass.")
    terminal.press("q")
    assert terminal.end() == 0


@unix
@pytest.mark.in_turns
@pytest.mark.slow
def test_a_save_ends_a_check_that_would_never_end(clone):
    lab = find_lab(clone, "01")
    right = partly_done(lab, {"he-init", "linear"})
    save(lab.code, right.replace("return x @", "while True: pass\n        return x @", 1))
    terminal = Terminal("watch", "01")
    terminal.until("▸ ")
    save(lab.code, right)
    terminal.until("2 of 13 checks pass")
    terminal.press("\x03")
    assert terminal.end() == 130


@pytest.mark.in_turns
@pytest.mark.slow
def test_once_says_by_its_exit_code_whether_all_is_green(clone):
    lab = find_lab(clone, "01")
    starter = dllab("watch", "01", "--once")
    assert starter.returncode == 1
    assert "0 of 13 checks pass" in starter.stdout
    assert "TODO he-init" in starter.stdout
    assert "\x1b" not in starter.stdout
    lab.code.write_bytes(lab.solution.read_bytes())
    assert dllab("watch", "01", "--once").returncode == 0
    lab.code.write_bytes(b"x = '\xff'\n")
    unreadable = dllab("watch", "01", "--once")
    assert unreadable.returncode == 1
    assert "is not text that Python reads: line 1 is not utf-8" in unreadable.stdout


def test_a_lab_without_its_file_is_told_how_to_get_it_back(clone):
    find_lab(clone, "01").code.unlink()
    result = dllab("watch", "01")
    assert result.returncode == 2
    assert "dllab reset 01" in result.stderr


# which checks a change touches

SOURCE = """
import torch
LIMIT = 3

def low(x):
    return x

def high(x):
    return low(x) + 1

class Model:
    def forward(self, x):
        return x
"""


def low_probe(lab, given):
    return {"y": lab.low(given["x"])}


def high_probe(lab, given):
    return {"y": lab.high(given["x"])}


def model_probe(lab, given):
    return {"y": make(lab)(given["x"])}


def make(lab):
    return lab.Model()


def probe_check(probe):
    @check(probe.__name__, "", probe=probe, returns={})
    def judge(given, got) -> Outcome:
        """Everything is right."""
        return PASS

    return judge


CHECKS = [probe_check(probe) for probe in (low_probe, high_probe, model_probe)]


@pytest.mark.parametrize(
    ("before", "after", "touched"),
    [
        ("return x\n", "return x  # as it came\n", set()),
        ("    return x\n\ndef high", "    return 2 * x\n\ndef high", {"low_probe", "high_probe"}),
        ("low(x) + 1", "low(x) + 2", {"high_probe"}),
        ("        return x\n", "        return -x\n", {"model_probe"}),
        ("LIMIT = 3", "LIMIT = 4", {"low_probe", "high_probe", "model_probe"}),
        ("def low", "def below", {"low_probe", "high_probe"}),
    ],
)
def test_a_change_touches_the_checks_that_can_reach_it(before, after, touched):
    assert SOURCE.count(before) >= 1
    changed = SOURCE.replace(before, after, 1)
    assert affected(units(SOURCE), units(changed), CHECKS) == touched


# what is in focus


TASKS = """
class Net:
    def mix(self, x):
        raise NotImplementedError("TODO mix: twice x")

    def head(self, x):
        first = x
        raise NotImplementedError("TODO norm: centred")
        raise NotImplementedError("TODO head: the sum")

def score(x):
    raise NotImplementedError("TODO score: the mean")
"""


def solved(task: str, source: str) -> str:
    lines = source.splitlines(keepends=True)
    return "".join(f"{x[: -len(x.lstrip())]}pass\n" if f"TODO {task}:" in x else x for x in lines)


def test_a9_a_save_is_about_the_tasks_whose_home_it_changed():
    edits = Edits(TASKS)
    assert edits.of(TASKS) == []
    mixed = solved("mix", TASKS)
    assert edits.of(mixed) == ["mix"]
    assert edits.of("# a word\n" + mixed) == []
    normed = solved("norm", mixed)
    assert edits.of(normed) == ["norm"], "head is still open: it was not what was filled"
    assert edits.of(normed.replace("first = x", "first = -x")) == ["norm", "head"]


def state_of(lab, **messages: str) -> WatchState:
    """Checks in the order of the list; a message makes one red, `…` lets it wait."""
    checks = tuple(replace(probe_check(low_probe), id=id, title=id, hint=id) for id in messages)
    state = WatchState(lab, checks, busy=False)
    for id, said in messages.items():
        status = "pass" if not said else "skip" if said.startswith("needs") else "fail"
        row = CheckRow(id, id, "code", status, 0, 1, said, hint_id="" if status == "pass" else id)
        state.take(row, "")
    return state


@pytest.fixture
def lab(repo):
    return find_lab(repo, "01")


def test_a9_what_was_just_edited_is_what_is_shown(lab):
    state = state_of(lab, first="not done yet: first: x", mix="", score="expected 1, got 2")
    state.settle()
    assert state.chosen == "first"
    state.edited = ["score"]
    state.settle()
    assert state.focus.id == "score", "not the untouched one above it"
    state.edited = []
    state.choose_next()
    assert state.focus.id == "first"
    state.settle()
    assert state.focus.id == "first", "a save of something else leaves n's choice alone"
    state.edited = ["mix", "score"]
    state.settle()
    assert state.focus.id == "score", "what fails there is not left unseen"


def test_a9_n_reaches_a_check_that_waits_and_says_for_which(lab):
    blocked = f"{NOT_DONE}norm: centred"
    state = state_of(lab, norm=blocked, head=blocked, sum="needs norm first")
    console = Console(width=80, highlight=False)
    shown = []
    for _ in range(3):
        state.choose_next()
        shown.append(block(state, console))
    assert [state.focus.id] == ["norm"]
    assert "runs into the TODO norm, which is still open" in shown[0]
    assert "needs norm first" in shown[1]
    assert "runs into" not in shown[2], "its own TODO stands below it anyway"
    assert "○ its TODO is open   · waits for another check: n shows which" in shown[0]
    assert "its TODO is open" not in block(state_of(lab, norm="", head="expected 1"), console)


def test_a_sheet_that_is_not_drawn_waits_for_no_check(lab):
    state = state_of(lab, guess="needs nothing")
    state.rows["guess"] = replace(state.rows["guess"], kind="format")
    shown = block(state, Console(width=80, highlight=False))
    assert "· has no sheet yet: dllab draw writes it" in shown
    assert "waits for another" not in shown


def test_a9_help_during_a_hang_is_for_what_was_edited(lab):
    state = state_of(lab, first="not done yet: first: x", mix="", score="")
    state.busy, state.running = True, "score"
    assert state.task == "score"
    state.edited = ["mix"]
    assert state.task == "mix"
    state.busy = False
    assert state.task == "first"

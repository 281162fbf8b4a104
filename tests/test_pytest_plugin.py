"""`pytest labs/labNN_slug`: one test a visible check, in the check's words."""

import subprocess
import sys
from pathlib import Path

import pytest
from authoring_labs import make_root, write_kind

from dllab.lab.find import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return write_kind(make_root(tmp_path), "control")


def run_pytest(lab: Lab, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(
        command, cwd=lab.root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.in_turns
def test_a_starter_fails_at_its_todo_and_the_reference_passes(lab):
    code, told = run_pytest(lab, f"labs/{lab.id}")
    assert code == 1
    assert "not done yet: act: " in told
    assert "1 failed, 1 skipped" in told
    lab.code.write_bytes(lab.solution.read_bytes())
    code, told = run_pytest(lab, f"labs/{lab.id}/lab.py::cost", "--pdb")
    assert code == 0
    assert "1 passed" in told


@pytest.mark.in_turns
def test_a_mistake_is_told_with_the_learners_line_and_nothing_of_ours(lab):
    solution = lab.solution.read_text()
    lab.code.write_text(solution.replace("torch.tanh(self", "print('seen') or (self"))
    code, told = run_pytest(lab, f"labs/{lab.id}")
    assert code == 1
    assert "expected the result to be" in told
    assert "seen" in told
    numbers = [line for line in told.splitlines() if "expected the result to be" in line]
    again = run_pytest(lab, f"labs/{lab.id}")[1]
    assert numbers == [line for line in again.splitlines() if "expected the result to be" in line]
    lab.code.write_text(solution.replace("torch.tanh(self", "torch.no_such(self"))
    shown = run_pytest(lab, f"labs/{lab.id}")[1]
    assert "torch.no_such(self.policy(" in shown
    for text in (told, shown):
        assert "0x" not in text
        assert "dllab/" not in text.replace("src/dllab/pytest_plugin.py", "")


@pytest.mark.in_turns
def test_a_file_that_cannot_be_imported_is_told_once(lab):
    lab.code.write_text("import torch\nunknown\n")
    code, told = run_pytest(lab, f"labs/{lab.id}")
    assert code == 1
    assert told.count("NameError: name 'unknown' is not defined") == 1
    assert "1 failed, 1 skipped" in told

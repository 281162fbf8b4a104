"""`dllab list`, `show` and `hint`: what there is, where one stands, the next nudge; all light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import report_runs

from dllab.checklist.progress import Progress
from dllab.cli import main
from dllab.result import parse_result

TODOS = """
def loss():
    raise NotImplementedError("TODO loss: return the loss")


def rate():
    raise NotImplementedError("TODO rate: return the rate")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = report_runs.make_project(tmp_path)
    (root / "labs" / report_runs.LAB / "lab.py").write_text(TODOS)
    monkeypatch.chdir(root)
    return root


def listed(capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


def test_list_follows_the_learner_from_todo_to_pass(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = project / "labs" / report_runs.LAB / "lab.py"
    row = listed(capsys)
    assert (row["number"], row["state"], row["todos_left"]) == ("90", "begun", 2)
    assert main(["list"]) == 0
    assert "2 TODOs left" in capsys.readouterr().out
    code.write_text("def loss(:\n")
    assert listed(capsys)["state"] == "broken"
    code.write_text("x = 1\n")
    assert listed(capsys)["state"] == "written"
    progress = Progress.load(project)
    said = {"schema": "dllab.result/1", "verdict": "graded", "passed": True, "run": "r"}
    points = {"score": 40, "max_score": 45, "submission": {"lab": report_runs.LAB}}
    progress.record_result(parse_result({**said, **points}, project))
    progress.save()
    assert listed(capsys)["best"] == [40, 45]
    assert main(["list"]) == 0
    assert "passed, best 40 of 45" in capsys.readouterr().out


def test_show_names_tasks_criteria_and_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "90"]) == 0
    text = capsys.readouterr().out
    for part in ("line 3: return the loss", "accuracy ≥ 0.79", "strong 0.9", "make lab-90"):
        assert part in text
    assert main(["show", "90", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [task["task"] for task in content["tasks"]] == ["loss", "rate"]
    assert content["criteria"][0]["target"] == 0.79


def test_hints_go_on_step_by_step_and_stop_at_the_last(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for expected in ("hint 1 of 2", "hint 2 of 2", "hint 2 of 2"):
        assert main(["hint", "90"]) == 0
        assert f"lab 90, loss: {expected}" in capsys.readouterr().out
    assert Progress.load(project).hints == {report_runs.LAB: {"loss": 2}}
    assert main(["hint", "90", "loss", "--step", "1"]) == 0
    assert "Which logits overflow?" in capsys.readouterr().out
    assert Progress.load(project).hints == {report_runs.LAB: {"loss": 2}}


def test_a_hint_that_is_not_there_names_those_that_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hint", "90", "los"]) == 2
    assert "did you mean loss?" in capsys.readouterr().err
    assert main(["hint", "90", "loss", "--step", "9"]) == 2
    assert "this hint has 2 steps" in capsys.readouterr().err
    (project / "labs" / report_runs.LAB / "lab.py").write_text("x = 1\n")
    assert main(["hint", "90"]) == 2
    assert "no TODO is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["list"], ["show", "90"], ["hint", "90"], ["runs"], ["--version"], ["--help"]]
)
def test_light_commands_import_nothing_heavy(project: Path, command: list[str]) -> None:
    code = (
        "import sys; from dllab.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'lightning', 'datasets', 'rich', 'hydra'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"

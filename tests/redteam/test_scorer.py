"""The scorer's own process, heard by an audit hook while it grades: it runs nothing submitted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from official_lab import HONEST, make_stage

# Runs in a process of its own, since a hook can never be taken off again.
LISTENER = """
import json, sys
from pathlib import Path

from dllab.grading.official import Terms, grade_archive
from dllab.sandbox.backends import open_backend

archive, root, hidden = map(Path, sys.argv[1:])
heard = []
INTAKE = "dllab-intake-"


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def listen(event, arguments):
    if event == "open" and INTAKE in text(arguments[0]):
        mode = str(arguments[1] or "r")
        heard.append(["open", text(arguments[0]).partition(INTAKE)[2].partition("/")[2], mode])
    elif event == "compile":
        source, name = text(arguments[0]), text(arguments[1])
        if "SUBMITTED" in source or INTAKE in name or name.endswith("lab90_tiny/lab.py"):
            heard.append(["compile", name])
    elif event == "exec":
        name = getattr(arguments[0], "co_filename", "")
        if INTAKE in name or name.endswith("lab90_tiny/lab.py"):
            heard.append(["exec", name])
    elif event == "import" and arguments[0] in ("this", "labs.lab90_tiny.lab"):
        heard.append(["import", arguments[0]])
    elif event.startswith(("pickle.", "marshal.loads")) and event != "marshal.loads":
        heard.append([event, text(arguments)])


with open_backend("auto") as backend:
    sys.addaudithook(listen)
    result = grade_archive(archive, Terms(root, backend, "official", hidden))
loaded = [name for name in ("hydra", "omegaconf", "labs.lab90_tiny.lab") if name in sys.modules]
print(json.dumps({"heard": heard, "loaded": loaded, "result": result.plain()}))
"""

CODE = (
    HONEST
    + """

SUBMITTED = "import this"


class Model(Model):
    def __init__(self, scale=1.0, **config):
        super().__init__(scale)
"""
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    stage = make_stage(tmp_path_factory.mktemp("scorer"))
    model = {"scale": 1.0, "_target_": "this.Zen", "loss": {"_target_": "this.Zen"}}
    archive = stage.submit("ada", CODE, model=model)
    command = [sys.executable, "-c", LISTENER, str(archive), str(stage.root), str(stage.hidden)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.in_turns
def test_the_grade_is_a_whole_one(told: dict[str, Any]) -> None:
    assert (told["result"]["verdict"], told["result"]["score"]) == ("graded", 20)


def test_the_scorer_reads_numbers_and_no_code(told: dict[str, Any]) -> None:
    opened = {Path(path).name for _, path, mode in _of(told, "open") if "r" in mode}
    # "": the folder, to remove it; the archive, whose bytes the grade is of
    assert opened - {"", "submission.zip"} == {"config.yaml", "weights.safetensors"}


def test_the_scorer_runs_unpickles_and_builds_nothing(told: dict[str, Any]) -> None:
    assert [event for event in told["heard"] if event[0] != "open"] == []
    assert told["loaded"] == []


def _of(told: dict[str, Any], kind: str) -> list[list[str]]:
    return [event for event in told["heard"] if event[0] == kind]

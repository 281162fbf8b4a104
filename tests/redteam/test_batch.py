"""A hundred submissions, five of them hostile, two at a time, with an interruption on the way."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from archives import ARCHIVES
from official_lab import WEIGHTS, Stage, make_stage

from dllab.grading.batch import grade_folder
from dllab.grading.official import Terms
from dllab.sandbox.backends import open_backend
from dllab.submission.gather import lone

HOSTILE_CODE = {"loops": "ungradable", "fork_bomb": "ungradable", "exits_zero": "graded"}
HOSTILE_ARCHIVES = {"config_that_overflows_the_stack": "ungradable", "bomb": "ungradable"}
HOSTILE = {**HOSTILE_CODE, **HOSTILE_ARCHIVES}
HONEST = 95
BEFORE_THE_BREAK = 20


class BreakError(Exception):
    """The instructor's laptop was closed."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return make_stage(tmp_path)


def hundred(stage: Stage) -> list[Path]:
    """The hostile ones stand in front of the honest ones, where they could delay the most."""
    archives = [stage.submit(f"a-{name}", stage.code(name)) for name in HOSTILE_CODE]
    archives += [
        ARCHIVES[name](stage).rename(stage.root / "archives" / f"a-{name}.zip")
        for name in HOSTILE_ARCHIVES
    ]
    archives += [
        stage.submit(f"h{number}", weights={"scale": WEIGHTS["scale"] + number})
        for number in range(HONEST)
    ]
    assert len(archives) == 100
    return archives


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_hundred_submissions(stage: Stage) -> None:
    archives, out, seen = hundred(stage), stage.root / "out", 0

    def count(_archive: Path, _result: dict[str, Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == BEFORE_THE_BREAK:
            raise BreakError

    processes = set(psutil.Process().children(recursive=True))
    with open_backend("auto") as backend:
        terms = Terms(stage.root, backend, "official", stage.hidden)
        with pytest.raises(BreakError):
            grade_folder([lone(one) for one in archives], terms, out, jobs=2, done=count)
        first = {file: file.read_bytes() for file in (out / "results").glob("*.json")}
        assert BEFORE_THE_BREAK <= len(first) < 100
        results = grade_folder([lone(one) for one in archives], terms, out, jobs=2).results

    assert all(file.read_bytes() == before for file, before in first.items()), "graded twice"
    verdicts = {r.submission.learner: r.verdict for r in results if not r.passed}
    assert verdicts == {f"a-{name}": verdict for name, verdict in HOSTILE.items()}
    honest = [r for r in results if r.passed]
    assert len(honest) == HONEST
    assert all(r.score == r.max_score for r in honest)
    assert json.dumps(sorted(r.submission.learner for r in honest)).count('"h') == HONEST
    assert set(psutil.Process().children(recursive=True)) <= processes
    assert "95 passed" in (out / "summary.html").read_text()

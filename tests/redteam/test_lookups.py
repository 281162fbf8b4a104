"""F10: a table of public rows in lab.py, and what stands against it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from official_lab import CHEATER, HONEST, Stage, draw, make_stage, write_hidden
from torch import Tensor

from dllab.data import find
from dllab.data.kinds import kind_of
from dllab.grading.official import Terms, grade_archive
from dllab.result import CheckRow, Result
from dllab.sandbox.backends import Backend

SEED = 11
TABLE = """
import hashlib

KNOWN = @KNOWN@


def key(series, length):
    values = (series[:length] / @STEP@).round() if @STEP@ else series[:length]
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:8]


def predict(self, batch):
    rows = zip(batch["series"], batch["lengths"].tolist())
    labels = [KNOWN.get(key(series, length), 0) for series, length in rows]
    return torch.nn.functional.one_hot(torch.tensor(labels), 2).float()


Model.predict = predict
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("DLLAB_GRADER_KEY", str(tmp_path / "key" / "grader.pem"))
    return make_stage(tmp_path)


def table(items: dict[str, Tensor], step: float) -> str:
    """None of the work, and the label of each row by its bytes, or by its values rounded."""

    def key(series: Tensor, length: int) -> str:
        values = (series[:length] / step).round() if step else series[:length]
        return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:8]

    rows = zip(items["series"], items["lengths"].tolist(), items["label"].tolist(), strict=True)
    known = {key(series, length): label for series, length, label in rows}
    return CHEATER + TABLE.replace("@KNOWN@", json.dumps(known)).replace("@STEP@", str(step))


def perturb(stage: Stage) -> None:
    """Replace the hidden set by the same rows as `dllab hidden build` would write them."""
    dataset, drawn = find("toy", stage.root), draw(seed=SEED)
    rng = torch.Generator().manual_seed(SEED)
    write_hidden(stage.root.parent / "perturbed", kind_of(dataset).perturb(dataset, drawn, rng))


def grade(stage: Stage, wall: Backend, code: str, hidden: str) -> tuple[Result, CheckRow]:
    terms = Terms(stage.root, wall, hidden=stage.root.parent / hidden)
    result = grade_archive(stage.submit("x", code), terms)
    return result, next(row for row in result.checks if row.id == "accuracy")


@pytest.mark.parametrize("step", [0, 0.01], ids=["exact", "rounded"])
def test_f10_a_table_wins_on_rows_as_they_are_and_nothing_on_perturbed_ones(
    stage: Stage, warm: Backend, step: float
) -> None:
    write_hidden(stage.root.parent / "drawn", draw(seed=SEED))
    perturb(stage)
    code = table(draw(seed=SEED), step)
    assert grade(stage, warm, code, "drawn")[1].points == 10
    result, row = grade(stage, warm, code, "perturbed")
    assert (result.verdict, row.points) == ("graded", 0), row.message


def test_f10_perturbed_items_cost_honest_work_nothing(stage: Stage, warm: Backend) -> None:
    perturb(stage)
    result, row = grade(stage, warm, HONEST, "perturbed")
    assert (result.verdict, result.score, row.status) == ("graded", 20, "pass")


def test_f10_what_a_table_wins_is_looked_at_by_a_person(stage: Stage, warm: Backend) -> None:
    """Where somebody brings rows as they are, and the lab says what is usual."""
    write_hidden(stage.root.parent / "drawn", draw(seed=SEED))
    edit(stage, "criteria", {"accuracy": {"strong": 0.93}})
    result, row = grade(stage, warm, table(draw(seed=SEED), 0), "drawn")
    assert (result.verdict, row.status) == ("needs_review", "review")
    assert "far better than the published 0.93" in result.reason


def test_f10_code_has_a_size_of_its_own(stage: Stage, warm: Backend) -> None:
    """What `--retrain` takes over is lab.py alone."""
    write_hidden(stage.root.parent / "drawn", draw(seed=SEED))
    code = table(draw(seed=SEED), 0)
    edit(stage, "budgets", {"code_bytes": len(code.encode()) - 1})
    _, row = grade(stage, warm, code, "drawn")
    assert (row.status, row.points) == ("fail", 0)
    assert "bytes of lab.py, got" in row.message


def edit(stage: Stage, key: str, values: dict[str, Any]) -> None:
    path = stage.lab.folder / "lab.yaml"
    spec = yaml.safe_load(path.read_text())
    for name, value in values.items():
        known = spec[key].get(name)
        spec[key][name] = {**known, **value} if isinstance(known, dict) else value
    path.write_text(yaml.safe_dump(spec))

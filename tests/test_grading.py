"""The practice grade: honest work passes, everything else loses its points and says why."""

import json
import sys

import pytest
import torch
import yaml
from grading_lab import CHECKS, LAB, WEIGHTS, make_desk
from safetensors.torch import load_file

from dllab.cli import main
from dllab.errors import InfraError, LabError, LearnerError
from dllab.grading import code_checks, grade
from dllab.grading.code_checks import run_checks
from dllab.grading.inputs import fill_padding, shuffle
from dllab.grading.result import decide, exit_code
from dllab.result import CheckRow, read_result

DOUBLE = "return 2 * x"


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


@pytest.fixture
def _forks(warm, monkeypatch):
    for module in (code_checks, grade):
        monkeypatch.setattr(module, "find_backend", lambda _name: warm)


# Workers are forks of a warm process, for tests to which it is all one how a worker starts.
in_forks = pytest.mark.usefixtures("_forks")


def rows_of(result):
    return {row.id: row for row in result.checks}


def test_honest_work_passes_with_everything_on_record(desk):
    run = desk.make_run()
    graded = desk.grade(run)
    result = graded.result
    assert (result.verdict, result.passed, result.score) == ("graded", True, 15)
    assert sorted(result.manifest_completed) == sorted(result.manifest_expected)
    assert {row.status for row in result.checks} == {"pass"}
    assert exit_code(result) == 0
    assert read_result(run.result) == result
    metric = result.metrics[0]
    assert (metric.name, metric.value, metric.n) == ("accuracy", 1.0, 300)
    kept = load_file(run.arm("main").test_predictions)
    assert torch.equal(kept["scores"], graded.predictions["main"].scores)
    assert torch.equal(kept["scores"].argmax(1), kept["label"])
    assert "labs.lab90_tiny.lab" not in sys.modules, "the grader imported learner code"


@in_forks
def test_a_wrong_function_fails_its_check_and_skips_what_builds_on_it(desk):
    result = desk.grade(desk.make_run(LAB.replace(DOUBLE, "return 3 * x"))).result
    rows = rows_of(result)
    assert rows["double"].status == "fail"
    assert "expected double(x) to be" in rows["double"].message
    assert rows["double"].hint_id == "double"
    assert (rows["twice"].status, rows["twice"].message) == ("skip", "needs Doubling first")
    assert (result.verdict, result.passed, result.score) == ("graded", False, 10)
    assert exit_code(result) == 1


@in_forks
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return (2 * x)[:2]", "expected shape [3], got [2]"),
        ("return 2 * x * float('nan')", "must be finite"),
        ("raise NotImplementedError('TODO double: times two')", "not done yet: double: times two"),
        ("import os; os._exit(0)", "exit code 0"),
    ],
)
def test_each_way_to_be_wrong_is_named(desk, body, words):
    row, behind = run_checks(desk.lab, desk.write_code(LAB.replace(DOUBLE, body)))
    assert row.status == "fail"
    assert words in row.message
    assert behind.status == "skip"


@in_forks
def test_checks_can_be_run_by_name_and_draw_afresh_once_they_pass(desk):
    wrong = LAB.replace(DOUBLE, "return torch.tensor([-3.0, 1.0, 2.0])")

    def told(code):
        [row] = run_checks(desk.lab, desk.write_code(code), ["twice"])
        assert row.id == "twice"
        return row.message

    first = told(wrong)
    assert told(wrong) == first, "while it fails a learner can work the numbers out"
    assert told(LAB) == ""
    assert told(wrong) != first


@in_forks
def test_a_file_that_does_not_import_is_the_learners_to_mend(desk):
    with pytest.raises(LearnerError, match="unknown") as caught:
        run_checks(desk.lab, desk.write_code("import torch\nunknown\n"))
    assert 'mine.py", line 2' in caught.value.traceback


def predict_as(lines):
    """The tiny lab with another `predict`."""
    return LAB[: LAB.index("        valid =")] + "\n".join(f"        {line}" for line in lines)


SUM = "total = batch['series'].sum((1, 2))"


@in_forks
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["return batch['series'][:, 0, 0]"], "expected shape [300, *], got [300]"),
        (["return batch['series'][:, 0] * 0 / 0"], "must be finite"),
        (["return batch['series'][:, 0]"], "expected a column for each of 2 classes, got 1"),
        (["return batch['label']"], "KeyError"),
        (["import os", "os._exit(0)"], "exit code 0"),
    ],
)
def test_predictions_that_cannot_be_scored_earn_nothing(desk, lines, words):
    result = desk.grade(desk.make_run(predict_as(lines))).result
    row = rows_of(result)["accuracy"]
    assert (row.status, row.points) == ("fail", 0)
    assert words in row.message
    assert (result.verdict, result.passed, result.score) == ("graded", False, 5)
    assert result.metrics == ()


@in_forks
@pytest.mark.parametrize(
    "lines",
    [
        [SUM, "return torch.stack([-total, total], 1)"],
        [
            "self.norm.train()",
            "total = self.norm(batch['series'][:, 0])",
            "return torch.cat([-total, total], 1)",
        ],
    ],
    ids=["padding", "batch norm in train mode"],
)
def test_scores_that_depend_on_neighbours_are_no_evidence(desk, lines):
    result = desk.grade(desk.make_run(predict_as(lines))).result
    rows = rows_of(result)
    assert rows["independent-main"].status == "fail"
    assert rows["independent-main"].kind == "integrity"
    assert "scores of an item change with its neighbours" in rows["accuracy"].message
    assert rows["accuracy"].points == 0
    assert not result.passed


@in_forks
def test_weights_load_strictly(desk):
    weights = {**WEIGHTS, "extra": torch.ones(1), "scale": torch.ones(2)}
    del weights["norm.running_var"]
    message = rows_of(desk.grade(desk.make_run(weights=weights)).result)["accuracy"].message
    assert "norm.running_var is missing" in message
    assert "extra is not part of the model" in message
    assert "scale has shape [2], the model wants []" in message


@in_forks
def test_damaged_and_absent_weights_are_said_so(desk):
    run = desk.make_run()
    run.arm("main").weights.write_bytes(b"\x80\x04K*.")
    assert "damaged" in rows_of(desk.grade(run).result)["accuracy"].message
    run.arm("main").weights.unlink()
    assert "was not trained" in rows_of(desk.grade(run).result)["accuracy"].message


def test_code_that_hangs_is_ungradable_and_says_so(desk):
    spec = desk.lab.folder / "lab.yaml"
    spec.write_text(spec.read_text().replace("probe_s: 20", "probe_s: 3"))
    hang = LAB.replace(DOUBLE, "while True: pass")
    result = desk.grade(desk.make_run(hang)).result
    assert (result.verdict, exit_code(result)) == ("ungradable", 3)
    assert "timed out" in result.reason
    assert not result.passed


@in_forks
def test_code_that_cannot_be_imported_is_ungradable(desk):
    result = desk.grade(desk.make_run("import torch\nunknown\n")).result
    assert (result.verdict, result.score) == ("ungradable", 0)
    assert "NameError" in result.reason


@in_forks
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('return close(got["y"], 2', 'return close(got["z"], 2', "the check itself failed"),
        ('"x": torch.randn', '"x": torch.random', "the check itself failed"),
        ('@check("twice"', '@check("thrice"', "none is written"),
    ],
)
def test_our_own_faults_are_never_charged(desk, old, new, words):
    (desk.lab.folder / "checks.py").write_text(CHECKS.replace(old, new))
    result = desk.grade(desk.make_run()).result
    assert (result.verdict, result.passed) == ("infra_error", False)
    assert words in result.reason
    assert exit_code(result) == 4


def test_official_grading_refuses_to_run_without_a_wall(desk):
    with pytest.raises(InfraError, match="needs a sandbox") as caught:
        desk.grade(desk.make_run(), mode="official")
    assert "bubblewrap" in caught.value.hint


def test_half_a_run_is_refused(desk):
    run = desk.make_run()
    run.code.unlink()
    with pytest.raises(LabError, match=r"lab\.py is missing"):
        desk.grade(run)


def row(id, status, **more):
    return CheckRow(id, id, "code", status, 0, 1, **more)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([row("a", "pass"), row("b", "fail")], "graded"),
        ([row("a", "pass")], "infra_error"),
        ([], "infra_error"),
        ([row("a", "pass"), row("b", "error")], "infra_error"),
        ([row("a", "pass"), row("b", "fail", lost=True)], "ungradable"),
        ([row("a", "pass"), row("b", "review")], "needs_review"),
    ],
)
def test_silence_is_never_a_pass(rows, verdict):
    assert decide(rows, ["a", "b"])[0] == verdict


def test_inputs_are_shuffled_and_restored_without_loss():
    inputs = {"image": torch.arange(50)[:, None]}
    hidden = shuffle(inputs, torch.Generator().manual_seed(0))
    assert not torch.equal(hidden.inputs["image"], inputs["image"])
    assert torch.equal(hidden.restore(hidden.inputs["image"]), inputs["image"])


def test_padding_is_filled_with_values_of_the_same_data():
    tokens = torch.tensor([[5, 6, 0, 0], [7, 0, 0, 0], [5, 6, 7, 8]])
    inputs = {"tokens": tokens, "lengths": torch.tensor([2, 1, 4])}
    filled = fill_padding(inputs, torch.Generator().manual_seed(0))["tokens"]
    valid = torch.arange(4) < inputs["lengths"][:, None]
    assert torch.equal(filled[valid], tokens[valid])
    assert set(filled[~valid].tolist()) <= {5, 6, 7, 8}
    assert tokens[0, 3] == 0, "the data set itself was changed"


@pytest.fixture
def code_lab(desk, monkeypatch):
    """The tiny lab without a model: it exports a function."""
    path = desk.lab.folder / "lab.yaml"
    spec = yaml.safe_load(path.read_text())
    del spec["arms"], spec["criteria"]
    path.write_text(yaml.safe_dump({**spec, "exports": ["double"]}))
    monkeypatch.chdir(desk.root)
    return desk


def test_the_command_grades_prints_and_exits(code_lab, tmp_path, capsys):
    run = code_lab.make_run()
    out = tmp_path / "out.json"
    assert main(["grade", "90", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["run"] == run.id
    assert "Doubling twice" in capsys.readouterr().out
    code_lab.make_run(LAB.replace(DOUBLE, "return x"))
    assert main(["grade", "90", "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "graded"


def test_the_commands_exit_codes_tell_whose_fault_it_was(code_lab):
    assert main(["grade", "17"]) == 2
    code_lab.make_run("import torch\nunknown\n")
    assert main(["grade", "90"]) == 3


def test_the_command_says_when_the_lab_is_at_fault(code_lab, capsys):
    (code_lab.lab.folder / "checks.py").write_text(CHECKS.replace("2 * given", "2 * taken"))
    code_lab.make_run()
    assert main(["grade", "90"]) == 4
    assert "NameError" in capsys.readouterr().out

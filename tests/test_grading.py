"""The practice grade: honest work passes, everything else loses its points and says why."""

import json
import sys

import pytest
import torch
import yaml
from grading_lab import CHECKS, LAB, WEIGHTS, make_desk
from safetensors.torch import load_file

from dllab.cli import main
from dllab.data import Column
from dllab.errors import InfraError, LabError, LearnerError
from dllab.grading import code_checks, grade
from dllab.grading.code_checks import run_checks
from dllab.grading.independence import AGAIN, company
from dllab.grading.inputs import fill_padding, shuffle
from dllab.grading.result import decide, exit_code
from dllab.lab.layout import Layout, scores_form
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
        (["return batch['series'][:, 0, 0]"], "predict: expected shape [150, 2], got [150]"),
        (["return batch['series'][:, :2, 0] * 0 / 0"], "must be finite"),
        (["return batch['series'][:, 0]"], "expected shape [150, 2], got [150, 1]"),
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
def test_the_few_that_are_scored_again_do_not_tell_how_items_rank_among_all():
    """Two cheats: one halves what it is given; one knows how the few are chosen, and bets on it."""
    value = torch.randn(400, generator=torch.Generator().manual_seed(0))
    upper = value > value.median()
    scores = torch.stack([~upper, upper], 1).float()
    chosen = [company(scores, torch.Generator().manual_seed(seed)) for seed in range(500)]
    assert all(len(set(few.tolist())) == AGAIN for few in chosen)
    by_half = [torch.equal(value[few] > value[few].median(), upper[few]) for few in chosen]
    assert sum(by_half) == 0
    positive = torch.tensor([int(upper[few].sum()) for few in chosen])
    assert int(positive.bincount().max()) < 0.08 * len(chosen)


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
    assert "stopped before its arm main" in rows_of(desk.grade(run).result)["accuracy"].message


@pytest.mark.in_turns
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


def rng():
    return torch.Generator().manual_seed(0)


CAPTIONED = Layout(
    {
        "image": Column(dtype="uint8", shape=(3, 4, 4)),
        "tokens": Column(dtype="int64", shape=(4,), lengths="lengths"),
        "lengths": Column(dtype="int64"),
        "price": Column(dtype="float32"),
        "catalogue": Column(dtype="float32", shape=(9, 2), shared=True),
        "boxes": Column(dtype="float32", shape=(2, 4), role="target", lengths="count"),
        "count": Column(dtype="int64", role="target"),
        "speaker": Column(dtype="int64", role="group"),
    }
)


def captioned():
    """Three items with a picture, a caption and a price, and what they share."""
    return {
        "image": torch.arange(3 * 48).reshape(3, 3, 4, 4).byte(),
        "tokens": torch.tensor([[5, 6, 0, 0], [7, 0, 0, 0], [5, 6, 7, 8]]),
        "lengths": torch.tensor([2, 1, 4]),
        "price": torch.tensor([1.0, 2.0, 3.0]),
        "catalogue": torch.randn(9, 2),
        "boxes": torch.ones(3, 2, 4),
        "count": torch.tensor([0, 1, 2]),
        "speaker": torch.tensor([4, 4, 9]),
    }


def test_inputs_are_shuffled_and_restored_without_loss():
    inputs = CAPTIONED.inputs(captioned())
    hidden = shuffle(inputs, CAPTIONED, rng())
    assert not torch.equal(hidden.inputs["price"], inputs["price"])
    for name in ("image", "lengths", "price"):
        assert torch.equal(hidden.restore(hidden.inputs[name]), inputs[name])
    assert torch.equal(hidden.inputs["catalogue"], inputs["catalogue"]), "shared by all items"


def test_what_a_model_may_see_ends_where_targets_and_groups_begin():
    items = captioned()
    assert set(CAPTIONED.inputs(items)) == {"image", "tokens", "lengths", "price", "catalogue"}
    assert set(CAPTIONED.secrets(items)) == {"boxes", "count", "speaker"}
    assert CAPTIONED.groups(items).tolist() == [4, 4, 9]
    assert CAPTIONED.count(items) == 3


def test_padding_is_filled_with_values_of_the_same_column_and_nothing_else_is_touched():
    inputs = CAPTIONED.inputs(captioned())
    filled = fill_padding(inputs, CAPTIONED, rng())
    tokens, valid = inputs["tokens"], torch.arange(4) < inputs["lengths"][:, None]
    assert torch.equal(filled["tokens"][valid], tokens[valid])
    assert set(filled["tokens"][~valid].tolist()) <= {5, 6, 7, 8}
    assert tokens[0, 3] == 0, "the data set itself was changed"
    for name in ("image", "price", "lengths", "catalogue"):
        assert torch.equal(filled[name], inputs[name])


def test_items_without_a_single_step_have_nothing_to_fill_with():
    inputs = {**CAPTIONED.inputs(captioned()), "lengths": torch.zeros(3, dtype=torch.int64)}
    assert torch.equal(fill_padding(inputs, CAPTIONED, rng())["tokens"], inputs["tokens"])


@pytest.mark.parametrize(
    ("declared", "own", "form"),
    [
        ("float32 [N, C]", "", "float32 [N, 7]"),
        ("float32 [N, ...]", "", "float32 [N, 5, 6]"),
        ("float32 [N, C, ...]", "", "float32 [N, 7, 5, 6]"),
        ("float32 [N, 4]", "", "float32 [N, 4]"),
        ("float32 [N, K, 6]", "float32 [N, 20, 6]", "float32 [N, 20, 6]"),
        ("float32 [N, C, ...]", "float32 [N, 2, 8, 8]", "float32 [N, 2, 8, 8]"),
        ("float32 [N, ...]", "float32 [N]", "float32 [N]"),
    ],
)
def test_the_form_of_scores_follows_from_metric_set_and_arm(declared, own, form):
    layout = Layout({"label": Column(dtype="int64", shape=(5, 6), role="target")}, classes=7)
    assert scores_form(declared, own, layout) == form


@pytest.mark.parametrize(
    ("declared", "own", "words"),
    [
        ("float32 [N, K, 6]", "", "not known"),
        ("float32 [N, C]", "", "not known"),
        ("float32 [N, ...]", "", "not known"),
        ("float32 [N, K, 6]", "float32 [N, 20, 5]", "the metric wants"),
        ("float32 [N, C]", "float64 [N, 3]", "the metric wants"),
        ("float32 [N, C]", "float32 [N]", "the metric wants"),
    ],
)
def test_scores_whose_form_stays_open_or_is_in_dispute_are_the_labs_fault(declared, own, words):
    series = Column(dtype="float32", shape=("T",), role="target", lengths="lengths")
    with pytest.raises(LabError, match=words):
        scores_form(declared, own, Layout({"label": series}))


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

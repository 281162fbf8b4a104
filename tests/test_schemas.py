"""What dllab writes and reads is typed once: schemas are fresh, and readers use the models."""

import ast
import json
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml
from export_results import result

from dllab.authoring.schemas import MODELS, schemas
from dllab.errors import LabError
from dllab.grading.hidden import HiddenFiles, HiddenIndex
from dllab.result import Grader, MetricRow, Result, Submission, read_result
from dllab.rundir.run import write_json
from dllab.submission.manifest import FileSeal, Manifest

REPO = Path(__file__).parents[1]
DESCRIBED = sorted([*REPO.glob("data/*/dataset.yaml"), *REPO.glob("data/*/weights.yaml")])
PAGES = dict(schemas())
LABS = [file for place in ("labs", "tests/kinds") for file in REPO.glob(f"{place}/*/lab.yaml")]


def schema(name):
    return json.loads(PAGES[f"{name}.schema.json"])


def test_the_schemas_are_fresh():
    written = {path.name: path.read_text() for path in (REPO / "docs/schemas").iterdir()}
    assert written == PAGES, "run: python -m dllab.authoring.schemas docs/schemas"


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.parent.name)
def test_every_lab_yaml_is_of_its_schema(path):
    plain = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    jsonschema.validate(plain, schema("lab"))


@pytest.mark.parametrize("path", DESCRIBED, ids=lambda path: path.parent.name)
def test_every_description_of_data_is_of_its_schema(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), schema(path.stem))


def test_what_is_written_is_of_its_schema(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(result()))
    jsonschema.validate(read_result(tmp_path / "r.json").plain(), schema("result"))
    files = {"lab.py": FileSeal("0" * 64, 3)}
    manifest = Manifest("dllab.submission/1", "lab01_mlp", "1", "r1", files, ("main",), {"a": 0.5})
    jsonschema.validate(json.loads(json.dumps(manifest.plain())), schema("submission"))
    jsonschema.validate(
        {"schema": "dllab.hidden/1", "lab": "lab01_mlp", "sets": {}}, schema("hidden")
    )


def test_a_result_is_read_as_it_was_written(tmp_path):
    made = Result(
        submission=Submission("lab01_mlp", learner="ada"),
        grader=Grader("1.0", seeds=(2**62,)),
        verdict="graded",
        metrics=(MetricRow("accuracy", 0.5, ci95=(0.4, 0.6)),),
    )
    write_json(tmp_path / "result.json", made.plain())
    assert read_result(tmp_path / "result.json") == made


def test_an_old_result_is_read_and_what_a_newer_one_adds_is_passed_over(tmp_path):
    path = tmp_path / "result.json"
    old = {"schema": "dllab.result/1", "submission": {"lab": "lab01_mlp"}, "verdict": "graded"}
    path.write_text(json.dumps(old | {"invented_later": 1}))
    assert read_result(path) == Result(submission=Submission("lab01_mlp"), verdict="graded")
    path.write_text(json.dumps(old | {"metrics": [{"name": "a", "value": float("inf")}]}))
    with pytest.raises(LabError, match=r"not a whole result: metrics\.0\.value: .*finite"):
        read_result(path)


# Names that no other file has: whoever looks one up in a mapping reads a file past its model.
NAMES = {
    one.name
    for model in (Result, MetricRow, Manifest, HiddenIndex, HiddenFiles)
    for one in fields(model)
} & {
    *("verdict", "max_score", "late_penalty", "evaluated_on", "graded_at", "curve_findings"),
    *("manifest_expected", "manifest_completed", "nonce", "claimed_value", "claimed", "run_id"),
    *("sets", "inputs_sha256", "labels_sha256"),
}
ELSEWHERE = {
    ("export/gradescope.py", "verdict"): "Gradescope's own document",
    ("export/autolab.py", "late_penalty"): "Autolab's own document",
    ("sandbox/worker.py", "nonce"): "a message to the sandbox",
}


def looked_up(tree: ast.AST):
    """Every text that a mapping is asked for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "pop"):
            key = node.args[0] if node.args else None
        else:
            continue
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def test_every_reader_goes_through_the_models():
    source = REPO / "src/dllab"
    assert len(NAMES) == 15
    assert "verdict" in looked_up(ast.parse('x["verdict"]'))
    assert "verdict" in looked_up(ast.parse('x.get("verdict")'))
    found = {
        (path.relative_to(source).as_posix(), name)
        for path in source.rglob("*.py")
        for name in NAMES.intersection(looked_up(ast.parse(path.read_text())))
    }
    assert found - ELSEWHERE.keys() == set()
    named = {"course", "lab", "result", "submission", "hidden", "dataset", "weights"}
    assert set(MODELS) == named

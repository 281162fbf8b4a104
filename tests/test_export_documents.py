"""Exports of a document a result: Gradescope, Autolab, check50, JUnit."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from export_results import check, result, with_verdict, write


def gradescope(export: Any, folder: Path, value: dict[str, Any]) -> Any:
    return json.loads(export("gradescope", write(folder, ada=value)))


def test_gradescope_shows_checks_and_keeps_hidden_ones_with_the_staff(
    tmp_path: Path, export: Any
) -> None:
    document = gradescope(export, tmp_path / "in", result())
    assert document["score"] == 12.5
    assert "1 of 2 hidden checks passed" in document["output"]
    tests = {test["extra_data"]["id"]: test for test in document["tests"]}
    assert [tests[id]["visibility"] for id in ("linear", "gradients")] == ["visible", "hidden"]
    assert [tests[id]["status"] for id in ("linear", "loss")] == ["passed", "failed"]
    assert tests["loss"]["score"] == 2.5
    assert "expected 1 & <2>" in tests["loss"]["output"]
    assert document["leaderboard"] == [
        {"name": "accuracy", "value": 0.7891, "order": "desc"},
        {"name": "loss", "value": 0.5, "order": "asc"},
    ]


@pytest.mark.parametrize("verdict", ["ungradable", "infra_error"])
def test_gradescope_says_that_no_attempt_was_charged(
    verdict: str, tmp_path: Path, export: Any
) -> None:
    document = gradescope(export, tmp_path / "in", with_verdict(verdict))
    assert document["score"] == 0
    assert "No attempt was charged" in document["output"]
    assert "the code did not end" in document["output"]
    assert "score" not in document["tests"][0]


def test_a_review_tells_no_suspicion(tmp_path: Path, export: Any) -> None:
    document = gradescope(export, tmp_path / "in", with_verdict("needs_review"))
    assert "A person will look" in document["output"]
    assert "did not end" not in document["output"]


def test_autolab_sends_points_by_check_and_none_without_a_grade(
    tmp_path: Path, export: Any
) -> None:
    late = write(tmp_path / "late", ada=result(late_penalty=2.0))
    feedback, last = map(json.loads, export("autolab", late).splitlines())
    assert sum(last["scores"].values()) == 10.5
    assert last["scores"]["loss"] == 2.5
    assert last["scoreboard"] == [10.5, 0.7891, 0.5]
    assert feedback["Code"]["Linear"] == {"passed": True, "hint": ""}
    assert feedback["Code"]["Hidden check 1"]["passed"] is False
    failed = write(tmp_path / "failed", ada=with_verdict("infra_error"))
    assert json.loads(export("autolab", failed).splitlines()[-1])["scores"] == {}


def test_check50_tells_passed_failed_and_undecided_apart(tmp_path: Path, export: Any) -> None:
    statuses = result(checks=[*result()["checks"], check("odd", "review"), check("bad", "error")])
    report = json.loads(export("check50", write(tmp_path / "in", ada=statuses)))
    assert {one["name"]: one["passed"] for one in report["results"]} == {
        "linear": True,
        "loss": False,
        "twice": None,
        "gradients": False,
        "alone": True,
        "accuracy": False,
        "odd": None,
        "bad": None,
    }
    assert report["results"][2]["dependency"] == "loss"


def test_check50_reports_a_grading_without_an_end_as_error(tmp_path: Path, export: Any) -> None:
    bad = write(tmp_path / "in", ada=with_verdict("ungradable"))
    assert json.loads(export("check50", bad))["error"]["type"] == "Ungradable"


def test_junit_counts_what_it_holds(tmp_path: Path, export: Any) -> None:
    folder = write(tmp_path / "in", ada=result(), bob=result("bob", verdict="infra_error"))
    ada, bob = ET.fromstring(export("junit", folder))
    counts = [
        [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
        for suite in (ada, bob)
    ]
    assert counts == [["6", "3", "0", "1"], ["7", "3", "1", "1"]]
    assert "The grader failed, not your work" in ET.tostring(bob, encoding="unicode")

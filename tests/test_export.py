"""Exports: every format is valid, tells each verdict rightly, and keeps hidden checks hidden."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from export_schemas import AUTOLAB_FEEDBACK, AUTOLAB_SCORES, CHECK50, GRADESCOPE, LTI_SCORE

from dllab.cli import main

FORMATS = ("gradescope", "autolab", "check50", "junit", "nbgrader", "canvas", "lti")
VERDICTS = ("graded", "ungradable", "infra_error", "needs_review")
SECRET = "expected softmax of 7.25, a value of the hidden set"
NASTY = (
    'O\'Hara, "Zoë" <b>&',
    '=HYPERLINK("http://x")',
    "+1",
    "@sum",
    " =1+1",
    "李雷",
    "a\x00\n\tb",
)


def check(id: str, status: str, points: float = 0.0, max_points: float = 5.0, **more: Any) -> Any:
    return {
        "id": id,
        "title": id.title(),
        "kind": "code",
        "status": status,
        "points": points,
        "max_points": max_points,
        "message": "" if status == "pass" else f"{id}: expected 1 & <2>, got \u001b[31m3",
        "depends_on": [],
        "visibility": "visible",
        "evidence": {"log": SECRET},
        "required": False,
        **more,
    }


def result(learner: str | None = "ada", **more: Any) -> dict[str, Any]:
    """An official result with a check of every status, two of them hidden."""
    return {
        "schema": "dllab.result/1",
        "submission": {
            "id": "0" * 64,
            "lab": "lab01_mlp",
            "lab_version": "1",
            "learner": learner,
            "received_at": "2026-11-20T10:00:00Z",
            "late_s": 0,
        },
        "grader": {"version": "1.0", "device": "a processor", "seeds": [1]},
        "verdict": "graded",
        "reason": "",
        "passed": True,
        "score": 12.5,
        "max_score": 25.0,
        "late_penalty": 0.0,
        "mode": "official",
        "impl": "mine",
        "evaluated_on": "hidden",
        "checks": [
            check("linear", "pass", 5.0),
            check("loss", "partial", 2.5),
            check("twice", "skip", depends_on=["loss"]),
            check("gradients", "fail", title=SECRET, message=SECRET, visibility="hidden"),
            check("alone", "pass", 5.0, title=SECRET, visibility="hidden"),
            check("accuracy", "fail", kind="metric"),
        ],
        "metrics": [
            {"name": "accuracy", "value": 0.78912, "direction": "max", "source": "measured"},
            {"name": "loss", "value": 0.5, "direction": "min", "source": "measured"},
            {"name": "accuracy", "value": 0.99, "direction": "max", "source": "claimed"},
        ],
        **more,
    }


def with_verdict(verdict: str, **more: Any) -> dict[str, Any]:
    reason = "" if verdict == "graded" else "linear: the code did not end"
    passed = verdict == "graded"
    return result(verdict=verdict, passed=passed, reason=reason, **more)


def received(at: str, **more: Any) -> dict[str, Any]:
    made = result(**more)
    made["submission"]["received_at"] = at
    return made


def write(folder: Path, **results: dict[str, Any]) -> Path:
    """Each result as NAME.json in the folder, written a minute after the one before."""
    folder.mkdir(exist_ok=True)
    for minute, (name, value) in enumerate(results.items()):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(value))
        os.utime(path, (1.8e9 + 60 * minute,) * 2)
    return folder


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: Any) -> str:
        assert main(["export", *map(str, args)]) == 0
        return capsys.readouterr().out

    return run


def validate(format: str, text: str) -> None:
    """Against the format's schema; for the CSVs, that every line is whole."""
    if format == "junit":
        xmlschema.validate(text, Path(__file__).with_name("export_xunit2.xsd"))
    elif format == "autolab":
        feedback, scores = map(json.loads, text.splitlines())
        jsonschema.validate(feedback, AUTOLAB_FEEDBACK)
        jsonschema.validate(scores, AUTOLAB_SCORES)
        assert set(feedback["stages"]) == set(feedback) - {"_presentation", "stages"}
    elif format in ("nbgrader", "canvas"):
        header, *lines = csv.reader(io.StringIO(text), strict=True)
        assert lines
        assert all(len(line) == len(header) for line in lines)
    else:
        schema = {"gradescope": GRADESCOPE, "check50": CHECK50, "lti": LTI_SCORE}[format]
        jsonschema.validate(json.loads(text), schema)


# --- every format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_valid_for_every_verdict(
    format: str, verdict: str, tmp_path: Path, export: Any
) -> None:
    validate(format, export(format, write(tmp_path / "in", ada=with_verdict(verdict))))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [*NASTY, None])
def test_every_format_survives_any_name(
    format: str, name: str | None, tmp_path: Path, export: Any
) -> None:
    validate(format, export(format, write(tmp_path / "in", anonymous=result(name))))


@pytest.mark.parametrize("format", FORMATS)
def test_no_message_can_break_a_format_or_steer_a_terminal(
    format: str, tmp_path: Path, export: Any
) -> None:
    rude = "half \ud800, null \x00, red \x1b[31m, \x9b31m, ]]> & \ufffe"
    out = tmp_path / "out"
    export(
        format,
        write(tmp_path / "in", ada=result(checks=[check("a", "fail", message=rude)])),
        "-o",
        out,
    )
    text = out.read_text(encoding="utf-8")
    validate(format, text)
    assert not [char for char in "\x00\x1b\x9b" if char in text or f"u{ord(char):04x}" in text]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("format", FORMATS)
def test_nothing_of_a_hidden_check_leaks(
    format: str, verdict: str, tmp_path: Path, export: Any
) -> None:
    # The scorer's reason quotes the row that decided, be it hidden or not.
    telling = with_verdict(verdict) | {"reason": f"{SECRET}: timed out"}
    assert SECRET not in export(format, write(tmp_path / "in", ada=telling))


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_result_of_a_bad_archive_is_exported(
    format: str, tmp_path: Path, export: Any
) -> None:
    bad = with_verdict("ungradable", checks=[], metrics=[], score=0, max_score=0)
    validate(format, export(format, write(tmp_path / "in", ada=bad)))


# --- which result counts --------------------------------------------------------------------------


def canvas_cells(text: str) -> dict[str, list[str]]:
    _, _, *lines = csv.reader(io.StringIO(text))
    return {line[0]: line[5:] for line in lines}


def test_a_failed_regrade_never_replaces_an_older_score(
    tmp_path: Path, export: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for verdict in VERDICTS[1:]:
        folder = write(tmp_path / verdict, old=result(), regrade=with_verdict(verdict))
        main(["export", "canvas", str(folder)])
        text, notes = capsys.readouterr()
        assert canvas_cells(text) == {"ada": ["12.50"]}
        assert notes == f"ada, lab01_mlp: a newer result ({verdict}) was left aside\n"


def test_the_newest_graded_result_wins_even_when_lower(tmp_path: Path, export: Any) -> None:
    folder = write(
        tmp_path / "in",
        late=received("2026-11-21T09:00:00+01:00", score=3.0),
        early=received("2026-11-21T07:30:00Z", score=20.0),
    )
    assert canvas_cells(export("canvas", folder)) == {"ada": ["3.00"]}


def test_of_two_gradings_of_one_submission_the_later_counts(tmp_path: Path, export: Any) -> None:
    folder = write(tmp_path / "in", first=result(score=1.0), second=result(score=2.0))
    assert canvas_cells(export("canvas", folder)) == {"ada": ["2.00"]}


def test_practice_never_replaces_an_official_grade(tmp_path: Path, export: Any) -> None:
    practice = received("2026-11-22T00:00:00Z", mode="practice", score=25.0)
    folder = write(tmp_path / "in", official=result(), practice=practice)
    assert canvas_cells(export("canvas", folder)) == {"ada": ["12.50"]}


def test_runs_of_the_reference_earn_nobody_credit(tmp_path: Path, export: Any) -> None:
    folder = write(tmp_path / "in", ada=result(), bob=result("bob", impl="reference"))
    assert canvas_cells(export("canvas", folder)) == {"ada": ["12.50"]}
    (folder / "ada.json").unlink()
    assert main(["export", "lti", str(folder)]) == 2


def test_folders_are_searched_and_other_json_is_passed_over(tmp_path: Path, export: Any) -> None:
    deep = tmp_path / "in" / "bob"
    deep.mkdir(parents=True)
    (deep / "run.json").write_text('{"lab": "x"}')
    (deep / "result.json").write_text(json.dumps(result(None)))
    assert list(canvas_cells(export("canvas", tmp_path, deep / "result.json"))) == ["bob"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read"),
        ("{}", "is not a result"),
        ('{"schema": "dllab.result/1"}', "is not a whole result"),
        (json.dumps(result(score=float("nan"))), "not a finite number"),
        (json.dumps(result(verdict="splendid")), "unknown verdict"),
    ],
)
def test_a_file_that_is_no_result_is_named(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(content)
    assert main(["export", "junit", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "x.json" in error


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    assert main(["export", "junit", str(tmp_path)]) == 2
    assert main(["export", "junit", str(tmp_path / "absent")]) == 2


# --- files ----------------------------------------------------------------------------------------


def test_several_documents_go_into_a_folder_under_safe_names(tmp_path: Path, export: Any) -> None:
    learners = ("../../etc/x", "a b", "a_b", "A_b", "", "...", "李雷")
    results = {f"r{i}": result(learner) for i, learner in enumerate(learners)}
    folder = write(tmp_path / "in", **results)
    assert main(["export", "lti", str(folder)]) == 2
    export("lti", folder, "-o", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert names == sorted(
        f"{stem}.lab01_mlp.json"
        for stem in ("etc_x", "unnamed", "A_b", "a_b-2", "a_b-3", "r4", "李雷")
    )


# --- gradescope -----------------------------------------------------------------------------------


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


# --- autolab, check50, junit ----------------------------------------------------------------------


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


# --- gradebooks -----------------------------------------------------------------------------------

ROSTER = """learner,name,email,canvas_id,sis_user_id,sis_login_id,section,lti_user_id,excused
ada,"Lovelace, Ada",ada@example.org,101,S1,ada,"Mon, 9:00",u-1,
eve,"=cmd, Eve",eve@example.org,102,S2,eve,Tue,u-2,lab01_mlp
max,Müller,max@example.org,103,S3,max,Tue,u-3,
"""


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8")
    return path


def test_canvas_reads_it_back(tmp_path: Path, roster: Path, export: Any, clone: Path) -> None:
    results = write(tmp_path / "in", ada=result(score=7), zed=result("zed", late_penalty=20))
    text = export("canvas", results, "--roster", roster, "--assignment", "1=4711")
    assert list(csv.reader(io.StringIO(text))) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Multilayer perceptron (4711)"],
        ["    Points Possible", "", "", "", "", "25.00"],
        ["Lovelace, Ada", "101", "S1", "ada", "Mon, 9:00", "7.00"],
        ["'=cmd, Eve", "102", "S2", "eve", "Tue", "EX"],
        ["Müller", "103", "S3", "max", "Tue", ""],
        ["zed", "", "", "zed", "", "0.00"],
    ]


def test_canvas_leaves_a_cell_empty_where_nothing_is_graded(tmp_path: Path, export: Any) -> None:
    folder = write(tmp_path / "in", ada=result(), bob=result("bob", verdict="needs_review"))
    assert canvas_cells(export("canvas", folder)) == {"ada": ["12.50"], "bob": [""]}


def test_canvas_refuses_to_mix_results_out_of_different_points(tmp_path: Path) -> None:
    mixed = write(tmp_path / "in", ada=result(), bob=result("bob", max_score=40, mode="practice"))
    assert main(["export", "canvas", str(mixed)]) == 2


def test_nbgrader_has_its_columns_and_quotes_every_field(
    tmp_path: Path, roster: Path, export: Any
) -> None:
    results = write(
        tmp_path / "in",
        ada=result(late_penalty=2.5),
        eve=result("eve"),
        max=result("max", verdict="ungradable"),
    )
    text = export("nbgrader", results, "--roster", roster)
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())
    ada, eve, mueller = csv.DictReader(io.StringIO(text))
    assert ada == {
        "assignment": "lab01_mlp",
        "duedate": "",
        "timestamp": "2026-11-20 10:00:00",
        "student_id": "ada",
        "last_name": "Lovelace",
        "first_name": "Ada",
        "email": "ada@example.org",
        "raw_score": "12.50",
        "late_submission_penalty": "2.50",
        "score": "10.00",
        "max_score": "25.00",
    }
    assert eve["last_name"] == "'=cmd"
    assert [eve["score"], mueller["score"]] == ["", ""]


@pytest.mark.parametrize("name", NASTY)
def test_no_cell_of_a_gradebook_is_a_formula(name: str, tmp_path: Path, export: Any) -> None:
    for format in ("nbgrader", "canvas"):
        text = export(format, write(tmp_path / "in", ada=result(name)))
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        assert not [cell for cell in cells if cell.lstrip().startswith(tuple("=+-@"))]
        assert not [cell for cell in cells if "\x00" in cell or "\n" in cell]


def test_lti_takes_the_user_from_the_roster_and_sends_points_only_when_graded(
    tmp_path: Path, roster: Path, export: Any
) -> None:
    def score(value: dict[str, Any]) -> Any:
        return json.loads(export("lti", write(tmp_path / "in", one=value), "--roster", roster))

    graded = score(result())
    assert [graded[key] for key in ("userId", "scoreGiven", "scoreMaximum")] == ["u-1", 12.5, 25.0]
    assert graded["submission"] == {"submittedAt": "2026-11-20T10:00:00.000+00:00"}
    others = [score(with_verdict(verdict)) for verdict in VERDICTS[1:]]
    assert not [one for one in others if "scoreGiven" in one]
    progress = [one["gradingProgress"] for one in others]
    assert progress == ["Failed", "Pending", "PendingManual"]
    excused = score(result("eve"))
    assert [excused["gradingProgress"], "scoreGiven" in excused] == ["NotReady", False]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name\nAda\n", "'learner' is missing"),
        ("learner,shoe\nada,38\n", "unknown column 'shoe'"),
        ("learner,name\nada,Lovelace, Ada\n", "line 2 does not have 2 fields"),
        ("learner,name\nada\n", "line 2 does not have 2 fields"),
        ("learner\nada\nada\n", "is there twice"),
    ],
)
def test_a_wrong_roster_is_an_error_that_names_the_place(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "roster.csv").write_text(content)
    folder = write(tmp_path / "in", ada=result())
    assert main(["export", "lti", str(folder), "--roster", str(tmp_path / "roster.csv")]) == 2
    assert says in capsys.readouterr().err


def test_an_assignment_that_fits_no_lab_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", ada=result())
    for wrong in ("02=4711", "01=", "01", "01=x"):
        assert main(["export", "canvas", str(folder), "--assignment", wrong]) == 2

"""Exports: every format is valid and keeps hidden checks hidden; of several results one counts."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from export_results import (
    NASTY,
    SECRET,
    VERDICTS,
    canvas_cells,
    check,
    received,
    result,
    with_verdict,
    write,
)
from export_schemas import AUTOLAB_FEEDBACK, AUTOLAB_SCORES, CHECK50, GRADESCOPE, LTI_SCORE

from dllab.cli import main
from dllab.export.feedback import feedback_page
from dllab.export.grades import read_grade

FORMATS = ("gradescope", "autolab", "check50", "junit", "nbgrader", "canvas", "lti")


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


@pytest.mark.parametrize("format", [*FORMATS, "feedback"])
def test_f13_no_number_tells_more_than_four_places(
    format: str, tmp_path: Path, export: Any
) -> None:
    """An exact score tells who asks a hundred times which answers were right."""
    fine = {"score": 7.6543210987, "max_score": 23.456789012, "late_penalty": 0.1234567891}
    rows = [check("loss", "partial", 2.3456789012), check("far", "pass", 5.4321098765)]
    made = result(checks=rows, **fine)
    made["metrics"][0]["value"] = 0.789123456789
    folder = write(tmp_path / "in", ada=made)
    if format == "feedback":
        text = feedback_page(read_grade(folder / "ada.json")).partition("</style>")[2]
    else:
        text = export(format, folder)
    assert re.search(r"7\.65|7\.53|2\.35", text), "the score, less its penalty, or a check's points"
    assert not re.findall(r"\d\.\d{5,}", text)


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_result_of_a_bad_archive_is_exported(
    format: str, tmp_path: Path, export: Any
) -> None:
    bad = with_verdict("ungradable", checks=[], metrics=[], score=0, max_score=0)
    validate(format, export(format, write(tmp_path / "in", ada=bad)))


# --- which result counts --------------------------------------------------------------------------


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


def test_h4_copying_results_changes_no_grade(tmp_path: Path, export: Any) -> None:
    """By their own word one was graded an hour before the other; by the files' a minute after."""
    old = result(score=1.0, graded_at="2026-11-21T12:00:00+02:00")
    new = result(score=2.0, graded_at="2026-11-21T11:00:00Z")
    folder = write(tmp_path / "in", new=new, old=old)
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
        (json.dumps(result(score=float("nan"))), "score: Input should be a finite number"),
        (json.dumps(result(verdict="splendid")), "verdict: Input should be 'graded'"),
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

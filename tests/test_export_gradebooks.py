"""Exports into a gradebook, by a roster: Canvas, nbgrader, LTI."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from export_results import NASTY, VERDICTS, canvas_cells, result, with_verdict, write

from dllab.cli import main

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


def test_m8_a_file_that_was_no_archive_makes_no_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk = result("bob", verdict="ungradable", reason="this is not a zip archive")
    junk["submission"]["lab"] = None
    folder = write(tmp_path / "in", ada=result(), bob=junk)
    assert main(["export", "canvas", str(folder)]) == 0
    told = capsys.readouterr()
    assert "None" not in told.out
    assert len(told.out.splitlines()[0].split(",")) == 6
    assert "bob: left out, it names no lab: this is not a zip archive" in told.err


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

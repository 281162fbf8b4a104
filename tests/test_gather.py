"""Folders of submissions: each file is somebody's or is listed, and no two learners become one."""

import csv
import random
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from official_lab import Stage, make_stage, unzipped

from dllab.cli import main
from dllab.course.roster import read_roster
from dllab.errors import LabError
from dllab.submission.gather import Gathered, gather
from dllab.submission.stamps import read_time

ROSTER = """learner,name,email,canvas_id,sis_user_id
ada,"Lovelace, Ada",ada@example.org,101,s1
max,"Müller, Max",max@example.org,102,s2
"""


@pytest.fixture
def subs(tmp_path: Path) -> Path:
    (tmp_path / "subs").mkdir()
    (tmp_path / "roster.csv").write_text(ROSTER)
    return tmp_path / "subs"


def lay(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"bytes %d" % number)
    return folder


def unpacked(folder: Path) -> Path:
    return lay(folder, "manifest.json", "lab.py", "config.yaml")


def whose(gathered: Gathered, folder: Path) -> dict[str, str]:
    return {one.path.relative_to(folder).as_posix(): one.learner for one in gathered.submissions}


def passed_over(gathered: Gathered) -> Mapping[str, str]:
    return {one.file: one.reason for one in gathered.passed_over}


NBGRADER = ["ada/lab01/submission.zip", "max/lab01/submission.zip"]
CANVAS = ["lovelaceada_101_4711_submission.zip", "müllermax_LATE_102_4712_submission-1.zip"]
MOODLE = [
    "Ada Lovelace_77_assignsubmission_file_/submission.zip",
    "Max Müller_78_assignsubmission_file_/submission (1).zip",
]
AUTOLAB = ["ada@example.org_1_submission.zip", "max@example.org_12_handin.zip"]


@pytest.mark.parametrize(
    ("layout", "files", "alone"),
    [
        ("nbgrader", NBGRADER, ["ada", "max"]),
        ("canvas", CANVAS, ["lovelaceada-101", "müllermax-102"]),
        ("moodle", MOODLE, ["Ada Lovelace", "Max Müller"]),
        ("autolab", AUTOLAB, ["ada@example.org", "max@example.org"]),
        ("{learner}/{lab}/*.zip", NBGRADER, ["ada", "max"]),
        ("*_{id}_*_submission*.zip", [], []),
    ],
)
def test_h2_layouts_of_platforms(
    subs: Path, layout: str, files: list[str], alone: list[str]
) -> None:
    if not files:
        with pytest.raises(LabError, match="is no layout"):
            gather(lay(subs, "a.zip"), layout)
        return
    lay(subs, *files)
    assert list(whose(gather(subs, layout), subs).values()) == alone
    known = gather(subs, layout, read_roster(subs.parent / "roster.csv"))
    assert whose(known, subs) == dict(zip(files, ("ada", "max"), strict=True))
    assert all(one.known for one in known.submissions)


def test_h2_gradescope_names_people_in_a_file_of_its_own(subs: Path) -> None:
    for number in (1, 2):
        unpacked(subs / f"submission_{number}")
    (subs / "submission_metadata.yml").write_text(
        "submission_1:\n  :submitters:\n  - :name: Ada\n    :sid: s1\n"
        "    :email: ada@example.org\n  :created_at: 2026-11-20 10:00:00.123456 -08:00\n"
        "submission_2:\n  :submitters:\n  - :name: Max\n    :sid: s2\n    :email:\n"
        "  - :name: Ada\n    :sid: s1\n    :email: ada@example.org\n"
    )
    roster = read_roster(subs.parent / "roster.csv")
    found = gather(subs, "gradescope", roster)
    assert [(one.path.name, one.learner) for one in found.submissions] == [
        ("submission_1", "ada"),
        ("submission_2", "max"),
        ("submission_2", "ada"),
    ]
    assert found.submissions[0].received_at == datetime(2026, 11, 20, 18, 0, 0, 123456, UTC)
    assert passed_over(found) == {"submission_metadata.yml": "written by the platform"}


@pytest.mark.parametrize(
    ("files", "names", "advice"),
    [
        (NBGRADER, NBGRADER, "--layout nbgrader"),
        (["ada.zip", "late/ada.zip"], ["ada.zip", "late/ada.zip"], "--layout"),
        (["submission.zip", "submission (1).zip"], ["submission (1).zip", "submission.zip"], ""),
        (["submission-1.zip", "Submission copy.ZIP"], ["Submission copy.ZIP"], ""),
    ],
)
def test_h2_two_learners_never_become_one(
    subs: Path, files: list[str], names: list[str], advice: str
) -> None:
    with pytest.raises(LabError) as refused:
        gather(lay(subs, *files))
    assert all(str(subs / name) in refused.value.what for name in names)
    assert advice in refused.value.hint


def test_h2_namesakes_are_told_apart_or_refused(subs: Path) -> None:
    lay(subs, "Jo Doe_1_assignsubmission_file_/a.zip", "Jo Doe_2_assignsubmission_file_/a.zip")
    with pytest.raises(LabError, match="would both be 'Jo Doe'"):
        gather(subs, "moodle")
    other = lay(subs.parent / "canvas", "doejo_1_9_submission.zip", "doejo_2_9_submission.zip")
    assert list(whose(gather(other, "canvas"), other).values()) == ["doejo-1", "doejo-2"]


def test_f11_a_path_that_names_two_learners_is_refused(subs: Path) -> None:
    roster = read_roster(subs.parent / "roster.csv")
    with pytest.raises(LabError, match=r"both of the roster"):
        gather(lay(subs, "max/ada.zip"), roster=roster)


def test_two_attempts_in_one_folder_are_one_learners(subs: Path) -> None:
    lay(subs, "ada/submission.zip", "ada/submission (1).zip", "max/submission.zip")
    assert sorted(whose(gather(subs), subs).values()) == ["ada", "ada", "max"]


def test_h3_nothing_is_passed_over_without_a_word(subs: Path) -> None:
    lay(subs, "ada/SUBMISSION.ZIP", "max.zip", "eve/lab.py", "dan/submission.tar.gz", "notes.txt")
    lay(subs, "._max.zip", "__MACOSX/._ada", "Thumbs.db", "bob.ipynb")
    lay(subs / "out", "results/old.json")
    unpacked(subs / "cyd")
    lay(subs / "cyd", "starter.diff", ".DS_Store", "conftest.py")
    (subs / "link").symlink_to(subs / "ada")
    found = gather(subs, out=subs / "out")
    assert whose(found, subs) == {"max.zip": "max", "ada/SUBMISSION.ZIP": "ada", "cyd": "cyd"}
    assert {file: reason.split(":")[0] for file, reason in passed_over(found).items()} == {
        "eve/lab.py": "a part of one alone",
        "dan/submission.tar.gz": "another kind of archive",
        "notes.txt": "not a submission",
        "._max.zip": "left by macOS",
        "__MACOSX/._ada": "left by macOS",
        "Thumbs.db": "left by Windows",
        "bob.ipynb": "a part of one alone",
        "cyd/.DS_Store": "left by macOS",
        "cyd/conftest.py": "a part of one alone",
        "link": "a link to a folder",
    }


def test_h3_what_a_layout_does_not_fit_is_listed(subs: Path) -> None:
    found = gather(lay(subs, *NBGRADER, "stray.zip"), "nbgrader")
    assert passed_over(found) == {"stray.zip": "its path is not of the layout nbgrader"}
    with pytest.raises(LabError, match="has the layout autolab"):
        gather(subs, "autolab")


def test_h3_every_file_of_any_folder_ends_in_one_of_two_lists(tmp_path: Path) -> None:
    rng = random.Random(0)
    parts = ["ada", "max", "__MACOSX", "lab01", "Übung", "submission"]
    names = ["a.zip", "B.ZIP", ".DS_Store", "lab.py", "x.tar.gz", "._a.zip", "manifest.json", "y"]
    for trial in range(60):
        folder = tmp_path / str(trial)
        made = {
            "/".join([*rng.choices(parts, k=rng.randrange(3)), f"{rng.randrange(99)}", name])
            for name in rng.choices(names, k=rng.randrange(1, 12))
        }
        lay(folder, *made, "one.zip")
        try:
            found = gather(folder, "{learner}/*.zip" if trial % 2 else "plain")
        except LabError as error:
            refused = error.what
            continue
        whole = {one.path for one in found.submissions}
        listed = {folder / one.file for one in found.passed_over}
        files = {path for path in folder.rglob("*") if path.is_file()}
        assert not whole & listed
        assert files == {f for f in files if f in whole | listed or f.parent in whole}
    assert "would both be" in refused or "has the layout" in refused


def test_m9_accents_in_one_piece_or_two_are_one_name(subs: Path) -> None:
    split = unicodedata.normalize("NFD", "Müller")
    lay(subs, f"{split}.zip")
    assert list(whose(gather(subs), subs).values()) == ["Müller"]
    (subs.parent / "roster.csv").write_text("learner,email\nmüller,x@example.org\n")
    roster = read_roster(subs.parent / "roster.csv")
    assert list(whose(gather(subs, roster=roster), subs).values()) == ["müller"]


def test_low_a_roster_of_canvas_and_one_of_excel_are_read(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (9)\n"
        "    Points Possible,,,,,20\n"
        '"Lovelace, Ada",101,s1,ada,S,\n'
        '"Student, Test",999,,x,S,\n'
    )
    ada = read_roster(path).match("lovelaceada")
    assert ada
    assert (ada.learner, ada.first, ada.last) == ("ada", "Ada", "Lovelace")
    assert list(read_roster(path).learners) == ["ada"]
    path.write_text("\ufefflearner;name\nada;Lovelace, Ada\n;\n;\n", encoding="utf-8")
    assert list(read_roster(path).learners) == ["ada"]


def test_an_id_belongs_to_one_learner(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text("learner,email\nada,x@example.org\nmax,X@example.org\n")
    with pytest.raises(LabError, match="is an id of 'max' and 'ada'"):
        read_roster(path)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-07-01 12:00:00.123456 Europe/Berlin", 10),
        ("2026-12-01 12:00:00 Europe/Berlin", 11),
        ("2026-12-01 12:00:00 UTC\n", 12),
        ("2026-12-01T12:00:00-05:00", 17),
        ("2026-12-01 12:00:00", None),
        ("2026-12-01 12:00:00 Nowhere/City", None),
        ("yesterday", None),
    ],
)
def test_times_of_platforms(text: str, hour: int | None) -> None:
    moment = read_time(text)
    assert (moment and moment.hour) == hour


def test_a_folder_of_a_platform_is_graded(
    tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stage = make_stage(tmp_path)
    monkeypatch.chdir(stage.root)
    _hand_in(stage)
    words = ["grade", "archives", "--official", "--hidden", str(stage.hidden), "--out", "out"]
    assert main(words) == 2
    assert "would both be 'lab01'" in capsys.readouterr().err
    assert main([*words, "--layout", "nbgrader", "--roster", "roster.csv"]) == 0
    told = capsys.readouterr().out
    assert "1 not in the roster: max" in told
    assert "1 of the roster handed in nothing here: eve" in told
    assert "1 files passed over: ada/lab01/timestamp.txt" in told
    rows = {row["learner"]: row for row in _read("out/grades.csv")}
    assert {name: row["score"] for name, row in rows.items()} == {"ada": "20.0", "max": "20.0"}
    assert rows["max"]["reason"] == "not in the roster"
    assert _read("out/passed_over.csv") == [
        {"file": "ada/lab01/timestamp.txt", "reason": "written by the platform"}
    ]
    assert main(["export", "canvas", "out", "--roster", "roster.csv", "-o", "canvas.csv"]) == 0
    assert [row["SIS Login ID"] for row in _read("canvas.csv")[1:]] == ["ada", "eve", "max"]


def _hand_in(stage: Stage) -> None:
    """Ada's archive and, unpacked, Max's, as nbgrader lays them down."""
    archive = stage.submit("ada")
    folder = stage.root / "archives"
    for name, content in unzipped(stage.submit("max")).items():
        target = folder / "max" / "lab01" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "max.zip").unlink()
    (folder / "ada" / "lab01").mkdir(parents=True)
    archive.rename(folder / "ada" / "lab01" / "submission.zip")
    (folder / "ada" / "lab01" / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC\n")
    (stage.root / "roster.csv").write_text("learner,email\nada,ada@example.org\neve,\n")


def _read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))

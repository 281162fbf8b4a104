"""course.yaml: due times and clock changes, grace, penalties, extensions, attempts, overrides."""

import csv
import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from official_lab import CHEATER, make_stage
from test_schemas import schema

from dllab.cli import main
from dllab.course.plan import CourseRules, read_course, require_known
from dllab.course.roster import Roster, read_roster
from dllab.course.standing import Entry, standings
from dllab.errors import LabError

COURSE = """
title: Deep learning, winter 2026
time_zone: Europe/Berlin
late: {grace_minutes: 15, percent_a_day: 10, most_percent: 50}
attempts: 3
labs:
  01: {due: 2026-10-19 23:59}
  lab02_cnn: {due: 2026-10-26, attempts: 1, late: {percent_a_day: 100}}
  "03": {due: 2026-11-02T12:00:00-05:00}
extensions:
  - {learner: Ada, lab: 01, days: 7, reason: ill}
  - {learner: eve, due: 2026-12-01}
overrides:
  - {learner: max, lab: 01, score: 12, author: A, comment: first}
  - {learner: max, lab: 1, score: 17.5, author: M. Curie, comment: orally}
"""


@pytest.fixture
def course(tmp_path: Path) -> CourseRules:
    return read(tmp_path, COURSE)


def read(folder: Path, text: str) -> CourseRules:
    (folder / "course.yaml").write_text(text)
    return read_course(folder / "course.yaml")


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc]


def test_due_times_have_a_zone(course: CourseRules) -> None:
    assert course.due("bob", "lab01_mlp") == utc(2026, 10, 19, 21, 59)  # summer time
    assert course.due("bob", "lab02_cnn") == utc(2026, 10, 26, 23, 0)  # the day's end, winter time
    assert course.due("bob", "lab03_rnn") == utc(2026, 11, 2, 17, 0)
    assert course.due("bob", "lab04_transfer") is None


def test_an_extension_of_days_keeps_the_hour_when_the_clocks_change(course: CourseRules) -> None:
    assert course.due("ada", "lab01_mlp") == utc(2026, 10, 26, 22, 59)
    assert course.due("ada", "lab02_cnn") == course.due("bob", "lab02_cnn")
    assert course.due("eve", "lab03_rnn") == utc(2026, 12, 1, 23, 0)


def test_an_hour_that_comes_twice_ends_with_its_second_turn(tmp_path: Path) -> None:
    twice = "time_zone: Europe/Berlin\nlabs: {1: {due: 2026-10-25 02:30}}\n"
    assert read(tmp_path, twice).due("a", "lab01_mlp") == utc(2026, 10, 25, 1, 30)


@pytest.mark.parametrize(
    ("minutes", "percent"),
    [(-1, 0), (0, 0), (15, 0), (15.1, 10), (24 * 60, 10), (24 * 60 + 1, 20), (60 * 24 * 30, 50)],
)
def test_lateness(course: CourseRules, minutes: float, percent: float) -> None:
    due = course.due("bob", "lab01_mlp")
    assert due
    late_s, found = course.lateness("bob", "lab01_mlp", due + timedelta(minutes=minutes))
    assert found == percent
    assert late_s == (minutes * 60 if percent else 0)


def test_more_time_never_costs_and_later_never_gains(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(40):
        rule = {
            "grace_minutes": rng.choice([0, 5, 600]),
            "percent_a_day": rng.choice([0, 7, 33.3, 100]),
            "most_percent": rng.choice([0, 40, 100]),
        }
        zone = rng.choice(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
        day = datetime(2026, 3, 1) + timedelta(days=rng.randrange(300), minutes=rng.randrange(1440))  # noqa: DTZ001 - a wall clock's
        plain = {"time_zone": zone, "late": rule, "labs": {"01": {"due": f"{day:%Y-%m-%d %H:%M}"}}}
        more = {**plain, "extensions": [{"learner": "a", "lab": "01", "days": rng.random() * 9}]}
        strict, kind = (read(tmp_path, yaml.safe_dump(one)) for one in (plain, more))
        jsonschema.validate(more, schema("course"))
        begin = day.replace(tzinfo=UTC)
        moments = sorted(begin + timedelta(hours=rng.uniform(-48, 480)) for _ in range(20))
        costs = [strict.lateness("a", "lab01_x", moment)[1] for moment in moments]
        assert costs == sorted(costs)
        assert all(0 <= cost <= rule["most_percent"] for cost in costs)
        kinder = [kind.lateness("a", "lab01_x", moment)[1] for moment in moments]
        assert all(a <= b for a, b in zip(kinder, costs, strict=True))


def entry(day: int, verdict: str = "graded", lab: str = "lab01_mlp", learner: str = "bob") -> Entry:
    received = utc(2026, 10, day, 12)
    return Entry(learner, lab, f"id{day}", verdict, 20.0, received)  # type: ignore[arg-type]


def test_only_what_was_graded_is_an_attempt_and_one_graded_twice_is_one(
    course: CourseRules,
) -> None:
    days = [4, 1, 2, 2, 3, 5]
    verdicts = ["graded", "ungradable", "graded", "graded", "infra_error", "needs_review"]
    found = standings(course, [entry(d, v) for d, v in zip(days, verdicts, strict=True)])
    assert [one.attempt for one in found] == [2, None, 1, 1, None, 3]
    assert not any(one.over for one in found)
    first, second = standings(course, [entry(9, lab="lab02_cnn"), entry(8, lab="lab02_cnn")])
    assert (first.over, second.over) == (True, False)
    assert first.final(20, "graded") is None
    assert first.note == "attempt 2 of 1: does not count"


def test_what_counts(course: CourseRules) -> None:
    on_time, late, decided = standings(
        course, [entry(19), entry(21), entry(21, "ungradable", learner="max")]
    )
    assert on_time.final(18, "graded") == 18
    assert (late.penalty, late.final(18, "graded"), late.final(1, "graded")) == (4, 14, 0)
    assert late.note == "1 d 14 h late"
    assert decided.final(0, "ungradable") == 17.5
    assert decided.note == "1 d 14 h late; 17.5 by M. Curie: orally"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time_zone: Mars/Base", "time_zone 'Mars/Base' is not known"),
        ("labs: {1: {due: tomorrow}}", "'tomorrow' is not a time"),
        ("labs: {1: {when: 2026-10-19}}", "unknown key"),
        ("late: {percent_a_day: 110}", "between 0 and 100"),
        ("attempts: 0", "attempts must be 1 or more"),
        ("extensions: [{learner: ada}]", "an extension has a due time"),
        ("overrides: [{learner: a, lab: 1, score: 3, author: '', comment: x}]", "an author"),
        ("- a list", "must hold a mapping"),
    ],
)
def test_a_mistake_names_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LabError) as told:
        read(tmp_path, text)
    assert str(tmp_path / "course.yaml") in told.value.what
    assert says in told.value.what


def test_a_misspelt_learner_or_lab_decides_nothing(course: CourseRules, tmp_path: Path) -> None:
    labs = ["lab01_mlp", "lab02_cnn", "lab03_rnn"]
    require_known(course, Path("c.yaml"), Roster(), labs)
    with pytest.raises(LabError, match="there is no lab '03'"):
        require_known(course, Path("c.yaml"), Roster(), labs[:2])
    (tmp_path / "roster.csv").write_text("learner\nada\nmax\n")
    with pytest.raises(LabError, match="extensions: 'eve' is not in the roster"):
        require_known(course, Path("c.yaml"), read_roster(tmp_path / "roster.csv"), labs)


GRADED = """
time_zone: Europe/Berlin
roster: roster.csv
late: {grace_minutes: 10, percent_a_day: 10}
attempts: 1
labs: {90: {due: 2026-10-19 23:59}}
"""
MORE = """
extensions: [{learner: ADA, lab: 90, days: 1}]
overrides: [{learner: max, lab: 90, score: 9.5, author: M. Curie, comment: "orally, <b>well</b>"}]
"""


def test_a_batch_and_an_export_go_by_the_course(
    tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stage = make_stage(tmp_path)
    monkeypatch.chdir(stage.root)
    Path("roster.csv").write_text("learner,email\nada,\nmax,\n")
    Path("course.yaml").write_text(GRADED)
    ada, own = stage.submit("ada"), stage.submit("max", CHEATER)
    for archive, received in ((ada, utc(2026, 10, 20, 20)), (own, utc(2026, 10, 19, 22))):
        os.utime(archive, times=(received.timestamp(),) * 2)
    words = ["grade", "archives", "--official", "--hidden", str(stage.hidden), "--out", "out"]
    words += ["--course", "course.yaml"]
    assert main(words) == 0
    results = _results()
    assert results["ada"]["submission"]["late_s"] == (22 * 60 + 1) * 60
    assert results["ada"]["late_penalty"] == 2
    assert results["max"]["submission"]["late_s"] == 0, "within the grace"
    rows = {row["learner"]: row for row in _read("out/grades.csv")}
    assert (rows["ada"]["final"], rows["ada"]["note"]) == ("18", "22 h 1 min late")
    page = _page("ada")
    assert "20 points, less 2 for being late." in page
    assert "Hidden check 1" in page
    for secret in ("Large numbers", "far from zero", "CANARY"):
        assert secret not in page
        assert secret in _evidence("ada") or secret == "CANARY"

    Path("course.yaml").write_text(GRADED + MORE)
    capsys.readouterr()
    assert main(words) == 0
    assert "another due time or penalty" in capsys.readouterr().out
    again = _results()
    assert again["ada"]["nonce"] == results["ada"]["nonce"], "its code did not run again"
    assert again["ada"]["late_penalty"] == 0
    assert main(["verify", str(_file("ada")), "--key", str(_public_key())]) == 0
    rows = {row["learner"]: row for row in _read("out/grades.csv")}
    assert (rows["ada"]["final"], rows["max"]["final"]) == ("20", "9.5")
    assert rows["max"]["note"] == "9.5 by M. Curie: orally, <b>well</b>"
    assert "Set by M. Curie: orally, &lt;b&gt;well&lt;/b&gt;" in _page("max")
    export = ["export", "nbgrader", "out", "--course", "course.yaml", "-o", "grades.csv"]
    assert main(export) == 0
    assert {row["student_id"]: row["score"] for row in _read("grades.csv")} == {
        "ada": "20.00",
        "max": "9.50",
    }
    assert {row["duedate"] for row in _read("grades.csv")} == {
        "2026-10-19 21:59:00",
        "2026-10-20 21:59:00",
    }


def _public_key() -> Path:
    return Path("~/.config/dllab/grader.pub").expanduser()


def _file(learner: str) -> Path:
    (file,) = Path("out/results").glob(f"{learner}-*.json")
    return file


def _results() -> dict[str, Any]:
    return {name: json.loads(_file(name).read_text()) for name in ("ada", "max")}


def _page(learner: str) -> str:
    (page,) = Path("out/feedback").glob(f"{learner}-*.html")
    return page.read_text()


def _evidence(learner: str) -> str:
    return _file(learner).with_suffix(".html").read_text()


def _read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))

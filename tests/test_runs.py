"""`dllab runs`: listing, showing, comparing, from the command line."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import report_runs

from dllab.cli import main
from dllab.rundir.compare import differences
from dllab.rundir.listing import list_runs, previous_run
from dllab.rundir.run import RunFolder, new_run_id, write_json, write_text

RUNS = "runs/lab90_report"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs without arms: an earlier one that passed, a later one that was interrupted."""
    root = report_runs.make_project(tmp_path)
    for name, lr, changes in (
        ("20261120T101500Z-aaaaaa", 0.1, {}),
        ("20261121T221144Z-bbbbbb", 0.2, {"status": "interrupted", "threads": 2}),
    ):
        run = RunFolder(root / RUNS / name)
        text = f"lab: lab90_report\nimpl: mine\narms:\n  main:\n    model: {{lr: {lr}}}\n"
        write_text(run.config, text)
        write_text(run.code, f"def rate():\n    return {lr}\n")
        write_json(run.card, report_runs.CARD | changes)
    metric = {"name": "accuracy", "value": 0.8125}
    result = {"schema": "dllab.result/1", "submission": {"lab": "lab90_report"}}
    result |= {"verdict": "graded", "passed": True, "impl": "mine", "score": 40, "max_score": 45}
    write_json(root / RUNS / "20261120T101500Z-aaaaaa/result.json", {**result, "metrics": [metric]})
    monkeypatch.chdir(root)
    return root


def test_run_ids_sort_by_time_within_a_second() -> None:
    made = []
    for _ in range(20):
        made.append(new_run_id())
        time.sleep(0.001)
    assert sorted(made) == made


def test_the_newest_run_comes_first_with_what_came_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs"]) == 0
    header, newer, older = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["run", "lab"]
    assert newer.startswith("20261121T221144Z-bbbbbb")
    assert "interrupted" in newer
    assert "passed" in older
    assert "40/45" in older
    assert "accuracy 0.8125" in older
    assert older.endswith("31 s")


def test_runs_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--lab", "90", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in rows] == ["interrupted", "graded"]
    assert rows[1]["seconds"] == 31.4


def test_many_runs_are_remembered_until_their_files_change(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list_runs(project)
    index = project / "runs/.index.db"
    assert not index.exists()  # two are read faster
    monkeypatch.setattr("dllab.rundir.listing.INDEXED", 2)
    assert list_runs(project) == read
    monkeypatch.setattr("dllab.rundir.listing._read_card", lambda _path: pytest.fail("read again"))
    assert list_runs(project) == read
    monkeypatch.undo()
    monkeypatch.setattr("dllab.rundir.listing.INDEXED", 2)
    newer = RunFolder(project / RUNS / "20261121T221144Z-bbbbbb")
    write_json(newer.card, report_runs.CARD | {"status": "finished"})
    assert [row.finished for row in list_runs(project)] == [True, read[1].finished]
    (project / RUNS / "20261120T101500Z-aaaaaa").rename(project / "elsewhere")
    assert [row.id for row in list_runs(project)] == [newer.path.name]


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_damaged_index_costs_time_and_nothing_else(
    project: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    read = list_runs(project)
    monkeypatch.setattr("dllab.rundir.listing.INDEXED", 2)
    index = project / "runs/.index.db"
    index.write_bytes(content)
    assert list_runs(project) == read
    assert list_runs(project) == read
    assert index.read_bytes() != content or not index.exists()


def test_an_index_that_is_only_locked_is_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dllab.rundir.listing.INDEXED", 2)
    monkeypatch.setattr("dllab.rundir.index.PATIENCE_S", 0)
    read, index = list_runs(project), project / "runs/.index.db"
    newer = RunFolder(project / RUNS / "20261121T221144Z-bbbbbb")
    write_json(newer.card, report_runs.CARD | {"status": "finished"})
    with closing(sqlite3.connect(index)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert [row.finished for row in list_runs(project)] == [True, read[1].finished]
        assert index.exists()
        other.rollback()
        assert len(other.execute("SELECT folder FROM runs").fetchall()) == 2


def test_no_run_yet_says_how_to_make_one(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "runs").rename(project / "gone")
    assert main(["runs"]) == 0
    assert "dllab train 01" in capsys.readouterr().out


def test_a_damaged_file_does_not_hide_its_run(project: Path) -> None:
    (project / RUNS / "20261120T101500Z-aaaaaa/result.json").write_text('{"verdict": "gra')
    row = list_runs(project)[1]
    assert row.status == "finished"
    assert row.score is None


def test_the_previous_run_is_the_newest_graded_one_before(project: Path) -> None:
    newer = RunFolder(project / RUNS / "20261121T221144Z-bbbbbb")
    before = previous_run(project, newer)
    assert before is not None
    assert before.id.endswith("aaaaaa")
    assert previous_run(project, before) is None


def test_compare_names_config_code_setting_and_outcome(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "compare", "aaaaaa", "bbbbbb"]) == 0
    text = capsys.readouterr().out
    assert "arms.main.model.lr  0.1  0.2" in text
    assert "threads  1  2" in text
    assert "-    return 0.1\n+    return 0.2" in text
    assert "accuracy" in text


def test_one_run_is_compared_with_the_one_before(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "compare", "90", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["a"][-6:], found["b"][-6:]) == ("aaaaaa", "bbbbbb")
    assert main(["runs", "compare", "aaaaaa"]) == 2
    assert "is the first of its lab" in capsys.readouterr().err
    assert main(["runs", "compare", "90", "90", "90"]) == 2
    assert "too many runs" in capsys.readouterr().err


def test_compare_as_json_and_of_a_run_with_itself(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "compare", "aaaaaa", "aaaaaa", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"] == found["setting"] == found["code"] == []
    assert found["outcome"][0]["change" if "change" in found["outcome"][0] else "a"] in (0, 40)


def test_show_and_path(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "path", "90"]) == 0
    assert capsys.readouterr().out.strip() == str(project / RUNS / "20261121T221144Z-bbbbbb")
    assert main(["runs", "show", "90"]) == 0
    assert "not graded yet: dllab grade 20261121T221144Z-bbbbbb" in capsys.readouterr().out
    assert main(["runs", "show", "aaaaaa"]) == 0
    assert "passed  40 of 45 points" in capsys.readouterr().out
    assert main(["runs", "show", "aaaaaa", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["score"] == 40


def test_an_unknown_run_is_an_error_with_a_way_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "show", "77"]) == 2
    assert "there is no lab '77'" in capsys.readouterr().err


def test_differences_name_keys_that_only_one_side_has() -> None:
    found = list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}, "d": 3}))
    assert [(d.key, d.a, d.b) for d in found] == [("a.c", 2, None), ("d", None, 3)]


@pytest.mark.in_turns
def test_ten_thousand_runs_are_listed_within_a_second_of_cpu(project: Path) -> None:
    source = project / RUNS / "20261120T101500Z-aaaaaa"
    texts = {name: (source / name).read_text() for name in ("run.json", "result.json")}
    for i in range(10_000):
        folder = project / RUNS / f"20260101T{i // 3600:02}{i // 60 % 60:02}{i % 60:02}Z-{i:06x}"
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text)
    code = (
        "import sys, time; from dllab.cli import main; main(['runs']);"
        "print(time.process_time(), 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 10_003
    seconds, torch = done.stderr.split()
    assert torch == "False"
    assert float(seconds) < 3  # 1 on an idle machine; this guards against another order

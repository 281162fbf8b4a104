"""Official grading through the front door: archives, folders of them, codes, signatures, pages."""

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from official_lab import CHEATER, HONEST, WEIGHTS, Stage, make_stage

from dllab.cli import main
from dllab.errors import LabError
from dllab.grading import batch
from dllab.grading.batch import grade_folder, result_of
from dllab.grading.content import grader_content
from dllab.grading.official import Terms, grade_archive
from dllab.grading.result import exit_code
from dllab.grading.signature import key_path, verify
from dllab.lab.find import Lab
from dllab.result import Result, Submission
from dllab.sandbox.backends import Backend, find_backend
from dllab.sandbox.supervisor import Supervisor
from dllab.submission.gather import lone


@pytest.fixture
def stage(tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A project to stand in, and one warm backend for all commands."""
    stage = make_stage(tmp_path)
    monkeypatch.chdir(stage.root)
    return stage


def command(stage: Stage, subject: Path | str, *more: str) -> list[str]:
    return ["grade", str(subject), "--official", "--hidden", str(stage.hidden), *more]


def test_an_honest_archive_passes_and_its_result_is_signed(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = stage.submit("ada")
    assert main(command(stage, archive, "--json", "out.json")) == 0
    assert "20 / 20" in capsys.readouterr().out
    result = json.loads(Path("out.json").read_text())
    assert result["evaluated_on"] == "hidden"
    assert result["backend"] == find_backend("auto").name
    assert result["manifest_completed"] == [row["id"] for row in result["checks"]]
    public = key_path().with_suffix(".pub")
    assert verify(result, public)
    assert main(["verify", "out.json", "--key", str(public)]) == 0
    forged = {**result, "score": 21}
    assert not verify(forged, public)


def test_the_exit_code_says_whose_turn_it_is(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(stage, stage.submit("bob", CHEATER))) == 1
    broken = stage.submit("cyd", "import torch\nraise RuntimeError('\\x1b[2Jno')\n")
    assert main(command(stage, broken)) == 3
    broken.write_bytes(b"no zip")
    assert main(command(stage, broken)) == 3
    assert "ungradable: this is not a zip archive" in capsys.readouterr().out
    assert main(command(stage, "absent.zip")) == 2
    assert main(["grade", str(broken), "--hidden", str(stage.hidden)]) == 2
    assert exit_code(Result(submission=Submission("lab90_tiny"), verdict="needs_review")) == 5


def test_f10_what_is_too_good_is_for_a_person_to_look_at(stage: Stage) -> None:
    archive = stage.submit("ada")
    path = stage.lab.folder / "lab.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["criteria"]["accuracy"] |= {"pass": 0.65, "strong": 0.7}
    path.write_text(yaml.safe_dump(spec))
    assert main(command(stage, archive, "--json", "out.json")) == 5
    result = json.loads(Path("out.json").read_text())
    assert (result["verdict"], result["passed"]) == ("needs_review", False)
    assert result["score"] == result["max_score"]
    assert "far better than the published 0.7" in result["reason"]

    def full(files: dict[str, bytes]) -> None:
        config = yaml.safe_load(files["config.yaml"])
        config["arms"]["main"]["data"] = {"size": "full"}
        files["config.yaml"] = yaml.safe_dump(config).encode()

    assert main(command(stage, stage.rebuild(archive, full))) == 0, "it had more data"
    del spec["criteria"]["accuracy"]["strong"]
    path.write_text(yaml.safe_dump(spec))
    assert main(command(stage, archive)) == 0


def test_a_broken_check_is_our_fault_and_is_tried_again(stage: Stage) -> None:
    checks = stage.lab.folder / "_author" / "checks.py"
    checks.write_text(checks.read_text().replace("2 * given", "2 * taken"))
    assert main(command(stage, stage.submit("ada"), "--json", "out.json")) == 4
    result = json.loads(Path("out.json").read_text())
    assert (result["verdict"], result["passed"]) == ("infra_error", False)


def test_terminals_are_not_steered(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    code = "raise RuntimeError('\\x1b[2J\\x1b]0;owned\\x07\\ud800')\n"
    assert main(command(stage, stage.submit("x", code))) == 3
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("place", ["data/hidden", "labs/lab90_tiny/hidden"])
def test_a_hidden_set_within_reach_is_refused(stage: Stage, place: str) -> None:
    shutil.copytree(stage.hidden, stage.root / place)
    words = ["grade", str(stage.submit("ada")), "--official", "--hidden", place]
    assert main(words) == 2


def test_official_grades_want_a_wall(stage: Stage) -> None:
    terms = Terms(stage.root, find_backend("none"), "official", stage.hidden)
    with pytest.raises(LabError, match="needs a sandbox"):
        grade_folder([lone(stage.submit("ada"))], terms, stage.root / "out")


def some_submissions(stage: Stage) -> Path:
    """Three honest ones, one of them twice; a lazy one; and four that are no work at all."""
    folder = stage.root / "archives"
    for name, scale in (("ada", 1.0), ("bea", 2.0), ("=cmd()", 3.0)):
        stage.submit(name, weights={"scale": WEIGHTS["scale"] * scale})
    shutil.copy(folder / "ada.zip", folder / "copycat.zip")
    for learner in ("dan", "eve"):
        (folder / learner).mkdir()
    stage.submit("x", CHEATER).rename(folder / "dan" / "submission.zip")
    (folder / "eve" / "submission.zip").write_bytes(b"PK")
    (folder / "folder.zip").mkdir()
    stage.rebuild(stage.submit("foreign"), _claims_another_lab)
    stage.submit("hangs-up", f"{HONEST}\nimport os\nos._exit(0)\n")
    return folder


def _claims_another_lab(files: dict[str, bytes]) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b"lab90_tiny", b"lab91_other")


def test_no_archive_stops_the_others(stage: Stage) -> None:
    folder = some_submissions(stage)
    other = stage.root / "labs" / "lab91_other"
    shutil.copytree(stage.lab.folder, other)
    assert main(command(stage, folder, "--jobs", "2", "--out", "out")) == 0
    rows = {
        row["learner"]: row
        for row in csv.DictReader(Path("out/grades.csv").read_text().splitlines())
    }
    got = {name: (row["verdict"], row["passed"], row["score"]) for name, row in rows.items()}
    assert got == {
        "ada": ("graded", "True", "20.0"),
        "copycat": ("graded", "True", "20.0"),
        "bea": ("graded", "True", "20.0"),
        "'=cmd()": ("graded", "True", "20.0"),
        "dan": ("graded", "False", "0.0"),
        "eve": ("ungradable", "False", "0.0"),
        "foreign": ("ungradable", "False", "0.0"),
        "hangs-up": ("graded", "False", "0.0"),
    }
    assert "lab91_other, and lab90_tiny is graded here" in rows["foreign"]["reason"]
    named = [json.loads(file.read_text())["submission"]["learner"] for file in _results()]
    assert sorted(named) == sorted(name.removeprefix("'") for name in rows)
    page = Path("out/summary.html").read_text()
    assert "8 submissions" in page
    assert page.count("same bytes as another") == 2
    evidence = Path("out", rows["dan"]["result"]).with_suffix(".html").read_text()
    assert "Large numbers" in evidence


MORE_HIDDEN = '''
from labs.lab90_tiny.checks import double_probe, numbers


@check("near", "Small numbers", given=numbers, probe=double_probe, returns={"y": "float32 [3]"})
def near(given, got):
    """`double` doubles."""
    return close(got["y"], 2 * given["x"])


@check("away", "Again", given=far_numbers, probe=far_probe, returns={"y": "float32 [3]"})
def away(given, got):
    """`double` doubles again."""
    return close(got["y"], 2 * given["x"])
'''


def test_all_hidden_checks_share_a_worker_wherever_their_probes_are(
    stage: Stage, warm: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for visible checks and a group, one for the other, one to score again, one for these."""
    spec = yaml.safe_load((stage.lab.folder / "lab.yaml").read_text())
    spec["checks"] |= {"near": 1, "away": 1}
    spec["hidden"] += ["near", "away"]
    (stage.lab.folder / "lab.yaml").write_text(yaml.safe_dump(spec))
    hidden = stage.lab.folder / "_author" / "checks.py"
    hidden.write_text(hidden.read_text() + MORE_HIDDEN)
    started: list[bool] = []
    start = Supervisor.start

    def counted(self: Supervisor, *, probes: bool) -> None:
        started.append(probes)
        start(self, probes=probes)

    monkeypatch.setattr(Supervisor, "start", counted)
    result = grade_archive(stage.submit("ada"), Terms(stage.root, warm, hidden=stage.hidden))
    assert (result.verdict, result.score) == ("graded", 22), result.reason
    assert started == [False, False, False, True]


def test_an_interrupted_batch_goes_on_where_it_stopped(stage: Stage, warm: Backend) -> None:
    archives = [stage.submit(f"l{n}", weights={"scale": WEIGHTS["scale"] + n}) for n in range(4)]
    terms, out = Terms(stage.root, warm, "official", stage.hidden), stage.root / "out"

    def interrupt(_archive: Path, _result: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_folder([lone(one) for one in archives], terms, out, done=interrupt)
    first = {file: file.read_text() for file in _results()}
    assert 0 < len(first) < 4
    results = grade_folder([lone(one) for one in archives], terms, out).results
    assert [result.submission.learner for result in results] == ["l0", "l1", "l2", "l3"]
    assert {file: file.read_text() for file in first} == first

    file = next(iter(first))
    file.write_text(file.read_text()[:100])
    assert all(
        result.passed
        for result in grade_folder([lone(one) for one in archives], terms, out).results
    )


def test_another_hidden_set_is_graded_anew(stage: Stage, warm: Backend) -> None:
    archive, out = stage.submit("ada"), stage.root / "out"
    terms = Terms(stage.root, warm, "official", stage.hidden)
    (first,) = grade_folder([lone(archive)], terms, out).results
    about = stage.hidden / "hidden.json"
    about.write_text(about.read_text() + "\n")
    (second,) = grade_folder([lone(archive)], terms, out).results
    assert first.nonce != second.nonce


@pytest.mark.in_turns
def test_h1_a_mended_check_regrades_and_tells_before_and_after(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.submit("ada")
    stage.submit("bob", CHEATER)
    words = command(stage, "archives", "--out", "out")
    assert main(words) == 0
    before = {file: file.read_text() for file in _results()}
    capsys.readouterr()
    assert main(words) == 0
    assert {file: file.read_text() for file in _results()} == before, "the same was graded again"
    assert "before" not in capsys.readouterr().out
    assert not Path("out/history").exists()

    checks = stage.lab.folder / "_author" / "checks.py"
    checks.write_text(checks.read_text().replace("2 * given", "2.5 * given"))
    # A process of its own, as any batch is: this one has imported the older checks.
    again = [sys.executable, "-m", "dllab", *words]
    new = subprocess.run(again, capture_output=True, text=True, check=True)
    told = [line.split()[:5] for line in new.stdout.splitlines() if "lab90_tiny" in line]
    assert told == [
        ["ada", "lab90_tiny", "20", "15", "-5"],
        ["bob", "lab90_tiny", "0", "0", "same"],
    ]
    with Path("out/regraded.csv").open(newline="") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    assert (rows["ada"]["score_before"], rows["ada"]["score_after"]) == ("20.0", "15.0")
    assert rows["ada"]["why"] == "other checks, lab.yaml or grader"
    kept = {Path("out", row["kept"]).read_text() for row in rows.values()}
    assert kept == set(before.values())
    contents = [json.loads(text)["grader"]["content"] for text in (*kept, *_texts())]
    assert len(contents) == 4
    assert len(set(contents)) == 2
    assert main(["export", "nbgrader", "out", "-o", "grades.csv"]) == 0
    with Path("grades.csv").open(newline="") as file:
        assert {row["student_id"]: row["score"] for row in csv.DictReader(file)} == {
            "ada": "15.00",
            "bob": "0.00",
        }


def test_h1_force_grades_everything_anew(stage: Stage) -> None:
    stage.submit("ada")
    words = command(stage, "archives", "--out", "out")
    assert main(words) == 0
    (first,) = _texts()
    assert main([*words, "--force"]) == 0
    assert main([*words, "--force"]) == 0
    assert json.loads(_texts()[0])["nonce"] != json.loads(first)["nonce"]
    assert first in {file.read_text() for file in Path("out/history").glob("*.json")}
    with Path("out/regraded.csv").open(newline="") as file:
        assert [row["why"] for row in csv.DictReader(file)] == ["forced", "forced"]


def test_what_a_grade_depends_on_is_its_content(stage: Stage) -> None:
    def content() -> str:
        grader_content.cache_clear()
        return grader_content(stage.lab)

    folder, first = stage.lab.folder, content()
    assert first not in ("", grader_content(None))
    for name in ("lab.py", "README.md", "forecast.yaml", "_author/mutants.py"):
        (folder / name).write_text("# decides on no point of this lab\n")
    assert content() == first
    for name in ("checks.py", "lab.yaml", "_author/checks.py", "_author/probes.py"):
        path = folder / name
        text = path.read_text()
        path.write_text(text + "\n# other\n")
        assert content() != first, name
        path.write_text(text)
    assert content() == first
    for name in ("given.py", "cells.csv", "conf/lab.yaml", "_author/items.npz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
        assert content() != first, name
        (folder / name).unlink()


def test_mutants_decide_where_cases_are_graded_by_them(repo: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path, tmp_path / "labs" / "lab90_break_it")
    shutil.copytree(repo / "tests" / "kinds" / "break_it", lab.folder)
    first = grader_content(lab)
    with (lab.folder / "_author" / "mutants.py").open("a") as file:
        file.write("# another\n")
    grader_content.cache_clear()
    assert grader_content(lab) != first


def test_fifty_graded_already_cost_each_a_look(
    stage: Stage, warm: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is opened, and of the lab nothing is read that was read for another."""
    archives, out = [stage.submit("l0")], stage.root / "out"
    terms = Terms(stage.root, warm, "official", stage.hidden)
    (first,) = grade_folder([lone(one) for one in archives], terms, out).results
    text = _texts()[0]
    for number in range(1, 50):
        archives.append(stage.root / "archives" / f"l{number}.zip")
        shutil.copy(archives[0], archives[-1])
        result_of(lone(archives[-1]), out).write_text(text)

    looks: Counter[str] = Counter()
    counted = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        looks[path.name] += 1
        return counted(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(batch, "grade_archive", None)
    grader_content.cache_clear()
    assert grade_folder([lone(one) for one in archives], terms, out).results == [first] * 50
    assert looks["probes.py"] == 1


def test_a_second_archive_does_not_replace_the_first(stage: Stage, warm: Backend) -> None:
    terms, out = Terms(stage.root, warm, "official", stage.hidden), stage.root / "out"
    grade_folder([lone(stage.submit("ada"))], terms, out)
    grade_folder([lone(stage.submit("ada", CHEATER))], terms, out)
    scores = [json.loads(file.read_text())["score"] for file in _results()]
    assert sorted(scores) == [0, 20]


def _results() -> list[Path]:
    return sorted(Path("out/results").glob("*.json"))


def _texts() -> list[str]:
    return [file.read_text() for file in _results()]

"""Progress: what counts, what is refused, how two copies become one, how it is shown."""

import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_checklist import add_lab, project  # noqa: F401 - the fixture

from dllab.checklist.progress import Progress
from dllab.cli import main
from dllab.errors import LabError
from dllab.result import Result, Submission


def result(lab: str = "lab01_mlp", run: str = "r1", **changes):
    base = Result(
        submission=Submission(lab), verdict="graded", passed=True, score=90, max_score=100, run=run
    )
    return replace(base, **changes)


@pytest.fixture
def shelf(project):  # noqa: F811
    """Three labs, written so that the number is not the order of the path."""
    add_lab(project, 1, "mlp", ["dense-networks", "pytorch-fundamentals"])
    add_lab(project, 2, "cnn", ["convolutional-networks"], requires=["03"])
    add_lab(project, 3, "conv", ["convolution-operation"])
    return project


def pass_lab(root: Path, lab: str, run: str = "r1") -> None:
    progress = Progress.load(root)
    assert progress.record_result(result(lab, run))
    progress.save()


def shown(capsys) -> dict:
    assert main(["progress", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_passed_lab_ticks_its_topics_and_fills_boxes(shelf, capsys):
    before = shown(capsys)
    pass_lab(shelf, "lab01_mlp")
    after = shown(capsys)
    assert after["topics"]["dense-networks"]["state"] == "passed"
    assert after["boxes"]["networks/dense"]
    assert not before["boxes"]["networks/dense"]
    assert after["levels"]["beginner"]["topics"]["done"] == 2
    assert after["levels"]["beginner"]["topics"]["total"] == 25
    assert after["levels"]["beginner"]["boxes"]["done"] == 1


@pytest.mark.parametrize("change", [{"passed": False}, {"impl": "reference"}])
def test_only_a_passed_run_of_ones_own_code_counts(shelf, change):
    progress = Progress.load(shelf)
    assert not progress.record_result(result(**change))
    assert not progress.passes


def test_a_failed_or_worse_regrade_takes_nothing_away(shelf):
    progress = Progress.load(shelf)
    progress.record_result(result(score=95))
    progress.record_result(result(score=80))
    progress.record_result(result(passed=False, score=10))
    assert [entry.score for entry in progress.passes.values()] == [95]


def test_the_path_goes_by_what_labs_require_before_numbers(shelf, capsys):
    assert [step["lab"] for step in shown(capsys)["next"]] == [
        "lab01_mlp",
        "lab03_conv",
        "lab02_cnn",
    ]
    pass_lab(shelf, "lab01_mlp")
    assert main(["progress"]) == 0
    text = capsys.readouterr().out
    assert "✓ lab 01 Mlp  90 / 100 points" in text
    assert re.search(r"next +lab 03 Conv: make lab-03", text)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_course_begins_with_its_first_lab(repo, capsys, monkeypatch):
    monkeypatch.chdir(repo)
    assert shown(capsys)["next"][0]["lab"] == "lab01_mlp"


def test_with_no_lab_left_it_points_to_what_one_may_tick(project, capsys):  # noqa: F811
    assert main(["progress"]) == 0
    assert "communities-and-social-media" in capsys.readouterr().out


def test_ticks_have_notes_and_can_be_taken_back(shelf, capsys):
    assert main(["tick", "ethics-and-law", "--note", "a model card"]) == 0
    capsys.readouterr()
    topic = shown(capsys)["topics"]["ethics-and-law"]
    assert (topic["state"], topic["note"]) == ("ticked", "a model card")
    assert main(["tick", "ethics-and-law", "--undo"]) == 0
    capsys.readouterr()
    assert shown(capsys)["topics"]["ethics-and-law"]["state"] == "open"


def test_a_habit_is_noted_and_never_counted(shelf, capsys):
    assert main(["tick", "reading-papers", "--note", "14 of them"]) == 0
    assert "never finished" in capsys.readouterr().out
    after = shown(capsys)
    assert after["topics"]["reading-papers"]["state"] == "habit"
    assert not after["boxes"]["general/reading-papers"]
    assert after["levels"]["intermediate"]["topics"]["done"] == 0


def test_hands_on_topics_are_refused_with_the_way_to_them(shelf, capsys):
    assert main(["tick", "dense-networks"]) == 2
    assert "make lab-01" in capsys.readouterr().err
    assert main(["tick", "segmentation"]) == 2
    assert "lab 57" in capsys.readouterr().err
    assert not (shelf / "progress.json").exists()


def test_a_misspelt_topic_gets_the_nearest(shelf, capsys):
    assert main(["tick", "ethics and laws"]) == 2
    assert "did you mean ethics-and-law?" in capsys.readouterr().err


def test_merging_is_the_same_either_way_round_and_twice(tmp_path):
    a, b = Progress(tmp_path / "a"), Progress(tmp_path / "b")
    a.record_result(result(run="r1"))
    a.record_hint("lab01_mlp", "linear", 3)
    a.tick("ethics-and-law", "first")
    b.record_result(result(run="r1", score=97))
    b.record_result(result("lab02_cnn", run="r2", mode="official"))
    b.record_hint("lab01_mlp", "linear", 1)
    b.record_hint("lab01_mlp", "loss", 2)
    b.tick("ethics-and-law", "second")
    b.untick("ethics-and-law")
    copies = []
    for i, order in enumerate([*itertools.permutations([a, b]), (a, b, a, b)]):
        joined = Progress(tmp_path / f"joined{i}.json")
        for one in order:
            joined.merge(one)
        joined.save()
        copies.append(joined.path.read_text())
    assert len(set(copies)) == 1
    joined = Progress.read(tmp_path / "joined0.json")
    assert not joined.ticks["ethics-and-law"].done
    assert joined.hints == {"lab01_mlp": {"linear": 3, "loss": 2}}
    assert joined.passed_labs == {"lab01_mlp", "lab02_cnn"}
    assert joined.passes["r1 practice"].score == 97


def test_merge_command_takes_in_another_copy(shelf, tmp_path, capsys):
    other = Progress(tmp_path / "laptop.json")
    other.record_result(result())
    other.save()
    assert main(["progress", "merge", str(other.path)]) == 0
    assert "labs passed: 1" in capsys.readouterr().out
    assert Progress.load(shelf).passed_labs == {"lab01_mlp"}
    assert main(["progress", "merge", "nowhere.json"]) == 2


def test_two_commands_at_once_lose_nothing(shelf):
    watching, training = Progress.load(shelf), Progress.load(shelf)
    watching.record_hint("lab01_mlp", "linear", 2)
    training.record_result(result())
    training.save()
    watching.save()
    kept = Progress.load(shelf)
    assert kept.hints
    assert kept.passes
    assert [file.name for file in shelf.iterdir() if "progress" in file.name] == ["progress.json"]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "dllab.progress/9"}', '{"schema": 1}'])
def test_a_damaged_file_is_named_and_left_alone(shelf, text):
    path = shelf / "progress.json"
    path.write_text(text)
    with pytest.raises(LabError, match=r"progress\.json"):
        Progress.load(shelf)
    assert main(["tick", "ethics-and-law"]) == 2
    assert path.read_text() == text


class Page(HTMLParser):
    """Collects what a page loads, its anchors and its ids, and that all its tags close."""

    void = ("meta", "br", "path", "rect", "i")

    def __init__(self):
        super().__init__()
        self.loads, self.anchors, self.ids, self.stack = [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loads += [v for k, v in attrs if k in ("src", "srcset", "data") or tag == "link"]
        self.anchors += [values["href"]] if tag == "a" else []
        self.ids += [values["id"]] if "id" in values else []
        if tag not in self.void:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.stack.pop() == tag


def test_the_map_is_one_file_with_every_topic_and_nothing_from_outside(shelf, capsys):
    pass_lab(shelf, "lab01_mlp")
    main(["tick", "ethics-and-law", "--note", "<script>alert(1)</script>"])
    assert main(["progress", "--html", "map.html"]) == 0
    text = Path("map.html").read_text()
    page = Page()
    page.feed(text)
    assert not page.stack
    assert not page.loads
    assert not re.search(r"https?://|url\(|@import", text)
    assert "<script" not in text
    assert len(page.anchors) == len(set(page.anchors)) == 123
    assert {anchor[1:] for anchor in page.anchors} <= set(page.ids)
    assert text.count('class="cell passed"') == 2 + 1  # the key shows one
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_a_map_that_cannot_be_written_is_said(shelf, capsys):
    assert main(["progress", "--html", "nowhere/map.html"]) == 2
    assert "nowhere/map.html" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["progress"], ["progress", "--json"], ["coverage"]])
def test_nothing_heavy_is_imported(shelf, command):
    code = (
        "import sys; from dllab.cli import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'matplotlib', 'jinja2'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_path_follows_what_labs_require(project, capsys):  # noqa: F811
    add_lab(project, 1, "one", ["dense-networks"], requires=["02", "77"])  # 77 is not here
    add_lab(project, 2, "two", ["transfer-learning"], level="intermediate")
    assert [step["lab"][3:5] for step in shown(capsys)["next"]] == ["02", "01"]
    assert main(["show", "01"]) == 0
    assert re.search(
        r"Builds on\n  ○  lab 02  Two\n  ○  lab 77  not in this", capsys.readouterr().out
    )
    pass_lab(project, "lab02_two")
    assert main(["show", "01"]) == 0
    assert "✓  lab 02  Two" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "after 02, 77" in capsys.readouterr().out


def test_labs_that_require_each_other_do_not_stop_the_path(project, capsys):  # noqa: F811
    add_lab(project, 1, "one", ["dense-networks"], requires=["02"])
    add_lab(project, 2, "two", ["dense-networks"], requires=["01"])
    assert [step["lab"][3:5] for step in shown(capsys)["next"]] == ["01", "02"]


def test_a_draft_is_on_nobodys_path_and_serves_no_topic(project, capsys):  # noqa: F811
    add_lab(project, 1, "one", ["dense-networks"], draft=True)
    assert shown(capsys)["next"] == []
    assert shown(capsys)["topics"]["dense-networks"]["labs"] == []
    assert main(["list"]) == 0
    assert re.search(r"01  One .*, draft", capsys.readouterr().out)

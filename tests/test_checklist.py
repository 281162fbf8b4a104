"""The checklist that ships: complete, and honest about what serves each topic."""

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from dllab.checklist.topics import load_checklist
from dllab.cli import main
from dllab.errors import LabError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the real checklist and no labs."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "pyproject.toml").touch()
    shutil.copy(ROOT / "labs" / "checklist.yaml", tmp_path / "labs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLLAB_LABS", raising=False)
    return tmp_path


def add_lab(
    root: Path, number: int, slug: str, topics: list[str], level: str = "beginner", **more: object
):
    folder = root / "labs" / f"lab{number:02d}_{slug}"
    folder.mkdir()
    spec = {
        "title": slug.capitalize(),
        "summary": "A lab.",
        "level": level,
        "topics": topics,
        "checks": {"first": 1},
        "hints": {},
        "pass_score": 0.7,
        "starter_sha256": "",
        "exports": ["first"],
        **more,
    }
    (folder / "lab.yaml").write_text(yaml.safe_dump(spec))


def coverage(capsys) -> dict[str, dict[str, int]]:
    main(["coverage", "--json"])
    return json.loads(capsys.readouterr().out)


def edit(root: Path, old: str, new: str) -> None:
    path = root / "labs" / "checklist.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_everything_is_accounted_for_and_little_of_it_by_ones_own_word(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["coverage", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    statuses = ["total", "served", "exercise", "planned", "self", "never", "unaccounted"]
    assert {key: list(value) for key, value in counts.items()} == {
        "topics": statuses,
        "boxes": statuses,
    }
    assert counts["topics"]["total"] == 123
    assert counts["boxes"]["total"] == 89
    assert counts["topics"]["self"] <= 18
    for count in counts.values():
        assert count["unaccounted"] == 0
        assert sum(count.values()) == 2 * count["total"]


def test_boxes_of_the_public_checklist_by_level_and_its_four_habits():
    checklist = load_checklist(ROOT)
    levels = [box.level for box in checklist.boxes]
    assert [levels.count(level) for level in ("beginner", "intermediate", "advanced")] == [
        25,
        43,
        21,
    ]
    habits = {t.id for t in checklist.topics.values() if t.how and t.how.kind == "never"}
    assert sum(set(box.topics) <= habits for box in checklist.boxes) == 4


def test_no_prerequisite_is_harder_than_what_needs_it():
    topics = load_checklist(ROOT).topics
    levels = ["beginner", "intermediate", "advanced"]
    for topic in topics.values():
        for need in topic.prerequisites:
            assert levels.index(topics[need].level) <= levels.index(topic.level), (topic.id, need)


def test_tools_of_other_frameworks_have_a_counterpart_here():
    foreign = re.compile(r"Keras|TensorFlow|MXNet|tf\.|Caffe|Theano")
    for topic in load_checklist(ROOT).topics.values():
        said = " ".join([topic.title, topic.mastery, *topic.concepts])
        assert not foreign.search(said), topic.id
        assert all(topic.counterparts.values())


def test_a_lab_that_names_a_topic_serves_it(project, capsys):
    before = coverage(capsys)
    add_lab(project, 41, "explain", ["feature-attribution", "segmentation"])
    after = coverage(capsys)
    assert after["topics"]["served"] - before["topics"]["served"] == 2
    assert before["topics"]["planned"] - after["topics"]["planned"] == 2
    assert after["topics"]["unaccounted"] == 0


def test_a_topic_promised_by_a_lab_that_exists_is_overdue(project, capsys):
    add_lab(project, 41, "explain", ["feature-attribution"])
    assert main(["coverage"]) == 0
    assert (
        "overdue: lab 41 is here and does not name visual-explanations" in capsys.readouterr().out
    )


def test_a_topic_without_a_way_to_it_is_unaccounted(project, capsys):
    edit(project, "  how: {planned: 7}\n", "")
    assert main(["coverage", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["topics"]["unaccounted"] == 1


def test_an_exercise_counts_when_it_exists(project, capsys):
    edit(project, "how: {planned: 7}", "how: {exercise: ranges}")
    assert main(["coverage", "--json"]) == 2
    assert "data-analysis.how" in capsys.readouterr().err
    (project / "labs" / "exercises" / "ranges").mkdir(parents=True)
    assert coverage(capsys)["topics"]["exercise"] == 1


def test_a_lab_that_names_an_unknown_topic_is_told_the_nearest(project, capsys):
    add_lab(project, 1, "mlp", ["dense-network"])
    assert main(["coverage"]) == 2
    said = capsys.readouterr().err
    assert "lab01_mlp" in said
    assert "dense-networks" in said


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("  category: data\n", "  categry: data\n", "topics.small-datasets.categry"),
        ("  level: beginner\n", "  level: easy\n", "topics.small-datasets.level"),
        ("  hands_on: yes\n", "  hands_on: maybe\n", "topics.small-datasets.hands_on"),
        ("  how: {planned: 1}\n", "  how: {self: true}\n", "topics.small-datasets.how"),
        ("  how: {planned: 1}\n", "  how: {planned: soon}\n", "topics.small-datasets.how"),
        ("  category: data\n", "", "topics.small-datasets.category"),
        ("  title: Data sets", "  title: [Data] #", "topics.small-datasets.title"),
        ("- id: data-analysis", "- id: small-datasets", "small-datasets twice"),
        ("[pytorch-fundamentals]", "[pytorch-fundamental]", "small-datasets.prerequisites"),
        ("topics: [small-datasets]}", "topics: [small-data]}", "boxes.data/small-datasets.topics"),
        ("topics: [small-datasets]}", "topics: []}", "boxes.data/small-datasets.topics"),
        ("  prerequisites: []\n", "  prerequisites: [small-datasets]\n", "circle"),
        ("topics:\n", "topics: {\n", "not valid YAML"),
        ("boxes:\n", "bxes:\n", "two lists"),
    ],
)
def test_mistakes_in_the_file_are_named_by_file_and_key(project, old, new, named):
    edit(project, old, new)
    with pytest.raises(LabError) as caught:
        load_checklist(project)
    assert "checklist.yaml" in caught.value.what
    assert named in caught.value.what


def test_export_holds_every_box_and_topic_once(project, capsys):
    assert main(["checklist", "export"]) == 0
    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if line.startswith("- [ ] ")]
    assert len(lines) == 89 + 123
    assert "- [ ] *Read papers*" in lines
    headings = [line for line in text.splitlines() if line.startswith("### ")]
    assert all(a != b for a, b in itertools.pairwise(headings))


def test_export_never_writes_over_a_file(project, capsys):
    assert main(["checklist", "export", "-o", "mine.md"]) == 0
    Path("mine.md").write_text("my ticks")
    assert main(["checklist", "export", "-o", "mine.md"]) == 2
    assert Path("mine.md").read_text() == "my ticks"
    assert "another name" in capsys.readouterr().err

"""A course that is brought up to date: what is new comes, and no line of a learner's is lost."""

import random
import zipfile
from pathlib import Path

import pytest

from dllab.authoring import packaged, updating
from dllab.authoring.packaged import Course, unpack
from dllab.authoring.updating import merged, update
from dllab.cli import main
from dllab.errors import LabError

LAB = "labs/lab01_mlp"
CODE = (f"{LAB}/lab.py", f"{LAB}/starter.py")
BEGUN = "".join(f"line {number}\n" for number in range(40))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "course.zip"
    packaged.pack(Path(__file__).resolve().parents[1], path)
    return path


@pytest.fixture
def course(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    unpack(tmp_path / "course", "01-02", archive)
    monkeypatch.chdir(tmp_path / "course")
    return tmp_path / "course"


def newer(archive: Path, folder: Path, *names: str) -> Path:
    """An archive in which these files end with a new line; some are new."""
    path = folder / "newer.zip"
    more = dict.fromkeys(names or CODE, "# new\n")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + more.pop(name, "").encode())
        for name, text in more.items():
            new.writestr(name, text)
    return path


def test_nothing_changes_without_anything_new(course, archive):
    (course / LAB / "lab.py").write_text("mine\n")
    assert update(course, archive=archive) == []
    assert (course / LAB / "lab.py").read_text() == "mine\n"


def test_what_was_left_alone_is_replaced_and_lab_py_is_merged(course, archive, tmp_path):
    code = course / LAB / "lab.py"
    mine = code.read_text().replace("import torch\n", "import torch  # mine\n", 1)
    code.write_text(mine)
    (course / LAB / "README.md").write_text("My notes.\n")
    (course / "labs/progress.json").write_text("{}")
    names = (*CODE, f"{LAB}/checks.py", f"{LAB}/README.md", "docs/new.md")
    path = newer(archive, tmp_path, *names)
    told = {change.file: change.what for change in update(course, archive=path, dry=True)}
    assert told == {
        "docs/new.md": "new",
        f"{LAB}/README.md": "kept",
        f"{LAB}/checks.py": "updated",
        f"{LAB}/lab.py": "merged",
        f"{LAB}/starter.py": "updated",
    }
    assert code.read_text() == mine, "a dry run writes nothing"
    update(course, archive=path)
    assert code.read_text() == f"{mine}# new\n"
    assert (course / LAB / "lab.py.bak").read_text() == mine
    assert (course / LAB / "README.md").read_text() == "My notes.\n"
    assert (course / LAB / "README.md.new").read_text().endswith("# new\n")
    assert (course / "docs/new.md").read_text() == "# new\n"
    assert (course / "labs/progress.json").read_text() == "{}"
    assert update(course, archive=path) == [], "said once"


def test_an_update_that_was_cut_short_is_taken_up(course, archive, tmp_path, monkeypatch):
    code = course / LAB / "lab.py"
    code.write_text("# mine\n" + code.read_text())
    path = newer(archive, tmp_path)
    whole = updating._replace

    def fails(target: Path, content: bytes) -> None:
        if target.name == "starter.py":
            raise KeyboardInterrupt
        whole(target, content)

    monkeypatch.setattr(updating, "_replace", fails)
    with pytest.raises(KeyboardInterrupt):
        update(course, archive=path)
    monkeypatch.setattr(updating, "_replace", whole)
    update(course, archive=path)
    assert code.read_text().startswith("# mine\n")
    assert code.read_text().count("# new\n") == 1
    assert Course.read(course).files[f"{LAB}/lab.py"]


def test_lines_that_both_changed_stand_between_markers(
    course, archive, tmp_path, monkeypatch, capsys
):
    code = course / LAB / "lab.py"
    code.write_text(code.read_text() + "# mine\n")
    path = newer(archive, tmp_path)
    monkeypatch.setattr(unpack, "__defaults__", (None, path))
    monkeypatch.setattr(update, "__kwdefaults__", {"dry": False, "archive": path})
    assert main(["update"]) == 1
    assert "look for <<<<<<<" in capsys.readouterr().out
    assert "<<<<<<< yours\n# mine\n=======\n# new\n>>>>>>> dllab" in code.read_text()


def test_a_file_in_another_encoding_is_merged_and_one_that_cannot_be_read_is_named(
    course, archive, tmp_path
):
    code = course / LAB / "lab.py"
    begun = code.read_text()
    path = newer(archive, tmp_path)
    code.write_bytes(b"# caf\xe9\n" + begun.encode())
    with pytest.raises(LabError, match=r"lab\.py cannot be merged"):
        update(course, archive=path)
    assert not (course / LAB / "lab.py.bak").exists()
    code.write_bytes(b"# caf\xe9, coding: latin-1\n# caf\xe9\n" + begun.encode())
    update(course, archive=path)
    assert code.read_bytes().startswith(b"# caf\xe9, coding: latin-1\n# caf\xe9\n")
    assert code.read_bytes().endswith(b"# new\n")


def test_a_clone_is_told_what_brings_it_up_to_date(tmp_path):
    with pytest.raises(LabError, match="not a course that dllab init began") as error:
        update(tmp_path)
    assert "git pull" in error.value.hint


def edited(lines: list[str], who: str, random: random.Random) -> list[str]:
    """A few lines added, changed and removed."""
    lines = list(lines)
    for number in range(random.randint(1, 6)):
        place = random.randrange(len(lines))
        match random.choice(["add", "change", "remove"]):
            case "add":
                lines.insert(place, f"{who} adds {number}\n")
            case "change":
                lines[place] = f"{who} changes {number}\n"
            case _:
                del lines[place]
    return lines


@pytest.mark.parametrize("seed", range(200))
def test_no_line_of_either_side_is_lost(tmp_path, seed):
    """Whatever was written on one side, by itself or between markers, is there afterwards."""
    draw = random.Random(seed)
    base = BEGUN.splitlines(keepends=True)
    mine, theirs = edited(base, "learner", draw), edited(base, "author", draw)
    folder = tmp_path / "new"
    folder.mkdir()
    for path, lines in (
        (tmp_path / "starter.py", base),
        (tmp_path / "lab.py", mine),
        (folder / "lab.py", theirs),
    ):
        path.write_text("".join(lines))
    text, clean = merged(tmp_path / "lab.py", folder / "lab.py")
    got = text.splitlines(keepends=True)
    for line in {*mine, *theirs} - set(base):
        assert line in got, line
    if clean:
        assert "<<<<<<<" not in text
        both = set(mine) & set(theirs)
        assert both <= set(got), "what neither side removed"

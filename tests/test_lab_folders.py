"""Labs from several folders: what is wrong with one is said plainly, and stops no other."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from authoring_labs import make_root, write_kind

from dllab.cli import main
from dllab.errors import LabError
from dllab.lab.find import find_lab
from dllab.lab.read import load_spec


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with lab 90, and an empty folder `course` beside it for labs of its own."""
    made = make_root(tmp_path / "project")
    write_kind(made, "code_only", "90")
    (tmp_path / "course").mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("DLLAB_LABS", str(tmp_path / "course"))
    return made


@pytest.fixture
def course(root: Path) -> Path:
    return root.parent / "course"


def test_a_number_twice_names_both_and_the_folder_tells_them_apart(root, course, capsys):
    theirs = write_kind(root, "given", "90", course)
    assert main(["show", "90"]) == 2
    said = capsys.readouterr().err
    assert str(theirs.folder) in said
    assert str(root / "labs/lab90_code_only") in said
    assert "say course/90 or labs/90" in said or "say labs/90 or course/90" in said
    assert find_lab(root, "course/90").folder == theirs.folder
    assert find_lab(root, "labs/90").slug == "code_only"
    assert find_lab(root, "given").folder == theirs.folder


def test_a_name_twice_cannot_be_told_apart(root, course):
    write_kind(root, "code_only", "90", course)
    for name in ("90", "course/90", "code_only"):
        with pytest.raises(LabError, match=r"lab90_code_only is there twice.*course") as error:
            find_lab(root, name)
        assert "rename one" in error.value.hint


def test_a_folder_without_lab_yaml_is_no_lab_and_is_named_when_asked_for(root, course, capsys):
    (course / "lab91_half" / "__pycache__").mkdir(parents=True)
    (course / "lab92_file").touch()
    assert main(["list"]) == 0
    assert "91" not in capsys.readouterr().out
    assert main(["show", "91"]) == 2
    assert "lab91_half has no lab.yaml" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(root, course, capsys):
    course.rmdir()
    assert main(["list"]) == 2
    assert f"DLLAB_LABS names {course}, which is not a folder" in capsys.readouterr().err


def test_a_package_that_offers_labs_it_has_not_is_named(root, tmp_path, monkeypatch, capsys):
    info = tmp_path / "site/exam_labs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exam-labs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dllab.labs]\nexam = exam_labs.shelf\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert main(["list"]) == 2
    said = capsys.readouterr().err
    assert "labs 'exam' names exam_labs.shelf, which is not a package" in said
    assert "reinstall or remove it" in said


def test_broken_yaml_is_named_with_its_line_and_stops_no_other_lab(root, course, capsys):
    lab = write_kind(root, "given", "91", course)
    (lab.folder / "lab.yaml").write_text("title: ok\n\tlevel: beginner\n")
    assert main(["list"]) == 2
    said = capsys.readouterr().err
    assert f"{lab.folder}/lab.yaml:2 is not valid YAML" in said
    assert "<byte string>" not in said
    assert main(["show", "90"]) == 0


REPO = Path(__file__).parents[1]
FOLDERS = sorted(
    file.parent for place in ("labs", "tests/kinds") for file in REPO.glob(f"{place}/*/lab.yaml")
)

# A value of a wrong form, and the key that the error names.
FORMS = [
    ({"topics": "tiny"}, "topics"),
    ({"exports": None}, "exports"),
    ({"hidden": [1]}, "hidden"),
    ({"checks": ["backward"]}, "checks"),
    ({"checks": {"backward": "many"}}, "checks.backward"),
    ({"hints": {"backward": "think"}}, "hints.backward"),
    ({"arms": {"main": None}}, "arms.main"),
    ({"arms": {"main": {"overrides": "seed=1"}}}, "arms.main.overrides"),
    ({"criteria": {"accuracy": 0.9}}, "criteria.accuracy"),
    ({"budgets": 60}, "budgets"),
    ({"budgets": {"train_s": "long"}}, "budgets.train_s"),
    ({"pass_score": "most"}, "pass_score"),
    ({"level": "easy"}, "level"),
    ({"pass_score": "0.7"}, "pass_score"),
    ({"arms": {"main": {"budget_s": True}}}, "arms.main.budget_s"),
    ({"budgets": {"memory_mb": 10.5}}, "budgets.memory_mb"),
]


@pytest.mark.parametrize(("wrong", "key"), FORMS, ids=lambda value: str(value)[:40])
def test_a_value_of_the_wrong_form_is_named(root, wrong, key):
    path = root / "labs/lab90_code_only/lab.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | wrong))
    with pytest.raises(LabError) as error:
        load_spec(path.parent)
    assert f"{path}: {key} must be " in error.value.what


def test_unknown_and_missing_keys_are_named(root):
    path = root / "labs/lab90_code_only/lab.yaml"
    right = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(right | {"budgets": {"train_min": 3}}))
    with pytest.raises(LabError, match=r"lab.yaml: unknown key budgets\.train_min$") as error:
        load_spec(path.parent)
    assert error.value.hint.startswith("known keys: train_s, memory_mb")
    criterion = {"title": "A", "metric": "accuracy", "points": 1, "floor": 0.1}
    path.write_text(yaml.safe_dump(right | {"criteria": {"a": criterion}}))
    with pytest.raises(LabError, match=r"lab.yaml: missing key criteria\.a\.pass$"):
        load_spec(path.parent)
    del right["level"]
    path.write_text(yaml.safe_dump(right))
    with pytest.raises(LabError, match=r"lab.yaml: missing key level$"):
        load_spec(path.parent)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_was_checked_before_is_read_as_it_was_checked(folder, tmp_path):
    checked = load_spec(folder, tmp_path)
    # as texts: a mutant that gave no value has nan on record, which equals nothing
    assert repr(load_spec(folder, tmp_path)) == repr(checked) == repr(load_spec(folder))
    (kept,) = tmp_path.iterdir()
    kept.write_text('{"key": 3')
    assert repr(load_spec(folder, tmp_path)) == repr(checked)


def test_an_edit_of_lab_yaml_is_checked_and_seen(root, tmp_path):
    path = root / "labs/lab90_code_only/lab.yaml"
    load_spec(path.parent, tmp_path)
    before = path.read_text()
    path.write_text(before.replace("pass_score: ", "pass_score: x"))
    with pytest.raises(LabError, match="pass_score must be a number"):
        load_spec(path.parent, tmp_path)
    path.write_text(before.replace("pass_score: ", "pass_score: -"))
    assert load_spec(path.parent, tmp_path).pass_score < 0


@pytest.mark.parametrize("command", ["--help", "list", "progress", "show 90"])
def test_light_commands_do_not_import_pydantic(root, command):
    """It would take half of their time."""
    main(["list"])
    code = f"""if True:
        import sys
        from dllab.cli import main
        try:
            main({command.split()})
        finally:
            print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "dllab.cli" in done.stdout
    assert "pydantic" not in done.stdout
